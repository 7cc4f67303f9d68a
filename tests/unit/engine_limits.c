/* SPDX-License-Identifier: BSD-2-Clause */
/* Leave variants, limits, explicit tracking, static groups, flush: the engine's part of section 16.
 */
#include "../support/sim_test.h"

static struct addr nth_group(uint32_t n)
{
	return addr_from_v4_host(0xef010101 + n);
}

/* L-FAST: nobody is asked. */
static void test_immediate_leave(void **state)
{
	static const char *const scripts[] = {
		"IS_EX | TO_IN | = none | q none",
		"V2 | LEAVE | = none | q none",
		"IS_IN 1,2 | BLOCK 1 | = INC 2 | TO_IN | = none | q none",
		"IS_EX 3 | IS_IN 1 | BLOCK 1,2 | = EXC /1 /2 /3 | TO_IN 4 | = INC 4 | q none",
		"IS_IN 1,2 | TO_EX 2,3 | = EXC /2 /3 | f 1 | q none",
		"low gen | IS_EX | TO_IN | = EXC:270 | q none", /* R-NQ-LEAVE */
	};
	struct port_config config = sim_config();

	(void)state;
	assert_false(config.immediate_leave);
	config.immediate_leave = true;
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		struct sim sim = sim_start(&config);

		check_script(&sim, scripts[i]);
		sim_fini(&sim);
	}
}

static void run_tracking(const char *script)
{
	struct port_config config = sim_config();
	struct sim sim;

	config.explicit_tracking = true;
	sim = sim_start(&config);
	check_script(&sim, script);
	sim_fini(&sim);
}

/* L-FAST and L-TRACK: at once, but whoever is known to be a member is asked, and loses nothing. */
static void test_immediate_leave_of_tracked(void **state)
{
	static const char *const scripts[] = {
		"h1 IS_EX | h2 IS_EX | h1 TO_IN | q G | = EXC:2 | h2 IS_EX | = EXC:270 | h2 TO_IN | "
		"= none",
		"h1 V2 | h2 V2 | h1 LEAVE | q G | = EXC:2 | h2 V2 | = EXC:270 | h2 LEAVE | = none",
		"h1 IS_IN 1,2 | h2 IS_IN 2 | h1 BLOCK 1,2 | q 2 | = INC 2:2 | h2 IS_IN 2 | "
		"= INC 2:270 | h2 BLOCK 2 | = none",
		"h1 IS_EX | h2 IS_IN 1 | h1 TO_IN | = INC 1:2 | q 1",
		/* Of whom nothing is known, as without tracking. */
		"h1 IS_IN 1,2 | h1 TO_IN 2 | = INC 2 | q none",
	};
	struct port_config config = sim_config();

	(void)state;
	config.immediate_leave = config.explicit_tracking = true;
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		struct sim sim = sim_start(&config);

		check_script(&sim, scripts[i]);
		sim_fini(&sim);
	}
}

/* L-TRACK: at once when the last host has left, the usual questions before. */
static void test_tracking(void **state)
{
	(void)state;
	run_tracking("IS_EX | TO_IN | = none | q none");
	run_tracking("h1 IS_EX | h2 IS_EX | h1 TO_IN | = EXC:2 | q G | h2 IS_EX | +1 | q G/S | "
		     "h2 TO_IN | = none | q none");
	run_tracking("h1 IS_IN 1,2 | h2 IS_IN 2,3 | h1 BLOCK 1 | = INC 2 3 | q none | h1 BLOCK 2 | "
		     "= INC 2:2 3:270 | q 2 | h2 TO_IN | = none | q none");
	/* A host in EXCLUDE mode wants all but what it lists. */
	run_tracking("h1 IS_EX 1 | h2 IS_EX 1,2 | h2 TO_IN 2 | = EXC:2 /1 2:270 | q G | h1 TO_IN | "
		     "= INC 2:2 | q 2 | h2 IS_IN 2 | = INC 2:270");
	run_tracking("h1 IS_EX | h2 IS_IN 1 | h1 TO_IN | = INC 1:2 | q 1");
	/* In EXCLUDE mode BLOCK lengthens the list and ALLOW shortens it. */
	run_tracking("h1 IS_EX | h2 IS_EX | h1 BLOCK 1 | q 1 | = EXC:270 1:2 | h2 BLOCK 1 | "
		     "= EXC:270 /1 | q none");
	run_tracking("h1 IS_EX 1 | h2 IS_EX | +10 | h1 ALLOW 1 | h2 BLOCK 1 | q 1 | = EXC:260 1:2");
	/* Answers to Q(G,A) name some sources only. */
	run_tracking("h1 IS_IN 1,2 | h2 IS_IN 1 | h2 BLOCK 1 | q 1 | h1 IS_IN 1 | h1 BLOCK 2 | "
		     "= INC 1:270 | q none");
	run_tracking("h1 IS_EX 3 | h2 IS_EX 3 | h2 TO_IN | q G | h1 IS_IN 1 | = EXC:2 1:270 /3");
}

