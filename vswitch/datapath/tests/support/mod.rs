//! Namespaces, hosts and workloads for the tests that need a kernel.
#![allow(
    dead_code,
    unsafe_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr
)]

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket},
    os::fd::AsRawFd as _,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, mpsc},
    thread::JoinHandle,
};

use nix::{
    sched::{CloneFlags, unshare},
    unistd::{gettid, getuid},
};
use weft_datapath::{
    Datapath, DatapathOptions, Vtep,
    device::{Device, DeviceSpec, Place},
    kernel::{Kernel, KernelOptions, Wires},
    netns,
};
use weft_engine::{
    Config, Limits,
    config::{Tables, TablesOptions},
};
use weft_model::{
    AclAction, AclEntry, AclNumber, HostName, InterfaceId, Mac, Mtu, NetworkAclId, Peer, PortMatch,
    PortRange, Prefix, RouteTableId, RouteTarget, Rule, RuleId, SecurityGroupId, SubnetId, Vni,
    VpcId,
    state::{
        AclState, Delta, GroupState, Mapping, Port, RouteState, RouteTableState, State,
        SubnetState, Tunnel, VpcState,
    },
};

/// Set in the process that runs inside its own user namespace.
const INSIDE: &str = "WEFT_TEST_INSIDE";

/// Runs the test where namespaces can be made: here as root, else in a user namespace of its own.
/// Says why where neither is possible.
pub fn with_namespaces(name: &str, test: impl FnOnce()) {
    if getuid().is_root() {
        if let Err(reason) = Namespace::try_new() {
            return weft_tests::skip(&format!("no network namespace: {reason}"));
        }
        return test();
    }
    if std::env::var_os(INSIDE).is_some() {
        panic!("not root inside a user namespace");
    }
    if !can_unshare() {
        return weft_tests::skip("neither root nor user namespaces: unshare -Ur is refused");
    }
    let status = Command::new("unshare")
        .args(["-Ur", "-n", "--"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .unwrap();
    assert!(status.success(), "{name} failed in a user namespace");
}

fn can_unshare() -> bool {
    let mut command = Command::new("unshare");
    command.args(["-Ur", "-n", "--", "true"]);
    command.status().is_ok_and(|status| status.success())
}

/// A network namespace that lives as long as this value: a parked thread holds it.
pub struct Namespace {
    path: PathBuf,
    release: Option<mpsc::Sender<()>>,
    holder: Option<JoinHandle<()>>,
}

impl Namespace {
    pub fn new() -> Self {
        Self::try_new().unwrap()
    }

    fn try_new() -> Result<Self, nix::Error> {
        let (release, released) = mpsc::channel();
        let (tell, told) = mpsc::channel();
        let holder = std::thread::spawn(move || {
            let made = unshare(CloneFlags::CLONE_NEWNET).map(|()| gettid());
            tell.send(made).unwrap();
            // Until the other end is dropped.
            let _: Result<(), _> = released.recv();
        });
        let thread = told.recv().unwrap()?;
        let path = format!("/proc/{}/task/{thread}/ns/net", std::process::id());
        let namespace = Self {
            path: path.into(),
            release: Some(release),
            holder: Some(holder),
        };
        namespace.ip("link set lo up");
        Ok(namespace)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        netns::within(&self.path, work).unwrap()
    }

    /// A command inside; it must succeed.
    pub fn run(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.within(|| Command::new(program).args(arguments).output().unwrap());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{program} {arguments:?}: {text}{errors}"
        );
        text
    }

    pub fn ip(&self, arguments: &str) {
        self.run("ip", &arguments.split(' ').collect::<Vec<_>>());
    }

    /// Turns a device's transmit checksum offload off (as `ethtool -K DEVICE tx off`).
    pub fn complete_checksums(&self, device: &str) {
        #[repr(C)]
        struct Value {
            command: u32,
            data: u32,
        }
        const SET_TX_CHECKSUM: u32 = 0x17;
        const SIOCETHTOOL: libc::Ioctl = 0x8946;
        let socket = self.within(|| UdpSocket::bind("127.0.0.1:0").unwrap());
        let mut value = Value {
            command: SET_TX_CHECKSUM,
            data: 0,
        };
        // SAFETY: zero is a value of this type.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        for (to, from) in request.ifr_name.iter_mut().zip(device.bytes()) {
            *to = from as _;
        }
        request.ifr_ifru.ifru_data = (&raw mut value).cast();
        // SAFETY: the request names a device and points at the value that its command wants.
        let result = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL, &raw mut request) };
        assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    }

    pub fn thread(&self) -> &str {
        self.path.iter().nth(4).unwrap().to_str().unwrap()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        self.release = None;
        let _ = self.holder.take().unwrap().join();
    }
}

