/* SPDX-License-Identifier: BSD-2-Clause */
/* What the maps hold, how they fill up, are taken over and given back. */
#include <stddef.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>

#include "../support/bed.h"

static struct bed bed;

/* --- looking into the maps ---------------------------------------------------------------------
 */

static int open_map(const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", veth_bpffs(), name);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	return fd;
}

static bool look_up(const char *map, const void *key, void *value)
{
	int fd = open_map(map), err = bpf_map_lookup_elem(fd, key, value);

	close(fd);
	return err == 0;
}

static size_t count_keys(int fd)
{
	uint8_t key[16], last[16];
	size_t n = 0;

	for (void *from = NULL; bpf_map_get_next_key(fd, from, key) == 0; n++) {
		memcpy(last, key, sizeof(last));
		from = last;
	}
	close(fd);
	return n;
}

/* The entry of a group, or with a source that of the source. */
static bool entry_of(const char *source, const char *group, struct mcastd_route *entry)
{
	struct mcastd_source_key key;
	struct addr s, g;
	uint32_t index = 0;

	memset(entry, 0, sizeof(*entry));
	addr_parse(group, &g);
	addr_parse(source, &s);
	memcpy(key.source, s.b + 12, 4);
	memcpy(key.group, g.b + 12, 4);
	if (strcmp(source, "0.0.0.0") == 0 ? !look_up("mcastd_groups", key.group, &index)
					   : !look_up("mcastd_sources", &key, &index))
		return false;
	assert_true(look_up("mcastd_routes", &index, entry));
	assert_memory_equal(entry->group, key.group, 4);
	assert_memory_equal(entry->source, key.source, 4);
	return true;
}

static uint32_t out_of(const char *source, const char *group)
{
	struct mcastd_route entry;

	assert_true(entry_of(source, group, &entry));
	assert_int_equal(entry.out[0] & ~MCASTD_OUT_EXCLUDE, entry.out[1] & ~MCASTD_OUT_EXCLUDE);
	return entry.out[0] & ~MCASTD_OUT_EXCLUDE;
}

/* The slots in a set, as a bit mask; the size of its map. */
static uint32_t members_of(uint32_t id, uint32_t *size)
{
	struct bpf_map_info info = { 0 };
	uint32_t map_id, mask = 0, key, *last = NULL, len = sizeof(info);
	int fd;

	assert_true(look_up("mcastd_sets", &id, &map_id));
	fd = bpf_map_get_fd_by_id(map_id);
	assert_true(fd >= 0);
	for (; bpf_map_get_next_key(fd, last, &key) == 0; last = &key)
		mask |= 1u << key;
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	if (size)
		*size = info.max_entries;
	close(fd);
	return mask;
}

static uint32_t program_on(unsigned int slot)
{
	uint32_t id = 0;

	assert_int_equal(bpf_xdp_query_id((int)bed.veth.ifindex[slot], 0, &id), 0);
	return id;
}

/* --- routes ------------------------------------------------------------------------------------
 */

static void routes_come_and_go(void **state)
{
	struct mcastd_route entry;

	(void)state;
	bed_init(&bed, 3, NULL);
	bed_ports(&bed, DATAPLANE_MODE_NATIVE);
	assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", "239.1.1.1", 2), 0);
	assert_int_equal(out_of("0.0.0.0", "239.1.1.1"), MCASTD_OUT_PORT | 2);
	assert_true(entry_of("0.0.0.0", "239.1.1.1", &entry));
	assert_int_equal(entry.flags, MCASTD_ROUTE_WANTED);

	assert_int_equal(BED_ROUTE(&bed, "192.0.2.1", "239.1.1.1", 3), 0);
	assert_true(entry_of("0.0.0.0", "239.1.1.1", &entry));
	assert_int_equal(entry.flags, MCASTD_ROUTE_WANTED | MCASTD_ROUTE_HAS_SOURCES);
	assert_int_equal(bed_unroute(&bed, "0.0.0.0", "239.1.1.1"), 0);
	assert_int_equal(bed_unroute(&bed, "0.0.0.0", "239.1.1.1"), -ENOENT);
	assert_true(entry_of("0.0.0.0", "239.1.1.1", &entry));
	assert_int_equal(entry.flags, MCASTD_ROUTE_HAS_SOURCES);
	assert_int_equal(out_of("192.0.2.1", "239.1.1.1"), MCASTD_OUT_PORT | 3);
	assert_int_equal(bed_unroute(&bed, "192.0.2.1", "239.1.1.1"), 0);
	assert_false(entry_of("192.0.2.1", "239.1.1.1", &entry));
	assert_false(entry_of("0.0.0.0", "239.1.1.1", &entry));

	/* One side each. */
	{
		const uint16_t up[] = { 1 }, down[] = { 2, 3 };
		struct forward_route route = { .out = { { down, 2 }, { up, 1 } } };

		addr_parse("239.1.1.2", &route.group);
		assert_int_equal(dataplane_forward_ops.route_set(bed.dp, &route), 0);
		assert_true(entry_of("0.0.0.0", "239.1.1.2", &entry));
		assert_int_equal(entry.out[MCASTD_SIDE_DOWNSTREAM], MCASTD_OUT_PORT | 1);
		assert_int_equal(members_of(entry.out[MCASTD_SIDE_UPSTREAM], NULL),
				 1 << 2 | 1 << 3);
	}
	bed_fini(&bed);
}

