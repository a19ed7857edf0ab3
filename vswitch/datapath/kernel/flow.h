/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Looking a packet's flow up. */
#pragma once
#include "parse.h"

union key {
	struct key4 v4;
	struct key6 v6;
};

/* Reads the packet at `at` into its key; 0 where the engine has to look at it. */
INLINE int read(struct packet *skb, u32 at, union key *key, struct facts *facts, int v6)
{
	facts->headers = L3_SIZE(v6);
	int plain = v6 ? read6(skb, at, &key->v6, facts) : read4(skb, at, &key->v4, facts);
	u32 protocol = v6 ? key->v6.kind : key->v4.kind;

	return plain && is_midstream(skb, at + L3_SIZE(v6), protocol, facts);
}

/* The half's entry, while it is current; the key tells its protocol by then. */
INLINE struct flow *find(union key *key, u32 scope, u32 half, u64 now, int v6)
{
	struct flow *flow;

	if (v6) {
		key->v6.scope = scope;
		key->v6.kind = (key->v6.kind & 0xff) | half;
		flow = bpf_map_lookup_elem(&flows6, &key->v6);
	} else {
		key->v4.scope = scope;
		key->v4.kind = (key->v4.kind & 0xff) | half;
		flow = bpf_map_lookup_elem(&flows4, &key->v4);
	}
	if (!flow)
		return 0;
	u32 slot = flow->port;
	struct port *port = bpf_map_lookup_elem(&ports, &slot);
	if (!port || port->generation != flow->generation)
		return 0;
	if ((s64)(now - flow->seen) > (s64)flow->limit)
		return 0;
	return flow;
}

INLINE void tally(struct flow *flow, u32 bytes, u64 now)
{
	__sync_fetch_and_add(&flow->packets, 1);
	__sync_fetch_and_add(&flow->bytes, bytes);
	flow->seen = now;
}

struct mac {
	u32 front;
	u16 back;
};

INLINE struct mac mac(const volatile u8 *at)
{
	struct mac mac = { *(const volatile u32 *)at, *(const volatile u16 *)(at + 4) };

	return mac;
}

INLINE int same(struct mac a, struct mac b)
{
	return a.front == b.front && a.back == b.back;
}

INLINE void put(u8 *to, struct mac mac)
{
	*(u32 *)to = mac.front;
	*(u16 *)(to + 4) = mac.back;
}

/* The source MAC that the flow's packets leave with. */
INLINE struct mac source_of(struct flow *flow)
{
	return flow->flags & ROUTED && fault != ROUTER_MISSED ? mac(router) : mac(flow->own);
}
