/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The program on every port: IGMP to the daemon, multicast data to the ports that want it, all
 * else to the stack. It keeps no state but counters; without the daemon no interface is a port,
 * and everything passes.
 *
 * It calls no helper that moves the ends of a frame, so that every kernel lets it run beside other
 * programs in a dispatcher: tags are left to the egress program, see tag.h.
 */
#include "arrival.h"
#include "forward.h"
#include "limit.h"
#include "maps.h"
#include "parse.h"
#include "stats.h"

char LICENSE[] SEC("license") = "GPL";

#define BIT(n) (1u << (n))

/* Verdicts that end in XDP_DROP; all others that do not forward end in XDP_PASS. */
#define DROPPED                                                                           \
	(BIT(MCASTD_IGMP_LIMITED) | BIT(MCASTD_WRONG_PORT) | BIT(MCASTD_BOUNDARY) |       \
	 BIT(MCASTD_MARTIAN_SOURCE) | BIT(MCASTD_BAD_HEADER) | BIT(MCASTD_BAD_CHECKSUM) | \
	 BIT(MCASTD_REDIRECT_FAILED))
/* Verdicts of which mcastd_unwanted keeps the flows: what is wrong with them can be mended. */
#define REMEMBERED                                                                 \
	(BIT(MCASTD_NO_ROUTE) | BIT(MCASTD_TTL_EXPIRED) | BIT(MCASTD_WRONG_PORT) | \
	 BIT(MCASTD_BOUNDARY) | BIT(MCASTD_MARTIAN_SOURCE) | BIT(MCASTD_LINK_LOCAL_SOURCE))
#define UNKNOWN (BIT(MCASTD_NO_ROUTE) | BIT(MCASTD_NO_MEMBER))

static __always_inline int refuse(const struct arrival *at, enum mcastd_verdict verdict)
{
	__u32 dropped = DROPPED;

	if (at->port->flags & MCASTD_PORT_DROP_UNKNOWN)
		dropped |= UNKNOWN;
	at->stats->verdict[verdict]++;
	return dropped & BIT(verdict) ? XDP_DROP : XDP_PASS;
}

/* The same for data, whose flow is noted where that helps to find the reason. */
static __always_inline int refuse_data(const struct frame *f, const struct arrival *at,
				       enum mcastd_verdict verdict)
{
	if (REMEMBERED & BIT(verdict))
		unwanted_count(f, at->slot, verdict);
	return refuse(at, verdict);
}

/* True: the daemon made this frame for the host's own stack. */
static __always_inline bool is_for_host(const struct ethhdr *eth)
{
	const __u8 mac[ETH_ALEN] = MCASTD_HOST_MAC;
	__u8 differ = 0;

	for (int i = 0; i < ETH_ALEN; i++)
		differ |= eth->h_source[i] ^ mac[i];
	return !differ;
}

/*
 * To the socket of this queue: XDP_REDIRECT; XDP_PASS: there is none; XDP_DROP: it is too much, or
 * too large.
 */
static __always_inline int to_daemon(struct xdp_md *ctx, const struct frame *f,
				     const struct arrival *at, enum mcastd_punt punt)
{
	__u32 queue = ctx->rx_queue_index;
	int action;

	if (queue >= MCASTD_MAX_QUEUES)
		return XDP_PASS;
	action = bpf_redirect_map(&mcastd_xsks, MCASTD_XSK_INDEX(at->slot, queue), XDP_PASS);
	if (action == XDP_REDIRECT && !limit_take(f, at->slot, punt))
		action = XDP_DROP;
	return action;
}

/*
 * IGMP goes to the daemon whatever its addresses, length and options; the daemon checks it. A
 * fragment is the stack's business (R-FRAG), and so is everything when no daemon listens.
 */
static __always_inline int punt(struct xdp_md *ctx, const struct frame *f, const struct arrival *at)
{
	int action = XDP_PASS;

	if (!(f->ip->frag_off & bpf_htons(IP_FRAGMENT)))
		action = to_daemon(ctx, f, at, punt_of_igmp(f));
	if (action == XDP_DROP)
		return refuse(at, MCASTD_IGMP_LIMITED);
	at->stats->verdict[action == XDP_REDIRECT ? MCASTD_IGMP_PUNTED : MCASTD_IGMP_PASSED]++;
	return action;
}

/* Where data goes that no route matches. */
static __always_inline __u32 default_out(const struct frame *f, const struct arrival *at)
{
	__u32 out = at->port->default_out;

	return out != MCASTD_OUT_NONE && at_boundary(0, f->ip->daddr) ? MCASTD_OUT_NONE : out;
}

/*
 * A packet that some port has no room for and that may be fragmented goes to the daemon, which can;
 * one that must not be is left out where it does not fit. In generic mode a broadcast would end at
 * the first such member, so the daemon sends that to each port as well.
 */
