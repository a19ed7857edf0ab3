//! Known connections that need another look: the configuration changed, a SYN came, or the rule of
//! an untracked one is gone.

use weft_model::{Protocol, RuleId};

use super::{
    Core, Packet,
    judge::{denied, groups_of},
};
use crate::{
    config::{Direction, PortView, Traffic},
    drop::Drop,
    flow::{Flags, Flow, is_opening},
    mutation::{Mutation, is_awake},
};

impl Core {
    /// Looks at a packet's flow again. The flow that the packet goes on as part of; none where it
    /// goes on by itself, judged alone. What the ACL won't let out changes nothing.
    pub(super) fn revise(
        &mut self,
        packet: &Packet<'_>,
        at: usize,
        direction: Direction,
    ) -> Result<Option<usize>, Drop> {
        self.flows.change(at);
        let flow = self.flows.get(at);
        let stale = flow.generation(direction) != packet.generation();
        let another = flow.peer != packet.peer_holder(direction);
        if stale && another && !is_awake(Mutation::AnyPeer) {
            // The address is another interface's now: the connection died with the old one.
            self.flows.remove(at);
            let rule = packet.allowed(direction)?;
            if packet.is_stray_reply() {
                return Ok(None);
            }
            packet.gate(direction)?;
            return self.open(packet, direction, rule).map(Some);
        }
        let flow = self.flows.get_mut(at);
        let flags = packet.tcp_flags();
        if flags.is_some_and(is_opening) {
            // Refused, the SYN alone is dropped: the old connection isn't its to end.
            let rule = packet.allowed(direction)?;
            packet.gate(direction)?;
            let again = flow.is_reopened_by(direction, flags);
            if let Some(opening) = packet.opening(direction, rule).filter(|_| again) {
                flow.reopen(packet.now, &opening);
            }
            return Ok(Some(at));
        }
        // A tracked connection outlives its rule.
        if !flow.flags.has(Flags::UNTRACKED) {
            return Ok(Some(at));
        }
        if let Some((rule, untracked)) = judge_again(&packet.view, flow) {
            packet.gate(direction)?;
            flow.allow(rule, untracked);
            return Ok(Some(at));
        }
        flow.block(packet.now);
        if flow.began() == direction {
            return Err(denied(&packet.view, direction));
        }
        // The other way may have a rule of its own; it opens nothing back.
        packet.allowed(direction)?;
        Ok(None)
    }
}

/// Judges an untracked connection by the rules of the day, as its first packet would be: the rule
/// that allows it, and whether it still needs no tracking.
fn judge_again(view: &PortView<'_>, flow: &Flow) -> Option<(RuleId, bool)> {
    let (began, remote) = (flow.began(), flow.key.remote());
    let (local_port, remote_port) = flow.key.ports();
    let port = match began {
        Direction::Egress => remote_port,
        Direction::Ingress => local_port,
    };
    let traffic = match Protocol(flow.key.protocol()) {
        Protocol::TCP => Traffic::Tcp(port),
        Protocol::UDP => Traffic::Udp(port),
        Protocol(other) => Traffic::Other(other),
    };
    let policy = &view.port.policy;
    let rule = policy.allows(began, remote, groups_of(view, remote), traffic)?;
    Some((rule, policy.untracked(began, remote, traffic)))
}