/* Only sets that may hold the port of arrival leave it out: that costs time. */
static void arrival_is_left_out(void **state)
{
	struct dataplane_port port;
	struct mcastd_route entry;

	(void)state;
	bed_init(&bed, 4, NULL);
	bed_ports(&bed, DATAPLANE_MODE_NATIVE);
	assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", "239.1.1.1", 2, 3), 0);
	assert_true(entry_of("0.0.0.0", "239.1.1.1", &entry));
	assert_false(entry.out[MCASTD_SIDE_UPSTREAM] & MCASTD_OUT_EXCLUDE);
	assert_true(entry.out[MCASTD_SIDE_DOWNSTREAM] & MCASTD_OUT_EXCLUDE);
	assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", "239.1.1.2", 1, 2), 0);
	assert_true(entry_of("0.0.0.0", "239.1.1.2", &entry));
	assert_true(entry.out[MCASTD_SIDE_UPSTREAM] & MCASTD_OUT_EXCLUDE);

	/* A port becomes another upstream: packets from there may meet themselves now. */
	port = bed_port(&bed, 3);
	port.side = MCASTD_SIDE_UPSTREAM;
	bed_port_set(&bed, 3, &port);
	assert_true(entry_of("0.0.0.0", "239.1.1.1", &entry));
	assert_true(entry.out[MCASTD_SIDE_UPSTREAM] & MCASTD_OUT_EXCLUDE);

	/* A port that is not there yet may come as either. */
	assert_int_equal(dataplane_port_del(bed.dp, 4), 0);
	assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", "239.1.1.3", 2, 4), 0);
	assert_true(entry_of("0.0.0.0", "239.1.1.3", &entry));
	assert_true(entry.out[MCASTD_SIDE_UPSTREAM] & MCASTD_OUT_EXCLUDE);
	bed_fini(&bed);
}

/* Routes that share an entry of the short cut are all found; so are those that follow them. */
static void direct_collisions(void **state)
{
	const struct dataplane_options options = { .bpffs_dir = veth_bpffs() };
	struct veth_frame frame;
	struct bed_run run;
	char groups[2][32];
	uint32_t at = mcastd_direct_index(0, 0xef010101), other = 0xef010102;

	(void)state;
	while (mcastd_direct_index(0, other) != at)
		other++;
	snprintf(groups[0], sizeof(groups[0]), "239.1.1.1");
	snprintf(groups[1], sizeof(groups[1]), "239.%u.%u.%u", other >> 16 & 255, other >> 8 & 255,
		 other & 255);
	bed_init(&bed, 3, &options);
	bed_ports(&bed, DATAPLANE_MODE_NATIVE);
	for (int last = 0; last < 2; last++) {
		assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", groups[!last], 2), 0);
		assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", groups[last], 3), 0);
		for (int g = 0; g < 2; g++) {
			datagram_init(&frame, "192.0.2.1", groups[g], 8, 10, 0);
			bed_run(&bed, 1, &frame, &run);
			assert_int_equal(run.verdict, MCASTD_FORWARDED);
			assert_memory_equal(run.out.bytes + 6, bed.veth.mac[g == last ? 3 : 2], 6);
		}
		assert_int_equal(bed_unroute(&bed, "0.0.0.0", groups[last]), 0);
		datagram_init(&frame, "192.0.2.1", groups[last], 8, 10, 0);
		bed_run(&bed, 1, &frame, &run);
		assert_int_equal(run.verdict, MCASTD_NO_ROUTE);
		datagram_init(&frame, "192.0.2.1", groups[!last], 8, 10, 0);
		bed_run(&bed, 1, &frame, &run);
		assert_int_equal(run.verdict, MCASTD_FORWARDED);
		assert_int_equal(bed_unroute(&bed, "0.0.0.0", groups[!last]), 0);
	}
	bed_fini(&bed);
}

/* The short cut leads to every route that no other shares an entry with: the hash is not asked. */
static void direct_alone(void **state)
{
	struct veth_frame frame;
	struct bed_run run;
	int fd;

	(void)state;
	bed_init(&bed, 2, NULL);
	bed_ports(&bed, DATAPLANE_MODE_NATIVE);
	fd = open_map("mcastd_groups");
	for (unsigned int i = 0; i < 50; i++) {
		uint8_t key[4] = { 239, 7, (uint8_t)(i * 5), (uint8_t)(i * 3) };
		char group[32];

		snprintf(group, sizeof(group), "239.7.%u.%u", key[2], key[3]);
		assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", group, 2), 0);
		assert_int_equal(bpf_map_delete_elem(fd, key), 0);
		datagram_init(&frame, "192.0.2.1", group, 8, 10, 0);
		bed_run(&bed, 1, &frame, &run);
		assert_int_equal(run.verdict, MCASTD_FORWARDED);
	}
	close(fd);
	bed_fini(&bed);
}

static int verdict_from_upstream(const char *source, const char *group)
{
	struct veth_frame frame;
	struct bed_run run;

	datagram_init(&frame, source, group, 8, 10, 0);
	bed_run(&bed, 1, &frame, &run);
	return run.verdict;
}

/*
 * A packet like the last of its route takes the short way: the origin of its source, which is made
 * a wrong one behind the daemon's back, is not asked until the daemon says that something changed.
 */
