//! Route tables, compiled for the longest match.

use std::net::IpAddr;

use weft_model::{Prefix, RouteTarget, state::RouteTableState};

use super::prefix_map::PrefixMap;

/// One route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteEntry {
    /// The addresses it is for.
    pub destination: Prefix,
    /// Where they go.
    pub target: RouteTarget,
}

/// A route table.
#[derive(Debug, Clone)]
pub(crate) struct Routes {
    by_prefix: PrefixMap<RouteEntry>,
}

impl Routes {
    pub(crate) fn compile(state: &RouteTableState) -> Self {
        let mut by_prefix = PrefixMap::default();
        for route in &state.routes {
            let entry = RouteEntry {
                destination: route.destination,
                target: route.target,
            };
            *by_prefix.entry_or_insert_with(route.destination, || entry) = entry;
        }
        Self { by_prefix }
    }

    /// The route with the longest prefix that holds the address.
    pub(crate) fn longest(&self, address: IpAddr) -> Option<&RouteEntry> {
        self.by_prefix.matches(address).next()
    }
}