/// Two namespaces with a cable between them.
pub fn cable(a: (&Namespace, &str), b: (&Namespace, &str), mtu: u32) {
    a.0.ip(&format!(
        "link add u0 mtu {mtu} type veth peer name u0 mtu {mtu} netns {}",
        b.0.thread()
    ));
    for (namespace, address) in [a, b] {
        namespace.ip(&format!("addr add {address} dev u0 nodad"));
        namespace.ip("link set u0 up");
    }
}

pub const VNI: u32 = 4242;

pub fn vpc() -> VpcId {
    VpcId::from_bits(1)
}

pub fn group() -> SecurityGroupId {
    SecurityGroupId::from_bits(1)
}

/// An interface at 10.0.subnet.last and fd00:0:0:10subnet::last.
#[derive(Debug, Clone, Copy)]
pub struct Eni {
    pub host: usize,
    pub subnet: u8,
    pub last: u8,
}

impl Eni {
    pub fn id(&self) -> InterfaceId {
        InterfaceId::from_bits(u64::from(self.subnet) << 8 | u64::from(self.last))
    }

    pub fn mac(&self) -> Mac {
        Mac::local(self.id().bits())
    }

    pub fn ipv4(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, self.subnet, self.last)
    }

    pub fn ipv6(&self) -> Ipv6Addr {
        let subnet = 0x100 + u16::from(self.subnet);
        Ipv6Addr::new(0xfd00, 0, 0, subnet, 0, 0, 0, self.last.into())
    }

    fn subnet_id(&self) -> SubnetId {
        SubnetId::from_bits(self.subnet.into())
    }
}

fn host_name(host: usize) -> HostName {
    format!("h{host}").parse().unwrap()
}

fn everything(id: u64) -> Vec<Rule> {
    let rule = |n, prefix: &str| Rule {
        id: RuleId::from_bits(n),
        traffic: PortMatch::All,
        peer: Peer::Cidr(prefix.parse::<Prefix>().unwrap()),
        description: None,
    };
    vec![rule(id, "0.0.0.0/0"), rule(id + 1, "::/0")]
}

/// All but TCP port 9, from the members of the group itself: tracked, as real policies are.
fn from_group() -> Vec<Rule> {
    let rule = |n, traffic| Rule {
        id: RuleId::from_bits(n),
        traffic,
        peer: Peer::Group(group()),
        description: None,
    };
    let ports = |first, last| PortMatch::Tcp(PortRange::new(first, last).unwrap());
    let udp = PortMatch::Udp(PortRange::ALL);
    vec![
        rule(10, ports(0, 8)),
        rule(11, ports(10, u16::MAX)),
        rule(12, udp),
        rule(13, PortMatch::Icmp(None)),
        rule(14, PortMatch::Icmpv6(None)),
    ]
}

