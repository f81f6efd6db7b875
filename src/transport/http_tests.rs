//! What a client notices of the limits, over raw TCP.

use super::*;
use http::StatusCode;
use tokio::task::JoinHandle;

use crate::{
    config::{TlsSettings, TrustedProxies},
    model::limits::RateLimits,
    transport::{metrics::Page, tls::Certificate},
};

const SMALL: HttpLimits = HttpLimits {
    header_time: Duration::from_millis(300),
    header_bytes: limits::HEADER_BYTES,
    answer_stall_time: Duration::from_millis(600),
    linger_time: Duration::from_millis(500),
    tls_handshake_time: Duration::from_millis(300),
    open_connections: 50,
};

struct Server {
    address: SocketAddr,
    drain: watch::Sender<bool>,
    served: JoinHandle<()>,
}

/// `/slow` answers after 500 ms, `/big` with 32 MB, anything else with the length of the body that was sent.
async fn answer(request: Request<Incoming>, _peer: SocketAddr) -> Response<Body> {
    if request.headers().contains_key("upgrade") {
        // Keeps the connection, and its place, for as long as the client does.
        tokio::spawn(async move {
            let place = request.extensions().get::<ConnectionPlace>().cloned();
            if let Ok(upgraded) = hyper::upgrade::on(request).await {
                let parts = upgraded.downcast::<TokioIo<TcpStream>>().expect("the raw stream");
                let _ = parts.io.into_inner().read(&mut [0; 16]).await;
            }
            drop(place);
        });
        let switching = Response::builder()
            .status(101)
            .header("connection", "upgrade")
            .header("upgrade", "x");
        return switching.body(Body::empty()).unwrap();
    }
    match request.uri().path() {
        "/scheme" => {
            let scheme = crate::transport::origin::request_scheme(request.headers());
            Response::new(Body::from(scheme))
        }
        "/refused" => Response::builder().status(413).body(Body::from("because")).unwrap(),
        "/slow" => {
            sleep(Duration::from_millis(500)).await;
            Response::new(Body::from("slow"))
        }
        "/big" => Response::new(Body::from(vec![b'x'; 32 << 20])),
        path => {
            let path = path.to_owned();
            match read_body(request.into_body(), 1_000_000, Duration::from_millis(400)).await {
                Ok(body) => Response::new(Body::from(format!("{path} {}", body.len()))),
                Err(fault) => {
                    let status = match fault {
                        BodyFault::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
                        BodyFault::TooSlow | BodyFault::Stalled => StatusCode::REQUEST_TIMEOUT,
                        BodyFault::Broken => StatusCode::BAD_REQUEST,
                    };
                    Response::builder().status(status).body(Body::empty()).unwrap()
                }
            }
        }
    }
}

async fn start(limits: HttpLimits) -> Server {
    start_with(limits, usize::MAX, None).await
}

/// A gate that nobody is exempt from.
fn gate(most_of_address: usize) -> Gate {
    let metrics = Arc::new(Metrics::new(&mut Page::new()));
    let addresses = AddressLimits::new(
        TrustedProxies::default(),
        &RateLimits::OFF,
        most_of_address,
        Arc::clone(&metrics),
    );
    Gate {
        addresses: Arc::new(addresses),
        metrics,
    }
}

async fn start_with(limits: HttpLimits, most_of_address: usize, tls: Option<TlsAcceptor>) -> Server {
    let listeners = bind(&[ListenAddr::Exactly((Ipv4Addr::LOCALHOST, 0).into())])
        .await
        .unwrap();
    let address = listeners[0].local_addr().unwrap();
    let (drain, drained) = watch::channel(false);
    let listeners = listeners
        .into_iter()
        .map(|socket| Listener::new(socket, tls.clone()))
        .collect();
    let served = tokio::spawn(serve(listeners, answer, limits, gate(most_of_address), drained));
    Server { address, drain, served }
}

impl Server {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends all of `request` and reads until the server closes.
    async fn ask(&self, request: &[u8]) -> String {
        let mut stream = self.connect().await;
        let _ = stream.write_all(request).await;
        read_to_close(&mut stream).await
    }
}

