//! A file system that is small enough to be filled: a tmpfs, which takes root. What it does not show: a tmpfs has no disk
//! below it, so nothing about flushing.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const BALLAST: &str = "ballast";

/// A mounted tmpfs, which is unmounted when this is dropped.
#[derive(Debug)]
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// # Errors
    ///
    /// Why this machine does not mount one, in a sentence.
    pub fn mount(folder: &Path, bytes: u64) -> Result<Self, String> {
        let options = format!("size={bytes},mode=0755");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(folder)
            .stdin(Stdio::null())
            .output();
        match mounted {
            Ok(output) if output.status.success() => Ok(SmallDisk {
                folder: folder.to_owned(),
            }),
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                let said = said.lines().next().unwrap_or("mount failed").trim_end_matches('.');
                Err(format!("no small tmpfs can be mounted ({said}); run it as root"))
            }
            Err(error) => Err(format!("mount cannot be run ({error})")),
        }
    }

    /// Writes until nothing fits any more.
    pub fn fill(&self) -> io::Result<()> {
        let mut ballast = File::create(self.folder.join(BALLAST))?;
        for size in [1 << 20, 64 << 10, 4 << 10, 1] {
            let block = vec![0; size];
            while let Ok(written) = ballast.write(&block) {
                if written == 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    /// There is room again.
    pub fn empty(&self) -> io::Result<()> {
        fs::remove_file(self.folder.join(BALLAST))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the node that has its files there may be on its way out still.
        let _ = Command::new("umount")
            .arg("--lazy")
            .arg(&self.folder)
            .stderr(Stdio::null())
            .status();
    }
}
