/* SPDX-License-Identifier: GPL-2.0-only */
/* What the benchmark needs beside mcastd: a source, sinks, and the bare broadcast to compare with.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

#define SINKS 4096

/* The IPv4 header of each frame: recycled frames keep what was written to them on their way. */
struct iphdr header;
__u8 macs[12];
/* How many groups to go through, one after the other; the low bits of the address count. */
__u32 groups = 1;
__u32 next_group;

SEC("xdp")
int generate(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	__u32 low, sum;

	if ((void *)(ip + 1) > end)
		return XDP_DROP;
	__builtin_memcpy(eth, macs, 12);
	*ip = header;
	if (groups > 1) {
		low = next_group++;
		if (next_group >= groups)
			next_group = 0;
		/* The header comes with the checksum for low bits of 0. */
		ip->daddr = header.daddr | bpf_htonl(low);
		sum = (__u16)~header.check + (bpf_htonl(low) >> 16) + (bpf_htonl(low) & 0xffff);
		sum = (sum & 0xffff) + (sum >> 16);
		ip->check = ~((sum & 0xffff) + (sum >> 16));
		eth->h_dest[3] |= low >> 16;
		eth->h_dest[4] |= low >> 8;
		eth->h_dest[5] |= low;
	}
	return XDP_TX;
}

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SINKS);
	__type(key, __u32);
	__type(value, __u64);
} sunk SEC(".maps");

/* Counts frames that are as long as they were sent. */
__u32 frame_length;

SEC("xdp")
int sink(struct xdp_md *ctx)
{
	__u32 key = ctx->ingress_ifindex;
	__u64 *count = bpf_map_lookup_elem(&sunk, &key);

	if (count && ctx->data_end - ctx->data == frame_length)
		++*count;
	return XDP_DROP;
}

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__uint(value_size, 8);
} all SEC(".maps");

/* The limit of this way of replicating: nothing but the broadcast. */
SEC("xdp")
int bare(struct xdp_md *ctx)
{
	(void)ctx;
	return bpf_redirect_map(&all, 0, BPF_F_BROADCAST);
}

/* With it in the map: the limit where copies have to differ from port to port. */
SEC("xdp/devmap")
int empty(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

/* An empty program, for the cost of having one. */
SEC("xdp")
int nothing(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}
