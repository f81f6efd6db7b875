//! Who comes into a conversation, who leaves it, who is its admin; and its title and whether it is open.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    connection::{Connection, Done},
    conversations, participation,
    writer::{Write, Writing},
};
use crate::{
    model::{Conversation, ConversationKey, Fact, Position, Role, Timestamp, UserKey},
    store::{Actor, Changed},
};

/// What the changes of one conversation share.
struct Change<'a, 'b> {
    writing: &'a mut Writing<'b>,
    conversation: Arc<Conversation>,
    last_news: Option<Position>,
    at: Timestamp,
}

impl<'a, 'b> Change<'a, 'b> {
    /// `None` when there is no such conversation, or the actor never was in it.
    async fn find(writing: &'a mut Writing<'b>, actor: Actor, key: ConversationKey) -> Done<Option<Self>> {
        let Some(locked) = conversations::lock(writing.connection, key).await? else {
            return Ok(None);
        };
        let Some(loaded) = conversations::find(writing.connection, key).await? else {
            return Ok(None);
        };
        let conversation = loaded.conversation;
        if let Actor::User(user) = actor
            && conversation.member(user).is_none()
        {
            return Ok(None);
        }
        let latest_at: i64 = writing
            .connection
            .one("SELECT latest_at FROM doorbell.conversation WHERE key = $1", &[&key.0])
            .await?
            .try_get(0)?;
        let at = writing.now.max(Timestamp(latest_at));
        Ok(Some(Change {
            writing,
            conversation: Arc::new(conversation),
            last_news: locked.last_news,
            at,
        }))
    }

    fn connection(&self) -> &'b Connection {
        self.writing.connection
    }

    fn key(&self) -> ConversationKey {
        self.conversation.key
    }

    /// Is the actor the host, or an admin who has not left?
    fn is_run_by(&self, actor: Actor) -> bool {
        match actor {
            Actor::Host => true,
            Actor::User(user) => self
                .conversation
                .member(user)
                .is_some_and(|member| member.left_at.is_none() && member.role == Role::Admin),
        }
    }

    fn unchanged(self) -> Changed {
        Changed::Done {
            conversation: self.conversation,
            changed: false,
        }
    }

    /// Loads the conversation anew, tells of the membership, and sees to it that the group has an admin.
    /// `stepped_down` becomes one again only if nobody else is left.
    async fn membership_changed(mut self, user: UserKey, stepped_down: Option<UserKey>) -> Done<Changed> {
        let successor = self.name_successor(stepped_down).await?;
        let promoted = successor.filter(|successor| *successor != user);
        let conversation = self.touch(promoted.iter().count()).await?;
        for user in std::iter::once(user).chain(promoted) {
            let fact = Fact::MembershipChanged {
                conversation: conversation.clone(),
                user,
                is_member: conversation.is_current_member(user),
            };
            // The second builds on the first, which is in the same slot: what the first waited for, it need not.
            self.writing.news.tell(self.last_news.take(), fact)?;
        }
        Ok(Changed::Done {
            conversation,
            changed: true,
        })
    }

    /// A group with members has an admin: where there is none, the longest-standing becomes one.
    async fn name_successor(&self, stepped_down: Option<UserKey>) -> Done<Option<UserKey>> {
        let successor = self
            .connection()
            .row(
                "SELECT user_key FROM doorbell.participant p
                 WHERE conversation = $1 AND left_at IS NULL
                   AND NOT EXISTS (SELECT 1 FROM doorbell.participant other
                                   WHERE other.conversation = $1 AND other.left_at IS NULL AND other.is_admin)
                 ORDER BY user_key IS NOT DISTINCT FROM $2, standing LIMIT 1",
                &[&self.key().0, &stepped_down.map(|user| user.0)],
            )
            .await?;
        let successor = match successor {
            Some(row) => Some(UserKey(row.try_get(0)?)),
            None => None,
        };
        if let Some(user) = successor {
            self.set_role(user, Role::Admin).await?;
        }
        Ok(successor)
    }

    async fn set_role(&self, user: UserKey, role: Role) -> Done<()> {
        self.connection()
            .execute(
                "UPDATE doorbell.participant SET is_admin = $3 WHERE user_key = $1 AND conversation = $2",
                &[&user.0, &self.key().0, &(role == Role::Admin)],
            )
            .await
    }

    /// Notes that the conversation has changed, and how it stands now. `more_news`: facts about it after the next.
    async fn touch(&self, more_news: usize) -> Done<Arc<Conversation>> {
        let news = self.writing.news.upcoming(more_news)?;
        self.connection()
            .execute(
                "UPDATE doorbell.conversation SET updated_at = $2, latest_at = $2, news_slot = $3, news_number = $4
                 WHERE key = $1",
                &[&self.key().0, &self.at.0, &news.slot, &news.number],
            )
            .await?;
        conversations::get(self.connection(), self.key()).await
    }
}

pub(super) struct PutMember {
    pub(super) actor: Actor,
    pub(super) conversation: ConversationKey,
    pub(super) user: UserKey,
    pub(super) role: Option<Role>,
    pub(super) group_max: usize,
}

#[async_trait]
impl Write for PutMember {
    type Outcome = Changed;

