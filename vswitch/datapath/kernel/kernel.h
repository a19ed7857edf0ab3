/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What the programs need of the kernel's interface: no header but this and clang's own. */
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long s64;

#define SEC(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "big-endian machines have no kernel datapath yet"
#endif
#define be16(x) ((u16)__builtin_bswap16((u16)(x)))
#define be32(x) __builtin_bswap32(x)

/* struct __sk_buff of linux/bpf.h, as far as it is used. */
struct packet {
	u32 len, pkt_type, mark, queue_mapping, protocol, vlan_present, vlan_tci, vlan_proto;
	u32 priority, ingress_ifindex, ifindex, tc_index, cb[5], hash, tc_classid;
	u32 data, data_end, napi_id, family, remote_ip4, local_ip4, remote_ip6[4], local_ip6[4];
	u32 remote_port, local_port, data_meta;
	u64 flow_keys __attribute__((aligned(8)));
	u64 tstamp;
	u32 wire_len, gso_segs;
	u64 sk __attribute__((aligned(8)));
	u32 gso_size;
};

enum { PACKET_HOST = 0 };
enum { MAP_HASH = 1, MAP_ARRAY = 2, MAP_PERCPU_ARRAY = 6 };
enum { NO_PREALLOC = 1 };
/* Verdicts; the last never leaves the programs: the engine is to look. */
enum { PASS = -1, DROP = 2, UPCALL = -2 };
enum { AF_INET = 2, AF_INET6 = 10 };

/* bpf_skb_adjust_room: by the MAC header, segments keep their size. */
enum { ROOM_MAC = 1 };
enum {
	ROOM_FIXED_GSO = 1 << 0,
	ROOM_ENCAP_V4 = 1 << 1,
	ROOM_ENCAP_V6 = 1 << 2,
	ROOM_ENCAP_UDP = 1 << 4,
	ROOM_KEEP_CHECKSUM = 1 << 5,
	ROOM_ENCAP_ETHERNET = 1 << 6,
	ROOM_DECAP_V4 = 1 << 7,
	ROOM_DECAP_V6 = 1 << 8,
};
#define ROOM_INNER_L2(length) ((u64)(length) << 56)

/* bpf_csum_level: what was verified is one header less. */
enum { LEVEL_LESS = 2 };

struct neighbour {
	u32 family;
	u8 address[16];
};

static void *(*const bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*const bpf_redirect)(u32 ifindex, u64 flags) = (void *)23;
static long (*const bpf_skb_change_type)(void *skb, u32 type) = (void *)32;
static long (*const bpf_skb_pull_data)(void *skb, u32 len) = (void *)39;
static long (*const bpf_skb_adjust_room)(void *skb, int by, u32 mode, u64 flags) = (void *)50;
static s64 (*const bpf_csum_level)(void *skb, u64 change) = (void *)135;
static long (*const bpf_redirect_neigh)(u32 ifindex, void *to, int size, u64 flags) = (void *)152;
static long (*const bpf_redirect_peer)(u32 ifindex, u64 flags) = (void *)155;
static u64 (*const bpf_ktime_get_coarse_ns)(void) = (void *)160;

/* As libbpf lays map definitions out. */
#define UINT(name, value) int (*name)[value]
#define TYPE(name, type) type *name
