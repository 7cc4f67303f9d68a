/* SPDX-License-Identifier: BSD-2-Clause */
/* What the engine is built of: addresses, actions, hash table, timers, pools, source sets. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "membership/action.h"
#include "membership/pool.h"
#include "membership/set.h"
#include "membership/table.h"

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* --- addr.h --- */

static void test_addr_kinds(void **state)
{
	static const struct {
		const char *text;
		bool multicast, unicast_source, unspecified;
	} rows[] = {
		{ "0.0.0.0", false, false, true },
		{ "0.1.2.3", false, false, false },
		{ "10.0.0.1", false, true, false },
		{ "127.0.0.1", false, false, false },
		{ "223.255.255.255", false, true, false },
		{ "224.0.0.0", true, false, false },
		{ "239.255.255.255", true, false, false },
		{ "240.0.0.1", false, false, false },
		{ "255.255.255.255", false, false, false },
		{ "::", false, false, true },
		{ "::1", false, false, false },
		{ "2001:db8::1", false, true, false },
		{ "ff02::16", true, false, false },
	};
	char text[ADDR_TEXT_MAX];
	struct addr a;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(addr_parse(rows[i].text, &a), 0);
		assert_string_equal(addr_format(&a, text, sizeof(text)), rows[i].text);
		assert_int_equal(addr_is_multicast(&a), rows[i].multicast);
		assert_int_equal(addr_is_unicast_source(&a), rows[i].unicast_source);
		assert_int_equal(addr_is_unspecified(&a), rows[i].unspecified);
	}
	assert_int_equal(addr_parse("10.0.0", &a), -EINVAL);
	assert_int_equal(addr_parse("", &a), -EINVAL);
	assert_int_equal(addr_parse("10.0.0.1/8", &a), -EINVAL);
}

static void test_prefix(void **state)
{
	static const char *const bad[] = { "",
					   "/",
					   "10.0.0.0/",
					   "10.0.0.0/33",
					   "10.0.0.1/24",
					   "10.0.0.0/-1",
					   "10.0.0.0/8x",
					   "10.0.0.0/ 8",
					   "fe80::/129",
					   "fe80::1/64",
					   "10.0.0.0/0008" };
	static const char *const good[] = { "10.0.0.0/8",     "0.0.0.0/0", "192.0.2.1/32",
					    "232.0.0.0/7",    "fe80::/10", "::/0",
					    "2001:db8::1/128" };
	char text[PREFIX_TEXT_MAX];
	struct prefix p;
	struct addr a;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(prefix_parse(bad[i], &p), -EINVAL);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(prefix_parse(good[i], &p), 0);
		assert_string_equal(prefix_format(&p, text, sizeof(text)), good[i]);
	}
	assert_int_equal(prefix_parse("192.0.2.128/25", &p), 0);
	assert_int_equal(addr_parse("192.0.2.129", &a), 0);
	assert_true(prefix_contains(&p, &a));
	assert_int_equal(addr_parse("192.0.2.127", &a), 0);
	assert_false(prefix_contains(&p, &a));
	assert_int_equal(prefix_parse("192.0.2.7", &p), 0);
	assert_int_equal(p.len, 128);
}

/* Numbers compare as numbers: R-6.6.2-CMP. */
static void test_addr_order(void **state)
{
	static const char *const order[] = { "9.255.255.255", "10.0.1.9", "10.0.1.100",
					     "10.0.2.1" };
	struct addr a, b;

	(void)state;
	for (size_t i = 1; i < sizeof(order) / sizeof(order[0]); i++) {
		assert_int_equal(addr_parse(order[i - 1], &a), 0);
		assert_int_equal(addr_parse(order[i], &b), 0);
		assert_true(addr_cmp(&a, &b) < 0);
	}
}

/* --- action.h --- */

static void test_actions(void **state)
{
	struct actions actions;
	uint64_t *first;

	(void)state;
	actions_init(&actions);
	for (unsigned int round = 0; round < 3; round++) {
		first = actions_alloc(&actions, sizeof(*first));
		*first = 42;
		for (unsigned int i = 0; i < 1000; i++) {
			uint8_t *bytes = actions_alloc(&actions, i * 100 + 1);

			assert_non_null(actions_add(&actions, ACTION_CHANGED, i));
			assert_int_equal((uintptr_t)bytes % _Alignof(max_align_t), 0);
			memset(bytes, 0xff, i * 100 + 1);
		}
		assert_int_equal(*first, 42);
		assert_int_equal(actions.n, 1000);
		assert_int_equal(actions.list[999].port, 999);
		assert_false(actions.failed);
		actions_clear(&actions);
		assert_int_equal(actions.n, 0);
	}
	actions_fini(&actions);
}

