/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Connections that the engine has judged, carried on in the kernel. What isn't known here, or isn't
 * plain, goes to the engine as it came and comes back by the same device. */
#include "flow.h"

enum { VXLAN_SIZE = sizeof(struct udp) + sizeof(struct vxlan) };
#define OUTER_SIZE(v6) (L3_SIZE(v6) + VXLAN_SIZE)
/* What the tunnel puts between the outer Ethernet header and the inner packet. */
#define TUNNEL_SIZE(v6) (OUTER_SIZE(v6) + sizeof(struct ethernet))

INLINE int to_engine(struct packet *skb)
{
	u32 ifindex = skb->ifindex;
	struct device *device = bpf_map_lookup_elem(&devices, &ifindex);

	if (!device)
		return DROP;
	count(UPCALLS_OUT);
	return bpf_redirect(device->peer, 0);
}

/* Into the workload's namespace, as if its device had received it. */
INLINE int deliver(struct packet *skb, u32 ifindex)
{
	if (skb->pkt_type != PACKET_HOST)
		bpf_skb_change_type(skb, PACKET_HOST);
	return bpf_redirect_peer(ifindex, 0);
}

/* Sets the MACs and takes the hop of the inner packet, at `at`. */
INLINE int route(struct packet *skb, u32 at, struct flow *flow, int v6)
{
	struct ethernet *ethernet = start(skb) + at;

	if ((void *)(ethernet + 1) + L3_SIZE(v6) > end(skb))
		return 0;
	put(ethernet->destination, mac(flow->other));
	put(ethernet->source, source_of(flow));
	ethernet->type = v6 ? ETHERTYPE_V6 : ETHERTYPE_V4;
	if (!(flow->flags & HOP))
		return 1;
	if (v6) {
		struct ipv6 *ip = (void *)(ethernet + 1);
		ip->ttl--;
	} else {
		struct ipv4 *ip = (void *)(ethernet + 1);
		/* RFC 1624 equation 3, where a word falls by 0x100. */
		u32 sum = (u32)ip->sum + be16(0x100);
		if (fault != SUM_MISSED)
			ip->sum = sum + (sum >= 0xffff);
		ip->ttl--;
	}
	return 1;
}

/* Writes the outer headers; the frame has room for them already. */
INLINE int wrap(struct packet *skb, struct flow *flow, struct host *host, int outer6)
{
	u32 length = skb->len - sizeof(struct ethernet) - (fault == LENGTH_MISSED);
	struct ethernet *ethernet = start(skb);

	if ((void *)(ethernet + 1) + OUTER_SIZE(outer6) > end(skb))
		return 0;
	ethernet->type = outer6 ? ETHERTYPE_V6 : ETHERTYPE_V4;
	__builtin_memcpy(ethernet + 1, host->header, OUTER_SIZE(outer6));
	struct udp *udp;
	if (outer6) {
		struct ipv6 *ip = (void *)(ethernet + 1);
		length -= sizeof(*ip);
		ip->length = be16(length);
		udp = (void *)(ip + 1);
	} else {
		struct ipv4 *ip = (void *)(ethernet + 1);
		ip->length = be16(length);
		u32 sum = host->sum + ip->length;
		sum = (sum & 0xffff) + (sum >> 16);
		ip->sum = ~(sum + (sum >> 16));
		length -= sizeof(*ip);
		udp = (void *)(ip + 1);
	}
	udp->source = flow->entropy;
	udp->length = be16(length);
	struct vxlan *vxlan = (void *)(udp + 1);
	vxlan->vni = flow->vni;
	return 1;
}

INLINE int encapsulate(struct packet *skb, struct flow *flow, struct host *host, int v6, int outer6)
{
	u64 flags = ROOM_FIXED_GSO | ROOM_ENCAP_UDP | ROOM_ENCAP_ETHERNET
		| ROOM_INNER_L2(sizeof(struct ethernet)) | (outer6 ? ROOM_ENCAP_V6 : ROOM_ENCAP_V4);

	if (bpf_skb_adjust_room(skb, TUNNEL_SIZE(outer6), ROOM_MAC, flags))
		return UPCALL;
	if (!route(skb, sizeof(struct ethernet) + OUTER_SIZE(outer6), flow, v6)
	    || !wrap(skb, flow, host, outer6)) {
		count(DROPS_ROOM);
		return DROP;
	}
	return bpf_redirect_neigh(host->ifindex, &host->next, sizeof(host->next), 0);
}

