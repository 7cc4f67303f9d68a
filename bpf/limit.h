/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How much a port may hand to the daemon: what the daemon has room for and time for, not more. So
 * neither a flood nor a daemon that is busy or stopped ever fills an AF_XDP ring: what is too much
 * ends here, for little, and is counted. What was taken and does not arrive, whatever the reason,
 * the daemon finds out, and gives its place back. The rates are kept by the daemon, mcastd/limit.c.
 */
#ifndef BPF_LIMIT_H
#define BPF_LIMIT_H

#include "maps.h"
#include "parse.h"

/* Queries and reports do not take each other's places; what a report cut short is does not matter.
 */
static __always_inline enum mcastd_punt punt_of_igmp(const struct frame *f)
{
	const __u8 *type = (const __u8 *)f->ip + f->ip->ihl * 4;

	return (void *)(type + 1) <= f->end && *type == MCASTD_IGMP_QUERY ? MCASTD_PUNT_QUERY
									  : MCASTD_PUNT_REPORT;
}

/*
 * Takes one place. False: there is none left, or the kernel would lose the frame for its length,
 * and its place with it.
 */
static __always_inline bool limit_take(const struct frame *f, __u32 slot, enum mcastd_punt punt)
{
	__u32 index = MCASTD_LIMIT_INDEX(slot, punt);
	struct mcastd_limit *limit = bpf_map_lookup_elem(&mcastd_limits, &index);

	if (!limit || f->end - (void *)f->eth > MCASTD_PUNT_MAX)
		return false;
	/* CPUs that race for the last place may all get it: the rings have room for that. */
	if ((__s32)(*(volatile __u32 *)&limit->granted - *(volatile __u32 *)&limit->taken) <= 0)
		return false;
	__sync_fetch_and_add(&limit->taken, 1);
	return true;
}

#endif
