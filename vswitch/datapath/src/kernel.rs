//! The kernel datapath: connections that the engine has judged, carried on by eBPF programs.
//!
//! A port has a veth whose other end is in the workload's namespace, and beside it, in the vswitch's
//! own, a TAP that its worker serves as it would a port's TAP. What the workload sends is looked up
//! at its arrival at the veth; a packet of no known connection, or an odd one, is put into the TAP as
//! it came, and what the worker writes to the TAP is delivered to the workload. So the engine sees
//! what it always saw, and stays the only policy. What comes out of the tunnel is looked up on the
//! underlay's device, before the host's stack sees it; the rest goes to the workers.

mod carrier;
mod error;
mod hosts;
mod layout;
mod run;

use std::{
    collections::HashMap,
    net::IpAddr,
    os::fd::AsFd as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use aya::{
    Ebpf, EbpfLoader, include_bytes_aligned,
    maps::{Array, HashMap as BpfHash, Map, MapData, MapError, PerCpuArray},
    programs::{
        LinkOrder, ProgramError, SchedClassifier, TcAttachType,
        tc::{NlOptions, SchedClassifierLink, TcAttachOptions, TcHandle, qdisc_add_clsact},
    },
};
use weft_engine::{Config, PortIndex};
use weft_model::Mac;

pub use self::error::KernelError;
pub use self::{
    carrier::Carrier,
    run::{Fault, Program, Ran},
};
use self::{
    carrier::Tables,
    hosts::{Hosts, Scout},
    layout::{DevicePeer, octets},
};
use crate::Vtep;

/// The compiled programs; empty where there was no clang.
static OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/weft.bpf.o"));
/// Why they are not there.
const MISSING: &str = include_str!(concat!(env!("OUT_DIR"), "/weft.bpf.missing"));

/// Slots of ports: as many as a host has devices for.
const MOST_PORTS: u32 = 1 << 16;
/// Slots of other hosts; what is sent to one beyond goes through the engine.
const MOST_HOSTS: u32 = 1 << 13;

/// Where the program that drops stands, so that there is one of it.
const CLOSED: NlOptions = NlOptions {
    priority: 1,
    handle: TcHandle::new(0, 1),
    classid: None,
};

/// How the kernel datapath is to be.
#[derive(Debug, Clone, Copy)]
pub struct KernelOptions {
    /// Where this host's tunnel is.
    pub vtep: Vtep,
    /// Worker threads, as [`crate::DatapathOptions::workers`].
    pub workers: usize,
    /// The most halves of connections that are kept in the kernel, of each family: beyond it packets
    /// go through the engine. Memory follows use.
    pub flows: u32,
}

/// The two devices of a port that are in the vswitch's own namespace. Neither may have addresses or
/// speak IPv6 by itself: what the host's kernel says on them would reach the workload.
#[derive(Debug, Clone, Copy)]
pub struct Wires<'a> {
    /// The host's end of the workload's veth.
    pub veth: &'a str,
    /// The TAP that the worker serves.
    pub tap: &'a str,
}

/// The loaded programs and maps. Dropping it detaches the programs.
pub struct Kernel {
    state: Mutex<State>,
    hosts: Arc<Mutex<Hosts>>,
    scout: Scout,
    /// The host's end of each port's veth.
    wired: RwLock<HashMap<PortIndex, u32>>,
}

struct State {
    programs: Ebpf,
    devices: BpfHash<MapData, u32, DevicePeer>,
    ports: HashMap<PortIndex, Wired>,
    underlay: HashMap<String, SchedClassifierLink>,
    upcalls: Array<MapData, u32>,
    counters: PerCpuArray<MapData, u64>,
    generations: Array<MapData, u32>,
    /// By slot: what the last configuration says, and what was written.
    wanted: Vec<u32>,
    written: Vec<u32>,
    /// The workers whose traffic somebody looks at, one bit each.
    watched: u64,
}

