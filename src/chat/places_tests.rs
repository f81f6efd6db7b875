//! Who gets a place and who gives it up, in seconds that are short.

use futures_util::StreamExt;

use super::*;
use crate::model::Code;

const MOST: usize = 8;
/// What a second is here.
const SECOND: Duration = Duration::from_millis(20);

fn places(at_once: usize) -> Arc<Places> {
    Places::new(Bounds {
        at_once,
        wait: SECOND * 30,
        look: SECOND,
        speed_time: SECOND * 10,
        gives_way: limits::UPLOAD_GIVES_WAY_BYTES * 50,
        ..Default::default()
    })
}

fn at(address: &str, user: i64) -> Uploader {
    Uploader {
        user: UserKey(user),
        address: Some(address.parse().unwrap()),
    }
}

/// An upload of which `bytes` come each second, for ever; how it ended.
fn under_way(place: Place, bytes: usize) -> tokio::task::JoinHandle<Error> {
    let pieces = stream::unfold((), move |()| async move {
        tokio::time::sleep(SECOND).await;
        Some((Ok(Bytes::from(vec![0; bytes])), ()))
    });
    tokio::spawn(async move {
        let mut pieces = Box::pin(place.watched(pieces));
        loop {
            if let Err(error) = pieces.next().await.expect("it goes on for ever") {
                return error;
            }
        }
    })
}

async fn filled(places: &Arc<Places>, uploaders: &[Uploader], bytes: usize) -> Vec<tokio::task::JoinHandle<Error>> {
    let mut uploads = Vec::new();
    for uploader in uploaders {
        uploads.push(under_way(places.take(*uploader).await.unwrap(), bytes));
    }
    uploads
}

async fn pass(seconds: u32) {
    tokio::time::sleep(SECOND * seconds).await;
}

const DRIP: usize = 5_000;
const PHONE: usize = 20_000;

#[tokio::test]
async fn many_accounts_that_drip_from_one_address_do_not_keep_others_out() {
    let places = places(MOST);
    let drips: Vec<Uploader> = (0..MOST as i64).map(|user| at("192.0.2.1", user)).collect();
    let drips = filled(&places, &drips, DRIP).await;
    pass(30).await;
    assert!(
        drips.iter().all(|drip| !drip.is_finished()),
        "nobody else wants a place"
    );
    for user in 100..104 {
        let begun = Instant::now();
        let phone = places.take(at(&format!("198.51.100.{user}"), user)).await.unwrap();
        assert!(begun.elapsed() < SECOND * 10, "{:?}", begun.elapsed());
        under_way(phone, PHONE);
    }
    let ended: Vec<_> = drips.into_iter().filter(|drip| drip.is_finished()).collect();
    assert_eq!(ended.len(), 4);
    for drip in ended {
        assert_eq!(drip.await.unwrap().code, Code::Unavailable);
    }
    assert_eq!(places.gave_way(), 4);
}

#[tokio::test]
async fn a_slow_phone_keeps_its_place_as_long_as_there_are_free_ones_or_others_have_more() {
    let places = places(MOST);
    let phone = under_way(places.take(at("198.51.100.1", 1)).await.unwrap(), PHONE);
    let drips: Vec<Uploader> = (10..10 + MOST as i64 - 2).map(|user| at("192.0.2.1", user)).collect();
    let _drips = filled(&places, &drips, PHONE * 2).await;
    pass(60).await;
    let _last = places.take(at("198.51.100.2", 2)).await.unwrap();
    for user in 3..6 {
        let place = places.take(at(&format!("198.51.100.{user}"), user)).await.unwrap();
        under_way(place, PHONE);
    }
    assert!(!phone.is_finished(), "though it was the slowest");
}

#[tokio::test]
async fn addresses_with_one_slow_upload_each_make_room_for_the_first_of_others_and_no_second() {
    let places = places(MOST);
    let drips: Vec<Uploader> = (0..MOST as i64).map(|n| at(&format!("192.0.2.{n}"), n)).collect();
    let _drips = filled(&places, &drips, DRIP).await;
    pass(30).await;
    let _first = places.take(at("198.51.100.1", 100)).await.unwrap();
    let second = places.take(at("198.51.100.1", 100)).await;
    assert_eq!(second.err().map(|error| error.code), Some(Code::Unavailable));
    assert_eq!(places.gave_way(), 1);
}

#[tokio::test]
async fn what_comes_fast_is_waited_for_unless_one_address_has_more_than_half() {
    let places = places(MOST);
    let fast: Vec<Uploader> = (0..MOST as i64)
        .map(|n| at(["192.0.2.1", "192.0.2.2"][n as usize % 2], n))
        .collect();
    let uploads = filled(&places, &fast, 1_000_000).await;
    pass(30).await;
    let refused = places.take(at("198.51.100.1", 100)).await;
    assert_eq!(refused.err().map(|error| error.code), Some(Code::Unavailable));
    assert!(uploads.iter().all(|upload| !upload.is_finished()));
    for upload in &uploads {
        upload.abort();
    }
    pass(1).await;
    let fast: Vec<Uploader> = (0..MOST as i64).map(|user| at("192.0.2.1", user)).collect();
    let _uploads = filled(&places, &fast, 1_000_000).await;
    pass(30).await;
    places.take(at("198.51.100.1", 100)).await.unwrap();
    assert_eq!(places.gave_way(), 1);
}

#[tokio::test]
async fn a_place_that_is_free_again_goes_to_whoever_has_least_also_when_somebody_has_given_up_waiting() {
    let places = places(2);
    let (one, two) = (at("192.0.2.1", 1), at("192.0.2.2", 2));
    let (first, second) = (places.take(one).await.unwrap(), places.take(one).await.unwrap());
    let line: Vec<_> = [one, two, one]
        .map(|uploader| {
            let places = Arc::clone(&places);
            tokio::spawn(async move {
                let place = places.take(uploader).await;
                std::future::pending::<()>().await;
                drop(place);
            })
        })
        .into();
    pass(2).await;
    drop(first);
    pass(2).await;
    assert_eq!(
        places.lock().shares().get(&two.into()),
        Some(&1),
        "though another came before"
    );
    line[0].abort();
    pass(1).await;
    assert_eq!(places.lock().waiting.len(), 1);
    drop(second);
    pass(1).await;
    assert_eq!(places.lock().shares().get(&one.into()), Some(&1));
    for waiting in line {
        waiting.abort();
    }
    pass(1).await;
    assert!(places.lock().taken.is_empty() && places.lock().waiting.is_empty());
}
