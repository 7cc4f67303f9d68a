/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * May a packet come in on this port? Sources live behind one port only (a guard against loops, RFC
 * 4605 section 5), and groups do not cross their boundaries (RFC 2365 section 5).
 */
#ifndef BPF_ARRIVAL_H
#define BPF_ARRIVAL_H

#include "maps.h"
#include "parse.h"
#include "stats.h"

#define ARRIVAL_CHECKS (MCASTD_PORT_CHECK_ORIGIN | MCASTD_PORT_BOUNDARY)

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
	port = bpf_map_lookup_elem(&mcastd_ports, slot);
	return at->port->side == MCASTD_SIDE_UPSTREAM && port && port->side == MCASTD_SIDE_UPSTREAM;
}

/* stats: of the packet's route, NULL: it has none. Their last packet was accepted. */
static __always_inline enum mcastd_verdict arrival_check(const struct frame *f,
							 const struct arrival *at,
							 const struct mcastd_route_stats *stats)
{
	__u32 flags = at->port->flags;

	if (!(flags & ARRIVAL_CHECKS))
		return MCASTD_FORWARDED;
	if (stats && stats->last_slot == at->slot && stats->last_generation == at->generation &&
	    *(__u32 *)stats->last_source == f->ip->saddr)
		return MCASTD_FORWARDED;
	if (flags & MCASTD_PORT_BOUNDARY && at_boundary(at->slot, f->ip->daddr))
		return MCASTD_BOUNDARY;
	if (flags & MCASTD_PORT_CHECK_ORIGIN && !at_home(at, f->ip->saddr))
		return MCASTD_WRONG_PORT;
	return MCASTD_FORWARDED;
}

#endif
