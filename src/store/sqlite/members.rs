//! Who comes into a conversation, who leaves it, who is its admin; and its title and whether it is open.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    conversations,
    statement::Statements,
    writer::{Write, Writing},
};
use crate::{
    model::{Conversation, ConversationKey, Fact, Role, Timestamp, UserKey},
    store::{Actor, Changed, rules::participation::Participation},
};

/// What the changes of one conversation share.
struct Change<'a, 'b> {
    writing: &'a mut Writing<'b>,
    conversation: Arc<Conversation>,
    at: Timestamp,
}

impl<'a, 'b> Change<'a, 'b> {
    /// `None` when there is no such conversation, or the actor never was in it.
    fn find(writing: &'a mut Writing<'b>, actor: Actor, key: ConversationKey) -> rusqlite::Result<Option<Self>> {
        let Some(loaded) = conversations::find(writing.connection, key)? else {
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
            .statement("SELECT latest_at FROM conversation WHERE key = ?1")?
            .query_row([key.0], |row| row.get(0))?;
        let at = writing.now.max(Timestamp(latest_at));
        Ok(Some(Change {
            writing,
            conversation: Arc::new(conversation),
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
    fn membership_changed(self, user: UserKey, stepped_down: Option<UserKey>) -> rusqlite::Result<Changed> {
        let successor = self.name_successor(stepped_down)?;
        let conversation = self.touch()?;
        let promoted = successor.filter(|successor| *successor != user);
        for user in std::iter::once(user).chain(promoted) {
            self.writing.facts.push(Fact::MembershipChanged {
                conversation: conversation.clone(),
                user,
                is_member: conversation.is_current_member(user),
            });
        }
        Ok(Changed::Done {
            conversation,
            changed: true,
        })
    }

    /// A group with members has an admin: where there is none, the longest-standing becomes one.
    fn name_successor(&self, stepped_down: Option<UserKey>) -> rusqlite::Result<Option<UserKey>> {
        let successor = self
            .connection()
            .statement(
                "SELECT user FROM participant p
                 WHERE conversation = ?1 AND left_at IS NULL
                   AND NOT EXISTS (SELECT 1 FROM participant other
                                   WHERE other.conversation = ?1 AND other.left_at IS NULL AND other.is_admin)
                 ORDER BY user IS ?2, standing LIMIT 1",
            )?
            .query_row(params![self.key().0, stepped_down.map(|user| user.0)], |row| {
                row.get(0).map(UserKey)
            })
            .optional()?;
        if let Some(user) = successor {
            self.set_role(user, Role::Admin)?;
        }
        Ok(successor)
    }

    fn set_role(&self, user: UserKey, role: Role) -> rusqlite::Result<()> {
        self.connection()
            .statement("UPDATE participant SET is_admin = ?3 WHERE user = ?1 AND conversation = ?2")?
            .execute(params![user.0, self.key().0, role == Role::Admin])?;
        Ok(())
    }

    /// Notes that the conversation has changed, and how it stands now.
    fn touch(&self) -> rusqlite::Result<Arc<Conversation>> {
        self.connection()
            .statement("UPDATE conversation SET updated_at = ?2, latest_at = ?2 WHERE key = ?1")?
            .execute([self.key().0, self.at.0])?;
        conversations::get(self.connection(), self.key())
    }
}

pub(super) struct PutMember {
    pub(super) actor: Actor,
    pub(super) conversation: ConversationKey,
    pub(super) user: UserKey,
    pub(super) role: Option<Role>,
    pub(super) group_max: usize,
}

impl Write for PutMember {
    type Outcome = Changed;

    fn apply(&self, writing: &mut Writing<'_>) -> rusqlite::Result<Changed> {
        let Some(change) = Change::find(writing, self.actor, self.conversation)? else {
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
                    change.set_role(self.user, role)?;
                    change.membership_changed(self.user, Some(self.user))
                }
                _ => Ok(change.unchanged()),
            };
        }
        if conversation.current_members().count() >= self.group_max {
            return Ok(Changed::Full);
        }
        let role = self.role.unwrap_or(Role::Member);
        if member.is_some() {
            bring_back(change.connection(), self.conversation, self.user, role, change.at)?;
        } else {
            conversations::insert_member(change.connection(), self.conversation, self.user, role, change.at)?;
        }
        change.membership_changed(self.user, None)
    }
}

/// What they saw before stays theirs; of the time between they see nothing; nothing is unread. They stand from now on.
fn bring_back(
    connection: &Connection,
    conversation: ConversationKey,
    user: UserKey,
    role: Role,
    at: Timestamp,
) -> rusqlite::Result<()> {
    connection
        .statement(
            "INSERT INTO earlier_span (user, conversation, from_seq, to_seq)
             SELECT user, conversation, from_seq, to_seq FROM participant
             WHERE user = ?1 AND conversation = ?2 AND from_seq < to_seq",
        )?
        .execute([user.0, conversation.0])?;
    connection
        .statement(
            "UPDATE participant
             SET from_seq = c.last_seq, to_seq = NULL, read_seq = c.last_seq, sent_at_read = sent,
                 returns = returns + 1, is_admin = ?3, joined_at = ?4, left_at = NULL, standing = c.arrivals
             FROM conversation c
             WHERE user = ?1 AND conversation = ?2 AND c.key = ?2",
        )?
        .execute(params![user.0, conversation.0, role == Role::Admin, at.0])?;
    conversations::count_arrival(connection, conversation)
}

pub(super) struct RemoveMember {
    pub(super) actor: Actor,
    pub(super) conversation: ConversationKey,
    pub(super) user: UserKey,
}

impl Write for RemoveMember {
    type Outcome = Changed;

    fn apply(&self, writing: &mut Writing<'_>) -> rusqlite::Result<Changed> {
        let Some(change) = Change::find(writing, self.actor, self.conversation)? else {
            return Ok(Changed::NotFound);
        };
        if !change.conversation.is_group() {
            return Ok(Changed::NotAGroup);
        }
        let leaves = self.actor == Actor::User(self.user) && change.conversation.is_current_member(self.user);
        if !leaves && !change.is_run_by(self.actor) {
            return Ok(Changed::Forbidden);
        }
        let participation = match Participation::find(change.connection(), self.user, self.conversation)? {
            Some(participation) if !participation.has_left() => participation,
            _ => return Ok(Changed::NoSuchMember),
        };
        let (kept_seq, kept_at) = participation.to_keep();
        change
            .connection()
            .statement(
                "UPDATE participant SET to_seq = ?3, left_at = ?4, kept_seq = ?5, kept_at = ?6, is_admin = 0,
                        kept_title = (SELECT title FROM conversation WHERE key = ?2)
                 WHERE user = ?1 AND conversation = ?2",
            )?
            .execute(params![
                self.user.0,
                self.conversation.0,
                participation.last_seq,
                change.at.0,
                kept_seq,
                kept_at.map(Timestamp::as_millis),
            ])?;
        change
            .connection()
            .statement("UPDATE conversation SET departures = departures + 1 WHERE key = ?1")?
            .execute([self.conversation.0])?;
        change.membership_changed(self.user, None)
    }
}

pub(super) struct ChangeConversation {
    pub(super) actor: Actor,
    pub(super) conversation: ConversationKey,
    pub(super) title: Option<Option<String>>,
    pub(super) is_active: Option<bool>,
}

impl Write for ChangeConversation {
    type Outcome = Changed;

    fn apply(&self, writing: &mut Writing<'_>) -> rusqlite::Result<Changed> {
        let Some(change) = Change::find(writing, self.actor, self.conversation)? else {
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
            .statement("UPDATE conversation SET title = ?2, is_active = ?3 WHERE key = ?1")?
            .execute(params![self.conversation.0, title, is_active])?;
        let conversation = change.touch()?;
        change
            .writing
            .facts
            .push(Fact::ConversationChanged(conversation.clone()));
        Ok(Changed::Done {
            conversation,
            changed: true,
        })
    }
}
