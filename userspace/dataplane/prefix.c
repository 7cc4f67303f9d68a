// SPDX-License-Identifier: BSD-2-Clause
/*
 * The prefixes that the arrival checks look up. Each port brings its lists; the two maps are made
 * of the lists of all ports. A change is worked out whole, then applied: first what is new, then
 * what goes, so that no packet meets less than the old or the new lists hold.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "dataplane/internal.h"
#include "rules/boundary.h"

#define V4_BITS 96 /* of a v4-mapped address, before the IPv4 address */

static bool usable(const struct prefix *prefix)
{
	return addr_is_v4(&prefix->addr) && prefix->len >= V4_BITS;
}

static struct prefix_entry origin_entry(const struct origin *origin)
{
	struct mcastd_origin_key key = { .prefix_length = origin->prefix.len - V4_BITS };
	struct prefix_entry entry = { .value = origin->slot };

	_Static_assert(ORIGIN_SHARED == MCASTD_ORIGIN_SHARED, "what is shared is marked alike");
	_Static_assert(ORIGIN_SELF == MCASTD_ORIGIN_SELF, "so is what is the router's own");
	memcpy(key.source, origin->prefix.addr.b + 12, 4);
	memcpy(entry.key, &key, sizeof(key));
	return entry;
}

static struct prefix_entry boundary_entry(const struct prefix *prefix, uint32_t slot)
{
	struct mcastd_boundary_key key = { .prefix_length = 32u + prefix->len - V4_BITS,
					   .slot = slot };
	struct prefix_entry entry = { .value = 1 };

	memcpy(key.group, prefix->addr.b + 12, 4);
	memcpy(entry.key, &key, sizeof(key));
	return entry;
}

static int compare(const void *a, const void *b)
{
	return memcmp(((const struct prefix_entry *)a)->key, ((const struct prefix_entry *)b)->key,
		      sizeof(((const struct prefix_entry *)a)->key));
}

/* --- from lists to entries ---------------------------------------------------------------------
 */

static uint32_t count_prefixes(const struct prefix_map *map)
{
	uint32_t n = 0;

	for (unsigned int slot = 0; slot < MCASTD_MAX_PORTS; slot++)
		n += map->of_slot[slot].n;
	return n;
}

/* What all ports say of where sources live. Returns NULL when memory ran out. */
static struct origin *collect_origins(const struct dataplane *dp, uint32_t *n)
{
	const struct prefix_map *map = &dp->origins;
	size_t most = (size_t)count_prefixes(map) + dp->n_own + 1;
	struct origin *origins = calloc(most, sizeof(*origins));

	*n = 0;
	for (uint32_t i = 0; i < dp->n_own && origins; i++)
		origins[(*n)++] = (struct origin){ dp->own[i], ORIGIN_SELF };
	for (unsigned int slot = 0; slot < MCASTD_MAX_PORTS && origins; slot++)
		for (uint32_t i = 0; i < map->of_slot[slot].n; i++)
			origins[(*n)++] = (struct origin){ map->of_slot[slot].prefixes[i], slot };
	if (origins)
		*n = origin_merge(origins, *n);
	return origins;
}

static bool leads_upstream(const struct dataplane *dp, unsigned int slot)
{
	return dp->ports[slot].ifindex && dp->ports[slot].side == MCASTD_SIDE_UPSTREAM;
}

static uint32_t boundary_entries(const struct dataplane *dp, struct prefix_entry *entries)
{
	uint32_t n = 0;

	for (unsigned int slot = 0; slot < MCASTD_MAX_PORTS; slot++) {
		const struct prefix *prefixes = dp->boundaries.of_slot[slot].prefixes;
		uint32_t of_slot = dp->boundaries.of_slot[slot].n;

		for (uint32_t i = 0; i < boundary_count(prefixes, of_slot); i++) {
			const struct prefix *prefix = boundary_at(prefixes, of_slot, i);

			entries[n++] = boundary_entry(prefix, slot);
			/* Data without a route leaves by the upstream ports only. */
			if (leads_upstream(dp, slot))
				entries[n++] = boundary_entry(prefix, 0);
		}
	}
	return n;
}

/* Sorted, each key once. */
static uint32_t unique(struct prefix_entry *entries, uint32_t n)
{
	uint32_t kept = 0;

	if (n)
		qsort(entries, n, sizeof(*entries), compare);
	for (uint32_t i = 0; i < n; i++)
		if (!kept || compare(&entries[kept - 1], &entries[i]) != 0)
			entries[kept++] = entries[i];
	return kept;
}

static const struct prefix_entry *find_entry(const struct prefix_entry *entries, uint32_t n,
					     const struct prefix_entry *like)
{
	return n ? bsearch(like, entries, n, sizeof(*entries), compare) : NULL;
}

