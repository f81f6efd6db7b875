//! The nouns of a marketplace's chat, and the rules that belong to one noun alone. Nothing here does input or output.

pub mod address;
pub mod attachment;
pub mod clock;
pub mod comment;
pub mod content;
pub mod contract;
pub mod conversation;
pub mod error;
pub mod event;
pub mod id;
pub mod journal;
pub mod limits;
pub mod listing;
pub mod message;
pub mod plant;
pub mod rate;
pub mod session;
pub mod user;

pub use attachment::{Attachment, FileFacts, MediaKind, MediaType, Variant};
pub use clock::{Clock, Timestamp};
pub use comment::Comment;
pub use contract::{Contract, Contract as ContractName};
pub use conversation::{Conversation, Entry, Member, Role};
pub use error::{Code, Error, Result};
pub use event::{Fact, Origin};
pub use id::{
    AttachmentId, AttachmentKey, ConversationId, ConversationKey, ListingId, ListingKey, MessageId, Seq, UserId,
    UserKey,
};
pub use journal::{Cut, Note, Position, Recorded};
pub use listing::Listing;
pub use message::{Message, MessageKind};
pub use session::{NodeKey, Session, SessionId};
pub use user::User;
