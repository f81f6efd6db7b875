//! Looking up the name in a node's address, within a time of its own: the connector's begins when the address is known, and a
//! resolver that does not answer would take all the time that the answer has.

use std::{
    error::Error,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use hyper_util::client::legacy::connect::dns::Name;
use tokio::time::timeout;
use tower_service::Service;

type BoxError = Box<dyn Error + Send + Sync>;

/// A resolver that is waited for so long. One that runs in a thread of its own may go on there.
#[derive(Debug, Clone)]
pub(super) struct Lookup<R> {
    resolver: R,
    time: Duration,
}

impl<R> Lookup<R> {
    pub(super) fn new(resolver: R, time: Duration) -> Self {
        Lookup { resolver, time }
    }
}

impl<R> Service<Name> for Lookup<R>
where
    R: Service<Name>,
    R::Response: Send + 'static,
    R::Error: Into<BoxError>,
    R::Future: Send + 'static,
{
    type Response = R::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<R::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.resolver.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (looked_up, time) = (self.resolver.call(name), self.time);
        Box::pin(async move {
            match timeout(time, looked_up).await {
                Ok(found) => found.map_err(Into::into),
                Err(_) => Err("the name was not resolved in time".into()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, future, io, net::SocketAddr, str::FromStr, time::Instant, vec};

    use futures_util::FutureExt;
    use http::Uri;
    use hyper_util::client::legacy::connect::HttpConnector;

    use super::*;

    /// Answers what it holds, or never.
    #[derive(Clone)]
    struct Resolver(Option<SocketAddr>);

    impl Service<Name> for Resolver {
        type Response = vec::IntoIter<SocketAddr>;
        type Error = Infallible;
        type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Name) -> Self::Future {
            match self.0 {
                Some(address) => future::ready(Ok(vec![address].into_iter())).boxed(),
                None => future::pending().boxed(),
            }
        }
    }

    async fn connect(resolver: Resolver, port: u16) -> Result<(), BoxError> {
        let mut connector = HttpConnector::new_with_resolver(Lookup::new(resolver, Duration::from_millis(100)));
        let uri = Uri::from_str(&format!("http://node-2.internal:{port}"))?;
        connector.call(uri).await?;
        Ok(())
    }

    #[tokio::test]
    async fn a_name_that_nobody_resolves_is_given_up_in_time() {
        let begun = Instant::now();
        let connected = tokio::time::timeout(Duration::from_secs(20), connect(Resolver(None), 1)).await;
        let error = connected.expect("an end").expect_err("no address");
        assert!(format!("{error:?}").contains("not resolved in time"), "{error:?}");
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn a_name_that_is_resolved_is_connected_to() -> io::Result<()> {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let connected = connect(Resolver(Some(address)), address.port()).await;
        connected.expect("a connection");
        Ok(())
    }
}
