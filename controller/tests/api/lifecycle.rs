//! Every kind of resource is made, read, listed, changed and deleted; what is in use stays.

use tonic::Code;
use tonic_types::StatusExt as _;
use weft_proto::v1 as wire;

use crate::support::{Controller, delete, get, mask, named, reason};

/// Renames a resource, reads it again, finds it in its list, deletes it and misses it.
macro_rules! lives {
    ($client:expr, $key:expr, $update:ident { $one:ident }, $many:ident) => {{
        let mut client = $client;
        let key: String = $key;
        let request = wire::$update {
            $one: Some($one),
            update_mask: mask(&["meta.name"]),
            ..Default::default()
        };
        let updated = client.update(request).await.unwrap().into_inner();
        let answer = client.get(get(&key)).await.unwrap().into_inner();
        assert_eq!(answer.$one, updated.$one);
        let meta = answer.$one.clone().unwrap().meta.unwrap();
        assert_eq!(meta.name, "renamed");
        assert_eq!(meta.updated_revision, updated.revision);
        assert!(meta.created_revision < meta.updated_revision);

        let list = client.list(wire::ListRequest::default()).await.unwrap();
        assert!(list.into_inner().$many.contains(&answer.$one.unwrap()));

        let deleted = client.delete(delete(&key)).await.unwrap().into_inner();
        assert_eq!(deleted.revision, updated.revision + 1);
        let gone = client.get(get(&key)).await.unwrap_err();
        assert_eq!(gone.code(), Code::NotFound);
        assert_eq!(gone.get_details_resource_info().unwrap().resource_name, key);
    }};
}

#[tokio::test]
async fn regions_zones_and_hosts_live_and_die() {
    let cloud = Controller::start().await;
    let mut region = cloud.region("here").await;
    let mut zone = cloud.zone("here-a").await;
    let mut host = cloud.host("h1", "192.0.2.1").await;
    let status = host.status.take().unwrap();
    assert!(
        !status.connected && status.pending == 0,
        "known, never connected"
    );
    host.meta = named("renamed");
    zone.meta = named("renamed");
    region.meta = named("renamed");
    lives!(
        cloud.hosts(),
        "h1".to_owned(),
        UpdateHostRequest { host },
        hosts
    );
    lives!(
        cloud.zones(),
        "here-a".to_owned(),
        UpdateZoneRequest { zone },
        zones
    );
    lives!(
        cloud.regions(),
        "here".to_owned(),
        UpdateRegionRequest { region },
        regions
    );
}

#[tokio::test]
async fn a_vpc_comes_with_its_table_and_group_and_goes_with_them() {
    let cloud = Controller::start().await;
    cloud.region("here").await;
    let mut vpc = cloud.vpc().await;
    assert!(vpc.id.starts_with("vpc-0") && vpc.vni > 0);
    assert_eq!(vpc.ipv6_cidr_blocks, ["fd57:6566:7400::/56"]);
    let table = cloud
        .route_tables()
        .get(get(&vpc.main_route_table))
        .await
        .unwrap();
    let table = table.into_inner().route_table.unwrap();
    assert!(table.main);
    assert_eq!(table.routes.len(), 2, "local, for each family");
    let group = cloud
        .security_groups()
        .get(get(&vpc.default_security_group))
        .await
        .unwrap();
    assert_eq!(
        group.into_inner().security_group.unwrap().group_name,
        "default"
    );

    for refused in [
        cloud
            .route_tables()
            .delete(delete(&vpc.main_route_table))
            .await,
        cloud
            .security_groups()
            .delete(delete(&vpc.default_security_group))
            .await,
    ] {
        let refused = refused.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert_eq!(reason(&refused), "PROTECTED");
    }
    let (id, main) = (vpc.id.clone(), vpc.main_route_table.clone());
    vpc.meta = named("renamed");
    lives!(cloud.vpcs(), id, UpdateVpcRequest { vpc }, vpcs);
    let gone = cloud.route_tables().get(get(&main)).await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
}