/* L-TRACK: suppressed members of older versions make it unsafe. */
static void test_tracking_older(void **state)
{
	(void)state;
	run_tracking("V2 | LEAVE | = EXC:2 | q G");
	run_tracking("V1 | h2 IS_EX | h2 TO_IN | = EXC:270 | q none");
	/* In version 3 mode again, tracking is sure again. */
	run_tracking("V2 | +125 | IS_EX | +125 | IS_EX | +20 | TO_IN | = none | q none");
}

/* A host that has gone without a word is forgotten after GMI. */
static void test_tracking_expiry(void **state)
{
	(void)state;
	run_tracking("h1 IS_EX | +100 | h2 IS_EX | +169.999 | h2 TO_IN | = EXC:2 | q G");
	run_tracking("h1 IS_EX | +100 | h2 IS_EX | +170 | h2 TO_IN | = none | q none");
	/* Nobody can be told apart behind 0.0.0.0. */
	struct port_config config = sim_config();
	struct sim sim;

	config.explicit_tracking = true;
	sim = sim_start(&config);
	sim_record(&sim, 1, addr_from_v4_host(0), RECORD_IS_EX, sim.group, NULL, 0);
	check_script(&sim, "h2 IS_EX | h2 TO_IN | = EXC:2 | q G");
	sim_fini(&sim);
}

/* Switched on while members are there: not sure before GMI has gone by. */
static void test_tracking_switched_on(void **state)
{
	struct port_config config = sim_config();
	struct sim sim = sim_start(NULL);

	(void)state;
	check_script(&sim, "h1 IS_EX");
	config.explicit_tracking = true;
	engine_port_configure(sim.engine, 1, &config, sim.now, &sim.out);
	check_script(&sim,
		     "h2 IS_EX | h2 TO_IN | = EXC:2 | q G | h1 IS_EX | +100 | h1 IS_EX | +100 | "
		     "h1 IS_EX | +70 | q G/S | h1 TO_IN | = none | q none");
	config.explicit_tracking = false;
	check_script(&sim, "h1 IS_EX");
	engine_port_configure(sim.engine, 1, &config, sim.now, &sim.out);
	check_script(&sim, "h1 TO_IN | = EXC:2 | q G");
	sim_fini(&sim);
}

/* The hosts limit: who is left out is counted, and while one may be there leaves are asked about.
 */
static void test_max_hosts(void **state)
{
	struct port_config config = sim_config();
	struct sim sim;

	(void)state;
	config.explicit_tracking = true;
	config.max_hosts = 2;
	sim = sim_start(&config);
	check_script(&sim, "h1 IS_EX | h2 IS_EX | h3 IS_EX | h4 IS_EX");
	assert_int_equal(engine_port_counters(sim.engine, 1)->hosts_refused, 2);
	assert_int_equal(sim_count_events(&sim, EVENT_LIMIT_HOSTS), 2);
	check_script(&sim,
		     "h1 TO_IN | q G | = EXC:2 | h3 IS_EX | +1 | q G/S | +10 | h2 TO_IN | q G");
	sim_fini(&sim);
}

/* The sources that hosts list count as well; what is forgotten makes room. */
static void test_max_hosts_of_sources(void **state)
{
	struct port_config config = sim_config();
	struct sim sim;

	(void)state;
	config.explicit_tracking = true;
	config.max_hosts = 4;
	sim = sim_start(&config);
	/* Of h1 two sources are known and one is not: a leave is not sure to be the last. */
	check_script(&sim, "h1 IS_IN 1-4 | h2 IS_IN 1 | h1 BLOCK 1 | q 1 | +300 | = none");
	assert_int_equal(engine_port_counters(sim.engine, 1)->hosts_refused, 1);
	sim_forget(&sim);
	check_script(&sim, "h1 IS_IN 1 | h2 IS_IN 1 | h1 BLOCK 1 | q 1 | h2 BLOCK 1 | = none");
	sim_fini(&sim);
}

