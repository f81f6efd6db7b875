//! Comments under a post: public to every signed-in user, outside any conversation.

use super::{
    clock::Timestamp,
    id::{Seq, UserKey},
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    pub post_id: String,
    /// Position under its post: 1, 2, 3, ... without gaps.
    pub seq: Seq,
    pub author: UserKey,
    pub text: String,
    pub created_at: Timestamp,
}