static __always_inline bool needs_daemon(const struct frame *f, const struct arrival *at, __u32 out)
{
	if (is_small(f, at))
		return false;
	return !(f->ip->frag_off & bpf_htons(IP_DONT_FRAGMENT)) ||
	       (at->port->flags & MCASTD_PORT_GENERIC && !(out & MCASTD_OUT_PORT));
}

static __always_inline int forwarded(const struct arrival *at, __u32 bytes, int action)
{
	at->stats->verdict[MCASTD_FORWARDED]++;
	at->stats->in_bytes += bytes;
	return action;
}

static __always_inline int deliver(struct frame *f, const struct arrival *at, __u32 out)
{
	__u32 bytes = bpf_ntohs(f->ip->tot_len);
	enum mcastd_verdict verdict;
	int action;

	verdict = send_to(f, at, out, &action);
	if (verdict != MCASTD_FORWARDED)
		return refuse(at, verdict);
	return forwarded(at, bytes, action);
}

/* The long way, with all checks, for any packet. */
static __noinline int forward(struct xdp_md *ctx)
{
	struct mcastd_route_stats *stats = NULL;
	const struct mcastd_route *route;
	enum mcastd_verdict verdict;
	__u32 index = 0, out;
	struct arrival at;
	struct frame f;
	bool spoilt;
	int action;

	if (!frame_parse(ctx, &f) || !arrival_find(ctx, &at))
		return XDP_PASS;
	verdict = frame_check(&f);
	if (verdict == MCASTD_FORWARDED)
		verdict = arrival_check(&f, &at);
	if (verdict != MCASTD_FORWARDED)
		return refuse_data(&f, &at, verdict);
	route = route_find(f.ip, &index);
	if (route && !(route->flags & MCASTD_ROUTE_WANTED))
		route = NULL;
	out = route ? route_out(route, &at) : default_out(&f, &at);
	/* Nothing goes back, nor to the daemon for that. */
	if (out == MCASTD_OUT_NONE || out == (MCASTD_OUT_PORT | at.slot))
		return refuse_data(&f, &at, route ? MCASTD_NO_MEMBER : MCASTD_NO_ROUTE);
	if (route)
		stats = bpf_map_lookup_elem(&mcastd_rstats, &index);
	if (stats) {
		route_count(stats, &f, &at);
		route_remember(stats, &f, &at);
	}
	/*
	 * Without a daemon, or when it has too many, the ports that have room for it still get it;
	 * what only the daemon can send rightly nobody gets.
	 */
	spoilt = is_spoilt(&at, out);
	if (spoilt || needs_daemon(&f, &at, out)) {
		action = to_daemon(ctx, &f, &at, MCASTD_PUNT_LARGE);
		if (action == XDP_REDIRECT)
			return forwarded(&at, bpf_ntohs(f.ip->tot_len), action);
		at.stats->large_limited += action == XDP_DROP;
		if (spoilt)
			return refuse(&at, MCASTD_REDIRECT_FAILED);
	}
	return deliver(&f, &at, out);
}

/*
 * The short way of nearly every packet: an untagged one like the last of its route needs few checks
 * and no search of a hash. All others go the long way. They are apart because every instruction
 * counts here (docs/BENCHMARKS.md).
 */
static __always_inline int forward_known(struct xdp_md *ctx, const struct frame *arrived,
					 const struct arrival *at)
{
	/* Not as frame_parse() has found it: the compiler shall know that it follows the MACs. */
	struct frame f = { arrived->eth, (void *)(arrived->eth + 1), arrived->end, 0 };
	struct mcastd_route_stats *stats;
	const struct mcastd_route *route;
	__u32 index, out;

	if (arrived->vlan)
		return forward(ctx);
	route = route_direct(0, f.ip->daddr, &index);
	if (route && route->flags & MCASTD_ROUTE_HAS_SOURCES)
		route = route_direct(f.ip->saddr, f.ip->daddr, &index);
	if (!route || !(route->flags & MCASTD_ROUTE_WANTED))
		return forward(ctx);
	stats = bpf_map_lookup_elem(&mcastd_rstats, &index);
	if (!stats || !is_known(&f, at, stats) || !is_sound(&f) || !is_small(&f, at))
		return forward(ctx);
	out = route_out(route, at);
	if (out == MCASTD_OUT_NONE ||
	    (!(out & MCASTD_OUT_PORT) && at->port->flags & MCASTD_PORT_SHARES))
		return forward(ctx);
	route_count(stats, &f, at);
	return deliver(&f, at, out);
}

SEC("xdp")
int mcastd_ingress(struct xdp_md *ctx)
{
	struct arrival at;
	struct frame f;

	if (!frame_parse(ctx, &f))
		return XDP_PASS;
	if (!is_multicast(f.ip->daddr) && f.ip->protocol != IPPROTO_IGMP)
		return XDP_PASS;
	if (!arrival_find(ctx, &at) || f.vlan != at.port->vlan)
		return XDP_PASS;
	if (f.ip->protocol != IPPROTO_IGMP)
		return forward_known(ctx, &f, &at);
	return is_for_host(f.eth) ? XDP_PASS : punt(ctx, &f, &at);
}
