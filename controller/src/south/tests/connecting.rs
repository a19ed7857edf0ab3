use std::time::Duration;

use tonic::Code;
use weft_proto::sync::v1::{self as wire, from_host::Message as FromHost};

use super::{
    Fake, World,
    fake::Held,
    world::{eni, name},
};
use crate::south::Timings;

#[tokio::test]
async fn an_unregistered_host_is_told_how_to_register_it() {
    let world = World::new().await;
    let error = Fake::connect(world.address, "stranger", 1, Held::new()).await;
    let error = error.map(|_| ()).unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    assert!(
        error.message().contains("weft host create stranger"),
        "{error}"
    );
    assert_eq!(world.hub.counters().turned_away, 1);
}

#[tokio::test]
async fn a_name_that_no_host_can_have_is_refused() {
    let world = World::new().await;
    let error = Fake::connect(world.address, "Not A Host", 1, Held::new()).await;
    assert_eq!(error.map(|_| ()).unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_newer_vswitch_of_a_host_displaces_the_older() {
    let mut world = World::new().await;
    let mut old = Fake::connect(world.address, "h1", 1, Held::new())
        .await
        .unwrap();
    let mut new = Fake::connect(world.address, "h1", 2, Held::new())
        .await
        .unwrap();
    assert_eq!(old.end().await, Code::Aborted);
    world.plug(1, Some(1));
    new.take().await;
    world.settled().await;
    let counters = world.hub.counters();
    assert_eq!((counters.displaced, counters.connected), (1, 1));
}

#[tokio::test]
async fn a_deleted_host_s_stream_ends_and_nobody_waits_for_it() {
    let mut world = World::new().await;
    world.plug(1, Some(1));
    let mut h1 = Fake::connect(world.address, "h1", 1, Held::new())
        .await
        .unwrap();
    world.take(&eni(1).into());
    world.take(&name(1).into());
    assert_eq!(h1.end().await, Code::NotFound);
    world.settled().await;
    assert_eq!(world.hub.status(&name(1)), None);
    // What it counted stays in the sums.
    let counters = world.hub.counters();
    assert_eq!((counters.queues.resyncs, counters.connected), (1, 0));
}

#[tokio::test]
async fn a_closing_hub_ends_its_streams_and_takes_no_more() {
    let world = World::new().await;
    let mut h1 = Fake::connect(world.address, "h1", 1, Held::new())
        .await
        .unwrap();
    world.hub.close();
    assert_eq!(h1.end().await, Code::Unavailable);
    let late = Fake::connect(world.address, "h1", 1, Held::new()).await;
    assert!(late.is_err());
}

#[tokio::test]
async fn a_host_that_falls_silent_is_let_go() {
    let timings = Timings {
        heartbeat: Duration::from_millis(5),
        silence: Duration::from_millis(20),
        ..Timings::default()
    };
    let world = World::with(timings).await;
    let mut h1 = Fake::connect(world.address, "h1", 1, Held::new())
        .await
        .unwrap();
    assert_eq!(h1.end().await, Code::DeadlineExceeded);
    assert_eq!(world.hub.counters().silent, 1);
    assert!(!world.hub.status(&name(1)).unwrap().connected);
}

#[tokio::test]
async fn a_stream_without_a_hello_is_let_go() {
    let timings = Timings {
        hello: Duration::from_millis(20),
        ..Timings::default()
    };
    let world = World::with(timings).await;
    let mut mute = Fake::open(world.address).await;
    assert_eq!(mute.end().await, Code::DeadlineExceeded);
    let mut rude = Fake::open(world.address).await;
    rude.send(FromHost::Ack(wire::Ack::default())).await;
    assert_eq!(rude.end().await, Code::InvalidArgument);
}

#[tokio::test]
async fn an_acknowledgement_of_what_was_not_sent_ends_the_stream() {
    let world = World::new().await;
    let mut h1 = Fake::connect(world.address, "h1", 1, Held::new())
        .await
        .unwrap();
    h1.ack(77, vec![]).await;
    assert_eq!(h1.end().await, Code::InvalidArgument);
}

#[tokio::test]
async fn a_port_in_trouble_is_known_until_it_is_up() {
    let mut world = World::new().await;
    world.plug(1, Some(1));
    let mut h1 = Fake::connect(world.address, "h1", 1, Held::new())
        .await
        .unwrap();
    let update = h1.update().await.unwrap();
    let report = |status: wire::port_report::Status| {
        FromHost::Port(wire::PortReport {
            interface: eni(1).to_string(),
            status: status.into(),
            reason: "no namespace\n".to_owned(),
        })
    };
    // The stream keeps its order: what an acknowledgement follows has been heard with it.
    h1.send(report(wire::port_report::Status::Pending)).await;
    h1.ack(update.nonce, vec![]).await;
    world.settled().await;
    let status = world.hub.status(&name(1)).unwrap();
    assert_eq!(status.troubles[&eni(1)].reason, "no namespace");
    world.rename_vpc_block("10.9.0.0/16");
    let update = h1.update().await.unwrap();
    h1.send(report(wire::port_report::Status::Up)).await;
    h1.ack(update.nonce, vec![]).await;
    world.settled().await;
    assert!(world.hub.status(&name(1)).unwrap().troubles.is_empty());
}
