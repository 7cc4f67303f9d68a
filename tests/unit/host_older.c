// SPDX-License-Identifier: BSD-2-Clause
/* Upstream with older queriers: docs/CONFORMANCE.md section 13, RFC 9776 section 7.2.1. */

#include "../support/host_sim_test.h"
#include "membership/host_state.h"

static void settle(struct host_sim *t)
{
	host_sim_pass(t, 15000);
	host_sim_said(t);
}

static unsigned int version(const struct host_sim *t)
{
	struct engine_port_view view;

	engine_port_view(t->sim.engine, UPSTREAM, &view);
	return view.version;
}

/* P-7.2.1-V2, P-2236-RTX, P-7.2.1-V2LEAVE: joins, their repetition, leaves; where they are sent */
static void version_2_joins_and_leaves(void **state)
{
	struct host_sim *t = *state;
	const struct message *m;
	uint64_t since;

	host_sim_query(t, 2, 0, "", 10000);
	since = t->sim.now;
	host_sim_set_group(t, 7, FILTER_EXCLUDE, "");
	assert_said(t, "V2 7");
	m = &t->sim.sent[t->sim.n_sent - 1].message;
	assert_true(addr_equal(&m->destination, &m->group));
	host_sim_pass(t, 10000);
	assert_said(t, "V2 7");
	assert_in_range(t->sim.sent[t->sim.n_sent - 1].at - since, 1, 10000);
	host_sim_set_group(t, 7, FILTER_INCLUDE, "");
	m = &t->sim.sent[t->sim.n_sent - 1].message;
	assert_int_equal(addr_to_v4_host(&m->destination), 0xe0000002);
	host_sim_pass(t, 100000);
	assert_said(t, "LEAVE 7");
	assert_int_equal(engine_port_counters(t->sim.engine, UPSTREAM)->leaves_sent, 1);
}

/* P-7.2.1-V2CHG: sources are not spoken of */
static void version_2_tells_groups_only(void **state)
{
	struct host_sim *t = *state;

	host_sim_query(t, 2, 0, "", 10000);
	host_sim_set(t, FILTER_INCLUDE, "1");
	assert_said(t, "V2 1");
	settle(t);
	host_sim_set(t, FILTER_INCLUDE, "1,2");
	host_sim_set(t, FILTER_EXCLUDE, "3");
	host_sim_set(t, FILTER_EXCLUDE, "");
	host_sim_set(t, FILTER_INCLUDE, "4");
	host_sim_pass(t, 10000);
	assert_said(t, "");
	host_sim_set(t, FILTER_INCLUDE, "");
	assert_said(t, "LEAVE 1");
}

/* P-7.2.1-V2, P-5.2-DELAY: each group at its own random time within Max Resp Time */
static void version_2_answers(void **state)
{
	struct host_sim *t = *state;
	uint64_t since, least = UINT64_MAX, most = 0;
	size_t before;

	host_sim_query(t, 2, 0, "", 10000);
	for (unsigned int n = 1; n <= 200; n++)
		host_sim_set_group(t, n, FILTER_EXCLUDE, "");
	settle(t);
	before = t->sim.n_sent;
	since = t->sim.now;
	host_sim_query(t, 2, 0, "", 5000);
	host_sim_pass(t, 20000);
	assert_int_equal(t->sim.n_sent - before, 200);
	for (size_t i = before; i < t->sim.n_sent; i++) {
		uint64_t wait = t->sim.sent[i].at - since;

		assert_int_equal(t->sim.sent[i].message.type, MESSAGE_V2_REPORT);
		assert_in_range(wait, 1, 5000);
		least = wait < least ? wait : least;
		most = wait > most ? wait : most;
	}
	assert_true(least < 500 && most > 4500);
	host_sim_said(t);
	/* A group-specific query asks for that group, in version 2 and 3. */
	host_sim_query(t, 2, 17, "", 1000);
	host_sim_pass(t, 1000);
	assert_said(t, "V2 17");
	host_sim_query(t, 3, 17, "1,2", 1000);
	host_sim_pass(t, 1000);
	assert_said(t, "V2 17");
}

/* RFC 2236 section 3: a running timer is set anew only if it would run longer than asked */
static void version_2_running_timers(void **state)
{
	struct host_sim *t = *state;

	host_sim_query(t, 2, 0, "", 10000);
	host_sim_set(t, FILTER_EXCLUDE, "");
	settle(t);
	host_sim_query(t, 2, 1, "", 25500);
	host_sim_query(t, 2, 1, "", 1);
	host_sim_query(t, 2, 1, "", 25500);
	host_sim_pass(t, 1);
	assert_said(t, "V2 1");
	host_sim_pass(t, 30000);
	assert_said(t, "");
}

