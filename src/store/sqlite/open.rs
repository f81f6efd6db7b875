//! Opening the file: one server at a time, of this application, in a mode that survives a power cut.

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags, config::DbConfig};

/// Two connections may checkpoint at once from this version on; before, that could corrupt the log
/// (<https://www.sqlite.org/wal.html>, "The WAL-reset bug").
const OLDEST_SQLITE: i32 = 3_051_003;

/// Stands in the header of every Doorbell database ("Door").
pub(super) const APPLICATION_ID: i32 = i32::from_be_bytes(*b"Door");

/// How long a connection waits for a lock that another program holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// More than there are statements: none is ever prepared twice.
const STATEMENTS: usize = 128;

/// Why a database cannot be opened: one sentence that names the file and the mend.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{} cannot be written ({reason}): give the server's user the right to write the file and its folder", path.display())]
    Unwritable { path: PathBuf, reason: String },
    #[error("{} is no SQLite database: name another file, or move this one away", path.display())]
    NotADatabase { path: PathBuf },
    #[error("{} is a database of another program: name another file, or move this one away", path.display())]
    Foreign { path: PathBuf },
    #[error(
        "{} has schema {found}, and this Doorbell knows those up to {known}: start the newer Doorbell that wrote it, or restore a backup",
        path.display()
    )]
    Newer { path: PathBuf, found: u32, known: u32 },
    #[error("{} is in use by another Doorbell: stop that one, or name another file", path.display())]
    InUse { path: PathBuf },
    #[error("{} is locked by another program: end it, then start again", path.display())]
    Locked { path: PathBuf },
    #[error("{} cannot grow, the disk is full: free some space, then start again", path.display())]
    DiskFull { path: PathBuf },
    #[error("{} lies on a file system without shared memory for a write-ahead log: move it to a local disk", path.display())]
    NoWal { path: PathBuf },
    #[error("{} cannot be used ({reason}): check the disk, or restore a backup", path.display())]
    Broken { path: PathBuf, reason: String },
    #[error("SQLite {found} is too old for {}: build Doorbell with the SQLite that it brings (3.51.3 or later)", path.display())]
    OldSqlite { path: PathBuf, found: &'static str },
}

impl OpenError {
    pub(super) fn new(path: &Path, error: &rusqlite::Error) -> Self {
        let path = path.to_path_buf();
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => OpenError::NotADatabase { path },
            Some(ErrorCode::DiskFull) => OpenError::DiskFull { path },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::Locked { path },
            Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => OpenError::Unwritable {
                path,
                reason: error.to_string(),
            },
            _ => OpenError::Broken {
                path,
                reason: error.to_string(),
            },
        }
    }
}

/// Holds the file for this process. Released when dropped, also by a kill.
pub(super) struct FileLock {
    file: File,
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // Said, not left to the closing: a program that this process is about to start holds the same file until it runs. An
        // error means that closing it must do.
        let _ = self.file.unlock();
    }
}

impl FileLock {
    /// Makes the folder where it is missing. The lock lies beside the database, since SQLite locks the file itself.
    pub(super) fn take(path: &Path) -> Result<Self, OpenError> {
        let unwritable = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::StorageFull => OpenError::DiskFull {
                path: path.to_path_buf(),
            },
            _ => OpenError::Unwritable {
                path: path.to_path_buf(),
                reason: error.to_string(),
            },
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(unwritable)?;
        }
        let mut beside = path.as_os_str().to_owned();
        beside.push("-lock");
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(beside)
            .map_err(unwritable)?;
        match file.try_lock() {
            Ok(()) => Ok(FileLock { file }),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse {
                path: path.to_path_buf(),
            }),
            Err(TryLockError::Error(error)) => Err(unwritable(error)),
        }
    }
}

fn prepare_any(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // One plan for all values: otherwise SQLite prepares statements anew, again and again, when other values are bound.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// The connection that writes, or checkpoints. Never checkpoints by itself: a commit should not wait for that.
pub(super) fn connect_writing(path: &Path) -> Result<Connection, OpenError> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        return Err(OpenError::OldSqlite {
            path: path.to_path_buf(),
            found: rusqlite::version(),
        });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let prepare = || -> rusqlite::Result<(Connection, bool)> {
        let connection = Connection::open_with_flags(path, flags)?;
        prepare_any(&connection)?;
        // Has an effect on an empty file alone.
        connection.pragma_update(None, "page_size", 4096)?;
        let mode: String = connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
        // An acknowledgement means: flushed to the disk.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "cache_size", -65_536)?;
        Ok((connection, mode == "wal"))
    };
    match prepare() {
        Ok((connection, true)) => Ok(connection),
        Ok((_, false)) => Err(OpenError::NoWal {
            path: path.to_path_buf(),
        }),
        Err(error) => Err(OpenError::new(path, &error)),
    }
}

/// A connection that cannot write.
pub(super) fn connect_reading(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let prepare = || -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(path, flags)?;
        prepare_any(&connection)?;
        connection.pragma_update(None, "cache_size", -16_384)?;
        Ok(connection)
    };
    prepare().map_err(|error| OpenError::new(path, &error))
}