impl Server {
    /// As [`ask`](Server::ask), for a client that sends everything before it reads, and gives up when it cannot: as most do.
    async fn send_then_read(&self, request: &[u8]) -> String {
        let mut stream = self.connect().await;
        // In pieces: the kernel would take it all at once, whatever the server does.
        for piece in request.chunks(200_000) {
            stream.write_all(piece).await.expect("the server takes all of it");
            sleep(Duration::from_millis(5)).await;
        }
        read_to_close(&mut stream).await
    }
}

async fn read_to_close(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = timeout(Duration::from_secs(5), stream.read_to_end(&mut bytes)).await;
    assert!(
        read.is_ok(),
        "the connection was still open after 5 s, with {:?}",
        String::from_utf8_lossy(&bytes)
    );
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn read_some(stream: &mut TcpStream) -> String {
    let mut buffer = [0; 4096];
    let length = timeout(Duration::from_secs(5), stream.read(&mut buffer))
        .await
        .unwrap()
        .unwrap();
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

#[tokio::test]
async fn headers_that_are_dripped_end_the_connection_in_time() {
    let server = start(SMALL).await;
    let mut stream = server.connect().await;
    let start = Instant::now();
    let mut sent = 0;
    // Each byte comes well within the limit; all of them together do not.
    while stream.write_all(b"G").await.is_ok() && start.elapsed() < Duration::from_secs(3) {
        sent += 1;
        sleep(Duration::from_millis(50)).await;
    }
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{sent} bytes were taken over {:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed_in_time() {
    let server = start(SMALL).await;
    let mut silent = server.connect().await;
    let start = Instant::now();
    assert_eq!(read_to_close(&mut silent).await, "");
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn headers_over_the_limit_are_answered_with_431() {
    let server = start(SMALL).await;
    let with_header = |length: usize| {
        format!(
            "GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: {}\r\n\r\n",
            "y".repeat(length)
        )
    };
    assert!(
        server
            .ask(with_header(15_000).as_bytes())
            .await
            .starts_with("HTTP/1.1 200")
    );
    let refused = server.ask(with_header(17_000).as_bytes()).await;
    assert!(refused.starts_with("HTTP/1.1 431"), "{refused}");
    let many = format!("GET /x HTTP/1.1\r\nHost: a\r\n{}\r\n", "a: b\r\n".repeat(200));
    assert!(server.ask(many.as_bytes()).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn headers_without_end_are_refused_before_they_fill_memory() {
    let server = start(SMALL).await;
    let mut stream = server.connect().await;
    let mut sent = 0_usize;
    let _ = stream.write_all(b"GET /x HTTP/1.1\r\nX: ").await;
    while sent < 64 << 20 && stream.write_all(&[b'y'; 4096]).await.is_ok() {
        sent += 4096;
    }
    // What the kernel's buffers hold of it does not count.
    assert!(sent < 16 << 20, "{sent} bytes of headers were taken");
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_its_sender_hears_of_it() {
    let server = start(SMALL).await;
    let head = "POST /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n";
    for length in [1_000_001, 3_000_000] {
        let mut announced = format!("{head}Content-Length: {length}\r\n\r\n").into_bytes();
        announced.resize(announced.len() + length, b'x');
        let answer = server.send_then_read(&announced).await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{length}: {answer:?}");
    }
    let mut chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    for _ in 0..20 {
        chunked.extend_from_slice(b"186a0\r\n");
        chunked.extend_from_slice(&[b'x'; 100_000]);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    assert!(server.send_then_read(&chunked).await.starts_with("HTTP/1.1 413"));
    let mut whole = format!("{head}Content-Length: 1000000\r\n\r\n").into_bytes();
    whole.resize(whole.len() + 1_000_000, b'x');
    assert!(server.ask(&whole).await.ends_with("/x 1000000"));
}

#[tokio::test]
async fn a_body_far_over_the_limit_is_refused_before_it_is_sent() {
    let server = start(SMALL).await;
    let answer = server
        .ask(b"POST /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 9000000000\r\n\r\n")
        .await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn a_body_that_is_dripped_is_given_up_in_time() {
    let server = start(SMALL).await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
        .await
        .unwrap();
    let (mut reader, mut writer) = stream.split();
    let drip = async {
        loop {
            let _ = writer.write_all(b"x").await;
            sleep(Duration::from_millis(20)).await;
        }
    };
    let mut buffer = [0; 64];
    let read = tokio::select! {
        () = drip => unreachable!("drips for ever"),
        read = timeout(Duration::from_secs(3), reader.read(&mut buffer)) => read.unwrap().unwrap(),
    };
    assert!(buffer[..read].starts_with(b"HTTP/1.1 408"));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_an_error_and_not_a_shorter_body() {
    let server = start(SMALL).await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc")
        .await
        .unwrap();
    stream.shutdown().await.unwrap();
    let answer = read_to_close(&mut stream).await;
    assert!(!answer.contains(" 200 "), "{answer}");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let server = start(SMALL).await;
    let answers = server
        .ask(
            b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /slow HTTP/1.1\r\nHost: a\r\n\r\n\
              GET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        )
        .await;
    let place = |text: &str| {
        answers
            .find(text)
            .unwrap_or_else(|| panic!("no {text:?} in {answers:?}"))
    };
    assert!(
        place("/a 3") < place("slow") && place("slow") < place("/b 0"),
        "{answers}"
    );
}

#[tokio::test]
async fn an_answer_that_takes_long_is_not_cut_off() {
    let server = start(SMALL).await;
    let answer = server.ask(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(answer.ends_with("slow"), "{answer}");
}

#[tokio::test]
async fn a_client_that_does_not_take_its_answer_is_closed() {
    let server = start(HttpLimits {
        open_connections: 1,
        ..SMALL
    })
    .await;
    let mut stalled = server.connect().await;
    stalled
        .write_all(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    // The only place is taken, until the server gives the stalled client up.
    let start = Instant::now();
    loop {
        let answer = server
            .ask(b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .await;
        if answer.starts_with("HTTP/1.1 200") {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(5), "{answer}");
        sleep(Duration::from_millis(50)).await;
    }
    assert!(
        start.elapsed() >= Duration::from_millis(500),
        "{:?} is too early",
        start.elapsed()
    );
}

#[tokio::test]
async fn a_slow_reader_gets_all_of_its_answer() {
    let server = start(SMALL).await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let (mut taken, mut buffer) = (0, vec![0; 2 << 20]);
    let start = Instant::now();
    loop {
        match stream.read(&mut buffer).await.unwrap() {
            0 => break,
            length => taken += length,
        }
        sleep(Duration::from_millis(5)).await;
    }
    assert!(taken > 32 << 20, "{taken} bytes in {:?}", start.elapsed());
}

/// Two connections, each answered and kept.
async fn two_open(server: &Server, request: &[u8]) -> Vec<TcpStream> {
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut stream = server.connect().await;
        stream.write_all(request).await.unwrap();
        assert!(read_some(&mut stream).await.starts_with("HTTP/1.1 200"));
        open.push(stream);
    }
    open
}

#[tokio::test]
async fn a_connection_too_many_is_told_to_come_back_and_may() {
    let server = start(HttpLimits {
        open_connections: 2,
        header_time: Duration::from_secs(5),
        ..SMALL
    })
    .await;
    let request = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n";
    let open = two_open(&server, request).await;
    let refused = server.ask(request).await;
    assert!(
        refused.starts_with("HTTP/1.1 503") && refused.contains("Retry-After: 2"),
        "{refused}"
    );
    assert!(refused.ends_with('}'), "{refused}");
    drop(open);
    sleep(Duration::from_millis(100)).await;
    let mut stream = server.connect().await;
    stream.write_all(request).await.unwrap();
    assert!(read_some(&mut stream).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn an_address_with_too_many_connections_is_told_so_and_others_have_theirs() {
    let server = start_with(SMALL, 2, None).await;
    let request = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n";
    let open = two_open(&server, request).await;
    let refused = server.ask(request).await;
    assert!(
        refused.starts_with("HTTP/1.1 429") && refused.contains("Retry-After: 2"),
        "{refused}"
    );
    assert!(refused.contains(r#""code":"RATE_LIMITED""#), "{refused}");
    let from_elsewhere = TcpSocket::new_v4().unwrap();
    from_elsewhere.bind((Ipv4Addr::new(127, 0, 0, 2), 0).into()).unwrap();
    let mut other = from_elsewhere.connect(server.address).await.unwrap();
    other.write_all(request).await.unwrap();
    assert!(read_some(&mut other).await.starts_with("HTTP/1.1 200"));
    drop(open);
    sleep(Duration::from_millis(100)).await;
    let mut stream = server.connect().await;
    stream.write_all(request).await.unwrap();
    assert!(read_some(&mut stream).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn whoever_goes_on_writing_after_a_refusal_hears_of_it() {
    let server = start(SMALL).await;
    let mut stream = server.connect().await;
    let head = b"POST /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n";
    stream.write_all(head).await.unwrap();
    // As a client that looks for an answer now and then: far more than is thrown away before the end.
    let begun = Instant::now();
    while begun.elapsed() < SMALL.linger_time / 2 {
        let piece = timeout(Duration::from_millis(20), stream.write_all(&[b'x'; 100_000])).await;
        assert!(!matches!(piece, Ok(Err(_))), "the connection was reset: {piece:?}");
    }
    let answer = read_to_close(&mut stream).await;
    assert!(
        answer.starts_with("HTTP/1.1 413") && answer.ends_with("because"),
        "{answer:?}"
    );
    assert!(begun.elapsed() < SMALL.linger_time * 3);
}

#[tokio::test]
async fn whoever_writes_without_end_after_a_refusal_is_closed_in_time() {
    let server = start(SMALL).await;
    let mut stream = server.connect().await;
    let head = b"POST /refused HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let begun = Instant::now();
    while stream.write_all(&[b'x'; 1_000]).await.is_ok() && begun.elapsed() < Duration::from_secs(5) {
        sleep(Duration::from_millis(5)).await;
    }
    assert!(begun.elapsed() < SMALL.linger_time * 4, "{:?}", begun.elapsed());
}

/// A certificate for `chat.example` in a folder, and a client that trusts it.
fn certified(folder: &std::path::Path) -> (TlsSettings, tokio_rustls::TlsConnector) {
    let made = rcgen::generate_simple_self_signed(["chat.example".to_owned()]).unwrap();
    let settings = TlsSettings {
        certificate: folder.join("cert.pem"),
        key: folder.join("key.pem"),
    };
    std::fs::write(&settings.certificate, made.cert.pem()).unwrap();
    std::fs::write(&settings.key, made.signing_key.serialize_pem()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // A session that goes on shows no certificate.
    config.resumption = rustls::client::Resumption::disabled();
    (settings, tokio_rustls::TlsConnector::from(Arc::new(config)))
}

type TlsClient = tokio_rustls::client::TlsStream<TcpStream>;

async fn by_tls(server: &Server, connector: &tokio_rustls::TlsConnector) -> io::Result<TlsClient> {
    connector
        .connect("chat.example".try_into().unwrap(), server.connect().await)
        .await
}

async fn ask_scheme(stream: &mut TlsClient) -> String {
    let request = b"GET /scheme HTTP/1.1\r\nHost: a\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut buffer = [0; 4096];
    let read = timeout(Duration::from_secs(5), stream.read(&mut buffer))
        .await
        .unwrap()
        .unwrap();
    String::from_utf8_lossy(&buffer[..read]).into_owned()
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_to_new_clients_and_open_connections_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let (settings, old_client) = certified(folder.path());
    let certificate = Certificate::load(settings).unwrap();
    let patient = HttpLimits {
        header_time: Duration::from_secs(30),
        tls_handshake_time: Duration::from_secs(10),
        ..SMALL
    };
    let server = start_with(patient, 50, Some(certificate.acceptor().unwrap())).await;
    let mut open = by_tls(&server, &old_client).await.unwrap();
    assert_eq!(open.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert!(ask_scheme(&mut open).await.ends_with("https"));
    let (_, new_client) = certified(folder.path());
    assert_eq!(certificate.look_again(), Ok(true));
    assert!(by_tls(&server, &old_client).await.is_err(), "the old one is gone");
    assert!(
        ask_scheme(&mut by_tls(&server, &new_client).await.unwrap())
            .await
            .ends_with("https")
    );
    assert!(ask_scheme(&mut open).await.ends_with("https"), "it was not dropped");
}

#[tokio::test]
async fn a_tls_handshake_that_does_not_come_frees_its_place_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let (settings, client) = certified(folder.path());
    let certificate = Certificate::load(settings).unwrap();
    let one_place = HttpLimits {
        open_connections: 1,
        tls_handshake_time: Duration::from_secs(1),
        ..SMALL
    };
    let server = start_with(one_place, 50, Some(certificate.acceptor().unwrap())).await;
    let mut silent = server.connect().await;
    let begun = Instant::now();
    sleep(Duration::from_millis(50)).await;
    assert!(by_tls(&server, &client).await.is_err(), "it counts as a connection");
    assert_eq!(read_to_close(&mut silent).await, "");
    assert!(begun.elapsed() < Duration::from_secs(4));
    // Plain HTTP on this port is no TLS.
    let mut plain = server.connect().await;
    plain.write_all(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut bytes = Vec::new();
    let _ = plain.read_to_end(&mut bytes).await;
    assert!(!String::from_utf8_lossy(&bytes).contains("200 OK"));
    let mut stream = by_tls(&server, &client).await.unwrap();
    assert!(ask_scheme(&mut stream).await.ends_with("https"));
}

#[tokio::test]
async fn an_upgraded_connection_keeps_its_place() {
    let server = start(HttpLimits {
        open_connections: 1,
        ..SMALL
    })
    .await;
    let mut upgraded = server.connect().await;
    upgraded
        .write_all(b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
        .await
        .unwrap();
    assert!(read_some(&mut upgraded).await.starts_with("HTTP/1.1 101"));
    sleep(Duration::from_millis(500)).await;
    let request = b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert!(server.ask(request).await.starts_with("HTTP/1.1 503"));
    drop(upgraded);
    sleep(Duration::from_millis(100)).await;
    assert!(server.ask(request).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn draining_finishes_what_is_under_way_and_takes_nothing_new() {
    let server = start(HttpLimits {
        header_time: Duration::from_secs(30),
        ..SMALL
    })
    .await;
    let mut idle = server.connect().await;
    idle.write_all(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    read_some(&mut idle).await;
    let mut busy = server.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    sleep(Duration::from_millis(100)).await;
    server.drain.send(true).unwrap();
    assert_eq!(
        read_to_close(&mut idle).await,
        "",
        "an idle connection is closed at once"
    );
    let late = TcpStream::connect(server.address).await;
    if let Ok(mut late) = late {
        let _ = late.write_all(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut bytes = Vec::new();
        let _ = late.read_to_end(&mut bytes).await;
        assert!(bytes.is_empty());
    }
    assert!(
        read_to_close(&mut busy).await.ends_with("slow"),
        "the answer under way arrives whole"
    );
    timeout(Duration::from_secs(2), server.served)
        .await
        .expect("it ends when all are done")
        .unwrap();
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let taken = bind(&[ListenAddr::Exactly((Ipv4Addr::LOCALHOST, 0).into())])
        .await
        .unwrap();
    let address = taken[0].local_addr().unwrap();
    let error = bind(&[ListenAddr::Exactly(address)]).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("Cannot listen on {address}: another program listens there.")
    );
}

#[tokio::test]
async fn all_interfaces_are_ipv4_too() {
    let listeners = bind(&[ListenAddr::AllInterfaces(0)]).await.unwrap();
    let port = listeners[0].local_addr().unwrap().port();
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_ok());
}
