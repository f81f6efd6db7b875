//! The REST calls of a run: one connection each, since a kept one would hide what a fault does to new ones.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

const CALL_TIME: Duration = Duration::from_secs(5);

/// Who calls.
#[derive(Debug, Clone)]
pub enum Credential {
    Token(String),
    ApiKey(String),
}

/// An answer. Its body is `Null` where it has none.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
    /// The header `Date`.
    pub date: Option<String>,
}

impl Answer {
    /// The error's code, or the status where there is none.
    pub fn code(&self) -> String {
        match self.body["code"].as_str() {
            Some(code) => code.to_owned(),
            None => self.status.to_string(),
        }
    }

    pub fn is_ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// It may work a little later.
    pub fn is_passing(&self) -> bool {
        matches!(self.status, 429 | 502 | 503 | 504)
    }
}

/// Calls one address in one name.
#[derive(Debug, Clone)]
pub struct Rest {
    pub address: SocketAddr,
    pub credential: Credential,
}

impl Rest {
    pub async fn get(&self, path: &str) -> Result<Answer, String> {
        self.call("GET", path, None).await
    }

    /// # Errors
    ///
    /// No answer came, for a reason in words: whether the call did anything is not known.
    pub async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer, String> {
        match tokio::time::timeout(CALL_TIME, self.exchange(method, path, body)).await {
            Ok(answer) => answer,
            Err(_) => Err("no answer within 5 s".to_owned()),
        }
    }

    async fn exchange(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer, String> {
        let words = |error: &dyn std::fmt::Display| error.to_string();
        let stream = TcpStream::connect(self.address).await.map_err(|error| words(&error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| words(&error))?;
        let mut request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.address.to_string())
            .header("connection", "close");
        request = match &self.credential {
            Credential::Token(token) => request.header("authorization", format!("Bearer {token}")),
            Credential::ApiKey(key) => request.header("x-api-key", key),
        };
        let bytes = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Bytes::from(body.to_string())
            }
            None => Bytes::new(),
        };
        let request = request.body(Full::new(bytes)).map_err(|error| words(&error))?;
        let exchange = async {
            let answer = sender.send_request(request).await.map_err(|error| words(&error))?;
            let status = answer.status().as_u16();
            let date = answer
                .headers()
                .get("date")
                .and_then(|date| Some(date.to_str().ok()?.to_owned()));
            let bytes = answer
                .into_body()
                .collect()
                .await
                .map_err(|error| words(&error))?
                .to_bytes();
            let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
            Ok(Answer { status, body, date })
        };
        tokio::pin!(exchange);
        tokio::select! {
            answer = &mut exchange => answer,
            // What the connection's task says first is that it failed, or that all has been read.
            _ = connection => exchange.await,
        }
    }
}
