//! Where this node listens, and by what certificate.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use super::Fault;
use crate::{
    config::Settings,
    transport::{
        http::{Listener, bind},
        tls::Certificate,
    },
};

/// Opens every address: those of clients, by TLS where there is a certificate, and those of the other nodes.
pub(super) async fn listeners(settings: &Settings) -> Result<Vec<Listener>, Fault> {
    let tls = match &settings.tls {
        Some(files) => {
            let certificate = Certificate::load(files.clone())?;
            let acceptor = certificate.acceptor()?;
            let hangups = signal(SignalKind::hangup())?;
            tokio::spawn(Arc::clone(&certificate).keep_fresh(hangups));
            Some(acceptor)
        }
        None => None,
    };
    let mut listeners = Vec::new();
    for socket in bind(&settings.listen).await? {
        listeners.push(Listener::new(socket, tls.clone()));
    }
    for socket in bind(&settings.node_listen).await? {
        listeners.push(Listener::new(socket, None));
    }
    Ok(listeners)
}
