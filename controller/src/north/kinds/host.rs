//! Hosts.

use weft_model::{
    Host, HostName,
    ops::host::{Draft, Update},
};

use super::prelude::*;

pub(in crate::north) struct Hosts;

impl Exposed for Hosts {
    const KIND: Kind = Kind::Host;
    const FIELD: &'static str = "host";
    const KEY: &'static str = "host";
    const PATHS: Paths = Paths {
        mutable: &["vtep", "uplink", "meta.name"],
        fixed: &["host", "zone", "meta", "status"],
    };

    type Key = HostName;
    type Model = Host;
    type Wire = wire::Host;
    type Draft = Draft;
    type Update = Update;
    type CreateRequest = wire::CreateHostRequest;
    type UpdateRequest = wire::UpdateHostRequest;
    type Answer = wire::HostResponse;
    type Page = wire::ListHostsResponse;

    fn of(resource: &Resource) -> Option<&Host> {
        match resource {
            Resource::Host(host) => Some(host),
            _ => None,
        }
    }

    fn key(host: &Host) -> HostName {
        host.name.clone()
    }

    fn key_text(host: &wire::Host) -> &str {
        &host.host
    }

    fn show(_cloud: &Cloud, host: &Host) -> wire::Host {
        host.into()
    }

    fn complete(north: &North, host: &mut wire::Host) {
        if let Ok(name) = host.host.parse() {
            host.status = Some(north.host_status(&name));
        }
    }

    fn read_draft(
        fields: &mut Fields,
        _request: &wire::CreateHostRequest,
        host: &wire::Host,
    ) -> Result<Draft, Reported> {
        let name = fields.required("host", &host.host);
        let zone = fields.required("zone", &host.zone);
        let vtep = fields.required("vtep", &host.vtep);
        let uplink = fields.optional("uplink", &host.uplink);
        let label = label(fields, host.meta.as_ref());
        Ok(Draft {
            name: name?,
            zone: zone?,
            vtep: vtep?,
            uplink: uplink?,
            label: label?,
        })
    }

    fn read_update(
        fields: &mut Fields,
        mask: &Mask,
        host: &wire::Host,
    ) -> Result<Update, Reported> {
        let vtep = mask.pick("vtep", || fields.required("vtep", &host.vtep));
        let uplink = mask.pick("uplink", || fields.optional("uplink", &host.uplink));
        let label = mask.pick("meta.name", || label(fields, host.meta.as_ref()));
        Ok(Update {
            vtep: vtep?,
            uplink: uplink?,
            label: label?,
        })
    }

    fn create(cloud: &Cloud, _: &Settings, draft: Draft, _: &mut dyn Entropy) -> Changes {
        ops::host::create(cloud, draft)
    }

    fn update(
        cloud: &Cloud,
        _: &Settings,
        name: HostName,
        update: Update,
        etag: Option<Revision>,
    ) -> Changes {
        ops::host::update(cloud, &name, update, etag)
    }

    fn delete(cloud: &Cloud, name: HostName, etag: Option<Revision>) -> Changes {
        ops::host::delete(cloud, &name, etag)
    }
}

service!(
    Hosts, hosts_server::Hosts, Host host hosts,
    CreateHostRequest UpdateHostRequest HostResponse ListHostsResponse {}
);
