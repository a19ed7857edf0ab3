//! What the pipeline looked at for one packet: the material of an explanation.
//!
//! A configuration carries the recorder, since the whole slow path has it at hand. What forwards has
//! none and pays one branch per first packet; packets of known connections don't even pass by.

use std::{
    fmt,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use weft_model::{
    AclNumber, BalancerId, HostName, InterfaceId, MirrorFilterId, MirrorNumber, MirrorSessionId,
    NatGatewayId, NetworkAclId, Prefix, RouteTableId, RouteTarget, RuleId, SubnetId,
    TransitAttachmentId, TransitTableId,
};

use crate::config::Direction;

/// Steps of one packet at one host that are kept: several times what the longest way has.
const MAX_STEPS: usize = 64;

/// One thing that was looked at, and let the packet pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A rule of the interface's groups allows it.
    Group {
        /// Which way, as the interface sees it.
        direction: Direction,
        /// Whose groups.
        interface: InterfaceId,
        /// The rule.
        rule: RuleId,
    },
    /// It is part of, or an error about, a connection that was allowed before.
    Tracked {
        /// Which way, as the interface sees it.
        direction: Direction,
        /// Whose connection.
        interface: InterfaceId,
        /// The rule that allowed the connection.
        rule: RuleId,
    },
    /// The network ACL of the subnet whose boundary it crosses allows it.
    Acl {
        /// Which way, as the subnet sees it.
        direction: Direction,
        /// The ACL.
        acl: NetworkAclId,
        /// The entry.
        entry: AclNumber,
    },
    /// The destination is in the sender's subnet: no route is asked.
    SameSubnet(SubnetId),
    /// The route taken.
    Route {
        /// The table.
        table: RouteTableId,
        /// The route's destination.
        destination: Prefix,
        /// The route's target.
        target: RouteTarget,
    },
    /// The route that a transit gateway takes.
    Transit {
        /// The sender's VPC's attachment.
        attachment: TransitAttachmentId,
        /// The table that it is associated with.
        table: TransitTableId,
        /// The route's destination.
        destination: Prefix,
        /// The attachment that the route leads to.
        to: Option<TransitAttachmentId>,
    },
    /// The interface that the packet goes to next.
    Interface {
        /// The interface.
        interface: InterfaceId,
        /// Where it is.
        host: HostName,
    },
    /// The load balancer whose address the packet is for, and which has a target for it.
    Balancer(BalancerId),
    /// The NAT gateway that the packet passes.
    Nat {
        /// The gateway.
        nat: NatGatewayId,
        /// The subnet it stands in.
        subnet: SubnetId,
    },
    /// It is copied.
    Mirrored {
        /// By which session.
        session: MirrorSessionId,
        /// With which filter.
        filter: MirrorFilterId,
        /// By which rule.
        rule: MirrorNumber,
    },
    /// From here on it looks otherwise.
    Translated {
        /// Source and destination before.
        from: (End, End),
        /// Source and destination after.
        to: (End, End),
    },
}

/// An address and a port; the port is an echo's identifier, or 0 where there is none.
pub type End = (IpAddr, u16);

impl Step {
    /// The stable name of what was looked at.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Group { .. } => "security-group",
            Self::Tracked { .. } => "connection",
            Self::Acl { .. } => "network-acl",
            Self::SameSubnet(_) => "subnet",
            Self::Route { .. } => "route",
            Self::Transit { .. } => "transit-route",
            Self::Interface { .. } => "interface",
            Self::Balancer(_) => "load-balancer",
            Self::Nat { .. } => "nat-gateway",
            Self::Mirrored { .. } => "mirror",
            Self::Translated { .. } => "translation",
        }
    }

    /// The object that decided.
    pub fn object(&self) -> String {
        match self {
            Self::Group { rule, .. } | Self::Tracked { rule, .. } => rule.to_string(),
            Self::Acl {
                direction,
                acl,
                entry,
            } => format!("{acl} {} {entry}", way(*direction)),
            Self::SameSubnet(subnet) => subnet.to_string(),
            Self::Route {
                table, destination, ..
            } => format!("{table} {destination}"),
            Self::Transit {
                table, destination, ..
            } => format!("{table} {destination}"),
            Self::Interface { interface, .. } => interface.to_string(),
            Self::Balancer(id) => id.to_string(),
            Self::Nat { nat, .. } => nat.to_string(),
            Self::Mirrored { session, .. } => session.to_string(),
            Self::Translated { .. } => String::new(),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group {
                direction,
                interface,
                rule,
            } => write!(
                f,
                "{} rule {rule} of {interface} allows it",
                way(*direction)
            ),
            Self::Tracked {
                interface, rule, ..
            } => write!(f, "part of a connection of {interface} that {rule} allowed"),
            Self::Acl {
                direction,
                acl,
                entry,
            } => write!(f, "{} entry {entry} of {acl} allows it", way(*direction)),
            Self::SameSubnet(subnet) => write!(f, "within {subnet}, past the route table"),
            Self::Route {
                table,
                destination,
                target,
            } => write!(f, "route {destination} of {table} to {target}"),
            Self::Transit {
                attachment,
                table,
                destination,
                to,
            } => {
                let to = to.map_or_else(|| "nowhere".to_owned(), |to| to.to_string());
                write!(f, "by {attachment}, route {destination} of {table} to {to}")
            }
            Self::Interface { interface, host } => write!(f, "to {interface} on {host}"),
            Self::Balancer(id) => write!(f, "{id} has a target for it"),
            Self::Nat { nat, subnet } => write!(f, "by {nat} in {subnet}"),
            Self::Mirrored {
                session,
                filter,
                rule,
            } => write!(f, "copied by {session}, as rule {rule} of {filter} says"),
            Self::Translated { from, to } => {
                let ends = |ends: &(End, End)| format!("{} > {}", end(ends.0), end(ends.1));
                write!(f, "{} becomes {}", ends(from), ends(to))
            }
        }
    }
}

const fn way(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
    }
}

fn end((address, port): End) -> String {
    match address {
        _ if port == 0 => address.to_string(),
        IpAddr::V4(_) => format!("{address}:{port}"),
        IpAddr::V6(_) => format!("[{address}]:{port}"),
    }
}

/// Records the steps of one packet.
#[derive(Debug, Default)]
pub struct Trace(Mutex<Vec<Step>>);

impl Trace {
    pub(crate) fn add(&self, step: Step) {
        let mut steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if steps.len() < MAX_STEPS {
            steps.push(step);
        }
    }

    /// What was recorded since the last time, in order.
    pub fn take(&self) -> Vec<Step> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
