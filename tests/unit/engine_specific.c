/* SPDX-License-Identifier: BSD-2-Clause */
/* RFC 9776 section 6.6.3: specific queries, their retransmission, S flag, merging and bounds. */
#include "../support/sim_test.h"

/* Runs one script on a port with the defaults: LMQI 1 s, LMQC 2, LMQT 2 s, GMI 270 s. */
static void run(const char *script)
{
	struct sim sim = sim_start(NULL);

	check_script(&sim, script);
	sim_fini(&sim);
}

/* R-6.6.3.1-SEQ, R-6.6.3.1-LOWER, R-6.6.3.1-S0: the end comes at LMQT. */
static void test_group_sequence(void **state)
{
	(void)state;
	run("IS_EX | +10 | TO_IN | q G | +0.999 | q none | +0.001 | q G | f 1 | +0.999 | f 1 | "
	    "+0.001 | f !1 | = none | +10 | q none");
}

/* R-6.6.3.1-S1: answered between the two queries. */
static void test_group_suppress(void **state)
{
	(void)state;
	run("IS_EX | +10 | TO_IN | q G | +0.5 | h2 IS_EX | +0.5 | q G/S | +5 | q none | = EXC:264.5");
}

/* R-6.6.3.1-NOEXT: a leave that is sent again does not prolong. */
static void test_group_not_prolonged(void **state)
{
	(void)state;
	run("IS_EX | +10 | TO_IN | q G | +0.9 | TO_IN | q none | = EXC:1.1 | +0.1 | q G | +0.999 | "
	    "f 1 | +0.001 | = none | +5 | q none");
}

/* R-6.6.3.2-SEQ, R-6.6.3.2-S0: exactly X, S clear, twice. */
static void test_source_sequence(void **state)
{
	(void)state;
	run("IS_IN 1,2,3 | +10 | BLOCK 1,2 | q 1,2 | = INC 1:2 2:2 3:260 | +0.999 | q none | "
	    "+0.001 | q 1,2 | +1 | = INC 3:258 | +5 | q none");
}

/* R-6.6.3.2-SKIP, A-11: no second round for a BLOCK that is sent again. */
static void test_source_skip(void **state)
{
	(void)state;
	run("IS_IN 1,2 | +10 | BLOCK 1 | q 1 | +0.5 | BLOCK 1 | q none | = INC 1:1.5 2:259.5 | "
	    "+0.5 | q 1 | +1 | = INC 2:258 | +5 | q none");
}

/* R-6.6.3.2-SPLIT: the answered source with S, the other without; no empty halves. */
static void test_source_split(void **state)
{
	(void)state;
	run("IS_IN 1,2 | +10 | BLOCK 1,2 | q 1,2 | +0.5 | h2 IS_IN 2 | +0.5 | q 2/S 1 | +5 | "
	    "q none | = INC 2:264.5");
}

/* R-6.6.3.2-MERGE: each twice and never more; the second round is one message. */
static void test_source_merge(void **state)
{
	(void)state;
	run("IS_IN 1,2 | +10 | BLOCK 1 | q 1 | +0.4 | BLOCK 2 | q 2 | +0.6 | q 1,2 | +5 | q none | "
	    "= none");
	run("IS_IN 1,2 | +10 | BLOCK 1 | q 1 | +0.6 | BLOCK 2 | q 1,2 | +1 | q 2 | +5 | q none");
}

/* R-6.6.3.2-BOTH: the half without S is never left out. */
static void test_both(void **state)
{
	(void)state;
	run("IS_EX | IS_IN 1 | +10 | TO_IN | q 1 G | +1 | q G 1 | +1 | = none");
}

/* R-6.6.3-ONLYQ, R-6.6.1-QGA, R-6.6.1-QG, R-6.6.1-UNK */
static void test_non_querier(void **state)
{
	(void)state;
	run("low gen | IS_EX | +10 | TO_IN | q none | = EXC:260 | low G/S | = EXC:260 | low G | "
	    "= EXC:2 | +2 | = none");
	run("low gen | IS_IN 1,2 | +10 | BLOCK 1 | q none | low 1/S | = INC 1:260 2:260 | low 1,9 | "
	    "= INC 1:2 2:260 | +2 | = INC 2:258");
	run("low gen | low G | = none | low 1 | = none");
}

