//! How much memory it takes to judge an upload: each file in a process of its own, whose highest resident size (VmHWM of
//! Linux) is read before and after.
#![cfg(target_os = "linux")]

use std::{
    env,
    fs::{self, File},
    io::Write,
    path::Path,
    process::Command,
};

use doorbell::files::media::{MediaFault, MediaLimits, inspect};
use image::{ImageFormat, RgbImage};

const MIB: u64 = 1024 * 1024;
const FILE: &str = "DOORBELL_TEST_MEDIA_FILE";

/// Judges and cleans the file in another process, and answers by how many bytes that grew, and whether it was taken.
fn judged(path: &Path) -> (u64, bool) {
    let output = Command::new(env::current_exe().expect("this program"))
        .args(["--exact", "judge", "--nocapture"])
        .env(FILE, path)
        .output()
        .expect("it runs");
    let told = String::from_utf8_lossy(&output.stdout);
    let words: Vec<&str> = told.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "grown").expect("an answer");
    let grown = words[at + 1].parse().expect("a number");
    (grown, words[at + 2] == "taken")
}

/// What the other process does.
#[test]
fn judge() {
    let Some(path) = env::var_os(FILE) else { return };
    let path = Path::new(&path);
    let before = highest();
    let verdict = match inspect(path, &MediaLimits::new(10 * MIB, 100 * MIB)) {
        Ok(inspected) => {
            if let Some(cleaned) = inspected.cleaned {
                cleaned.apply(path).expect("it is cleaned");
            }
            "taken"
        }
        Err(MediaFault::Unreadable(error)) => panic!("{path:?}: {error}"),
        Err(_) => "refused",
    };
    println!("\ngrown {} {verdict}", highest() - before);
}

fn highest() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("a status");
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .expect("the highest");
    let kib = line.split_whitespace().nth(1).expect("a number");
    kib.parse::<u64>().expect("a number") * 1024
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(Path::new("tests/fixtures/media").join(name)).expect("a fixture")
}

#[test]
fn a_large_upload_takes_little_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("upload");
    let assert_little = |name: &str, is_taken: bool| {
        let (grown, was_taken) = judged(&path);
        println!("{name}: {} KiB", grown / 1024);
        assert_eq!(was_taken, is_taken, "{name}");
        assert!(grown < 8 * MIB, "{name}: {grown} bytes");
    };

    let length = 100 * MIB;
    for (name, kind) in [("samples", b"mdat"), ("what has to go", b"free")] {
        let mut start = fixture("recorder-h264.mp4");
        let size = length - start.len() as u64;
        start.extend(u32::try_from(size).expect("32 bits").to_be_bytes());
        start.extend_from_slice(kind);
        let mut file = File::create(&path).expect("a file");
        file.write_all(&start).expect("it is written");
        file.set_len(length).expect("a hole");
        assert_little(&format!("a video with 100 MiB of {name}"), true);
    }

    fs::write(&path, b"\0\0\0\x09free!".repeat(1_000_000)).expect("it is written");
    assert_little("boxes alone", false);
    let boxes = [fixture("recorder-h264.mp4"), b"\0\0\0\x09free!".repeat(1_000_000)].concat();
    fs::write(&path, boxes).expect("it is written");
    assert_little("a video with a million boxes to take out", false);

    let blocks = [fixture("recorder-vp9.webm"), b"\xa3\x84\x81\0\0\0".repeat(1_500_000)].concat();
    fs::write(&path, blocks).expect("it is written");
    assert_little("a video with a million blocks", true);

    fs::write(&path, "a text, ".repeat(1_300_000)).expect("it is written");
    assert_little("10 MB of text", true);
}

#[test]
fn a_photo_takes_its_pixels_and_little_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("upload");
    let (width, height) = (2000, 1500);
    let photo = RgbImage::from_fn(width, height, |x, y| {
        image::Rgb([x.to_le_bytes()[0], y.to_le_bytes()[0], 90])
    });
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
        photo.save_with_format(&path, format).expect("it is written");
        let file = fs::metadata(&path).expect("a file").len();
        let (grown, is_taken) = judged(&path);
        println!("{format:?} of 3 million pixels, {file} bytes: {} KiB", grown / 1024);
        assert!(is_taken);
        let most = u64::from(width * height) * 8 + 2 * file + 4 * MIB;
        assert!(grown < most, "{format:?}: {grown} bytes, {most} are due");
    }
}
