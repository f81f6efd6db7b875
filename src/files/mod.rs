//! Bytes of uploaded files.

pub mod media;