/* L-MAXS: what a host lists beyond max-group-sources is not known: its leave is not sure. */
static void test_max_sources_of_a_host(void **state)
{
	static const char *const scripts[] = {
		"h1 IS_IN 1,2 | BLOCK 1 | = INC 2 | q none",
		"h1 IS_IN 1,2,3 | BLOCK 1 | = INC 1:2 2 | q 1",
	};
	struct port_config config = sim_config();

	(void)state;
	config.explicit_tracking = true;
	config.max_group_sources = 2;
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		struct sim sim = sim_start(&config);

		check_script(&sim, scripts[i]);
		sim_fini(&sim);
	}
}

/* L-MAXG: newcomers are refused and counted, others are refreshed, a free place is used again. */
static void test_max_groups(void **state)
{
	struct port_config config = sim_config();
	struct sim sim;

	(void)state;
	config.max_groups = 2;
	sim = sim_start(&config);
	for (uint32_t i = 0; i < 1000; i++)
		sim_record(&sim, 1, sim_host(1, 1), RECORD_IS_EX, nth_group(i), NULL, 0);
	assert_int_equal(sim.verdict, RECEIVE_LIMIT);
	assert_int_equal(engine_port_counters(sim.engine, 1)->groups_refused, 998);
	assert_int_equal(engine_port_counters(sim.engine, 1)->received[RECEIVE_LIMIT], 998);
	assert_in_range(sim_count_events(&sim, EVENT_LIMIT_GROUPS), 1, 10);
	check_script(&sim, "= EXC:270 | +10 | IS_EX | = EXC:270");
	sim.group = nth_group(2);
	check_script(&sim, "= none | IS_EX | = none | +260 | IS_EX | = EXC:270");
	sim_fini(&sim);
}

/* L-MAXS: sources beyond the limit are not listed; the mode never changes. */
static void test_max_sources(void **state)
{
	struct port_config config = sim_config();
	struct sim sim;

	(void)state;
	config.max_group_sources = 3;
	sim = sim_start(&config);
	check_script(&sim, "IS_IN 1,2 | +10 | IS_IN 2,3,4 | = INC 1:260 2:270 3:270 | f !4");
	assert_int_equal(sim.verdict, RECEIVE_LIMIT);
	assert_int_equal(engine_port_counters(sim.engine, 1)->sources_refused, 1);
	assert_int_equal(sim_count_events(&sim, EVENT_LIMIT_SOURCES), 1);
	sim.group = nth_group(1);
	check_script(
		&sim,
		"IS_EX 1,2,3,4,5 | = EXC:270 /1 /2 /3 | f 4 5 | TO_EX 1,4 | = EXC:270 /1 4:2 | "
		"+10 | IS_EX 1,4 | ALLOW 7,8 | = EXC:270 /1 /4 7:270 | f 8");
	sim_fini(&sim);
}

/* L-MAXS: the same for all groups of a port together; what ends makes room, however it ends. */
static void test_max_sources_of_port(void **state)
{
	struct port_config config = sim_config();
	struct sim sim;

	(void)state;
	config.max_sources = 4;
	sim = sim_start(&config);
	sim_port(&sim, 2, &config);
	check_script(&sim, "IS_IN 1-3 | = INC 1 2 3");
	sim.group = nth_group(1);
	check_script(&sim, "IS_EX 1,2,3 | = EXC:270 /1 | f 2");
	assert_int_equal(engine_port_counters(sim.engine, 1)->sources_refused, 2);
	sim.port = 2;
	check_script(&sim, "IS_IN 1-4 | = INC 1 2 3 4");
	sim.port = 1;
	sim.group = nth_group(0);
	check_script(&sim, "BLOCK 1,2 | +2 | = INC 3"); /* expiry */
	sim.group = nth_group(1);
	check_script(&sim, "IS_EX 1-9 | = EXC:270 /1 2 3 | IS_EX 1 | = EXC:270 /1 | "
			   "IS_IN 2-9 | = EXC /1 2 3");
	engine_flush(sim.engine, 1, sim.now, &sim.out); /* the end of all */
	check_script(&sim, "IS_IN 1-9 | = INC 1 2 3 4 | +270 | = none | IS_IN 5-9 | = INC 5 6 7 8");
	sim_fini(&sim);
}

