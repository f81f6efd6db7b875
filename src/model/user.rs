//! A person in the directory.

use super::{
    clock::Timestamp,
    id::{UserId, UserKey},
};

/// A person as the host application, or the person's own token, describes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub key: UserKey,
    pub id: UserId,
    pub name: Option<String>,
    /// Shown to this person and the API key alone, unless the deployment says otherwise.
    pub email: Option<String>,
    /// Address of a picture.
    pub image: Option<String>,
    pub role: Option<String>,
    /// When the last connection ended; `None` for someone who never had one.
    pub last_seen_at: Option<Timestamp>,
    /// When the host last wrote this entry: claims of tokens issued before do not change it.
    pub host_put_at: Option<Timestamp>,
    /// When the newest token whose claims were taken over was issued.
    pub claims_issued_at: Option<Timestamp>,
    /// When all of their sessions were last ended; `None` for someone to whom that never happened.
    pub sessions_ended_at: Option<Timestamp>,
}

impl User {
    /// Is what was issued at this time still good? A token or session that does not say when it was issued is not, once
    /// sessions were ended: nobody can tell that it came later.
    pub fn honours(&self, issued_at: Option<Timestamp>) -> bool {
        self.sessions_ended_at.is_none() || issued_at > self.sessions_ended_at
    }
}

/// What changes in an entry: an outer `None` keeps a field, `Some(None)` empties it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserPatch {
    pub name: Option<Option<String>>,
    pub email: Option<Option<String>>,
    pub image: Option<Option<String>>,
    pub role: Option<Option<String>>,
}

/// Who says what a user is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserSource {
    /// The host application, by its API key: its word stands.
    Host,
    /// A verified token's claims. They count when the token was issued after the host's last word, and not before
    /// claims already taken over.
    Claims { issued_at: Option<Timestamp> },
    /// Named by somebody else: gets an entry when there is none, and changes nothing.
    Mention,
}
