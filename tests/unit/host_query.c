// SPDX-License-Identifier: BSD-2-Clause
/* Upstream: answers to queries, docs/CONFORMANCE.md section 13, RFC 9776 section 5.2. */

#include "../support/host_sim_test.h"
#include "membership/host_state.h"

static void join(struct host_sim *t, unsigned int n, enum filter_mode mode, const char *sources)
{
	host_sim_set_group(t, n, mode, sources);
	host_sim_pass(t, 10000);
	host_sim_said(t);
}

/* When the last message was sent, counted from `since`. */
static uint64_t last_sent(const struct host_sim *t, uint64_t since)
{
	return t->sim.sent[t->sim.n_sent - 1].at - since;
}

/* P-5.2-GQ: one record per group, packed; 224.0.0.1 never */
static void a_general_query_is_answered_for_all(void **state)
{
	struct host_sim *t = *state;

	join(t, 1, FILTER_EXCLUDE, "1");
	join(t, 2, FILTER_INCLUDE, "2,3");
	join(t, 3, FILTER_EXCLUDE, "");
	join(t, 4, FILTER_EXCLUDE, "");
	join(t, 4, FILTER_INCLUDE, ""); /* left */
	assert_int_equal(host_sim_query(t, 3, 0, "", 5000), RECEIVE_APPLIED);
	host_sim_pass(t, 5000);
	assert_said(t, "IS_EX(1)+IS_IN 2(2,3)+IS_EX 3()");
	host_sim_pass(t, 100000);
	assert_said(t, "");
}

/* P-5.2-DELAY, P-5.2-NOIMM: at random in (0, MRT], never at once */
static void answers_are_delayed_at_random(void **state)
{
	struct host_sim *t = *state;
	uint64_t least = UINT64_MAX, most = 0;

	join(t, 1, FILTER_EXCLUDE, "");
	for (unsigned int i = 0; i < 400; i++) {
		uint64_t since = t->sim.now, wait;

		host_sim_query(t, 3, i % 2, "", 5000);
		assert_said(t, "");
		host_sim_pass(t, 5000);
		assert_said(t, "IS_EX()");
		wait = last_sent(t, since);
		assert_in_range(wait, 1, 5000);
		least = wait < least ? wait : least;
		most = wait > most ? wait : most;
	}
	assert_true(least < 250 && most > 4750);
}

/* P-5.2-GSQ */
static void a_group_query_is_answered_if_joined(void **state)
{
	struct host_sim *t = *state;

	join(t, 1, FILTER_EXCLUDE, "1");
	join(t, 2, FILTER_INCLUDE, "2,3");
	host_sim_query(t, 3, 1, "", 1000);
	host_sim_pass(t, 1000);
	assert_said(t, "IS_EX(1)");
	host_sim_query(t, 3, 2, "", 1000);
	host_sim_pass(t, 1000);
	assert_said(t, "IS_IN 2(2,3)");
	host_sim_query(t, 3, 3, "", 1000);
	host_sim_pass(t, 10000);
	assert_said(t, "");
}

/* P-5.2-GSSQ: table 5 */
static void a_source_query_is_answered_for_what_is_wanted(void **state)
{
	struct host_sim *t = *state;

	join(t, 1, FILTER_INCLUDE, "1,2,3");
	join(t, 2, FILTER_EXCLUDE, "1,2,3");
	host_sim_query(t, 3, 1, "2,3,4", 1000);
	host_sim_pass(t, 1000);
	assert_said(t, "IS_IN(2,3)");
	host_sim_query(t, 3, 2, "2,3,4", 1000);
	host_sim_pass(t, 1000);
	assert_said(t, "IS_IN 2(4)");
	host_sim_query(t, 3, 1, "4,5", 1000);
	host_sim_query(t, 3, 2, "1,3", 1000);
	host_sim_query(t, 3, 3, "1,3", 1000);
	host_sim_pass(t, 10000);
	assert_said(t, "");
	/* What was asked before is forgotten. */
	host_sim_query(t, 3, 1, "1", 1000);
	host_sim_pass(t, 1000);
	assert_said(t, "IS_IN(1)");
}

