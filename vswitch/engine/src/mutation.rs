//! Faults made on purpose, so that a test can show that it would find them. They are compiled with
//! the feature `mutations` only, and then sleep until a test wakes one.

#[cfg(feature = "mutations")]
use std::cell::Cell;

/// A fault.
#[cfg_attr(
    not(feature = "mutations"),
    allow(unreachable_pub, reason = "exported with the feature")
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    /// Connections of different protocols are taken for one.
    KeyWithoutProtocol,
    /// A connection goes on with whoever holds the other end's address by now.
    AnyPeer,
    /// A flow's verdict holds though the configuration has changed since.
    StaleFlow,
    /// A later fragment passes without its first.
    AnyFragment,
    /// An ICMP error passes for any connection, tracked or not, with whomever.
    AnyError,
    /// What goes to a port of the same host isn't judged where it leaves its subnet.
    NoAclOnHairpin,
    /// An ICMP error's quote stays as it came where addresses are translated.
    ErrorNotTranslated,
    /// A later fragment keeps the public address that it is for.
    FragmentNotTranslated,
    /// The internet may begin a connection whatever the route back.
    AnyWayBack,
    /// What comes from no address of the VPC's own crosses a peering.
    AnySourceAcross,
    /// A transit gateway leads to a VPC that has the sender's address as its own.
    OverlapAcross,
    /// A transit gateway's route that leads nowhere makes room for a shorter one.
    BlackholeFallsThrough,
    /// Edges ask another host for each packet of a balancer's connection.
    EdgesDisagree,
    /// A host that picks for the internet doesn't remember whom.
    Forgetful,
    /// A balancer's answer to the internet goes by its target's own routes.
    AnswersByOwnRoutes,
    /// A balancer's connection gets a target anew with every change.
    Unpinned,
    /// A balancer's connection stays with a target that is unhealthy.
    UnhealthyStays,
    /// A NAT's port is given to many connections to one destination.
    NatPortShared,
    /// An ICMP error's quote stays as it came through a NAT.
    NatErrorNotTranslated,
    /// A connection goes on by a NAT's port though its route leads elsewhere.
    NatKept,
}

#[cfg(feature = "mutations")]
impl Mutation {
    /// Every fault there is.
    pub const ALL: &'static [Self] = &[
        Self::KeyWithoutProtocol,
        Self::AnyPeer,
        Self::StaleFlow,
        Self::AnyFragment,
        Self::AnyError,
        Self::NoAclOnHairpin,
        Self::ErrorNotTranslated,
        Self::FragmentNotTranslated,
        Self::AnyWayBack,
        Self::AnySourceAcross,
        Self::OverlapAcross,
        Self::BlackholeFallsThrough,
        Self::EdgesDisagree,
        Self::Forgetful,
        Self::AnswersByOwnRoutes,
        Self::Unpinned,
        Self::UnhealthyStays,
        Self::NatPortShared,
        Self::NatErrorNotTranslated,
        Self::NatKept,
    ];
}

#[cfg(feature = "mutations")]
thread_local! {
    static AWAKE: Cell<Option<Mutation>> = const { Cell::new(None) };
}

/// Wakes a fault in the engines of this thread, and puts the one before to sleep.
#[cfg(feature = "mutations")]
pub fn wake(mutation: Option<Mutation>) {
    AWAKE.set(mutation);
}

/// Whether the fault is awake.
#[cfg(feature = "mutations")]
pub(crate) fn is_awake(mutation: Mutation) -> bool {
    AWAKE.get() == Some(mutation)
}

/// Whether the fault is awake: here it isn't even there.
#[cfg(not(feature = "mutations"))]
#[inline(always)]
pub(crate) const fn is_awake(_: Mutation) -> bool {
    false
}
