/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The BPF programs keep copies of the rules in userspace/rules. Random boundaries, origins, sources
 * and groups go to both, and they never differ.
 */
#include <stddef.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/bed.h"
#include "rules/boundary.h"
#include "rules/origin.h"
#include "rules/range.h"

#define PORTS 4 /* 1 is the upstream */
#define LIST_MAX 6
#define ROUNDS 400
#define PACKETS 40 /* a round */

struct list {
	struct prefix prefixes[LIST_MAX];
	uint32_t n;
};

static struct bed bed;
static struct list boundaries[PORTS + 1], origins[PORTS + 1];
static unsigned int verdicts_seen;
static uint32_t seed, first_seed;

/* The same in every run, unless SEED says otherwise. */
static uint32_t chance(uint32_t below)
{
	seed = seed * 1664525u + 1013904223u;
	return (uint32_t)(((uint64_t)seed * below) >> 32);
}

/* An address near one of those where something changes. */
static struct addr near(const uint32_t *edges, uint32_t n)
{
	static const uint32_t spread[] = { 1, 2, 256, 65536, 1u << 20 };
	uint32_t at = edges[chance(n)];

	if (chance(3))
		at += chance(spread[chance(5)] + 1) - chance(2);
	return addr_from_v4_host(at);
}

static struct addr any_group(void)
{
	static const uint32_t edges[] = { 0xe0000000, 0xe0000100, 0xe8000000, 0xefc00000,
					  0xefff0000, 0xeffe0000, 0xef010101 };
	struct addr group = near(edges, 7);

	return addr_is_multicast(&group) ? group : addr_from_v4_host(0xefff0101);
}

static struct addr any_source(void)
{
	static const uint32_t edges[] = { 0x0a000000, 0x0a010000, 0x0a010200, 0xc0000200,
					  0xa9fe0000, 0x7f000000, 0x00000000, 0xe0000000,
					  0xffffffff, 0xc6336400 };

	return near(edges, 10);
}

static struct prefix cut(struct addr addr, unsigned int len)
{
	uint32_t host = addr_to_v4_host(&addr);

	host = len ? host & ~0u << (32 - len) : 0;
	return (struct prefix){ addr_from_v4_host(host), (uint8_t)(96 + len) };
}

static void make_list(struct list *list, struct addr (*any)(void), unsigned int shortest)
{
	list->n = chance(LIST_MAX + 1);
	if (chance(3) == 0)
		list->n = 0;
	for (uint32_t i = 0; i < list->n; i++)
		list->prefixes[i] = cut(any(), shortest + chance(33 - shortest));
}

static void configure(void)
{
	for (unsigned int slot = 1; slot <= PORTS; slot++) {
		struct list *boundary = &boundaries[slot], *origin = &origins[slot];

		make_list(boundary, any_group, 4);
		make_list(origin, any_source, 0);
		/* What two ports share. */
		if (slot > 2 && chance(2) && origins[slot - 1].n && origin->n)
			origin->prefixes[0] = origins[slot - 1].prefixes[0];
		assert_int_equal(dataplane_boundary_set(bed.dp, slot, boundary->prefixes,
							boundary->n),
				 0);
		assert_int_equal(dataplane_origins_set(bed.dp, slot, origin->prefixes, origin->n),
				 0);
	}
}

static bool is_admitted(const struct addr *source, unsigned int slot)
{
	struct origin all[PORTS * LIST_MAX];
	const struct origin *home;
	uint32_t n = 0;

	for (uint32_t port = 1; port <= PORTS; port++)
		for (uint32_t i = 0; i < origins[port].n; i++)
			all[n++] = (struct origin){ origins[port].prefixes[i], port };
	n = origin_merge(all, n);
	home = origin_find(all, n, source);
	return origin_admits(home, home && home->slot == 1,
			     (struct origin_port){ slot, slot == 1 });
}

static bool is_bounded(const struct addr *group, unsigned int slot)
{
	return boundary_stops(boundaries[slot].prefixes, boundaries[slot].n, group);
}

/* What the rules say of a sound packet for which there is no route. */
static enum mcastd_verdict expected(const struct addr *source, const struct addr *group,
				    unsigned int slot)
{
	if (range_of_group(group) != RANGE_ROUTED)
		return MCASTD_LINK_LOCAL_GROUP;
	if (range_of_source(source) == RANGE_MARTIAN)
		return MCASTD_MARTIAN_SOURCE;
	if (range_of_source(source) == RANGE_LINK_LOCAL)
		return MCASTD_LINK_LOCAL_SOURCE;
	if (is_bounded(group, slot))
		return MCASTD_BOUNDARY;
	if (!is_admitted(source, slot))
		return MCASTD_WRONG_PORT;
	return slot == 1 || is_bounded(group, 1) ? MCASTD_NO_ROUTE : MCASTD_FORWARDED;
}

static void compare(void)
{
	struct addr source = any_source(), group = any_group();
	char s[ADDR_TEXT_MAX], g[ADDR_TEXT_MAX];
	unsigned int slot = 1 + chance(PORTS);
	enum mcastd_verdict verdict = expected(&source, &group, slot);
	struct veth_frame frame;
	struct bed_run run;

	datagram_init(&frame, addr_format(&source, s, sizeof(s)), addr_format(&group, g, sizeof(g)),
		      8, 32, 7);
	bed_run(&bed, slot, &frame, &run);
	if (run.verdict != (int)verdict || run.moved != 1)
		fail_msg("%s to %s on port %u: the rules say %s, the program %s (SEED %u)", s, g,
			 slot, dataplane_verdict_name(verdict),
			 run.verdict < 0 ? "nothing"
					 : dataplane_verdict_name((enum mcastd_verdict)run.verdict),
			 seed);
	verdicts_seen |= 1u << verdict;
}

/* R-LL-FWD, R-SCOPE-BI, R-SCOPE-LOCAL, P-5-LOOP: and each kind of answer has come up. */
static void rules_and_program_agree(void **state)
{
	const uint16_t upstream[] = { 1 };
	const struct forward_ports ports = { upstream, 1 };

	(void)state;
	bed_init(&bed, PORTS, NULL);
	bed_ports(&bed, DATAPLANE_MODE_NATIVE);
	for (unsigned int slot = 1; slot <= PORTS; slot++) {
		struct dataplane_port port = bed_port(&bed, slot);

		port.check_origin = true;
		bed_port_set(&bed, slot, &port);
		if (slot > 1)
			assert_int_equal(dataplane_port_default(bed.dp, slot, &ports), 0);
	}
	for (int round = 0; round < ROUNDS; round++) {
		configure();
		for (int packet = 0; packet < PACKETS; packet++)
			compare();
	}
	assert_int_equal(verdicts_seen, 1u << MCASTD_LINK_LOCAL_GROUP |
						1u << MCASTD_MARTIAN_SOURCE |
						1u << MCASTD_LINK_LOCAL_SOURCE |
						1u << MCASTD_BOUNDARY | 1u << MCASTD_WRONG_PORT |
						1u << MCASTD_NO_ROUTE | 1u << MCASTD_FORWARDED);
	bed_fini(&bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_and_program_agree),
	};
	const char *given = getenv("SEED");

	seed = first_seed = given ? (uint32_t)strtoul(given, NULL, 10) : 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
