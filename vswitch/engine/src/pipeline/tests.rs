use weft_model::{InterfaceId, Mac, PortMatch, PortRange};

use crate::{
    DropReason,
    flow::FlowStatus,
    testing::{Eni, Family, Net, Seg, any4, everything, group_peer, rule, tcp_port},
};

/// A client that may ask all, and a server on another host that lets only the clients' group in.
fn client_and_server(net: &mut Net) -> (Eni, Eni) {
    let tenant = net.tenant(1);
    let clients = net.group(tenant, 1, vec![], everything());
    let servers = net.group(tenant, 2, tcp_port(80, [group_peer(clients)]), vec![]);
    let client = net.attach(tenant, 0, (1, 10), &[clients]);
    let server = net.attach(tenant, 1, (2, 20), &[servers]);
    (client, server)
}

fn shake_hands(net: &mut Net, client: &Eni, server: &Eni) {
    let way = net.way(client, server, Family::V4);
    let back = net.way(server, client, Family::V4);
    assert!(
        net.send(client, way.tcp((5000, 80), Seg::SYN, &[]))
            .reached(server)
    );
    assert!(
        net.send(server, back.tcp((80, 5000), Seg::SYN_ACK, &[]))
            .reached(client)
    );
    assert!(
        net.send(client, way.tcp((5000, 80), Seg::ACK, &[]))
            .reached(server)
    );
}

#[test]
fn an_address_that_passes_to_another_interface_does_not_inherit_its_connections() {
    let mut net = Net::new(2);
    let (client, server) = client_and_server(&mut net);
    shake_hands(&mut net, &client, &server);
    // The same address, another interface, without the group that was let in.
    net.detach(&client);
    let outsiders = net.group(client.tenant, 3, vec![], everything());
    let mut heir = client.clone();
    heir.interface = InterfaceId::from_bits(999);
    heir.mac = Mac::local(999);
    heir.groups = vec![outsiders];
    net.update(&heir);
    let way = net.way(&heir, &server, Family::V4);
    let fate = net.send(&heir, way.tcp((5000, 80), Seg::ACK, &[]));
    assert_eq!(fate.dropped(), DropReason::GroupIngress);
}

#[test]
fn a_moved_interface_keeps_its_connections() {
    let mut net = Net::new(3);
    let (client, server) = client_and_server(&mut net);
    shake_hands(&mut net, &client, &server);
    // No rule would let a new connection in: only the server's flow does.
    let tenant = client.tenant;
    net.group(tenant, 2, vec![], vec![]);
    net.detach(&client);
    let mut moved = client.clone();
    moved.host = 2;
    net.update(&moved);
    let way = net.way(&moved, &server, Family::V4);
    let fate = net.send(&moved, way.tcp((5000, 80), Seg::ACK, &[]));
    assert!(fate.reached(&server));
    let back = net.way(&server, &moved, Family::V4);
    let fate = net.send(&server, back.tcp((80, 5000), Seg::ACK, &[]));
    assert!(fate.reached(&moved));
    assert_eq!(fate.wire[0].to, net.vtep(2));
}

#[test]
fn a_stopped_untracked_connection_does_not_come_back_through_its_answers() {
    let mut net = Net::new(2);
    let tenant = net.tenant(1);
    let clients = net.group(tenant, 1, everything(), everything());
    let web = tcp_port(80, [any4()]);
    let servers = net.group(tenant, 2, web.clone(), everything());
    let client = net.attach(tenant, 0, (1, 10), &[clients]);
    let server = net.attach(tenant, 1, (2, 20), &[servers]);
    shake_hands(&mut net, &client, &server);
    let way = net.way(&client, &server, Family::V4);
    let back = net.way(&server, &client, Family::V4);
    net.group(tenant, 2, vec![], everything());
    for _ in 0..3 {
        let fate = net.send(&client, way.tcp((5000, 80), Seg::ACK, &[]));
        assert_eq!(fate.dropped(), DropReason::GroupIngress);
        // The answer has a rule of its own, and opens nothing.
        let fate = net.send(&server, back.tcp((80, 5000), Seg::ACK, &[]));
        assert!(fate.reached(&client));
    }
    let port = net.port_of(&server);
    let flows: Vec<_> = net.engine(1).flows(net.now(), port).collect();
    assert_eq!(flows.len(), 1);
    assert_eq!(flows[0].status, FlowStatus::Blocked);
    net.group(tenant, 2, web, everything());
    let fate = net.send(&client, way.tcp((5000, 80), Seg::ACK, &[]));
    assert!(fate.reached(&server), "the rule is back");
}

#[test]
fn a_flow_names_its_rule_and_counts_both_ways() {
    let mut net = Net::new(2);
    let (client, server) = client_and_server(&mut net);
    let mut named = rule(PortMatch::Tcp(PortRange::one(80)), any4());
    named.id = weft_model::RuleId::from_bits(77);
    net.group(client.tenant, 2, vec![named], vec![]);
    shake_hands(&mut net, &client, &server);
    let port = net.port_of(&server);
    let flows: Vec<_> = net.engine(1).flows(net.now(), port).collect();
    assert_eq!(flows.len(), 1);
    let flow = flows[0];
    assert_eq!(flow.rule, weft_model::RuleId::from_bits(77));
    assert_eq!((flow.ingress.packets, flow.egress.packets), (2, 1));
    assert_eq!(flow.local, (server.ipv4().into(), 80));
    assert_eq!(flow.remote, (client.ipv4().into(), 5000));
    assert_eq!(flow.status, FlowStatus::Established);
    assert!(flow.tracked, "its egress isn't open to everywhere");
}

#[test]
fn a_new_syn_on_an_old_connection_is_judged_by_the_rules_of_the_day() {
    let mut net = Net::new(2);
    let (client, server) = client_and_server(&mut net);
    shake_hands(&mut net, &client, &server);
    net.group(client.tenant, 2, vec![], vec![]);
    let way = net.way(&client, &server, Family::V4);
    let fate = net.send(&client, way.tcp((5000, 80), Seg::SYN, &[]));
    assert_eq!(fate.dropped(), DropReason::GroupIngress);
    let fate = net.send(&client, way.tcp((5000, 80), Seg::ACK, &[]));
    assert!(fate.reached(&server), "the connection itself goes on");
}

#[test]
fn a_repeated_syn_is_judged_by_the_rules_of_the_day_whatever_came_in_between() {
    let mut net = Net::new(2);
    let (client, server) = client_and_server(&mut net);
    let way = net.way(&client, &server, Family::V4);
    let syn = way.tcp((5000, 80), Seg::SYN, &[]);
    assert!(net.send(&client, syn.clone()).reached(&server));
    net.group(client.tenant, 2, vec![], vec![]);
    // The connection goes on, and has been looked at since the rule went.
    let fate = net.send(&client, way.tcp((5000, 80), Seg::ACK, &[]));
    assert!(fate.reached(&server));
    assert_eq!(net.send(&client, syn).dropped(), DropReason::GroupIngress);
}
