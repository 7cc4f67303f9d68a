/* SPDX-License-Identifier: GPL-2.0-only */
/* From a checked packet to its ports: look-up, the last changes to the frame, redirect. */
#ifndef BPF_FORWARD_H
#define BPF_FORWARD_H

#include "maps.h"
#include "parse.h"
#include "stats.h"

/*
 * The (S,G) route of a packet, else what there is for its group, else NULL. An index found in a
 * hash counts only if the route it leads to bears the packet's addresses: the daemon may be giving
 * the index to another route at this moment.
 */
static __always_inline struct mcastd_route *route_find(const struct iphdr *ip, __u32 *index)
{
	struct mcastd_route *route, *of_source;
	__u32 *found;

	found = bpf_map_lookup_elem(&mcastd_groups, &ip->daddr);
	if (!found)
		return NULL;
	*index = *found;
	route = bpf_map_lookup_elem(&mcastd_routes, index);
	if (!route || *(__u32 *)route->group != ip->daddr)
		return NULL;
	if (!(route->flags & MCASTD_ROUTE_HAS_SOURCES))
		return route;
	/* Source and group stand in the header as they stand in the key. */
	found = bpf_map_lookup_elem(&mcastd_sources, &ip->saddr);
	if (!found)
		return route;
	of_source = bpf_map_lookup_elem(&mcastd_routes, found);
	if (!of_source || *(__u32 *)of_source->group != ip->daddr ||
	    *(__u32 *)of_source->source != ip->saddr)
		return route;
	*index = *found;
	return of_source;
}

/*
 * The part of the work that differs from port to port: true when the frame may leave there, its
 * source MAC is then the port's. Counts either way.
 */
static __always_inline bool port_finish(struct frame *f, const struct mcastd_port *port,
					struct mcastd_port_stats *stats)
{
	__u16 *to = (__u16 *)f->eth->h_source;
	const __u16 *mac = (const __u16 *)port->mac;

	if (f->ip->ttl < port->ttl_threshold) {
		stats->out_ttl_threshold++;
		return false;
	}
	if (bpf_ntohs(f->ip->tot_len) > port->mtu) {
		stats->out_too_big++;
		return false;
	}
	to[0] = mac[0];
	to[1] = mac[1];
	to[2] = mac[2];
	stats->out_packets++;
	stats->out_bytes += f->end - (void *)f->eth;
	return true;
}

/*
 * To one port. As long as no frame to this port needs the egress program, because it is in no port
 * set, this program does the work itself and sends it without.
 */
static __always_inline enum mcastd_verdict send_to_port(struct frame *f, const struct arrival *from,
							__u32 slot, int *action)
{
	const struct mcastd_port *port;
	struct mcastd_port_stats *stats;
	__u32 id = MCASTD_SET_EGRESS;
	void *all;

	if (slot == from->slot)
		return MCASTD_NO_MEMBER;
	port = bpf_map_lookup_elem(&mcastd_ports, &slot);
	stats = bpf_map_lookup_elem(&mcastd_pstats, &slot);
	if (!port || !stats)
		return MCASTD_REDIRECT_FAILED;
	ttl_decrement(f->ip);
	if (!(port->flags & MCASTD_PORT_EGRESS)) {
		id = MCASTD_SET_PLAIN;
		*action = XDP_DROP;
		if (!port_finish(f, port, stats))
			return MCASTD_FORWARDED;
	}
	all = bpf_map_lookup_elem(&mcastd_sets, &id);
	if (!all)
		return MCASTD_REDIRECT_FAILED;
	*action = bpf_redirect_map(all, slot, XDP_DROP);
	return *action == XDP_REDIRECT ? MCASTD_FORWARDED : MCASTD_REDIRECT_FAILED;
}

/* To where an out word says. *action is set when the verdict is MCASTD_FORWARDED. */
static __always_inline enum mcastd_verdict send_to(struct frame *f, const struct arrival *from,
						   __u32 out, int *action)
{
	__u32 value = out & MCASTD_OUT_VALUE;
	void *set;

	if (out & MCASTD_OUT_PORT)
		return send_to_port(f, from, value, action);
	set = bpf_map_lookup_elem(&mcastd_sets, &value);
	if (!set)
		return MCASTD_REDIRECT_FAILED;
	ttl_decrement(f->ip);
	*action = bpf_redirect_map(set, 0, BPF_F_BROADCAST | BPF_F_EXCLUDE_INGRESS);
	return MCASTD_FORWARDED;
}

#endif
