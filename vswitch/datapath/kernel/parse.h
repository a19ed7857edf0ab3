/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Headers, and what of them makes a packet plain enough to be handled here. */
#pragma once
#include "maps.h"

#define ETHERTYPE_V4 be16(0x0800)
#define ETHERTYPE_V6 be16(0x86dd)
enum { TCP = 6, UDP = 17 };
enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4 };
enum { VXLAN_PLAIN = 0x08 };

struct ethernet {
	u8 destination[6], source[6];
	u16 type;
} __attribute__((packed));

struct ipv4 {
	u8 version_length, service;
	u16 length, id, fragment;
	u8 ttl, protocol;
	u16 sum;
	u32 source, destination;
} __attribute__((packed));

struct ipv6 {
	u32 version;
	u16 length;
	u8 protocol, ttl;
	u32 source[4], destination[4];
} __attribute__((packed));

struct tcp {
	u32 ports, sequence, acknowledged;
	u8 offset, flags;
	u16 window, sum, urgent;
} __attribute__((packed));

struct udp {
	u16 source, destination, length, sum;
} __attribute__((packed));

struct vxlan {
	u32 flags, vni;
} __attribute__((packed));

#define L3_SIZE(v6) ((v6) ? sizeof(struct ipv6) : sizeof(struct ipv4))

INLINE void *start(const struct packet *skb)
{
	return (void *)(unsigned long)skb->data;
}

INLINE void *end(const struct packet *skb)
{
	return (void *)(unsigned long)skb->data_end;
}

/* Makes the first bytes readable; they may lie in pages still. */
INLINE int has(struct packet *skb, u32 bytes)
{
	if (likely(start(skb) + bytes <= end(skb)))
		return 1;
	if (skb->len < bytes || bpf_skb_pull_data(skb, bytes))
		return 0;
	return start(skb) + bytes <= end(skb);
}

/* What the two halves look at in an IP packet. */
struct facts {
	/* Of layer 3, on the wire. */
	u32 length;
	/* Of the headers from layer 3 on. */
	u32 headers;
	u8 ttl;
};

/* Whether the packet at `at`, whose Ethernet header lies before it, is a plain one of TCP or UDP in
 * mid-stream. `key` is filled but for scope and half. */
INLINE int read4(struct packet *skb, u32 at, struct key4 *key, struct facts *facts)
{
	if (!has(skb, at + sizeof(struct ipv4) + sizeof(struct udp)))
		return 0;
	struct ipv4 *ip = start(skb) + at;
	if ((void *)(ip + 1) + sizeof(struct udp) > end(skb))
		return 0;
	facts->length = be16(ip->length);
	if (ip->version_length != 0x45 || facts->length != skb->len - at)
		return 0;
	if (ip->fragment & be16(0x3fff) && fault != PIECES_MISSED)
		return 0;
	facts->ttl = ip->ttl;
	key->source = ip->source;
	key->destination = ip->destination;
	key->kind = ip->protocol;
	key->ports = *(u32 *)(ip + 1);
	return 1;
}

INLINE int read6(struct packet *skb, u32 at, struct key6 *key, struct facts *facts)
{
	if (!has(skb, at + sizeof(struct ipv6) + sizeof(struct udp)))
		return 0;
	struct ipv6 *ip = start(skb) + at;
	if ((void *)(ip + 1) + sizeof(struct udp) > end(skb))
		return 0;
	facts->length = be16(ip->length) + sizeof(*ip);
	if ((*(u8 *)ip >> 4) != 6 || facts->length != skb->len - at)
		return 0;
	facts->ttl = ip->ttl;
	__builtin_memcpy(key->source, ip->source, 16);
	__builtin_memcpy(key->destination, ip->destination, 16);
	key->kind = ip->protocol;
	key->ports = *(u32 *)(ip + 1);
	return 1;
}

/* What begins or ends a TCP connection is the engine's to see. */
INLINE int is_midstream(struct packet *skb, u32 l4, u32 protocol, struct facts *facts)
{
	u32 size;

	if (likely(protocol == TCP)) {
		if (!has(skb, l4 + sizeof(struct tcp)))
			return 0;
		struct tcp *tcp = start(skb) + l4;
		if ((void *)(tcp + 1) > end(skb))
			return 0;
		size = (tcp->offset >> 4) * 4;
		if (size < sizeof(*tcp))
			return 0;
		if (tcp->flags & (TCP_FIN | TCP_SYN | TCP_RST) && fault != FLAGS_MISSED)
			return 0;
	} else if (protocol == UDP) {
		struct udp *udp = start(skb) + l4;
		if ((void *)(udp + 1) > end(skb))
			return 0;
		if (be16(udp->length) != skb->len - l4)
			return 0;
		size = sizeof(*udp);
	} else {
		return 0;
	}
	if (l4 + size > skb->len)
		return 0;
	facts->headers += size;
	return 1;
}
