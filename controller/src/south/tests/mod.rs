//! A real server on loopback, a hub behind it, and vswitches in the small.

mod connecting;
mod fake;
mod health;
mod syncing;
mod world;

use fake::Fake;
use world::World;
