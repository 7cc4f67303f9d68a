/* SPDX-License-Identifier: BSD-2-Clause */
/* RFC 9776 section 7.3.2: groups with members of older versions. OHPI is 260 s, GMI 270 s. */
#include "../support/sim_test.h"

static void run_with(const struct port_config *config, const char *script)
{
	struct sim sim = sim_start(config);

	check_script(&sim, script);
	sim_fini(&sim);
}

static void run(const char *script)
{
	run_with(NULL, script);
}

/* R-7.3.2-V2JOIN, R-7.3.2-V1JOIN */
static void test_joins(void **state)
{
	(void)state;
	run("V2 | = EXC:270 | f 1 2 | +270 | = none");
	run("V1 | = EXC:270 | f 1 2 | +270 | = none");
}

/* R-7.3.2-INCV2 */
static void test_include_then_v2(void **state)
{
	(void)state;
	run("IS_IN 1 | +10 | h2 V2 | = EXC:270 | f 1 2");
}

/* R-7.3.2-LEAVE, A-12: queries stay version 3, and say a time that version 2 reads alike. */
static void test_leave(void **state)
{
	struct sim sim = sim_start(NULL);

	(void)state;
	check_script(&sim,
		     "V2 | +10 | LEAVE | q G | f 1 | +1 | q G | +0.999 | f 1 | +0.001 | = none");
	assert_int_equal(sim.sent[0].message.query.version, 3);
	assert_true(sim.sent[0].message.query.max_response_ms < 12800);
	sim_fini(&sim);
}

/* R-7.3.2-SUPPR */
static void test_leave_answered(void **state)
{
	(void)state;
	run("V2 | +10 | LEAVE | q G | +0.9 | h2 V2 | = EXC:270 | +10 | f 1");
}

/* R-7.3.2-BLOCK, R-7.3.2-TO_EXS, R-7.3.2-TO_IN, R-7.3.2-IS_EX */
static void test_v2_mode(void **state)
{
	(void)state;
	run("V2 | +10 | BLOCK 1 | = EXC:260 | q none | f 1");
	run("V2 | +10 | TO_EX 1 | = EXC:270 | q none | f 1");
	run("V2 | +10 | TO_IN | = EXC:2 | q G");
	/* Table 8 applies to IS_EX(x): a new source runs for GMI, and the next v2 report clears it.
	 */
	run("V2 | +10 | IS_EX 1 | = EXC:270 1:270 | h2 V2 | = EXC:270");
}

/* R-7.3.2-OHPI, A-6: after 260 s BLOCK counts again, ten seconds before the group would end. */
static void test_v2_mode_ends(void **state)
{
	(void)state;
	run("V2 | +259.999 | BLOCK 1 | = EXC | +0.001 | BLOCK 1 | = EXC 1:2 | q 1");
}

/* R-7.3.2-V1MODE: leaves and TO_IN are ignored as well. */
static void test_v1_mode(void **state)
{
	(void)state;
	run("V1 | +10 | LEAVE | TO_IN | TO_IN 1 | BLOCK 2 | TO_EX 3 | = EXC:270 | q none | +270 | "
	    "= none");
}

/* R-7.3.2-V1EXP: v2 mode after the v1 timer. R-7.3.2-V2BOTH: v1 mode while the v1 timer runs. */
static void test_both_timers(void **state)
{
	(void)state;
	run("V1 | +200 | V2 | +59.999 | LEAVE | q none | +0.001 | LEAVE | q G");
	run("V2 | +200 | V1 | +100 | LEAVE | q none | IS_EX | = EXC:270");
}

/* R-7.3.2-PERGRP, R-7.3.2-IMM: at once, and for this group only. */
static void test_per_group(void **state)
{
	struct sim sim = sim_start(NULL);

	(void)state;
	check_script(&sim, "IS_EX | V2 | BLOCK 1 | q none");
	sim.group = (struct addr)ADDR_V4(239, 1, 1, 2);
	check_script(&sim, "IS_EX | BLOCK 1 | q 1 | = EXC 1:2");
	assert_int_equal(sim_count_events(&sim, EVENT_OLDER_HOST), 1);
	sim_fini(&sim);
}

/* R-2236-5: on a version 2 router a v1 report stops leaves for GMI. R-V2-UNK22 */
static void test_v2_router(void **state)
{
	struct port_config config = sim_config();
	struct sim sim;

	(void)state;
	config.version = 2;
	run_with(&config, "V1 | +260 | V2 | +9.999 | LEAVE | q none | +0.001 | LEAVE | q G");
	sim = sim_start(&config);
	check_script(&sim, "IS_EX | = none");
	assert_int_equal(sim.verdict, RECEIVE_IGNORED_VERSION);
	sim_fini(&sim);
}

/* R-9.2-IGNV1, R-7.3.1-SSMONLY: no effect at all, not even on the timers of older hosts. */
static void test_ignored(void **state)
{
	struct port_config config = sim_config();

	(void)state;
	config.ignore_v1 = true;
	run_with(&config,
		 "V1 | = none | IS_EX | +10 | V1 | BLOCK 1 | = EXC:260 1:2 | V2 | = EXC:270");
	config.ignore_v2 = true;
	run_with(&config, "V2 | = none | IS_EX | +10 | V2 | LEAVE | BLOCK 1 | = EXC:260 1:2");
	config = sim_config();
	assert_true(config.host_compatibility);
	config.host_compatibility = false;
	run_with(&config, "V1 | V2 | = none | IS_EX | +10 | LEAVE | = EXC:260 | q none");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_joins),	  cmocka_unit_test(test_include_then_v2),
		cmocka_unit_test(test_leave),	  cmocka_unit_test(test_leave_answered),
		cmocka_unit_test(test_v2_mode),	  cmocka_unit_test(test_v2_mode_ends),
		cmocka_unit_test(test_v1_mode),	  cmocka_unit_test(test_both_timers),
		cmocka_unit_test(test_per_group), cmocka_unit_test(test_v2_router),
		cmocka_unit_test(test_ignored),
	};

	return cmocka_run_group_tests_name("older hosts", tests, NULL, NULL);
}
