/* SPDX-License-Identifier: GPL-2.0-only */
/* From bytes to a checked IPv4 header. */
#ifndef BPF_PARSE_H
#define BPF_PARSE_H

#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "mcastd/abi.h"

#define IP_FRAGMENT 0x3fff /* the MF flag and the offset */
#define IP_DONT_FRAGMENT 0x4000
#define VLAN_ID 0x0fff
#define VLAN_HLEN 4

/* What stands between the addresses and the type of a tagged frame. */
struct vlan_header {
	__be16 tci;
	__be16 proto;
};

/* A frame whose Ethernet header and first 20 bytes of IPv4 header are there. */
struct frame {
	struct ethhdr *eth;
	struct iphdr *ip;
	void *end;
	__u16 vlan; /* 0: untagged */
};

/* True: IPv4, with at most one 802.1Q tag before it. */
static __always_inline bool frame_parse(struct xdp_md *ctx, struct frame *f)
{
	__be16 proto;

	f->eth = (void *)(long)ctx->data;
	f->end = (void *)(long)ctx->data_end;
	f->ip = (void *)(f->eth + 1);
	f->vlan = 0;
	if ((void *)(f->ip + 1) > f->end)
		return false;
	/* Through a pointer: struct ethhdr is packed, and would be read byte by byte. */
	proto = *(const __be16 *)((void *)f->eth + 2 * ETH_ALEN);
	if (proto == bpf_htons(ETH_P_8021Q)) {
		struct vlan_header *tag = (void *)(f->eth + 1);

		f->ip = (void *)(tag + 1);
		if ((void *)(f->ip + 1) > f->end)
			return false;
		f->vlan = bpf_ntohs(tag->tci) & VLAN_ID;
		proto = tag->proto;
	}
	return proto == bpf_htons(ETH_P_IP);
}

static __always_inline bool is_multicast(__be32 addr)
{
	return (addr & bpf_htonl(0xf0000000)) == bpf_htonl(0xe0000000);
}

/* The destination MAC that RFC 1112 section 6.4 prescribes: 01:00:5e and 23 bits of the group. */
static __always_inline bool is_mac_of_group(const __u8 *mac, __be32 group)
{
	return *(const __be16 *)mac == bpf_htons(0x0100) &&
	       *(const __be32 *)(mac + 2) ==
		       ((group & bpf_htonl(0x007fffff)) | bpf_htonl(0x5e000000));
}

/* RFC 1071: is the sum over the header of this many 32-bit words, options included, right? */
static __always_inline bool checksum_ok(const struct frame *f, __u32 words)
{
	const __u32 *w = (const __u32 *)f->ip;
	__u64 sum = (__u64)w[0] + w[1] + w[2] + w[3] + w[4];

	w += 5;
	for (__u32 i = 5; i < 15; i++, w++) {
		if (i >= words)
			break;
		/* Keeps the compiler from moving the +1 to the packet end, which is refused. */
		barrier_var(w);
		if ((void *)(w + 1) > f->end)
			return false;
		sum += *w;
	}
	/* At most 15 * 2^32, so what is carried the second time is at most 2. */
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	return (sum & 0xffff) + (sum >> 16) == 0xffff;
}

/* RFC 1812 section 5.2.2, for a header of this many 32-bit words. */
static __always_inline bool lengths_ok(const struct frame *f, __u32 words)
{
	__u32 length = bpf_ntohs(f->ip->tot_len);

	return length >= words * 4 && length <= (__u64)(f->end - (void *)f->ip);
}

/* Is nothing wrong with a packet whose addresses were found to be right before? Without options. */
static __always_inline bool is_sound(const struct frame *f)
{
	return *(const __u8 *)f->ip == 0x45 && lengths_ok(f, 5) && checksum_ok(f, 5) &&
	       is_mac_of_group(f->eth->h_dest, f->ip->daddr) && f->ip->ttl > 1;
}

/* Is the group never forwarded between links? As range_of_group() of the daemon. */
static __always_inline bool is_never_routed(__be32 group)
{
	__u32 g = bpf_ntohl(group);

	return g >> 8 == 0xe00000 || g == 0xe8000000;
}

/*
 * RFC 1812 section 5.2.2 and 5.3.7, RFC 3927 section 2.7: what keeps a multicast packet from being
 * forwarded whatever routes there are. MCASTD_FORWARDED: nothing does. Of addresses it says what
 * the daemon says in userspace/rules/range.c; tests/bpf/rules.c compares the two.
 */
static __always_inline enum mcastd_verdict frame_check(const struct frame *f)
{
	const struct iphdr *ip = f->ip;
	__u32 source = bpf_ntohl(ip->saddr);

	if (ip->version != 4 || ip->ihl < 5 || !lengths_ok(f, ip->ihl))
		return MCASTD_BAD_HEADER;
	if (!checksum_ok(f, ip->ihl))
		return MCASTD_BAD_CHECKSUM;
	if (is_never_routed(ip->daddr))
		return MCASTD_LINK_LOCAL_GROUP;
	if (!is_mac_of_group(f->eth->h_dest, ip->daddr))
		return MCASTD_UNICAST_FRAME;
	if (source >> 24 == 0 || source >> 24 == 127 || source >> 29 == 7)
		return MCASTD_MARTIAN_SOURCE;
	if (source >> 16 == 0xa9fe)
		return MCASTD_LINK_LOCAL_SOURCE;
	if (ip->ttl <= 1)
		return MCASTD_TTL_EXPIRED;
	return MCASTD_FORWARDED;
}

/* RFC 1624 equation 3 for a TTL that is one less. */
static __always_inline void ttl_decrement(struct iphdr *ip)
{
	/* ~m + m' of the word that holds the TTL: -1 in its upper byte. */
	__u32 sum = (__u16)~ip->check + (__u32)bpf_htons(0xfeff);

	ip->check = (__u16) ~(sum + (sum >> 16));
	ip->ttl--;
}

#endif