/* P-2236-SUPPR: another member's report stands for ours; not in the SSM range */
static void version_2_suppression(void **state)
{
	struct host_sim *t = *state;
	struct addr ssm = addr_from_v4_host(0xe8010009), source = sim_source(1);

	host_sim_query(t, 2, 0, "", 10000);
	host_sim_set(t, FILTER_EXCLUDE, "");
	host_sim_set_group(t, 2, FILTER_EXCLUDE, "");
	host_set(host_sim_host(t), &ssm, FILTER_INCLUDE, &source, 1);
	host_flush(host_sim_host(t), t->sim.now, &t->sim.out);
	settle(t);
	host_sim_query(t, 2, 0, "", 10000);
	host_sim_pass(t, 0);
	assert_int_equal(sim_older(&t->sim, UPSTREAM, sim_host(UPSTREAM, 1), MESSAGE_V2_REPORT,
				   host_sim_group(1)),
			 RECEIVE_APPLIED);
	sim_older(&t->sim, UPSTREAM, sim_host(UPSTREAM, 1), MESSAGE_V2_REPORT, ssm);
	host_sim_pass(t, 10000);
	host_sim_said(t);
	assert_null(strstr(t->said, "V2 1;"));
	assert_non_null(strstr(t->said, "V2 2"));
	assert_non_null(strstr(t->said, "V2 9"));
	assert_int_equal(strlen(t->said), strlen("V2 2; V2 9"));
	/* The repetition of a join too, but never the join itself. */
	host_sim_set_group(t, 3, FILTER_EXCLUDE, "");
	assert_said(t, "V2 3");
	sim_older(&t->sim, UPSTREAM, sim_host(UPSTREAM, 1), MESSAGE_V2_REPORT, host_sim_group(3));
	host_sim_pass(t, 10000);
	assert_said(t, "");
}

/* P-2236-SUPPR: only what a member of the link tells the members stands for ours. */
static void version_2_no_suppression(void **state)
{
	static const struct {
		struct addr source, destination;
		enum receive_verdict verdict;
	} cases[] = {
		{ ADDR_V4(10, 0, 9, 1), ADDR_V4(10, 0, 9, 100), RECEIVE_BAD_DESTINATION },
		{ ADDR_V4(10, 0, 9, 1), ADDR_V4(239, 9, 9, 9), RECEIVE_BAD_DESTINATION },
		{ ADDR_V4(10, 0, 9, 1), ADDR_V4(224, 0, 0, 1), RECEIVE_BAD_DESTINATION },
		{ ADDR_V4(192, 0, 2, 1), ADDR_V4(0, 0, 0, 0), RECEIVE_FOREIGN_SOURCE },
		{ ADDR_V4(10, 0, 9, 0), ADDR_V4(0, 0, 0, 0), RECEIVE_BAD_SOURCE },
	};
	struct host_sim *t = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct message message = { .type = MESSAGE_V2_REPORT,
					   .source = cases[i].source,
					   .destination = cases[i].destination,
					   .ttl = 1,
					   .router_alert = true,
					   .group = host_sim_group(1) };

		if (addr_is_unspecified(&message.destination))
			message.destination = message.group;
		host_sim_query(t, 2, 0, "", 10000);
		host_sim_set(t, FILTER_EXCLUDE, "");
		settle(t);
		host_sim_query(t, 2, 0, "", 10000);
		host_sim_pass(t, 0);
		assert_int_equal(sim_receive(&t->sim, UPSTREAM, &message), cases[i].verdict);
		host_sim_pass(t, 10000);
		assert_said(t, "V2 1");
	}
}

/* P-7.2.1-V1: reports, no leaves; Max Resp Time 0 is ten seconds */
static void version_1(void **state)
{
	struct host_sim *t = *state;
	uint64_t most = 0;

	host_sim_set(t, FILTER_EXCLUDE, "");
	settle(t);
	for (unsigned int i = 0; i < 100; i++) {
		uint64_t since = t->sim.now, wait;

		host_sim_query(t, 1, 0, "", 0);
		host_sim_pass(t, 10000);
		assert_said(t, "V1 1");
		wait = t->sim.sent[t->sim.n_sent - 1].at - since;
		assert_in_range(wait, 1, 10000);
		most = wait > most ? wait : most;
	}
	assert_true(most > 9000);
	host_sim_set_group(t, 2, FILTER_INCLUDE, "1");
	assert_said(t, "V1 2");
	settle(t);
	host_sim_set_group(t, 2, FILTER_INCLUDE, "");
	host_sim_pass(t, 10000);
	assert_said(t, "");
	assert_int_equal(host_group_count(host_sim_host(t)), 1);
}

/* P-7.2.1-GSQ */
static void older_group_queries_change_no_mode(void **state)
{
	struct host_sim *t = *state;

	host_sim_set(t, FILTER_EXCLUDE, "");
	settle(t);
	host_sim_query(t, 2, 1, "", 1000);
	assert_int_equal(version(t), 3);
	host_sim_pass(t, 1000);
	assert_said(t, "IS_EX()");
}

