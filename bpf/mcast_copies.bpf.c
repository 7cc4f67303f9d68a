/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Do the copies of a broadcast in generic mode share their bytes? userspace/dataplane/copies.c runs
 * this once, on the loopback interface of a namespace of its own. The first octet behind the
 * Ethernet header counts who has written to the frame.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_helpers.h>

#include "mcastd/abi.h"

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct mcastd_dev);
} copies SEC(".maps");

/* NULL: the frame has no such octet. */
static __always_inline __u8 *writers(struct xdp_md *ctx)
{
	__u8 *octet = (void *)(long)ctx->data + ETH_HLEN;

	return (void *)(octet + 1) <= (void *)(long)ctx->data_end ? octet : NULL;
}

/* A frame that nobody has written to is broadcast; its copies, which come back, pass. */
SEC("xdp")
int copies_send(struct xdp_md *ctx)
{
	const __u8 *n = writers(ctx);

	return n && !*n ? bpf_redirect_map(&copies, 0, BPF_F_BROADCAST) : XDP_PASS;
}

SEC("xdp/devmap")
int copies_write(struct xdp_md *ctx)
{
	__u8 *n = writers(ctx);

	if (n)
		(*n)++;
	return XDP_PASS;
}
