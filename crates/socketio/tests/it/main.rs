//! The server as its clients meet it: over TCP, byte by byte.

mod client;
mod engine_protocol;
mod limits;
mod order;
mod pressure;
mod regressions;
mod server;
mod socket_protocol;
