//! Resumable uploads that another node has begun: their bytes lie on that node's disk until they are whole.
//!
//! Unlike a poll, such a request may carry a hundred megabytes and take hours: it is passed on as it comes, and how slowly
//! it may come is the owner's to judge. When the owner is away the upload is not lost: its client tries again.

use std::net::SocketAddr;

use axum::body::Body;
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;

use super::{Answer, Handover, Lost, Outcome, Place, headers};
use crate::{model::limits, transport::http::turned_true};

impl Handover {
    /// Has the node of this name answer, whose upload it is. Dropping the future cancels the request there as well.
    pub async fn hand_over_upload(&self, node: &str, request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        let Some(_place) = Place::take(&self.places, &self.metrics) else {
            return self.away(Outcome::Refused);
        };
        let mut drain = self.drain.clone();
        tokio::select! {
            answer = self.ask_for_upload(node, request, peer) => answer,
            () = turned_true(&mut drain) => self.away(Outcome::Refused),
        }
    }

    async fn ask_for_upload(&self, node: &str, request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        let Some(address) = self.nodes.address(node).await else {
            return self.away(Outcome::UnknownNode);
        };
        let most = usize::try_from(limits::UPLOAD_BYTES_HIGHEST).unwrap_or(usize::MAX);
        let Some(request) = self.for_owner(&address, request, peer, false, most) else {
            return self.away(Outcome::Unreachable);
        };
        let lost = match self.answered(request).await {
            Ok((parts, Answer::Whole(body))) => {
                self.metrics.handed_over(Outcome::Answered);
                let mut response = Response::new(Body::from(body));
                *response.status_mut() = parts.status;
                *response.headers_mut() = parts.headers;
                headers::without_hop_by_hop(response.headers_mut());
                return response;
            }
            Ok((_, Answer::Switching(_))) | Err(Lost::TooLarge) => Outcome::Broken,
            Err(Lost::Unreachable(error)) => {
                tracing::debug!(%node, %error, "the node that has the upload cannot be reached");
                Outcome::Unreachable
            }
            Err(Lost::Broken(error)) => {
                tracing::debug!(%node, %error, "the node that has the upload did not answer to the end");
                Outcome::Broken
            }
        };
        self.away(lost)
    }

    fn away(&self, outcome: Outcome) -> Response<Body> {
        self.metrics.handed_over(outcome);
        let body = r#"{"error":"The node that has this upload cannot be reached at the moment. Try again.","code":"UNAVAILABLE"}"#;
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json; charset=utf-8"),
        );
        headers.insert(header::RETRY_AFTER, HeaderValue::from(1));
        response
    }
}