/* Puts the first n entries into the map; an entry that is not in `old` is new. */
static int put_entries(int fd, const struct prefix_entry *entries, uint32_t n,
		       const struct prefix_entry *old, uint32_t n_old, uint32_t *done)
{
	int err = 0;

	for (*done = 0; *done < n && !err; ++*done) {
		const struct prefix_entry *entry = &entries[*done];
		const struct prefix_entry *before = find_entry(old, n_old, entry);

		if (!before || before->value != entry->value)
			err = bpf_map_update_elem(fd, entry->key, &entry->value, BPF_ANY);
	}
	return err;
}

/* Takes out what is in the first list and not in the second. */
static void delete_entries(int fd, const struct prefix_entry *entries, uint32_t n,
			   const struct prefix_entry *kept, uint32_t n_kept)
{
	for (uint32_t i = 0; i < n; i++)
		if (!find_entry(kept, n_kept, &entries[i]))
			bpf_map_delete_elem(fd, entries[i].key);
}

static int apply(struct dataplane *dp, struct prefix_map *map, struct prefix_entry *entries,
		 uint32_t n)
{
	uint32_t max = dp->map_entries[map->map], done;
	int fd = dp->map_fd[map->map], err;

	if (n > max)
		return -ENOSPC;
	/* When both do not fit at once, the old goes first. */
	if (n + map->n > max)
		delete_entries(fd, map->entries, map->n, entries, n);
	err = put_entries(fd, entries, n, map->entries, map->n, &done);
	if (err) {
		delete_entries(fd, entries, done, map->entries, map->n);
		put_entries(fd, map->entries, map->n, NULL, 0, &done);
		return err;
	}
	delete_entries(fd, map->entries, map->n, entries, n);
	free(map->entries);
	map->entries = entries;
	map->n = n;
	return 0;
}

static int update_origins(struct dataplane *dp)
{
	uint32_t n;
	struct origin *origins = collect_origins(dp, &n);
	struct prefix_entry *entries = calloc((size_t)n + 1, sizeof(*entries));
	int err = origins && entries ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < n && !err; i++)
		entries[i] = origin_entry(&origins[i]);
	if (!err)
		err = apply(dp, &dp->origins, entries, unique(entries, n));
	if (err) {
		free(entries);
		free(origins);
		return err;
	}
	free(dp->homes);
	dp->homes = origins;
	dp->n_homes = n;
	return 0;
}

static int update_boundaries(struct dataplane *dp)
{
	/* Each list may stand for one prefix more, and each prefix for two entries. */
	size_t most = 2 * ((size_t)count_prefixes(&dp->boundaries) + MCASTD_MAX_PORTS);
	struct prefix_entry *entries = calloc(most, sizeof(*entries));
	int err;

	if (!entries)
		return -ENOMEM;
	err = apply(dp, &dp->boundaries, entries, unique(entries, boundary_entries(dp, entries)));
	if (err)
		free(entries);
	return err;
}

static int update(struct dataplane *dp, struct prefix_map *map)
{
	return map == &dp->origins ? update_origins(dp) : update_boundaries(dp);
}

int prefix_maps_update(struct dataplane *dp)
{
	int err = update_origins(dp);

	if (!err)
		err = update_boundaries(dp);
	port_new_generation(dp);
	return err;
}

/* --- lists -------------------------------------------------------------------------------------
 */

static int replace_list(struct dataplane *dp, struct prefix_map *map, unsigned int slot,
			const struct prefix *prefixes, uint32_t n)
{
	struct prefix *copy = calloc(n + 1, sizeof(*copy)), *old;
	uint32_t kept = 0, n_old;
	int err;

	if (slot < 1 || slot >= MCASTD_MAX_PORTS || !copy) {
		free(copy);
		return copy ? -EINVAL : -ENOMEM;
	}
	for (uint32_t i = 0; i < n; i++)
		if (usable(&prefixes[i]))
			copy[kept++] = prefixes[i];
	old = map->of_slot[slot].prefixes;
	n_old = map->of_slot[slot].n;
	map->of_slot[slot].prefixes = copy;
	map->of_slot[slot].n = kept;
	err = update(dp, map);
	if (err) {
		map->of_slot[slot].prefixes = old;
		map->of_slot[slot].n = n_old;
		old = copy;
	}
	free(old);
	port_new_generation(dp);
	return err;
}

int dataplane_origins_set(struct dataplane *dp, unsigned int slot, const struct prefix *prefixes,
			  uint32_t n)
{
	return replace_list(dp, &dp->origins, slot, prefixes, n);
}

