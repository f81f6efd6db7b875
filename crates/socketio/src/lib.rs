//! Engine.IO v4 and Socket.IO v5, the server's side, over hyper's upgrade.
//!
//! Knows connections, namespaces and acknowledgements; knows no rooms. What it promises:
//!
//! - **Order.** Events of a session reach the [`Handler`] in the order in which they came, and their answers leave in
//!   that order, however long each takes. A [`Turn`] says what may overlap.
//! - **Nothing is skipped.** A push to a connection that does not keep up closes that connection, and no other. Answers
//!   are never dropped while their connection lives; they slow its reading instead.
//! - **Bounds.** Everything that a client can make the server keep has a limit in [`Config`].
//! - **Small.** One task a connection, no timer of its own, no buffer while it is idle.
//!
//! The caller accepts connections, drives hyper (`http1`, `with_upgrades`) and picks the path; see `examples/echo.rs`.
//! The stream should be a `TokioIo<TcpStream>`, which is taken out of the upgrade as it is; any other works too, in a
//! box.
//!
//! Not supported: JSONP, WebTransport, per-message deflate, Engine.IO v3, other parsers.

// Modules that are public are so for the fuzz targets alone.

mod config;
#[doc(hidden)]
pub mod engine;
mod frame;
mod handler;
mod owner;
#[doc(hidden)]
pub mod packet;
mod polling;
mod queue;
mod server;
mod session;
mod socket;
mod task;
mod turns;
mod upgrade;
#[doc(hidden)]
pub mod websocket;
mod wheel;
mod wire;

pub use config::Config;
pub use frame::{Frame, FrameBuilder};
pub use handler::{Accept, Connecting, Event, Handler, Reason, Refusal, Refused, Turn};
pub use owner::{IdSuffix, InvalidSuffix, Owner};
pub use server::{Body, Counters, Server};
pub use socket::{AckError, Socket};
pub use wire::Hold;
