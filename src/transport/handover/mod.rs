//! Requests of Socket.IO whose session is on another node: they are handed over to it.
//!
//! A session lives on the node that opened it, and its id ends in that node's name. A balancer that spreads one client's
//! requests over all nodes needs to know nothing of this: whichever node gets a request asks the owner on the client's
//! behalf, and carries back what it answers. Polls and POSTs go over kept connections, a WebSocket is joined to one more.
//!
//! An owner that cannot be reached answers nothing any more: its sessions are gone. So the client is told what Engine.IO
//! says of such a session, and opens a new one.

mod headers;
mod lookup;
mod proof;
mod tunnel;
mod upload;

use std::{error::Error as _, fmt, net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Uri, Version, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as HttpBody, Incoming};
use hyper_util::{
    client::legacy::{
        Client, Error as ClientError,
        connect::{HttpConnector, dns::GaiResolver},
    },
    rt::{TokioExecutor, TokioTimer},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};

use self::lookup::Lookup;
pub use self::proof::{ClusterKey, HANDED_OVER};
use super::{
    http::{ConnectionPlace, read_body, turned_true},
    metrics::{HandoverOutcome as Outcome, Metrics},
};
use crate::model::limits;

/// Knows where nodes are.
#[async_trait]
pub trait Nodes: Send + Sync + 'static {
    /// The address (`http://host:port`) of the node whose session ids end so; `None` when no such node gives signs of life.
    async fn address(&self, name: &str) -> Option<String>;
}

/// Bounds of what is handed over. The default is the product's; tests take smaller ones.
#[derive(Debug, Clone, Copy)]
pub struct HandoverLimits {
    /// Requests and WebSockets at once.
    pub at_once: usize,
    /// To look a node's name up, and as long again to connect.
    pub connect_time: Duration,
    /// To the end of an answer.
    pub answer_time: Duration,
    /// To the answer that switches to a WebSocket, and to the switch itself.
    pub upgrade_time: Duration,
    /// A WebSocket over which nothing comes, or nothing can be written, for so long is given up.
    pub silence: Duration,
    /// When one side has ended, the other has so long.
    pub farewell: Duration,
}

impl Default for HandoverLimits {
    fn default() -> Self {
        HandoverLimits {
            at_once: limits::OPEN_CONNECTIONS / 2,
            connect_time: limits::HANDOVER_CONNECT_TIME,
            answer_time: limits::HANDOVER_ANSWER_TIME,
            upgrade_time: limits::HANDOVER_UPGRADE_TIME,
            silence: limits::HANDOVER_SILENCE,
            farewell: limits::HANDOVER_FAREWELL,
        }
    }
}

/// Hands requests over to other nodes, and knows those that come from them.
pub struct Handover {
    client: Client<HttpConnector<Lookup<GaiResolver>>, Limited<Incoming>>,
    nodes: Arc<dyn Nodes>,
    key: ClusterKey,
    limits: HandoverLimits,
    places: Arc<Semaphore>,
    metrics: Arc<Metrics>,
    drain: watch::Receiver<bool>,
}

impl fmt::Debug for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handover").finish_non_exhaustive()
    }
}