INLINE int fits(struct packet *skb, struct flow *flow, struct facts *facts)
{
	u32 size = skb->gso_size;

	return (size ? facts->headers + size : facts->length) <= flow->mtu || fault == MTU_MISSED;
}

/* To a port of this host: the packet passes the other port's half too. */
INLINE int hand_over(struct packet *skb, union key *key, struct flow *flow, u64 now, int v6)
{
	struct flow *there = find(key, flow->target, HALF_IN, now, v6);
	u32 bytes = skb->len;

	if (!there || !same(mac(there->other), source_of(flow)))
		return UPCALL;
	if (!route(skb, 0, flow, v6))
		return UPCALL;
	tally(flow, bytes, now);
	tally(there, bytes, now);
	return deliver(skb, there->target);
}

INLINE int send(struct packet *skb, int v6)
{
	struct facts facts;
	union key key;

	if (skb->vlan_present || !read(skb, sizeof(struct ethernet), &key, &facts, v6))
		return UPCALL;
	u64 now = bpf_ktime_get_coarse_ns();
	struct flow *flow = find(&key, skb->ifindex, HALF_OUT, now, v6);
	if (!flow || !fits(skb, flow, &facts) || (flow->flags & HOP && facts.ttl <= 1 && fault != TTL_MISSED))
		return UPCALL;
	struct ethernet *ethernet = start(skb);
	if ((void *)(ethernet + 1) > end(skb))
		return UPCALL;
	if (ethernet->destination[0] & 1)
		return UPCALL;
	if (!same(mac(ethernet->source), mac(flow->own)) && fault != MAC_MISSED)
		return UPCALL;
	if (flow->verdict == TO_LOCAL)
		return hand_over(skb, &key, flow, now, v6);
	u32 slot = flow->target, bytes = skb->len;
	struct host *host = bpf_map_lookup_elem(&hosts, &slot);
	if (!host || !host->ifindex)
		return UPCALL;
	int verdict = host->outer == AF_INET6 ? encapsulate(skb, flow, host, v6, 1)
					      : encapsulate(skb, flow, host, v6, 0);
	if (verdict != UPCALL)
		tally(flow, bytes, now);
	return verdict;
}

/* What a workload sent. */
SEC("classifier/from_port")
int from_port(struct packet *skb)
{
	int verdict = UPCALL;

	if (likely(skb->protocol == ETHERTYPE_V4))
		verdict = send(skb, 0);
	else if (skb->protocol == ETHERTYPE_V6)
		verdict = send(skb, 1);
	if (unlikely(verdict == UPCALL))
		return to_engine(skb);
	count(HITS_OUT);
	return verdict;
}

/* What a workload sent while nothing runs: the host's own stack is not to have it. */
SEC("classifier/closed")
int closed(struct packet *skb)
{
	(void)skb;
	return DROP;
}

/* What the engine wrote for a workload. */
SEC("classifier/from_engine")
int from_engine(struct packet *skb)
{
	u32 ifindex = skb->ifindex;
	struct device *device = bpf_map_lookup_elem(&devices, &ifindex);

	return device ? deliver(skb, device->peer) : DROP;
}

/* To the worker that owns the port behind the inner destination MAC, whose frame begins at `at`. */
INLINE int to_worker(struct packet *skb, u32 at)
{
	struct ethernet *inner = start(skb) + at;
	u32 worker = (void *)(inner + 1) <= end(skb) ? inner->destination[5] % workers : 0;
	u32 *ifindex = bpf_map_lookup_elem(&upcalls, &worker);

	if (!ifindex || !*ifindex)
		return PASS;
	count(UPCALLS_IN);
	return bpf_redirect(*ifindex, 0);
}

INLINE int same_address(const u32 *a, const u32 *b, int v6)
{
	return a[0] == b[0] && (!v6 || (a[1] == b[1] && a[2] == b[2] && a[3] == b[3]));
}

