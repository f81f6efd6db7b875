//! What every engine must pass, named after what a user would notice. An engine joins with one line:
//! `conformance::suite!(make);`, where `make` is a [`Make`].

pub mod attachments;
pub mod conversations;
pub mod directory;
pub mod histories;
pub mod inboxes;
pub mod installation;
pub mod journal;
pub mod marks;
pub mod memberships;
pub mod model;
pub mod races;
pub mod sends;
pub mod sessions;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::{Actor, Appended, Changed, Draft, Facts, Marked, Store, Window};
use crate::model::{
    Clock, Conversation, ConversationKey, Entry, Fact, Message, MessageKind, Recorded, Seq, Timestamp, UserId, UserKey,
    conversation::Read,
    user::{UserPatch, UserSource},
};

/// An engine's database, which outlives the stores that are opened on it.
#[async_trait]
pub trait Database: Send {
    async fn open(&self, clock: Arc<dyn Clock>, facts: Facts) -> Arc<dyn Store>;
    /// Makes all signs of life and ends of sessions older by so much. For an engine that takes their age by the clock
    /// that it is opened with there is nothing to do: that clock is moved as well.
    async fn age(&self, time: Duration);
    /// Rows of a table.
    async fn count(&self, table: &str) -> i64;
}

/// Makes an empty database.
pub type Make = fn() -> Box<dyn Database>;

