//! What is refused: with the right code, every fault named, and nothing stored.

use tonic::Code;
use tonic_types::StatusExt as _;
use weft_proto::v1 as wire;

use crate::support::{
    Controller, delete, etag, faults, get, mask, named, options, reason, region, subnet, vpc,
};

async fn revision(cloud: &Controller) -> u64 {
    let request = wire::VersionRequest {};
    let version = cloud.operations().version(request).await.unwrap();
    version.into_inner().revision
}

#[tokio::test]
async fn every_fault_of_a_request_is_named_and_nothing_is_stored() {
    let cloud = Controller::start().await;
    let (network, _) = cloud.network().await;
    let before = revision(&cloud).await;
    let request = wire::CreateVpcRequest {
        vpc: Some(wire::Vpc {
            region: "not a region".to_owned(),
            vni: 7,
            secondary_cidr_blocks: vec!["10.1.0.0/16".to_owned(), "10.2.0.0/8".to_owned()],
            meta: named("bell\u{7}"),
            ..vpc("10.0.0.0")
        }),
        request_id: "has a blank".to_owned(),
        assign_ipv6: false,
    };
    let refused = cloud.vpcs().create(request).await.unwrap_err();
    let mut fields = faults(&refused);
    fields.sort_unstable();
    let expected = [
        "request_id",
        "vpc.cidr_block",
        "vpc.meta.name",
        "vpc.region",
        "vpc.secondary_cidr_blocks[1]",
        "vpc.vni",
    ];
    assert_eq!(fields, expected);

    let request = wire::CreateSubnetRequest {
        subnet: Some(subnet(&network.id, "10.9.0.0/24")),
        ..Default::default()
    };
    let refused = cloud.subnets().create(request).await.unwrap_err();
    assert_eq!(faults(&refused), ["subnet.cidr_block"]);
    assert_eq!(revision(&cloud).await, before);
}

#[tokio::test]
async fn names_that_are_too_long_or_hold_control_characters_are_refused() {
    let cloud = Controller::start().await;
    for name in [
        "a".repeat(64),
        "a\u{1b}[31m".to_owned(),
        "A".to_owned(),
        "-a".to_owned(),
    ] {
        let request = wire::CreateRegionRequest {
            region: Some(region(&name)),
            request_id: String::new(),
        };
        let refused = cloud.regions().create(request).await.unwrap_err();
        assert_eq!(faults(&refused), ["region.region"], "{name:?}");
        assert!(!refused.message().contains('\u{1b}'));
    }
    let request = wire::CreateRegionRequest {
        region: Some(wire::Region {
            meta: named(&"n".repeat(257)),
            ..region("here")
        }),
        request_id: String::new(),
    };
    let refused = cloud.regions().create(request).await.unwrap_err();
    assert_eq!(faults(&refused), ["region.meta.name"]);
    assert_eq!(revision(&cloud).await, 0);
}

#[tokio::test]
async fn a_request_without_its_resource_is_refused() {
    let cloud = Controller::start().await;
    let refused = cloud
        .hosts()
        .create(wire::CreateHostRequest::default())
        .await
        .unwrap_err();
    assert_eq!(faults(&refused), ["host"]);
    let refused = cloud.hosts().get(get("")).await.unwrap_err();
    assert_eq!(faults(&refused), ["id"]);
}

#[tokio::test]
async fn an_unknown_enum_value_is_refused() {
    let cloud = Controller::start().await;
    let (vpc, _) = cloud.network().await;
    let request = wire::PutRouteRequest {
        route_table: vpc.main_route_table,
        route: Some(wire::Route {
            destination: "192.0.2.0/24".to_owned(),
            target: Some(wire::route::Target::Blackhole(true)),
            origin: 42,
            ..Default::default()
        }),
        ..Default::default()
    };
    let refused = cloud.route_tables().put_route(request).await.unwrap_err();
    assert_eq!(faults(&refused), ["route.origin"]);
}

#[tokio::test]
async fn a_taken_name_is_refused_by_name() {
    let cloud = Controller::start().await;
    cloud.region("here").await;
    let request = wire::CreateRegionRequest {
        region: Some(region("here")),
        request_id: String::new(),
    };
    let refused = cloud.regions().create(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists);
    let info = refused.get_details_resource_info().unwrap();
    assert_eq!(
        (&*info.resource_type, &*info.resource_name),
        ("region", "here")
    );
}

