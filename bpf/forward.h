/* SPDX-License-Identifier: GPL-2.0-only */
/* From a checked packet to its ports: look-up, the last changes to the frame, redirect. */
#ifndef BPF_FORWARD_H
#define BPF_FORWARD_H

#include "arrival.h"
#include "maps.h"
#include "parse.h"

/*
 * The route an index leads to, if it bears these addresses: the daemon may be giving the index to
 * another route at this moment.
 */
static __always_inline struct mcastd_route *route_at(const __u32 *index, __be32 source,
						     __be32 group)
{
	struct mcastd_route *route = bpf_map_lookup_elem(&mcastd_routes, index);

	if (!route || *(__u32 *)route->group != group || *(__u32 *)route->source != source)
		return NULL;
	return route;
}

/* By the short cut, which is a few instructions where a hash costs a function call. */
static __always_inline struct mcastd_route *route_direct(__be32 source, __be32 group, __u32 *index)
{
	__u32 at = mcastd_direct_index(bpf_ntohl(source), bpf_ntohl(group));
	const __u64 *found = bpf_map_lookup_elem(&mcastd_direct, &at);

	if (!found)
		return NULL;
	*index = *found;
	return route_at(index, source, group);
}

static __always_inline struct mcastd_route *route_of_group(const struct iphdr *ip, __u32 *index)
{
	struct mcastd_route *route = route_direct(0, ip->daddr, index);
	const __u32 *found;

	if (route)
		return route;
	found = bpf_map_lookup_elem(&mcastd_groups, &ip->daddr);
	if (!found)
		return NULL;
	*index = *found;
	return route_at(index, 0, ip->daddr);
}

static __always_inline struct mcastd_route *route_of_source(const struct iphdr *ip, __u32 *index)
{
	struct mcastd_route *route = route_direct(ip->saddr, ip->daddr, index);
	const __u32 *found;

	if (route)
		return route;
	/* Source and group stand in the header as they stand in the key. */
	found = bpf_map_lookup_elem(&mcastd_sources, &ip->saddr);
	if (!found)
		return NULL;
	*index = *found;
	return route_at(index, ip->saddr, ip->daddr);
}

/* The (S,G) route of a packet, else what there is for its group, else NULL. */
static __always_inline struct mcastd_route *route_find(const struct iphdr *ip, __u32 *index)
{
	struct mcastd_route *route = route_of_group(ip, index), *of_source;
	__u32 source_index = 0;

	if (!route || !(route->flags & MCASTD_ROUTE_HAS_SOURCES))
		return route;
	of_source = route_of_source(ip, &source_index);
	if (!of_source)
		return route;
	*index = source_index;
	return of_source;
}

/* Where packets from this side go; a single load, as the daemon may be storing another word. */
static __always_inline __u32 route_out(const struct mcastd_route *route, const struct arrival *at)
{
	return *(volatile const __u32 *)&route->out[at->port->side % MCASTD_SIDES];
}

/* False: larger than the port's MTU, counted. */
static __always_inline bool port_fits(const struct frame *f, const struct mcastd_port *port,
				      struct mcastd_port_stats *stats)
{
	if (bpf_ntohs(f->ip->tot_len) <= port->mtu)
		return true;
	stats->out_too_big++;
	return false;
}

/*
 * The part of the work that differs from port to port, for a frame that fits, but for its tag: true
 * when it may leave there, its source MAC is then the port's. Counts either way; the bytes are
 * those of the frame without a tag.
 */
static __always_inline bool port_finish(struct frame *f, const struct mcastd_port *port,
					struct mcastd_port_stats *stats)
{
	void *mac = f->eth->h_source;

	if (f->ip->ttl < port->ttl_threshold) {
		stats->out_ttl_threshold++;
		return false;
	}
	*(__u32 *)mac = *(const __u32 *)port->mac;
	*(__u16 *)(mac + 4) = *(const __u16 *)(port->mac + 4);
	stats->out_packets++;
	stats->out_bytes += ETH_HLEN + (f->end - (void *)f->ip);
	return true;
}

/*
 * To one port. As long as no frame to this port needs the egress program, because there is neither
 * a port set nor a port with a tag, this program does the work itself and sends it without.
 */
