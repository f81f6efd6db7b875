//! The sample marketplace.
use std::sync::Arc;
use axum::Router;
use crate::{contracts::rest::Api, server::Fault};
pub fn router(_api: &Arc<Api>) -> Router { Router::new() }
pub async fn fill(_api: &Arc<Api>) -> Result<(), Fault> { Ok(()) }
