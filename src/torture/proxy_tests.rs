use super::*;

/// Answers each byte that it gets with the same byte, and says how connections end.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    address
}

async fn proxied() -> (Proxy, TcpStream) {
    let proxy = Proxy::start(vec![echo().await]).await.unwrap();
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    assert_eq!(echoed(&mut stream, b"hello").await.unwrap(), b"hello");
    (proxy, stream)
}

async fn echoed(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<Vec<u8>> {
    stream.write_all(bytes).await?;
    let mut back = vec![0; bytes.len()];
    stream.read_exact(&mut back).await?;
    Ok(back)
}

#[tokio::test]
async fn a_closed_connection_ends_and_a_reset_one_fails() {
    let (proxy, mut stream) = proxied().await;
    assert_eq!(proxy.end(&Struck::All, Ending::Close), 1);
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);

    let (proxy, mut stream) = proxied().await;
    assert_eq!(proxy.end(&Struck::All, Ending::Reset), 1);
    assert_eq!(
        stream.read(&mut [0; 8]).await.unwrap_err().kind(),
        io::ErrorKind::ConnectionReset
    );
}

#[tokio::test]
async fn a_halved_connection_carries_half_of_the_next_chunk() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start(vec![listener.local_addr().unwrap()]).await.unwrap();
    let mut near = TcpStream::connect(proxy.address).await.unwrap();
    let (mut far, _) = listener.accept().await.unwrap();
    near.write_all(&[1]).await.unwrap();
    far.read_exact(&mut [0]).await.unwrap();
    proxy.end(&Struck::All, Ending::Half);
    // The word travels to the link's task.
    tokio::time::sleep(Duration::from_millis(50)).await;
    near.write_all(&[7; 1000]).await.unwrap();
    let mut carried = Vec::new();
    let ended = far.read_to_end(&mut carried).await;
    assert!(
        ended.is_err() && carried.len() == 500,
        "{ended:?} after {} bytes",
        carried.len()
    );
}

#[tokio::test]
async fn a_stalled_connection_keeps_what_came_and_gives_it_when_healed() {
    let (proxy, mut stream) = proxied().await;
    let stalled = Weather {
        is_stalled: true,
        ..Weather::default()
    };
    proxy.set(Struck::All, stalled);
    let mut later = TcpStream::connect(proxy.address).await.unwrap();
    for stream in [&mut stream, &mut later] {
        stream.write_all(b"kept").await.unwrap();
        let early = tokio::time::timeout(Duration::from_millis(200), stream.read(&mut [0; 8])).await;
        assert!(early.is_err(), "a stalled connection carried something");
    }
    proxy.heal();
    for stream in [&mut stream, &mut later] {
        let mut back = [0; 4];
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, b"kept");
    }
}

#[tokio::test]
async fn late_narrow_and_sliced_connections_carry_every_byte_in_order() {
    let (proxy, mut stream) = proxied().await;
    let bytes: Vec<u8> = (0..30_000_u32).map(|number| (number % 251) as u8).collect();
    for (weather, at_least_ms) in [
        (
            Weather {
                delay_ms: 100,
                ..Weather::default()
            },
            200,
        ),
        (
            Weather {
                bytes_per_second: 100_000,
                ..Weather::default()
            },
            200,
        ),
        (
            Weather {
                slice: 100,
                ..Weather::default()
            },
            1,
        ),
    ] {
        proxy.set(Struck::All, weather);
        let begun = Instant::now();
        let back = tokio::time::timeout(Duration::from_secs(20), echoed(&mut stream, &bytes)).await;
        assert!(back.expect("bytes are missing").unwrap() == bytes, "{weather:?}");
        let took = begun.elapsed();
        assert!(took >= Duration::from_millis(at_least_ms), "{weather:?} took {took:?}");
    }
}

#[tokio::test]
async fn only_those_with_the_label_are_struck() {
    let (proxy, mut one) = proxied().await;
    let mut other = TcpStream::connect(proxy.address).await.unwrap();
    assert_eq!(echoed(&mut other, b"hello").await.unwrap(), b"hello");
    proxy.label(one.local_addr().unwrap().port(), 1);
    proxy.label(other.local_addr().unwrap().port(), 2);
    assert_eq!(proxy.end(&Struck::Labelled(HashSet::from([1])), Ending::Close), 1);
    assert_eq!(one.read(&mut [0; 8]).await.unwrap(), 0);
    assert_eq!(echoed(&mut other, b"still").await.unwrap(), b"still");
}

#[tokio::test]
async fn without_an_upstream_a_connection_is_reset_and_the_next_one_that_lives_is_found() {
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let proxy = Proxy::start(vec![dead]).await.unwrap();
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    assert!(stream.read(&mut [0; 8]).await.is_err());

    let proxy = Proxy::start(vec![dead, echo().await]).await.unwrap();
    for _ in 0..4 {
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        assert_eq!(echoed(&mut stream, b"hello").await.unwrap(), b"hello");
    }
}

#[test]
fn messages_of_redis_are_dropped_and_doubled_and_answers_are_not() {
    let weather = Weather {
        dropped_percent: 30,
        doubled_percent: 20,
        ..Weather::default()
    };
    let mut sieve = Sieve::default();
    let (mut news, mut answers) = (0, 0);
    for _ in 0..1_000 {
        let passed = sieve.passed(b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n+OK\r\n", weather);
        let text = String::from_utf8(passed).unwrap();
        news += text.matches("message").count();
        answers += text.matches("+OK").count();
    }
    assert_eq!((news, answers), (1_000 - 300 + 200, 1_000));
}
