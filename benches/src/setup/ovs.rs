//! Open vSwitch's userspace datapath: VXLAN, connection tracking, the same policy, and a balancer of
//! its address translation. Its daemons run in a directory of their own and end with the path.

use std::{
    fmt::Write as _,
    fs,
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr},
    path::{Path as FilePath, PathBuf},
    thread,
    time::{Duration, Instant},
};

use super::{Daemon, Hosts, OVERLAY_MTU, VNI, address, link::Links, program, vtep};
use crate::{BenchError, Pair, Path, io, netns::Netns, policy};

/// The balancer's address: nobody has it, the client's neighbour table leads to the server's MAC.
const BALANCER: u8 = 100;
/// The schema that the package brings.
const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";
/// A daemon's socket is waited for so long.
const STARTUP: Duration = Duration::from_secs(10);

/// Two hosts with a vswitch each.
///
/// # Errors
/// Without the programs, or when one of them refuses.
pub fn userspace(rules: usize) -> Result<Path, BenchError> {
    for name in [
        "ovs-vswitchd",
        "ovsdb-server",
        "ovsdb-tool",
        "ovs-vsctl",
        "ovs-ofctl",
        "ethtool",
    ] {
        program::has(name)?;
    }
    let hosts = super::wired()?;
    let home = Home::new()?;
    let mut carriers = Vec::new();
    for (number, host) in [(1, &hosts.first), (2, &hosts.second)] {
        Switch::start(host, &home.0, number, &mut carriers)?.configure(number, rules)?;
    }
    for (number, workload) in [(1, &hosts.client), (2, &hosts.server)] {
        Links::inside(workload, async |links| {
            links
                .configure("eth0", address(number), Some(OVERLAY_MTU))
                .await
        })?;
        // It neither cuts segments nor completes checksums.
        let off = [
            "ethtool", "-K", "eth0", "tx", "off", "tso", "off", "gso", "off",
        ];
        program::run(workload, &off, "")?;
    }
    neighbour(&hosts)?;
    let crowd = Pair {
        client: hosts.client.again()?,
        server: hosts.server.again()?,
        address: IpAddr::V4(address(2)),
    };
    Ok(Path {
        name: "Open vSwitch, userspace",
        client: hosts.client,
        server: hosts.server,
        address: IpAddr::V4(address(2)),
        source: IpAddr::V4(address(1)),
        balancer: Some(IpAddr::V4(address(BALANCER))),
        judges: true,
        crowd: vec![crowd],
        carriers,
        between: vec![hosts.underlay, hosts.first, hosts.second],
    })
}

/// The client sends what is for the balancer to the server's MAC.
fn neighbour(hosts: &Hosts) -> Result<(), BenchError> {
    let shown = program::run(&hosts.server, &["ip", "-o", "link", "show", "eth0"], "")?;
    let mut words = shown
        .split_whitespace()
        .skip_while(|word| *word != "link/ether");
    let mac = words
        .nth(1)
        .ok_or_else(|| BenchError::NoDevice("eth0".to_owned()))?;
    let balancer = address(BALANCER).to_string();
    let add = [
        "ip", "neigh", "replace", &balancer, "lladdr", mac, "dev", "eth0",
    ];
    program::run(&hosts.client, &add, "").map(drop)
}

/// A directory that goes with the daemons' configuration read: they keep their files open.
struct Home(PathBuf);

impl Home {
    fn new() -> Result<Self, BenchError> {
        let home = std::env::temp_dir().join(format!("weft-ovs-{}", std::process::id()));
        fs::create_dir_all(&home).map_err(io("make a directory for a peer"))?;
        Ok(Self(home))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The daemons of one host.
struct Switch<'a> {
    host: &'a Netns,
    dir: String,
}

impl<'a> Switch<'a> {
    fn start(
        host: &'a Netns,
        home: &FilePath,
        number: u8,
        carriers: &mut Vec<Daemon>,
    ) -> Result<Self, BenchError> {
        let dir = home.join(number.to_string());
        fs::create_dir_all(&dir).map_err(io("make a directory for a peer"))?;
        let dir = dir.to_string_lossy().into_owned();
        let switch = Self { host, dir };
        let (file, socket) = (switch.file("conf.db"), switch.file("db.sock"));
        program::run(host, &["ovsdb-tool", "create", &file, SCHEMA], "")?;
        let remote = format!("--remote=punix:{socket}");
        let pid = format!("--pidfile={}", switch.file("db.pid"));
        let quiet = ["-vconsole:off", "-vsyslog:off", "-vfile:off"];
        let mut argv = vec!["ovsdb-server", &file, &remote, &pid];
        argv.extend(quiet);
        carriers.push(Daemon::start(host, &argv, &switch.env())?);
        appears(&socket)?;
        switch.vsctl(&["--no-wait", "init"])?;
        let database = format!("unix:{socket}");
        let pid = format!("--pidfile={}", switch.file("vs.pid"));
        let mut argv = vec!["ovs-vswitchd", &database, &pid];
        argv.extend(quiet);
        carriers.push(Daemon::start(host, &argv, &switch.env())?);
        Ok(switch)
    }

    fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.dir)
    }

    fn env(&self) -> [(&'static str, &str); 3] {
        ["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR"].map(|name| (name, self.dir.as_str()))
    }

    fn vsctl(&self, arguments: &[&str]) -> Result<(), BenchError> {
        let database = format!("--db=unix:{}", self.file("db.sock"));
        let mut argv = vec!["ovs-vsctl", "--timeout=20", &database];
        argv.extend(arguments);
        program::run(self.host, &argv, "").map(drop)
    }

    /// The underlay's bridge, which answers for the VTEP, and the integration bridge above.
    fn configure(&self, number: u8, rules: usize) -> Result<(), BenchError> {
        let bridge = |name| {
            [
                "add-br",
                name,
                "--",
                "set",
                "bridge",
                name,
                "datapath_type=netdev",
            ]
        };
        let mut below = bridge("br-phy").to_vec();
        below.extend(["--", "add-port", "br-phy", "up0"]);
        self.vsctl(&below)?;
        Links::inside(self.host, async |links| {
            links.configure("br-phy", vtep(number), None).await
        })?;
        let remote = format!("options:remote_ip={}", vtep(3 - number));
        let key = format!("options:key={VNI}");
        let mut above = bridge("br-int").to_vec();
        above.extend([
            "--",
            "add-port",
            "br-int",
            "tap0",
            "--",
            "set",
            "interface",
            "tap0",
        ]);
        above.extend([
            "ofport_request=1",
            "--",
            "add-port",
            "br-int",
            "vx0",
            "--",
            "set",
        ]);
        above.extend([
            "interface",
            "vx0",
            "type=vxlan",
            &remote,
            &key,
            "ofport_request=2",
        ]);
        self.vsctl(&above)?;
        let control = self.file("br-int.mgmt");
        appears(&control)?;
        let flows = if number == 1 {
            outward()
        } else {
            services(rules)
        };
        let bridge = format!("unix:{control}");
        let replace = ["ovs-ofctl", "-OOpenFlow14", "replace-flows", &bridge, "-"];
        program::run(self.host, &replace, &flows).map(drop)
    }
}

fn appears(socket: &str) -> Result<(), BenchError> {
    let deadline = Instant::now() + STARTUP;
    while !FilePath::new(socket).exists() {
        if Instant::now() > deadline {
            return Err(io("wait for a peer's socket")(ErrorKind::TimedOut.into()));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// What both hosts begin with: everything is tracked, and translated as its connection is.
const TRACKED: &str = "\
table=0,priority=100,arp,actions=NORMAL
table=0,priority=50,ip,actions=ct(table=1,nat)
table=0,priority=0,actions=drop
table=1,priority=100,ip,ct_state=+trk+est,actions=NORMAL
table=1,priority=100,ip,ct_state=+trk+rel,actions=NORMAL
table=1,priority=0,actions=drop
";

/// The client's host: everything goes out, nothing new comes in.
fn outward() -> String {
    let (balancer, server, port): (Ipv4Addr, Ipv4Addr, u16) =
        (address(BALANCER), address(2), policy::BALANCED);
    format!(
        "{TRACKED}\
         table=1,priority=95,in_port=1,tcp,ct_state=+trk+new,nw_dst={balancer},tp_dst={port},\
         actions=ct(commit,nat(dst={server})),NORMAL\n\
         table=1,priority=90,in_port=1,ip,ct_state=+trk+new,actions=ct(commit),NORMAL\n"
    )
}

/// The server's host: three services, and rules that nothing here matches.
fn services(rules: usize) -> String {
    let mut text = TRACKED.to_owned();
    let mut allow = |what: &str| {
        let _ = writeln!(
            text,
            "table=1,priority=80,{what},ct_state=+trk+new,actions=ct(commit),NORMAL"
        );
    };
    for port in [policy::SERVICE, policy::BALANCED] {
        allow(&format!("tcp,tp_dst={port}"));
    }
    allow(&format!("udp,tp_dst={}", policy::SERVICE));
    for port in policy::CROWD {
        allow(&format!("udp,tp_dst={port}"));
    }
    for (source, port) in super::strangers(rules) {
        allow(&format!("tcp,nw_src={source},tp_dst={port}"));
    }
    text
}