#[tokio::test]
async fn subnets_tables_groups_and_interfaces_live_and_die() {
    let cloud = Controller::start().await;
    let (vpc, mut subnet) = cloud.network().await;
    let mut interface = cloud.interface(&subnet.id).await;
    let mut route_table = table(&cloud, &vpc.id).await;
    let mut security_group = group(&cloud, &vpc.id, "web").await;
    interface.meta = named("renamed");
    subnet.meta = named("renamed");
    route_table.meta = named("renamed");
    security_group.meta = named("renamed");
    let id = interface.id.clone();
    lives!(
        cloud.interfaces(),
        id,
        UpdateInterfaceRequest { interface },
        interfaces
    );
    let id = subnet.id.clone();
    lives!(cloud.subnets(), id, UpdateSubnetRequest { subnet }, subnets);
    let id = route_table.id.clone();
    lives!(
        cloud.route_tables(),
        id,
        UpdateRouteTableRequest { route_table },
        route_tables
    );
    let id = security_group.id.clone();
    lives!(
        cloud.security_groups(),
        id,
        UpdateSecurityGroupRequest { security_group },
        security_groups
    );
}

async fn table(cloud: &Controller, vpc: &str) -> wire::RouteTable {
    let request = wire::CreateRouteTableRequest {
        route_table: Some(wire::RouteTable {
            vpc: vpc.to_owned(),
            ..Default::default()
        }),
        request_id: String::new(),
    };
    let answer = cloud.route_tables().create(request).await.unwrap();
    answer.into_inner().route_table.unwrap()
}

async fn group(cloud: &Controller, vpc: &str, name: &str) -> wire::SecurityGroup {
    let request = wire::CreateSecurityGroupRequest {
        security_group: Some(wire::SecurityGroup {
            vpc: vpc.to_owned(),
            group_name: name.to_owned(),
            ..Default::default()
        }),
        request_id: String::new(),
    };
    let answer = cloud.security_groups().create(request).await.unwrap();
    answer.into_inner().security_group.unwrap()
}

#[tokio::test]
async fn an_interface_gets_the_lowest_free_addresses_and_the_default_group() {
    let cloud = Controller::start().await;
    let (vpc, subnet) = cloud.network().await;
    assert_eq!(subnet.available_addresses, 251);
    let interface = cloud.interface(&subnet.id).await;
    assert_eq!(interface.ipv4, "10.0.1.4");
    assert_eq!(interface.ipv6, ["fd57:6566:7400::4"]);
    assert_eq!(interface.groups, [vpc.default_security_group]);
    assert!(interface.source_dest_check);
    assert_eq!(interface.attachment, None);
    let subnet = cloud.subnets().get(get(&subnet.id)).await.unwrap();
    assert_eq!(subnet.into_inner().subnet.unwrap().available_addresses, 250);
}

