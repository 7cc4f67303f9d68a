/* SPDX-License-Identifier: BSD-2-Clause */
/* SSM, special ranges, boundaries and policy: CONFORMANCE sections 10 and 11, L-POLICY. */
#include "../support/sim_test.h"

static const struct addr ssm_group = ADDR_V4(232, 1, 1, 1);

static void run_in(struct addr group, const struct port_config *config, const char *script)
{
	struct sim sim = sim_start(config);

	sim.group = group;
	check_script(&sim, script);
	sim_fini(&sim);
}

static void run_ssm(const char *script)
{
	run_in(ssm_group, NULL, script);
}

/* S-3-RANGE, S-3.1-EX, S-4607-5.2, S-4607-5.1: no record of EXCLUDE mode does anything. */
static void test_ssm_exclude(void **state)
{
	struct sim sim = sim_start(NULL);

	(void)state;
	run_ssm("IS_EX | TO_EX | IS_EX 1 | TO_EX 1 | = none | f !1");
	run_ssm("IS_IN 1 | +10 | IS_EX | TO_EX 2 | = INC 1:260 | q none | f 1 !2");
	sim.group = ssm_group;
	check_script(&sim, "IS_EX");
	assert_int_equal(sim.verdict, RECEIVE_NOT_SSM);
	check_script(&sim, "V2");
	assert_int_equal(sim.verdict, RECEIVE_NOT_SSM);
	sim_fini(&sim);
}

/* S-3.1-REST, R-6.4.1-MULTI: the other records of the report count. */
static void test_ssm_rest(void **state)
{
	const struct addr s1 = sim_source(1), g = ADDR_V4(239, 1, 1, 1);
	const struct message_record records[] = {
		{ RECORD_TO_EX, ssm_group, NULL, 0 },
		{ RECORD_ALLOW, ssm_group, &s1, 1 },
		{ RECORD_TO_EX, g, NULL, 0 },
	};
	struct sim sim = sim_start(NULL);

	(void)state;
	assert_int_equal(sim_records(&sim, 1, sim_host(1, 1), records, 3), RECEIVE_APPLIED);
	check_script(&sim, "= EXC:270");
	sim.group = ssm_group;
	check_script(&sim, "= INC 1:270");
	sim_fini(&sim);
}

/* S-3.1-TOIN, S-3.4-BLOCK */
static void test_ssm_include(void **state)
{
	(void)state;
	run_ssm("TO_IN 1 | = INC 1:270 | +10 | TO_IN 2 | = INC 1:2 2:270 | q 1 | +2 | = INC 2:268");
	run_ssm("IS_IN 1 | +10 | BLOCK 1 | q 1 | +1 | q 1 | +1 | = none | q none");
}

/* S-3.5-V12, S-3.7-LEAVE, S-4605-4.3, S-MAP: older versions cannot name a channel, and there is no
 * mapping that would do it for them. */
static void test_ssm_older(void **state)
{
	(void)state;
	run_ssm("V1 | V2 | = none");
	run_ssm("IS_IN 1 | +10 | V2 | V1 | LEAVE | = INC 1:260 | q none | BLOCK 1 | q 1 | = INC 1:2");
}

/* S-232.0.0.0 */
static void test_ssm_reserved(void **state)
{
	(void)state;
	run_in((struct addr)ADDR_V4(232, 0, 0, 0), NULL, "IS_IN 1 | = none");
}

/* S-3-RANGE: another range by configuration, which replaces the default. */
static void test_ssm_configured(void **state)
{
	const struct prefix range[] = { PREFIX_V4(232, 0, 0, 0, 8), PREFIX_V4(239, 232, 0, 0, 16) };
	struct port_config config = sim_config();

	(void)state;
	config.ssm_range = range;
	config.n_ssm_range = 2;
	run_in((struct addr)ADDR_V4(239, 232, 1, 1), &config,
	       "IS_EX | V2 | = none | IS_IN 1 | = INC 1");
	run_in(ssm_group, &config, "IS_EX | = none");
	run_in((struct addr)ADDR_V4(239, 233, 1, 1), &config, "IS_EX | = EXC");
}

/* R-LL-TRACK, R-LL-FWD, R-5-ALLSYS: hosts report 224.0.0.x, nothing comes of it. */
static void test_link_local(void **state)
{
	static const uint8_t last[] = { 1, 2, 9, 22, 251, 252 };

	(void)state;
	for (size_t i = 0; i < sizeof(last); i++) {
		struct sim sim = sim_start(NULL);

		sim.group = (struct addr)ADDR_V4(224, 0, 0, last[i]);
		check_script(&sim, "IS_EX | = none | V2 | = none | LEAVE | q none | f !1");
		assert_int_equal(sim.verdict, RECEIVE_BAD_GROUP);
		assert_int_equal(sim.n_changed, 0);
		sim_fini(&sim);
	}
}