/* The minimum of section 2: 64 sources without any setting. */
static void test_many_sources(void **state)
{
	struct sim sim = sim_start(NULL);

	(void)state;
	check_script(&sim,
		     "IS_IN 1-2000 | f 1 64 2000 | BLOCK 500-1500 | +2 | f 499 !500 !1500 1501");
	sim_fini(&sim);
}

/* Static groups are there without anybody asking, and stay. */
static void test_static(void **state)
{
	const struct addr sources[] = { ADDR_V4(192, 0, 2, 3), ADDR_V4(192, 0, 2, 1) };
	const struct static_group statics[] = { { ADDR_V4(239, 1, 1, 1), NULL, 0 },
						{ ADDR_V4(232, 1, 1, 1), sources, 1 },
						{ ADDR_V4(232, 1, 1, 1), sources, 2 } };
	struct port_config config = sim_config();
	struct sim sim;

	(void)state;
	config.static_groups = statics;
	config.n_static_groups = 3;
	sim = sim_start(&config);
	check_script(&sim, "f 1 2 | IS_EX 2 | f 1 2 | TO_IN 1 | +300 | f 1 2 | LEAVE | +5 | f 1 2");
	sim.group = (struct addr)ADDR_V4(232, 1, 1, 1);
	check_script(&sim,
		     "= INC 1 3 | IS_IN 2 | = INC 1 2 3 | f 1 2 3 !4 | BLOCK 1,2 | +2 | = INC 1 3");
	/* The link down and up again. */
	sim_link(&sim, 1, false);
	check_script(&sim, "= none");
	sim_link(&sim, 1, true);
	check_script(&sim, "= INC 1 3");
	/* Other settings: one goes, one stays as it was. */
	sim_forget(&sim);
	config.static_groups = statics + 1;
	config.n_static_groups = 1;
	assert_int_equal(engine_port_configure(sim.engine, 1, &config, sim.now, &sim.out), 0);
	check_script(&sim, "= INC 3");
	sim.group = (struct addr)ADDR_V4(239, 1, 1, 1);
	check_script(&sim, "= none | IS_EX | = EXC");
	config.n_static_groups = 0;
	assert_int_equal(engine_port_configure(sim.engine, 1, &config, sim.now, &sim.out), 0);
	check_script(&sim, "= EXC:270");
	sim_fini(&sim);
}

/* Static groups do not count against max-groups. */
static void test_static_and_limit(void **state)
{
	const struct static_group statics[] = { { ADDR_V4(239, 9, 9, 9), NULL, 0 } };
	struct port_config config = sim_config();
	struct sim sim;

	(void)state;
	config.static_groups = statics;
	config.n_static_groups = 1;
	config.max_groups = 1;
	sim = sim_start(&config);
	check_script(&sim, "IS_EX | = EXC:270");
	sim.group = nth_group(1);
	check_script(&sim, "IS_EX | = none");
	sim.group = (struct addr)ADDR_V4(239, 9, 9, 9);
	check_script(&sim, "IS_EX 2 | f 2");
	sim_fini(&sim);
}

/* engine_flush(): what was learned goes, and is asked for again. */
static void test_flush(void **state)
{
	struct sim sim = sim_start(NULL);

	(void)state;
	sim.general_queries_shown = true;
	check_script(&sim, "IS_EX");
	sim_port(&sim, 2, NULL);
	sim_record(&sim, 2, sim_host(2, 1), RECORD_IS_EX, sim.group, NULL, 0);
	sim_forget(&sim);
	engine_flush(sim.engine, 1, sim.now, &sim.out);
	sim_advance(&sim, 0);
	check_script(&sim, "= none | q gen");
	sim.port = 2;
	check_script(&sim, "= EXC:270");
	engine_flush(sim.engine, 0, sim.now, &sim.out);
	sim_advance(&sim, 0);
	check_script(&sim, "= none | q gen gen");
	sim_fini(&sim);
}

