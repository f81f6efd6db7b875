//! Who comes into a conversation, who leaves it, who is its admin; and its title and whether it is open.

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::{
    conversations,
    statement::Statements,
    writer::{Write, Writing},
};
use crate::{
    model::{Conversation, ConversationKey, Fact, Role, Timestamp, UserKey},
    store::{
        Actor, Changed,
        rules::{
            members::{ChangeConversation, Put, PutMember, RemoveMember, is_there_for, successor},
            participation::Participation,
        },
    },
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
        if !is_there_for(actor, &conversation) {
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

    fn unchanged(self) -> Changed {
        Changed::Done {
            conversation: self.conversation,
            changed: false,
        }
    }

    /// Sees to it that the group has an admin, loads the conversation anew, and tells of the membership. `role`: the
    /// person's from now on; `None` when they are in it no more.
    fn membership_changed(self, user: UserKey, role: Option<Role>) -> rusqlite::Result<Changed> {
        let successor = successor(&self.conversation, user, role);
        if let Some(successor) = successor {
            self.set_role(successor, Role::Admin)?;
        }
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

impl Write for PutMember {
    type Outcome = Changed;

    fn apply(&self, writing: &mut Writing<'_>) -> rusqlite::Result<Changed> {
        let Some(change) = Change::find(writing, self.actor, self.conversation)? else {
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
                change.set_role(self.user, role)?;
                role
            }
            Put::Enters(role) => {
                conversations::insert_member(connection, self.conversation, self.user, role, at)?;
                role
            }
            Put::Returns(role) => {
                bring_back(connection, self.conversation, self.user, role, at)?;
                role
            }
        };
        change.membership_changed(self.user, Some(role))
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

impl Write for RemoveMember {
    type Outcome = Changed;

    fn apply(&self, writing: &mut Writing<'_>) -> rusqlite::Result<Changed> {
        let Some(change) = Change::find(writing, self.actor, self.conversation)? else {
            return Ok(Changed::NotFound);
        };
        if let Err(refused) = self.decide(&change.conversation) {
            return Ok(refused);
        }
        let Some(participation) = Participation::find(change.connection(), self.user, self.conversation)? else {
            return Ok(Changed::NoSuchMember);
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

impl Write for ChangeConversation {
    type Outcome = Changed;

    fn apply(&self, writing: &mut Writing<'_>) -> rusqlite::Result<Changed> {
        let Some(change) = Change::find(writing, self.actor, self.conversation)? else {
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