static void short_way(void **state)
{
	const struct mcastd_origin_key key = { .prefix_length = 32, .source = { 192, 0, 2, 1 } };
	const uint32_t slot = 2;
	struct dataplane_port port;
	struct prefix prefix;
	int fd;

	(void)state;
	bed_init(&bed, 3, NULL);
	bed_ports(&bed, DATAPLANE_MODE_NATIVE);
	port = bed_port(&bed, 1);
	port.check_origin = true;
	bed_port_set(&bed, 1, &port);
	assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", "239.1.1.1", 3), 0);
	assert_int_equal(BED_ROUTE(&bed, "192.0.2.1", "239.1.1.2", 3), 0);
	assert_int_equal(verdict_from_upstream("192.0.2.1", "239.1.1.1"), MCASTD_FORWARDED);
	assert_int_equal(verdict_from_upstream("192.0.2.1", "239.1.1.2"), MCASTD_FORWARDED);
	fd = open_map("mcastd_origins");
	assert_int_equal(bpf_map_update_elem(fd, &key, &slot, BPF_ANY), 0);
	close(fd);
	assert_int_equal(verdict_from_upstream("192.0.2.1", "239.1.1.1"), MCASTD_FORWARDED);
	assert_int_equal(verdict_from_upstream("192.0.2.1", "239.1.1.2"), MCASTD_FORWARDED);
	/* Another source in between, and the first one is asked for again. */
	assert_int_equal(verdict_from_upstream("192.0.2.9", "239.1.1.1"), MCASTD_FORWARDED);
	assert_int_equal(verdict_from_upstream("192.0.2.1", "239.1.1.1"), MCASTD_WRONG_PORT);
	assert_int_equal(prefix_parse("198.51.100.0/24", &prefix), 0);
	assert_int_equal(dataplane_origins_set(bed.dp, 2, &prefix, 1), 0);
	assert_int_equal(verdict_from_upstream("192.0.2.1", "239.1.1.2"), MCASTD_WRONG_PORT);
	bed_fini(&bed);
}

/* A route that is removed is not in the short cut any more: its source is like any other's. */
static void removed_source(void **state)
{
	struct veth_frame frame;
	struct bed_run run;

	(void)state;
	bed_init(&bed, 3, NULL);
	bed_ports(&bed, DATAPLANE_MODE_NATIVE);
	assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", "239.1.1.1", 2), 0);
	assert_int_equal(BED_ROUTE(&bed, "192.0.2.1", "239.1.1.1", 3), 0);
	assert_int_equal(BED_ROUTE(&bed, "192.0.2.2", "239.1.1.1", 3), 0);
	datagram_init(&frame, "192.0.2.1", "239.1.1.1", 8, 10, 0);
	for (int removed = 0; removed < 2; removed++) {
		for (int times = 0; times < 2; times++) {
			bed_run(&bed, 1, &frame, &run);
			assert_int_equal(run.verdict, MCASTD_FORWARDED);
			assert_memory_equal(run.out.bytes + 6, bed.veth.mac[removed ? 2 : 3], 6);
		}
		if (!removed)
			assert_int_equal(bed_unroute(&bed, "192.0.2.1", "239.1.1.1"), 0);
	}
	bed_fini(&bed);
}

static uint32_t least_mtu_at(uint32_t slot)
{
	struct mcastd_port port;

	assert_true(look_up("mcastd_ports", &slot, &port));
	return port.least_mtu;
}

/* D-MTU: every port knows the least MTU of those there are now, and of none that has gone. */
static void least_mtu(void **state)
{
	struct dataplane_port port;

	(void)state;
	bed_init(&bed, 3, NULL);
	bed_ports(&bed, DATAPLANE_MODE_NATIVE);
	assert_int_equal(least_mtu_at(1), BED_MTU);
	port = bed_port(&bed, 3);
	port.mtu = 576;
	bed_port_set(&bed, 3, &port);
	for (uint32_t slot = 1; slot <= 3; slot++)
		assert_int_equal(least_mtu_at(slot), 576);
	assert_int_equal(dataplane_port_del(bed.dp, 3), 0);
	assert_int_equal(least_mtu_at(1), BED_MTU);
	assert_int_equal(least_mtu_at(2), BED_MTU);
	port.mtu = 9000;
	bed_port_set(&bed, 3, &port);
	assert_int_equal(least_mtu_at(3), BED_MTU);
	bed_fini(&bed);
}

static void sets_are_shared(void **state)
{
	uint32_t id, size;

	(void)state;
	bed_init(&bed, 5, NULL);
	bed_ports(&bed, DATAPLANE_MODE_NATIVE);
	assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", "239.1.1.1", 2, 3), 0);
	assert_int_equal(BED_ROUTE(&bed, "192.0.2.1", "239.1.1.2", 2, 3), 0);
	id = out_of("0.0.0.0", "239.1.1.1");
	assert_int_equal(out_of("192.0.2.1", "239.1.1.2"), id);
	assert_int_equal(members_of(id, &size), 1 << 2 | 1 << 3);
	assert_int_equal(size, 2);

	/* One route changes: the other's set does not. */
	assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", "239.1.1.1", 2, 3, 4, 5), 0);
	assert_int_not_equal(out_of("0.0.0.0", "239.1.1.1"), id);
	assert_int_equal(members_of(out_of("0.0.0.0", "239.1.1.1"), &size), 0x3c);
	assert_int_equal(size, 4);
	assert_int_equal(members_of(id, NULL), 1 << 2 | 1 << 3);

	/* Nobody refers to the set: it rests, and comes back as it was. */
	assert_int_equal(bed_unroute(&bed, "192.0.2.1", "239.1.1.2"), 0);
	assert_int_equal(members_of(id, NULL), 1 << 2 | 1 << 3);
	assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", "239.1.1.3", 2, 3), 0);
	assert_int_equal(out_of("0.0.0.0", "239.1.1.3"), id);
	bed_fini(&bed);
}