/* R-INET-FWD, R-BADDST */
static void test_other_ranges(void **state)
{
	(void)state;
	run_in((struct addr)ADDR_V4(224, 0, 1, 1), NULL, "IS_EX | = EXC | f 1");
	run_in((struct addr)ADDR_V4(240, 1, 1, 1), NULL, "IS_EX | V2 | = none");
	run_in((struct addr)ADDR_V4(255, 255, 255, 255), NULL, "IS_EX | = none");
	run_in((struct addr)ADDR_V4(10, 1, 1, 1), NULL, "IS_EX | = none");
	run_in((struct addr)ADDR_V4(224, 0, 0, 0), NULL, "IS_EX | = none"); /* R-4.2.9-GRP */
}

/* R-SCOPE-BI, R-SCOPE-LOCAL: nothing within, and 239.255/16 is within wherever there is one. */
static void test_boundary(void **state)
{
	const struct prefix boundary = PREFIX_V4(239, 192, 0, 0, 14);
	const struct addr inside = ADDR_V4(239, 192, 1, 1), local = ADDR_V4(239, 255, 1, 1),
			  outside = ADDR_V4(239, 1, 1, 1);
	struct port_config config = sim_config();

	(void)state;
	run_in(local, &config, "IS_EX | = EXC");
	config.boundary = &boundary;
	config.n_boundary = 1;
	run_in(inside, &config, "IS_EX | V2 | IS_IN 1 | = none | f !1");
	run_in(local, &config, "IS_EX | V2 | IS_IN 1 | = none | f !1");
	run_in(outside, &config, "IS_EX | = EXC");
}

/* L-POLICY: what is denied is as if it had not been said. */
static void test_policy(void **state)
{
	const struct policy_rule groups[] = { { true, PREFIX_V4(239, 1, 0, 0, 16) },
					      { false, PREFIX_V4(224, 0, 0, 0, 4) } };
	const struct policy_rule sources[] = { { false, PREFIX_V4(192, 0, 2, 8, 29) } };
	const struct addr s1 = sim_source(1), g1 = ADDR_V4(239, 1, 1, 1),
			  g2 = ADDR_V4(239, 2, 1, 1);
	const struct message_record records[] = { { RECORD_IS_EX, g2, NULL, 0 },
						  { RECORD_IS_IN, g1, &s1, 1 } };
	struct port_config config = sim_config();
	struct sim sim;

	(void)state;
	config.group_policy = (struct policy){ groups, 2 };
	config.source_policy = (struct policy){ sources, 1 };
	run_in(g2, &config, "IS_EX | V2 | = none");
	run_in(g1, &config, "IS_IN 7,8,9,16 | = INC 7 16 | ALLOW 10 | = INC 7 16");
	run_in(g1, &config, "IS_IN 8 | = none | TO_IN 9 | = none");
	sim = sim_start(&config);
	assert_int_equal(sim_records(&sim, 1, sim_host(1, 1), records, 2), RECEIVE_APPLIED);
	check_script(&sim, "= INC 1");
	assert_int_equal(sim_records(&sim, 1, sim_host(1, 1), records, 1), RECEIVE_POLICY);
	sim_fini(&sim);
}

/* L-POLICY: what is denied cannot be asked for, but it can be refused, whatever came before. */
static void test_denied_is_refused(void **state)
{
	const struct policy_rule sources[] = { { false, PREFIX_V4(192, 0, 2, 2, 32) } };
	const struct addr g = ADDR_V4(239, 1, 1, 1);
	struct port_config config = sim_config();

	(void)state;
	config.source_policy = (struct policy){ sources, 1 };
	run_in(g, &config, "TO_EX 2,3 | = EXC /2 /3 | f 1 !2 !3 | ALLOW 2,3 | = EXC /2 3 | f !2 3");
	run_in(g, &config, "IS_EX 2 | = EXC /2 | IS_IN 2 | TO_IN 2 | f 1 !2");
	run_in(g, &config, "IS_IN 1 | +10 | TO_EX 1,2 | f 1 !2 3");
	run_in(g, &config,
	       "IS_EX | +10 | BLOCK 2 | q 2 | +1 | q 2 | IS_IN 2 | +1 | = EXC /2 | f !2");
	run_in(g, &config, "IS_EX | h2 IS_EX 2 | = EXC 2 | +270 | = none");
	/* The group ends first, by another router's query: nothing that was denied is left over. */
	run_in(g, &config, "low gen | IS_EX | h2 IS_EX 1,2 | = EXC 1 2 | low G | +2 | = INC 1");
	run_in(g, &config, "BLOCK 2 | = none | TO_EX 2 | BLOCK 2 | = EXC /2");
}

