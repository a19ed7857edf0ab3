//! Listeners of load balancers.

use weft_model::{
    IdleTimeout, Listener, ListenerId,
    ops::listener::{Draft, Update},
};
use weft_proto::convert::v1::read_port;

use super::prelude::*;

pub(in crate::north) struct Listeners;

impl Exposed for Listeners {
    const KIND: Kind = Kind::Listener;
    const FIELD: &'static str = "listener";
    const KEY: &'static str = "id";
    const PATHS: Paths = Paths {
        mutable: &["target_group", "idle_timeout", "meta.name"],
        fixed: &["id", "load_balancer", "protocol", "port", "meta"],
    };

    type Key = ListenerId;
    type Model = Listener;
    type Wire = wire::Listener;
    type Draft = Draft;
    type Update = Update;
    type CreateRequest = wire::CreateListenerRequest;
    type UpdateRequest = wire::UpdateListenerRequest;
    type Answer = wire::ListenerResponse;
    type Page = wire::ListListenersResponse;

    fn of(resource: &Resource) -> Option<&Listener> {
        match resource {
            Resource::Listener(listener) => Some(listener),
            _ => None,
        }
    }

    fn key(listener: &Listener) -> ListenerId {
        listener.id
    }

    fn key_text(listener: &wire::Listener) -> &str {
        &listener.id
    }

    fn show(_cloud: &Cloud, listener: &Listener) -> wire::Listener {
        listener.into()
    }

    fn in_vpc(cloud: &Cloud, vpc: VpcId) -> Option<impl Iterator<Item = &Listener>> {
        let is_there = move |listener: &&Listener| {
            let balancer = cloud.balancer(listener.balancer);
            balancer.is_some_and(|balancer| balancer.vpc == vpc)
        };
        Some(cloud.listeners().filter(is_there))
    }

    fn read_draft(
        fields: &mut Fields,
        _request: &wire::CreateListenerRequest,
        listener: &wire::Listener,
    ) -> Result<Draft, Reported> {
        let no_id = given_by_controller(fields, "id", &listener.id);
        let balancer = fields.required("load_balancer", &listener.load_balancer);
        let protocol = fields.required("protocol", &listener.protocol);
        let port = read_port(fields, "port", listener.port);
        let target_group = fields.required("target_group", &listener.target_group);
        let idle_timeout = read_idle_timeout(fields, listener.idle_timeout);
        let label = label(fields, listener.meta.as_ref());
        no_id?;
        Ok(Draft {
            balancer: balancer?,
            protocol: protocol?,
            port: port?,
            target_group: target_group?,
            idle_timeout: idle_timeout?,
            label: label?,
        })
    }

    fn read_update(
        fields: &mut Fields,
        mask: &Mask,
        listener: &wire::Listener,
    ) -> Result<Update, Reported> {
        let target_group = mask.pick("target_group", || {
            fields.required("target_group", &listener.target_group)
        });
        let idle_timeout = mask.pick("idle_timeout", || {
            read_idle_timeout(fields, listener.idle_timeout)
        });
        let label = mask.pick("meta.name", || label(fields, listener.meta.as_ref()));
        Ok(Update {
            target_group: target_group?,
            idle_timeout: idle_timeout?,
            label: label?,
        })
    }

    fn create(
        cloud: &Cloud,
        settings: &Settings,
        draft: Draft,
        entropy: &mut dyn Entropy,
    ) -> Changes {
        ops::listener::create(cloud, settings, draft, entropy)
    }

    fn update(
        cloud: &Cloud,
        _: &Settings,
        id: ListenerId,
        update: Update,
        etag: Option<Revision>,
    ) -> Changes {
        ops::listener::update(cloud, id, update, etag)
    }

    fn delete(cloud: &Cloud, id: ListenerId, etag: Option<Revision>) -> Changes {
        ops::listener::delete(cloud, id, etag)
    }
}

fn read_idle_timeout(fields: &mut Fields, seconds: u32) -> Result<IdleTimeout, Reported> {
    match seconds {
        0 => Ok(IdleTimeout::DEFAULT),
        seconds => {
            IdleTimeout::try_from(seconds).map_err(|error| fields.refuse("idle_timeout", error))
        }
    }
}

service!(
    Listeners, listeners_server::Listeners, Listener listener listeners,
    CreateListenerRequest UpdateListenerRequest ListenerResponse ListListenersResponse {}
);