/* Every pair of 12 ports, each set alive for one route: far more than are prepared. */
static void many_sets(void **state)
{
	const struct dataplane_options options = { .bpffs_dir = veth_bpffs() };
	char group[32];

	(void)state;
	bed_init(&bed, 12, &options);
	bed_ports(&bed, DATAPLANE_MODE_NATIVE);
	for (uint16_t a = 1; a <= 12; a++) {
		for (uint16_t b = (uint16_t)(a + 1); b <= 12; b++) {
			snprintf(group, sizeof(group), "239.1.%u.%u", a, b);
			assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", group, a, b), 0);
			dataplane_maintain(bed.dp, a * 1000u + b);
		}
	}
	for (uint16_t a = 1; a <= 12; a++) {
		for (uint16_t b = (uint16_t)(a + 1); b <= 12; b++) {
			snprintf(group, sizeof(group), "239.1.%u.%u", a, b);
			assert_int_equal(members_of(out_of("0.0.0.0", group), NULL),
					 1u << a | 1u << b);
		}
	}
	bed_fini(&bed);
}

/* --- full maps ---------------------------------------------------------------------------------
 */

static void routes_full(void **state)
{
	const struct dataplane_options options = { .bpffs_dir = veth_bpffs(), .max_routes = 8 };
	struct mcastd_route entry;
	char group[32];

	(void)state;
	bed_init(&bed, 3, &options);
	bed_ports(&bed, DATAPLANE_MODE_NATIVE);
	for (unsigned int i = 1; i < 7; i++) {
		snprintf(group, sizeof(group), "239.1.1.%u", i);
		assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", group, 2, 3), 0);
	}
	/* One index is left; a (S,G) route of a new group needs two. */
	assert_int_equal(BED_ROUTE(&bed, "192.0.2.1", "239.2.1.1", 2, 3), -ENOSPC);
	assert_false(entry_of("0.0.0.0", "239.2.1.1", &entry));
	assert_int_equal(BED_ROUTE(&bed, "192.0.2.1", "239.1.1.1", 2), 0);
	assert_int_equal(BED_ROUTE(&bed, "192.0.2.2", "239.1.1.1", 2), -ENOSPC);
	assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", "239.2.1.1", 2), -ENOSPC);
	/* What is there can change, and what goes makes room. */
	assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", "239.1.1.1", 3), 0);
	assert_int_equal(bed_unroute(&bed, "0.0.0.0", "239.1.1.2"), 0);
	assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", "239.2.1.1", 2), 0);
	assert_int_equal(count_keys(open_map("mcastd_groups")), 6);
	assert_int_equal(count_keys(open_map("mcastd_sources")), 1);
	bed_fini(&bed);
}

static void sets_full(void **state)
{
	const struct dataplane_options options = { .bpffs_dir = veth_bpffs(),
						   .max_sets = MCASTD_SET_FIRST + 3 };

	(void)state;
	bed_init(&bed, 6, &options);
	bed_ports(&bed, DATAPLANE_MODE_NATIVE);
	assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", "239.1.1.1", 1, 2), 0);
	assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", "239.1.1.2", 1, 2, 3), 0);
	assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", "239.1.1.3", 1, 2, 3, 4, 5), 0);
	assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", "239.1.1.4", 2, 3), -EXFULL);
	assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", "239.1.1.1", 2, 3), -EXFULL);
	assert_int_equal(members_of(out_of("0.0.0.0", "239.1.1.1"), NULL), 1 << 1 | 1 << 2);
	/* Sets that exist and single ports go on working. */
	assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", "239.1.1.4", 1, 2), 0);
	assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", "239.1.1.5", 4), 0);
	/* A set that nobody needs makes room, for another size too. */
	assert_int_equal(bed_unroute(&bed, "0.0.0.0", "239.1.1.3"), 0);
	assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", "239.1.1.1", 2, 3), 0);
	assert_int_equal(members_of(out_of("0.0.0.0", "239.1.1.1"), NULL), 1 << 2 | 1 << 3);
	bed_fini(&bed);
}

/* A list that does not fit changes nothing; one that fits is put in place of the other, whole. */
static void prefixes_full(void **state)
{
	static struct prefix prefixes[MCASTD_MAX_PREFIXES + 1];

	(void)state;
	bed_init(&bed, 2, NULL);
	bed_ports(&bed, DATAPLANE_MODE_NATIVE);
	for (uint32_t i = 0; i <= MCASTD_MAX_PREFIXES; i++)
		prefixes[i] =
			(struct prefix){ .addr = addr_from_v4_host(0x0a000000 + i), .len = 128 };
	assert_int_equal(dataplane_origins_set(bed.dp, 1, prefixes, 10), 0);
	assert_int_equal(dataplane_origins_set(bed.dp, 2, prefixes, MCASTD_MAX_PREFIXES + 1),
			 -ENOSPC);
	assert_int_equal(count_keys(open_map("mcastd_origins")), 10);
	assert_int_equal(dataplane_origins_set(bed.dp, 1, prefixes, MCASTD_MAX_PREFIXES), 0);
	assert_int_equal(dataplane_origins_set(bed.dp, 1, prefixes + 1, MCASTD_MAX_PREFIXES), 0);
	assert_int_equal(count_keys(open_map("mcastd_origins")), MCASTD_MAX_PREFIXES);
	/* They are the port's, and go with it. */
	assert_int_equal(dataplane_port_del(bed.dp, 1), 0);
	assert_int_equal(count_keys(open_map("mcastd_origins")), 0);
	bed_fini(&bed);
}