/* R-4.2.10-SRC: nor can what is never routed. */
static void test_sources_never_routed(void **state)
{
	static const struct addr sources[] = { ADDR_V4(169, 254, 1, 1), ADDR_V4(127, 0, 0, 1),
					       ADDR_V4(192, 0, 2, 1) };
	const struct addr g = ADDR_V4(239, 1, 1, 1);
	struct sim sim = sim_start(NULL);

	(void)state;
	sim_record(&sim, 1, sim_host(1, 1), RECORD_ALLOW, g, sources, 3);
	check_script(&sim, "= INC 1");
	sim_record(&sim, 1, sim_host(1, 1), RECORD_TO_EX, g, sources, 2);
	check_script(&sim, "= EXC");
	sim_fini(&sim);
	sim = sim_start(NULL); /* by its own name: no policy decided that */
	assert_int_equal(sim_record(&sim, 1, sim_host(1, 1), RECORD_ALLOW, g, sources, 2),
			 RECEIVE_BAD_SOURCE_LIST);
	check_script(&sim, "= none");
	sim_fini(&sim);
}

/* Changed settings end what they no longer allow and leave the rest alone. */
static void test_reconfigure(void **state)
{
	const struct policy_rule groups[] = { { false, PREFIX_V4(239, 2, 0, 0, 16) } };
	const struct policy_rule sources[] = { { false, PREFIX_V4(192, 0, 2, 1, 32) } };
	const struct prefix range = PREFIX_V4(239, 3, 0, 0, 16);
	struct port_config config = sim_config();
	struct sim sim = sim_start(NULL);

	(void)state;
	check_script(&sim, "IS_IN 1,2 | +10");
	sim.group = (struct addr)ADDR_V4(239, 2, 1, 1);
	check_script(&sim, "IS_EX");
	sim.group = (struct addr)ADDR_V4(239, 3, 1, 1);
	check_script(&sim, "IS_EX | IS_IN 3 | = EXC:270 3:270");
	config.group_policy = (struct policy){ groups, 1 };
	config.source_policy = (struct policy){ sources, 1 };
	config.ssm_range = &range;
	config.n_ssm_range = 1;
	assert_int_equal(engine_port_configure(sim.engine, 1, &config, sim.now, &sim.out), 0);
	check_script(&sim, "= INC 3:270");
	sim.group = (struct addr)ADDR_V4(239, 2, 1, 1);
	check_script(&sim, "= none");
	sim.group = (struct addr)ADDR_V4(239, 1, 1, 1);
	check_script(&sim, "= INC 2:260 | q none");
	sim_fini(&sim);
}

/* L-POLICY: what is blocked stays blocked when it is denied as well, and is not asked for again. */
static void test_reconfigure_exclude(void **state)
{
	const struct policy_rule sources[] = { { false, PREFIX_V4(192, 0, 2, 0, 30) } };
	struct port_config config = sim_config();
	struct sim sim = sim_start(NULL);

	(void)state;
	check_script(&sim, "TO_EX 1,2,5 | ALLOW 1 | +10 | = EXC:260 1:260 /2 /5");
	config.source_policy = (struct policy){ sources, 1 };
	assert_int_equal(engine_port_configure(sim.engine, 1, &config, sim.now, &sim.out), 0);
	check_script(&sim, "= EXC:260 1:260 /2 /5 | +10 | IS_EX 1,2,5 | IS_IN 1,2,5");
	check_script(&sim, "= EXC:270 1:250 /2 5:270 | +255 | = EXC /1 /2 5 | f !1 !2");
	sim_fini(&sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ssm_exclude),
		cmocka_unit_test(test_ssm_rest),
		cmocka_unit_test(test_ssm_include),
		cmocka_unit_test(test_ssm_older),
		cmocka_unit_test(test_ssm_reserved),
		cmocka_unit_test(test_ssm_configured),
		cmocka_unit_test(test_link_local),
		cmocka_unit_test(test_other_ranges),
		cmocka_unit_test(test_boundary),
		cmocka_unit_test(test_policy),
		cmocka_unit_test(test_denied_is_refused),
		cmocka_unit_test(test_sources_never_routed),
		cmocka_unit_test(test_reconfigure),
		cmocka_unit_test(test_reconfigure_exclude),
	};

	return cmocka_run_group_tests_name("ranges", tests, NULL, NULL);
}