int dataplane_own_set(struct dataplane *dp, const struct prefix *own, uint32_t n)
{
	struct prefix *copy, *before = dp->own;
	uint32_t n_before = dp->n_own;
	int err;

	if (n == n_before && (!n || memcmp(own, before, n * sizeof(*own)) == 0))
		return 0;
	copy = calloc((size_t)n + 1, sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	if (n)
		memcpy(copy, own, n * sizeof(*own));
	dp->own = copy;
	dp->n_own = n;
	err = update_origins(dp);
	if (err) {
		dp->own = before;
		dp->n_own = n_before;
		before = copy;
	}
	free(before);
	port_new_generation(dp);
	return err;
}

int dataplane_boundary_set(struct dataplane *dp, unsigned int slot, const struct prefix *prefixes,
			   uint32_t n)
{
	int err = replace_list(dp, &dp->boundaries, slot, prefixes, n);

	if (!err && dp->ports[slot].ifindex) {
		if (prefix_has_boundary(dp, slot))
			dp->ports[slot].flags |= MCASTD_PORT_BOUNDARY;
		else
			dp->ports[slot].flags &= ~(uint32_t)MCASTD_PORT_BOUNDARY;
		port_new_generation(dp);
	}
	return err;
}

const struct origin *dataplane_origins(const struct dataplane *dp, uint32_t *n)
{
	*n = dp->n_homes;
	return dp->homes;
}

bool prefix_has_boundary(const struct dataplane *dp, unsigned int slot)
{
	return dp->boundaries.of_slot[slot].n > 0;
}

void prefix_maps_drop(struct dataplane *dp, unsigned int slot)
{
	struct prefix_map *maps[] = { &dp->origins, &dp->boundaries };

	for (size_t i = 0; i < 2; i++) {
		free(maps[i]->of_slot[slot].prefixes);
		maps[i]->of_slot[slot].prefixes = NULL;
		maps[i]->of_slot[slot].n = 0;
	}
}

/* --- open and close ----------------------------------------------------------------------------
 */

static int append(struct prefix **list, uint32_t *n, const uint8_t *v4, uint32_t len)
{
	struct prefix *more = realloc(*list, (*n + 1) * sizeof(struct prefix));

	if (!more)
		return -ENOMEM;
	*list = more;
	more[(*n)++] = (struct prefix){ .addr = addr_from_v4(v4), .len = (uint8_t)(V4_BITS + len) };
	return 0;
}

static int append_to_slot(struct prefix_map *map, uint32_t slot, const uint8_t *v4, uint32_t len)
{
	return append(&map->of_slot[slot].prefixes, &map->of_slot[slot].n, v4, len);
}

/* Puts an entry that was taken over back into the list it came from. */
static int adopt(struct dataplane *dp, struct prefix_map *map, const struct prefix_entry *entry)
{
	struct mcastd_boundary_key boundary;
	struct mcastd_origin_key origin;

	if (map == &dp->origins) {
		memcpy(&origin, entry->key, sizeof(origin));
		if (entry->value == MCASTD_ORIGIN_SELF)
			return append(&dp->own, &dp->n_own, origin.source, origin.prefix_length);
		return entry->value < MCASTD_MAX_PORTS
			       ? append_to_slot(map, entry->value, origin.source,
						origin.prefix_length)
			       : 0;
	}
	memcpy(&boundary, entry->key, sizeof(boundary));
	return boundary.slot && boundary.slot < MCASTD_MAX_PORTS
		       ? append_to_slot(map, boundary.slot, boundary.group,
					boundary.prefix_length - 32)
		       : 0;
}

static int read_map(struct dataplane *dp, struct prefix_map *map)
{
	uint32_t max = dp->map_entries[map->map];
	int fd = dp->map_fd[map->map], err = 0;
	struct prefix_entry entry = { 0 };
	uint8_t key[sizeof(entry.key)] = { 0 };
	void *last = NULL;

	map->entries = calloc(max, sizeof(*map->entries));
	if (!map->entries)
		return -ENOMEM;
	while (!err && map->n < max && bpf_map_get_next_key(fd, last, entry.key) == 0) {
		if (bpf_map_lookup_elem(fd, entry.key, &entry.value) == 0) {
			map->entries[map->n++] = entry;
			err = adopt(dp, map, &entry);
		}
		last = memcpy(key, entry.key, sizeof(key));
	}
	if (map->n)
		qsort(map->entries, map->n, sizeof(*map->entries), compare);
	return err;
}

int prefix_maps_open(struct dataplane *dp)
{
	int err;

	dp->origins.map = MAP_ORIGINS;
	dp->boundaries.map = MAP_BOUNDARIES;
	err = read_map(dp, &dp->origins);
	return err ? err : read_map(dp, &dp->boundaries);
}

void prefix_maps_close(struct dataplane *dp)
{
	for (unsigned int slot = 0; slot < MCASTD_MAX_PORTS; slot++)
		prefix_maps_drop(dp, slot);
	free(dp->origins.entries);
	free(dp->boundaries.entries);
	free(dp->homes);
	free(dp->own);
}
