use std::collections::BTreeMap;

use weft_model::state::StateKey;
use weft_proto::sync::v1 as wire;

use super::{
    Fake, World,
    fake::Held,
    world::{eni, name},
};
use crate::south::LagReason;

fn names(update: &wire::Update) -> Vec<StateKey> {
    let keys = update.resources.iter();
    let keys = keys.map(weft_proto::convert::sync::key_as_written);
    keys.map(|key| StateKey::try_from(&key).unwrap()).collect()
}

async fn connect(world: &World, host: &str, held: Held) -> Fake {
    Fake::connect(world.address, host, 1, held).await.unwrap()
}

#[tokio::test]
async fn a_host_is_sent_what_it_must_hold_and_waiting_ends_when_it_has_it() {
    let mut world = World::new().await;
    let mut h1 = connect(&world, "h1", Held::new()).await;
    world.plug(1, Some(1));
    let update = h1.update().await.unwrap();
    let kinds: Vec<_> = names(&update).iter().map(StateKey::kind).collect();
    let sorted = kinds.is_sorted();
    assert!(sorted, "in the order to apply: {kinds:?}");
    assert_eq!(update.revision, world.revision.0);
    let lagging = world.lagging().await;
    assert_eq!(lagging.hosts[0].reason, LagReason::Pending(kinds.len()));
    h1.ack(update.nonce, vec![]).await;
    assert_eq!(world.settled().await.hosts, [name(1)]);
    let status = world.hub.status(&name(1)).unwrap();
    assert_eq!((status.applied, status.pending), (world.revision, 0));
    assert_eq!((status.connected, status.version.as_str()), (true, "test"));
}

#[tokio::test]
async fn a_change_reaches_no_host_that_it_does_not_concern() {
    let mut world = World::new().await;
    world.plug(1, Some(1));
    let h1 = tokio::spawn(connect(&world, "h1", Held::new()).await.follow());
    let h2 = tokio::spawn(connect(&world, "h2", Held::new()).await.follow());
    world.rename_vpc_block("10.9.0.0/16");
    assert_eq!(world.settled().await.hosts, [name(1)]);
    world.hub.close();
    assert!(!h1.await.unwrap().is_empty());
    assert_eq!(h2.await.unwrap(), Held::new());
    assert_eq!(world.hub.status(&name(2)).unwrap().counters.updates, 0);
}

#[tokio::test]
async fn a_reconnecting_host_is_sent_nothing_that_it_holds() {
    let mut world = World::new().await;
    world.plug(1, Some(1));
    let mut h1 = connect(&world, "h1", Held::new()).await;
    h1.take().await;
    world.settled().await;
    let sent = world.hub.counters().queues.resources;
    let held = std::mem::take(&mut h1.held);
    drop(h1);
    let mut h1 = connect(&world, "h1", held).await;
    world.plug(2, Some(1));
    let update = h1.take().await;
    assert_eq!(
        names(&update),
        [StateKey::Mapping(eni(2)), StateKey::Port(eni(2))]
    );
    world.settled().await;
    assert_eq!(world.hub.counters().queues.resources, sent + 2);
}

#[tokio::test]
async fn a_restarted_controller_sends_nothing_that_hosts_hold() {
    let mut world = World::new().await;
    world.plug(1, Some(1));
    world.plug(2, Some(2));
    let mut h1 = connect(&world, "h1", Held::new()).await;
    h1.take().await;
    let world = world.restarted().await;
    // Nobody knows yet what the hosts hold.
    let lagging = world.lagging().await;
    let reasons = lagging
        .hosts
        .iter()
        .map(|lag| (lag.host.clone(), lag.reason));
    let reasons: BTreeMap<_, _> = reasons.collect();
    let away = LagReason::NotConnected;
    assert_eq!(reasons, BTreeMap::from([(name(1), away), (name(2), away)]));
    let _h1 = connect(&world, "h1", std::mem::take(&mut h1.held)).await;
    let _h2 = tokio::spawn(connect(&world, "h2", Held::new()).await.follow());
    world.settled().await;
    let sent = |n| world.hub.status(&name(n)).unwrap().counters.resources;
    // h2 held nothing: VPC, subnet, table, group, tunnel, port and two mappings.
    assert_eq!((sent(1), sent(2)), (0, 8));
}

