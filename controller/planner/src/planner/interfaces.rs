//! Interfaces: they alone decide which host holds what.

use weft_model::{
    Attachment, HostName, Interface, InterfaceId, RouteTarget,
    state::{State, StateKey},
};

use super::{Audience, Planner, Plugged};
use crate::{derive, plan::Plan};

impl<B> Planner<B> {
    pub(super) fn put_interface(&mut self, interface: &Interface, plan: &mut Plan<B>) {
        match &interface.attachment {
            Some(place) => self.plug(interface, place, plan),
            None => self.unplug(interface.id, plan),
        }
    }

    fn plug(&mut self, interface: &Interface, place: &Attachment, plan: &mut Plan<B>) {
        let now = Plugged {
            host: place.host.clone(),
            vpc: interface.vpc,
            groups: derive::sorted(&interface.groups),
        };
        // The new place is entered before the old one is left: a host that stays concerned is
        // not told to forget what it then gets again.
        self.enter(interface.id, &now, plan);
        let before = self.plugged.insert(interface.id, now);
        let mapping = State::Mapping(derive::mapping(interface, place));
        self.set(&mapping, &Audience::Holders(interface.vpc), plan);
        self.outside.face(interface);
        self.refresh_port(interface.id, plan);
        self.stand(interface.id, Some((interface, &place.host)), plan);
        match before {
            Some(before) => self.leave(interface, &before, &place.host, plan),
            None => self.refresh_tables_to(RouteTarget::Interface(interface.id), plan),
        }
        self.refresh_public(interface.id, plan);
    }

    fn leave(
        &mut self,
        interface: &Interface,
        before: &Plugged,
        host: &HostName,
        plan: &mut Plan<B>,
    ) {
        let port = StateKey::Port(interface.id);
        if before.host != *host {
            plan.remove(&before.host, port.clone());
            // An equal body is no change for its audience, yet this host never had it.
            if let Some(item) = self.items.get(&port) {
                plan.upsert(host, item);
            }
        }
        self.exit(interface.id, before, before.host != *host, plan);
    }

    pub(super) fn unplug(&mut self, id: InterfaceId, plan: &mut Plan<B>) {
        let Some(before) = self.plugged.remove(&id) else {
            return;
        };
        self.unset(&StateKey::Port(id), &Audience::Host(&before.host), plan);
        self.unset(&StateKey::Mapping(id), &Audience::Holders(before.vpc), plan);
        self.exit(id, &before, true, plan);
        self.outside.unface(id);
        self.refresh_public(id, plan);
        self.refresh_tables_to(RouteTarget::Interface(id), plan);
        self.stand(id, None, plan);
        self.forget_vpc_if_empty(before.vpc);
    }

    fn enter(&mut self, id: InterfaceId, place: &Plugged, plan: &mut Plan<B>) {
        let host = &place.host;
        if self.presence.add_port(host, id) {
            for edge in self.outside.live_edges() {
                self.tell(host, &StateKey::Edge(edge.clone()), plan);
            }
        }
        for &group in &place.groups {
            if self.presence.join_group(host, group) {
                self.tell(host, &StateKey::Group(group), plan);
            }
        }
        if self.presence.join_vpc(host, place.vpc) {
            self.arrive(host, place.vpc, plan);
        }
    }

    fn exit(&mut self, id: InterfaceId, place: &Plugged, gone: bool, plan: &mut Plan<B>) {
        let host = &place.host;
        if gone && self.presence.remove_port(host, id) {
            for edge in self.outside.live_edges() {
                plan.remove(host, StateKey::Edge(edge.clone()));
            }
        }
        for &group in &place.groups {
            if self.presence.leave_group(host, group) {
                plan.remove(host, StateKey::Group(group));
            }
        }
        if self.presence.leave_vpc(host, place.vpc) {
            self.depart(host, place.vpc, plan);
        }
    }

    pub(super) fn tell(&self, host: &HostName, key: &StateKey, plan: &mut Plan<B>) {
        if let Some(item) = self.items.get(key) {
            plan.upsert(host, item);
        }
    }
}