/* Who is not the querier of a link forgets as well, but does not ask there. */
static void test_flush_of_a_non_querier(void **state)
{
	struct sim sim = sim_start(NULL);
	struct engine_port_view view;

	(void)state;
	sim.general_queries_shown = true;
	check_script(&sim, "low gen | IS_EX | = EXC:270");
	engine_flush(sim.engine, 1, sim.now, &sim.out);
	sim_advance(&sim, 0);
	check_script(&sim, "= none | q none");
	assert_true(engine_port_view(sim.engine, 1, &view));
	assert_false(view.is_querier);
	sim_fini(&sim);
}

/* Events of joins and leaves, and changes told once. */
static void test_events(void **state)
{
	struct sim sim = sim_start(NULL);

	(void)state;
	check_script(&sim, "IS_IN 1");
	assert_int_equal(sim_count_events(&sim, EVENT_GROUP_JOINED), 1);
	assert_int_equal(sim_count_events(&sim, EVENT_SOURCE_JOINED), 1);
	assert_int_equal(sim.n_changed, 1);
	/* P-4.1-TIMER: refreshing is no change. */
	check_script(&sim, "+100 | IS_IN 1 | ALLOW 1 | TO_IN 1");
	assert_int_equal(sim.n_changed, 1);
	check_script(&sim, "BLOCK 1");
	assert_int_equal(sim.n_changed, 1);
	check_script(&sim, "+2 | = none");
	assert_int_equal(sim.n_changed, 2);
	assert_int_equal(sim_count_events(&sim, EVENT_SOURCE_LEFT), 1);
	assert_int_equal(sim_count_events(&sim, EVENT_GROUP_LEFT), 1);
	sim_forget(&sim);
	check_script(&sim, "IS_EX | +100 | IS_EX | V2 | TO_EX");
	assert_int_equal(sim.n_changed, 1);
	check_script(&sim, "IS_EX 1");
	assert_int_equal(sim.n_changed, 1); /* its timer runs: still forwarded */
	check_script(&sim, "+100 | IS_EX 1 | +170");
	assert_int_equal(sim.n_changed, 2);
	sim_fini(&sim);
}

/* A flood of joins is told at a limited rate, and says how much was left out. */
static void test_event_rate(void **state)
{
	struct sim sim = sim_start(NULL);
	size_t told;

	(void)state;
	for (uint32_t i = 0; i < 10000; i++)
		sim_record(&sim, 1, sim_host(1, 1), RECORD_IS_EX, nth_group(i), NULL, 0);
	told = sim_count_events(&sim, EVENT_GROUP_JOINED);
	assert_in_range(told, 1, 1000);
	assert_int_equal(sim.n_changed, 10000);
	sim_advance(&sim, 1000);
	sim_record(&sim, 1, sim_host(1, 1), RECORD_IS_EX, nth_group(10000), NULL, 0);
	assert_int_equal(sim.events[sim.n_events - 1].suppressed, 10000 - told);
	sim_fini(&sim);
}

/* What tells of trouble: three at once, then one in ten seconds, with how many came in between. */
static void test_trouble_rate(void **state)
{
	struct port_config config = sim_config();
	struct sim sim;
	size_t told = 0;

	(void)state;
	config.max_groups = 1;
	sim = sim_start(&config);
	check_script(&sim, "IS_EX");
	for (unsigned int second = 0; second <= 30; second++) {
		for (uint32_t i = 0; i < 10; i++)
			sim_record(&sim, 1, sim_host(1, 1), RECORD_IS_EX, nth_group(1), NULL, 0);
		told = sim_count_events(&sim, EVENT_LIMIT_GROUPS);
		assert_int_equal(told, 3 + second / 10);
		if (second % 10 == 0 && second)
			assert_int_equal(sim.events[sim.n_events - 1].suppressed,
					 second == 10 ? 97 : 99);
		sim_advance(&sim, 1000);
	}
	/* After a rest nothing is left to be told of. */
	sim_advance(&sim, 60000);
	sim_record(&sim, 1, sim_host(1, 1), RECORD_IS_EX, nth_group(1), NULL, 0);
	assert_int_equal(sim.events[sim.n_events - 1].suppressed, 9);
	sim_record(&sim, 1, sim_host(1, 1), RECORD_IS_EX, nth_group(1), NULL, 0);
	assert_int_equal(sim.events[sim.n_events - 1].suppressed, 0);
	assert_int_equal(sim_count_events(&sim, EVENT_LIMIT_GROUPS), told + 2);
	sim_fini(&sim);
}