#[tokio::test]
async fn a_host_that_lost_what_it_held_is_sent_all_of_it() {
    let mut world = World::new().await;
    world.plug(1, Some(1));
    let mut h1 = connect(&world, "h1", Held::new()).await;
    let first = h1.take().await;
    world.settled().await;
    let mut again = Fake::connect(world.address, "h1", 2, Held::new())
        .await
        .unwrap();
    let second = again.take().await;
    assert_eq!(first.resources, second.resources);
    world.settled().await;
}

#[tokio::test]
async fn a_stream_that_breaks_in_the_middle_is_taken_up_where_it_was() {
    let mut world = World::new().await;
    world.plug(1, Some(1));
    let mut h1 = connect(&world, "h1", Held::new()).await;
    let update = h1.update().await.unwrap();
    // It applied the first half, and died before it could say so.
    let half = wire::Update {
        resources: update.resources[..3].to_vec(),
        ..update.clone()
    };
    h1.apply(&half);
    let held = std::mem::take(&mut h1.held);
    drop(h1);
    world.plug(2, Some(1));
    let mut h1 = connect(&world, "h1", held).await;
    let rest = h1.take().await;
    let resent = rest
        .resources
        .iter()
        .filter(|r| half.resources.contains(r))
        .count();
    assert_eq!((resent, rest.resources.len()), (0, 5));
    world.settled().await;
    let desired = 8;
    assert_eq!(h1.held.len(), desired);
}

#[tokio::test]
async fn a_refused_resource_is_reported_and_the_rest_is_applied() {
    let mut world = World::new().await;
    world.plug(1, Some(1));
    let mut h1 = connect(&world, "h1", Held::new()).await;
    let update = h1.update().await.unwrap();
    let port = StateKey::Port(eni(1));
    let at = names(&update).iter().position(|key| *key == port).unwrap();
    let nack = wire::Nack {
        key: Some(wire::Key::from(&port)),
        version: update.resources[at].version,
        reason: "no namespace `w1`".to_owned(),
    };
    h1.ack(update.nonce, vec![nack]).await;
    let applied = world.settled().await;
    assert_eq!(applied.refused[&name(1)][&port].reason, "no namespace `w1`");
    // Until it changes it is not tried again, and then it is.
    world.rename_vpc_block("10.9.0.0/16");
    assert_eq!(names(&h1.take().await).len(), 1);
    let mut moved = world.cloud.interface(eni(1)).unwrap().clone();
    moved.attachment.as_mut().unwrap().netns = "w1-again".parse().unwrap();
    world.put(moved);
    assert_eq!(names(&h1.take().await), [port]);
    assert!(world.settled().await.refused.is_empty());
    assert_eq!(world.hub.counters().queues.nacks, 1);
}

#[tokio::test]
async fn a_host_that_answers_nothing_holds_up_nobody_and_gets_the_newest() {
    let mut world = World::new().await;
    world.plug(1, Some(1));
    world.plug(2, Some(2));
    let mut slow = connect(&world, "h1", Held::new()).await;
    let first = slow.update().await.unwrap();
    let fast = connect(&world, "h2", Held::new()).await;
    let fast = tokio::spawn(fast.follow());
    for n in 0..500_u32 {
        world.rename_vpc_block(&format!("10.{}.0.0/16", 1 + n % 200));
    }
    assert_eq!(
        world.hub.status(&name(1)).unwrap().pending,
        first.resources.len() + 1
    );
    slow.apply(&first);
    slow.ack(first.nonce, vec![]).await;
    let second = slow.take().await;
    assert_eq!(second.resources.len(), 1);
    world.settled().await;
    world.hub.close();
    let vpc = names(&second).remove(0);
    assert_eq!(fast.await.unwrap()[&vpc], second.resources[0].version);
}

#[tokio::test]
async fn a_wait_for_what_does_not_exist_yet_says_so() {
    let world = World::new().await;
    let error = world
        .hub
        .wait(weft_model::Revision(99), std::time::Duration::ZERO)
        .await;
    let text = error.unwrap_err().to_string();
    assert_eq!(text, "revision 99 doesn't exist yet: the newest is 1");
}
