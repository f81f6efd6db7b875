//! Who may change a conversation, and what a change of its memberships comes to.
//!
//! An engine loads the conversation as it stands, with nobody else writing in it, asks here, and writes what was decided.

use crate::{
    model::{Conversation, ConversationKey, Role, UserKey},
    store::{Actor, Changed},
};

/// Is there such a conversation for the actor? A person must be, or have been, in it.
pub(in crate::store) fn is_there_for(actor: Actor, conversation: &Conversation) -> bool {
    match actor {
        Actor::Host => true,
        Actor::User(user) => conversation.member(user).is_some(),
    }
}

/// The host, or an admin who has not left.
fn is_run_by(actor: Actor, conversation: &Conversation) -> bool {
    match actor {
        Actor::Host => true,
        Actor::User(user) => conversation
            .current_members()
            .any(|member| member.user == user && member.role == Role::Admin),
    }
}

/// A group with members has an admin. Who becomes one when this person has this role from now on, or (`None`) is in it no
/// more: where no admin is left the longest-standing of the others, and the person themself only if nobody else is there.
pub(in crate::store) fn successor(conversation: &Conversation, user: UserKey, role: Option<Role>) -> Option<UserKey> {
    let others = || conversation.current_members().filter(|member| member.user != user);
    if role == Some(Role::Admin) || others().any(|member| member.role == Role::Admin) {
        return None;
    }
    let longest_standing = others().next().map(|member| member.user);
    longest_standing.or(role.map(|_| user))
}

/// Adds somebody, brings somebody back, or changes a role.
pub(in crate::store) struct PutMember {
    pub(in crate::store) actor: Actor,
    pub(in crate::store) conversation: ConversationKey,
    pub(in crate::store) user: UserKey,
    pub(in crate::store) role: Option<Role>,
    pub(in crate::store) group_max: usize,
}

/// What becomes of the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Put {
    /// They are in it, in that role, already.
    Stays,
    /// They are in it, in another role.
    Becomes(Role),
    Enters(Role),
    Returns(Role),
}

impl PutMember {
    /// `Err`: why not.
    pub(in crate::store) fn decide(&self, conversation: &Conversation) -> Result<Put, Changed> {
        if !conversation.is_group() {
            return Err(Changed::NotAGroup);
        }
        if !is_run_by(self.actor, conversation) {
            return Err(Changed::Forbidden);
        }
        let member = conversation.member(self.user);
        if let Some(current) = member.filter(|member| member.left_at.is_none()) {
            let role = self.role.filter(|role| *role != current.role);
            return Ok(role.map_or(Put::Stays, Put::Becomes));
        }
        if conversation.current_members().count() >= self.group_max {
            return Err(Changed::Full);
        }
        let role = self.role.unwrap_or(Role::Member);
        Ok(match member {
            Some(_) => Put::Returns(role),
            None => Put::Enters(role),
        })
    }
}

/// Somebody leaves, or is removed.
pub(in crate::store) struct RemoveMember {
    pub(in crate::store) actor: Actor,
    pub(in crate::store) conversation: ConversationKey,
    pub(in crate::store) user: UserKey,
}

impl RemoveMember {
    /// `Err`: why not.
    pub(in crate::store) fn decide(&self, conversation: &Conversation) -> Result<(), Changed> {
        if !conversation.is_group() {
            return Err(Changed::NotAGroup);
        }
        let is_in = conversation.is_current_member(self.user);
        let leaves = is_in && self.actor == Actor::User(self.user);
        if !leaves && !is_run_by(self.actor, conversation) {
            return Err(Changed::Forbidden);
        }
        if is_in { Ok(()) } else { Err(Changed::NoSuchMember) }
    }
}

/// The title, or whether it is open.
pub(in crate::store) struct ChangeConversation {
    pub(in crate::store) actor: Actor,
    pub(in crate::store) conversation: ConversationKey,
    pub(in crate::store) title: Option<Option<String>>,
    pub(in crate::store) is_active: Option<bool>,
}

