//! What a folder and a bucket must do alike.

use std::{fs, path::Path};

use bytes::Bytes;
use futures_util::StreamExt;

use super::{FileName, Files, FilesFault, s3_server::S3Server};
use crate::model::{AttachmentId, Variant};

/// Larger than two parts of S3.
const LARGE: usize = 11 * 1024 * 1024 + 17;

fn id(bits: u128) -> AttachmentId {
    AttachmentId::of_random(bits)
}

fn local(folder: &Path, content: &[u8]) -> std::path::PathBuf {
    let path = folder.join("local");
    fs::write(&path, content).unwrap();
    path
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + at / 251) as u8).collect()
}

async fn all(files: &Files, name: &FileName, range: std::ops::Range<u64>) -> Result<Vec<u8>, FilesFault> {
    let mut pieces = Box::pin(files.stream(name.clone(), range));
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.next().await {
        bytes.extend_from_slice(&piece?);
    }
    Ok(bytes)
}

/// The suite.
async fn keeps_what_it_is_given(files: &Files, spool: &Path) {
    files.probe().await.unwrap();
    for (bits, length) in [(1_u128, 0), (2, 1), (3, 70_000), (4, 5 * 1024 * 1024), (5, LARGE)] {
        let (name, content) = (FileName::of(&id(bits << 100), Variant::File), pattern(length));
        files.put(&name, &local(spool, &content)).await.unwrap();
        assert_eq!(files.size(&name).await, Ok(length as u64));
        assert_eq!(
            all(files, &name, 0..length as u64).await.unwrap(),
            content,
            "{length} bytes"
        );
    }
    let (large, content) = (FileName::of(&id(5 << 100), Variant::File), pattern(LARGE));
    for range in [
        0..1,
        5_242_879..5_242_882,
        LARGE as u64 - 1..LARGE as u64,
        70_000..600_000,
    ] {
        let expected = &content[range.start as usize..range.end as usize];
        assert_eq!(all(files, &large, range.clone()).await.unwrap(), expected, "{range:?}");
    }
    // What is beyond the end is no shorter answer.
    assert!(all(files, &large, 0..LARGE as u64 + 1).await.is_err());

    // Parts of one file stand beside each other, and go together.
    let both = id(6 << 100);
    for (variant, bytes) in [(Variant::File, "file"), (Variant::Thumbnail, "thumbnail")] {
        files
            .put_bytes(&FileName::of(&both, variant), Bytes::from(bytes))
            .await
            .unwrap();
    }
    assert_eq!(
        files
            .read(&FileName::of(&both, Variant::Thumbnail), 0..9)
            .await
            .unwrap(),
        "thumbnail"
    );
    assert_eq!(
        files.size(&FileName::of(&both, Variant::Poster)).await,
        Err(FilesFault::Missing)
    );
    files.delete_all(&both).await.unwrap();
    files.delete_all(&both).await.unwrap();
    for variant in Variant::ALL {
        assert_eq!(
            files.size(&FileName::of(&both, variant)).await,
            Err(FilesFault::Missing)
        );
        assert_eq!(
            files.read(&FileName::of(&both, variant), 0..1).await,
            Err(FilesFault::Missing)
        );
    }
}

#[tokio::test]
async fn a_folder_keeps_what_it_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files::in_folder(&folder.path().join("a/media"));
    keeps_what_it_is_given(&files, folder.path()).await;
}

#[tokio::test]
async fn a_folder_on_another_disk_keeps_what_it_is_given() {
    // /dev/shm is a disk of its own wherever Linux runs.
    let (folder, spool) = (tempfile::tempdir_in("/dev/shm").unwrap(), tempfile::tempdir().unwrap());
    let files = Files::in_folder(folder.path());
    keeps_what_it_is_given(&files, spool.path()).await;
    let mut left = Vec::new();
    for entry in fs::read_dir(folder.path()).unwrap() {
        for file in fs::read_dir(entry.unwrap().path()).unwrap() {
            left.push(file.unwrap().path());
        }
    }
    assert!(!left.is_empty());
    assert!(left.iter().all(|path| path.extension().unwrap() != "part"), "{left:?}");
}

#[tokio::test]
async fn a_bucket_keeps_what_it_is_given() {
    let server = S3Server::start();
    let spool = tempfile::tempdir().unwrap();
    for prefix in ["", "shop/media"] {
        let files = server.files("photos", prefix);
        keeps_what_it_is_given(&files, spool.path()).await;
    }
}

#[tokio::test]
async fn a_place_that_cannot_be_used_says_so_and_heals() {
    let folder = tempfile::tempdir().unwrap();
    let (root, away) = (folder.path().join("media"), folder.path().join("away"));
    let files = Files::in_folder(&root);
    let name = FileName::of(&id(9), Variant::File);
    files.put_bytes(&name, Bytes::from_static(b"there")).await.unwrap();
    // As a share that is not mounted.
    fs::rename(&root, &away).unwrap();
    assert!(matches!(files.read(&name, 0..5).await, Err(FilesFault::Unavailable(_))));
    fs::rename(&away, &root).unwrap();
    assert_eq!(files.read(&name, 0..5).await.unwrap(), "there");

    let blocked = Files::in_folder(&away.join("not-a-folder"));
    fs::write(&away, b"a file").unwrap();
    assert!(matches!(blocked.probe().await, Err(FilesFault::Unavailable(_))));

    let mut server = S3Server::start();
    assert!(server.files("no-such-bucket", "").probe().await.is_err());
    let files = server.files("photos", "");
    files.probe().await.unwrap();
    server.stop();
    assert!(matches!(files.probe().await, Err(FilesFault::Unavailable(_))));
    server.start_again();
    files.probe().await.unwrap();
}
