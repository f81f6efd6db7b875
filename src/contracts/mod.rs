pub mod json;
pub mod shape;
