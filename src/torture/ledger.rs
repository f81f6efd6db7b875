//! What each client did and saw, a line of JSON each, with the run's own monotonic time. The checker reads nothing else.
//!
//! Lines go to files at once, so a long run needs no more memory than a short one.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Write},
    path::Path,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use serde::{Deserialize, Serialize};

/// A message as somebody saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    pub seq: i64,
    /// Its id on the wire.
    pub id: String,
    /// The `clientMessageId`, which is also the first word of its text.
    pub draft: String,
    /// The sender's user id.
    pub sender: String,
    /// The text is, to the last character, the one that belongs to its draft.
    pub intact: bool,
}

/// How a draft was handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    Socket,
    Rest,
}

/// A change of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    Added,
    Removed,
}

/// One thing that happened.
///
/// `Invoke` is written before the first byte leaves; then follows one of `Acknowledged` (the server's word), `Refused`
/// (its word as well) or `Unknown` (no word: the connection went, or the time did). An unknown one is tried again, as a
/// good front end does, with the same `clientMessageId`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Record {
    /// The first line of a client's file.
    Client {
        device: usize,
        user: String,
        contract: String,
    },
    /// A conversation, as it was made before the first client came.
    Opened {
        conversation: String,
        members: Vec<String>,
    },
    Invoke {
        draft: String,
        conversation: String,
        way: Way,
        /// Number of the connection, 0 over REST.
        connection: u64,
        /// Sent again on purpose, though it was acknowledged.
        replay: bool,
    },
    Acknowledged {
        draft: String,
        conversation: String,
        connection: u64,
        id: String,
        seq: i64,
    },
    Refused {
        draft: String,
        conversation: String,
        code: String,
    },
    Unknown {
        draft: String,
        conversation: String,
        why: String,
    },
    Connected {
        connection: u64,
        /// The client asked to have its session back.
        asked: bool,
        /// It got it.
        recovered: bool,
    },
    Disconnected {
        connection: u64,
    },
    /// The server sent the client away in a way from which a stock client does not come back.
    SentAway {
        why: String,
    },
    /// History that a client asked for: what a join answers, or a REST page.
    Page {
        connection: u64,
        conversation: String,
        after: i64,
        messages: Vec<Seen>,
        has_more: bool,
    },
    Pushed {
        connection: u64,
        conversation: String,
        message: Seen,
    },
    ReadInvoke {
        conversation: String,
        seq: i64,
    },
    ReadAcknowledged {
        conversation: String,
        seq: i64,
    },
    /// News of somebody's mark.
    MarkPushed {
        connection: u64,
        conversation: String,
        user: String,
        seq: i64,
    },
    /// Somebody who has no business there tried to get in. `code` is the refusal, `None` when they were let in.
    Tried {
        conversation: String,
        way: String,
        code: Option<String>,
    },
    MemberInvoke {
        conversation: String,
        user: String,
        change: Change,
    },
    MemberAcknowledged {
        conversation: String,
        user: String,
        change: Change,
    },
    /// A fault began (`healed` false) or is over.
    Fault {
        kind: String,
        number: usize,
        healed: bool,
    },
    /// A fault could not be injected.
    NotRun {
        kind: String,
        why: String,
    },
    /// A history was read while the disk was full.
    ReadDuringFullDisk {
        status: u16,
    },
    /// A node's start, until it said that it is ready.
    NodeStarted {
        node: usize,
        milliseconds: u64,
    },
    /// How a node ended after SIGTERM.
    NodeEnded {
        node: usize,
        milliseconds: u64,
        code: Option<i32>,
    },
    /// A node that did not come back, with what it said last.
    NodeLost {
        node: usize,
        why: String,
    },
    /// Everybody must be equal now. `since_heal` is the time in microseconds at which the last fault was over.
    Checkpoint {
        since_heal: u64,
    },
    /// At the end: what one user's history holds on one node, all of it.
    History {
        node: usize,
        conversation: String,
        user: String,
        messages: Vec<Seen>,
    },
    /// At the end: the unread count in one user's list on one node.
    Unread {
        node: usize,
        conversation: String,
        user: String,
        unread: i64,
    },
}

/// A record and when it was written: microseconds since the run began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    pub at: u64,
    #[serde(flatten)]
    pub record: Record,
}

/// The run's clock.
#[derive(Debug, Clone, Copy)]
pub struct Watch(Instant);

impl Watch {
    pub fn start() -> Self {
        Watch(Instant::now())
    }

    /// Microseconds since the start.
    pub fn now(&self) -> u64 {
        self.at(Instant::now())
    }

    /// The same for a moment of the past.
    pub fn at(&self, moment: Instant) -> u64 {
        u64::try_from(moment.saturating_duration_since(self.0).as_micros()).unwrap_or(u64::MAX)
    }
}

/// One file of the run.
#[derive(Debug)]
pub struct Ledger {
    watch: Watch,
    file: Mutex<Open>,
}

#[derive(Debug)]
struct Open {
    writer: BufWriter<File>,
    /// The first error, which the end of the run tells: a ledger with holes proves nothing.
    failed: Option<io::Error>,
}

impl Ledger {
    pub fn create(path: &Path, watch: Watch) -> io::Result<Self> {
        let writer = BufWriter::new(File::create(path)?);
        Ok(Ledger {
            watch,
            file: Mutex::new(Open { writer, failed: None }),
        })
    }

    /// Writes a line. The time is taken under the lock, so that a file's times never fall.
    pub fn write(&self, record: Record) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let line = Line {
            at: self.watch.now(),
            record,
        };
        let written = serde_json::to_writer(&mut file.writer, &line)
            .map_err(io::Error::from)
            .and_then(|()| file.writer.write_all(b"\n"));
        if let Err(error) = written {
            file.failed.get_or_insert(error);
        }
    }

    /// Everything is in the file when this returns.
    ///
    /// # Errors
    ///
    /// The first error that any line met.
    pub fn flush(&self) -> io::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        match file.failed.take() {
            Some(error) => Err(error),
            None => file.writer.flush(),
        }
    }
}

/// Reads a file line by line.
///
/// # Errors
///
/// What the file system says, or a line that is no record.
pub fn read(path: &Path, mut each: impl FnMut(Line)) -> io::Result<()> {
    for (number, text) in BufReader::new(File::open(path)?).lines().enumerate() {
        let line = serde_json::from_str(&text?)
            .map_err(|error| io::Error::other(format!("{}, line {}: {error}", path.display(), number + 1)))?;
        each(line);
    }
    Ok(())
}
