/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Routes: an entry in mcastd_routes, and in mcastd_groups or mcastd_sources what leads to it.
 *
 * An entry is filled before anything leads to it, and taken apart in the reverse order. A (S,G)
 * route needs the entry of its group, which tells the program to look for sources; that entry may
 * be there for this alone.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "dataplane/internal.h"

#define LOW_WATER 64 /* free indexes that should be there */

static const uint8_t any_source[4];

struct route_key {
	uint8_t source[4], group[4];
};

static bool is_group_entry(const struct route *route)
{
	return memcmp(route->source, any_source, 4) == 0;
}

static uint32_t hash_key(const struct dataplane *dp, const struct route_key *key)
{
	return table_hash(dp->hash_seed, key, sizeof(*key));
}

static struct route *route_find(const struct dataplane *dp, const struct route_key *key)
{
	struct table_node *node = table_first(&dp->route_table, hash_key(dp, key));

	for (; node; node = table_next(node)) {
		struct route *route = table_entry(node, struct route, node);

		if (memcmp(route->source, key->source, 4) == 0 &&
		    memcmp(route->group, key->group, 4) == 0)
			return route;
	}
	return NULL;
}

static struct route *route_group(const struct dataplane *dp, const uint8_t *group)
{
	struct route_key key = { 0 };

	memcpy(key.group, group, 4);
	return route_find(dp, &key);
}

static struct route *route_new(struct dataplane *dp, const struct route_key *key, uint32_t index)
{
	struct route *route = calloc(1, sizeof(*route));

	if (!route)
		return NULL;
	memcpy(route->source, key->source, 4);
	memcpy(route->group, key->group, 4);
	route->index = index;
	route->node.hash = hash_key(dp, key);
	if (table_insert(&dp->route_table, &route->node)) {
		free(route);
		return NULL;
	}
	return route;
}

/* All routes, see table_walk(). */
static struct route *route_next(const struct dataplane *dp, uint32_t *bucket,
				const struct route *route)
{
	struct table_node *node = table_walk(&dp->route_table, bucket, route ? &route->node : NULL);

	return node ? table_entry(node, struct route, node) : NULL;
}

/* --- indexes ------------------------------------------------------------------------------------
 */

static void index_put(struct dataplane *dp, uint32_t index)
{
	uint32_t max = dp->map_entries[MAP_ROUTES];
	uint32_t at = (dp->retired_first + dp->n_retired++) % max;

	dp->retired[at] = (struct retired){ .index = index, .stamp = dp->stamp };
}

static void collect_settled(struct dataplane *dp)
{
	while (dp->n_retired && dp->retired[dp->retired_first].stamp <= dp->settled) {
		dp->free_indexes[dp->n_free_indexes++] = dp->retired[dp->retired_first].index;
		dp->retired_first = (dp->retired_first + 1) % dp->map_entries[MAP_ROUTES];
		dp->n_retired--;
	}
}

/* Returns 0: there is none. */
static uint32_t index_get(struct dataplane *dp)
{
	if (!dp->n_free_indexes)
		collect_settled(dp);
	if (!dp->n_free_indexes && dp->n_retired) {
		dataplane_settle(dp);
		collect_settled(dp);
	}
	return dp->n_free_indexes ? dp->free_indexes[--dp->n_free_indexes] : 0;
}

bool route_wants_work(const struct dataplane *dp)
{
	return dp->n_free_indexes < LOW_WATER && dp->n_retired &&
	       dp->retired[dp->retired_first].stamp > dp->settled;
}

/* --- entries ------------------------------------------------------------------------------------
 */

static void entry_store_out(struct dataplane *dp, const struct route *route)
{
	struct mcastd_route *entry = &dp->routes[route->index];
	uint64_t word;

	_Static_assert(sizeof(word) == sizeof(entry->out), "out words are stored at once");
	memcpy(&word, route->out, sizeof(word));
	__atomic_store_n((uint64_t *)(void *)entry->out, word, __ATOMIC_RELEASE);
}

