/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Port sets: devmap hashes in the map mcastd_sets, found by content and shared by all routes that
 * go to the same ports. A set that no out word names any more is idle: it keeps its content, and
 * can come back, until a new set needs its map (spare.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "dataplane/internal.h"

/* --- content ------------------------------------------------------------------------------------
 */

static uint32_t hash_slots(const struct dataplane *dp, const uint16_t *slots, uint32_t n)
{
	return table_hash(dp->hash_seed, slots, n * sizeof(*slots));
}

static struct port_set *find_set(const struct dataplane *dp, const uint16_t *slots, uint32_t n)
{
	struct table_node *node = table_first(&dp->set_table, hash_slots(dp, slots, n));

	for (; node; node = table_next(node)) {
		struct port_set *set = table_entry(node, struct port_set, node);

		if (set->n == n && memcmp(set->slots, slots, n * sizeof(*slots)) == 0)
			return set;
	}
	return NULL;
}

static bool set_has(const struct port_set *set, uint32_t slot)
{
	for (uint32_t i = 0; i < set->n; i++)
		if (set->slots[i] == slot)
			return true;
	return false;
}

static int put_device(const struct dataplane *dp, const struct port_set *set, uint32_t slot)
{
	const struct mcastd_port *port = &dp->ports[slot];
	struct mcastd_dev dev = {
		.ifindex = port->ifindex,
		.prog_fd = (uint32_t)dp->egress_fd,
	};

	if (!port->ifindex || port->flags & MCASTD_PORT_DOWN)
		return 0;
	return bpf_map_update_elem(set->fd, &slot, &dev, BPF_ANY);
}

void set_empty(struct dataplane *dp, struct port_set *set)
{
	for (uint32_t i = 0; i < set->n; i++) {
		uint32_t slot = set->slots[i];

		bpf_map_delete_elem(set->fd, &slot);
	}
	if (set->n)
		table_remove(&dp->set_table, &set->node);
	free(set->slots);
	set->slots = NULL;
	set->n = 0;
}

/* Notes what the set is made of, so that it can be found. */
static int set_name(struct dataplane *dp, struct port_set *set, const uint16_t *slots, uint32_t n)
{
	set->slots = malloc(n * sizeof(*slots));
	if (!set->slots)
		return -ENOMEM;
	memcpy(set->slots, slots, n * sizeof(*slots));
	set->node.hash = hash_slots(dp, slots, n);
	if (table_insert(&dp->set_table, &set->node)) {
		free(set->slots);
		set->slots = NULL;
		return -ENOMEM;
	}
	set->n = n;
	return 0;
}

static int set_fill(struct dataplane *dp, struct port_set *set, const uint16_t *slots, uint32_t n)
{
	int err = set_name(dp, set, slots, n);

	if (err)
		return err;
	for (uint32_t i = 0; i < n; i++) {
		err = put_device(dp, set, slots[i]);
		/* -EINVAL: the interface has just vanished, its port will go. */
		if (err && err != -EINVAL) {
			set_empty(dp, set);
			return err;
		}
	}
	return 0;
}

/* --- out words ----------------------------------------------------------------------------------
 */

static void set_ref(struct dataplane *dp, struct port_set *set)
{
	if (set->refs++ == 0)
		set_list_remove(&dp->idle[set->class], set);
}

/* Can a packet from this side have arrived on one of these ports? */
static bool may_hold_arrival(const struct dataplane *dp, enum mcastd_side side,
			     const struct forward_ports *ports)
{
	for (uint32_t i = 0; i < ports->n; i++) {
		const struct mcastd_port *port = &dp->ports[ports->slots[i]];

		if (!port->ifindex || port->side == side)
			return true;
	}
	return false;
}

bool out_has(const struct dataplane *dp, uint32_t out, uint32_t slot)
{
	return out != MCASTD_OUT_NONE && !(out & MCASTD_OUT_PORT) &&
	       set_has(&dp->sets[out & MCASTD_OUT_VALUE], slot);
}

int out_acquire(struct dataplane *dp, enum mcastd_side side, const struct forward_ports *ports,
		uint32_t *out)
{
	struct port_set *set;
	int err;

	if (ports->n < 2) {
		*out = ports->n ? MCASTD_OUT_PORT | ports->slots[0] : MCASTD_OUT_NONE;
		return 0;
	}
	set = find_set(dp, ports->slots, ports->n);
	if (set) {
		set_ref(dp, set);
	} else {
		port_run_egress(dp);
		set = spare_get(dp, set_class_of(ports->n));
		if (!set)
			return -EXFULL;
		err = set_fill(dp, set, ports->slots, ports->n);
		if (err) {
			set_list_append(&dp->spare[set->class], set);
			return err;
		}
		set->refs = 1;
	}
	*out = set_id(dp, set) | (may_hold_arrival(dp, side, ports) ? MCASTD_OUT_EXCLUDE : 0);
	return 0;
}

void out_release(struct dataplane *dp, uint32_t out)
{
	struct port_set *set;

	if (out == MCASTD_OUT_NONE || out & MCASTD_OUT_PORT)
		return;
	set = &dp->sets[out & MCASTD_OUT_VALUE];
	if (--set->refs > 0)
		return;
	set->stamp = dp->stamp;
	set_list_append(&dp->idle[set->class], set);
}

void out_mark(const struct dataplane *dp, uint32_t out, bool *wanted)
{
	uint32_t value = out & MCASTD_OUT_VALUE;

	if (out & MCASTD_OUT_PORT && value < MCASTD_MAX_PORTS)
		wanted[value] = true;
	if (out & MCASTD_OUT_PORT || value >= dp->map_entries[MAP_SETS])
		return;
	for (uint32_t i = 0; i < dp->sets[value].n; i++)
		wanted[dp->sets[value].slots[i]] = true;
}

/* --- devices ------------------------------------------------------------------------------------
 */

/* All sets with content, see table_walk(). */
static struct port_set *set_next(const struct dataplane *dp, uint32_t *bucket,
				 const struct port_set *set)
{
	struct table_node *node = table_walk(&dp->set_table, bucket, set ? &set->node : NULL);

	return node ? table_entry(node, struct port_set, node) : NULL;
}

int set_add_device(struct dataplane *dp, uint32_t slot)
{
	uint32_t bucket = TABLE_START;
	int err = 0;

	for (uint32_t id = 0; !err && id < MCASTD_SET_FIRST; id++)
		err = put_device(dp, &dp->sets[id], slot);
	for (struct port_set *set = NULL; !err && (set = set_next(dp, &bucket, set));) {
		if (set_has(set, slot))
			err = put_device(dp, set, slot);
	}
	if (err)
		set_del_device(dp, slot);
	return err;
}

void set_del_device(struct dataplane *dp, uint32_t slot)
{
	uint32_t bucket = TABLE_START;

	for (uint32_t id = 0; id < MCASTD_SET_FIRST; id++)
		bpf_map_delete_elem(dp->sets[id].fd, &slot);
	for (struct port_set *set = NULL; (set = set_next(dp, &bucket, set));) {
		if (set_has(set, slot))
			bpf_map_delete_elem(set->fd, &slot);
	}
}

/* --- open and close -----------------------------------------------------------------------------
 */

static int compare_slots(const void *a, const void *b)
{
	return (int)*(const uint16_t *)a - (int)*(const uint16_t *)b;
}

/* Takes over the inner map of one element, with what it holds. */
static int adopt_element(struct dataplane *dp, struct port_set *set, uint32_t map_id)
{
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info), key, *last = NULL, n = 0;
	uint16_t slots[MCASTD_MAX_PORTS];
	int fd = bpf_map_get_fd_by_id(map_id), err;

	if (fd < 0)
		return fd;
	set->fd = fd;
	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		return -errno;
	set->class = set_class_of(info.max_entries);
	if (set_id(dp, set) < MCASTD_SET_FIRST)
		return 0;
	dp->sets_of[set->class]++;
	while (n < MCASTD_MAX_PORTS && bpf_map_get_next_key(fd, last, &key) == 0) {
		slots[n++] = (uint16_t)key;
		last = &key;
	}
	if (!n) {
		set_list_append(&dp->spare[set->class], set);
		return 0;
	}
	dp->egress_everywhere = true;
	qsort(slots, n, sizeof(slots[0]), compare_slots);
	err = set_name(dp, set, slots, n);
	if (!err)
		set_list_append(&dp->idle[set->class], set);
	return err;
}