/* The inner frame, which begins at `at`, came from the outer source `from`; `vni` as in the header. */
INLINE int receive(struct packet *skb, u32 at, u32 vni, const u32 *from, int v6, int outer6)
{
	struct facts facts;
	union key key;

	if (!read(skb, at + sizeof(struct ethernet), &key, &facts, v6))
		return UPCALL;
	u64 now = bpf_ktime_get_coarse_ns();
	struct flow *flow = find(&key, be32(vni) >> 8, HALF_IN, now, v6);
	/* UDP's segments can't lose what marks them as a tunnel's. */
	if (!flow || (skb->gso_size && ((v6 ? key.v6.kind : key.v4.kind) & 0xff) == UDP))
		return UPCALL;
	u32 slot = flow->origin;
	struct host *host = bpf_map_lookup_elem(&hosts, &slot);
	struct ethernet *inner = start(skb) + at;
	if (!host || (void *)(inner + 1) > end(skb))
		return UPCALL;
	if (host->outer != (outer6 ? AF_INET6 : AF_INET)
	    || !same_address(from, (u32 *)host->vtep, outer6))
		return UPCALL;
	if (!same(mac(inner->destination), mac(flow->own)) || !same(mac(inner->source), mac(flow->other)))
		return UPCALL;
	u64 flags = ROOM_FIXED_GSO | ROOM_KEEP_CHECKSUM | (v6 ? ROOM_DECAP_V6 : ROOM_DECAP_V4);
	u32 bytes = skb->len - at;
	if (bpf_skb_adjust_room(skb, -(int)TUNNEL_SIZE(outer6), ROOM_MAC, flags))
		return UPCALL;
	/* What a NIC verified of the outer header says nothing of the inner one. */
	bpf_csum_level(skb, LEVEL_LESS);
	struct ethernet *ethernet = start(skb);
	if ((void *)(ethernet + 1) > end(skb))
		return DROP;
	put(ethernet->destination, mac(flow->own));
	put(ethernet->source, mac(flow->other));
	ethernet->type = v6 ? ETHERTYPE_V6 : ETHERTYPE_V4;
	tally(flow, bytes, now);
	count(HITS_IN);
	return deliver(skb, flow->target);
}

/* A packet of the underlay, which may be for this host's tunnel. */
INLINE int unwrap(struct packet *skb, int outer6)
{
	u32 udp_at = sizeof(struct ethernet) + L3_SIZE(outer6);
	u32 at = udp_at + VXLAN_SIZE;
	u32 from[4] = {};

	if (!has(skb, at + sizeof(struct ethernet)))
		return PASS;
	void *l3 = start(skb) + sizeof(struct ethernet);
	struct udp *udp = start(skb) + udp_at;
	struct ethernet *inner = start(skb) + at;
	if ((void *)(inner + 1) > end(skb))
		return PASS;
	if (outer6) {
		struct ipv6 *ip = l3;
		const volatile u32 *here = (const volatile u32 *)vtep;
		if (ip->protocol != UDP || ip->destination[0] != here[0] || ip->destination[1] != here[1]
		    || ip->destination[2] != here[2] || ip->destination[3] != here[3])
			return PASS;
		__builtin_memcpy(from, ip->source, 16);
	} else {
		struct ipv4 *ip = l3;
		if (ip->protocol != UDP || ip->version_length != 0x45 || ip->fragment & be16(0x3fff)
		    || ip->destination != *(const volatile u32 *)vtep)
			return PASS;
		from[0] = ip->source;
	}
	if (udp->destination != vxlan_port)
		return PASS;
	struct vxlan *vxlan = (void *)(udp + 1);
	u32 vni = vxlan->vni, type = inner->type;
	int verdict = UPCALL;
	if ((vxlan->flags & 0xff) == VXLAN_PLAIN) {
		if (likely(type == ETHERTYPE_V4))
			verdict = receive(skb, at, vni, from, 0, outer6);
		else if (type == ETHERTYPE_V6)
			verdict = receive(skb, at, vni, from, 1, outer6);
	}
	return verdict == UPCALL ? to_worker(skb, at) : verdict;
}

/* What came to this host from others. */
SEC("classifier/from_underlay")
int from_underlay(struct packet *skb)
{
	if (skb->vlan_present)
		return PASS;
	if (!vtep_is_v6 && skb->protocol == ETHERTYPE_V4)
		return unwrap(skb, 0);
	if (vtep_is_v6 && skb->protocol == ETHERTYPE_V6)
		return unwrap(skb, 1);
	return PASS;
}

char terms[] SEC("license") = "Apache-2.0 OR MIT";
