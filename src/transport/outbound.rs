//! Questions to other servers, by HTTP: bounded in time and length, and answered by whoever was asked or by nobody.

use std::time::Duration;

use reqwest::{Client, Response, StatusCode, redirect::Policy};

/// A client for one address. `connect`: to reach it; `whole`: for the whole of a question.
pub fn client(address: &str, connect: Duration, whole: Duration) -> Result<Client, reqwest::Error> {
    let builder = Client::builder()
        .user_agent(concat!("doorbell/", env!("CARGO_PKG_VERSION")))
        // Whoever answers elsewhere is not who was asked, and must not get what the question holds.
        .redirect(Policy::none())
        .connect_timeout(connect)
        .timeout(whole);
    let builder = match address.starts_with("https:") {
        true => builder,
        // Without TLS a machine without certificates is no fault.
        false => builder.tls_certs_only([]),
    };
    builder.build()
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unanswered {
    Late,
    Unreachable,
    Redirection,
    Status,
    BrokenOff,
    TooLong,
}

/// The answer to a question that was sent: 200, or none.
pub fn ok(sent: Result<Response, reqwest::Error>) -> Result<Response, Unanswered> {
    let response = sent.map_err(|error| match error.is_timeout() {
        true => Unanswered::Late,
        false => Unanswered::Unreachable,
    })?;
    match response.status() {
        StatusCode::OK => Ok(response),
        status if status.is_redirection() => Err(Unanswered::Redirection),
        _ => Err(Unanswered::Status),
    }
}

/// All of it, of at most so many bytes.
pub async fn body(mut response: Response, most: usize) -> Result<Vec<u8>, Unanswered> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| Unanswered::BrokenOff)? {
        if body.len() + chunk.len() > most {
            return Err(Unanswered::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