static void entry_store_flags(struct dataplane *dp, const struct route *route)
{
	uint32_t flags = (route->n_sources ? MCASTD_ROUTE_HAS_SOURCES : 0) |
			 (route->wanted ? MCASTD_ROUTE_WANTED : 0);

	__atomic_store_n(&dp->routes[route->index].flags, flags, __ATOMIC_RELEASE);
}

static int entry_clear_stats(struct dataplane *dp, uint32_t index)
{
	struct mcastd_route_stats *zero = calloc(dp->n_cpus, sizeof(*zero));
	int err;

	if (!zero)
		return -ENOMEM;
	err = bpf_map_update_elem(dp->map_fd[MAP_RSTATS], &index, zero, BPF_ANY);
	free(zero);
	return err;
}

static uint64_t *direct_of(const struct dataplane *dp, const struct route *route)
{
	struct addr source = addr_from_v4(route->source), group = addr_from_v4(route->group);

	return &dp->direct[mcastd_direct_index(addr_to_v4_host(&source), addr_to_v4_host(&group))];
}

/* Of routes that share an entry the last one has it. */
static void direct_put(struct dataplane *dp, const struct route *route)
{
	__atomic_store_n(direct_of(dp, route), route->index, __ATOMIC_RELEASE);
}

static void direct_clear(struct dataplane *dp, const struct route *route)
{
	uint64_t *entry = direct_of(dp, route);

	if (*entry == route->index)
		__atomic_store_n(entry, 0, __ATOMIC_RELEASE);
}

/* Fills the entry, then makes the hash element that leads to it. */
static int entry_publish(struct dataplane *dp, const struct route *route)
{
	struct mcastd_route *entry = &dp->routes[route->index];
	struct mcastd_source_key key;
	int err = entry_clear_stats(dp, route->index);

	if (err)
		return err;
	memset(entry, 0, sizeof(*entry));
	memcpy(entry->source, route->source, 4);
	memcpy(entry->group, route->group, 4);
	entry_store_out(dp, route);
	entry_store_flags(dp, route);
	if (is_group_entry(route)) {
		err = bpf_map_update_elem(dp->map_fd[MAP_GROUPS], route->group, &route->index,
					  BPF_NOEXIST);
	} else {
		memcpy(key.source, route->source, 4);
		memcpy(key.group, route->group, 4);
		err = bpf_map_update_elem(dp->map_fd[MAP_SOURCES], &key, &route->index,
					  BPF_NOEXIST);
	}
	if (!err)
		direct_put(dp, route);
	return err == -E2BIG ? -ENOSPC : err;
}

static void route_free(struct dataplane *dp, struct route *route)
{
	out_release(dp, route->out[0]);
	out_release(dp, route->out[1]);
	table_remove(&dp->route_table, &route->node);
	index_put(dp, route->index);
	free(route);
}

static void route_remove(struct dataplane *dp, struct route *route)
{
	struct mcastd_source_key key;

	direct_clear(dp, route);
	if (is_group_entry(route)) {
		bpf_map_delete_elem(dp->map_fd[MAP_GROUPS], route->group);
	} else {
		memcpy(key.source, route->source, 4);
		memcpy(key.group, route->group, 4);
		bpf_map_delete_elem(dp->map_fd[MAP_SOURCES], &key);
	}
	route_free(dp, route);
}

/* A new route with its out words, whose references it takes over when it succeeds. */
static int route_add(struct dataplane *dp, const struct route_key *key, const uint32_t *out,
		     bool wanted, struct route **added)
{
	uint32_t index = index_get(dp);
	struct route *route;
	int err;

	if (!index)
		return -ENOSPC;
	route = route_new(dp, key, index);
	if (!route) {
		dp->free_indexes[dp->n_free_indexes++] = index;
		return -ENOMEM;
	}
	route->wanted = wanted;
	memcpy(route->out, out, sizeof(route->out));
	err = entry_publish(dp, route);
	if (err) {
		memset(route->out, 0, sizeof(route->out));
		route_free(dp, route);
		return err;
	}
	*added = route;
	return 0;
}

/* The group's entry goes when neither itself nor a source needs it. */
static void group_release(struct dataplane *dp, struct route *group)
{
	if (!group->wanted && !group->n_sources)
		route_remove(dp, group);
}