/* P-5.2-GSSQ: the state at the time of the answer counts */
static void the_answer_is_of_its_own_time(void **state)
{
	struct host_sim *t = *state;

	join(t, 1, FILTER_INCLUDE, "1,2");
	host_sim_query(t, 3, 1, "1,2", 100000);
	join(t, 1, FILTER_INCLUDE, "2");
	host_sim_pass(t, 100000);
	assert_said(t, "IS_IN(2)");
	host_sim_query(t, 3, 1, "1,2", 100000);
	join(t, 1, FILTER_INCLUDE, "");
	host_sim_pass(t, 100000);
	assert_said(t, "");
}

/* P-5.2-R1: what is due sooner for all groups swallows the new query */
static void rule_1(void **state)
{
	struct host_sim *t = *state;
	struct host *host = host_sim_host(t);

	join(t, 1, FILTER_EXCLUDE, "");
	host_sim_query(t, 3, 0, "", 1);
	host_sim_query(t, 3, 1, "", 1000);
	host_sim_query(t, 3, 1, "1,2", 1000);
	host_sim_query(t, 3, 0, "", 1000);
	assert_int_equal(host->general_at, t->sim.now + 1);
	host_sim_pass(t, 10000);
	assert_said(t, "IS_EX()");
}

/* P-5.2-R2: a new general query that is due sooner replaces the pending response */
static void rule_2(void **state)
{
	struct host_sim *t = *state;
	uint64_t since;

	join(t, 1, FILTER_EXCLUDE, "");
	since = t->sim.now;
	host_sim_query(t, 3, 0, "", 1000000);
	host_sim_query(t, 3, 0, "", 1);
	host_sim_pass(t, 2000000);
	assert_said(t, "IS_EX()");
	assert_int_equal(last_sent(t, since), 1);
}

/* P-5.2-R4: all of the state is asked for, at the earlier time */
static void rule_4(void **state)
{
	struct host_sim *t = *state;
	uint64_t since;

	join(t, 1, FILTER_EXCLUDE, "");
	since = t->sim.now;
	host_sim_query(t, 3, 1, "1,2", 1);
	host_sim_query(t, 3, 1, "", 100000);
	host_sim_pass(t, 200000);
	assert_said(t, "IS_EX()");
	assert_int_equal(last_sent(t, since), 1);
	/* And the other way round: the list stays empty. */
	since = t->sim.now;
	host_sim_query(t, 3, 1, "", 100000);
	host_sim_query(t, 3, 1, "1,2", 1);
	host_sim_pass(t, 200000);
	assert_said(t, "IS_EX()");
	assert_int_equal(last_sent(t, since), 1);
}

/* P-5.2-R5, R-4.2-DUP: one answer to both lists, at the earlier time */
static void rule_5(void **state)
{
	struct host_sim *t = *state;
	uint64_t since;

	join(t, 1, FILTER_EXCLUDE, "9");
	since = t->sim.now;
	host_sim_query(t, 3, 1, "5,3,9,3", 100000);
	host_sim_query(t, 3, 1, "3,1", 1);
	host_sim_pass(t, 200000);
	assert_said(t, "IS_IN(1,3,5)");
	assert_int_equal(last_sent(t, since), 1);
}

/* P-5.2-MRT0: no division by zero; one millisecond later */
static void no_time_to_answer(void **state)
{
	struct host_sim *t = *state;
	uint64_t since;

	join(t, 1, FILTER_EXCLUDE, "");
	for (unsigned int group = 0; group < 2; group++) {
		since = t->sim.now;
		host_sim_query(t, 3, group, "", 0);
		assert_said(t, "");
		host_sim_pass(t, 100);
		assert_said(t, "IS_EX()");
		assert_int_equal(last_sent(t, since), 1);
	}
}

/* P-5.2-MRTF: the longest time there is */
static void the_longest_time(void **state)
{
	struct host_sim *t = *state;
	uint64_t most = 0;

	join(t, 1, FILTER_EXCLUDE, "");
	for (unsigned int i = 0; i < 50; i++) {
		uint64_t since = t->sim.now;

		host_sim_query(t, 3, 0, "", 3174400);
		host_sim_pass(t, 3174400);
		assert_said(t, "IS_EX()");
		most = last_sent(t, since) > most ? last_sent(t, since) : most;
	}
	assert_true(most > 2800000);
}

