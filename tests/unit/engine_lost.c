/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages were lost to a flood (engine_port_lost(), L-RATE): nothing ends for want of one until
 * hosts have been asked again. With one startup query that takes 31.25 + 10 + 1 s.
 */
#include "../support/host_sim_test.h"
#include "../support/sim_test.h"

#define HOLD "42.25"

static void lose(struct sim *sim, unsigned int port)
{
	engine_port_lost(sim->engine, port, sim->now, &sim->out);
	sim_collect(sim);
}

/* Losses all the time, noticed every half a second. */
static void flood(struct sim *sim, unsigned int port, unsigned int seconds)
{
	for (unsigned int i = 0; i < 2 * seconds; i++) {
		lose(sim, port);
		sim_advance(sim, 500);
	}
}

/* L-RATE: for as long as it lasts, and until hosts have been asked after it. */
static void memberships_outlive_a_flood(void **state)
{
	struct sim sim = sim_start(NULL);

	(void)state;
	check_script(&sim, "IS_EX 1 | IS_IN 2 | +250");
	flood(&sim, 1, 600);
	check_script(&sim, "f 2 3 !1 | +41 | f 2 3 !1 | +0.75 | = none");
	sim_fini(&sim);
}

/* What hosts say when they are asked after the flood counts as ever. */
static void who_answers_stays(void **state)
{
	struct sim sim = sim_start(NULL);

	(void)state;
	check_script(&sim, "IS_IN 1,2 | +250");
	flood(&sim, 1, 60);
	sim_forget(&sim);
	sim.general_queries_shown = true;
	check_script(&sim, "+31.25 | q gen | IS_IN 1 | = INC 1:270 2 | +11 | = INC 1");
	sim_fini(&sim);
}

/* The answer to the question after a leave may be among what was lost. */
static void leaves_are_not_believed(void **state)
{
	struct sim sim = sim_start(NULL);

	(void)state;
	check_script(&sim, "IS_EX | TO_IN | q G | = EXC:2 | +1");
	lose(&sim, 1);
	check_script(&sim, "+1 | = EXC:41.25 | +41 | f 1 | +0.25 | = none");
	sim_forget(&sim);
	check_script(&sim, "IS_IN 1,2 | BLOCK 1 | q 1 | +1");
	lose(&sim, 1);
	check_script(&sim, "+1 | = INC 1:41.25 2 | +41.25 | = INC 2");
	/* Blocked sources of EXCLUDE mode are forwarded on as well. */
	sim_forget(&sim);
	check_script(&sim, "IS_EX | BLOCK 3 | q 3");
	lose(&sim, 1);
	check_script(&sim, "+2 | f 3 | +" HOLD " | f !3 4");
	sim_fini(&sim);
}

/* Without a loss nothing is different: the same script ends with Last Member Query Time. */
static void leaves_count_again_afterwards(void **state)
{
	struct sim sim = sim_start(NULL);

	(void)state;
	lose(&sim, 1);
	check_script(&sim, "+" HOLD " | IS_EX | TO_IN | q G | +2 | = none");
	sim_fini(&sim);
}

/* the other querier is there although its queries do not get through. */
static void the_other_querier_stays(void **state)
{
	struct sim sim = sim_start(NULL);
	struct engine_port_view view;

	(void)state;
	check_script(&sim, "low gen");
	flood(&sim, 1, 400);
	engine_port_view(sim.engine, 1, &view);
	assert_false(view.is_querier);
	sim_advance(&sim, 43000);
	engine_port_view(sim.engine, 1, &view);
	assert_true(view.is_querier);
	sim_fini(&sim);
}

