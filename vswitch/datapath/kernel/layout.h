/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What lies in the maps: `src/kernel/layout.rs` says the same. */
#pragma once
#include "kernel.h"

/* In a key's kind, above the protocol: which half the entry is of. */
enum { HALF_OUT = 1 << 8, HALF_IN = 1 << 9 };

/* A connection as its packets show it, and where they are met: the ifindex of a port's device on this
 * host, or the VNI that they come out of the tunnel with. Everything but `scope` and `kind` stands as
 * on the wire. */
struct key4 {
	u32 scope, source, destination, ports, kind;
};

struct key6 {
	u32 scope, source[4], destination[4], ports, kind;
};

enum {
	/* To the port of this host whose device is `target`. */
	TO_LOCAL = 1,
	/* To the host in slot `target`. */
	TO_TUNNEL = 2,
	/* Into the workload whose device is `target`; it came from the host in slot `origin`. */
	TO_WORKLOAD = 3,
};

enum {
	/* The packet takes a hop. */
	HOP = 1 << 0,
	/* The router's MAC becomes its source. */
	ROUTED = 1 << 1,
};

/* One half of a connection. */
struct flow {
	u64 packets, bytes;
	/* When its last packet passed, and how long it may be idle: nanoseconds of the monotonic clock. */
	u64 seen, limit;
	/* The generation that it was judged under, of the port in slot `port`. */
	u32 generation, port;
	u32 target, origin;
	/* As it stands in the VXLAN header: the upper 24 bits. */
	u32 vni;
	u16 mtu;
	/* The outer source port, as on the wire. */
	u16 entropy;
	u8 verdict, flags;
	/* The port's own MAC. */
	u8 own[6];
	/* Out: the next interface's. In: the source that was judged. */
	u8 other[6];
	u8 pad[2];
};

/* A port, by its slot. Nothing hits where the generations differ. */
struct port {
	u32 generation;
};

/* What a device of a port is connected to: the workload's side with the engine's, and back. */
struct device {
	u32 peer;
	/* Whether the device is the engine's side. */
	u32 engine;
};

/* Another host: how packets get there. */
struct host {
	/* 0: nobody knows. */
	u32 ifindex;
	u32 outer;
	struct neighbour next;
	u8 vtep[16];
	/* The outer headers behind Ethernet's, IP to VXLAN, with lengths and checksums of 0. */
	u8 header[56];
	/* The sum of IPv4's header. */
	u32 sum;
};

/* Counters, by number. */
enum {
	HITS_OUT,
	HITS_IN,
	UPCALLS_OUT,
	UPCALLS_IN,
	DROPS_ROOM,
	COUNTERS,
};