/* P-7.2.1-TO, A-7: RV x QI + 10 x Max Resp Time after the last older query: 350 s by default */
static void the_way_back(void **state)
{
	struct host_sim *t = *state;

	host_sim_query(t, 2, 0, "", 10000);
	host_sim_pass(t, 100000);
	host_sim_query(t, 2, 0, "", 10000);
	host_sim_pass(t, 349999);
	assert_int_equal(version(t), 2);
	host_sim_pass(t, 1);
	assert_int_equal(version(t), 3);
	/* With other values: 2 x 125 + 10 x 2, and version 1 as if its time were 10 s */
	host_sim_query(t, 2, 0, "", 2000);
	host_sim_pass(t, 269999);
	assert_int_equal(version(t), 2);
	host_sim_pass(t, 1);
	assert_int_equal(version(t), 3);
	host_sim_query(t, 1, 0, "", 0);
	host_sim_pass(t, 349999);
	assert_int_equal(version(t), 1);
	host_sim_pass(t, 1);
	assert_int_equal(version(t), 3);
}

/* P-7.2.1-V1V2: table 11 */
static void version_1_before_version_2(void **state)
{
	struct host_sim *t = *state;

	host_sim_query(t, 1, 0, "", 0);
	host_sim_pass(t, 100000);
	host_sim_query(t, 2, 0, "", 10000);
	assert_int_equal(version(t), 1);
	host_sim_pass(t, 249999);
	assert_int_equal(version(t), 1);
	host_sim_pass(t, 1);
	assert_int_equal(version(t), 2);
	host_sim_pass(t, 99999);
	assert_int_equal(version(t), 2);
	host_sim_pass(t, 1);
	assert_int_equal(version(t), 3);
	/* A version 3 query does not shorten it. */
	host_sim_query(t, 2, 0, "", 10000);
	host_sim_query(t, 3, 0, "", 10000);
	assert_int_equal(version(t), 2);
}

/* P-7.2.1-CANCEL: what waits is forgotten on a change of mode, both ways */
static void a_change_of_mode_cancels(void **state)
{
	struct host_sim *t = *state;

	host_sim_set(t, FILTER_EXCLUDE, "");
	host_sim_set_group(t, 2, FILTER_INCLUDE, "1");
	host_sim_set_group(t, 3, FILTER_EXCLUDE, "");
	host_sim_set_group(t, 3, FILTER_INCLUDE, "");
	host_sim_query(t, 3, 2, "1", 1000);
	host_sim_query(t, 3, 0, "", 1000);
	host_sim_said(t);
	host_sim_query(t, 2, 0, "", 25500);
	host_sim_pass(t, 25500);
	host_sim_said(t);
	/* Only the answers to the version 2 query, once. */
	assert_int_equal(strlen(t->said), strlen("V2 1; V2 2"));
	assert_non_null(strstr(t->said, "V2 1"));
	assert_non_null(strstr(t->said, "V2 2"));
	/* The mode ends with an answer pending. */
	host_sim_query(t, 2, 0, "", 100);
	settle(t);
	host_sim_pass(t, 250000 + 1000 - 15000 - 50);
	host_sim_query(t, 2, 1, "", 10000);
	host_sim_pass(t, 20000);
	assert_int_equal(version(t), 3);
	assert_int_equal(host_sim_host(t)->timers.n, 0);
}

/* P-7.2.1-RESYNC: back in version 3 nothing is said until a query asks; then everything */
static void back_in_version_3(void **state)
{
	struct host_sim *t = *state;

	host_sim_query(t, 2, 0, "", 1000);
	host_sim_set(t, FILTER_INCLUDE, "1");
	settle(t);
	host_sim_set(t, FILTER_INCLUDE, "1,2");
	host_sim_pass(t, 300000);
	assert_int_equal(version(t), 3);
	assert_said(t, "");
	host_sim_query(t, 3, 0, "", 1000);
	host_sim_pass(t, 1000);
	assert_said(t, "IS_IN(1,2)");
}

/* P-7.2.1-SSMLOG: told, at a limited rate */
static void older_queriers_are_told(void **state)
{
	struct host_sim *t = *state;
	struct message query = host_sim_query_message(2, 1, "", 1000);

	query.query.group = addr_from_v4_host(0xe8010101);
	sim_receive(&t->sim, UPSTREAM, &query);
	assert_int_equal(sim_count_events(&t->sim, EVENT_OLDER_QUERIER), 1);
	host_sim_query(t, 2, 1, "", 1000); /* not of the SSM range, not general */
	assert_int_equal(sim_count_events(&t->sim, EVENT_OLDER_QUERIER), 1);
	for (unsigned int i = 0; i < 1000; i++)
		host_sim_query(t, 2, 0, "", 1000);
	assert_in_range(sim_count_events(&t->sim, EVENT_OLDER_QUERIER), 2, 10);
}