/* L-TRACK: hosts may be there that could not tell. */
static void tracking_is_not_trusted(void **state)
{
	struct port_config config = sim_config();
	struct sim sim;

	(void)state;
	config.explicit_tracking = true;
	sim = sim_start(&config);
	check_script(&sim, "h1 IS_EX | h2 IS_EX | +269");
	lose(&sim, 1);
	/* h2's refresh was lost: it is tracked on, so h1's leave is not the last one. */
	check_script(&sim, "+2 | h1 IS_EX | +40.5 | h2 IS_EX | h1 TO_IN | q G | = EXC:2");
	check_script(&sim, "h2 IS_EX | +10 | h2 TO_IN | = none");
	lose(&sim, 1);
	sim_forget(&sim);
	check_script(&sim, "h1 IS_EX | h1 TO_IN | q G | = EXC:2");
	sim_fini(&sim);
}

/* The schedule of queries: that of a start, however long it lasts. */
static void queries_keep_their_pace(void **state)
{
	struct sim sim = sim_start(NULL);
	uint64_t last = 0;

	(void)state;
	flood(&sim, 1, 1000);
	assert_in_range(sim.n_sent, 1000000 / 31250 - 1, 1000000 / 31250 + 1);
	for (size_t i = 0; i < sim.n_sent; i++) {
		assert_true(addr_is_unspecified(&sim.sent[i].message.query.group));
		assert_true(!last || sim.sent[i].at - last >= 31250);
		last = sim.sent[i].at;
	}
	sim_forget(&sim);
	sim_advance(&sim, 1000000);
	assert_in_range(sim.n_sent, 8, 9);
	sim_fini(&sim);
}

/* Another port's memberships end in their time. */
static void other_ports_are_not_concerned(void **state)
{
	struct sim sim = sim_start(NULL);

	(void)state;
	sim_port(&sim, 2, NULL);
	sim.port = 2;
	check_script(&sim, "IS_EX | +269");
	lose(&sim, 1);
	check_script(&sim, "+1 | = none");
	sim_fini(&sim);
}

/* Upstream: queries may have been lost, so all is told as if one had come; at a modest pace. */
static void upstream_answers_without_being_asked(void **state)
{
	struct host_sim *t = *state;
	size_t before;

	host_sim_set_group(t, 1, FILTER_EXCLUDE, "");
	host_sim_set_group(t, 2, FILTER_INCLUDE, "5");
	host_sim_pass(t, 10000);
	host_sim_said(t);
	lose(&t->sim, UPSTREAM);
	host_sim_pass(t, 10000);
	assert_said(t, "IS_EX()+IS_IN 2(5)");
	before = t->sim.n_sent;
	flood(&t->sim, UPSTREAM, 1000);
	assert_in_range(t->sim.n_sent - before, 1000000 / 31250 - 2, 1000000 / 31250 + 1);
	host_sim_pass(t, 10000);
	host_sim_said(t);
	host_sim_pass(t, 300000);
	assert_said(t, "");
}

/* P-7.2.1-TO: a querier of version 2 that cannot be heard is still one. */
static void upstream_keeps_the_version(void **state)
{
	struct host_sim *t = *state;
	struct engine_port_view view;

	host_sim_query(t, 2, 0, "", 10000);
	host_sim_set_group(t, 7, FILTER_EXCLUDE, "");
	host_sim_pass(t, 20000);
	flood(&t->sim, UPSTREAM, 1000);
	engine_port_view(t->sim.engine, UPSTREAM, &view);
	assert_int_equal(view.version, 2);
	host_sim_pass(t, 130000);
	engine_port_view(t->sim.engine, UPSTREAM, &view);
	assert_int_equal(view.version, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memberships_outlive_a_flood),
		cmocka_unit_test(who_answers_stays),
		cmocka_unit_test(leaves_are_not_believed),
		cmocka_unit_test(leaves_count_again_afterwards),
		cmocka_unit_test(the_other_querier_stays),
		cmocka_unit_test(tracking_is_not_trusted),
		cmocka_unit_test(queries_keep_their_pace),
		cmocka_unit_test(other_ports_are_not_concerned),
		HOST_TEST(upstream_answers_without_being_asked),
		HOST_TEST(upstream_keeps_the_version),
	};

	return cmocka_run_group_tests_name("lost messages", tests, NULL, NULL);
}
