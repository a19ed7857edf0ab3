//! The maps of the configuration: fast, and the same from run to run.

/// A map whose keys the controller chooses; tenants can't aim collisions at it.
pub(crate) type Map<K, V> = hashbrown::HashMap<K, V, foldhash::fast::FixedState>;