/* R-8.8-CFG: three queries, two seconds apart, that say so; the leave takes six. */
static void test_configured(void **state)
{
	struct port_config config = sim_config();
	struct sim sim;

	(void)state;
	config.last_member_query_interval_ms = 2000;
	config.last_member_query_count = 3;
	sim = sim_start(&config);
	check_script(&sim,
		     "IS_EX | +10 | TO_IN | q G | +2 | q G | +2 | q G | +1.999 | f 1 | +0.001 | "
		     "= none | +5 | q none");
	/* R-4.1.1-LMQ, R-4.1.3-GA, R-4.1.12-DST */
	assert_int_equal(sim.sent[0].message.query.max_response_ms, 2000);
	assert_true(addr_equal(&sim.sent[0].message.destination, &sim.group));
	assert_true(addr_equal(&sim.sent[0].message.query.group, &sim.group));
	sim_fini(&sim);
}

/* R-8.9-DEF: as many as the Robustness Variable. */
static void test_count_default(void **state)
{
	struct port_config config = sim_config();
	struct sim sim;

	(void)state;
	config.robustness = 3;
	sim = sim_start(&config);
	check_script(&sim,
		     "IS_EX | +10 | TO_IN | q G | +1 | q G | +1 | q G | +1 | = none | q none");
	sim_fini(&sim);
}

static size_t count_listed(const struct sim *sim, struct addr source)
{
	size_t n = 0;

	for (size_t i = 0; i < sim->n_sent; i++) {
		const struct message_query *query = &sim->sent[i].message.query;

		for (uint32_t s = 0; s < query->n_sources; s++)
			n += addr_equal(&query->sources[s], &source);
	}
	return n;
}

/* R-4.1.8-MTU: 1000 sources in three messages of at most 366, each source once a round. */
static void test_mtu(void **state)
{
	struct sim sim = sim_start(NULL);

	(void)state;
	check_script(&sim, "IS_IN 1-600 | IS_IN 601-1000 | +10 | BLOCK 1-500 | BLOCK 501-1000");
	assert_int_equal(sim.n_sent, 4); /* 366 + 134 each time */
	sim_forget(&sim);
	sim_advance(&sim, 1000);
	assert_int_equal(sim.n_sent, 3);
	for (size_t i = 0; i < sim.n_sent; i++)
		assert_true(sim.sent[i].message.query.n_sources <= 366);
	for (unsigned int i = 1; i <= 1000; i++)
		assert_int_equal(count_listed(&sim, sim_source(i)), 1);
	sim_fini(&sim);
}

/* L-AMPL: however fast somebody joins and leaves, LMQC queries per LMQT. */
static void test_amplification(void **state)
{
	struct sim sim = sim_start(NULL);

	(void)state;
	check_script(&sim, "h2 IS_EX | h2 IS_IN 9");
	for (int i = 0; i < 10000; i++) {
		check_script(&sim, "TO_IN | h2 IS_EX");
		sim_advance(&sim, 1);
	}
	assert_true(sim.n_sent <= 2 * 5 + 2);
	sim_forget(&sim);
	sim.group = (struct addr)ADDR_V4(239, 1, 1, 2);
	check_script(&sim, "IS_IN 1,2");
	for (int i = 0; i < 10000; i++) {
		check_script(&sim, "BLOCK 1 | ALLOW 1");
		sim_advance(&sim, 1);
	}
	assert_true(count_listed(&sim, sim_source(1)) <= 2 * 5 + 2);
	sim_fini(&sim);
}

/* A leave soon after an answered one is asked about again, a query interval after the last. */
static void test_second_leave(void **state)
{
	(void)state;
	run("IS_EX | +10 | TO_IN | q G | +0.2 | h2 IS_EX | +0.2 | h2 TO_IN | q none | = EXC:2 | "
	    "+0.6 | q G | +1 | q G | +0.4 | = none");
	run("IS_IN 1 | +10 | BLOCK 1 | q 1 | +0.2 | h2 IS_IN 1 | +0.2 | BLOCK 1 | q none | +0.6 | "
	    "q 1 | +1 | q 1 | +0.4 | = none");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_group_sequence),	    cmocka_unit_test(test_group_suppress),
		cmocka_unit_test(test_group_not_prolonged), cmocka_unit_test(test_source_sequence),
		cmocka_unit_test(test_source_skip),	    cmocka_unit_test(test_source_split),
		cmocka_unit_test(test_source_merge),	    cmocka_unit_test(test_both),
		cmocka_unit_test(test_non_querier),	    cmocka_unit_test(test_configured),
		cmocka_unit_test(test_count_default),	    cmocka_unit_test(test_mtu),
		cmocka_unit_test(test_amplification),	    cmocka_unit_test(test_second_leave),
	};

	return cmocka_run_group_tests_name("specific queries", tests, NULL, NULL);
}
