//! Nothing dangles: uploads that are cut, refused, given up or never sent, over a real store and a real folder.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use futures_util::stream;
use tempfile::TempDir;

use super::*;
use crate::chat::attachment::tests::{HOUR, World};

struct Place {
    folder: TempDir,
    world: World,
    uploads: Arc<Uploads>,
}

impl Place {
    async fn new() -> Self {
        let (folder, world) = (TempDir::new().unwrap(), World::new().await);
        let uploads = Self::opened(folder.path(), &world);
        Place { folder, world, uploads }
    }

    /// As at a start: what is in memory alone is gone.
    fn opened(folder: &Path, world: &World) -> Arc<Uploads> {
        Self::opened_with(folder, world, Files::in_folder(&folder.join("media")))
    }

    fn opened_with(folder: &Path, world: &World, files: Files) -> Arc<Uploads> {
        let spool = Spool::new(&folder.join("uploads"));
        spool.clear().unwrap();
        let resumables = Resumables::open(&folder.join("uploads/resumable")).unwrap();
        let limits = UploadLimits {
            image: 200_000,
            video: 500_000,
        };
        Uploads::new(Arc::clone(&world.chat), files, (spool, resumables), limits, None)
    }

    /// Every file, in the spool and beyond.
    fn files(&self) -> Vec<PathBuf> {
        fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, found);
                } else {
                    found.push(path);
                }
            }
        }
        let mut found = Vec::new();
        walk(self.folder.path(), &mut found);
        found
    }

    /// Uploads that no message names, whatever became of them.
    async fn unsent(&self) -> usize {
        self.world.pass(1);
        self.world
            .chat
            .abandoned_uploads(Duration::ZERO, None)
            .await
            .unwrap()
            .len()
    }

    /// So many uploads of this person, none of which is waited for.
    fn many(&self, user: UserKey, count: usize, length: usize) {
        for _ in 0..count {
            let uploads = Arc::clone(&self.uploads);
            let bytes = stream::iter([Ok(Bytes::from(vec![b'x'; length]))]);
            tokio::spawn(async move { uploads.receive(user, "notes.txt", Rated::Now, bytes).await });
        }
    }

    async fn upload(&self, user: UserKey, text: &'static str) -> Result<Attachment> {
        let pieces = stream::iter([Ok(Bytes::from_static(text.as_bytes()))]);
        self.uploads.receive(user, "notes.txt", Rated::Now, pieces).await
    }
}

/// `length` bytes of text in pieces of 10,000, and then for ever nothing, or a fault.
fn cut(length: usize, fault: Option<Error>) -> impl Stream<Item = Result<Bytes>> + Send {
    let whole = vec![b'x'; length];
    let pieces: Vec<_> = whole
        .chunks(10_000)
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    let end = stream::once(async move {
        match fault {
            Some(fault) => Err(fault),
            None => std::future::pending().await,
        }
    });
    stream::iter(pieces).chain(end)
}

async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let begun = std::time::Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < Duration::from_secs(10), "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn an_upload_that_is_cut_anywhere_leaves_neither_file_nor_row() {
    let place = Place::new().await;
    let [anna] = place.world.users().await;
    for length in [0, 1, 4_095, 4_096, 9_999, 65_536, 131_072, 199_999] {
        let broken = Error::invalid("The connection has ended.");
        let outcome = place
            .uploads
            .receive(anna, "a.txt", Rated::Now, cut(length, Some(broken.clone())))
            .await;
        assert_eq!(outcome.unwrap_err(), broken, "after {length} bytes");
        assert!(place.files().is_empty(), "after {length} bytes");
        assert_eq!(place.unsent().await, 0, "after {length} bytes");

        // The request is dropped where it stands.
        let waiting = place.uploads.receive(anna, "a.txt", Rated::Now, cut(length, None));
        assert!(tokio::time::timeout(Duration::from_millis(30), waiting).await.is_err());
        until("it is removed", async || {
            place.files().is_empty() && place.unsent().await == 0
        })
        .await;
    }
    place.upload(anna, "whole").await.unwrap();
    assert_eq!((place.files().len(), place.unsent().await), (1, 1));
}

