//! Uploads that may go on after a lost connection or a restart: their bytes so far, and what they are to become.
//!
//! Each is two files in the spool's folder `resumable`: `{id}.bytes`, whose length is how far it has come, and `{id}.json`.
//! What is told of them comes from memory; the files are read at the start. They belong to the node that began them.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};

use super::{
    FilesFault,
    folder::{blocking, flush_folder_of},
    spool::{Incoming, Spooled},
};

/// What an upload is to become, as it stands in its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The attachment's row, which is there already: its key, its public id and its owner's key.
    pub key: i64,
    pub attachment: String,
    pub owner: i64,
    /// In bytes.
    pub length: u64,
    /// As the client gave it.
    pub metadata: String,
    /// Milliseconds since the epoch.
    pub begun_at: i64,
    /// All bytes have come; from now on their number may change, as what is nobody's business is taken out.
    pub is_complete: bool,
    /// It is an attachment.
    pub is_stored: bool,
}

#[derive(Debug, Clone)]
struct Known {
    intent: Intent,
    received: u64,
    is_busy: bool,
}

/// Uploads that are not done yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unfinished {
    pub in_all: usize,
    pub of_owner: usize,
    /// What its owner's will have when they are whole.
    pub bytes_of_owner: u64,
}

/// How far an upload has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    pub intent: Intent,
    /// In bytes.
    pub received: u64,
}

/// The resumable uploads of this node. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Resumables {
    folder: Arc<Path>,
    known: Arc<Mutex<HashMap<String, Known>>>,
}

/// Nobody else writes to this upload as long as this is held.
#[derive(Debug)]
pub struct Held {
    all: Resumables,
    id: String,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(known) = self.all.lock().get_mut(&self.id) {
            known.is_busy = false;
        }
    }
}

impl Resumables {
    /// Those that an earlier process has left in this folder, which need not be there yet. What cannot be read as one is
    /// removed.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let mut known = HashMap::new();
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries.collect::<io::Result<Vec<_>>>()?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        for path in entries.into_iter().map(|entry| entry.path()) {
            let id = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("json") => match read(&path) {
                    Some(one) => drop(known.insert(id.to_owned(), one)),
                    None => fs::remove_file(&path)?,
                },
                Some("bytes") if path.with_extension("json").exists() => {}
                Some("bytes" | "part") => fs::remove_file(&path)?,
                _ => {}
            }
        }
        Ok(Resumables {
            folder: folder.into(),
            known: Arc::new(Mutex::new(known)),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, id: &str, extension: &str) -> PathBuf {
        self.folder.join(format!("{id}.{extension}"))
    }

    /// Those that are not done yet.
    pub fn unfinished(&self, owner: i64) -> Unfinished {
        let known = self.lock();
        let mut unfinished = Unfinished::default();
        for Known { intent, .. } in known.values().filter(|one| !one.intent.is_stored) {
            unfinished.in_all += 1;
            if intent.owner == owner {
                unfinished.of_owner += 1;
                unfinished.bytes_of_owner = unfinished.bytes_of_owner.saturating_add(intent.length);
            }
        }
        unfinished
    }

    /// Begins an upload under a new id. It is on the disk when this answers.
    pub async fn begin(&self, id: &str, intent: Intent) -> Result<(), FilesFault> {
        let (bytes, json, written) = (self.path(id, "bytes"), self.path(id, "json"), intent.clone());
        blocking(move || {
            if let Some(folder) = bytes.parent() {
                fs::create_dir_all(folder)?;
            }
            File::create_new(&bytes)?.sync_all()?;
            let kept = write(&json, &written);
            if kept.is_err() {
                let _ = fs::remove_file(&bytes);
            }
            Ok(kept?)
        })
        .await?;
        let known = Known {
            intent,
            received: 0,
            is_busy: false,
        };
        self.lock().insert(id.to_owned(), known);
        Ok(())
    }

    /// Its progress; `None` for an id that there is none of.
    pub fn progress(&self, id: &str) -> Option<Progress> {
        self.lock().get(id).map(|known| Progress {
            intent: known.intent.clone(),
            received: known.received,
        })
    }

    /// Takes it for oneself; `None` while somebody else has it.
    pub fn hold(&self, id: &str) -> Option<Held> {
        let mut all = self.lock();
        let known = all.get_mut(id).filter(|known| !known.is_busy)?;
        known.is_busy = true;
        Some(Held {
            all: self.clone(),
            id: id.to_owned(),
        })
    }

    /// Those that were begun before this time, in milliseconds since the epoch.
    pub fn begun_before(&self, time: i64) -> Vec<String> {
        let known = self.lock();
        let old = known.iter().filter(|(_, known)| known.intent.begun_at < time);
        old.map(|(id, _)| id.clone()).collect()
    }
}