/* Where much is due at once the work is done in bounded steps. */
static void test_bounded_tick(void **state)
{
	struct sim sim = sim_start(NULL);
	struct engine_port_view view;
	uint64_t calls = 0;

	(void)state;
	for (uint32_t i = 0; i < 10000; i++)
		sim_record(&sim, 1, sim_host(1, 1), RECORD_IS_EX, nth_group(i), NULL, 0);
	sim.now += 270000;
	while (engine_next_deadline(sim.engine) <= sim.now) {
		engine_tick(sim.engine, sim.now, &sim.out);
		assert_true(sim.out.n <= 3 * 1024);
		actions_clear(&sim.out);
		calls++;
	}
	assert_in_range(calls, 10, 1000);
	assert_true(engine_port_view(sim.engine, 1, &view));
	assert_int_equal(view.n_groups, 0);
	sim_fini(&sim);
}

/* A port that goes takes its memberships along; others keep theirs. */
static void test_remove_port(void **state)
{
	struct sim sim = sim_start(NULL);

	(void)state;
	for (unsigned int port = 2; port < 10; port++) {
		sim_port(&sim, port, NULL);
		sim_record(&sim, port, sim_host(port, 1), RECORD_IS_IN, sim.group,
			   &(struct addr)ADDR_V4(192, 0, 2, 1), 1);
	}
	for (unsigned int port = 9; port > 2; port -= 2) {
		engine_port_remove(sim.engine, port, sim.now, &sim.out);
		sim_advance(&sim, 0);
	}
	for (sim.port = 2; sim.port < 10; sim.port++)
		check_script(&sim, sim.port % 2 ? "= none | f !1" : "= INC 1 | f 1 !2");
	assert_null(engine_port_counters(sim.engine, 3));
	sim_fini(&sim);
}

/*
 * L-RATE: a hundred reports a millisecond, of new groups and of known ones, for a while: the
 * querier stays on time, members stay, a member that asks gets its group at once.
 */
static void test_flood(void **state)
{
	struct port_config config = sim_config();
	struct sim sim;
	uint32_t group = 1, general = 0;
	uint64_t start;

	(void)state;
	config.query_interval_ms = 2000;
	config.query_response_interval_ms = 500;
	config.max_groups = 5000;
	sim = sim_start(&config);
	start = sim.now;
	check_script(&sim, "h2 IS_IN 1");
	for (uint64_t ms = 1; ms <= 4000; ms++) {
		for (int i = 0; i < 100; i++)
			sim_record(&sim, 1, sim_host(1, 66), i % 2 ? RECORD_TO_EX : RECORD_TO_IN,
				   nth_group(group++ % 100000 + 1), NULL, 0);
		sim_advance(&sim, 1);
		if (ms % 1000 == 0)
			check_script(&sim, "h2 ALLOW 1 | f 1");
	}
	for (size_t i = 0; i < sim.n_sent; i++) {
		if (!addr_is_unspecified(&sim.sent[i].message.query.group))
			continue;
		assert_int_equal((sim.sent[i].at - start) % 2000, 0);
		general++;
	}
	assert_int_equal(general, 2);
	sim_fini(&sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_immediate_leave),
		cmocka_unit_test(test_immediate_leave_of_tracked),
		cmocka_unit_test(test_tracking),
		cmocka_unit_test(test_tracking_older),
		cmocka_unit_test(test_tracking_expiry),
		cmocka_unit_test(test_tracking_switched_on),
		cmocka_unit_test(test_max_hosts),
		cmocka_unit_test(test_max_hosts_of_sources),
		cmocka_unit_test(test_max_sources_of_a_host),
		cmocka_unit_test(test_max_groups),
		cmocka_unit_test(test_max_sources),
		cmocka_unit_test(test_max_sources_of_port),
		cmocka_unit_test(test_many_sources),
		cmocka_unit_test(test_static),
		cmocka_unit_test(test_static_and_limit),
		cmocka_unit_test(test_flush),
		cmocka_unit_test(test_flush_of_a_non_querier),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_event_rate),
		cmocka_unit_test(test_trouble_rate),
		cmocka_unit_test(test_bounded_tick),
		cmocka_unit_test(test_remove_port),
		cmocka_unit_test(test_flood),
	};

	return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
