/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The maps. The loader sets their sizes. */
#pragma once
#include "layout.h"

struct {
	UINT(type, MAP_HASH);
	UINT(map_flags, NO_PREALLOC);
	UINT(max_entries, 1);
	TYPE(key, struct key4);
	TYPE(value, struct flow);
} flows4 SEC(".maps");

struct {
	UINT(type, MAP_HASH);
	UINT(map_flags, NO_PREALLOC);
	UINT(max_entries, 1);
	TYPE(key, struct key6);
	TYPE(value, struct flow);
} flows6 SEC(".maps");

struct {
	UINT(type, MAP_ARRAY);
	UINT(max_entries, 1);
	TYPE(key, u32);
	TYPE(value, struct port);
} ports SEC(".maps");

struct {
	UINT(type, MAP_HASH);
	UINT(map_flags, NO_PREALLOC);
	UINT(max_entries, 1);
	TYPE(key, u32);
	TYPE(value, struct device);
} devices SEC(".maps");

struct {
	UINT(type, MAP_ARRAY);
	UINT(max_entries, 1);
	TYPE(key, u32);
	TYPE(value, struct host);
} hosts SEC(".maps");

/* The device by which each worker gets what came out of the tunnel and isn't known here. */
struct {
	UINT(type, MAP_ARRAY);
	UINT(max_entries, 64);
	TYPE(key, u32);
	TYPE(value, u32);
} upcalls SEC(".maps");

struct {
	UINT(type, MAP_PERCPU_ARRAY);
	UINT(max_entries, COUNTERS);
	TYPE(key, u32);
	TYPE(value, u64);
} counters SEC(".maps");

/* Set by the loader: where this host's tunnel is, its port as on the wire, how many workers. */
volatile const u8 vtep[16] __attribute__((aligned(8))) = {};
volatile const u32 vtep_is_v6 = 0;
volatile const u32 vxlan_port = 0;
volatile const u32 workers = 1;
/* Which fault the programs are to have; 0, or they are those of a test. */
volatile const u32 fault = 0;
/* The router's MAC, everywhere. */
volatile const u8 router[8] __attribute__((aligned(8))) = {};

enum {
	TTL_MISSED = 1,
	SUM_MISSED,
	MAC_MISSED,
	FLAGS_MISSED,
	MTU_MISSED,
	PIECES_MISSED,
	ROUTER_MISSED,
	LENGTH_MISSED,
};

INLINE void count(u32 which)
{
	u64 *counter = bpf_map_lookup_elem(&counters, &which);

	if (counter)
		(*counter)++;
}
