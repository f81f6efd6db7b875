//! The sample marketplace.
use crate::{contracts::rest::Api, server::Fault};
use axum::Router;
use std::sync::Arc;
pub fn router(_api: &Arc<Api>) -> Router {
    Router::new()
}
pub async fn fill(_api: &Arc<Api>) -> Result<(), Fault> {
    Ok(())
}