/* --- table.h --- */

#define NODES 20000

static struct table_node nodes[NODES];

static bool has(const struct table *table, const struct table_node *node)
{
	struct table_node *found = table_first(table, node->hash);

	while (found && found != node)
		found = table_next(found);
	return found;
}

static uint32_t count_walk(const struct table *table)
{
	uint32_t bucket = TABLE_START, n = 0;

	for (struct table_node *node = NULL; (node = table_walk(table, &bucket, node)); n++)
		;
	return n;
}

/* Removes on the way what is asked for; every node comes up. */
static void remove_walking(struct table *table, uint32_t keep_every)
{
	static bool seen[NODES];
	uint32_t bucket = TABLE_START;
	struct table_node *node = table_walk(table, &bucket, NULL), *next;

	memset(seen, 0, sizeof(seen));
	for (; node; node = next) {
		uint32_t i = (uint32_t)(node - nodes);

		next = table_walk(table, &bucket, node);
		seen[i] = true;
		if (!keep_every || i % keep_every)
			table_remove(table, node);
	}
	for (uint32_t i = 0; i < NODES; i++)
		assert_true(seen[i]);
}

/* Grows and shrinks several times; at every size all nodes that are in are found. */
static void test_table(void **state)
{
	struct table table = { 0 };
	uint32_t seed = 1;

	(void)state;
	assert_null(table_first(&table, 7));
	for (uint32_t i = 0; i < NODES; i++)
		nodes[i] = (struct table_node){ .hash = i % 3 ? next_random(&seed) : i & ~0xfu };
	for (int round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < NODES; i++)
			assert_int_equal(table_insert(&table, &nodes[i]), 0);
		for (uint32_t i = 0; i < NODES; i++)
			assert_true(has(&table, &nodes[i]));
		assert_int_equal(count_walk(&table), NODES);
		for (uint32_t i = 0; i < NODES; i++) {
			if (i % 100 != 99)
				table_remove(&table, &nodes[i]);
		}
		for (uint32_t i = 0; i < NODES; i++)
			assert_int_equal(has(&table, &nodes[i]), i % 100 == 99);
		assert_int_equal(count_walk(&table), NODES / 100);
		for (uint32_t i = 99; i < NODES; i += 100)
			table_remove(&table, &nodes[i]);
		assert_int_equal(table.n_nodes, 0);
		for (uint32_t i = 0; i < NODES; i++)
			assert_int_equal(table_insert(&table, &nodes[i]), 0);
		remove_walking(&table, round ? 10 : 0);
		assert_int_equal(count_walk(&table), round ? NODES / 10 : 0);
		for (uint32_t i = 0; round && i < NODES; i += 10)
			table_remove(&table, &nodes[i]);
	}
	/* What it took when it was full has been given back. */
	assert_int_equal(table.n_blocks, 1);
	table_fini(&table);
}

/* --- timer.h --- */

#define TIMERS 5000

/* Set, moved and stopped at random; they come out in order, each once, none before its time. */
static void test_timers(void **state)
{
	static struct timer timer[TIMERS];
	static uint64_t deadline[TIMERS];
	struct timers timers = { 0 };
	uint64_t last = 0;
	uint32_t seed = 1, left = 0;

	(void)state;
	assert_true(timers_next(&timers) == UINT64_MAX);
	for (uint32_t i = 0; i < TIMERS; i++)
		assert_int_equal(timers_join(&timers, &timer[i], TIMER_HOST), 0);
	for (uint32_t step = 0; step < 10 * TIMERS; step++) {
		uint32_t i = next_random(&seed) % TIMERS;
		uint64_t at = next_random(&seed) % 100000;

		if (next_random(&seed) % 4 == 0) {
			timer_stop(&timers, &timer[i]);
			deadline[i] = 0;
		} else {
			timer_set(&timers, &timer[i], at);
			/* Lazy: it never fires later than it was set before. */
			deadline[i] = deadline[i] && deadline[i] < at + 1 ? deadline[i] : at + 1;
		}
	}
	for (uint32_t i = 0; i < TIMERS; i++)
		left += deadline[i] != 0;
	assert_int_equal(timers.n, left);
	while (timers.n) {
		uint64_t next = timers_next(&timers);
		struct timer *fired;

		assert_true(next >= last);
		if (next)
			assert_null(timers_take(&timers, next - 1));
		fired = timers_take(&timers, next);
		assert_non_null(fired);
		assert_int_equal(deadline[fired - timer], next + 1);
		deadline[fired - timer] = 0;
		last = next;
		left--;
	}
	assert_int_equal(left, 0);
	for (uint32_t i = 0; i < TIMERS; i++)
		timers_leave(&timers, &timer[i]);
	assert_int_equal(timers.n_room, 0);
	assert_true(timers.n_chunks <= 2);
	timers_fini(&timers);
}