/// Makes a test of each case, against the databases that `$make` makes.
macro_rules! suite {
    ($make:expr) => {
        $crate::store::conformance::suite!(@each $make;
            directory::an_entry_is_made_once_and_found_again
            directory::a_patch_keeps_what_it_leaves_out_and_empties_what_it_names
            directory::the_hosts_word_stands_against_older_tokens
            directory::newer_claims_win_over_older_ones_and_equal_ones_apply_again
            directory::a_mention_makes_an_entry_and_changes_nothing
            directory::last_seen_only_rises
            directory::what_was_issued_before_the_end_of_all_sessions_counts_no_more
            sessions::whoever_comes_back_after_the_end_of_all_sessions_begins_anew
            directory::a_listing_is_changed_and_found
            conversations::two_people_have_one_conversation_a_listing_and_one_without
            conversations::whoever_asks_again_finds_what_the_other_opened
            conversations::the_most_recently_active_of_a_pair_comes_first
            conversations::a_group_begins_with_its_creator_as_admin
            conversations::a_conversation_is_found_by_its_id_and_nothing_else_is
            conversations::the_title_is_the_hosts_or_an_admins_to_change
            conversations::only_the_host_closes_and_reopens
            conversations::what_changes_nothing_is_no_news
            memberships::who_is_added_later_sees_what_comes_after
            memberships::who_left_keeps_the_history_up_to_then
            memberships::who_is_brought_back_sees_nothing_of_the_time_between
            memberships::who_is_brought_back_twice_sees_three_parts
            memberships::the_longest_standing_member_succeeds_the_last_admin
            memberships::an_admin_who_steps_down_alone_is_succeeded
            memberships::an_emptied_group_that_the_host_fills_has_an_admin
            memberships::a_group_takes_no_more_than_it_may_have
            memberships::only_admins_and_the_host_change_memberships
            memberships::a_one_to_one_conversation_keeps_its_two
            memberships::roles_change_and_are_news
            sends::messages_are_numbered_without_gaps_from_one
            sends::a_repeat_is_the_message_that_is_there_already
            sends::the_same_client_id_with_other_content_is_a_conflict
            sends::a_client_id_belongs_to_one_sender_and_one_conversation
            sends::a_repeat_is_known_after_leaving_and_in_a_closed_conversation
            sends::a_repeat_tells_when_it_was_read
            sends::a_stranger_a_leaver_and_a_closed_conversation_are_refused
            sends::a_reply_names_a_message_that_the_sender_may_see
            sends::everything_about_a_message_is_kept
            sends::a_sent_message_is_found_among_several_conversations
            sends::refused_sends_leave_no_gap
            sends::times_never_go_back_when_the_clock_does
            attachments::a_file_can_be_sent_when_it_is_whole_and_not_before
            attachments::every_way_of_reading_a_message_brings_its_files
            attachments::nobody_sends_anothers_file_and_refusals_leave_nothing
            attachments::a_file_elsewhere_comes_with_its_message_and_counts_for_nobody
            attachments::a_file_is_seen_where_its_messages_are_and_by_its_owner
            attachments::what_was_given_up_is_never_sent_and_what_was_sent_never_given_up
            attachments::sending_and_giving_up_at_once_leaves_one_of_the_two
            attachments::two_uploads_that_finish_together_do_not_share_the_same_room
            attachments::unused_uploads_are_found_in_pages_from_the_oldest
            attachments::each_departure_is_counted
            attachments::texts_and_files_of_one_conversation_keep_the_order_of_their_calls
            marks::a_mark_rises_and_never_falls
            marks::a_mark_counts_the_messages_of_others_alone
            marks::a_mark_names_a_message_that_the_reader_may_see
            marks::read_at_is_the_first_other_participants
            marks::read_at_is_right_over_a_page_of_many_advances
            marks::reading_in_a_group_of_hundreds_leaves_little_behind
            marks::sending_marks_nothing
            histories::pages_go_back_and_forth_without_a_hole
            histories::pages_step_over_what_was_not_seen
            histories::a_stranger_has_no_history
            histories::one_message_is_seen_by_those_who_may
            inboxes::the_newest_activity_comes_first
            inboxes::who_joins_late_finds_the_group_among_the_newest
            inboxes::pages_of_a_list_hold_each_conversation_once
            inboxes::a_conversation_that_was_left_stays_where_it_was
            inboxes::an_entry_tells_what_its_viewer_may_know
            inboxes::unread_freezes_at_leaving_and_starts_anew
            installation::comments_are_numbered_under_their_post
            installation::comments_are_paged
            installation::a_setting_is_kept_once
            installation::a_healthy_store_says_so
            installation::what_was_queued_before_closing_is_stored
            installation::a_closed_store_refuses
            races::one_conversation_from_64_openings
            races::one_entry_from_64_mentions
            races::one_message_from_100_sends_with_one_client_id
            races::numbers_have_no_gaps_under_many_writers
            races::the_order_of_calls_is_the_order_of_commits
            races::news_come_in_order_and_before_the_answer
            races::one_setting_from_64_proposals
            races::readers_never_see_a_hole_while_others_write
            model::what_is_seen_and_unread_agrees_with_a_naive_model
            journal::every_kind_of_news_leaves_its_note
            journal::a_changed_entry_of_the_directory_is_news_and_a_new_one_is_not
            journal::when_somebody_last_wrote_an_entry_is_no_news
            journal::what_changes_nothing_leaves_no_note
            journal::numbers_rise_by_one_in_commit_order_whoever_writes
            journal::the_journal_is_read_in_steps
            journal::numbers_go_on_after_a_restart
            journal::pruned_notes_are_gone_and_their_numbers_are_not_given_again
            journal::messages_are_found_by_their_places_and_nothing_else_is
            sessions::a_session_goes_on_with_its_contract_and_rooms
            sessions::a_conversation_that_was_left_is_not_joined_again
            sessions::a_conversation_joined_twice_has_the_later_end
            sessions::nobody_goes_on_with_anothers_session
            sessions::a_session_ends_with_the_window
            sessions::a_session_is_taken_over_from_a_connection_that_lives
            sessions::a_former_holder_changes_nothing
            sessions::a_session_goes_on_again_and_again
            sessions::a_session_outlives_a_killed_node
            sessions::a_killed_nodes_sessions_end_with_the_window
            sessions::what_a_node_said_before_it_had_a_session_is_not_about_it
            sessions::what_was_received_never_becomes_less
            sessions::a_forgotten_session_is_gone
            sessions::the_sweep_takes_what_is_over_and_nothing_else
            sessions::a_nodes_number_is_never_given_again
            sessions::nodes_are_known_by_their_signs_of_life
            sessions::a_node_that_had_no_session_for_long_may_get_one
            sessions::a_clock_that_is_set_back_ends_no_session
        );
    };
    (@each $make:expr; $($room:ident :: $name:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let fixture = $crate::store::conformance::Fixture::open($make).await;
                $crate::store::conformance::$room::$name(fixture).await;
            }
        )*
    };
}
pub(crate) use suite;