/* --- ports -------------------------------------------------------------------------------------
 */

static void wrong_ports(void **state)
{
	struct dataplane_error error = { "" };
	struct dataplane_port port;
	enum dataplane_mode got;

	(void)state;
	bed_init(&bed, 2, NULL);
	port = bed_port(&bed, 1);
	assert_int_equal(dataplane_port_set(bed.dp, 0, &port, &error), -ENOSPC);
	assert_int_equal(dataplane_port_set(bed.dp, MCASTD_MAX_PORTS, &port, &error), -ENOSPC);
	port.ifindex = 4000;
	assert_int_equal(dataplane_port_set(bed.dp, 1, &port, &error), -EINVAL);
	assert_non_null(strstr(error.text, "no such interface"));
	port.ifindex = MCASTD_MAX_IFINDEX;
	assert_int_equal(dataplane_port_set(bed.dp, 1, &port, &error), -ERANGE);
	assert_int_equal(dataplane_port_del(bed.dp, 1), -ENOENT);
	assert_int_equal(dataplane_port_slot(bed.dp, 4000), 0);
	assert_true(dataplane_attach(bed.dp, 4000, DATAPLANE_MODE_AUTO, &got, &error) < 0);
	assert_non_null(strstr(error.text, "No such device"));
	bed_fini(&bed);
}

static void interface_vanishes(void **state)
{
	(void)state;
	bed_init(&bed, 3, NULL);
	bed_ports(&bed, DATAPLANE_MODE_NATIVE);
	assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", "239.1.1.1", 1, 2, 3), 0);
	assert_int_equal(system("ip link del r3 && ip link add r3 type veth peer name h3"), 0);
	assert_int_equal(members_of(out_of("0.0.0.0", "239.1.1.1"), NULL), 1 << 1 | 1 << 2);
	/* Its port is still there when a set with it is made. */
	assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", "239.1.1.1", 2, 3), 0);
	assert_int_equal(members_of(out_of("0.0.0.0", "239.1.1.1"), NULL), 1 << 2);
	assert_int_equal(dataplane_port_del(bed.dp, 3), 0);
	dataplane_detach(bed.dp, bed.veth.ifindex[3]);
	bed_fini(&bed);
}

/* Nothing can leave a port that is down: it is in no set, old or new, until it is up again. */
static void down_port(void **state)
{
	struct dataplane_port port;
	uint32_t id;

	(void)state;
	bed_init(&bed, 3, NULL);
	bed_ports(&bed, DATAPLANE_MODE_NATIVE);
	assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", "239.1.1.1", 1, 2, 3), 0);
	id = out_of("0.0.0.0", "239.1.1.1");
	port = bed_port(&bed, 3);
	port.down = true;
	bed_port_set(&bed, 3, &port);
	assert_int_equal(members_of(id, NULL), 1 << 1 | 1 << 2);
	assert_int_equal(members_of(MCASTD_SET_ALL, NULL), 1 << 1 | 1 << 2);
	assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", "239.1.1.2", 2, 3), 0);
	assert_int_equal(members_of(out_of("0.0.0.0", "239.1.1.2"), NULL), 1 << 2);
	port.down = false;
	bed_port_set(&bed, 3, &port);
	assert_int_equal(out_of("0.0.0.0", "239.1.1.1"), id);
	assert_int_equal(members_of(id, NULL), 1 << 1 | 1 << 2 | 1 << 3);
	assert_int_equal(members_of(out_of("0.0.0.0", "239.1.1.2"), NULL), 1 << 2 | 1 << 3);
	bed_fini(&bed);
}

static void transmit_feature(void **state)
{
	(void)state;
	bed_init(&bed, 1, NULL);
	if (dataplane_transmit(bed.veth.ifindex[1]) == DATAPLANE_TRANSMIT_UNKNOWN) {
		bed_fini(&bed);
		skip(); /* Linux before 6.3 */
	}
	assert_int_equal(dataplane_transmit(bed.veth.ifindex[1]), DATAPLANE_TRANSMIT_YES);
	assert_int_equal(system("ethtool -K h1 gro off"), 0);
	assert_int_equal(dataplane_transmit(bed.veth.ifindex[1]), DATAPLANE_TRANSMIT_NO);
	assert_int_equal(dataplane_transmit(1 /* lo */), DATAPLANE_TRANSMIT_NEVER);
	assert_int_equal(dataplane_transmit(4000), DATAPLANE_TRANSMIT_UNKNOWN);
	bed_fini(&bed);
}

/* --- open, take over, close --------------------------------------------------------------------
 */

