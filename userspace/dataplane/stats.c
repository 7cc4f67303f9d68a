/* SPDX-License-Identifier: BSD-2-Clause */
/* Counters out of the maps. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "dataplane/internal.h"

#define WANTED_BATCH 1024

static const char *const verdict_names[MCASTD_VERDICTS] = {
	[MCASTD_FORWARDED] = "forwarded",
	[MCASTD_IGMP_PUNTED] = "igmp-punted",
	[MCASTD_IGMP_PASSED] = "igmp-passed",
	[MCASTD_IGMP_LIMITED] = "igmp-limited",
	[MCASTD_LINK_LOCAL_GROUP] = "link-local-group",
	[MCASTD_NO_ROUTE] = "no-route",
	[MCASTD_NO_MEMBER] = "no-member",
	[MCASTD_TTL_EXPIRED] = "ttl-expired",
	[MCASTD_WRONG_PORT] = "wrong-port",
	[MCASTD_BOUNDARY] = "boundary",
	[MCASTD_MARTIAN_SOURCE] = "martian-source",
	[MCASTD_LINK_LOCAL_SOURCE] = "link-local-source",
	[MCASTD_BAD_HEADER] = "bad-header",
	[MCASTD_BAD_CHECKSUM] = "bad-checksum",
	[MCASTD_UNICAST_FRAME] = "unicast-frame",
	[MCASTD_REDIRECT_FAILED] = "redirect-failed",
};

enum mcastd_verdict dataplane_verdict(enum decide_verdict verdict)
{
	static const enum mcastd_verdict counters[] = {
		[DECIDE_FORWARDED] = MCASTD_FORWARDED,
		[DECIDE_PASSED] = MCASTD_VERDICTS,
		[DECIDE_LINK_LOCAL_GROUP] = MCASTD_LINK_LOCAL_GROUP,
		[DECIDE_MARTIAN_SOURCE] = MCASTD_MARTIAN_SOURCE,
		[DECIDE_LINK_LOCAL_SOURCE] = MCASTD_LINK_LOCAL_SOURCE,
		[DECIDE_TTL_EXPIRED] = MCASTD_TTL_EXPIRED,
		[DECIDE_BOUNDARY] = MCASTD_BOUNDARY,
		[DECIDE_WRONG_PORT] = MCASTD_WRONG_PORT,
		[DECIDE_NO_ROUTE] = MCASTD_NO_ROUTE,
		[DECIDE_NO_MEMBER] = MCASTD_NO_MEMBER,
	};

	return counters[verdict];
}

const char *dataplane_verdict_name(enum mcastd_verdict verdict)
{
	return (unsigned int)verdict < MCASTD_VERDICTS ? verdict_names[verdict] : "unknown";
}

int dataplane_port_stats(struct dataplane *dp, unsigned int slot, struct mcastd_port_stats *stats)
{
	const size_t fields = sizeof(*stats) / sizeof(uint64_t);
	uint64_t *sum = (uint64_t *)(void *)stats, *cpus;
	int err;

	memset(stats, 0, sizeof(*stats));
	cpus = calloc(dp->n_cpus * fields, sizeof(uint64_t));
	if (!cpus)
		return -ENOMEM;
	err = bpf_map_lookup_elem(dp->map_fd[MAP_PSTATS], &slot, cpus);
	for (size_t i = 0; i < dp->n_cpus * fields && !err; i++)
		sum[i % fields] += cpus[i];
	stats->tick = stats->now_ns = 0;
	free(cpus);
	return err;
}

/* Marks where the route's last packet went, unless that was before. */
static void mark_route(const struct dataplane *dp, uint32_t index,
		       const struct mcastd_route_stats *cpus, uint64_t since_ns, bool *wanted)
{
	const struct mcastd_route_stats *last = cpus;
	bool marked[MCASTD_MAX_PORTS] = { false };
	unsigned int side;

	for (unsigned int i = 1; i < dp->n_cpus; i++)
		if (cpus[i].last_seen_ns > last->last_seen_ns)
			last = &cpus[i];
	if (last->last_seen_ns < since_ns || last->last_slot >= dp->map_entries[MAP_PORTS])
		return;
	side = dp->ports[last->last_slot].side % MCASTD_SIDES;
	out_mark(dp, dp->routes[index].out[side], marked);
	for (unsigned int slot = 0; slot < MCASTD_MAX_PORTS; slot++)
		wanted[slot] |= marked[slot] && slot != last->last_slot;
}

int dataplane_wanted_since(struct dataplane *dp, uint64_t since_ns, bool *wanted)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	uint32_t indexes[WANTED_BATCH], position, *last = NULL, n;
	struct mcastd_route_stats *cpus = calloc((size_t)WANTED_BATCH * dp->n_cpus, sizeof(*cpus));
	int err = cpus ? 0 : -ENOMEM;

	while (!err) {
		n = WANTED_BATCH;
		err = bpf_map_lookup_batch(dp->map_fd[MAP_RSTATS], last, &position, indexes, cpus,
					   &n, &opts);
		/* -ENOENT: the last batch. */
		for (uint32_t i = 0; i < n && (!err || err == -ENOENT); i++)
			mark_route(dp, indexes[i], &cpus[(size_t)i * dp->n_cpus], since_ns, wanted);
		last = &position;
	}
	free(cpus);
	return err == -ENOENT ? 0 : err;
}

int dataplane_each_unwanted(struct dataplane *dp, dataplane_unwanted_fn fn, void *arg)
{
	struct mcastd_unwanted_key key, next;
	struct mcastd_unwanted value;
	uint32_t left = dp->map_entries[MAP_UNWANTED];
	void *last = NULL;

	/* Bounded: while frames arrive the walk may start anew when its key is forgotten. */
	while (left-- && bpf_map_get_next_key(dp->map_fd[MAP_UNWANTED], last, &next) == 0) {
		key = next;
		last = &key;
		if (bpf_map_lookup_elem(dp->map_fd[MAP_UNWANTED], &key, &value) == 0 &&
		    !fn(&key, &value, arg))
			break;
	}
	return 0;
}