/// A clock that stands still until it is moved.
pub struct TestClock(AtomicI64);

impl TestClock {
    pub const START: Timestamp = Timestamp(1_700_000_000_000);

    pub fn new() -> Arc<Self> {
        Arc::new(TestClock(AtomicI64::new(Self::START.0)))
    }

    /// Forward, or back with a negative number. The time then.
    pub fn move_by(&self, millis: i64) -> Timestamp {
        Timestamp(self.0.fetch_add(millis, Ordering::SeqCst) + millis)
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// A store, its clock and its news, and short words for what the tests do with them.
pub struct Fixture {
    pub store: Arc<dyn Store>,
    pub clock: Arc<TestClock>,
    facts: mpsc::Receiver<Vec<Recorded<Fact>>>,
    database: Box<dyn Database>,
}

/// No test has as many batches: the writer never waits.
const FACTS_MAX: usize = 100_000;

impl Fixture {
    pub async fn open(make: Make) -> Self {
        let database = tokio::task::spawn_blocking(make).await.expect("a database");
        let clock = TestClock::new();
        let (sender, facts) = mpsc::channel(FACTS_MAX);
        let store = database.open(clock.clone(), sender).await;
        Fixture {
            store,
            clock,
            facts,
            database,
        }
    }

    /// Closes the store, and opens another on the same database. News that were not looked at are lost.
    pub async fn reopen(&mut self) {
        self.store.close().await;
        let (sender, facts) = mpsc::channel(FACTS_MAX);
        self.store = self.database.open(self.clock.clone(), sender).await;
        self.facts = facts;
    }

    /// So much time passes.
    pub async fn pass(&self, time: Duration) {
        self.clock.move_by(time.as_millis() as i64);
        self.database.age(time).await;
    }

    pub async fn count(&self, table: &str) -> i64 {
        self.database.count(table).await
    }

    /// All news so far.
    pub fn news(&mut self) -> Vec<Fact> {
        self.recorded().into_iter().map(|recorded| recorded.what).collect()
    }

    /// All news so far, with their places.
    pub fn recorded(&mut self) -> Vec<Recorded<Fact>> {
        let mut news = Vec::new();
        while let Ok(batch) = self.facts.try_recv() {
            news.extend(batch);
        }
        news
    }

    pub async fn user(&self, id: &str) -> UserKey {
        let made = self
            .store
            .put_user(user_id(id), UserPatch::default(), UserSource::Mention);
        made.await.expect("a user").key
    }

    pub async fn users<const N: usize>(&self) -> [UserKey; N] {
        let mut keys = [UserKey(0); N];
        for (number, key) in keys.iter_mut().enumerate() {
            *key = self.user(&format!("user-{number}")).await;
        }
        keys
    }

    pub async fn direct(&self, asker: UserKey, asked: UserKey) -> ConversationKey {
        let opened = self.store.open_one_to_one(asker, asked, None).await;
        opened.expect("a conversation").0.key
    }

    pub async fn group(&self, creator: UserKey, others: &[UserKey]) -> ConversationKey {
        let opened = self.store.open_group(creator, None, others.to_vec()).await;
        opened.expect("a group").key
    }

    pub async fn append(&self, draft: Draft) -> Appended {
        self.store.append(draft).await.expect("an answer")
    }

    /// Sends a text that must be stored.
    pub async fn say(&self, conversation: ConversationKey, sender: UserKey, text: &str) -> Arc<Message> {
        stored(self.append(draft(conversation, sender, text)).await)
    }

    pub async fn mark(&self, conversation: ConversationKey, reader: UserKey, up_to: Option<Seq>) -> Marked {
        self.store
            .mark(conversation, reader, up_to, None)
            .await
            .expect("an answer")
    }

    pub async fn put_member(&self, actor: Actor, conversation: ConversationKey, user: UserKey) -> Changed {
        let put = self.store.put_member(actor, conversation, user, None, 500);
        put.await.expect("an answer")
    }

    pub async fn remove(&self, actor: Actor, conversation: ConversationKey, user: UserKey) -> Changed {
        let removed = self.store.remove_member(actor, conversation, user);
        removed.await.expect("an answer")
    }

    pub async fn leave(&self, conversation: ConversationKey, user: UserKey) {
        done(self.remove(Actor::User(user), conversation, user).await);
    }

    pub async fn conversation(&self, key: ConversationKey) -> Arc<Conversation> {
        let found = self.store.conversation(key).await.expect("an answer");
        found.expect("a conversation")
    }

    /// All that the viewer may see.
    pub async fn history(&self, conversation: ConversationKey, viewer: UserKey) -> Vec<Message> {
        let window = Window::Newest { limit: 10_000 };
        let history = self
            .store
            .history(conversation, viewer, window)
            .await
            .expect("an answer");
        history.expect("a participant").messages
    }

    pub async fn seen(&self, conversation: ConversationKey, viewer: UserKey) -> Vec<Seq> {
        seqs(&self.history(conversation, viewer).await)
    }

    pub async fn entry(&self, conversation: ConversationKey, viewer: UserKey) -> Entry {
        let entry = self.store.entry(conversation, viewer).await.expect("an answer");
        entry.expect("a participant")
    }

    pub async fn unread(&self, conversation: ConversationKey, viewer: UserKey) -> i64 {
        self.entry(conversation, viewer).await.unread
    }
}

pub fn user_id(id: &str) -> UserId {
    UserId::parse(id).expect("an id")
}

pub fn draft(conversation: ConversationKey, sender: UserKey, text: &str) -> Draft {
    Draft {
        conversation,
        sender,
        kind: MessageKind::Text,
        content: text.to_owned(),
        attachments: Vec::new(),
        client_message_id: None,
        digest: [0; 16],
        reply_to: None,
        origin: None,
    }
}

/// A draft that its sender calls `id`, and whose digest follows from its text.
pub fn named(conversation: ConversationKey, sender: UserKey, text: &str, id: &str) -> Draft {
    let mut digest = [0; 16];
    for (place, byte) in text.bytes().enumerate() {
        digest[place % 16] ^= byte;
    }
    Draft {
        client_message_id: Some(id.to_owned()),
        digest,
        ..draft(conversation, sender, text)
    }
}

pub fn stored(appended: Appended) -> Arc<Message> {
    match appended {
        Appended::Stored(message) => message,
        other => panic!("not stored: {other:?}"),
    }
}

pub fn repeated(appended: Appended) -> Arc<Message> {
    match appended {
        Appended::Repeat(message) => message,
        other => panic!("no repeat: {other:?}"),
    }
}

pub fn done(changed: Changed) -> Arc<Conversation> {
    match changed {
        Changed::Done {
            conversation,
            changed: true,
        } => conversation,
        other => panic!("not changed: {other:?}"),
    }
}

pub fn untouched(changed: Changed) -> Arc<Conversation> {
    match changed {
        Changed::Done {
            conversation,
            changed: false,
        } => conversation,
        other => panic!("not left as it is: {other:?}"),
    }
}

pub fn advanced(marked: Marked) -> Read {
    match marked {
        Marked::Advanced(read) => read,
        other => panic!("not advanced: {other:?}"),
    }
}

pub fn seqs(messages: &[Message]) -> Vec<Seq> {
    messages.iter().map(|message| message.seq).collect()
}
