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
    store::{
        Actor, Changed,
        rules::members::{ChangeConversation, Put, PutMember, RemoveMember, is_there_for, successor},
    },
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
        if !is_there_for(actor, &conversation) {
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

    fn unchanged(self) -> Changed {
        Changed::Done {
            conversation: self.conversation,
            changed: false,
        }
    }

    /// Sees to it that the group has an admin, loads the conversation anew, and tells of the membership. `role`: the
    /// person's from now on; `None` when they are in it no more.
    async fn membership_changed(mut self, user: UserKey, role: Option<Role>) -> Done<Changed> {
        let successor = successor(&self.conversation, user, role);
        if let Some(successor) = successor {
            self.set_role(successor, Role::Admin).await?;
        }
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

#[async_trait]
impl Write for PutMember {
    type Outcome = Changed;

    async fn apply(&self, writing: &mut Writing<'_>) -> Done<Changed> {
        let Some(change) = Change::find(writing, self.actor, self.conversation).await? else {
            return Ok(Changed::NotFound);
        };
        let put = match self.decide(&change.conversation) {
            Ok(put) => put,
            Err(refused) => return Ok(refused),
        };
        let (connection, at) = (change.connection(), change.at);
        let role = match put {
            Put::Stays => return Ok(change.unchanged()),
            Put::Becomes(role) => {
                change.set_role(self.user, role).await?;
                role
            }
            Put::Enters(role) => {
                conversations::insert_members(connection, self.conversation, &[(self.user, role)], at).await?;
                role
            }
            Put::Returns(role) => {
                bring_back(connection, self.conversation, self.user, role, at).await?;
                role
            }
        };
        change.membership_changed(self.user, Some(role)).await
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

#[async_trait]
impl Write for RemoveMember {
    type Outcome = Changed;

    async fn apply(&self, writing: &mut Writing<'_>) -> Done<Changed> {
        let Some(change) = Change::find(writing, self.actor, self.conversation).await? else {
            return Ok(Changed::NotFound);
        };
        if let Err(refused) = self.decide(&change.conversation) {
            return Ok(refused);
        }
        let Some(participation) = participation::find(change.connection(), self.user, self.conversation).await? else {
            return Ok(Changed::NoSuchMember);
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

#[async_trait]
impl Write for ChangeConversation {
    type Outcome = Changed;

    async fn apply(&self, writing: &mut Writing<'_>) -> Done<Changed> {
        let Some(change) = Change::find(writing, self.actor, self.conversation).await? else {
            return Ok(Changed::NotFound);
        };
        let conversation = Arc::clone(&change.conversation);
        let (title, is_active) = match self.decide(&conversation) {
            Ok(Some(changed)) => changed,
            Ok(None) => return Ok(change.unchanged()),
            Err(refused) => return Ok(refused),
        };
        change
            .connection()
            .execute(
                "UPDATE doorbell.conversation SET title = $2, is_active = $3 WHERE key = $1",
                &[&self.conversation.0, &title, &is_active],
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