    async fn apply(&self, writing: &mut Writing<'_>) -> Done<Changed> {
        let Some(change) = Change::find(writing, self.actor, self.conversation).await? else {
            return Ok(Changed::NotFound);
        };
        if !change.conversation.is_group() {
            return Ok(Changed::NotAGroup);
        }
        if !change.is_run_by(self.actor) {
            return Ok(Changed::Forbidden);
        }
        let conversation = change.conversation.clone();
        let member = conversation.member(self.user);
        if let Some(current) = member.filter(|member| member.left_at.is_none()) {
            return match self.role {
                Some(role) if role != current.role => {
                    change.set_role(self.user, role).await?;
                    change.membership_changed(self.user, Some(self.user)).await
                }
                _ => Ok(change.unchanged()),
            };
        }
        if conversation.current_members().count() >= self.group_max {
            return Ok(Changed::Full);
        }
        let role = self.role.unwrap_or(Role::Member);
        if member.is_some() {
            bring_back(change.connection(), self.conversation, self.user, role, change.at).await?;
        } else {
            conversations::insert_members(change.connection(), self.conversation, &[(self.user, role)], change.at)
                .await?;
        }
        change.membership_changed(self.user, None).await
    }
}

/// What they saw before stays theirs; of the time between they see nothing; nothing is unread. They stand from now on.
async fn bring_back(
    connection: &Connection,
    conversation: ConversationKey,
    user: UserKey,
    role: Role,
    at: Timestamp,
) -> Done<()> {
    connection
        .execute(
            "INSERT INTO doorbell.earlier_span (user_key, conversation, from_seq, to_seq)
             SELECT user_key, conversation, from_seq, to_seq FROM doorbell.participant
             WHERE user_key = $1 AND conversation = $2 AND from_seq < to_seq",
            &[&user.0, &conversation.0],
        )
        .await?;
    connection
        .execute(
            "UPDATE doorbell.participant p
             SET from_seq = c.last_seq, to_seq = NULL, read_seq = c.last_seq, sent_at_read = p.sent,
                 returns = p.returns + 1, is_admin = $3, joined_at = $4, left_at = NULL, standing = c.arrivals
             FROM doorbell.conversation c
             WHERE p.user_key = $1 AND p.conversation = $2 AND c.key = $2",
            &[&user.0, &conversation.0, &(role == Role::Admin), &at.0],
        )
        .await?;
    conversations::count_arrivals(connection, conversation, 1).await
}

pub(super) struct RemoveMember {
    pub(super) actor: Actor,
    pub(super) conversation: ConversationKey,
    pub(super) user: UserKey,
}

#[async_trait]
impl Write for RemoveMember {
    type Outcome = Changed;

    async fn apply(&self, writing: &mut Writing<'_>) -> Done<Changed> {
        let Some(change) = Change::find(writing, self.actor, self.conversation).await? else {
            return Ok(Changed::NotFound);
        };
        if !change.conversation.is_group() {
            return Ok(Changed::NotAGroup);
        }
        let leaves = self.actor == Actor::User(self.user) && change.conversation.is_current_member(self.user);
        if !leaves && !change.is_run_by(self.actor) {
            return Ok(Changed::Forbidden);
        }
        let participation = match participation::find(change.connection(), self.user, self.conversation).await? {
            Some(participation) if !participation.has_left() => participation,
            _ => return Ok(Changed::NoSuchMember),
        };
        let (kept_seq, kept_at) = participation.to_keep();
        change
            .connection()
            .execute(
                "UPDATE doorbell.participant
                 SET to_seq = $3, left_at = $4, kept_seq = $5, kept_at = $6, is_admin = false,
                     kept_title = (SELECT title FROM doorbell.conversation WHERE key = $2)
                 WHERE user_key = $1 AND conversation = $2",
                &[
                    &self.user.0,
                    &self.conversation.0,
                    &participation.last_seq,
                    &change.at.0,
                    &kept_seq,
                    &kept_at.map(Timestamp::as_millis),
                ],
            )
            .await?;
        change
            .connection()
            .execute(
                "UPDATE doorbell.conversation SET departures = departures + 1 WHERE key = $1",
                &[&self.conversation.0],
            )
            .await?;
        change.membership_changed(self.user, None).await
    }
}

pub(super) struct ChangeConversation {
    pub(super) actor: Actor,
    pub(super) conversation: ConversationKey,
    pub(super) title: Option<Option<String>>,
    pub(super) is_active: Option<bool>,
}

#[async_trait]
impl Write for ChangeConversation {
    type Outcome = Changed;

    async fn apply(&self, writing: &mut Writing<'_>) -> Done<Changed> {
        let Some(change) = Change::find(writing, self.actor, self.conversation).await? else {
            return Ok(Changed::NotFound);
        };
        if !change.is_run_by(self.actor) || (self.is_active.is_some() && self.actor != Actor::Host) {
            return Ok(Changed::Forbidden);
        }
        let title = self.title.as_ref().unwrap_or(&change.conversation.title);
        let is_active = self.is_active.unwrap_or(change.conversation.is_active);
        if *title == change.conversation.title && is_active == change.conversation.is_active {
            return Ok(change.unchanged());
        }
        change
            .connection()
            .execute(
                "UPDATE doorbell.conversation SET title = $2, is_active = $3 WHERE key = $1",
                &[&self.conversation.0, &title.as_deref(), &is_active],
            )
            .await?;
        let conversation = change.touch(0).await?;
        let fact = Fact::ConversationChanged(conversation.clone());
        change.writing.news.tell(change.last_news, fact)?;
        Ok(Changed::Done {
            conversation,
            changed: true,
        })
    }
}
