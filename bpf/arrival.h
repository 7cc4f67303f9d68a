/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * May a packet come in on this port? Sources live behind one port only (a guard against loops, RFC
 * 4605 section 5), and groups do not cross their boundaries (RFC 2365 section 5).
 */
#ifndef BPF_ARRIVAL_H
#define BPF_ARRIVAL_H

#include "maps.h"
#include "parse.h"

/* Where a frame arrived. */
struct arrival {
	__u32 slot;
	__u16 generation; /* of the port, read before its checks */
	const struct mcastd_port *port;
	struct mcastd_port_stats *stats;
};

/* False: that interface is no port. */
static __always_inline bool arrival_find(struct xdp_md *ctx, struct arrival *at)
{
	__u32 ifindex = ctx->ingress_ifindex;
	const __u32 *slot = bpf_map_lookup_elem(&mcastd_slots, &ifindex);

	if (!slot || !*slot)
		return false;
	at->slot = *slot;
	at->port = bpf_map_lookup_elem(&mcastd_ports, &at->slot);
	at->stats = bpf_map_lookup_elem(&mcastd_pstats, &at->slot);
	if (!at->port || !at->stats)
		return false;
	at->generation = *(volatile const __u16 *)&at->port->generation;
	return true;
}

/* Does every port have room for a packet of this size? */
static __always_inline bool is_small(const struct frame *f, const struct arrival *at)
{
	return bpf_ntohs(f->ip->tot_len) <= at->port->least_mtu;
}

static __always_inline bool at_boundary(__u32 slot, __be32 group)
{
	struct mcastd_boundary_key key = { .prefix_length = 64, .slot = slot };

	__builtin_memcpy(key.group, &group, 4);
	return bpf_map_lookup_elem(&mcastd_boundaries, &key);
}

/* Behind a downstream port: only its own sources. On the upstream: none that lives downstream. */
static __always_inline bool at_home(const struct arrival *at, __be32 source)
{
	struct mcastd_origin_key key = { .prefix_length = 32 };
	const struct mcastd_port *port;
	const __u32 *slot;

	__builtin_memcpy(key.source, &source, 4);
	slot = bpf_map_lookup_elem(&mcastd_origins, &key);
	if (!slot)
		return at->port->side == MCASTD_SIDE_UPSTREAM;
	if (*slot == at->slot || *slot == MCASTD_ORIGIN_SHARED)
		return true;
	/* MCASTD_ORIGIN_SELF is no port's slot. */
	port = bpf_map_lookup_elem(&mcastd_ports, slot);
	return at->port->side == MCASTD_SIDE_UPSTREAM && port && port->side == MCASTD_SIDE_UPSTREAM;
}

/*
 * Was the last packet of this route accepted, and is this one of the same source, and from the same
 * port? Then what depends on addresses and port alone needs no second look. stats: of the route.
 */
static __always_inline bool is_known(const struct frame *f, const struct arrival *at,
				     const struct mcastd_route_stats *stats)
{
	return *(const __u32 *)stats->last_source == f->ip->saddr && stats->last_slot == at->slot &&
	       stats->last_generation == at->port->generation;
}

static __always_inline enum mcastd_verdict arrival_check(const struct frame *f,
							 const struct arrival *at)
{
	__u32 flags = at->port->flags;

	if (flags & MCASTD_PORT_BOUNDARY && at_boundary(at->slot, f->ip->daddr))
		return MCASTD_BOUNDARY;
	if (flags & MCASTD_PORT_CHECK_ORIGIN && !at_home(at, f->ip->saddr))
		return MCASTD_WRONG_PORT;
	return MCASTD_FORWARDED;
}

#endif