/// What the programs counted since they were loaded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KernelCounters {
    /// Packets out of ports that they carried on.
    pub out: u64,
    /// Packets out of the tunnel that they delivered.
    pub into: u64,
    /// Packets that ports sent and the engine got.
    pub upcalls_out: u64,
    /// Packets out of the tunnel that the engine got.
    pub upcalls_in: u64,
    /// Packets that found no room for their headers.
    pub no_room: u64,
}

/// A port's programs, attached.
struct Wired {
    veth: u32,
    tap: u32,
    _links: [SchedClassifierLink; 2],
}

/// Whether the kernel datapath can be had here: loads it and lets it go.
///
/// # Errors
/// What is missing, and what to do.
pub fn probe() -> Result<(), KernelError> {
    let vtep = Vtep {
        address: IpAddr::from([0, 0, 0, 0]),
        port: 4789,
    };
    let options = KernelOptions {
        vtep,
        workers: 1,
        flows: 1,
    };
    Kernel::load(&options).map(drop)
}

impl Kernel {
    /// Loads the programs; nothing passes them before something is attached.
    ///
    /// # Errors
    /// They weren't built, or this kernel or user can't have them.
    pub fn load(options: &KernelOptions) -> Result<Self, KernelError> {
        Self::load_with(options, Fault::None)
    }

    /// The same with a fault, which tests must find.
    ///
    /// # Errors
    /// As [`Kernel::load`].
    pub fn load_with(options: &KernelOptions, fault: Fault) -> Result<Self, KernelError> {
        if OBJECT.is_empty() {
            return Err(KernelError::NotBuilt(MISSING));
        }
        let mut programs = open(options, fault)?;
        for name in ["closed", "from_port", "from_engine", "from_underlay"] {
            let program = classifier(&mut programs, name)?;
            let loaded = program.load();
            loaded.map_err(|error| KernelError::program(name, error))?;
        }
        let hosts = Hosts::new(options.vtep, take(&mut programs, "hosts")?);
        let hosts = Arc::new(Mutex::new(hosts));
        let state = State {
            devices: take(&mut programs, "devices")?,
            upcalls: take(&mut programs, "upcalls")?,
            counters: take(&mut programs, "counters")?,
            generations: take(&mut programs, "ports")?,
            ports: HashMap::new(),
            underlay: HashMap::new(),
            wanted: Vec::new(),
            written: Vec::new(),
            watched: 0,
            programs,
        };
        Ok(Self {
            state: Mutex::new(state),
            scout: Scout::start(&hosts).map_err(KernelError::Thread)?,
            hosts,
            wired: RwLock::default(),
        })
    }

    /// Takes a newer configuration: what was compiled under another generation of its port goes
    /// through the engine from now on, and what is sent to a host goes where it is now.
    ///
    /// # Errors
    /// A map can't be written.
    pub fn configure(&self, config: &Config) -> Result<(), KernelError> {
        if self.hosts().set(config.tunnels().slots()) {
            self.scout.hurry();
        }
        let mut state = self.state();
        state.wanted.fill(0);
        for (port, _) in config.ports() {
            let view = config.view(port).filter(|view| view.is_compiled());
            let slot = port.slot();
            if slot >= state.wanted.len() {
                state.wanted.resize(slot + 1, 0);
            }
            state.wanted[slot] = view.map_or(0, |view| view.generation());
        }
        state.write_generations()
    }

    /// Whether somebody looks at a worker's traffic. While anybody does, all of it goes through the
    /// engine.
    pub(crate) fn watch(&self, worker: usize, watched: bool) {
        let mut state = self.state();
        let bit = 1 << worker;
        state.watched = state.watched & !bit | if watched { bit } else { 0 };
        if let Err(error) = state.write_generations() {
            tracing::warn!(%error, "what is watched may go unseen");
        }
    }