#[tokio::test]
async fn what_is_refused_leaves_neither_file_nor_row() {
    let place = Place::new().await;
    let [anna] = place.world.users().await;
    for (length, code) in [(200_001, Code::TooLarge), (600_000, Code::TooLarge)] {
        let outcome = place
            .uploads
            .receive(anna, "a.txt", Rated::Now, cut(length, None))
            .await;
        assert_eq!(outcome.unwrap_err().code, code, "{length} bytes");
    }
    assert_eq!(
        place.upload(anna, "<!doctype html>").await.unwrap_err().code,
        Code::UnsupportedMedia
    );
    assert_eq!(place.upload(anna, "").await.unwrap_err().code, Code::Invalid);
    assert!(place.files().is_empty());
    assert_eq!(place.unsent().await, 0);
    let refused = place.uploads.counters().refused();
    assert!(refused.contains(&(Code::TooLarge, 2)) && refused.contains(&(Code::UnsupportedMedia, 1)));
}

#[tokio::test]
async fn after_a_day_what_no_message_names_is_removed_and_the_rest_stays() {
    let place = Place::new().await;
    let [anna, _] = place.world.users().await;
    let group = place.world.group(anna, &["user-1"]).await;
    let sent = place.upload(anna, "sent").await.unwrap();
    place.world.sent(anna, &group, &sent).await;
    place.upload(anna, "never sent").await.unwrap();
    // Where a process has ended: the row is there, and some of the bytes, or all of them.
    for part in [None, Some(Variant::Thumbnail), Some(Variant::File)] {
        let begun = place
            .world
            .chat
            .begin_upload(anna, "cut.txt", Rated::Now, 0)
            .await
            .unwrap();
        if let Some(part) = part {
            let name = FileName::of(&begun.id, part);
            place
                .uploads
                .files()
                .put_bytes(&name, Bytes::from_static(b"half"))
                .await
                .unwrap();
        }
    }
    place.world.pass(24 * HOUR - 60_000);
    let late = place.upload(anna, "uploaded a minute ago").await.unwrap();
    assert_eq!(place.uploads.sweep().await, Ok(0));
    assert_eq!(place.files().len(), 5);

    place.world.pass(2 * 60_000);
    // Two nodes at once.
    let other = Place::opened(place.folder.path(), &place.world);
    let (one, two) = tokio::join!(place.uploads.sweep(), other.sweep());
    assert!(one.unwrap() + two.unwrap() >= 4);
    let mut left = place.files();
    let mut expected = [&sent.id, &late.id].map(|id| {
        place
            .folder
            .path()
            .join("media")
            .join(&id.as_str()[..2])
            .join(format!("{id}.file"))
    });
    left.sort();
    expected.sort();
    assert_eq!(left, expected);
    assert_eq!(place.unsent().await, 1);
    place.world.sent(anna, &group, &late).await;
}

#[tokio::test]
async fn an_upload_that_could_go_on_ends_after_a_day() {
    let place = Place::new().await;
    let [anna, bea] = place.world.users().await;
    let begun = place
        .uploads
        .begin_resumable(anna, "a.txt", 20, String::new())
        .await
        .unwrap();
    let half = stream::iter([Ok(Bytes::from_static(b"0123456789"))]);
    let resumed = place.uploads.resume(anna, &begun.id, 0, half).await.unwrap();
    assert_eq!((resumed.offset, resumed.length), (10, 20));

    let again = Place::opened(place.folder.path(), &place.world);
    assert_eq!(again.resumable(anna, &begun.id).unwrap().offset, 10, "after a restart");
    assert_eq!(again.resumable(bea, &begun.id).unwrap_err().code, Code::NotFound);
    place.world.pass(24 * HOUR - 60_000);
    again.expire_resumables().await;
    assert!(again.resumable(anna, &begun.id).is_ok());
    place.world.pass(2 * 60_000);
    assert_eq!(again.resumable(anna, &begun.id).unwrap_err().code, Code::NotFound);
    again.expire_resumables().await;
    assert!(place.files().is_empty());
    assert_eq!(place.unsent().await, 0);
}

