//! Weft clouds in network namespaces: from one topology file to real packets, and away again.

pub mod runtime;
pub mod scenario;
pub mod topology;