/* P-5.2-S: the S flag is for routers */
static void the_suppress_flag_is_ignored(void **state)
{
	struct host_sim *t = *state;
	struct message query = host_sim_query_message(3, 1, "1", 1000);

	join(t, 1, FILTER_INCLUDE, "1");
	query.query.suppress = true;
	sim_receive(&t->sim, UPSTREAM, &query);
	host_sim_pass(t, 1000);
	assert_said(t, "IS_IN(1)");
}

/* P-9.1-RA: accepted without Router Alert, unless configured: then not in version 1 either */
static void router_alert(void **state)
{
	struct host_sim *t = *state;
	struct message query = host_sim_query_message(3, 0, "", 1000);
	struct port_config config = host_sim_config();
	struct static_group join_group = { .group = host_sim_group(1) };

	config.static_groups = &join_group;
	config.n_static_groups = 1;
	query.router_alert = false;
	engine_port_configure(t->sim.engine, UPSTREAM, &config, t->sim.now, &t->sim.out);
	host_sim_pass(t, 10000);
	host_sim_said(t);
	assert_int_equal(sim_receive(&t->sim, UPSTREAM, &query), RECEIVE_APPLIED);
	host_sim_pass(t, 1000);
	assert_said(t, "IS_EX()");
	config.require_router_alert = true;
	engine_port_configure(t->sim.engine, UPSTREAM, &config, t->sim.now, &t->sim.out);
	assert_int_equal(sim_receive(&t->sim, UPSTREAM, &query), RECEIVE_NO_ROUTER_ALERT);
	query.query.version = 2;
	assert_int_equal(sim_receive(&t->sim, UPSTREAM, &query), RECEIVE_NO_ROUTER_ALERT);
	host_sim_pass(t, 10000);
	assert_said(t, "");
	query.query.version = 1;
	query.query.max_response_ms = 0;
	assert_int_equal(sim_receive(&t->sim, UPSTREAM, &query), RECEIVE_NO_ROUTER_ALERT);
	query.router_alert = true;
	assert_int_equal(sim_receive(&t->sim, UPSTREAM, &query), RECEIVE_APPLIED);
	host_sim_pass(t, 10000);
	assert_said(t, "V1 1");
}

/* RFC 9776 section 4.1.9: a query for sources of no group asks nothing. */
static void query_of_sources_alone(void **state)
{
	struct host_sim *t = *state;
	struct message query = host_sim_query_message(2, 0, "", 1000);
	const struct addr source = sim_source(1);

	host_sim_set(t, FILTER_EXCLUDE, "");
	host_sim_pass(t, 10000);
	host_sim_said(t);
	query.query.version = 3;
	query.query.sources = &source;
	query.query.n_sources = 1;
	assert_int_equal(sim_receive(&t->sim, UPSTREAM, &query), RECEIVE_BAD_GROUP);
	host_sim_pass(t, 10000);
	assert_said(t, "");
}

/* P-5.2-ZEROQ: a snooping switch asks from 0.0.0.0; it is no querier */
static void a_query_without_source_is_answered(void **state)
{
	struct host_sim *t = *state;
	struct message query = host_sim_query_message(3, 0, "", 1000);
	struct engine_port_view view;

	join(t, 1, FILTER_EXCLUDE, "");
	query.source = addr_from_v4_host(0);
	assert_int_equal(sim_receive(&t->sim, UPSTREAM, &query), RECEIVE_APPLIED);
	host_sim_pass(t, 1000);
	assert_said(t, "IS_EX()");
	engine_port_view(t->sim.engine, UPSTREAM, &view);
	assert_true(addr_is_unspecified(&view.querier));
	query.source = addr_from_v4_host(0x0a000901);
	sim_receive(&t->sim, UPSTREAM, &query);
	engine_port_view(t->sim.engine, UPSTREAM, &view);
	assert_true(addr_equal(&view.querier, &query.source));
}

