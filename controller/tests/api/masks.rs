//! Updates change what their mask names, and nothing else.

use weft_proto::v1 as wire;

use crate::support::{Controller, faults, mask, named};

async fn cloud_with_host() -> (Controller, wire::Host) {
    let cloud = Controller::start().await;
    cloud.region("here").await;
    cloud.zone("here-a").await;
    let host = cloud.host("h1", "192.0.2.1").await;
    (cloud, host)
}

#[tokio::test]
async fn a_field_outside_the_mask_is_not_even_read() {
    let (cloud, host) = cloud_with_host().await;
    let request = wire::UpdateHostRequest {
        host: Some(wire::Host {
            vtep: "nonsense".to_owned(),
            zone: "elsewhere".to_owned(),
            meta: named("renamed"),
            ..host.clone()
        }),
        update_mask: mask(&["meta.name"]),
        ..Default::default()
    };
    let updated = cloud
        .hosts()
        .update(request)
        .await
        .unwrap()
        .into_inner()
        .host
        .unwrap();
    assert_eq!((updated.vtep, updated.zone), (host.vtep, host.zone));
    assert_eq!(updated.meta.unwrap().name, "renamed");
}

#[tokio::test]
async fn an_empty_field_in_the_mask_clears_what_can_be_cleared() {
    let (cloud, mut host) = cloud_with_host().await;
    host.meta = named("renamed");
    let update = |host: &wire::Host| wire::UpdateHostRequest {
        host: Some(host.clone()),
        update_mask: mask(&["meta.name"]),
        ..Default::default()
    };
    cloud.hosts().update(update(&host)).await.unwrap();
    host.meta = None;
    let cleared = cloud
        .hosts()
        .update(update(&host))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(cleared.host.unwrap().meta.unwrap().name, "");
}

#[tokio::test]
async fn fields_that_cannot_change_or_do_not_exist_are_refused_by_path() {
    let (cloud, host) = cloud_with_host().await;
    let request = wire::UpdateHostRequest {
        host: Some(host),
        update_mask: mask(&["zone", "vtep", "colour\u{7}"]),
        ..Default::default()
    };
    let refused = cloud.hosts().update(request).await.unwrap_err();
    assert_eq!(
        faults(&refused),
        ["update_mask.paths[0]", "update_mask.paths[2]"]
    );
    assert!(refused.message().contains("can't change"), "{refused}");
}

#[tokio::test]
async fn an_update_of_nothing_is_refused() {
    let (cloud, host) = cloud_with_host().await;
    let request = wire::UpdateHostRequest {
        host: Some(host),
        ..Default::default()
    };
    let refused = cloud.hosts().update(request).await.unwrap_err();
    assert_eq!(faults(&refused), ["update_mask"]);
}
