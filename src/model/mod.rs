//! The nouns of a marketplace's chat, and the rules that belong to one noun alone. Nothing here does input or output.

pub mod contract_name;
pub mod limits;

pub use contract_name::ContractName;