static void leaves_nothing(void **state)
{
	(void)state;
	bed_init(&bed, 2, NULL);
	bed_ports(&bed, DATAPLANE_MODE_NATIVE);
	assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", "239.1.1.1", 1, 2), 0);
	assert_int_not_equal(program_on(1), 0);
	assert_int_equal(access(veth_bpffs(), F_OK), 0);
	dataplane_close(bed.dp, false);
	assert_int_equal(program_on(1), 0);
	assert_int_equal(program_on(2), 0);
	assert_int_not_equal(access(veth_bpffs(), F_OK), 0);
	veth_fini(&bed.veth);
}

static void reopen(void)
{
	const struct dataplane_options options = { .bpffs_dir = veth_bpffs() };
	struct dataplane_error error = { "" };

	if (dataplane_open(&bed.dp, &options, &error))
		fail_msg("%s", error.text);
}

/* on-exit = keep: what was there goes on, is taken over, and what nobody wants any more goes. */
static void keep_and_take_over(void **state)
{
	const struct dataplane_options options = { .bpffs_dir = veth_bpffs(), .max_routes = 100 };
	enum dataplane_mode got;
	struct dataplane_error error;
	struct mcastd_route entry;
	struct mcastd_port port;
	struct prefix prefix;
	uint32_t program, id, slot = 2;

	(void)state;
	bed_init(&bed, 4, &options);
	bed_ports(&bed, DATAPLANE_MODE_NATIVE);
	assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", "239.1.1.1", 2, 3), 0);
	assert_int_equal(BED_ROUTE(&bed, "192.0.2.1", "239.1.1.2", 2, 3, 4), 0);
	assert_int_equal(BED_ROUTE(&bed, "192.0.2.1", "239.1.1.3", 2), 0);
	id = out_of("0.0.0.0", "239.1.1.1");
	program = program_on(2);
	prefix_parse("10.0.2.0/24", &prefix);
	assert_int_equal(dataplane_origins_set(bed.dp, 2, &prefix, 1), 0);
	prefix_parse("239.255.0.0/16", &prefix);
	assert_int_equal(dataplane_boundary_set(bed.dp, 1, &prefix, 1), 0);
	dataplane_close(bed.dp, true);
	assert_int_equal(program_on(2), program);

	reopen();
	assert_int_equal(dataplane_port_slot(bed.dp, bed.veth.ifindex[2]), 2);
	assert_true(look_up("mcastd_ports", &slot, &port));
	assert_memory_equal(port.mac, bed.veth.mac[2], 6);
	assert_int_equal(out_of("0.0.0.0", "239.1.1.1"), id);
	assert_int_equal(members_of(id, NULL), 1 << 2 | 1 << 3);
	/* The lists of one port are set anew, those of another stay: 1 + 1, and 2 of the upstream.
	 */
	assert_int_equal(dataplane_origins_set(bed.dp, 3, &prefix, 1), 0);
	assert_int_equal(count_keys(open_map("mcastd_origins")), 2);
	assert_int_equal(dataplane_boundary_set(bed.dp, 3, &prefix, 1), 0);
	assert_int_equal(count_keys(open_map("mcastd_boundaries")), 3);
	assert_int_equal(dataplane_attach(bed.dp, bed.veth.ifindex[2], DATAPLANE_MODE_AUTO, &got,
					  &error),
			 0);
	assert_int_equal(got, DATAPLANE_MODE_NATIVE);
	assert_int_equal(program_on(2), program);

	/* Two are wanted again, one of them with other ports; the third is not. */
	assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", "239.1.1.1", 2, 3), 0);
	assert_int_equal(out_of("0.0.0.0", "239.1.1.1"), id);
	assert_int_equal(BED_ROUTE(&bed, "192.0.2.1", "239.1.1.3", 2, 3), 0);
	assert_int_equal(out_of("192.0.2.1", "239.1.1.3"), id);
	assert_int_equal(dataplane_drop_adopted(bed.dp), 1);
	assert_false(entry_of("192.0.2.1", "239.1.1.2", &entry));
	assert_false(entry_of("0.0.0.0", "239.1.1.2", &entry));
	assert_int_equal(dataplane_drop_adopted(bed.dp), 0);

	/* The program that the first one attached is detached by the second. */
	for (unsigned int i = 1; i <= 4; i++)
		dataplane_attach(bed.dp, bed.veth.ifindex[i], DATAPLANE_MODE_AUTO, &got, &error);
	bed_fini(&bed);
	assert_int_not_equal(access(veth_bpffs(), F_OK), 0);
}

/* Routes from the upstream to some ports and from the downstreams to others. */
static void route_sides(const char *group, const uint16_t *from_up, const uint16_t *from_down)
{
	struct forward_route route = { .out = { { from_up, 2 }, { from_down, 2 } } };

	addr_parse(group, &route.group);
	assert_int_equal(dataplane_forward_ops.route_set(bed.dp, &route), 0);
}

static void change_side(unsigned int slot, enum mcastd_side side)
{
	struct dataplane_port port = bed_port(&bed, slot);

	port.side = side;
	bed_port_set(&bed, slot, &port);
}

/* Does the set for packets from the upstream, or the downstreams, leave out where they arrive? */
static void check_exclude(const char *group, bool from_up, bool from_down)
{
	struct mcastd_route entry;

	assert_true(entry_of("0.0.0.0", group, &entry));
	assert_int_equal(!!(entry.out[MCASTD_SIDE_UPSTREAM] & MCASTD_OUT_EXCLUDE), from_up);
	assert_int_equal(!!(entry.out[MCASTD_SIDE_DOWNSTREAM] & MCASTD_OUT_EXCLUDE), from_down);
}