static void configure(struct host_sim *t, const struct port_config *config)
{
	engine_port_configure(t->sim.engine, UPSTREAM, config, t->sim.now, &t->sim.out);
	host_sim_pass(t, 0);
}

/* P-7.2.1-SSMLOG: compatibility is on by default and can be turned off */
static void compatibility_can_be_turned_off(void **state)
{
	struct host_sim *t = *state;
	struct port_config config = host_sim_config();

	assert_true(config.host_compatibility);
	config.host_compatibility = false;
	configure(t, &config);
	host_sim_query(t, 1, 0, "", 0);
	host_sim_query(t, 2, 0, "", 1000);
	assert_int_equal(version(t), 3);
	host_sim_set(t, FILTER_INCLUDE, "1");
	assert_said(t, "ALLOW(1)");
}

/* R-9.2-IGNV1: messages of a version that is ignored have no effect at all */
static void ignored_versions(void **state)
{
	struct host_sim *t = *state;
	struct port_config config = host_sim_config();

	config.ignore_v1 = config.ignore_v2 = true;
	configure(t, &config);
	assert_int_equal(host_sim_query(t, 1, 0, "", 0), RECEIVE_IGNORED_VERSION);
	assert_int_equal(host_sim_query(t, 2, 0, "", 1000), RECEIVE_IGNORED_VERSION);
	assert_int_equal(version(t), 3);
	assert_int_equal(sim_count_events(&t->sim, EVENT_OLDER_QUERIER), 0);
}

/* 7.2.1: a port of version 2 speaks version 2, also to a querier of version 3 */
static void a_port_of_version_2(void **state)
{
	struct host_sim *t = *state;
	struct port_config config = host_sim_config();

	config.version = 2;
	configure(t, &config);
	host_sim_query(t, 3, 0, "", 1000);
	host_sim_set(t, FILTER_INCLUDE, "1");
	assert_said(t, "V2 1");
	settle(t);
	host_sim_query(t, 3, 0, "", 1000);
	host_sim_pass(t, 1000);
	assert_said(t, "V2 1");
	assert_int_equal(sim_count_events(&t->sim, EVENT_OLDER_QUERIER), 0);
}

/* P-5-UPDOWN, P-5-EXIT in version 2; a link that went down forgets the older querier */
static void link_and_exit(void **state)
{
	struct host_sim *t = *state;

	host_sim_query(t, 2, 0, "", 1000);
	host_sim_set(t, FILTER_INCLUDE, "1");
	settle(t);
	sim_link(&t->sim, UPSTREAM, false);
	sim_link(&t->sim, UPSTREAM, true);
	host_sim_pass(t, 10000);
	assert_said(t, "ALLOW(1); ALLOW(1)");
	host_sim_query(t, 2, 0, "", 1000);
	settle(t);
	engine_port_remove(t->sim.engine, UPSTREAM, t->sim.now, &t->sim.out);
	host_sim_pass(t, 10000);
	assert_said(t, "LEAVE 1");
}

/* R-ADOPT-BOUND: the largest values that a querier can tell overflow nothing */
static void the_largest_values(void **state)
{
	struct host_sim *t = *state;
	struct message query = host_sim_query_message(3, 0, "", 3174400);

	query.query.qrv = 7;
	query.query.query_interval_ms = 31744000;
	sim_receive(&t->sim, UPSTREAM, &query);
	host_sim_query(t, 2, 0, "", 25500);
	host_sim_pass(t, 7ull * 31744000 + 255000 - 1);
	assert_int_equal(version(t), 2);
	host_sim_pass(t, 1);
	assert_int_equal(version(t), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HOST_TEST(version_2_joins_and_leaves),
		HOST_TEST(version_2_tells_groups_only),
		HOST_TEST(version_2_answers),
		HOST_TEST(version_2_running_timers),
		HOST_TEST(version_2_suppression),
		HOST_TEST(version_2_no_suppression),
		HOST_TEST(version_1),
		HOST_TEST(older_group_queries_change_no_mode),
		HOST_TEST(the_way_back),
		HOST_TEST(version_1_before_version_2),
		HOST_TEST(a_change_of_mode_cancels),
		HOST_TEST(back_in_version_3),
		HOST_TEST(older_queriers_are_told),
		HOST_TEST(compatibility_can_be_turned_off),
		HOST_TEST(ignored_versions),
		HOST_TEST(a_port_of_version_2),
		HOST_TEST(link_and_exit),
		HOST_TEST(the_largest_values),
	};

	return cmocka_run_group_tests_name("host with older queriers", tests, NULL, NULL);
}
