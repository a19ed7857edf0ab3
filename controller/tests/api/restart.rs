//! A controller that starts again holds what it held.

use weft_controller::{Error, Server};
use weft_proto::v1 as wire;

use crate::support::{Controller, options};

/// Everything that lists show, and the newest revision.
async fn everything(cloud: &Controller) -> impl PartialEq + std::fmt::Debug + use<> {
    let all = wire::ListRequest::default;
    let version = cloud
        .operations()
        .version(wire::VersionRequest {})
        .await
        .unwrap();
    (
        version.into_inner().revision,
        cloud.regions().list(all()).await.unwrap().into_inner(),
        cloud.zones().list(all()).await.unwrap().into_inner(),
        cloud.hosts().list(all()).await.unwrap().into_inner(),
        cloud.vpcs().list(all()).await.unwrap().into_inner(),
        cloud.subnets().list(all()).await.unwrap().into_inner(),
        cloud.route_tables().list(all()).await.unwrap().into_inner(),
        cloud
            .security_groups()
            .list(all())
            .await
            .unwrap()
            .into_inner(),
        cloud.interfaces().list(all()).await.unwrap().into_inner(),
    )
}

#[tokio::test]
async fn a_restart_loses_nothing() {
    let cloud = Controller::start().await;
    let (_, subnet) = cloud.network().await;
    cloud.host("h1", "192.0.2.1").await;
    for _ in 0..3 {
        cloud.interface(&subnet.id).await;
    }
    let before = everything(&cloud).await;
    let cloud = cloud.restart().await;
    assert_eq!(everything(&cloud).await, before);
    let interface = cloud.interface(&subnet.id).await;
    assert_eq!(
        interface.ipv4, "10.0.1.7",
        "addresses in use are still known"
    );
}

#[tokio::test]
async fn two_controllers_never_share_a_store() {
    let cloud = Controller::start().await;
    let data = cloud.stop().await;
    let options = options(data.path());
    let first = Server::bind(&options).unwrap();
    let second = Server::bind(&options);
    assert!(matches!(second, Err(Error::Store(_))));
    drop(first);
}

#[tokio::test]
async fn a_taken_address_is_named() {
    let data = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut options = options(data.path());
    options.listen = vec![taken.local_addr().unwrap()];
    let error = Server::bind(&options).err().unwrap();
    let address = taken.local_addr().unwrap().to_string();
    assert!(error.to_string().contains(&address), "{error}");
}
