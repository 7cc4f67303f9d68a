/* SPDX-License-Identifier: GPL-2.0-only */
/* Counters. They are per CPU, and nothing interrupts a program on its CPU to run another one. */
#ifndef BPF_STATS_H
#define BPF_STATS_H

#include "arrival.h"
#include "maps.h"
#include "parse.h"

/* Asking for the time costs more than a look-up; jiffies are a mere load. */
static __always_inline __u64 now_ns(struct mcastd_port_stats *stats)
{
	__u64 tick = bpf_jiffies64();

	if (stats->tick != tick) {
		stats->tick = tick;
		stats->now_ns = bpf_ktime_get_coarse_ns();
	}
	return stats->now_ns;
}

static __always_inline void route_count(struct mcastd_route_stats *stats, const struct frame *f,
					const struct arrival *at)
{
	stats->packets++;
	stats->bytes += bpf_ntohs(f->ip->tot_len);
	stats->last_seen_ns = now_ns(at->stats);
}

/* For is_known(). */
static __always_inline void route_remember(struct mcastd_route_stats *stats, const struct frame *f,
					   const struct arrival *at)
{
	stats->last_slot = at->slot;
	stats->last_generation = at->generation;
	__builtin_memcpy(stats->last_source, &f->ip->saddr, 4);
}

/* Remembers data that was not forwarded. The map forgets the least recently seen flow. */
static __always_inline void unwanted_count(const struct frame *f, __u32 slot,
					   enum mcastd_verdict verdict)
{
	struct mcastd_unwanted_key key = { .slot = slot };
	struct mcastd_unwanted fresh = {}, *seen;
	__u32 bytes = bpf_ntohs(f->ip->tot_len);

	__builtin_memcpy(key.source, &f->ip->saddr, 4);
	__builtin_memcpy(key.group, &f->ip->daddr, 4);
	seen = bpf_map_lookup_elem(&mcastd_unwanted, &key);
	if (seen) {
		__sync_fetch_and_add(&seen->packets, 1);
		__sync_fetch_and_add(&seen->bytes, bytes);
		seen->last_seen_ns = bpf_ktime_get_coarse_ns();
		seen->verdict = verdict;
		return;
	}
	fresh.packets = 1;
	fresh.bytes = bytes;
	fresh.last_seen_ns = bpf_ktime_get_coarse_ns();
	fresh.verdict = verdict;
	bpf_map_update_elem(&mcastd_unwanted, &key, &fresh, BPF_ANY);
}

#endif