impl Handover {
    /// Once `drain` is true, what is handed over ends: it would hold up the end of this node.
    pub fn new(
        nodes: Arc<dyn Nodes>,
        key: ClusterKey,
        limits: HandoverLimits,
        metrics: Arc<Metrics>,
        drain: watch::Receiver<bool>,
    ) -> Self {
        let lookup = Lookup::new(GaiResolver::new(), limits.connect_time);
        let mut connector = HttpConnector::new_with_resolver(lookup);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(limits.connect_time));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(limits::HANDOVER_IDLE_TIME)
            .pool_max_idle_per_host(limits::HANDOVER_IDLE_CONNECTIONS)
            .build(connector);
        Handover {
            client,
            nodes,
            key,
            limits,
            places: Arc::new(Semaphore::new(limits.at_once)),
            metrics,
            drain,
        }
    }

    /// The client's address, if another node has handed this request over. Such a request is to be answered here, whatever
    /// its session: so none ever goes on to a third node, or in a circle. The mark is taken off, whoever set it.
    pub fn received<B>(&self, request: &mut Request<B>) -> Option<SocketAddr> {
        if !request.headers().contains_key(HANDED_OVER) {
            return None;
        }
        let (method, uri) = (request.method().clone(), request.uri().clone());
        proof::received(&self.key, &method, &uri, request.headers_mut())
    }

    /// Has the node of this name answer. Dropping the future cancels the request there as well.
    pub async fn hand_over(&self, node: &str, request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        let Some(place) = Place::take(&self.places, &self.metrics) else {
            return self.refused(StatusCode::SERVICE_UNAVAILABLE);
        };
        let mut drain = self.drain.clone();
        tokio::select! {
            answer = self.ask(node, request, peer, place) => answer,
            () = turned_true(&mut drain) => self.refused(StatusCode::SERVICE_UNAVAILABLE),
        }
    }

    async fn ask(&self, node: &str, mut request: Request<Incoming>, peer: SocketAddr, place: Place) -> Response<Body> {
        if request.body().size_hint().lower() > limits::PACKET_BYTES as u64 {
            // Read and thrown away as everywhere, so that the refusal arrives.
            let _ = read_body(request.into_body(), limits::PACKET_BYTES, limits::BODY_TIME).await;
            return self.refused(StatusCode::PAYLOAD_TOO_LARGE);
        }
        let Some(address) = self.nodes.address(node).await else {
            return self.unknown_session(Outcome::UnknownNode);
        };
        let switches = headers::asks_for_websocket(request.method(), request.headers());
        let client = switches.then(|| hyper::upgrade::on(&mut request));
        let connection = request.extensions().get::<ConnectionPlace>().cloned();
        let Some(request) = self.for_owner(&address, request, peer, switches, limits::PACKET_BYTES) else {
            tracing::warn!(%node, %address, "a node gives an address that cannot be used");
            return self.unknown_session(Outcome::Unreachable);
        };
        let time = if switches {
            self.limits.upgrade_time
        } else {
            self.limits.answer_time
        };
        let answered = timeout(time, self.answered(request)).await;
        let (parts, answer) = match answered {
            Ok(Ok(answered)) => answered,
            Ok(Err(Lost::TooLarge)) => return self.refused(StatusCode::PAYLOAD_TOO_LARGE),
            Ok(Err(Lost::Unreachable(error))) => {
                tracing::debug!(%node, %error, "the node that has the session cannot be reached");
                return self.unknown_session(Outcome::Unreachable);
            }
            Ok(Err(Lost::Broken(error))) => {
                tracing::debug!(%node, %error, "the node that has the session did not answer to the end");
                return self.unknown_session(Outcome::Broken);
            }
            Err(_) => {
                tracing::debug!(%node, "the node that has the session does not answer");
                return self.unknown_session(Outcome::Silent);
            }
        };
        let mut response = Response::new(Body::empty());
        *response.status_mut() = parts.status;
        *response.headers_mut() = parts.headers;
        headers::without_hop_by_hop(response.headers_mut());
        match (answer, client) {
            (Answer::Whole(body), _) => {
                self.metrics.handed_over(Outcome::Answered);
                *response.body_mut() = Body::from(body);
            }
            (Answer::Switching(owner), Some(client)) => {
                self.metrics.handed_over(Outcome::Switched);
                headers::switch_to_websocket(response.headers_mut());
                let (limits, drain) = (self.limits, self.drain.clone());
                tokio::spawn(async move {
                    tunnel::join(client, owner, peer, limits, drain).await;
                    drop((place, connection));
                });
            }
            (Answer::Switching(_), None) => return self.unknown_session(Outcome::Broken),
        }
        response
    }

    /// The request as the owner gets it; `None` if no request can be made of the address.
    fn for_owner(
        &self,
        address: &str,
        request: Request<Incoming>,
        peer: SocketAddr,
        switches: bool,
        most_bytes: usize,
    ) -> Option<Request<Limited<Incoming>>> {
        let (mut parts, body) = request.into_parts();
        let mark = self.key.prove(&parts.method, &parts.uri, peer)?;
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        parts.uri = Uri::try_from(format!("{address}{target}")).ok()?;
        parts.version = Version::HTTP_11;
        // Its body's length is told by the body itself. `Host` stays as the client wrote it: the owner judges by it whether a
        // page is its own.
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.headers.remove(header::EXPECT);
        headers::without_hop_by_hop(&mut parts.headers);
        if switches {
            headers::switch_to_websocket(&mut parts.headers);
        }
        parts.headers.insert(HANDED_OVER, mark);
        parts.extensions.clear();
        Some(Request::from_parts(parts, Limited::new(body, most_bytes)))
    }

    async fn answered(&self, request: Request<Limited<Incoming>>) -> Result<(http::response::Parts, Answer), Lost> {
        let mut response = self.client.request(request).await.map_err(Lost::from)?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let owner = hyper::upgrade::on(&mut response);
            return Ok((response.into_parts().0, Answer::Switching(owner)));
        }
        let (parts, body) = response.into_parts();
        // Whole, since half of an answer is none: a client could not be told any more that its session is gone.
        let body = Limited::new(body, limits::HANDOVER_ANSWER_BYTES).collect().await;
        let body = body.map_err(|error| Lost::Broken(error.to_string()))?;
        Ok((parts, Answer::Whole(body.to_bytes())))
    }

    /// Engine.IO's error 1, in the words of the reference: the client begins anew, at once.
    fn unknown_session(&self, outcome: Outcome) -> Response<Body> {
        self.metrics.handed_over(outcome);
        let mut response = Response::new(Body::from(r#"{"code":1,"message":"Session ID unknown"}"#));
        *response.status_mut() = StatusCode::BAD_REQUEST;
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }

    fn refused(&self, status: StatusCode) -> Response<Body> {
        self.metrics.handed_over(Outcome::Refused);
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(1));
        }
        response
    }
}

/// One of the places of what is handed over at once.
struct Place {
    _permit: OwnedSemaphorePermit,
    metrics: Arc<Metrics>,
}

impl Place {
    fn take(places: &Arc<Semaphore>, metrics: &Arc<Metrics>) -> Option<Self> {
        let permit = Arc::clone(places).try_acquire_owned().ok()?;
        metrics.handovers_open.inc();
        Some(Place {
            _permit: permit,
            metrics: Arc::clone(metrics),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.metrics.handovers_open.dec();
    }
}

enum Answer {
    Whole(Bytes),
    Switching(hyper::upgrade::OnUpgrade),
}

/// Why there is no answer. The texts are what the connection said, and never what went over it.
enum Lost {
    TooLarge,
    Unreachable(String),
    Broken(String),
}

impl From<ClientError> for Lost {
    fn from(error: ClientError) -> Self {
        let mut cause = error.source();
        while let Some(inner) = cause {
            if inner.is::<LengthLimitError>() {
                return Lost::TooLarge;
            }
            cause = inner.source();
        }
        if error.is_connect() {
            Lost::Unreachable(error.to_string())
        } else {
            Lost::Broken(error.to_string())
        }
    }
}