/// What a host holds of a VPC with these interfaces, on hosts with these VTEPs.
pub fn tables(host: usize, vteps: &[IpAddr], enis: &[Eni], mtu: u16) -> Tables {
    let mut tables = Tables::new(TablesOptions {
        host: host_name(host),
        vtep: vteps[host],
        mtu: Mtu::try_from(u32::from(mtu)).unwrap(),
    });
    let mut put = |state| tables.apply(Delta::Upsert(state)).unwrap();
    for (n, &vtep) in vteps.iter().enumerate() {
        let host = host_name(n);
        let zone = "a".parse().unwrap();
        put(State::Tunnel(Tunnel { host, vtep, zone }));
    }
    put(State::Vpc(VpcState {
        id: vpc(),
        vni: Vni::try_from(VNI).unwrap(),
        ipv4: vec!["10.0.0.0/16".parse().unwrap()],
        ipv6: vec!["fd00:0:0:100::/56".parse().unwrap()],
        region: "r1".parse().unwrap(),
        dns: Default::default(),
    }));
    put(State::Group(GroupState {
        id: group(),
        vpc: vpc(),
        ingress: from_group(),
        egress: everything(1),
        name: "group".parse().unwrap(),
    }));
    let local = |prefix: &str| RouteState {
        destination: prefix.parse().unwrap(),
        target: RouteTarget::Local,
    };
    put(State::RouteTable(RouteTableState {
        id: RouteTableId::from_bits(1),
        vpc: vpc(),
        routes: vec![local("10.0.0.0/16"), local("fd00:0:0:100::/56")],
    }));
    let all = Prefix::everywhere().map(|prefix| AclEntry {
        number: AclNumber::DEFAULT,
        action: AclAction::Allow,
        traffic: PortMatch::All,
        prefix,
    });
    put(State::Acl(AclState {
        id: NetworkAclId::from_bits(1),
        vpc: vpc(),
        ingress: all.to_vec(),
        egress: all.to_vec(),
    }));
    for subnet in [1u8, 2] {
        put(State::Subnet(SubnetState {
            zone: "a".parse().unwrap(),
            id: SubnetId::from_bits(subnet.into()),
            vpc: vpc(),
            ipv4: format!("10.0.{subnet}.0/24").parse().unwrap(),
            ipv6: Some(format!("fd00:0:0:10{subnet}::/64").parse().unwrap()),
            route_table: RouteTableId::from_bits(1),
            acl: NetworkAclId::from_bits(1),
        }));
    }
    for eni in enis {
        put(State::Mapping(mapping(eni)));
        if eni.host == host {
            put(State::Port(port(eni)));
        }
    }
    tables
}

fn mapping(eni: &Eni) -> Mapping {
    Mapping {
        interface: eni.id(),
        vpc: vpc(),
        subnet: eni.subnet_id(),
        host: host_name(eni.host),
        mac: eni.mac(),
        addresses: vec![eni.ipv4().into(), eni.ipv6().into()],
        groups: vec![group()],
        source_dest_check: true,
        dns_label: None,
    }
}

pub fn port(eni: &Eni) -> Port {
    Port {
        interface: eni.id(),
        vpc: vpc(),
        subnet: eni.subnet_id(),
        mac: eni.mac(),
        ipv4: eni.ipv4(),
        secondary_ipv4: vec![],
        ipv6: vec![eni.ipv6()],
        groups: vec![group()],
        source_dest_check: true,
        public: vec![],
        netns: "workload".parse().unwrap(),
        device: "eth0".parse().unwrap(),
        name: None,
        options: Default::default(),
    }
}

/// A datapath with its ports, in its own namespace.
pub struct Host {
    pub datapath: Datapath,
    pub config: Arc<Config>,
    pub devices: Vec<Device>,
    kernel: Option<Arc<Kernel>>,
}

impl Host {
    pub fn start(namespace: &Namespace, tables: &Tables, vtep: IpAddr, workers: usize) -> Self {
        Self::start_with(namespace, tables, vtep, workers, (None, Limits::default()))
    }

