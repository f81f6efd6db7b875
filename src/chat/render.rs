//! What the chat asks of the contracts: who of their sockets hears of what, and in which words.

use doorbell_socketio::Frame;

use super::People;
use crate::{
    fanout::Audience,
    model::{Contract, Conversation, Entry, Message, Timestamp, User, UserKey, conversation::Read},
};

/// Kinds of news of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    Message,
    Read,
    Typing,
}

/// Whose socket it is, seen from who caused the news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The very socket that caused it.
    Origin,
    /// Another socket of the same person.
    Own,
    Others,
}

/// Rendering for live sockets. Frames of one contract are the same for everyone who gets them.
pub trait Render: Send + Sync + 'static {
    /// Which sockets of a contract hear of it.
    fn audience(&self, contract: Contract, news: News, whose: Whose) -> Audience;

    /// `viewer`: rendered for this person's eyes alone (their own e-mail address, say); `None`: for everyone's.
    fn message(
        &self,
        contract: Contract,
        conversation: &Conversation,
        message: &Message,
        people: &People,
        viewer: Option<UserKey>,
    ) -> Frame;
    fn read(&self, contract: Contract, conversation: &Conversation, read: &Read, people: &People) -> Frame;
    fn typing(
        &self,
        contract: Contract,
        conversation: &Conversation,
        user: UserKey,
        people: &People,
        is_typing: bool,
    ) -> Frame;

    /// `None` for contracts without presence.
    fn presence(&self, contract: Contract, user: &User, online: bool, last_seen_at: Option<Timestamp>)
    -> Option<Frame>;

    /// The contract whose sockets are told of changes to the list itself.
    fn list_contract(&self) -> Contract;
    fn entry(&self, entry: &Entry, viewer: UserKey, people: &People) -> Frame;
}