impl ChangeConversation {
    /// Title and openness from now on; `None` when they are so already. `Err`: why not.
    pub(in crate::store) fn decide<'a>(
        &'a self,
        conversation: &'a Conversation,
    ) -> Result<Option<(Option<&'a str>, bool)>, Changed> {
        if !is_run_by(self.actor, conversation) || (self.is_active.is_some() && self.actor != Actor::Host) {
            return Err(Changed::Forbidden);
        }
        let title = self.title.as_ref().unwrap_or(&conversation.title);
        let is_active = self.is_active.unwrap_or(conversation.is_active);
        let is_so = *title == conversation.title && is_active == conversation.is_active;
        Ok((!is_so).then_some((title.as_deref(), is_active)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ConversationId, Member, Timestamp, conversation::Shape};

    const ANNA: UserKey = UserKey(1);
    const BEA: UserKey = UserKey(2);
    const CARL: UserKey = UserKey(3);
    const DORA: UserKey = UserKey(4);

    fn member(user: UserKey, role: Role, has_left: bool) -> Member {
        Member {
            user,
            role,
            joined_at: Timestamp(0),
            left_at: has_left.then_some(Timestamp(1)),
            from_seq: 0,
            to_seq: has_left.then_some(0),
        }
    }

    fn conversation(shape: Shape, members: Vec<Member>) -> Conversation {
        Conversation {
            key: ConversationKey(1),
            id: ConversationId::trusted("c".to_owned()),
            shape,
            title: Some("Flat".to_owned()),
            is_active: true,
            created_at: Timestamp(0),
            members,
            departures: 0,
        }
    }

    /// Anna runs it, Bea is in it, Carl has left; Dora never was in it.
    fn group() -> Conversation {
        let members = vec![
            member(ANNA, Role::Admin, false),
            member(BEA, Role::Member, false),
            member(CARL, Role::Member, true),
        ];
        conversation(Shape::Group, members)
    }

    fn pair() -> Conversation {
        let shape = Shape::OneToOne {
            asker: ANNA,
            asked: BEA,
            listing: None,
        };
        let members = vec![member(ANNA, Role::Member, false), member(BEA, Role::Member, false)];
        conversation(shape, members)
    }

    fn put(actor: Actor, user: UserKey, role: Option<Role>) -> PutMember {
        PutMember {
            actor,
            conversation: ConversationKey(1),
            user,
            role,
            group_max: 3,
        }
    }

    fn remove(actor: Actor, user: UserKey) -> RemoveMember {
        RemoveMember {
            actor,
            conversation: ConversationKey(1),
            user,
        }
    }

    #[test]
    fn a_conversation_is_there_for_the_host_and_for_who_is_or_was_in_it() {
        let there = |actor| is_there_for(actor, &group());
        assert!(
            [Actor::Host, Actor::User(ANNA), Actor::User(CARL)]
                .into_iter()
                .all(there)
        );
        assert!(!there(Actor::User(DORA)));
    }

    #[test]
    fn the_host_and_admins_add_bring_back_and_change_roles() {
        for actor in [Actor::Host, Actor::User(ANNA)] {
            let decide = |user, role| put(actor, user, role).decide(&group()).expect("allowed");
            assert_eq!(decide(DORA, None), Put::Enters(Role::Member));
            assert_eq!(decide(DORA, Some(Role::Admin)), Put::Enters(Role::Admin));
            assert_eq!(decide(CARL, None), Put::Returns(Role::Member));
            assert_eq!(decide(BEA, Some(Role::Admin)), Put::Becomes(Role::Admin));
            assert_eq!(decide(BEA, Some(Role::Member)), Put::Stays);
            assert_eq!(decide(ANNA, None), Put::Stays, "no role named: hers stays");
        }
    }

    #[test]
    fn others_change_nobody_and_a_one_to_one_conversation_keeps_its_two() {
        for actor in [BEA, CARL].map(Actor::User) {
            for user in [ANNA, BEA, CARL, DORA] {
                let put = put(actor, user, Some(Role::Admin)).decide(&group());
                assert!(matches!(put, Err(Changed::Forbidden)), "{actor:?} {user:?}");
                let removed = remove(actor, user).decide(&group());
                let leaves = actor == Actor::User(BEA) && user == BEA;
                assert_eq!(removed.is_ok(), leaves, "{actor:?} {user:?}");
            }
        }
        assert!(matches!(
            put(Actor::Host, DORA, None).decide(&pair()),
            Err(Changed::NotAGroup)
        ));
        assert!(matches!(
            remove(Actor::Host, BEA).decide(&pair()),
            Err(Changed::NotAGroup)
        ));
    }

    #[test]
    fn a_full_group_takes_nobody_in_and_still_changes_roles() {
        let mut group = group();
        group.members.push(member(DORA, Role::Member, false));
        let decide = |user| put(Actor::Host, user, Some(Role::Admin)).decide(&group);
        assert!(matches!(decide(CARL), Err(Changed::Full)));
        assert!(matches!(decide(UserKey(9)), Err(Changed::Full)));
        assert!(matches!(decide(DORA), Ok(Put::Becomes(Role::Admin))));
    }

    #[test]
    fn who_is_not_in_it_is_not_removed() {
        for user in [CARL, DORA] {
            let removed = remove(Actor::Host, user).decide(&group());
            assert!(matches!(removed, Err(Changed::NoSuchMember)));
        }
        assert!(remove(Actor::User(ANNA), BEA).decide(&group()).is_ok());
    }

    #[test]
    fn the_last_admin_is_succeeded_by_who_stands_longest() {
        let group = group();
        assert_eq!(successor(&group, ANNA, None), Some(BEA), "Anna leaves");
        assert_eq!(
            successor(&group, ANNA, Some(Role::Member)),
            Some(BEA),
            "Anna steps down"
        );
        assert_eq!(successor(&group, BEA, None), None, "Anna is an admin still");
        assert_eq!(successor(&group, CARL, Some(Role::Member)), None);
        let mut alone = group.clone();
        alone.members.remove(1);
        assert_eq!(
            successor(&alone, ANNA, Some(Role::Member)),
            Some(ANNA),
            "nobody else is left"
        );
        assert_eq!(successor(&alone, ANNA, None), None, "nobody is left");
        let mut empty = alone;
        empty.members[0] = member(ANNA, Role::Member, true);
        assert_eq!(
            successor(&empty, CARL, Some(Role::Member)),
            Some(CARL),
            "the host fills it"
        );
        assert_eq!(successor(&empty, CARL, Some(Role::Admin)), None);
    }

    #[test]
    fn the_title_is_the_hosts_and_the_admins_and_closing_is_the_hosts_alone() {
        let decide = |actor, title: Option<Option<&str>>, is_active| {
            let change = ChangeConversation {
                actor,
                conversation: ConversationKey(1),
                title: title.map(|title| title.map(str::to_owned)),
                is_active,
            };
            let group = group();
            let decided = change.decide(&group);
            decided
                .ok()
                .map(|now| now.map(|(title, is_active)| (title.map(str::to_owned), is_active)))
        };
        let anna = Actor::User(ANNA);
        let flat = || Some("Flat".to_owned());
        assert_eq!(decide(anna, Some(None), None), Some(Some((None, true))));
        assert_eq!(decide(Actor::Host, None, Some(false)), Some(Some((flat(), false))));
        assert_eq!(
            decide(Actor::Host, Some(Some("Flat")), Some(true)),
            Some(None),
            "it is so already"
        );
        assert_eq!(decide(anna, None, Some(false)), None);
        assert_eq!(
            decide(anna, None, Some(true)),
            None,
            "whether it is open is not hers, even where nothing changes"
        );
        assert_eq!(decide(Actor::User(BEA), Some(None), None), None);
    }
}