/*
 * Whether a set may hold the port of arrival is part of the out word, and must be taken over with
 * it, into what is written the next time: lost, members would get their own packets back; put where
 * it was not, every packet pays.
 */
static void take_over_exclude(void **state)
{
	const uint16_t ports_12[] = { 1, 2 }, ports_14[] = { 1, 4 }, ports_23[] = { 2, 3 };
	const struct forward_ports defaults = { ports_12, 2 };
	struct mcastd_port before, after;
	uint32_t slot = 2;

	(void)state;
	bed_init(&bed, 4, NULL);
	bed_ports(&bed, DATAPLANE_MODE_NATIVE);
	change_side(4, MCASTD_SIDE_UPSTREAM);
	route_sides("239.1.1.1", ports_23, ports_12);
	route_sides("239.1.1.2", ports_23, ports_14);
	assert_int_equal(dataplane_port_default(bed.dp, 2, &defaults), 0);
	check_exclude("239.1.1.1", false, true);
	check_exclude("239.1.1.2", false, false);
	assert_true(look_up("mcastd_ports", &slot, &before));
	assert_true(before.default_out & MCASTD_OUT_EXCLUDE);
	dataplane_close(bed.dp, true);

	reopen();
	check_exclude("239.1.1.1", false, true);
	check_exclude("239.1.1.2", false, false);
	assert_true(look_up("mcastd_ports", &slot, &after));
	assert_int_equal(after.default_out, before.default_out);

	/* One word of each route changes, and both are written. */
	change_side(4, MCASTD_SIDE_DOWNSTREAM);
	check_exclude("239.1.1.1", false, true);
	check_exclude("239.1.1.2", false, true);
	change_side(3, MCASTD_SIDE_UPSTREAM);
	check_exclude("239.1.1.1", true, true);
	check_exclude("239.1.1.2", true, true);
	route_sides("239.1.1.1", ports_23, ports_12);
	check_exclude("239.1.1.1", true, true);
	bed_fini(&bed);
}

static void other_abi_version(void **state)
{
	const struct dataplane_options options = { .bpffs_dir = veth_bpffs() };
	struct dataplane_error error = { "" };
	struct dataplane *dp;
	char path[128], wanted[64];
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/mcastd_abi", veth_bpffs());
	assert_int_equal(mkdir(veth_bpffs(), 0700), 0);
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "mcastd_abi", 4, 4, MCASTD_ABI_VERSION + 1, NULL);
	assert_true(fd >= 0);
	assert_int_equal(bpf_obj_pin(fd, path), 0);
	close(fd);
	assert_int_equal(dataplane_open(&dp, &options, &error), -EPROTONOSUPPORT);
	assert_null(dp);
	snprintf(wanted, sizeof(wanted), "version %d, this mcastd has %d", MCASTD_ABI_VERSION + 1,
		 MCASTD_ABI_VERSION);
	assert_non_null(strstr(error.text, wanted));
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(veth_bpffs()), 0);
}

static void no_bpf_file_system(void **state)
{
	const struct dataplane_options options = { .bpffs_dir = "/tmp/mcastd-no-bpffs" };
	struct dataplane_error error = { "" };
	struct dataplane *dp;

	(void)state;
	assert_int_equal(dataplane_open(&dp, &options, &error), -ENOENT);
	assert_non_null(strstr(error.text, "mount"));
	assert_int_not_equal(access(options.bpffs_dir, F_OK), 0);
}

static void attach_foreign(unsigned int ifindex)
{
	const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "foreign", "GPL", pass, 2, NULL);

	assert_true(fd >= 0);
	assert_int_equal(bpf_xdp_attach((int)ifindex, fd, XDP_FLAGS_DRV_MODE, NULL), 0);
	close(fd);
}

/* A program that is not ours: said so, and left alone. */
static void foreign_program(void **state)
{
	struct dataplane_error error = { "" };
	enum dataplane_mode got;
	uint32_t id;

	(void)state;
	bed_init(&bed, 1, NULL);
	attach_foreign(bed.veth.ifindex[1]);
	id = program_on(1);
	assert_int_equal(dataplane_attach(bed.dp, bed.veth.ifindex[1], DATAPLANE_MODE_AUTO, &got,
					  &error),
			 -EBUSY);
	assert_non_null(strstr(error.text, "r1"));
	assert_non_null(strstr(error.text, "foreign"));
	assert_int_equal(program_on(1), id);
	bed_fini(&bed);
}

/* Ours is taken off, and comes back; another one in its place is noticed, and stays. */
static void program_lost(void **state)
{
	unsigned int ifindex;
	struct dataplane_error error = { "" };
	enum dataplane_mode got;

	(void)state;
	bed_init(&bed, 2, NULL);
	bed_ports(&bed, DATAPLANE_MODE_NATIVE);
	ifindex = bed.veth.ifindex[2];
	assert_true(dataplane_attached(bed.dp, ifindex));
	assert_int_equal(bpf_xdp_detach((int)ifindex, XDP_FLAGS_DRV_MODE, NULL), 0);
	assert_false(dataplane_attached(bed.dp, ifindex));
	assert_int_equal(dataplane_attach(bed.dp, ifindex, DATAPLANE_MODE_AUTO, &got, &error), 0);
	assert_int_equal(got, DATAPLANE_MODE_NATIVE);
	assert_true(dataplane_attached(bed.dp, ifindex));
	assert_true(dataplane_attached(bed.dp, bed.veth.ifindex[1]));
	assert_false(dataplane_attached(bed.dp, 4000));

	assert_int_equal(bpf_xdp_detach((int)ifindex, XDP_FLAGS_DRV_MODE, NULL), 0);
	attach_foreign(ifindex);
	assert_false(dataplane_attached(bed.dp, ifindex));
	assert_int_equal(dataplane_attach(bed.dp, ifindex, DATAPLANE_MODE_AUTO, &got, &error),
			 -EBUSY);
	assert_int_not_equal(program_on(2), 0);
	bed_fini(&bed);
}