    /// What the programs counted.
    ///
    /// # Errors
    /// The map can't be read.
    pub fn counters(&self) -> Result<KernelCounters, KernelError> {
        let state = self.state();
        let sum = |index| {
            let values = state.counters.get(&index, 0);
            let values = values.map_err(KernelError::map("counters"))?;
            Ok::<u64, KernelError>(values.iter().sum())
        };
        Ok(KernelCounters {
            out: sum(0)?,
            into: sum(1)?,
            upcalls_out: sum(2)?,
            upcalls_in: sum(3)?,
            no_room: sum(4)?,
        })
    }

    /// Ports that the programs are attached to.
    pub fn ports(&self) -> usize {
        self.state().ports.len()
    }

    /// Gives a worker what comes out of the tunnel and isn't known, by this device.
    pub(crate) fn set_upcall(&self, worker: usize, device: &str) -> Result<(), KernelError> {
        let index = index_of(device)?;
        let set = self.state().upcalls.set(worker as u32, index, 0);
        set.map_err(KernelError::map("upcalls"))
    }

    /// Another handle on the tables of flows.
    fn tables(&self) -> Result<Tables, KernelError> {
        let state = self.state();
        Ok(Tables {
            flows4: another(&state.programs, "flows4")?,
            flows6: another(&state.programs, "flows6")?,
        })
    }

    /// The host's end of the port's veth, once it is attached.
    fn device_of(&self, port: PortIndex) -> Option<u32> {
        let wired = self.wired.read().unwrap_or_else(PoisonError::into_inner);
        wired.get(&port).copied()
    }

    /// Lets packets pass between the port's two devices. Both are there, and up or down.
    ///
    /// # Errors
    /// A device is missing, or the programs can't be attached to it.
    pub fn attach_port(&self, port: PortIndex, wires: &Wires<'_>) -> Result<(), KernelError> {
        let mut state = self.state();
        let (veth, tap) = (index_of(wires.veth)?, index_of(wires.tap)?);
        state.close(wires.veth)?;
        state.connect(veth, tap, false)?;
        state.connect(tap, veth, true)?;
        let links = [
            state.attach("from_port", wires.veth)?,
            state.attach("from_engine", wires.tap)?,
        ];
        let wired = Wired {
            veth,
            tap,
            _links: links,
        };
        state.ports.insert(port, wired);
        self.wired_mut(|all| all.insert(port, veth));
        Ok(())
    }

    /// Lets nothing pass any more.
    pub fn detach_port(&self, port: PortIndex) {
        self.wired_mut(|all| all.remove(&port));
        let mut state = self.state();
        if let Some(wired) = state.ports.remove(&port) {
            // What is gone already is as good.
            let _ = state.devices.remove(&wired.veth);
            let _ = state.devices.remove(&wired.tap);
        }
    }

    /// Looks at what comes to this device of the underlay.
    ///
    /// # Errors
    /// It is missing, or the program can't be attached to it.
    pub fn attach_underlay(&self, device: &str) -> Result<(), KernelError> {
        let mut state = self.state();
        index_of(device)?;
        let link = state.attach("from_underlay", device)?;
        state.underlay.insert(device.to_owned(), link);
        Ok(())
    }

