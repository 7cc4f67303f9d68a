/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What drivers refuse. Redirecting ends with the kernel's word that a frame was handed over; that
 * the driver then did not take it, only two tracepoints tell. Both are for the whole machine: what
 * concerns our ports is told by the namespace and by the maps.
 */
#include "maps.h"

char LICENSE[] SEC("license") = "GPL";

/* Of errno.h: the driver cannot transmit as it is, however often it is asked. */
#define ENXIO 6
#define EOPNOTSUPP 95

/* The parts of the kernel's structures that are read, wherever they lie. */
struct ns_common {
	unsigned int inum;
} __attribute__((preserve_access_index));

struct net {
	struct ns_common ns;
} __attribute__((preserve_access_index));

typedef struct {
	struct net *net;
} possible_net_t;

struct net_device {
	int ifindex;
	possible_net_t nd_net;
} __attribute__((preserve_access_index));

/* Set before loading: the namespace of the ports, as the inode number of its file. */
const volatile __u32 netns;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MCASTD_MAX_PORTS);
	__type(key, __u32);
	__type(value, struct mcastd_refusal);
} mcastd_refusals SEC(".maps");

/* The slot of a device, 0: not a port of ours. */
static __always_inline __u32 slot_of(const struct net_device *dev)
{
	__u32 ifindex = (__u32)dev->ifindex;
	const __u32 *slot;

	if (dev->nd_net.net->ns.inum != netns)
		return 0;
	slot = bpf_map_lookup_elem(&mcastd_slots, &ifindex);
	return slot ? *slot : 0;
}

static __always_inline void refused(struct mcastd_port_stats *stats, __u32 slot, __u64 n, int err)
{
	struct mcastd_refusal *refusal = bpf_map_lookup_elem(&mcastd_refusals, &slot);

	stats->out_refused += n;
	if (!refusal)
		return;
	refusal->last_ns = bpf_ktime_get_ns();
	refusal->err = (__u32)-err;
	if (err == -ENXIO || err == -EOPNOTSUPP)
		refusal->incapable += n;
}

/*
 * A batch of frames has been given to a driver. Those that did not leave are the driver's refusal
 * and what the egress program has kept back, which it counts on the same CPU, just before.
 *
 * Arguments: device it came from, device it goes to, frames sent, frames lost, error.
 */
SEC("tp_btf/xdp_devmap_xmit")
int mcastd_transmitted(const __u64 *ctx)
{
	const struct net_device *from = (void *)ctx[0], *to = (void *)ctx[1];
	int lost = (int)ctx[3], err = (int)ctx[4];
	struct mcastd_port_stats *stats;
	__u64 kept_back;
	__u32 slot;

	if (lost <= 0)
		return 0;
	slot = slot_of(to);
	if (!slot || !slot_of(from))
		return 0;
	stats = bpf_map_lookup_elem(&mcastd_pstats, &slot);
	if (!stats)
		return 0;
	kept_back = stats->kept_back;
	stats->kept_back = 0;
	if ((__u64)lost > kept_back)
		refused(stats, slot, (__u64)lost - kept_back, err);
	return 0;
}

/*
 * A single frame that the kernel itself did not give to the driver of its port.
 *
 * Arguments: device it came from, program, device it goes to, error, map type, map id, index.
 */
SEC("tp_btf/xdp_redirect_err")
int mcastd_not_redirected(const __u64 *ctx)
{
	const struct net_device *from = (void *)ctx[0];
	__u32 type = (__u32)ctx[4], index = (__u32)ctx[6], slot = index;
	struct mcastd_port_stats *stats;
	int err = (int)ctx[3];
	const __u32 *found;

	if (!slot_of(from))
		return 0;
	if (type == BPF_MAP_TYPE_UNSPEC) { /* the index is the device's */
		found = bpf_map_lookup_elem(&mcastd_slots, &index);
		slot = found ? *found : 0;
	} else if (type != BPF_MAP_TYPE_DEVMAP_HASH) {
		return 0;
	}
	stats = slot ? bpf_map_lookup_elem(&mcastd_pstats, &slot) : NULL;
	if (!stats)
		return 0;
	/* The ingress program counts what it sends itself; the egress program has not seen this. */
	if (type == BPF_MAP_TYPE_DEVMAP_HASH)
		stats->out_packets++;
	refused(stats, slot, 1, err);
	return 0;
}
