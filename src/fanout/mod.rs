//! Fan-out: which live connections there are on this node, who of them hears of what, and what other nodes are told.
//!
//! Nothing here reads the store or knows a wire shape. A frame is rendered by the caller once for each contract that is
//! present and shared by all who get it.

pub mod bus;
mod farewell;
pub mod hub;
pub mod live;

pub use bus::Bus;
pub use farewell::Farewell;
pub use hub::Hub;
pub use live::{Audience, Budget, LiveSocket, News, Outlet, Pushed, Who};