impl Held {
    fn path(&self, extension: &str) -> PathBuf {
        self.all.path(&self.id, extension)
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn progress(&self) -> Option<Progress> {
        self.all.progress(&self.id)
    }

    /// Its bytes so far, for more of them.
    pub async fn resume(&self) -> Result<Incoming, FilesFault> {
        Incoming::resume(self.path("bytes")).await
    }

    /// Flushes what has come, and counts it.
    pub async fn pause(&self, incoming: Incoming) -> Result<u64, FilesFault> {
        let received = incoming.pause().await;
        // What cannot be flushed may be there in part: only what is certain counts.
        let received = match received {
            Ok(received) => received,
            Err(fault) => {
                let path = self.path("bytes");
                let known = self.progress().map_or(0, |progress| progress.received);
                let cut = blocking(move || Ok(File::options().write(true).open(path)?.set_len(known)?));
                cut.await?;
                return Err(fault);
            }
        };
        if let Some(known) = self.all.lock().get_mut(&self.id) {
            known.received = received;
        }
        Ok(received)
    }

    /// Its bytes as a whole upload; they stay where they are unless they are taken over.
    pub async fn spooled(&self) -> Result<Spooled, FilesFault> {
        Spooled::at(self.path("bytes")).await
    }

    /// Notes that all bytes have come, or that it is an attachment: then its bytes are not kept any longer.
    pub async fn note(&self, is_stored: bool) -> Result<(), FilesFault> {
        let Some(Progress { mut intent, .. }) = self.progress() else {
            return Err(FilesFault::Missing);
        };
        intent.is_complete = true;
        intent.is_stored = is_stored;
        let (json, bytes, written) = (self.path("json"), self.path("bytes"), intent.clone());
        blocking(move || {
            write(&json, &written)?;
            if is_stored {
                remove(&bytes)?;
            }
            Ok(())
        })
        .await?;
        if let Some(known) = self.all.lock().get_mut(&self.id) {
            known.intent = intent;
        }
        Ok(())
    }

    /// Forgets it.
    pub async fn remove(self) -> Result<(), FilesFault> {
        let (json, bytes) = (self.path("json"), self.path("bytes"));
        blocking(move || {
            remove(&bytes)?;
            Ok(remove(&json)?)
        })
        .await?;
        self.all.lock().remove(&self.id);
        Ok(())
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn write(path: &Path, intent: &Intent) -> io::Result<()> {
    let part = path.with_extension("part");
    let mut file = File::create(&part)?;
    file.write_all(&serde_json::to_vec(intent)?)?;
    file.sync_all()?;
    fs::rename(&part, path)?;
    flush_folder_of(path)
}

fn read(path: &Path) -> Option<Known> {
    let intent: Intent = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    let received = match fs::metadata(path.with_extension("bytes")) {
        Ok(_) if intent.is_complete => intent.length,
        Ok(bytes) => bytes.len(),
        Err(_) if intent.is_stored => intent.length,
        Err(_) => return None,
    };
    // More than there should be: not what this program wrote.
    (received <= intent.length).then_some(Known {
        intent,
        received,
        is_busy: false,
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn intent(length: u64) -> Intent {
        Intent {
            key: 7,
            attachment: "a".into(),
            owner: 3,
            length,
            metadata: "filename YQ==".into(),
            begun_at: 1_000,
            is_complete: false,
            is_stored: false,
        }
    }

    async fn add(held: &Held, bytes: &'static [u8]) -> u64 {
        let mut incoming = held.resume().await.unwrap();
        incoming.write(&Bytes::from_static(bytes)).await.unwrap();
        held.pause(incoming).await.unwrap()
    }

    /// Each of ten bytes.
    fn unfinished(in_all: usize, of_owner: usize) -> Unfinished {
        Unfinished {
            in_all,
            of_owner,
            bytes_of_owner: 10 * of_owner as u64,
        }
    }

    #[tokio::test]
    async fn an_upload_goes_on_where_it_was_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("resumable");
        let all = Resumables::open(&folder).unwrap();
        all.begin("one", intent(10)).await.unwrap();
        let held = all.hold("one").unwrap();
        assert!(all.hold("one").is_none(), "one writes at a time");
        assert_eq!(add(&held, b"01234").await, 5);
        drop(held);

        let again = Resumables::open(&folder).unwrap();
        assert_eq!(again.progress("one").unwrap().received, 5);
        assert_eq!(again.unfinished(3), unfinished(1, 1));
        assert_eq!(again.unfinished(4), unfinished(1, 0));
        let held = again.hold("one").unwrap();
        assert_eq!(add(&held, b"56789").await, 10);
        assert_eq!(fs::read(held.spooled().await.unwrap().path()).unwrap(), b"0123456789");
        held.note(true).await.unwrap();
        assert_eq!(again.unfinished(3), unfinished(0, 0));

        let third = Resumables::open(&folder).unwrap();
        let done = third.progress("one").unwrap();
        assert!(
            done.intent.is_stored && done.received == 10,
            "whoever missed the answer can ask: {done:?}"
        );
        assert!(third.begun_before(1_000).is_empty());
        assert_eq!(third.begun_before(1_001), ["one"]);
        third.hold("one").unwrap().remove().await.unwrap();
        assert!(Resumables::open(&folder).unwrap().progress("one").is_none());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn what_a_killed_process_left_by_half_is_removed_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in [
            ("a.bytes", "no json"),
            ("b.json", "{\"broken"),
            ("c.part", "x"),
            ("d.json", &serde_json::to_string(&intent(3)).unwrap()),
            ("d.bytes", "more than three"),
        ] {
            fs::write(folder.path().join(name), content).unwrap();
        }
        let all = Resumables::open(folder.path()).unwrap();
        for id in ["a", "b", "c", "d"] {
            assert!(all.progress(id).is_none(), "{id}");
        }
        Resumables::open(folder.path()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
