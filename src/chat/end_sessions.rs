//! The end of all of a user's sessions: signing out everywhere, or being shut out by the host application.

use super::{Caller, Chat};
use crate::{
    fanout::{Farewell, LiveSocket},
    model::{Error, Result, Timestamp, UserId, UserKey},
};

impl Chat {
    /// Ends one's own sessions, or by the host application anybody's: also of a user whom nobody has met here, whose tokens
    /// may come yet. When this returns, this node has closed their sockets; the others follow.
    pub async fn end_sessions(&self, caller: Caller, id: &str) -> Result<()> {
        let id = UserId::parse(id)?;
        if let Caller::User(user) = caller
            && self.user(user).await?.id != id
        {
            return Err(Error::forbidden(
                "You may end your own sessions; another user's can be ended by the host application, with its API key.",
            ));
        }
        self.store.end_sessions(id).await?;
        self.settled().await;
        Ok(())
    }

    /// Closes a user's sockets that came by what was issued up to `at`.
    pub(super) fn sessions_ended(&self, user: UserKey, at: Timestamp) {
        // First, so that who asks from here on is told by the store; those who asked before take part in the fan-out already.
        self.directory_changed(user);
        self.hub.each_of(user, |socket| {
            if socket.issued_at() <= Some(at) {
                socket.close(Farewell::SessionsEnded);
            }
        });
    }

    /// Closes a socket whose user's sessions were ended while it came. To be called once it takes part.
    pub async fn judge_again(&self, live: &LiveSocket) {
        match self.user(live.user).await {
            Ok(user) if user.honours(live.issued_at()) => {}
            Ok(_) => live.close(Farewell::SessionsEnded),
            Err(_) => live.close(Farewell::Unavailable),
        }
    }
}
