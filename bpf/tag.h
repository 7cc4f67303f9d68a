/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * 802.1Q tags, for the egress program alone: what moves the ends of a frame. A kernel since 6.13
 * refuses the ingress program a place in a dispatcher if it calls one of these helpers, whether a
 * frame needs it or not.
 */
#ifndef BPF_TAG_H
#define BPF_TAG_H

#include "parse.h"

/* An Ethernet header with a tag, as three pieces. */
struct tagged_header {
	__u8 macs[2 * ETH_ALEN];
	__be16 tag_proto;
	__be16 tci;
	__be16 proto;
} __attribute__((packed));

/* Takes the tag out. Nothing of *f can be used afterwards. */
static __always_inline bool tag_remove(struct xdp_md *ctx, struct frame *f)
{
	__u32 *from = (void *)f->eth, *to = (void *)f->eth + sizeof(struct vlan_header);

	/* The last word first: the two overlap. */
	to[2] = from[2];
	to[1] = from[1];
	to[0] = from[0];
	return !bpf_xdp_adjust_head(ctx, sizeof(struct vlan_header));
}

/* Puts a tag in, priority 0. Nothing of *f can be used afterwards. */
static __always_inline bool tag_add(struct xdp_md *ctx, __u16 vlan)
{
	struct tagged_header *header;
	__u32 *from, *to;

	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(struct vlan_header)))
		return false;
	header = (void *)(long)ctx->data;
	if ((void *)(header + 1) > (void *)(long)ctx->data_end)
		return false;
	to = (void *)header;
	from = (void *)header + sizeof(struct vlan_header);
	to[0] = from[0];
	to[1] = from[1];
	to[2] = from[2];
	header->tag_proto = bpf_htons(ETH_P_8021Q);
	header->tci = bpf_htons(vlan);
	return true;
}

/*
 * Gives a frame the tag of the port it leaves by, or none (vlan 0), whichever it arrived with. One
 * tag is written over the other, priority 0.
 */
static __always_inline bool tag_set(struct xdp_md *ctx, struct frame *f, __u16 vlan)
{
	if ((void *)f->ip == (void *)(f->eth + 1))
		return !vlan || tag_add(ctx, vlan);
	if (!vlan && f->vlan)
		return tag_remove(ctx, f);
	((struct tagged_header *)f->eth)->tci = bpf_htons(vlan);
	return true;
}

#endif