#[tokio::test]
async fn a_place_that_is_away_for_a_while_costs_an_upload_that_can_go_on_nothing() {
    let place = Place::new().await;
    let [anna] = place.world.users().await;
    let text = "0123456789";
    let begun = place
        .uploads
        .begin_resumable(anna, "a.txt", 10, String::new())
        .await
        .unwrap();
    // As a folder that cannot be written.
    std::fs::write(place.folder.path().join("media"), b"in the way").unwrap();
    let whole = stream::iter([Ok(Bytes::from_static(text.as_bytes()))]);
    let refused = place.uploads.resume(anna, &begun.id, 0, whole).await.unwrap_err();
    assert_eq!(refused.code, Code::Unavailable);
    std::fs::remove_file(place.folder.path().join("media")).unwrap();
    let done = place.uploads.look_at_resumable(anna, &begun.id).await.unwrap();
    assert_eq!(done.offset, 10);
    let name = FileName::of(&done.attachment.unwrap(), Variant::File);
    assert_eq!(place.uploads.files().read(&name, 0..10).await.unwrap(), text);
}

/// What waits for so long waits for somebody else.
const AT_ONCE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn files_that_take_long_to_look_at_keep_nobody_else_waiting() {
    let place = Place::new().await;
    let [anna, bea] = place.world.users().await;
    // As large images would, one for each core that she may have.
    let mut looked_at = Vec::new();
    let cores = available_parallelism().map_or(1, usize::from);
    for _ in 0..cores.div_ceil(2) {
        looked_at.push(place.uploads.judging.take(anna).await);
    }
    place.many(anna, 8, 100);
    until("all of them have come", async || place.files().len() == 8).await;
    let beas = tokio::time::timeout(AT_ONCE, place.upload(bea, "short")).await;
    beas.expect("she waits for nobody").unwrap();
    assert_eq!(place.uploads.counters().stored(), 1, "anna's wait for each other");
    drop(looked_at);
    until("all of anna's are there", async || {
        place.uploads.counters().stored() == 9
    })
    .await;
}

#[tokio::test]
async fn a_slow_bucket_keeps_nobody_else_waiting() {
    let mut place = Place::new().await;
    let [anna, bea] = place.world.users().await;
    // Large files take for ever there, small ones no time.
    let (arrived, mut arriving) = tokio::sync::mpsc::channel(8);
    let slow = move |request: http::Request<hyper::body::Incoming>| {
        let length = request.headers().get(http::header::CONTENT_LENGTH).unwrap();
        let is_large = length.to_str().unwrap().parse::<usize>().unwrap() > 10_000;
        let arrived = arrived.clone();
        async move {
            if is_large {
                arrived.send(()).await.unwrap();
                std::future::pending::<()>().await;
            }
            let answer = http::Response::builder().header(http::header::ETAG, "\"1\"");
            answer.body(axum::body::Body::empty())
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = hyper::service::service_fn(slow.clone());
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(hyper_util::rt::TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    });
    let files = Files::in_bucket_at(endpoint, "photos", "");
    place.uploads = Place::opened_with(place.folder.path(), &place.world, files);

    place.many(anna, 8, 100_000);
    for _ in 0..limits::UPLOADS_KEPT_PER_USER {
        let arrived = tokio::time::timeout(AT_ONCE, arriving.recv()).await;
        arrived.expect("several are stored at once").unwrap();
    }
    let beas = tokio::time::timeout(AT_ONCE, place.upload(bea, "short")).await;
    beas.expect("she waits for nobody").unwrap();
    assert!(arriving.try_recv().is_err(), "no more than so many of one person");
}

#[tokio::test]
async fn an_upload_that_is_ended_when_it_is_whole_goes_unless_a_message_names_it() {
    let place = Place::new().await;
    let [anna, _] = place.world.users().await;
    let group = place.world.group(anna, &["user-1"]).await;
    for is_sent in [false, true] {
        let begun = place
            .uploads
            .begin_resumable(anna, "a.txt", 10, String::new())
            .await
            .unwrap();
        let whole = stream::iter([Ok(Bytes::from_static(b"0123456789"))]);
        let done = place.uploads.resume(anna, &begun.id, 0, whole).await.unwrap();
        let id = done.attachment.unwrap();
        if is_sent {
            let found = place
                .world
                .chat
                .store
                .attachments_by_id(std::slice::from_ref(&id))
                .await
                .unwrap();
            place.world.sent(anna, &group, &found[0]).await;
        }
        place.uploads.end_resumable(anna, &begun.id).await.unwrap();
        assert_eq!(place.unsent().await, 0);
        let name = FileName::of(&id, Variant::File);
        assert_eq!(place.uploads.files().size(&name).await.is_ok(), is_sent);
        assert_eq!(
            place.uploads.resumable(anna, &begun.id).unwrap_err().code,
            Code::NotFound
        );
    }
}
