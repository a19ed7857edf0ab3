//! A request id makes a write safe to repeat.

use tonic::Code;
use weft_proto::v1 as wire;

use crate::support::{Controller, delete, faults, reason, vpc};

fn create(block: &str, request_id: &str) -> wire::CreateVpcRequest {
    wire::CreateVpcRequest {
        vpc: Some(vpc(block)),
        request_id: request_id.to_owned(),
        assign_ipv6: false,
    }
}

#[tokio::test]
async fn a_repeated_request_returns_the_first_answer_even_after_a_restart() {
    let cloud = Controller::start().await;
    cloud.region("here").await;
    let first = cloud
        .vpcs()
        .create(create("10.0.0.0/16", "a-1"))
        .await
        .unwrap()
        .into_inner();
    let again = cloud
        .vpcs()
        .create(create("10.0.0.0/16", "a-1"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(first, again);
    let cloud = cloud.restart().await;
    let again = cloud
        .vpcs()
        .create(create("10.0.0.0/16", "a-1"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(first, again);
    let list = cloud
        .vpcs()
        .list(wire::ListRequest::default())
        .await
        .unwrap();
    assert_eq!(list.into_inner().vpcs.len(), 1);
}

#[tokio::test]
async fn another_request_with_the_same_id_is_refused() {
    let cloud = Controller::start().await;
    cloud.region("here").await;
    let made = cloud
        .vpcs()
        .create(create("10.0.0.0/16", "a-1"))
        .await
        .unwrap()
        .into_inner();
    let other = cloud
        .vpcs()
        .create(create("10.1.0.0/16", "a-1"))
        .await
        .unwrap_err();
    assert_eq!(
        (other.code(), &*reason(&other)),
        (Code::AlreadyExists, "REQUEST_ID_REUSED")
    );
    let request = wire::DeleteRequest {
        request_id: "a-1".to_owned(),
        ..delete(&made.vpc.unwrap().id)
    };
    let other = cloud.vpcs().delete(request).await.unwrap_err();
    assert_eq!(
        reason(&other),
        "REQUEST_ID_REUSED",
        "another method is another request"
    );
}

#[tokio::test]
async fn repeats_at_once_make_one_resource() {
    let cloud = Controller::start().await;
    cloud.region("here").await;
    let calls = (0..16).map(|_| {
        let mut vpcs = cloud.vpcs();
        async move {
            vpcs.create(create("10.0.0.0/16", "a-1"))
                .await
                .unwrap()
                .into_inner()
        }
    });
    let answers = futures::future::join_all(calls).await;
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    let list = cloud
        .vpcs()
        .list(wire::ListRequest::default())
        .await
        .unwrap();
    assert_eq!(list.into_inner().vpcs.len(), 1);
}

#[tokio::test]
async fn a_repeated_delete_succeeds_again() {
    let cloud = Controller::start().await;
    cloud.region("here").await;
    let request = wire::DeleteRequest {
        request_id: "d-1".to_owned(),
        ..delete("here")
    };
    let first = cloud
        .regions()
        .delete(request.clone())
        .await
        .unwrap()
        .into_inner();
    let again = cloud.regions().delete(request).await.unwrap().into_inner();
    assert_eq!(first, again);
}

#[tokio::test]
async fn a_request_id_that_is_too_long_is_refused() {
    let cloud = Controller::start().await;
    cloud.region("here").await;
    let refused = cloud
        .vpcs()
        .create(create("10.0.0.0/16", &"x".repeat(256)))
        .await
        .unwrap_err();
    assert_eq!(faults(&refused), ["request_id"]);
}
