use std::{net::IpAddr, sync::Arc};

use hickory_proto::{
    op::{Message, Query, ResponseCode},
    rr::{Name, RData, RecordType},
};
use weft_model::{
    DnsForward, InterfaceId, Mac, PrivateZoneId, RecordData, RecordKind, RecordSet, SubnetId, Ttl,
    VpcDns, VpcId, ZoneInVpc,
    state::{Delta, DnsZoneState, Mapping, State, VpcState},
};

use super::*;
use crate::config::{Config, Tables, TablesOptions};

const VPC: VpcId = VpcId::from_bits(1);

fn set(name: &str, kind: &str, values: &[&str]) -> RecordSet {
    let kind: RecordKind = kind.parse().unwrap();
    let values = values.iter().map(|v| RecordData::parse(kind, v).unwrap());
    RecordSet {
        name: name.parse().unwrap(),
        kind,
        ttl: Ttl::DEFAULT,
        values: values.collect(),
    }
}

fn vpc(dns: VpcDns) -> State {
    State::Vpc(VpcState {
        id: VPC,
        vni: 100.try_into().unwrap(),
        ipv4: vec!["10.0.0.0/16".parse().unwrap()],
        ipv6: vec!["fd00::/56".parse().unwrap()],
        region: "r1".parse().unwrap(),
        dns,
    })
}

fn mapping(n: u64, label: Option<&str>) -> State {
    let addresses = [format!("10.0.1.{n}"), format!("fd00::{n}")];
    State::Mapping(Mapping {
        interface: InterfaceId::from_bits(n),
        vpc: VPC,
        subnet: SubnetId::from_bits(1),
        host: "h2".parse().unwrap(),
        mac: Mac::local(n),
        addresses: addresses.map(|a| a.parse().unwrap()).to_vec(),
        groups: vec![],
        source_dest_check: true,
        dns_label: label.map(|label| label.parse().unwrap()),
    })
}

fn zone() -> State {
    let long = "x".repeat(300);
    State::DnsZone(DnsZoneState {
        id: ZoneInVpc {
            zone: PrivateZoneId::from_bits(1),
            vpc: VPC,
        },
        domain: "corp.internal".parse().unwrap(),
        records: vec![
            set("db.corp.internal", "A", &["10.0.1.5", "10.0.1.6"]),
            set("www.corp.internal", "CNAME", &["db.corp.internal"]),
            set("out.corp.internal", "CNAME", &["example.org"]),
            set("loop.corp.internal", "CNAME", &["loop.corp.internal"]),
            set(
                "_pg._tcp.corp.internal",
                "SRV",
                &["0 1 5432 db.corp.internal"],
            ),
            set("*.wild.corp.internal", "A", &["10.0.1.9"]),
            set("a.b.corp.internal", "TXT", &[&long]),
            set("big.corp.internal", "TXT", &[&"y".repeat(900)]),
        ],
    })
}

fn config(states: Vec<State>) -> Arc<Config> {
    let mut tables = Tables::new(TablesOptions {
        host: "h1".parse().unwrap(),
        vtep: "192.0.2.1".parse().unwrap(),
        mtu: 1450.try_into().unwrap(),
    });
    for state in states {
        tables.apply(Delta::Upsert(state)).unwrap();
    }
    tables.publish()
}

fn town() -> Arc<Config> {
    let dns = VpcDns::default();
    config(vec![
        vpc(dns),
        mapping(5, Some("db-1")),
        mapping(6, None),
        zone(),
    ])
}

fn forward(domain: Option<&str>, server: &str) -> DnsForward {
    DnsForward {
        domain: domain.map(|domain| domain.parse().unwrap()),
        servers: vec![server.parse().unwrap()],
    }
}

fn forwarding(forwards: Vec<DnsForward>) -> Arc<Config> {
    let dns = VpcDns {
        forwards,
        ..VpcDns::default()
    };
    config(vec![vpc(dns), mapping(5, Some("db-1")), zone()])
}