static int create_set_of_all(struct dataplane *dp, uint32_t id)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_DEVMAP_HASH, "mcastd_all", sizeof(uint32_t),
				sizeof(struct mcastd_dev), dp->map_entries[MAP_PORTS], NULL);

	if (fd < 0)
		return fd;
	dp->sets[id].fd = fd;
	return bpf_map_update_elem(dp->map_fd[MAP_SETS], &id, &fd, BPF_ANY);
}

static void mark_set(const struct dataplane *dp, uint32_t out, bool *named)
{
	uint32_t id = out & MCASTD_OUT_VALUE;

	if (!(out & MCASTD_OUT_PORT) && id < dp->map_entries[MAP_SETS])
		named[id] = true;
}

/*
 * Takes over the sets that out words name; the others are overwritten in time. To look at every
 * element is no way: before Linux 6.8 each look-up waits for a grace period of the kernel.
 */
static int adopt_sets(struct dataplane *dp)
{
	bool *named = calloc(dp->map_entries[MAP_SETS], sizeof(*named));
	int err = 0;

	if (!named)
		return -ENOMEM;
	for (uint32_t id = 0; id < MCASTD_SET_FIRST; id++)
		named[id] = true;
	for (uint32_t i = 0; i < dp->map_entries[MAP_ROUTES]; i++)
		for (unsigned int side = 0; side < MCASTD_SIDES; side++)
			mark_set(dp, dp->routes[i].out[side], named);
	for (uint32_t slot = 0; slot < dp->map_entries[MAP_PORTS]; slot++)
		mark_set(dp, dp->ports[slot].default_out, named);
	for (uint32_t id = 0; !err && id < dp->map_entries[MAP_SETS]; id++) {
		uint32_t map_id;

		if (named[id] && bpf_map_lookup_elem(dp->map_fd[MAP_SETS], &id, &map_id) == 0)
			err = adopt_element(dp, &dp->sets[id], map_id);
	}
	free(named);
	return err;
}