/* R-9.1-GQDST, R-4.1.12-RX: general queries to 224.0.0.1 or to us, not to another group */
static void destinations(void **state)
{
	static const struct {
		uint32_t destination;
		unsigned int group;
		enum receive_verdict verdict;
	} cases[] = {
		{ 0xe0000001, 0, RECEIVE_APPLIED },
		{ 0x0a000964, 0, RECEIVE_APPLIED },
		{ 0xe0000016, 0, RECEIVE_BAD_DESTINATION },
		{ 0xef010001, 0, RECEIVE_BAD_DESTINATION },
		{ 0x0a000963, 0, RECEIVE_BAD_DESTINATION },
		{ 0xe0000001, 1, RECEIVE_APPLIED },
		{ 0xef010001, 1, RECEIVE_APPLIED },
		{ 0x0a000964, 1, RECEIVE_APPLIED },
		{ 0x0a000963, 1, RECEIVE_BAD_DESTINATION },
	};
	struct host_sim *t = *state;

	join(t, 1, FILTER_EXCLUDE, "");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct message query = host_sim_query_message(3, cases[i].group, "", 1000);

		query.destination = addr_from_v4_host(cases[i].destination);
		assert_int_equal(sim_receive(&t->sim, UPSTREAM, &query), cases[i].verdict);
		host_sim_pass(t, 10000);
		assert_said(t, cases[i].verdict == RECEIVE_APPLIED ? "IS_EX()" : "");
	}
}

/* R-4-TTLRX, R-4-SRCBAD, R-OWN, R-4.2.9-GRP, P-3-ROLE: what is not heard on an upstream port */
static void what_is_refused(void **state)
{
	struct host_sim *t = *state;
	struct message query = host_sim_query_message(3, 0, "", 1000), other = query;
	struct addr source = sim_source(1);
	size_t changed;

	join(t, 1, FILTER_EXCLUDE, "");
	other.ttl = 2;
	assert_int_equal(sim_receive(&t->sim, UPSTREAM, &other), RECEIVE_BAD_TTL);
	other = query;
	other.source = addr_from_v4_host(0xe0000005);
	assert_int_equal(sim_receive(&t->sim, UPSTREAM, &other), RECEIVE_BAD_SOURCE);
	other.source = addr_from_v4_host(0x0a000964);
	assert_int_equal(sim_receive(&t->sim, UPSTREAM, &other), RECEIVE_OWN);
	other = query;
	other.query.group = addr_from_v4_host(0x0a000001);
	assert_int_equal(sim_receive(&t->sim, UPSTREAM, &other), RECEIVE_BAD_GROUP);

	changed = t->sim.n_changed;
	assert_int_equal(sim_record(&t->sim, UPSTREAM, sim_host(UPSTREAM, 1), RECORD_TO_EX,
				    host_sim_group(5), NULL, 0),
			 RECEIVE_NOT_OURS);
	assert_int_equal(sim_record(&t->sim, UPSTREAM, sim_host(UPSTREAM, 1), RECORD_ALLOW,
				    host_sim_group(5), &source, 1),
			 RECEIVE_NOT_OURS);
	assert_int_equal(sim_older(&t->sim, UPSTREAM, sim_host(UPSTREAM, 1), MESSAGE_V2_REPORT,
				   host_sim_group(5)),
			 RECEIVE_NOT_OURS);
	assert_int_equal(sim_older(&t->sim, UPSTREAM, sim_host(UPSTREAM, 1), MESSAGE_V2_LEAVE,
				   host_sim_group(1)),
			 RECEIVE_NOT_OURS);
	host_sim_pass(t, 300000);
	assert_said(t, ""); /* no query of ours either */
	assert_int_equal(t->sim.n_changed, changed);
}

/* P-7.2.1-GSQ, 7.2.2: in version 3 the reports of others suppress nothing */
static void nothing_is_suppressed_in_version_3(void **state)
{
	struct host_sim *t = *state;

	join(t, 1, FILTER_EXCLUDE, "");
	host_sim_query(t, 3, 0, "", 1000);
	sim_older(&t->sim, UPSTREAM, sim_host(UPSTREAM, 1), MESSAGE_V2_REPORT, host_sim_group(1));
	host_sim_pass(t, 1000);
	assert_said(t, "IS_EX()");
}

