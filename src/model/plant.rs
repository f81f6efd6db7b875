//! Known bugs, for test builds alone (`--features plant`): `doorbell torture --plant BUG` must catch each. In every other
//! build the answer is `false` at compile time, and the binary holds nothing of this.

/// A bug that can be built in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// The writer answers before it commits.
    AckBeforeCommit,
    /// One of ten news of other nodes is lost on its way to this node's sockets.
    DropBusFrame,
    /// Recovery begins one event too late.
    ReplayOffByOne,
    /// Recovery does not look whether somebody is still a participant.
    SkipMembershipCheck,
}

#[cfg(not(feature = "plant"))]
#[inline(always)]
pub const fn is(_: Bug) -> bool {
    false
}

#[cfg(feature = "plant")]
pub use planted::{NAMES, VARIABLE, is};

#[cfg(feature = "plant")]
mod planted {
    use std::sync::OnceLock;

    use super::Bug;

    /// The variable by which a node is told its bug.
    pub const VARIABLE: &str = "DOORBELL_PLANT";

    pub const NAMES: [&str; 4] = [
        "ack-before-commit",
        "drop-bus-frame",
        "replay-off-by-one",
        "skip-membership-check",
    ];

    const BUGS: [Bug; 4] = [
        Bug::AckBeforeCommit,
        Bug::DropBusFrame,
        Bug::ReplayOffByOne,
        Bug::SkipMembershipCheck,
    ];

    /// Whether this process has the bug.
    pub fn is(bug: Bug) -> bool {
        static PLANTED: OnceLock<Option<Bug>> = OnceLock::new();
        let planted = PLANTED.get_or_init(|| {
            let name = std::env::var(VARIABLE).ok()?;
            let position = NAMES.iter().position(|known| *known == name)?;
            Some(BUGS[position])
        });
        *planted == Some(bug)
    }
}
