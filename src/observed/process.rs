//! What the process uses, as Linux tells it under `/proc/self`. Elsewhere nothing is known.

use std::fs;

/// Memory that is not swapped out, in bytes.
pub(super) fn resident_bytes() -> Option<i64> {
    // `statm` would need the size of a page, which differs between machines; `status` is in kibibytes on all of them.
    resident_in(&fs::read_to_string("/proc/self/status").ok()?)
}

fn resident_in(status: &str) -> Option<i64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// Open file descriptors.
pub(super) fn open_files() -> Option<i64> {
    const FOLDER: &str = "/proc/self/fd";
    // Linux 6.2 and later tell the number as the folder's size, without a walk through 100,000 entries.
    match fs::metadata(FOLDER).ok()?.len() {
        // The walk itself has one open.
        0 => i64::try_from(fs::read_dir(FOLDER).ok()?.count().saturating_sub(1)).ok(),
        count => i64::try_from(count).ok(),
    }
}

/// How many it may open.
pub(super) fn most_open_files() -> Option<i64> {
    let (soft, _) = rlimit::getrlimit(rlimit::Resource::NOFILE).ok()?;
    // "Without limit" is more than the number holds.
    Some(i64::try_from(soft).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_bytes() {
        let status = "Name:\tdoorbell\nVmHWM:\t   30000 kB\nVmRSS:\t   20480 kB\nThreads:\t5\n";
        assert_eq!(resident_in(status), Some(20 * 1024 * 1024));
        assert_eq!(resident_in("Name:\tdoorbell\n"), None);
        assert_eq!(resident_in("VmRSS:\t much\n"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_uses_something() {
        assert!(resident_bytes().is_some_and(|bytes| bytes > 100_000));
        let held: Vec<_> = (0..50).map(|_| fs::File::open("/proc/self/status").unwrap()).collect();
        let open = open_files().unwrap();
        assert!(open >= held.len() as i64, "{open}");
        assert!(most_open_files().is_some_and(|most| most >= open));
    }
}