static int source_add(struct dataplane *dp, const struct route_key *key, const uint32_t *out)
{
	static const uint32_t nowhere[MCASTD_SIDES];
	struct route_key group_key = { 0 };
	struct route *group = route_group(dp, key->group), *route;
	int err;

	if (!group) {
		memcpy(group_key.group, key->group, 4);
		err = route_add(dp, &group_key, nowhere, false, &group);
		if (err)
			return err;
	}
	err = route_add(dp, key, out, true, &route);
	if (err) {
		group_release(dp, group);
		return err;
	}
	group->n_sources++;
	entry_store_flags(dp, group);
	return 0;
}

/* --- operations ---------------------------------------------------------------------------------
 */

static int make_key(const struct addr *group, const struct addr *source, struct route_key *key)
{
	if (!addr_is_v4(group))
		return -EAFNOSUPPORT;
	memset(key, 0, sizeof(*key));
	memcpy(key->group, group->b + 12, 4);
	if (addr_is_v4(source))
		memcpy(key->source, source->b + 12, 4);
	return 0;
}

/* In this order a packet never meets half a change: not wanted, no out word counts. */
static void route_change(struct dataplane *dp, struct route *route, const uint32_t *out,
			 bool wanted)
{
	uint32_t old[MCASTD_SIDES];

	memcpy(old, route->out, sizeof(old));
	memcpy(route->out, out, sizeof(route->out));
	if (route->wanted && !wanted) {
		route->wanted = false;
		entry_store_flags(dp, route);
	}
	entry_store_out(dp, route);
	if (!route->wanted && wanted) {
		route->wanted = true;
		entry_store_flags(dp, route);
	}
	route->adopted = false;
	out_release(dp, old[0]);
	out_release(dp, old[1]);
}

static int route_set(void *ctx, const struct forward_route *wanted)
{
	struct dataplane *dp = ctx;
	struct route_key key;
	struct route *route;
	uint32_t out[MCASTD_SIDES] = { MCASTD_OUT_NONE, MCASTD_OUT_NONE };
	int err = make_key(&wanted->group, &wanted->source, &key);

	_Static_assert((int)MCASTD_SIDES == (int)FORWARD_SIDES, "sides are numbered alike");
	route = err ? NULL : route_find(dp, &key);
	/* Before port sets are made in vain: while the maps are full this is asked often. */
	if (!err && !route && !dp->n_free_indexes && !dp->n_retired)
		err = -ENOSPC;
	for (unsigned int side = 0; side < MCASTD_SIDES && !err; side++)
		err = out_acquire(dp, side, &wanted->out[side], &out[side]);
	if (!err && route)
		route_change(dp, route, out, true);
	else if (!err && memcmp(key.source, any_source, 4) == 0)
		err = route_add(dp, &key, out, true, &route);
	else if (!err)
		err = source_add(dp, &key, out);
	if (err) {
		out_release(dp, out[0]);
		out_release(dp, out[1]);
	}
	return err;
}

/* Returns the entry of its group. */
static struct route *source_remove(struct dataplane *dp, struct route *route)
{
	struct route *group = route_group(dp, route->group);

	group->n_sources--;
	entry_store_flags(dp, group);
	route_remove(dp, route);
	return group;
}

static int route_del(void *ctx, const struct addr *group, const struct addr *source)
{
	static const uint32_t nowhere[MCASTD_SIDES];
	struct dataplane *dp = ctx;
	struct route_key key;
	struct route *route;
	int err = make_key(group, source, &key);

	route = err ? NULL : route_find(dp, &key);
	if (!route || !route->wanted)
		return err ? err : -ENOENT;
	if (is_group_entry(route))
		route_change(dp, route, nowhere, false);
	else
		route = source_remove(dp, route);
	group_release(dp, route);
	return 0;
}