static __always_inline enum mcastd_verdict send_to_port(struct frame *f, const struct arrival *from,
							__u32 slot, int *action)
{
	const struct mcastd_port *port;
	struct mcastd_port_stats *stats;
	__u32 id = MCASTD_SET_ALL;
	void *all;

	if (slot == from->slot)
		return MCASTD_NO_MEMBER;
	port = bpf_map_lookup_elem(&mcastd_ports, &slot);
	stats = bpf_map_lookup_elem(&mcastd_pstats, &slot);
	/* The port may have gone before the route that leads to it. */
	if (!port || !stats || !port->ifindex)
		return MCASTD_REDIRECT_FAILED;
	ttl_decrement(f->ip);
	*action = XDP_DROP;
	/* The kernel would leave it out before the egress program could count it. */
	if (!is_small(f, from) && !port_fits(f, port, stats))
		return MCASTD_FORWARDED;
	if (!(port->flags & MCASTD_PORT_EGRESS)) {
		if (port_finish(f, port, stats))
			*action = bpf_redirect(port->ifindex, 0);
		return MCASTD_FORWARDED;
	}
	all = bpf_map_lookup_elem(&mcastd_sets, &id);
	if (!all)
		return MCASTD_REDIRECT_FAILED;
	*action = bpf_redirect_map(all, slot, XDP_DROP);
	return *action == XDP_REDIRECT ? MCASTD_FORWARDED : MCASTD_REDIRECT_FAILED;
}

/*
 * A broadcast leaves out, without a word, the members that a frame of this length is too large for.
 * Counts it for each; what the kernel lets pass, the egress program counts. Not part of the usual
 * way, so it may take a microsecond.
 */
static __noinline int count_left_out(void *set, __u32 length, __u32 arrival)
{
	for (__u32 i = 1; i < MCASTD_MAX_PORTS; i++) {
		const struct mcastd_port *port;
		struct mcastd_port_stats *stats;
		__u32 slot = i;

		port = bpf_map_lookup_elem(&mcastd_ports, &slot);
		if (!port)
			break;
		if (!port->ifindex || length <= port->mtu + ETH_HLEN + VLAN_HLEN ||
		    slot == arrival || !bpf_map_lookup_elem(set, &slot))
			continue;
		stats = bpf_map_lookup_elem(&mcastd_pstats, &slot);
		if (stats)
			stats->out_too_big++;
	}
	return 0;
}

/* Has some port of the set another VLAN than this one? May take a microsecond, too. */
static __noinline int differs_in_tags(void *set, __u32 vlan)
{
	for (__u32 i = 1; i < MCASTD_MAX_PORTS; i++) {
		const struct mcastd_port *port;
		__u32 slot = i;

		port = bpf_map_lookup_elem(&mcastd_ports, &slot);
		if (!port)
			break;
		if (port->ifindex && port->vlan != vlan && bpf_map_lookup_elem(set, &slot))
			return true;
	}
	return false;
}

/*
 * Would a broadcast give the members frames that differ in their tags, where copies share their
 * bytes? Where all have the VLAN of the port of arrival no copy has one put in or taken out.
 */
static __always_inline bool is_spoilt(const struct arrival *at, __u32 out)
{
	__u32 value = out & MCASTD_OUT_VALUE;
	void *set;

	if (!(at->port->flags & MCASTD_PORT_SHARES) || out & MCASTD_OUT_PORT)
		return false;
	set = bpf_map_lookup_elem(&mcastd_sets, &value);
	return set && differs_in_tags(set, at->port->vlan);
}

/*
 * To where an out word says, with the TTL of the way out and, if it came with one, its tag, which
 * is the egress program's business. *action is set when the verdict is MCASTD_FORWARDED.
 */
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
	if (!is_small(f, from))
		count_left_out(set, f->end - (void *)f->eth, from->slot);
	/* Leaving out the port of arrival costs time; most sets cannot hold it. */
	if (out & MCASTD_OUT_EXCLUDE)
		*action = bpf_redirect_map(set, 0, BPF_F_BROADCAST | BPF_F_EXCLUDE_INGRESS);
	else
		*action = bpf_redirect_map(set, 0, BPF_F_BROADCAST);
	return MCASTD_FORWARDED;
}

#endif