    fn hosts(&self) -> MutexGuard<'_, Hosts> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wired_mut(&self, change: impl FnOnce(&mut HashMap<PortIndex, u32>) -> Option<u32>) {
        let mut wired = self.wired.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut wired);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each step leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn write_generations(&mut self) -> Result<(), KernelError> {
        self.written.resize(self.wanted.len(), 0);
        for slot in 0..self.wanted.len().min(MOST_PORTS as usize) {
            let wanted = match self.watched {
                0 => self.wanted[slot],
                _ => 0,
            };
            if self.written[slot] != wanted {
                let set = self.generations.set(slot as u32, wanted, 0);
                set.map_err(KernelError::map("ports"))?;
                self.written[slot] = wanted;
            }
        }
        Ok(())
    }

    fn connect(&mut self, from: u32, peer: u32, engine: bool) -> Result<(), KernelError> {
        let entry = DevicePeer {
            peer,
            engine: engine.into(),
        };
        let set = self.devices.insert(from, entry, 0);
        set.map_err(KernelError::map("devices"))
    }

    /// Keeps what the device brings from the host's stack for as long as it exists, whatever becomes of
    /// this process. The other programs are asked first.
    fn close(&mut self, device: &str) -> Result<(), KernelError> {
        let refused = |error: ProgramError| KernelError::attach(device, error);
        match qdisc_add_clsact(device) {
            Err(error) if !error::is_there(&error) => return Err(refused(error.into())),
            _ => {}
        }
        let program = classifier(&mut self.programs, "closed")?;
        let options = TcAttachOptions::Netlink(CLOSED);
        match program.attach_with_options(device, TcAttachType::Ingress, options) {
            Ok(id) => std::mem::forget(program.take_link(id).map_err(refused)?),
            Err(error) if error::is_there(&error) => {}
            Err(error) => return Err(refused(error)),
        }
        Ok(())
    }

    fn attach(
        &mut self,
        program: &'static str,
        device: &str,
    ) -> Result<SchedClassifierLink, KernelError> {
        let program = classifier(&mut self.programs, program)?;
        let options = TcAttachOptions::TcxOrder(LinkOrder::default());
        let attached = program.attach_with_options(device, TcAttachType::Ingress, options);
        let link = attached.and_then(|id| program.take_link(id));
        link.map_err(|error| KernelError::attach(device, error))
    }
}

/// Makes the maps and readies the programs.
fn open(options: &KernelOptions, fault: Fault) -> Result<Ebpf, KernelError> {
    let Vtep { address, port } = options.vtep;
    let vtep = octets(address);
    let is_v6 = u32::from(address.is_ipv6());
    let port = u32::from(port.to_be());
    let workers = options.workers.max(1) as u32;
    let mut router = [0; 8];
    router[..6].copy_from_slice(&Mac::ROUTER.octets());
    let fault = fault as u32;
    EbpfLoader::new()
        .override_global("fault", &fault, true)
        .override_global("vtep", &vtep, true)
        .override_global("vtep_is_v6", &is_v6, true)
        .override_global("vxlan_port", &port, true)
        .override_global("workers", &workers, true)
        .override_global("router", &router, true)
        .map_max_entries("flows4", options.flows.max(1))
        .map_max_entries("flows6", options.flows.max(1))
        .map_max_entries("ports", MOST_PORTS)
        .map_max_entries("devices", 2 * MOST_PORTS)
        .map_max_entries("hosts", MOST_HOSTS)
        .load(OBJECT)
        .map_err(KernelError::load)
}

fn classifier<'a>(
    programs: &'a mut Ebpf,
    name: &'static str,
) -> Result<&'a mut SchedClassifier, KernelError> {
    let program = programs.program_mut(name);
    let program = program.and_then(|program| program.try_into().ok());
    program.ok_or(KernelError::Lacks(name))
}

/// Another handle on a map.
fn another<T: TryFrom<Map, Error = MapError>>(
    programs: &Ebpf,
    name: &'static str,
) -> Result<T, KernelError> {
    let map = programs.map(name).ok_or(KernelError::Lacks(name))?;
    let Map::HashMap(data) = map else {
        return Err(KernelError::Lacks(name));
    };
    let fd = data.fd().as_fd().try_clone_to_owned();
    let data = MapData::from_fd(fd.map_err(KernelError::Thread)?);
    let map = data.and_then(Map::from_map_data);
    map.and_then(T::try_from).map_err(KernelError::map(name))
}

fn take<T: TryFrom<Map, Error = MapError>>(
    programs: &mut Ebpf,
    name: &'static str,
) -> Result<T, KernelError> {
    let map = programs.take_map(name).ok_or(KernelError::Lacks(name))?;
    T::try_from(map).map_err(KernelError::map(name))
}

fn index_of(device: &str) -> Result<u32, KernelError> {
    nix::net::if_::if_nametoindex(device).map_err(|_| KernelError::NoDevice(device.to_owned()))
}