static bool was_told_whole(const struct host_sim *t, struct addr group)
{
	for (size_t i = t->n_read; i < t->sim.n_sent; i++) {
		const struct message_report *report = &t->sim.sent[i].message.report;

		for (uint32_t r = 0; r < report->n_records; r++)
			if (report->records[r].type == RECORD_IS_EX &&
			    addr_equal(&report->records[r].group, &group))
				return true;
	}
	return false;
}

/* P-9.1-LIM: what is recorded is bounded; too much means that all is told */
static void recorded_sources_are_bounded(void **state)
{
	struct host_sim *t = *state;
	struct host *host = host_sim_host(t);

	for (unsigned int n = 1; n <= 100; n++)
		join(t, n, FILTER_EXCLUDE, "");
	/* One group: three queries with 366 sources each fit no more. */
	host_sim_query(t, 3, 1, "1000-1365", 100000);
	host_sim_query(t, 3, 1, "1366-1731", 100000);
	assert_int_equal(host->n_queried, 732);
	host_sim_query(t, 3, 1, "1732-2097", 100000);
	assert_int_equal(host->n_queried, 0);
	assert_int_equal(sim_count_events(&t->sim, EVENT_LIMIT_RESPONSES), 1);
	/* All groups together */
	for (unsigned int round = 0; round < 2; round++)
		for (unsigned int n = 2; n <= 100; n++)
			host_sim_query(t, 3, n, round ? "1000-1365" : "2000-2365", 100000);
	assert_in_range(host->n_queried, QUERIED_MAX - 2 * 366, QUERIED_MAX);
	/* Other groups are answered for as ever. */
	join(t, 101, FILTER_EXCLUDE, "");
	host_sim_query(t, 3, 101, "", 1);
	host_sim_pass(t, 1);
	assert_said(t, "IS_EX 101()");
	host_sim_pass(t, 200000);
	assert_int_equal(host->n_queried, 0);
	assert_true(was_told_whole(t, host_sim_group(1)));
}

/* L-COUNT: one counter for each message, and what was sent */
static void counters(void **state)
{
	struct host_sim *t = *state;
	const struct engine_counters *c = engine_port_counters(t->sim.engine, UPSTREAM);
	struct message query = host_sim_query_message(3, 0, "", 1000);

	join(t, 1, FILTER_EXCLUDE, "");
	assert_int_equal(c->reports_sent, 2);
	sim_receive(&t->sim, UPSTREAM, &query);
	query.ttl = 7;
	sim_receive(&t->sim, UPSTREAM, &query);
	host_sim_pass(t, 1000);
	assert_int_equal(c->received[RECEIVE_APPLIED], 1);
	assert_int_equal(c->received[RECEIVE_BAD_TTL], 1);
	assert_int_equal(c->queries_received, 1);
	assert_int_equal(c->reports_sent, 3);
	assert_int_equal(c->leaves_sent, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HOST_TEST(a_general_query_is_answered_for_all),
		HOST_TEST(answers_are_delayed_at_random),
		HOST_TEST(a_group_query_is_answered_if_joined),
		HOST_TEST(a_source_query_is_answered_for_what_is_wanted),
		HOST_TEST(the_answer_is_of_its_own_time),
		HOST_TEST(rule_1),
		HOST_TEST(rule_2),
		HOST_TEST(rule_4),
		HOST_TEST(rule_5),
		HOST_TEST(no_time_to_answer),
		HOST_TEST(the_longest_time),
		HOST_TEST(the_suppress_flag_is_ignored),
		HOST_TEST(router_alert),
		HOST_TEST(query_of_sources_alone),
		HOST_TEST(a_query_without_source_is_answered),
		HOST_TEST(destinations),
		HOST_TEST(what_is_refused),
		HOST_TEST(nothing_is_suppressed_in_version_3),
		HOST_TEST(recorded_sources_are_bounded),
		HOST_TEST(counters),
	};

	return cmocka_run_group_tests_name("host queries", tests, NULL, NULL);
}