/// The server that is asked for an address of the name, or the code of the answer.
fn whom(config: &Config, name: &str, kind: RecordType) -> Result<String, ResponseCode> {
    match ask_with(config, &query(name, kind), Transport::Udp) {
        Outcome::Forward(servers) => Ok(servers[0].to_string()),
        Outcome::Answer(bytes) => Err(Message::from_vec(&bytes).unwrap().metadata.response_code),
        Outcome::Nothing => panic!("{name}"),
    }
}

fn query(name: &str, kind: RecordType) -> Message {
    let mut query = Message::query();
    let mut name = Name::from_ascii(name).unwrap();
    name.set_fqdn(true);
    query.add_query(Query::query(name, kind));
    query
}

fn ask_with(config: &Config, query: &Message, transport: Transport) -> Outcome {
    let vpc = config.vpcs().next().unwrap();
    answer(vpc, &query.to_vec().unwrap(), transport)
}

fn ask(config: &Config, name: &str, kind: RecordType) -> Message {
    match ask_with(config, &query(name, kind), Transport::Udp) {
        Outcome::Answer(bytes) => Message::from_vec(&bytes).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn addresses(message: &Message) -> Vec<IpAddr> {
    let of = |data: &RData| match data {
        RData::A(a) => Some(IpAddr::V4(a.0)),
        RData::AAAA(a) => Some(IpAddr::V6(a.0)),
        _ => None,
    };
    message.answers.iter().filter_map(|r| of(&r.data)).collect()
}

fn nothing(message: &Message, code: ResponseCode, domain: &str) {
    assert_eq!(message.metadata.response_code, code, "{message:?}");
    let [soa] = message.authorities.as_slice() else {
        panic!("{message:?}");
    };
    assert_eq!(soa.record_type(), RecordType::SOA);
    assert_eq!(soa.name.to_ascii(), format!("{domain}."));
}

#[test]
fn interfaces_have_names_by_address_id_and_label() {
    let town = town();
    let domain = "r1.compute.internal";
    let id = InterfaceId::from_bits(5);
    for name in [
        format!("ip-10-0-1-5.{domain}"),
        format!("{id}.{domain}"),
        format!("DB-1.{domain}"),
    ] {
        let answer = ask(&town, &name, RecordType::A);
        assert_eq!(addresses(&answer), ["10.0.1.5".parse::<IpAddr>().unwrap()]);
        assert!(answer.metadata.authoritative);
    }
    let six = ask(&town, &format!("db-1.{domain}"), RecordType::AAAA);
    assert_eq!(addresses(&six), ["fd00::5".parse::<IpAddr>().unwrap()]);
    let none = ask(&town, &format!("ip-10-0-1-5.{domain}"), RecordType::AAAA);
    nothing(&none, ResponseCode::NoError, domain);
    let unheld = ask(&town, &format!("ip-10-0-1-77.{domain}"), RecordType::A);
    nothing(&unheld, ResponseCode::NXDomain, domain);
}

#[test]
fn addresses_have_names_and_the_vpcs_own_only() {
    let town = town();
    let pointer = ask(&town, "5.1.0.10.in-addr.arpa", RecordType::PTR);
    let RData::PTR(name) = &pointer.answers[0].data else {
        panic!("{pointer:?}");
    };
    assert_eq!(name.0.to_ascii(), "ip-10-0-1-5.r1.compute.internal.");
    let unheld = ask(&town, "77.1.0.10.in-addr.arpa", RecordType::PTR);
    nothing(&unheld, ResponseCode::NXDomain, "in-addr.arpa");
    let other = ask(&town, "8.8.8.8.in-addr.arpa", RecordType::PTR);
    assert_eq!(other.metadata.response_code, ResponseCode::Refused);
    let six = format!("5.{}0.0.d.f.ip6.arpa", "0.".repeat(27));
    assert_eq!(ask(&town, &six, RecordType::PTR).answers.len(), 1);
}

#[test]
fn a_private_zone_tells_what_there_is_not() {
    let town = town();
    let domain = "corp.internal";
    assert_eq!(
        addresses(&ask(&town, "db.corp.internal", RecordType::A)).len(),
        2
    );
    let six = ask(&town, "db.corp.internal", RecordType::AAAA);
    nothing(&six, ResponseCode::NoError, domain);
    let none = ask(&town, "x.corp.internal", RecordType::A);
    nothing(&none, ResponseCode::NXDomain, domain);
    let between = ask(&town, "b.corp.internal", RecordType::A);
    nothing(&between, ResponseCode::NoError, domain);
    let srv = ask(&town, "_pg._tcp.corp.internal", RecordType::SRV);
    assert_eq!(srv.answers.len(), 1);
    let soa = ask(&town, domain, RecordType::SOA);
    assert_eq!(soa.answers[0].record_type(), RecordType::SOA);
}

#[test]
fn an_alias_is_followed_as_far_as_it_is_ours() {
    let town = town();
    let www = ask(&town, "www.corp.internal", RecordType::A);
    assert_eq!(www.answers[0].record_type(), RecordType::CNAME);
    assert_eq!(addresses(&www).len(), 2);
    let out = ask(&town, "out.corp.internal", RecordType::A);
    assert_eq!(out.answers.len(), 1);
    assert_eq!(out.metadata.response_code, ResponseCode::NoError);
    assert!(
        ask(&town, "loop.corp.internal", RecordType::A)
            .answers
            .len()
            <= 8
    );
}

#[test]
fn a_wildcard_stands_for_names_that_are_not_there() {
    let town = town();
    for name in ["x.wild.corp.internal", "x.y.wild.corp.internal"] {
        let answer = ask(&town, name, RecordType::A);
        assert_eq!(addresses(&answer).len(), 1, "{name}");
        assert_eq!(answer.answers[0].name.to_ascii(), format!("{name}."));
    }
}

#[test]
fn what_does_not_fit_is_cut_and_comes_over_tcp() {
    let town = town();
    let short = ask(&town, "big.corp.internal", RecordType::TXT);
    assert!(short.metadata.truncation && short.answers.is_empty());
    let mut wide = query("big.corp.internal", RecordType::TXT);
    let mut edns = Edns::new();
    edns.set_max_payload(4096);
    wide.set_edns(edns);
    for (query, transport) in [
        (wide, Transport::Udp),
        (query("big.corp.internal", RecordType::TXT), Transport::Tcp),
    ] {
        let Outcome::Answer(bytes) = ask_with(&town, &query, transport) else {
            panic!("{transport:?}");
        };
        assert_eq!(Message::from_vec(&bytes).unwrap().answers.len(), 1);
    }
}

#[test]
fn names_from_elsewhere_are_refused_where_nobody_is_to_be_asked() {
    let town = town();
    let refused = ask(&town, "example.org", RecordType::A);
    assert_eq!(refused.metadata.response_code, ResponseCode::Refused);
}

#[test]
fn the_longest_domain_says_who_is_asked() {
    let town = forwarding(vec![
        forward(None, "192.0.2.1"),
        forward(Some("example.org"), "192.0.2.2"),
        forward(Some("deep.example.org"), "192.0.2.3"),
    ]);
    for (name, server) in [
        ("example.com", "192.0.2.1"),
        ("example.org", "192.0.2.2"),
        ("WWW.example.ORG", "192.0.2.2"),
        ("a.deep.example.org", "192.0.2.3"),
        ("notexample.org", "192.0.2.1"),
    ] {
        assert_eq!(
            whom(&town, name, RecordType::A),
            Ok(server.into()),
            "{name}"
        );
    }
    let only = forwarding(vec![forward(Some("example.org"), "192.0.2.2")]);
    assert_eq!(
        whom(&only, "example.com", RecordType::A),
        Err(ResponseCode::Refused)
    );
}

#[test]
fn private_names_are_never_asked_outside() {
    let town = forwarding(vec![forward(None, "192.0.2.1")]);
    for name in [
        "x.corp.internal",
        "nobody.r1.compute.internal",
        "db.internal",
        "printer.local",
        "localhost",
        "intranet",
        "router.home.arpa",
        "9.9.168.192.in-addr.arpa",
        "77.1.0.10.in-addr.arpa",
        "20.172.in-addr.arpa",
        "d.f.ip6.arpa",
        "b.e.f.ip6.arpa",
    ] {
        for kind in [RecordType::A, RecordType::PTR] {
            let asked = whom(&town, name, kind);
            let single = name == "intranet" && kind != RecordType::A;
            assert!(
                asked == Err(ResponseCode::NXDomain) || single,
                "{name} {asked:?}"
            );
        }
    }
    let public = "8.8.8.8.in-addr.arpa";
    assert!(whom(&town, public, RecordType::PTR).is_ok());
    assert!(whom(&town, "org", RecordType::NS).is_ok());
}

#[test]
fn a_forward_of_its_own_leads_private_names_out_but_not_the_vpcs() {
    let town = forwarding(vec![
        forward(Some("internal"), "192.0.2.1"),
        forward(Some("10.in-addr.arpa"), "192.0.2.2"),
    ]);
    assert!(whom(&town, "db.internal", RecordType::A).is_ok());
    assert!(whom(&town, "5.0.9.10.in-addr.arpa", RecordType::PTR).is_ok());
    for name in ["x.corp.internal", "x.r1.compute.internal"] {
        assert_eq!(
            whom(&town, name, RecordType::A),
            Err(ResponseCode::NXDomain)
        );
    }
    let own = whom(&town, "77.1.0.10.in-addr.arpa", RecordType::PTR);
    assert_eq!(own, Err(ResponseCode::NXDomain));
}

#[test]
fn a_vpc_without_hostnames_has_only_its_zones() {
    let dns = VpcDns {
        hostnames: false,
        ..VpcDns::default()
    };
    let town = config(vec![vpc(dns), mapping(5, Some("db-1")), zone()]);
    let name = ask(&town, "db-1.r1.compute.internal", RecordType::A);
    assert_eq!(name.metadata.response_code, ResponseCode::Refused);
    assert_eq!(
        addresses(&ask(&town, "db.corp.internal", RecordType::A)).len(),
        2
    );
}

#[test]
fn what_is_no_query_is_told_so_or_ignored() {
    let town = town();
    let vpc = town.vpcs().next().unwrap();
    let say = |bytes: &[u8]| answer(vpc, bytes, Transport::Udp);
    assert_eq!(say(b"short"), Outcome::Nothing);
    let mut response = query("db.corp.internal", RecordType::A).to_vec().unwrap();
    response[2] |= 0x80;
    assert_eq!(say(&response), Outcome::Nothing, "no answer to an answer");
    let code = |bytes: &[u8]| match say(bytes) {
        Outcome::Answer(bytes) => Message::from_vec(&bytes).unwrap().metadata.response_code,
        other => panic!("{other:?}"),
    };
    let mut update = query("db.corp.internal", RecordType::A).to_vec().unwrap();
    update[2] |= 5 << 3;
    assert_eq!(code(&update), ResponseCode::NotImp);
    let mut many = query("db.corp.internal", RecordType::A).to_vec().unwrap();
    many[4] = 0xff;
    assert_eq!(code(&many), ResponseCode::FormErr);
    let cut = query("db.corp.internal", RecordType::A).to_vec().unwrap();
    assert_eq!(code(&cut[..cut.len() - 3]), ResponseCode::FormErr);
}
