//! A small cloud, its hub, and the server in front of it.

use std::{net::SocketAddr, time::Duration};

use tokio::{net::TcpListener, task::AbortHandle};
use tonic::transport::{Server, server::TcpIncoming};
use weft_model::{
    Attachment, Change, Cloud, Host, HostName, Interface, InterfaceId, Mac, Meta, Resource,
    ResourceKey, Revision, Route, RouteOrigin, RouteTable, RouteTableId, RouteTarget,
    SecurityGroup, SecurityGroupId, Subnet, SubnetId, Vni, Vpc, VpcId,
};

use crate::south::{Applied, Hub, KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT, Lagging, Timings};

pub(super) const VPC: VpcId = VpcId::from_bits(1);
const TABLE: RouteTableId = RouteTableId::from_bits(2);
pub(super) const SUBNET: SubnetId = SubnetId::from_bits(3);
const GROUP: SecurityGroupId = SecurityGroupId::from_bits(4);

/// Longer than anything here takes; only a broken test waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct World {
    pub(super) cloud: Cloud,
    pub(super) hub: Hub,
    pub(super) address: SocketAddr,
    pub(super) revision: Revision,
    server: AbortHandle,
}

impl Drop for World {
    fn drop(&mut self) {
        self.server.abort();
    }
}

pub(super) fn name(n: u64) -> HostName {
    format!("h{n}").parse().unwrap()
}

pub(super) fn eni(n: u64) -> InterfaceId {
    InterfaceId::from_bits(n)
}

fn host(n: u64) -> Host {
    Host {
        name: name(n),
        zone: "z".parse().unwrap(),
        vtep: format!("192.0.2.{n}").parse().unwrap(),
        uplink: None,
        meta: Meta::default(),
    }
}

fn first_cloud() -> Cloud {
    let vpc = Vpc {
        id: VPC,
        region: "r".parse().unwrap(),
        vni: Vni::try_from(7).unwrap(),
        primary: "10.0.0.0/16".parse().unwrap(),
        secondary: vec![],
        ipv6: vec![],
        main_route_table: TABLE,
        default_group: GROUP,
        default_acl: weft_model::NetworkAclId::from_bits(1),
        dns: Default::default(),
        meta: Meta::default(),
    };
    let local = Route {
        destination: "10.0.0.0/16".parse().unwrap(),
        target: RouteTarget::Local,
        origin: RouteOrigin::Table,
    };
    let table = RouteTable {
        id: TABLE,
        vpc: VPC,
        routes: vec![local],
        meta: Meta::default(),
    };
    let group = SecurityGroup {
        id: GROUP,
        vpc: VPC,
        group_name: "default".parse().unwrap(),
        description: "".parse().unwrap(),
        ingress: vec![],
        egress: vec![],
        meta: Meta::default(),
    };
    let subnet = Subnet {
        id: SUBNET,
        vpc: VPC,
        zone: "z".parse().unwrap(),
        ipv4: "10.0.0.0/20".parse().unwrap(),
        ipv6: None,
        route_table: None,
        map_public_ip: false,
        acl: None,
        meta: Meta::default(),
    };
    let mut resources: Vec<Resource> = vec![vpc.into(), table.into(), group.into(), subnet.into()];
    resources.extend((1..=3).map(|n| Resource::from(host(n))));
    Cloud::from_resources(resources)
}

pub(super) fn interface(n: u64, on: Option<u64>) -> Interface {
    Interface {
        id: eni(n),
        vpc: VPC,
        subnet: SUBNET,
        mac: Mac::local(n),
        ipv4: std::net::Ipv4Addr::from_bits(0x0a00_0004 + u32::try_from(n).unwrap()),
        secondary_ipv4: vec![],
        public_ipv4: None,
        ipv6: vec![],
        groups: vec![GROUP],
        source_dest_check: true,
        attachment: on.map(|on| Attachment {
            host: name(on),
            netns: format!("w{n}").parse().unwrap(),
            device: "eth0".parse().unwrap(),
        }),
        options: Default::default(),
        meta: Meta::default(),
    }
}

impl World {
    /// Hosts h1 to h3 and a VPC without interfaces.
    pub(super) async fn new() -> Self {
        Self::with(Timings::default()).await
    }

    pub(super) async fn with(timings: Timings) -> Self {
        Self::serve(first_cloud(), Revision(1), timings).await
    }

    /// Another controller on the same store.
    pub(super) async fn restarted(self) -> Self {
        Self::serve(self.cloud.clone(), self.revision, Timings::default()).await
    }

    async fn serve(cloud: Cloud, revision: Revision, timings: Timings) -> Self {
        let hub = Hub::new(&cloud, revision, timings);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::builder()
            .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
            .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
            .add_service(hub.service())
            .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)));
        let server = tokio::spawn(server).abort_handle();
        Self {
            cloud,
            hub,
            address,
            revision,
            server,
        }
    }

    /// Commits the interface's being on a host, or nowhere.
    pub(super) fn plug(&mut self, n: u64, on: Option<u64>) {
        self.put(interface(n, on));
    }

    pub(super) fn rename_vpc_block(&mut self, block: &str) {
        let mut vpc = self.cloud.vpc(VPC).unwrap().clone();
        vpc.secondary = vec![block.parse().unwrap()];
        self.put(vpc);
    }

    pub(super) fn put(&mut self, resource: impl Into<Resource>) {
        let after = resource.into();
        let before = self.cloud.get(&after.key());
        self.commit(Change {
            before,
            after: Some(after),
        });
    }

    pub(super) fn take(&mut self, key: &ResourceKey) {
        let before = self.cloud.get(key);
        self.commit(Change {
            before,
            after: None,
        });
    }

    fn commit(&mut self, change: Change) {
        self.revision.0 += 1;
        let changes = [change];
        self.cloud.apply(&changes);
        self.hub.commit(self.revision, &changes);
    }

    /// Until all is applied.
    pub(super) async fn settled(&self) -> Applied {
        self.hub.wait(self.revision, PATIENCE).await.unwrap()
    }

    /// What keeps all from being applied now.
    pub(super) async fn lagging(&self) -> Lagging {
        let now = self.hub.wait(self.revision, Duration::ZERO).await;
        now.expect_err("some host lags")
    }
}