#[tokio::test]
async fn what_is_in_use_is_not_deleted_and_the_error_says_by_whom() {
    let cloud = Controller::start().await;
    let (vpc, subnet) = cloud.network().await;
    let interface = cloud.interface(&subnet.id).await;
    let refused = [
        (cloud.regions().delete(delete("here")).await, "here-a"),
        (cloud.zones().delete(delete("here-a")).await, &*subnet.id),
        (cloud.vpcs().delete(delete(&vpc.id)).await, &*interface.id),
        (
            cloud.subnets().delete(delete(&subnet.id)).await,
            &*interface.id,
        ),
    ];
    for (refused, by) in refused {
        let refused = refused.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert_eq!(reason(&refused), "IN_USE");
        let failure = refused.get_details_precondition_failure().unwrap();
        assert!(failure.violations[0].subject.contains(by), "{failure:?}");
    }
}

#[tokio::test]
async fn a_stale_etag_loses_nothing() {
    let cloud = Controller::start().await;
    let read = cloud.region("here").await;
    let update = |name: &str| wire::UpdateRegionRequest {
        region: Some(wire::Region {
            meta: named(name),
            ..region("here")
        }),
        update_mask: mask(&["meta.name"]),
        etag: etag(read.meta.as_ref()),
        request_id: String::new(),
    };
    let first = cloud
        .regions()
        .update(update("first"))
        .await
        .unwrap()
        .into_inner();
    let first = first.region.unwrap();
    assert_ne!(etag(first.meta.as_ref()), etag(read.meta.as_ref()));
    let lost = cloud.regions().update(update("second")).await.unwrap_err();
    assert_eq!(
        (lost.code(), &*reason(&lost)),
        (Code::Aborted, "STALE_ETAG")
    );
    let request = wire::DeleteRequest {
        etag: etag(read.meta.as_ref()),
        ..delete("here")
    };
    let lost = cloud.regions().delete(request).await.unwrap_err();
    assert_eq!(lost.code(), Code::Aborted);
    let kept = cloud.regions().get(get("here")).await.unwrap().into_inner();
    assert_eq!(kept.region, Some(first));

    let request = wire::DeleteRequest {
        etag: "made up".to_owned(),
        ..delete("here")
    };
    let refused = cloud.regions().delete(request).await.unwrap_err();
    assert_eq!(faults(&refused), ["etag"]);
}

#[tokio::test]
async fn a_quota_is_named_when_it_is_reached() {
    let data = tempfile::tempdir().unwrap();
    let mut options = options(data.path());
    options.quota = vec!["vpcs-per-region=1".parse().unwrap()];
    let cloud = Controller::start_with(data, &options).await;
    cloud.region("here").await;
    cloud.vpc().await;
    let request = wire::CreateVpcRequest {
        vpc: Some(vpc("10.0.0.0/16")),
        ..Default::default()
    };
    let refused = cloud.vpcs().create(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(reason(&refused), "QUOTA_EXCEEDED");
    let failure = refused.get_details_quota_failure().unwrap();
    assert!(
        failure.violations[0].subject.contains("here"),
        "{failure:?}"
    );
}

#[tokio::test]
async fn an_interface_of_another_vpc_than_its_subnet_is_refused() {
    let cloud = Controller::start().await;
    let (_, subnet) = cloud.network().await;
    let request = wire::CreateInterfaceRequest {
        interface: Some(wire::Interface {
            subnet: subnet.id,
            vpc: "vpc-00000000000000001".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let refused = cloud.interfaces().create(request).await.unwrap_err();
    assert_eq!(faults(&refused), ["interface.vpc"]);
}

#[tokio::test]
async fn more_faults_than_a_header_holds_are_counted_not_lost() {
    let cloud = Controller::start().await;
    let (vpc, _) = cloud.network().await;
    let request = wire::AuthorizeRequest {
        security_group: vpc.default_security_group,
        ingress: vec![wire::Rule::default(); 500],
        ..Default::default()
    };
    let refused = cloud
        .security_groups()
        .authorize(request)
        .await
        .unwrap_err();
    assert_eq!(faults(&refused).len(), 16);
    assert!(
        refused.message().starts_with("1000 fields are at fault"),
        "{refused}"
    );
}
