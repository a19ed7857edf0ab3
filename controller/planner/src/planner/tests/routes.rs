//! Which route of a table wins, and what becomes of one whose target is gone.

use super::*;

fn routes_of(world: &World, table: RouteTableId) -> Vec<(String, RouteTarget)> {
    let replica = &world.replicas[&host_name(0)];
    let State::RouteTable(table) = &replica[&StateKey::RouteTable(table)] else {
        panic!("a table's key holds a table");
    };
    let routes = table.routes.iter();
    routes
        .map(|r| (r.destination.to_string(), r.target))
        .collect()
}

#[test]
fn a_static_route_beats_a_propagated_one_of_the_same_prefix() {
    let mut world = World::new(two_vpcs());
    world.put(interface(1, 1, Some(0), &[0]));
    world.put(interface(2, 1, Some(1), &[0]));
    let propagated = |to| route(to, RouteTarget::Interface(eni(1)), RouteOrigin::Propagated);
    let routes = [
        propagated("192.0.2.0/24"),
        propagated("198.51.100.0/24"),
        propagated("10.0.0.0/16"),
        route(
            "192.0.2.0/24",
            RouteTarget::Interface(eni(2)),
            RouteOrigin::Static,
        ),
    ];
    world.put(table(1, main_table(1), &routes));
    assert_eq!(
        routes_of(&world, main_table(1)),
        [
            ("10.0.0.0/16".to_owned(), RouteTarget::Local),
            ("192.0.2.0/24".to_owned(), RouteTarget::Interface(eni(2))),
            ("198.51.100.0/24".to_owned(), RouteTarget::Interface(eni(1))),
        ]
    );
    world.check();
}

#[test]
fn a_route_to_an_interface_that_is_gone_is_a_blackhole_until_it_is_back() {
    let mut world = World::new(two_vpcs());
    world.put(interface(1, 1, Some(0), &[0]));
    let to_middlebox = route(
        "0.0.0.0/0",
        RouteTarget::Interface(eni(2)),
        RouteOrigin::Static,
    );
    world.put(table(1, main_table(1), &[to_middlebox]));
    let default = |world: &World| routes_of(world, main_table(1))[0].1;
    assert_eq!(default(&world), RouteTarget::Blackhole);
    world.put(interface(2, 1, None, &[0]));
    assert_eq!(default(&world), RouteTarget::Blackhole);
    world.put(interface(2, 1, Some(1), &[0]));
    assert_eq!(default(&world), RouteTarget::Interface(eni(2)));
    let gone = take(&world.cloud, &eni(2).into());
    world.apply(&[gone]);
    assert_eq!(default(&world), RouteTarget::Blackhole);
    world.check();
}