    /// With the kernel's datapath, on the device u0.
    pub fn start_kernel(
        namespace: &Namespace,
        tables: &Tables,
        address: IpAddr,
        workers: usize,
        limits: Limits,
    ) -> Self {
        let vtep = Vtep {
            address,
            port: 4789,
        };
        let options = KernelOptions {
            vtep,
            workers,
            flows: 1 << 10,
        };
        let load = || {
            let kernel = Kernel::load(&options).unwrap();
            kernel.attach_underlay("u0").unwrap();
            kernel
        };
        let kernel = Some(Arc::new(namespace.within(load)));
        Self::start_with(namespace, tables, address, workers, (kernel, limits))
    }

    pub fn kernel(&self) -> &Kernel {
        self.kernel.as_ref().unwrap()
    }

    fn start_with(
        namespace: &Namespace,
        tables: &Tables,
        vtep: IpAddr,
        workers: usize,
        (kernel, limits): (Option<Arc<Kernel>>, Limits),
    ) -> Self {
        let config = Arc::new(tables.config().clone());
        let options = DatapathOptions {
            vtep: Vtep {
                address: vtep,
                port: 4789,
            },
            workers,
            limits,
            seed: 1,
            kernel: kernel.clone(),
            busy_poll: 50,
        };
        let start = || Datapath::start(&options, Arc::clone(&config));
        Self {
            datapath: namespace.within(start).unwrap(),
            config,
            devices: vec![],
            kernel,
        }
    }

    /// Puts the interface's device in the namespace.
    pub fn plug(&mut self, eni: &Eni, workload: &Namespace) {
        let port = self.config.port_of(eni.id()).unwrap();
        let mut spec = DeviceSpec::new(port, Path::new("/"));
        spec.place = Place {
            netns: workload.path().to_owned(),
            device: "eth0".parse().unwrap(),
        };
        let device = Device::open(&spec).unwrap();
        self.datapath.attach(port.index, port.mac, &device).unwrap();
        device.up().unwrap();
        self.devices.push(device);
    }
}

impl Host {
    /// Joins the workload's namespace with a veth, and a TAP beside it.
    pub fn plug_kernel(&mut self, eni: &Eni, here: &Namespace, workload: &Namespace) {
        let port = self.config.port_of(eni.id()).unwrap();
        let (veth, tap) = (format!("wv{}", eni.last), format!("wt{}", eni.last));
        let (mac, mtu) = (eni.mac(), port.mtu.get());
        here.ip(&format!(
            "link add {veth} mtu {mtu} type veth peer name eth0 mtu {mtu} address {mac} netns {}",
            workload.thread()
        ));
        let mut spec = DeviceSpec::new(port, Path::new("/"));
        (spec.ipv4, spec.ipv6) = (vec![], vec![]);
        spec.place = Place {
            netns: here.path().to_owned(),
            device: tap.parse().unwrap(),
        };
        let device = Device::open(&spec).unwrap();
        for device in [&veth, &tap] {
            here.within(|| {
                let path = format!("/proc/sys/net/ipv6/conf/{device}/disable_ipv6");
                std::fs::write(path, "1").unwrap();
            });
            here.ip(&format!("link set {device} up"));
        }
        for setting in [
            format!("addr add {}/24 dev eth0", eni.ipv4()),
            format!("addr add {}/64 dev eth0 nodad", eni.ipv6()),
            "link set eth0 up".to_owned(),
            format!("route add default via {}", port.subnet.router4()),
            "route add default via fe80::857:45ff:fe46:5401 dev eth0".to_owned(),
        ] {
            workload.ip(&setting);
        }
        let wires = Wires {
            veth: &veth,
            tap: &tap,
        };
        here.within(|| self.kernel().attach_port(port.index, &wires).unwrap());
        self.datapath.attach(port.index, port.mac, &device).unwrap();
        self.devices.push(device);
    }
}

pub fn until(condition: impl Fn() -> bool) {
    until_within(10, condition);
}

/// Within this many seconds.
pub fn until_within(seconds: u64, mut condition: impl FnMut() -> bool) {
    let started = std::time::Instant::now();
    while !condition() {
        assert!(started.elapsed().as_secs() < seconds, "it never came true");
        std::thread::yield_now();
    }
}

pub fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}
