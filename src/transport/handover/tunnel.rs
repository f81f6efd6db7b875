//! A WebSocket whose session is on another node: bytes go both ways, as they are.

use std::{io, net::SocketAddr, time::Duration};

use bytes::Bytes;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
    time::timeout,
};

use super::{super::http::turned_true, HandoverLimits};

/// What is read at once. It lies on the thread's stack: a tunnel that is idle holds no buffer.
const CHUNK_BYTES: usize = 16 * 1024;

/// Joins the two connections until one of them ends or says nothing for too long, or this node drains.
pub(super) async fn join(
    client: OnUpgrade,
    owner: OnUpgrade,
    peer: SocketAddr,
    limits: HandoverLimits,
    drain: watch::Receiver<bool>,
) {
    let upgraded = async { tokio::try_join!(client, owner) };
    let (client, owner) = match timeout(limits.upgrade_time, upgraded).await {
        Ok(Ok(both)) => both,
        Ok(Err(error)) => return tracing::debug!(%peer, %error, "a WebSocket was not handed over"),
        Err(_) => return tracing::debug!(%peer, "a WebSocket was not handed over in time"),
    };
    let Ok((mut owner, from_owner)) = stream(owner) else {
        return tracing::error!("a WebSocket cannot be handed over: its owner's connection is no TCP connection");
    };
    let (owner_reads, owner_writes) = owner.split();
    match stream(client) {
        Ok((mut client, from_client)) => {
            let (client_reads, client_writes) = client.split();
            let to_owner = pass_on(client_reads, owner_writes, from_client, limits.silence);
            let to_client = pass_on(owner_reads, client_writes, from_owner, limits.silence);
            join_ways(to_owner, to_client, limits, drain).await;
        }
        // TLS keeps buffers of its own anyway.
        Err(client) => {
            let (client_reads, client_writes) = tokio::io::split(TokioIo::new(client));
            let to_owner = pass_on_buffered(client_reads, owner_writes, Bytes::new(), limits.silence);
            let to_client = pass_on_buffered(owner_reads, client_writes, from_owner, limits.silence);
            join_ways(to_owner, to_client, limits, drain).await;
        }
    }
}

async fn join_ways(
    to_owner: impl Future<Output = ()>,
    to_client: impl Future<Output = ()>,
    limits: HandoverLimits,
    mut drain: watch::Receiver<bool>,
) {
    tokio::pin!(to_owner, to_client);
    // What has ended on one side is told to the other, which has a moment to say its last.
    tokio::select! {
        () = &mut to_owner => { let _ = timeout(limits.farewell, to_client).await; }
        () = &mut to_client => { let _ = timeout(limits.farewell, to_owner).await; }
        () = turned_true(&mut drain) => {}
    }
}

/// The connection, and what was read of it already; what it was where it is no TCP connection.
fn stream(upgraded: Upgraded) -> Result<(TcpStream, Bytes), Upgraded> {
    let parts = upgraded.downcast::<TokioIo<TcpStream>>()?;
    let stream = parts.io.into_inner();
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    Ok((stream, parts.read_buf))
}

/// Copies until the end, an error, or too long a silence; then says so to whom it writes.
///
/// Engine.IO's heartbeat goes over each WebSocket both ways, so silence means that somebody is gone without a word.
async fn pass_on(from: ReadHalf<'_>, mut to: WriteHalf<'_>, mut rest: Bytes, silence: Duration) {
    loop {
        // Nothing more is read before this is written: a reader who is slow slows the writer, as if they were joined.
        if !rest.is_empty() && !matches!(timeout(silence, to.write_all(&rest)).await, Ok(Ok(()))) {
            break;
        }
        if !matches!(timeout(silence, from.readable()).await, Ok(Ok(()))) {
            break;
        }
        match pass_chunk(&from, &to) {
            Ok(Some(unwritten)) => rest = unwritten,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => rest = Bytes::new(),
            Ok(None) | Err(_) => break,
        }
    }
    let _ = to.shutdown().await;
}

/// As [`pass_on`], over connections that cannot be tried: a buffer is held all the time.
async fn pass_on_buffered(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    first: Bytes,
    silence: Duration,
) {
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut written = first.to_vec();
    loop {
        let passed = timeout(silence, async {
            to.write_all(&written).await?;
            to.flush().await
        });
        if !written.is_empty() && !matches!(passed.await, Ok(Ok(()))) {
            break;
        }
        match timeout(silence, from.read(&mut chunk)).await {
            Ok(Ok(read @ 1..)) => {
                written.clear();
                written.extend_from_slice(&chunk[..read]);
            }
            _ => break,
        }
    }
    let _ = to.shutdown().await;
}

/// Reads once and writes once, without waiting: what could not be written yet, or `None` at the end.
fn pass_chunk(from: &ReadHalf<'_>, to: &WriteHalf<'_>) -> io::Result<Option<Bytes>> {
    let mut chunk = [0; CHUNK_BYTES];
    let read = from.try_read(&mut chunk)?;
    if read == 0 {
        return Ok(None);
    }
    let written = match to.try_write(&chunk[..read]) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
        written => written?,
    };
    Ok(Some(Bytes::copy_from_slice(&chunk[written..read])))
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncReadExt, net::TcpListener};

    use super::*;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (one, other) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        (one.unwrap(), other.unwrap().0)
    }

    /// The byte at a place, such that no piece is like the one before it.
    fn byte(at: usize) -> u8 {
        (at % 251) as u8
    }

    #[tokio::test]
    async fn a_reader_who_is_late_gets_every_byte_in_its_place() {
        let (mut writer, mut from) = pair().await;
        let (mut to, mut reader) = pair().await;
        let passing = tokio::spawn(async move {
            let (from, to) = (from.split().0, to.split().1);
            pass_on(from, to, Bytes::from_static(&[250]), Duration::from_secs(10)).await;
        });
        // Until nothing moves any more: all buffers on the way are full.
        let mut sent = 0;
        let mut chunk = vec![0; 100_000];
        loop {
            assert!(sent < 1 << 28, "what nobody reads is thrown away");
            chunk
                .iter_mut()
                .enumerate()
                .for_each(|(at, place)| *place = byte(sent + at));
            match timeout(Duration::from_millis(500), writer.write(&chunk)).await {
                Ok(written) => sent += written.unwrap(),
                Err(_) => break,
            }
        }
        drop(writer);
        let mut got = Vec::new();
        timeout(Duration::from_secs(10), reader.read_to_end(&mut got))
            .await
            .expect("the end is passed on")
            .unwrap();
        assert_eq!(got[0], 250, "what was read with the handshake comes first");
        assert_eq!(got.len() - 1, sent);
        let misplaced = got[1..].iter().enumerate().find(|(at, got)| **got != byte(*at));
        assert_eq!(misplaced, None);
        passing.await.unwrap();
    }
}