int set_open(struct dataplane *dp)
{
	int err;

	dp->sets = calloc(dp->map_entries[MAP_SETS], sizeof(*dp->sets));
	if (!dp->sets)
		return -ENOMEM;
	for (uint32_t id = 0; id < dp->map_entries[MAP_SETS]; id++)
		dp->sets[id].fd = -1;
	dp->next_unused = MCASTD_SET_FIRST;
	err = adopt_sets(dp);
	if (!err)
		err = set_renew_all(dp);
	for (uint32_t id = 0; !err && id < MCASTD_SET_FIRST; id++)
		if (dp->sets[id].fd < 0)
			err = create_set_of_all(dp, id);
	return err;
}

struct forward_ports out_ports(const struct dataplane *dp, uint32_t out, uint16_t *single)
{
	uint32_t value = out & MCASTD_OUT_VALUE;

	if (out == MCASTD_OUT_NONE)
		return (struct forward_ports){ NULL, 0 };
	if (!(out & MCASTD_OUT_PORT))
		return (struct forward_ports){ dp->sets[value].slots, dp->sets[value].n };
	*single = (uint16_t)value;
	return (struct forward_ports){ single, 1 };
}

bool out_adopt(struct dataplane *dp, uint32_t out)
{
	if (out == MCASTD_OUT_NONE || out & MCASTD_OUT_PORT)
		return (out & MCASTD_OUT_VALUE) < MCASTD_MAX_PORTS;
	out &= MCASTD_OUT_VALUE;
	if (out >= dp->map_entries[MAP_SETS] || !dp->sets[out].n)
		return false;
	set_ref(dp, &dp->sets[out]);
	return true;
}

int set_adopt_done(struct dataplane *dp)
{
	for (unsigned int c = 0; c < SET_CLASSES; c++) {
		struct port_set *set;

		while ((set = dp->idle[c].first)) {
			set_list_remove(&dp->idle[c], set);
			set_empty(dp, set);
			set_list_append(&dp->spare[c], set);
		}
	}
	spare_fill(dp);
	return 0;
}

void set_close(struct dataplane *dp)
{
	for (uint32_t id = 0; dp->sets && id < dp->map_entries[MAP_SETS]; id++) {
		free(dp->sets[id].slots);
		if (dp->sets[id].fd >= 0)
			close(dp->sets[id].fd);
	}
	free(dp->sets);
	table_fini(&dp->set_table);
}