#[tokio::test]
async fn an_interface_is_plugged_in_and_out() {
    let cloud = Controller::start().await;
    let (_, subnet) = cloud.network().await;
    cloud.host("h1", "192.0.2.1").await;
    let mut interface = cloud.interface(&subnet.id).await;
    interface.attachment = Some(wire::Attachment {
        host: "h1".to_owned(),
        netns: "web-1".to_owned(),
        device: String::new(),
    });
    let update = |interface: &wire::Interface| wire::UpdateInterfaceRequest {
        interface: Some(interface.clone()),
        update_mask: mask(&["attachment"]),
        ..Default::default()
    };
    let plugged = cloud
        .interfaces()
        .update(update(&interface))
        .await
        .unwrap()
        .into_inner();
    let attachment = plugged.interface.unwrap().attachment.unwrap();
    assert_eq!(attachment.device, "eth0");

    let refused = cloud.hosts().delete(delete("h1")).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let violation = &refused
        .get_details_precondition_failure()
        .unwrap()
        .violations[0];
    assert_eq!(violation.r#type, "IN_USE");
    assert!(violation.subject.contains(&interface.id), "{violation:?}");

    interface.attachment = None;
    let unplugged = cloud
        .interfaces()
        .update(update(&interface))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(unplugged.interface.unwrap().attachment, None);
    cloud.hosts().delete(delete("h1")).await.unwrap();
}

#[tokio::test]
async fn routes_are_put_replaced_and_deleted() {
    let cloud = Controller::start().await;
    let (vpc, subnet) = cloud.network().await;
    let interface = cloud.interface(&subnet.id).await;
    let put = |target| wire::PutRouteRequest {
        route_table: vpc.main_route_table.clone(),
        route: Some(wire::Route {
            destination: "192.0.2.0/24".to_owned(),
            target: Some(target),
            ..Default::default()
        }),
        ..Default::default()
    };
    let find = |table: Option<wire::RouteTable>| {
        let mut routes = table.unwrap().routes.into_iter();
        routes.find(|route| route.destination == "192.0.2.0/24")
    };
    let blackhole = wire::route::Target::Blackhole(true);
    let answer = cloud
        .route_tables()
        .put_route(put(blackhole.clone()))
        .await
        .unwrap();
    let route = find(answer.into_inner().route_table).unwrap();
    assert_eq!(route.target, Some(blackhole));
    assert_eq!(route.origin(), wire::route::Origin::Static);

    let middlebox = wire::route::Target::Interface(interface.id);
    let answer = cloud
        .route_tables()
        .put_route(put(middlebox.clone()))
        .await
        .unwrap();
    let route = find(answer.into_inner().route_table).unwrap();
    assert_eq!(route.target, Some(middlebox));

    let request = wire::DeleteRouteRequest {
        route_table: vpc.main_route_table.clone(),
        destination: "192.0.2.0/24".to_owned(),
        ..Default::default()
    };
    let answer = cloud
        .route_tables()
        .delete_route(request.clone())
        .await
        .unwrap();
    assert_eq!(find(answer.into_inner().route_table), None);
    let again = cloud
        .route_tables()
        .delete_route(request)
        .await
        .unwrap_err();
    assert_eq!(crate::support::faults(&again), ["destination"]);
}

#[tokio::test]
async fn rules_are_authorized_with_ids_and_revoked_by_them() {
    let cloud = Controller::start().await;
    let (vpc, _) = cloud.network().await;
    let group = group(&cloud, &vpc.id, "web").await;
    assert!(group.ingress.is_empty(), "a new group lets nothing in");
    assert_eq!(
        group.egress.len(),
        2,
        "and everything out, in both families"
    );
    let https = wire::Rule {
        protocol: "tcp".to_owned(),
        ports: Some(wire::PortRange {
            first: 443,
            last: 443,
        }),
        peer: Some(wire::rule::Peer::Cidr("0.0.0.0/0".to_owned())),
        ..Default::default()
    };
    let request = wire::AuthorizeRequest {
        security_group: group.id.clone(),
        ingress: vec![https.clone()],
        ..Default::default()
    };
    let answer = cloud
        .security_groups()
        .authorize(request.clone())
        .await
        .unwrap();
    let rules = answer.into_inner().security_group.unwrap().ingress;
    let expected = wire::Rule {
        id: rules[0].id.clone(),
        ..https
    };
    assert_eq!(rules, [expected]);
    assert!(rules[0].id.starts_with("sgr-0"));
    let again = cloud
        .security_groups()
        .authorize(request)
        .await
        .unwrap_err();
    assert_eq!(crate::support::faults(&again), ["ingress[0]"]);

    let request = wire::RevokeRequest {
        security_group: group.id,
        rules: vec![rules[0].id.clone()],
        ..Default::default()
    };
    let answer = cloud.security_groups().revoke(request).await.unwrap();
    assert!(
        answer
            .into_inner()
            .security_group
            .unwrap()
            .ingress
            .is_empty()
    );
}
