//! Wiring and ordered shutdown.