/* Modes on request, one after the other; the same program serves all interfaces. */
/* The dispatcher of libxdp is loaded anew for each interface. */
static bool is_dispatcher(uint32_t prog_id)
{
	struct bpf_prog_info info = { 0 };
	uint32_t size = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(prog_id);

	assert_true(fd >= 0);
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &size), 0);
	close(fd);
	return strcmp(info.name, "xdp_dispatcher") == 0;
}

static void attach_modes(void **state)
{
	struct dataplane_error error = { "" };
	enum dataplane_mode got;

	(void)state;
	bed_init(&bed, 2, NULL);
	for (unsigned int i = 1; i <= 2; i++) {
		unsigned int ifindex = bed.veth.ifindex[i];

		assert_int_equal(dataplane_attach(bed.dp, ifindex, DATAPLANE_MODE_AUTO, &got,
						  &error),
				 0);
		assert_int_equal(got, DATAPLANE_MODE_NATIVE);
		assert_int_equal(dataplane_attach(bed.dp, ifindex, DATAPLANE_MODE_GENERIC, &got,
						  &error),
				 0);
		assert_int_equal(got, DATAPLANE_MODE_GENERIC);
		assert_int_equal(dataplane_attach(bed.dp, ifindex, DATAPLANE_MODE_AUTO, &got,
						  &error),
				 0);
		assert_int_equal(got, DATAPLANE_MODE_NATIVE);
	}
	if (!is_dispatcher(program_on(1)))
		assert_int_equal(program_on(1), program_on(2));
	assert_int_equal(dataplane_detach(bed.dp, bed.veth.ifindex[1]), 0);
	assert_int_equal(program_on(1), 0);
	assert_int_not_equal(program_on(2), 0);
	bed_fini(&bed);
}

#define OBJECT "out/bpf/mcast.bpf.o"

/* Maps and programs that xdp-loader left are used, and left as they were. */
static void loaded_before(void **state)
{
	char command[256];
	uint32_t program;
	struct bed_run run;
	struct veth_frame frame;

	(void)state;
	if (access(OBJECT, R_OK) || system("command -v xdp-loader >/dev/null"))
		skip();
	veth_init(&bed.veth, 2, 1);
	assert_int_equal(mkdir(veth_bpffs(), 0700), 0);
	for (unsigned int i = 1; i <= 2; i++) {
		snprintf(command, sizeof(command), "xdp-loader load -m native -p %s r%u " OBJECT,
			 veth_bpffs(), i);
		assert_int_equal(system(command), 0);
	}
	program = program_on(1);
	reopen();
	bed_ports(&bed, DATAPLANE_MODE_NATIVE);
	assert_int_equal(program_on(1), program);
	assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", "239.1.1.1", 1, 2), 0);
	datagram_init(&frame, "192.0.2.1", "239.1.1.1", 8, 10, 0);
	bed_run(&bed, 1, &frame, &run);
	assert_int_equal(run.action, XDP_REDIRECT);

	dataplane_close(bed.dp, false);
	assert_int_equal(program_on(1), program);
	assert_int_equal(count_keys(open_map("mcastd_groups")), 0);

	/* And again. */
	reopen();
	bed_run(&bed, 1, &frame, &run);
	assert_int_equal(run.action, XDP_PASS);
	assert_int_equal(run.moved, 0);
	dataplane_close(bed.dp, false);
	for (unsigned int i = 1; i <= 2; i++) {
		snprintf(command, sizeof(command), "xdp-loader unload r%u --all", i);
		assert_int_equal(system(command), 0);
	}
	snprintf(command, sizeof(command), "rm -r %s", veth_bpffs());
	assert_int_equal(system(command), 0);
	veth_fini(&bed.veth);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(routes_come_and_go), cmocka_unit_test(sets_are_shared),
		cmocka_unit_test(many_sets),	      cmocka_unit_test(arrival_is_left_out),
		cmocka_unit_test(direct_collisions),  cmocka_unit_test(direct_alone),
		cmocka_unit_test(short_way),	      cmocka_unit_test(removed_source),
		cmocka_unit_test(least_mtu),	      cmocka_unit_test(routes_full),
		cmocka_unit_test(sets_full),	      cmocka_unit_test(prefixes_full),
		cmocka_unit_test(wrong_ports),	      cmocka_unit_test(interface_vanishes),
		cmocka_unit_test(transmit_feature),   cmocka_unit_test(leaves_nothing),
		cmocka_unit_test(keep_and_take_over), cmocka_unit_test(other_abi_version),
		cmocka_unit_test(no_bpf_file_system), cmocka_unit_test(foreign_program),
		cmocka_unit_test(attach_modes),	      cmocka_unit_test(loaded_before),
		cmocka_unit_test(take_over_exclude),  cmocka_unit_test(down_port),
		cmocka_unit_test(program_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
