//! What a client may expect of the server around the API: request ids, health, reflection,
//! waiting.

use tokio_stream::StreamExt as _;
use tonic::{Code, Request};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};
use weft_proto::v1 as wire;

use crate::support::{Controller, faults, get, mask};

#[tokio::test]
async fn a_call_s_request_id_comes_back_or_is_made() {
    let cloud = Controller::start().await;
    let mut request = Request::new(wire::VersionRequest {});
    request
        .metadata_mut()
        .insert("x-request-id", "mine-7".parse().unwrap());
    let answer = cloud.operations().version(request).await.unwrap();
    assert_eq!(answer.metadata().get("x-request-id").unwrap(), "mine-7");
    let one = cloud
        .operations()
        .version(wire::VersionRequest {})
        .await
        .unwrap();
    let two = cloud
        .operations()
        .version(wire::VersionRequest {})
        .await
        .unwrap();
    assert_ne!(
        one.metadata().get("x-request-id"),
        two.metadata().get("x-request-id")
    );
    let refused = cloud.regions().get(get("nowhere")).await.unwrap_err();
    assert!(
        refused.metadata().get("x-request-id").is_some(),
        "errors carry it too"
    );
}

#[tokio::test]
async fn a_request_id_too_long_to_log_is_replaced() {
    let cloud = Controller::start().await;
    let long = "x".repeat(129);
    let mut request = Request::new(wire::VersionRequest {});
    request
        .metadata_mut()
        .insert("x-request-id", long.parse().unwrap());
    let answer = cloud.operations().version(request).await.unwrap();
    assert_ne!(
        answer.metadata().get("x-request-id").unwrap(),
        long.as_str()
    );
}

#[tokio::test]
async fn health_says_serving_for_the_server_and_each_service() {
    let cloud = Controller::start().await;
    let mut health = HealthClient::new(cloud.channel.clone());
    for service in [
        "",
        "weft.v1.Vpcs",
        "weft.v1.Operations",
        "weft.sync.v1.Sync",
    ] {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let answer = health.check(request).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service}");
    }
}

#[tokio::test]
async fn reflection_lists_every_service() {
    let cloud = Controller::start().await;
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut reflection = ServerReflectionClient::new(cloud.channel.clone());
    let requests = tokio_stream::iter([request]);
    let mut answers = reflection
        .server_reflection_info(requests)
        .await
        .unwrap()
        .into_inner();
    let answer = answers.next().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
        panic!("{answer:?}");
    };
    let names: Vec<_> = list
        .service
        .into_iter()
        .map(|service| service.name)
        .collect();
    for kind in [
        "Regions",
        "Zones",
        "Hosts",
        "Vpcs",
        "Subnets",
        "RouteTables",
        "SecurityGroups",
        "Interfaces",
        "Operations",
    ] {
        assert!(
            names.contains(&format!("weft.v1.{kind}")),
            "{kind}: {names:?}"
        );
    }
    assert!(names.contains(&"grpc.health.v1.Health".to_owned()));
}

#[tokio::test]
async fn a_wait_for_what_concerns_no_host_returns_at_once() {
    let cloud = Controller::start().await;
    cloud.region("here").await;
    let answer = cloud
        .operations()
        .wait(wire::WaitRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answer.revision, 1);
    assert!(answer.hosts.is_empty() && answer.refused.is_empty());
}

#[tokio::test]
async fn a_wait_for_a_host_that_is_away_ends_in_time_and_names_it() {
    let cloud = Controller::start().await;
    let (_, subnet) = cloud.network().await;
    cloud.host("h1", "192.0.2.1").await;
    let interface = cloud.interface(&subnet.id).await;
    let request = wire::UpdateInterfaceRequest {
        interface: Some(wire::Interface {
            attachment: Some(wire::Attachment {
                host: "h1".to_owned(),
                netns: "web".to_owned(),
                device: String::new(),
            }),
            ..interface
        }),
        update_mask: mask(&["attachment"]),
        ..Default::default()
    };
    cloud.interfaces().update(request).await.unwrap();
    let request = wire::WaitRequest {
        revision: 0,
        timeout_ms: 1,
    };
    let late = cloud.operations().wait(request).await.unwrap_err();
    assert_eq!(late.code(), Code::DeadlineExceeded);
    assert!(late.message().contains("h1"), "{late}");
    let host = cloud
        .hosts()
        .get(get("h1"))
        .await
        .unwrap()
        .into_inner()
        .host
        .unwrap();
    assert!(!host.status.unwrap().connected);
}

#[tokio::test]
async fn a_wait_for_a_revision_that_is_not_committed_is_refused() {
    let cloud = Controller::start().await;
    let request = wire::WaitRequest {
        revision: 9,
        timeout_ms: 600_001,
    };
    let refused = cloud.operations().wait(request).await.unwrap_err();
    assert_eq!(faults(&refused), ["revision", "timeout_ms"]);
}