void route_exclude_arrival(struct dataplane *dp, uint32_t slot)
{
	uint32_t bucket = TABLE_START;

	for (struct route *route = NULL; (route = route_next(dp, &bucket, route));) {
		bool changed = false;

		for (unsigned int side = 0; side < MCASTD_SIDES; side++) {
			if (route->out[side] & MCASTD_OUT_EXCLUDE ||
			    !out_has(dp, route->out[side], slot))
				continue;
			route->out[side] |= MCASTD_OUT_EXCLUDE;
			changed = true;
		}
		if (changed)
			entry_store_out(dp, route);
	}
	for (uint32_t i = 1; i < dp->map_entries[MAP_PORTS]; i++)
		if (out_has(dp, dp->ports[i].default_out, slot))
			dp->ports[i].default_out |= MCASTD_OUT_EXCLUDE;
}

const struct forward_ops dataplane_forward_ops = {
	.route_set = route_set,
	.route_del = route_del,
};

int dataplane_route_stats(struct dataplane *dp, const struct addr *group, const struct addr *source,
			  struct mcastd_route_stats *stats)
{
	struct mcastd_route_stats *cpus;
	struct route_key key;
	struct route *route;
	int err = make_key(group, source, &key);

	memset(stats, 0, sizeof(*stats));
	route = err ? NULL : route_find(dp, &key);
	if (!route || !route->wanted)
		return err ? err : -ENOENT;
	cpus = calloc(dp->n_cpus, sizeof(*cpus));
	if (!cpus)
		return -ENOMEM;
	err = bpf_map_lookup_elem(dp->map_fd[MAP_RSTATS], &route->index, cpus);
	for (unsigned int i = 0; i < dp->n_cpus && !err; i++) {
		uint64_t packets = stats->packets + cpus[i].packets;
		uint64_t bytes = stats->bytes + cpus[i].bytes;

		if (cpus[i].last_seen_ns >= stats->last_seen_ns)
			*stats = cpus[i];
		stats->packets = packets;
		stats->bytes = bytes;
	}
	free(cpus);
	return err;
}

/* --- open and close -----------------------------------------------------------------------------
 */

static bool adopt_entry(struct dataplane *dp, const struct route_key *key, uint32_t index)
{
	const struct mcastd_route *entry;
	struct route *route;
	bool whole;

	if (!index || index >= dp->map_entries[MAP_ROUTES])
		return false;
	entry = &dp->routes[index];
	if (memcmp(entry->source, key->source, 4) != 0 || memcmp(entry->group, key->group, 4) != 0)
		return false;
	route = route_new(dp, key, index);
	if (!route)
		return false;
	route->adopted = true;
	route->wanted = entry->flags & MCASTD_ROUTE_WANTED;
	whole = true;
	for (unsigned int side = 0; side < MCASTD_SIDES; side++) {
		if (out_adopt(dp, entry->out[side]))
			route->out[side] = entry->out[side];
		else
			whole = false;
	}
	if (!whole)
		entry_store_out(dp, route);
	direct_put(dp, route);
	return true;
}

/* Adopts what one of the two hash maps leads to; what cannot be is removed there. */
static int adopt_map(struct dataplane *dp, enum map map, bool with_source)
{
	struct mcastd_source_key key, next;
	void *last = NULL;
	struct route_key *broken = NULL;
	size_t n_broken = 0;
	int fd = dp->map_fd[map];

	broken = calloc(dp->map_entries[map], sizeof(*broken));
	if (!broken)
		return -ENOMEM;
	while (bpf_map_get_next_key(fd, last, &next) == 0) {
		struct route_key whole = { 0 };
		uint32_t index = 0;

		memcpy(&key, &next, sizeof(key));
		last = &key;
		if (with_source)
			memcpy(&whole, &key, sizeof(whole));
		else
			memcpy(whole.group, &key, 4);
		if ((bpf_map_lookup_elem(fd, &key, &index) || !adopt_entry(dp, &whole, index)) &&
		    n_broken < dp->map_entries[map])
			broken[n_broken++] = whole;
	}
	while (n_broken) {
		const struct route_key *bad = &broken[--n_broken];

		bpf_map_delete_elem(fd, with_source ? (const void *)bad : bad->group);
	}
	free(broken);
	return 0;
}

