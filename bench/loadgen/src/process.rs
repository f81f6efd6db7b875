//! What `/proc` says of the server and of this process.

use std::{fs, path::Path};

/// CPU time in seconds; the kernel counts it in steps of 10 ms.
#[derive(Clone, Copy)]
pub struct Cpu {
    pub user: f64,
    pub system: f64,
}

impl Cpu {
    pub fn total(self) -> f64 {
        self.user + self.system
    }
}

/// Process ids, divided by commas.
pub fn ids(text: &str) -> Vec<u32> {
    text.split(',')
        .filter(|id| !id.is_empty())
        .map(|id| id.parse().expect("--pid: process ids, divided by commas"))
        .collect()
}

/// Ends them as a power cut would.
pub fn kill(processes: &[u32]) {
    for process in processes {
        // SAFETY: takes no pointers; the ids come from the command line.
        unsafe { libc::kill(*process as libc::pid_t, libc::SIGKILL) };
    }
}

/// Is it there, and more than a name in the list of processes?
pub fn is_alive(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit(") ")
        .next()
        .is_some_and(|fields| !fields.is_empty() && !fields.starts_with(['Z', 'X']))
}

/// The CPU time of all these processes together.
pub fn cpu(processes: &[u32]) -> Cpu {
    // SAFETY: takes no pointers.
    let ticks_a_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64;
    let mut cpu = Cpu { user: 0.0, system: 0.0 };
    for process in processes {
        let Ok(stat) = fs::read_to_string(format!("/proc/{process}/stat")) else {
            continue;
        };
        // The name may have spaces; the fields are counted from behind its bracket.
        let fields: Vec<&str> = stat[stat.rfind(')').expect("a name") + 2..].split(' ').collect();
        cpu.user += fields[11].parse::<f64>().expect("ticks") / ticks_a_second;
        cpu.system += fields[12].parse::<f64>().expect("ticks") / ticks_a_second;
    }
    cpu
}

pub fn own_cpu() -> f64 {
    cpu(&[std::process::id()]).total()
}

/// Resident memory in KB.
pub fn rss(processes: &[u32]) -> u64 {
    processes
        .iter()
        .filter_map(|process| fs::read_to_string(format!("/proc/{process}/status")).ok())
        .filter_map(|status| {
            let value = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
            value.trim().trim_end_matches(" kB").trim().parse::<u64>().ok()
        })
        .sum()
}

/// Sockets that the processes hold: fewer after the server dropped a member that does not read.
pub fn sockets(processes: &[u32]) -> usize {
    let is_socket = |path: &Path| fs::read_link(path).is_ok_and(|link| link.to_string_lossy().starts_with("socket:"));
    processes
        .iter()
        .filter_map(|process| fs::read_dir(format!("/proc/{process}/fd")).ok())
        .map(|files| files.flatten().filter(|file| is_socket(&file.path())).count())
        .sum()
}

/// Whether the server still holds its end of the connection that a client makes from `client_port`.
///
/// A client that never reads cannot tell: the server's farewell waits behind what the client did not read. The kernel
/// can: an end that its process has closed has no inode.
pub fn is_held(server_port: u16, client_port: u16) -> bool {
    let (local, remote) = (format!(":{server_port:04X}"), format!(":{client_port:04X}"));
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .any(|table| {
            table.lines().skip(1).any(|line| {
                let fields: Vec<&str> = line.split_whitespace().collect();
                fields.len() > 9 && fields[1].ends_with(&local) && fields[2].ends_with(&remote) && fields[9] != "0"
            })
        })
}
