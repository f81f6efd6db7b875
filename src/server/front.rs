//! What every request meets first: Socket.IO or a route, here or on another node, and the rules about origins.

use std::{net::SocketAddr, sync::Arc};

use axum::{Router, body::Body};
use doorbell_socketio::{Handler, Owner, Server};
use http::{Request, Response};
use hyper::body::Incoming;
use tower_service::Service;

use crate::transport::{handover::Handover, origin::OriginPolicy};

pub(super) struct Front<H: Handler> {
    pub router: Router,
    pub engine: Server<H>,
    pub origins: Arc<OriginPolicy>,
    /// `None` where there is one node.
    pub handover: Option<Arc<Handover>>,
}

impl<H: Handler> Clone for Front<H> {
    fn clone(&self) -> Self {
        Front {
            router: self.router.clone(),
            engine: self.engine.clone(),
            origins: Arc::clone(&self.origins),
            handover: self.handover.clone(),
        }
    }
}

impl<H: Handler> Front<H> {
    pub(super) async fn answer(mut self, mut request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        if let Some(preflight) = self.origins.preflight(request.method(), request.headers()) {
            return preflight;
        }
        if let Some(handover) = &self.handover
            && let Some(peer) = handover.received(&mut request)
        {
            // As it is: the node that the client has reached puts on the headers of CORS.
            return self.engine.serve(request, peer).await.map(Body::new);
        }
        let headers = request.headers().clone();
        let mut response = match request.uri().path() {
            "/socket.io" | "/socket.io/" | "/api/socketio" | "/api/socketio/" => self.socket(request, peer).await,
            _ => match self.router.call(request.map(Body::new)).await {
                Ok(response) => response,
                Err(never) => match never {},
            },
        };
        self.origins.decorate(&headers, response.headers_mut());
        response
    }

    async fn socket(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        if let Some(handover) = &self.handover
            && let Owner::Elsewhere(node) = self.engine.owner(request.uri())
        {
            let node = node.to_owned();
            return handover.hand_over(&node, request, peer).await;
        }
        self.engine.serve(request, peer).await.map(Body::new)
    }
}

#[cfg(test)]
#[path = "front_tests/mod.rs"]
mod tests;
