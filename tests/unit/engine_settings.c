/* SPDX-License-Identifier: BSD-2-Clause */
/* Which settings of a port are accepted: RFC 9776 section 8. */
#include <errno.h>

#include "../support/sim_test.h"

/* Refused with words that name the setting. */
static void refuse(const struct port_config *config, const char *name)
{
	const char *problem = port_config_check(config);
	struct sim sim;

	if (!problem || !strstr(problem, name))
		fail_msg("%s: %s", name, problem ? problem : "accepted");
	sim_init(&sim);
	assert_int_equal(engine_port_configure(sim.engine, 1, config, sim.now, &sim.out), -EINVAL);
	assert_null(engine_port_counters(sim.engine, 1));
	sim_fini(&sim);
}

static void accept(const struct port_config *config)
{
	const char *problem = port_config_check(config);

	if (problem)
		fail_msg("refused: %s", problem);
}

static void test_defaults(void **state)
{
	struct port_config config;

	(void)state;
	port_config_init(&config);
	accept(&config);
	assert_null(port_config_warn(&config));
	assert_int_equal(config.robustness, 2);
	assert_int_equal(config.query_interval_ms, 125000);
	assert_int_equal(config.query_response_interval_ms, 10000);
	assert_int_equal(config.last_member_query_interval_ms, 1000);
}

/* R-8.1-RV */
static void test_robustness(void **state)
{
	struct port_config config = sim_config();

	(void)state;
	config.robustness = 0;
	refuse(&config, "robustness-variable");
	config.robustness = 1;
	accept(&config);
	assert_non_null(strstr(port_config_warn(&config), "robustness-variable"));
	config.robustness = 255;
	accept(&config);
}

/* R-8.3-QRI, R-4.1.7-QQIC, L-6636 */
static void test_intervals(void **state)
{
	struct port_config config = sim_config();

	(void)state;
	config.query_response_interval_ms = 125000;
	refuse(&config, "query-max-response-time");
	config.query_response_interval_ms = 124900;
	accept(&config);
	config.query_response_interval_ms = 0;
	refuse(&config, "query-max-response-time");
	config = sim_config();
	config.query_interval_ms = 31745000;
	refuse(&config, "query-interval");
	config.query_interval_ms = 31744000;
	accept(&config);
	config.query_interval_ms = 0;
	refuse(&config, "query-interval");
	config = sim_config();
	config.query_interval_ms = 250000;
	config.query_response_interval_ms = 1000;
	config.last_member_query_interval_ms = 200;
	accept(&config);
	config.last_member_query_interval_ms = 0;
	refuse(&config, "last-member-query-interval");
}

/* R-7.3.1-V2Q: what version 2 cannot say is refused. */
static void test_versions(void **state)
{
	struct port_config config = sim_config();

	(void)state;
	config.version = 0;
	refuse(&config, "version");
	config.version = 4;
	refuse(&config, "version");
	config.version = 2;
	config.query_response_interval_ms = 25500;
	accept(&config);
	config.query_response_interval_ms = 25600;
	refuse(&config, "query-max-response-time");
	config.version = 1;
	accept(&config);
}

/* S-4607-5.2, R-LL-FWD, R-SCOPE-LOCAL: what configuration may not ask for either. */
static void test_statics(void **state)
{
	const struct addr source = ADDR_V4(192, 0, 2, 1), bad_source = ADDR_V4(224, 1, 1, 1);
	const struct prefix boundary = PREFIX_V4(239, 192, 0, 0, 14);
	struct static_group group = { ADDR_V4(232, 1, 1, 1), NULL, 0 };
	struct port_config config = sim_config();

	(void)state;
	config.static_groups = &group;
	config.n_static_groups = 1;
	refuse(&config, "SSM");
	group.sources = &source;
	group.n_sources = 1;
	accept(&config);
	group.sources = &bad_source;
	refuse(&config, "source");
	group = (struct static_group){ ADDR_V4(224, 0, 0, 5), NULL, 0 };
	refuse(&config, "224.0.0.0/24");
	group.group = (struct addr)ADDR_V4(10, 0, 0, 5);
	refuse(&config, "static-group");
	group.group = (struct addr)ADDR_V4(239, 255, 0, 5);
	accept(&config);
	config.boundary = &boundary;
	config.n_boundary = 1;
	refuse(&config, "boundary");
}

static void test_lists(void **state)
{
	const struct prefix unicast = PREFIX_V4(10, 0, 0, 0, 8);
	struct prefix too_long = PREFIX_V4(239, 0, 0, 0, 8);
	struct port_config config = sim_config();

	(void)state;
	config.boundary = &unicast;
	config.n_boundary = 1;
	refuse(&config, "boundary");
	too_long.len = 129;
	config.boundary = &too_long;
	refuse(&config, "prefix");
	config = sim_config();
	config.ssm_range = &unicast;
	config.n_ssm_range = 1;
	refuse(&config, "ssm-range");
}

/* A refused change leaves the port as it was. */
static void test_refused_change(void **state)
{
	struct port_config config = sim_config();
	struct sim sim = sim_start(NULL);

	(void)state;
	config.query_interval_ms = 0;
	check_script(&sim, "IS_EX");
	assert_int_equal(engine_port_configure(sim.engine, 1, &config, sim.now, &sim.out), -EINVAL);
	assert_int_equal(engine_port_configure(sim.engine, 0, NULL, sim.now, &sim.out), -EINVAL);
	assert_int_equal(engine_port_configure(sim.engine, ENGINE_MAX_PORTS, NULL, sim.now,
					       &sim.out),
			 -EINVAL);
	check_script(&sim, "+10 | = EXC:260 | IS_EX | = EXC:270");
	sim_fini(&sim);
}

/* R-8-VAR: changed values hold from now on, and the next query is not later than they say. */
static void test_change(void **state)
{
	struct port_config config = sim_config();
	struct sim sim = sim_start(NULL);

	(void)state;
	sim.general_queries_shown = true;
	check_script(&sim, "IS_EX | +5 | q none");
	config.query_interval_ms = 20000;
	assert_int_equal(engine_port_configure(sim.engine, 1, &config, sim.now, &sim.out), 0);
	check_script(&sim, "= EXC:265 | IS_EX | = EXC:60 | +19.999 | q none | +0.001 | q gen");
	sim_fini(&sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),       cmocka_unit_test(test_robustness),
		cmocka_unit_test(test_intervals),      cmocka_unit_test(test_versions),
		cmocka_unit_test(test_statics),	       cmocka_unit_test(test_lists),
		cmocka_unit_test(test_refused_change), cmocka_unit_test(test_change),
	};

	return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