/* --- pool.h --- */

#define OBJECTS 5000

static void test_pool(void **state)
{
	static uint64_t *objects[OBJECTS];
	struct pool pool;
	uint32_t seed = 1;

	(void)state;
	pool_init(&pool, 88);
	for (uint32_t step = 0; step < 20 * OBJECTS; step++) {
		uint32_t i = next_random(&seed) % OBJECTS;

		if (objects[i]) {
			assert_int_equal(objects[i][0], i);
			assert_int_equal(objects[i][10], ~(uint64_t)i);
			pool_give(&pool, objects[i]);
			objects[i] = NULL;
			continue;
		}
		objects[i] = pool_take(&pool);
		assert_non_null(objects[i]);
		for (int word = 0; word < 11; word++)
			assert_int_equal(objects[i][word], 0);
		objects[i][0] = i;
		objects[i][10] = ~(uint64_t)i;
	}
	for (uint32_t i = 0; i < OBJECTS; i++) {
		pool_give(&pool, objects[i]);
		objects[i] = NULL;
	}
	assert_null(pool.open);
	pool_fini(&pool);
}

/* --- set.h --- */

#define UNIVERSE 3000

static struct addr nth(uint32_t i)
{
	return addr_from_v4_host(0x0a000000 + i * 3);
}

static bool in[UNIVERSE];

static bool keep_some(struct source *source, void *arg)
{
	uint32_t i = (addr_to_v4_host(&source->addr) - 0x0a000000) / 3, *modulus = arg;

	in[i] = i % *modulus == 0;
	return in[i];
}

static void check_set(const struct source_set *set)
{
	struct source_iter it = { .set = set };
	const struct source *source;
	uint32_t n = 0;

	for (uint32_t i = 0; i < UNIVERSE; i++) {
		struct addr a = nth(i);

		assert_int_equal(source_set_find(set, &a, NULL) != NULL, in[i]);
		if (!in[i])
			continue;
		source = source_next(&it);
		assert_non_null(source);
		assert_true(addr_equal(&source->addr, &a));
		n++;
	}
	assert_null(source_next(&it));
	assert_int_equal(set->n, n);
}

/* In order, in reverse and at random: always sorted, all found, blocks bounded. */
static void test_set(void **state)
{
	struct timers timers = { 0 };
	uint32_t seed = 1, modulus = 7;

	(void)state;
	for (int order = 0; order < 3; order++) {
		struct source_set set = { 0 };

		memset(in, 0, sizeof(in));
		for (uint32_t step = 0; step < 2 * UNIVERSE; step++) {
			uint32_t i = order == 2 ? next_random(&seed) % UNIVERSE : step % UNIVERSE;
			struct source_block *block;
			struct source *source;
			struct addr a;

			i = order == 1 ? UNIVERSE - 1 - i : i;
			a = nth(i);
			if (in[i])
				continue;
			source = source_set_add(&set, &timers, NULL, &a, &block);
			assert_non_null(source);
			assert_true(block->n <= SOURCE_BLOCK_MAX);
			source_set_timer(&timers, block, source, i + 1);
			in[i] = true;
		}
		check_set(&set);
		assert_true(timers_next(&timers) <= 2);
		source_set_filter(&set, &timers, keep_some, &modulus);
		check_set(&set);
		source_set_filter_block(&set, &timers, source_set_block(&set, 0), keep_some,
					&(uint32_t){ 1000 });
		check_set(&set);
		source_set_fini(&set, &timers);
		assert_int_equal(timers.n_room, 0);
	}
	timers_fini(&timers);
}

static void test_addr_list(void **state)
{
	struct addr list[] = { nth(3), nth(1), nth(3), nth(2), nth(1) };

	(void)state;
	assert_int_equal(addr_list_normalize(list, 5), 3);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(addr_to_v4_host(&list[i]), 0x0a000000 + (i + 1) * 3);
	assert_true(addr_list_has(list, 3, &(const struct addr)ADDR_V4(10, 0, 0, 9)));
	assert_false(addr_list_has(list, 3, &(const struct addr)ADDR_V4(10, 0, 0, 8)));
	assert_int_equal(addr_list_normalize(list, 0), 0);
	assert_false(addr_list_has(list, 0, &list[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addr_kinds), cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_addr_order), cmocka_unit_test(test_actions),
		cmocka_unit_test(test_table),	   cmocka_unit_test(test_timers),
		cmocka_unit_test(test_pool),	   cmocka_unit_test(test_set),
		cmocka_unit_test(test_addr_list),
	};

	return cmocka_run_group_tests_name("blocks", tests, NULL, NULL);
}
