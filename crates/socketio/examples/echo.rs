//! An echo server, for the suites of both protocols and for trying clients.
//!
//! `cargo run --example echo [port]` serves Engine.IO at `/engine.io/` (every message goes back) and Socket.IO at
//! `/socket.io/`, with short heartbeats as the suites expect them:
//!
//! - on CONNECT to `/` or `/custom` the client gets `auth` with what it sent as `auth`; other namespaces do not exist;
//! - `message` comes back as `message-back`, `message-with-ack` as the answer; `close` closes the transport,
//!   `disconnect-me` sends a DISCONNECT packet.

use doorbell_socketio::{
    Accept, Body, Config, Connecting, Event, Frame, Handler, Reason, Refusal, Refused, Server, Socket, Turn,
};
use futures_util::future::BoxFuture;
use http::{Request, Response, StatusCode, request::Parts};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::value::RawValue;
use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};
use tokio::net::TcpListener;

struct Echo;

impl Handler for Echo {
    type Session = ();
    type Socket = ();

    fn handshake(self: &Arc<Self>, _request: &Parts, _peer: SocketAddr) -> Result<(), Refusal> {
        Ok(())
    }

    fn connect(self: &Arc<Self>, connecting: Connecting<()>) -> BoxFuture<'static, Result<Accept<()>, Refused>> {
        Box::pin(async move {
            if !["/", "/custom"].contains(&connecting.namespace.as_str()) {
                return Err(Refused::Error {
                    message: "Invalid namespace".to_owned(),
                    data: None,
                });
            }
            let auth = connecting
                .auth
                .unwrap_or_else(|| RawValue::from_string("{}".to_owned()).unwrap_or_default());
            let mut accept = Accept::new(());
            accept
                .greeting
                .push(Frame::within(&connecting.namespace).event("auth", &auth));
            Ok(accept)
        })
    }

    fn connected(self: &Arc<Self>, _socket: &Socket<Self>) {}

    fn event(self: &Arc<Self>, socket: &Socket<Self>, event: Event) -> Turn {
        let frames = Frame::within(socket.namespace()).attachments(&event.attachments);
        match (event.name.as_str(), event.ack) {
            ("message", _) => Turn::Answer(vec![frames.event_args("message-back", &event.args)]),
            ("message-with-ack", Some(id)) => Turn::Answer(vec![frames.ack_args(id, &event.args)]),
            ("close", _) => {
                socket.close();
                Turn::Done
            }
            ("disconnect-me", _) => {
                socket.disconnect();
                Turn::Done
            }
            _ => Turn::Done,
        }
    }

    fn disconnected(self: &Arc<Self>, _socket: &Socket<Self>, _reason: Reason) {}
}

#[derive(Clone)]
struct Routes {
    engine: Server<Echo>,
    socket: Server<Echo>,
}

impl Routes {
    async fn answer(self, request: Request<Incoming>, peer: SocketAddr) -> Result<Response<Body>, Infallible> {
        Ok(match request.uri().path().trim_end_matches('/') {
            "/engine.io" => self.engine.serve(request, peer).await,
            "/socket.io" => self.socket.serve(request, peer).await,
            _ => {
                let mut response = Response::new(Body::default());
                *response.status_mut() = StatusCode::NOT_FOUND;
                response
            }
        })
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let port = std::env::args()
        .nth(1)
        .and_then(|port| port.parse().ok())
        .unwrap_or(3000);
    let config = Config {
        ping_interval: Duration::from_millis(300),
        ping_timeout: Duration::from_millis(200),
        connect_timeout: Duration::from_millis(1000),
        ..Config::default()
    };
    let routes = Routes {
        engine: Server::new(
            Config {
                engine_echo: true,
                ..config.clone()
            },
            Arc::new(Echo),
        ),
        socket: Server::new(config, Arc::new(Echo)),
    };
    let listener = TcpListener::bind(("0.0.0.0", port)).await?;
    eprintln!("listening on port {port}");
    loop {
        let (stream, peer) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let routes = routes.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| routes.clone().answer(request, peer));
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(10))
                .max_buf_size(16 << 10)
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            // A client that goes in the middle is no fault of this server's.
            let _ = connection.await;
        });
    }
}