/* (S,G) routes count at the entry of their group; one without such an entry is never found. */
static void adopt_sources(struct dataplane *dp)
{
	uint32_t bucket = TABLE_START;
	struct route *route, *next, *group;

	for (route = NULL; (route = route_next(dp, &bucket, route));) {
		group = is_group_entry(route) ? NULL : route_group(dp, route->group);
		if (group)
			group->n_sources++;
	}
	bucket = TABLE_START;
	for (route = route_next(dp, &bucket, NULL); route; route = next) {
		next = route_next(dp, &bucket, route);
		if (is_group_entry(route)) {
			entry_store_flags(dp, route);
			group_release(dp, route);
		} else if (!route_group(dp, route->group)) {
			route_remove(dp, route);
		}
	}
}

static int collect_free(struct dataplane *dp)
{
	uint32_t max = dp->map_entries[MAP_ROUTES], bucket = TABLE_START;
	bool *used = calloc(max, sizeof(*used));

	if (!used)
		return -ENOMEM;
	for (struct route *route = NULL; (route = route_next(dp, &bucket, route));)
		used[route->index] = true;
	for (uint32_t i = 0; i < dp->n_retired; i++)
		used[dp->retired[(dp->retired_first + i) % max].index] = true;
	for (uint32_t index = max - 1; index > 0; index--)
		if (!used[index])
			dp->free_indexes[dp->n_free_indexes++] = index;
	free(used);
	return 0;
}

int route_open(struct dataplane *dp)
{
	int err;

	dp->free_indexes = calloc(dp->map_entries[MAP_ROUTES], sizeof(*dp->free_indexes));
	dp->retired = calloc(dp->map_entries[MAP_ROUTES], sizeof(*dp->retired));
	if (!dp->free_indexes || !dp->retired)
		return -ENOMEM;
	err = adopt_map(dp, MAP_GROUPS, false);
	if (!err)
		err = adopt_map(dp, MAP_SOURCES, true);
	if (err)
		return err;
	adopt_sources(dp);
	return collect_free(dp);
}

void dataplane_each_adopted(const struct dataplane *dp, dataplane_adopted_fn fn, void *arg)
{
	uint32_t bucket = TABLE_START;

	for (struct route *route = NULL; (route = route_next(dp, &bucket, route));) {
		struct forward_route view = { .group = addr_from_v4(route->group) };
		uint16_t single[MCASTD_SIDES];

		if (!route->adopted || !route->wanted)
			continue;
		if (!is_group_entry(route))
			view.source = addr_from_v4(route->source);
		for (unsigned int side = 0; side < MCASTD_SIDES; side++)
			view.out[side] = out_ports(dp, route->out[side], &single[side]);
		if (!fn(&view, arg))
			return;
	}
}

/* Removes all routes, or those that were adopted and not set since. Returns how many. */
static size_t remove_routes(struct dataplane *dp, bool all)
{
	static const uint32_t nowhere[MCASTD_SIDES];
	uint32_t bucket = TABLE_START;
	struct route *route, *next;
	size_t n = 0;

	/* Only the route at hand may go while walking: entries of groups last. */
	for (route = route_next(dp, &bucket, NULL); route; route = next) {
		next = route_next(dp, &bucket, route);
		if (!route->wanted || !(all || route->adopted))
			continue;
		n++;
		if (is_group_entry(route))
			route_change(dp, route, nowhere, false);
		else
			source_remove(dp, route);
	}
	bucket = TABLE_START;
	for (route = route_next(dp, &bucket, NULL); route; route = next) {
		next = route_next(dp, &bucket, route);
		if (is_group_entry(route))
			group_release(dp, route);
	}
	return n;
}

size_t dataplane_drop_adopted(struct dataplane *dp)
{
	/* Prefixes whose port could not be told: by now the ports have brought their own. */
	prefix_maps_drop(dp, 0);
	prefix_maps_update(dp);
	return remove_routes(dp, false);
}

void route_clear(struct dataplane *dp)
{
	remove_routes(dp, true);
}

void route_close(struct dataplane *dp)
{
	uint32_t bucket = TABLE_START;
	struct route *route, *next;

	for (route = route_next(dp, &bucket, NULL); route; route = next) {
		next = route_next(dp, &bucket, route);
		free(route);
	}
	table_fini(&dp->route_table);
	free(dp->free_indexes);
	free(dp->retired);
}
