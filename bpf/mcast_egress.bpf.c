/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mcastd_egress is the program in every devmap entry: what differs from copy to copy. One program
 * for all ports, because the kernel runs the program of a batch's first frame for the whole batch.
 *
 * mcastd_to_host is run by the daemon on frames for the host's own stack, mcastd_probe once at its
 * start.
 */
#include "forward.h"
#include "maps.h"
#include "parse.h"
#include "tag.h"

char LICENSE[] SEC("license") = "GPL";

SEC("xdp/devmap")
int mcastd_egress(struct xdp_md *ctx)
{
	__u32 ifindex = ctx->egress_ifindex, *slot;
	const struct mcastd_port *port;
	struct mcastd_port_stats *stats;
	struct frame f;

	/* Every frame here was checked by the ingress program: this is for the verifier. */
	if (!frame_parse(ctx, &f))
		return XDP_DROP;
	slot = bpf_map_lookup_elem(&mcastd_slots, &ifindex);
	if (!slot)
		return XDP_DROP;
	port = bpf_map_lookup_elem(&mcastd_ports, slot);
	stats = bpf_map_lookup_elem(&mcastd_pstats, slot);
	if (!port || !stats)
		return XDP_DROP;
	if (port_fits(&f, port, stats) && port_finish(&f, port, stats) &&
	    tag_set(ctx, &f, port->vlan))
		return XDP_PASS;
	stats->kept_back++;
	return XDP_DROP;
}

SEC("xdp")
int mcastd_to_host(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

/* XDP_REDIRECT if the kernel can broadcast (Linux 5.14); before, it refuses the flag only here. */
SEC("xdp")
int mcastd_probe(struct xdp_md *ctx)
{
	__u32 id = MCASTD_SET_ALL;
	void *set = bpf_map_lookup_elem(&mcastd_sets, &id);

	(void)ctx;
	return set ? bpf_redirect_map(set, 0, BPF_F_BROADCAST) : XDP_ABORTED;
}
