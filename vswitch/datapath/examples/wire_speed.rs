//! What two hosts carry between namespaces with full policy, beside a bare veth in the same run:
//! `cargo run --release -p weft-datapath --example wire_speed [SECONDS [WORKERS]]`, as root.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::panic)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    net::IpAddr,
    process::{Child, Command, Stdio},
    time::Duration,
};

use support::{Eni, Host, Namespace, address, cable, tables};

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse().unwrap());
    let seconds: usize = arguments.next().unwrap_or(3);
    let workers: usize = arguments.next().unwrap_or(1);
    let bare = [Namespace::new(), Namespace::new()];
    cable(
        (&bare[0], "198.51.100.1/24"),
        (&bare[1], "198.51.100.2/24"),
        1500,
    );
    let underlay = [Namespace::new(), Namespace::new()];
    cable(
        (&underlay[0], "192.0.2.1/24"),
        (&underlay[1], "192.0.2.2/24"),
        1500,
    );
    let vteps = [address("192.0.2.1"), address("192.0.2.2")];
    let enis = [0, 1].map(|host| Eni {
        host,
        subnet: 1 + host as u8,
        last: 10 + host as u8,
    });
    let workloads = [Namespace::new(), Namespace::new()];
    let hosts = [0, 1].map(|n| {
        let tables = tables(n, &vteps, &enis, 1450);
        let mut host = Host::start(&underlay[n], &tables, vteps[n], workers);
        host.plug(&enis[n], &workloads[n]);
        host
    });
    for _ in 0..3 {
        let veth = tcp(&bare, address("198.51.100.2"), seconds);
        let weft = tcp(&workloads, enis[1].ipv4().into(), seconds);
        println!(
            "tcp: veth {veth:.2} Gbit/s, weft {weft:.2} Gbit/s, ratio {:.3}",
            weft / veth
        );
    }
    udp(&workloads, enis[1].ipv4().into(), seconds);
    for (name, host) in ["sender", "receiver"].iter().zip(&hosts) {
        for worker in host.datapath.snapshot().unwrap() {
            println!("{name}: {:?} {:?}", worker.sent, worker.worker);
            println!(
                "  drops: {:?}",
                worker.engine.drops.iter().collect::<Vec<_>>()
            );
        }
    }
}

struct Server(Child);

impl Server {
    fn new(namespace: &Namespace) -> Self {
        let child = namespace.within(|| {
            let mut iperf = Command::new("iperf3");
            iperf
                .args(["-s", "-1"])
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        });
        while !namespace.run("ss", &["-Hltn"]).contains(":5201") {
            std::thread::sleep(Duration::from_millis(5));
        }
        Self(child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.wait();
    }
}

fn client(pair: &[Namespace; 2], to: IpAddr, arguments: &[&str], seconds: usize) -> String {
    let _server = Server::new(&pair[1]);
    let (to, seconds) = (to.to_string(), seconds.to_string());
    let fixed = ["-c", &to, "-t", &seconds, "-J"];
    pair[0].run("iperf3", &[&fixed[..], arguments].concat())
}

/// The number after a key, wherever it comes last.
fn last(report: &str, key: &str) -> f64 {
    let at = report.rfind(&format!("\"{key}\":")).unwrap() + key.len() + 3;
    let text = report[at..].trim_start();
    let end = text.find([',', '\n', '}']).unwrap();
    text[..end].trim().parse().unwrap()
}

fn tcp(pair: &[Namespace; 2], to: IpAddr, seconds: usize) -> f64 {
    let report = client(pair, to, &[], seconds);
    let received = &report[report.rfind("sum_received").unwrap()..];
    let received = &received[..received.find('}').unwrap()];
    last(received, "bits_per_second") / 1e9
}

fn udp(pair: &[Namespace; 2], to: IpAddr, seconds: usize) {
    let rate = (50_000 * 64 * 8).to_string();
    let report = client(pair, to, &["-u", "-l", "64", "-b", &rate], seconds);
    let sum = &report[report.rfind("\"sum\":").unwrap()..];
    let sum = &sum[..sum.find('}').unwrap()];
    println!(
        "udp: {} packets of 64 bytes in {seconds} s, {} lost",
        last(sum, "packets"),
        last(sum, "lost_packets")
    );
}
