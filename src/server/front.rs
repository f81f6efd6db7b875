//! What every request meets first: Socket.IO or a route, here or on another node, and the rules about origins.

use std::{net::SocketAddr, sync::Arc};

use axum::{Router, body::Body};
use doorbell_socketio::{Handler, Hold, Owner, Server};
use http::{Request, Response};
use hyper::body::Incoming;
use tower_service::Service;

use crate::transport::{
    client::ClientAddress, handover::Handover, headers, http::ConnectionPlace, limit::AddressLimits,
    origin::OriginPolicy,
};

pub(super) struct Front<H: Handler> {
    pub router: Router,
    pub engine: Server<H>,
    pub origins: Arc<OriginPolicy>,
    pub addresses: Arc<AddressLimits>,
    /// `None` where there is one node.
    pub handover: Option<Arc<Handover>>,
    /// Ends the ids of this node's resumable uploads, where there are several nodes.
    pub upload_name: Option<String>,
}

impl<H: Handler> Clone for Front<H> {
    fn clone(&self) -> Self {
        Front {
            router: self.router.clone(),
            engine: self.engine.clone(),
            origins: Arc::clone(&self.origins),
            addresses: Arc::clone(&self.addresses),
            handover: self.handover.clone(),
            upload_name: self.upload_name.clone(),
        }
    }
}

impl<H: Handler> Front<H> {
    pub(super) async fn answer(self, request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        let mut response = self.answered(request, peer).await;
        headers::protect(response.headers_mut());
        response
    }

    async fn answered(mut self, mut request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        if let Some(preflight) = self.origins.preflight(request.method(), request.headers()) {
            return preflight;
        }
        if let Some(place) = request.extensions().get::<ConnectionPlace>() {
            let hold = Hold(place.hold());
            request.extensions_mut().insert(hold);
        }
        if let Some(handover) = &self.handover
            && let Some(peer) = handover.received(&mut request)
        {
            request.extensions_mut().insert(ClientAddress(peer.ip()));
            if let Some(place) = request.extensions().get::<ConnectionPlace>() {
                place.is_of_node();
            }
            // As it is: the node that the client has reached puts on the headers of CORS.
            if upload_of(request.uri().path()).is_some() {
                return self.route(request).await;
            }
            return self.engine.serve(request, peer).await.map(Body::new);
        }
        let peer = self.addresses.client(peer, request.headers());
        request.extensions_mut().insert(ClientAddress(peer.ip()));
        let asked = request.headers().clone();
        let mut response = match request.uri().path() {
            "/socket.io" | "/socket.io/" | "/api/socketio" | "/api/socketio/" => self.socket(request, peer).await,
            path => match (self.upload_elsewhere(path), &self.handover) {
                (Some(node), Some(handover)) => handover.hand_over_upload(&node, request, peer).await,
                _ => self.route(request).await,
            },
        };
        self.origins.decorate(&asked, response.headers_mut());
        response
    }

    async fn route(&mut self, request: Request<Incoming>) -> Response<Body> {
        match self.router.call(request.map(Body::new)).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    /// The name of the node that has the resumable upload of this path, if it is another one.
    fn upload_elsewhere(&self, path: &str) -> Option<String> {
        let own = self.upload_name.as_deref()?;
        let (_, node) = upload_of(path)?.rsplit_once('.')?;
        (node != own).then(|| node.to_owned())
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

/// The id of the resumable upload that a path names.
fn upload_of(path: &str) -> Option<&str> {
    path.strip_prefix("/v1/uploads/").filter(|id| !id.is_empty())
}

#[cfg(test)]
#[path = "front_tests/mod.rs"]
mod tests;
