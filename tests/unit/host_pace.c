// SPDX-License-Identifier: BSD-2-Clause
/* Upstream: sizes of reports and their pace, docs/CONFORMANCE.md sections 1 and 13. */
#include <stdlib.h>

#include "../support/host_sim_test.h"
#include "membership/host_state.h"

static struct addr group_number(uint32_t n)
{
	return addr_from_v4_host(0xef000000 + n);
}

/* Joins groups 0..n-1 in one go, as one call of the engine does. */
static void join_many(struct host_sim *t, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct addr group = group_number(i);

		assert_int_equal(host_set(host_sim_host(t), &group, FILTER_EXCLUDE, NULL, 0), 0);
	}
	host_flush(host_sim_host(t), t->sim.now, &t->sim.out);
	sim_collect(&t->sim);
}

static size_t packet_len(const struct message *message)
{
	size_t len = 24 + 8;

	if (message->type != MESSAGE_REPORT)
		return len;
	for (uint32_t i = 0; i < message->report.n_records; i++)
		len += 8 + 4 * (size_t)message->report.records[i].n_sources;
	return len;
}

/* What a number of sent messages were like. */
struct look {
	size_t packets, records, sources;
	size_t longest;	     /* in octets */
	size_t backlog;	     /* of a queue that sends one packet a millisecond */
	uint64_t begin, end; /* times of the first and the last */
	unsigned int types;  /* a bit for each type of record */
};

static struct look look_at(const struct host_sim *t, size_t from)
{
	struct look look = { .packets = t->sim.n_sent - from };
	uint64_t free_at = 0; /* when the queue will have sent all it has */

	for (size_t i = from; i < t->sim.n_sent; i++) {
		const struct sim_sent *sent = &t->sim.sent[i];

		if (i == from)
			look.begin = sent->at;
		look.end = sent->at;
		if (packet_len(&sent->message) > look.longest)
			look.longest = packet_len(&sent->message);
		free_at = (free_at > sent->at ? free_at : sent->at) + 1;
		if (free_at - sent->at > look.backlog)
			look.backlog = free_at - sent->at;
		if (sent->message.type != MESSAGE_REPORT)
			continue;
		look.records += sent->message.report.n_records;
		for (uint32_t r = 0; r < sent->message.report.n_records; r++) {
			look.sources += sent->message.report.records[r].n_sources;
			look.types |= 1u << sent->message.report.records[r].type;
		}
	}
	return look;
}

/* How often each group 0..n-1 has been reported since; all the same number, or -1. */
static int times_reported(const struct host_sim *t, size_t from, uint32_t n)
{
	unsigned int *times = calloc(n, sizeof(*times));
	int all;

	for (size_t i = from; i < t->sim.n_sent; i++) {
		const struct message *message = &t->sim.sent[i].message;

		if (message->type == MESSAGE_V2_REPORT) {
			times[addr_to_v4_host(&message->group) - 0xef000000]++;
			continue;
		}
		for (uint32_t r = 0; r < message->report.n_records; r++) {
			uint32_t number =
				addr_to_v4_host(&message->report.records[r].group) - 0xef000000;

			assert_in_range(number, 0, n - 1);
			times[number]++;
		}
	}
	all = (int)times[0];
	for (uint32_t i = 0; i < n; i++)
		if ((int)times[i] != all)
			all = -1;
	free(times);
	return all;
}

/* R-4.2.17-SPLIT, P-5.2-GQ: 500 groups in several full reports, none missing */
static void records_are_packed(void **state)
{
	struct host_sim *t = *state;
	struct look look;
	size_t from;

	join_many(t, 500);
	host_sim_pass(t, 10000);
	from = t->sim.n_sent;
	host_sim_query(t, 3, 0, "", 1000);
	host_sim_pass(t, 1000);
	look = look_at(t, from);
	assert_int_equal(look.packets, 3); /* 183 + 183 + 134 */
	assert_int_equal(look.records, 500);
	assert_int_equal(look.longest, 24 + 8 + 183 * 8);
	assert_int_equal(times_reported(t, from, 500), 1);
	assert_int_equal(look.types, 1u << RECORD_IS_EX);
}

/* A list of n sources for host_set(), to be freed */
static struct addr *sources_new(uint32_t n)
{
	struct addr *list = calloc(n, sizeof(*list));

	for (uint32_t i = 0; i < n; i++)
		list[i] = addr_from_v4_host(0x0a010000 + i);
	return list;
}

static void set_many(struct host_sim *t, enum filter_mode mode, const struct addr *sources,
		     uint32_t n)
{
	struct addr group = host_sim_group(1);

	assert_int_equal(host_set(host_sim_host(t), &group, mode, sources, n), 0);
	host_flush(host_sim_host(t), t->sim.now, &t->sim.out);
	sim_collect(&t->sim);
}

/* All sources of the reports since are list, in one order and each once. */
static void assert_split(const struct host_sim *t, size_t from, enum record_type type,
			 const struct addr *list, uint32_t n)
{
	uint32_t at = 0;

	for (size_t i = from; i < t->sim.n_sent; i++) {
		const struct message_report *report = &t->sim.sent[i].message.report;

		assert_int_equal(report->n_records, 1);
		assert_int_equal(report->records[0].type, type);
		assert_true(packet_len(&t->sim.sent[i].message) <= 1500);
		for (uint32_t s = 0; s < report->records[0].n_sources; s++)
			assert_true(at < n &&
				    addr_equal(&report->records[0].sources[s], &list[at++]));
	}
	assert_int_equal(at, n);
}

/* R-4.2.17-INC: ALLOW, IS_IN, BLOCK and TO_IN go on in further reports, with other sources */
static void long_lists_are_split(void **state)
{
	struct host_sim *t = *state;
	struct addr *list = sources_new(1000);
	size_t from = t->sim.n_sent;

	set_many(t, FILTER_INCLUDE, list, 1000);
	assert_int_equal(t->sim.n_sent - from, 3); /* 365 + 365 + 270 */
	assert_split(t, from, RECORD_ALLOW, list, 1000);
	host_sim_pass(t, 10000);

	from = t->sim.n_sent;
	host_sim_query(t, 3, 1, "", 1000);
	host_sim_pass(t, 1000);
	assert_split(t, from, RECORD_IS_IN, list, 1000);

	from = t->sim.n_sent;
	set_many(t, FILTER_INCLUDE, NULL, 0);
	assert_split(t, from, RECORD_BLOCK, list, 1000);
	host_sim_pass(t, 10000);

	set_many(t, FILTER_EXCLUDE, NULL, 0);
	host_sim_pass(t, 10000);
	from = t->sim.n_sent;
	set_many(t, FILTER_INCLUDE, list, 1000);
	assert_split(t, from, RECORD_TO_IN, list, 1000);
	free(list);
}

/* R-4.2.17-EXC: one record, cut, with the same sources each time */
static void long_exclude_lists_are_cut(void **state)
{
	struct host_sim *t = *state;
	struct addr *list = sources_new(1000);
	size_t from = t->sim.n_sent;

	set_many(t, FILTER_EXCLUDE, list, 1000);
	host_sim_pass(t, 10000);
	host_sim_query(t, 3, 0, "", 1000);
	host_sim_pass(t, 1000);
	host_sim_query(t, 3, 1, "", 1000);
	host_sim_pass(t, 1000);
	assert_int_equal(t->sim.n_sent - from, 4); /* TO_EX twice, IS_EX twice */
	for (size_t i = from; i < t->sim.n_sent; i++) {
		const struct message_report *report = &t->sim.sent[i].message.report;

		assert_int_equal(report->n_records, 1);
		assert_int_equal(report->records[0].type,
				 i < from + 2 ? RECORD_TO_EX : RECORD_IS_EX);
		assert_int_equal(report->records[0].n_sources, 365);
		assert_memory_equal(report->records[0].sources, list, 365 * sizeof(*list));
	}
	free(list);
}

/* R-4.2.17-SPLIT: the MTU of the port counts, up to 9000 */
static void other_mtus(void **state)
{
	static const struct {
		uint32_t mtu;
		size_t longest;
	} cases[] = { { 68, 64 }, { 576, 576 }, { 1280, 1280 }, { 9000, 9000 }, { 65535, 9000 } };
	struct host_sim *t = *state;
	struct port_config config = host_sim_config();
	struct static_group joins[1200] = { { .n_sources = 0 } };

	for (uint32_t i = 0; i < 1200; i++)
		joins[i].group = group_number(i);
	config.static_groups = joins;
	config.n_static_groups = 1200;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct look look;
		size_t from;

		config.mtu = cases[i].mtu;
		assert_int_equal(engine_port_configure(t->sim.engine, UPSTREAM, &config, t->sim.now,
						       &t->sim.out),
				 0);
		host_sim_pass(t, 20000);
		from = t->sim.n_sent;
		host_sim_query(t, 3, 0, "", 10000);
		host_sim_pass(t, 10000);
		look = look_at(t, from);
		assert_int_equal(look.longest, cases[i].longest);
		assert_int_equal(times_reported(t, from, 1200), 1);
	}
}

/* P-5.2-DELAY: with another MTU what there is to tell takes another time, and is in time again. */
static void another_mtu_another_pace(void **state)
{
	const uint32_t n = 1200, room_ms = 1000;
	struct host_sim *t = *state;
	struct port_config hosts = sim_config(), config = host_sim_config();
	struct addr *list = sources_new(365);

	hosts.max_groups = hosts.max_sources = hosts.max_group_sources = 0;
	sim_port(&t->sim, 1, &hosts);
	for (uint32_t i = 0; i < n; i++)
		sim_record(&t->sim, 1, sim_host(1, 1), RECORD_IS_EX, group_number(i), list, 365);
	/* At first 15 sources of each fit into a report, then all of them. */
	for (unsigned int round = 0; round < 2; round++) {
		struct look look;
		uint64_t since;
		size_t from;

		config.mtu = round ? 1500 : 100;
		assert_int_equal(engine_port_configure(t->sim.engine, UPSTREAM, &config, t->sim.now,
						       &t->sim.out),
				 0);
		host_sim_pass(t, 20000);
		from = t->sim.n_sent;
		since = t->sim.now;
		host_sim_query(t, 3, 0, "", room_ms);
		host_sim_pass(t, 5000);
		look = look_at(t, from);
		assert_int_equal(look.records, n);
		assert_int_equal(look.sources, n * (round ? 365 : 15));
		assert_true(look.end <= since + room_ms);
	}
	free(list);
}

/* R-4.2.17-INC: where a record has room but none of its sources, it is not begun */
static void no_record_is_empty(void **state)
{
	struct host_sim *t = *state;
	struct port_config config = host_sim_config();

	config.mtu = 92; /* 60 octets of records */
	engine_port_configure(t->sim.engine, UPSTREAM, &config, t->sim.now, &t->sim.out);
	host_sim_set(t, FILTER_INCLUDE, "1-3");
	host_sim_pass(t, 10000);
	host_sim_said(t);
	host_sim_set(t, FILTER_INCLUDE, "10-20");
	assert_string_equal(host_sim_said(t),
			    "ALLOW(10,11,12,13,14,15,16,17,18,19,20); BLOCK(1,2,3)");
	host_sim_pass(t, 10000);
	host_sim_set_group(t, 2, FILTER_INCLUDE, "1");
	host_sim_pass(t, 10000);
	host_sim_said(t);
	engine_port_remove(t->sim.engine, UPSTREAM, t->sim.now, &t->sim.out);
	assert_string_equal(host_sim_said(t),
			    "BLOCK(10,11,12,13,14,15,16,17,18,19,20); BLOCK 2(1)");
}

/* P-5.1-IMM, P-5.1-RTX: 10,000 groups are announced within 100 ms and repeated, in full reports,
 * and a queue of 10 packets that takes one a millisecond is never full */
static void announcing_many_groups_is_paced(void **state)
{
	struct host_sim *t = *state;
	size_t from = t->sim.n_sent;
	struct look look;

	join_many(t, 10000);
	host_sim_pass(t, 99);
	look = look_at(t, from);
	assert_true(look.records >= 10000);
	host_sim_pass(t, 10000);
	look = look_at(t, from);
	assert_int_equal(times_reported(t, from, 10000), 2);
	print_message("10000 joins: %zu packets, backlog %zu, %u ms\n", look.packets, look.backlog,
		      (unsigned int)(look.end - look.begin));
	assert_true(look.backlog < 10);
	assert_true(look.packets <= 2 * 55 + 2);
	assert_true(look.end - look.begin <= 1200);
}

/* P-5.2-GQ, P-5.2-DELAY: all are answered for within Max Resp Time, at that pace */
static void answering_for_many_groups_is_paced(void **state)
{
	static const uint32_t times_ms[] = { 10000, 1000, 200, 100 };
	struct host_sim *t = *state;

	join_many(t, 10000);
	host_sim_pass(t, 10000);
	for (size_t i = 0; i < 4; i++) {
		for (unsigned int round = 0; round < 20; round++) {
			size_t from = t->sim.n_sent;
			uint64_t since = t->sim.now;
			struct look look;

			host_sim_query(t, 3, 0, "", times_ms[i]);
			host_sim_pass(t, 20000);
			look = look_at(t, from);
			assert_int_equal(look.records, 10000);
			assert_int_equal(look.packets, 55);
			assert_true(look.backlog < 10);
			assert_true(look.begin > since);
			assert_true(look.end <= since + times_ms[i]);
		}
	}
}

/* P-7.2.1-V2: one report per group, spread over Max Resp Time */
static void version_2_with_many_groups(void **state)
{
	struct host_sim *t = *state;
	uint64_t since;
	struct look look;
	size_t from;

	host_sim_query(t, 2, 0, "", 10000);
	from = t->sim.n_sent;
	join_many(t, 2000);
	host_sim_pass(t, 20000);
	look = look_at(t, from);
	assert_int_equal(times_reported(t, from, 2000), 2);
	print_message("2000 joins of version 2: %u ms\n", (unsigned int)(look.end - look.begin));
	assert_true(look.end - look.begin < 2500);

	from = t->sim.n_sent;
	since = t->sim.now;
	host_sim_query(t, 2, 0, "", 10000);
	host_sim_pass(t, 20000);
	look = look_at(t, from);
	assert_int_equal(times_reported(t, from, 2000), 1);
	assert_true(look.end <= since + 10000);
	assert_true(look.backlog < 10);
}

/* P-5.1-IMM: a change is not kept waiting by a long answer */
static void changes_come_before_answers(void **state)
{
	struct host_sim *t = *state;
	struct host *host = host_sim_host(t);
	struct addr group = host_sim_group(1);
	size_t from;

	join_many(t, 10000);
	host_sim_pass(t, 10000);
	host_sim_query(t, 3, 0, "", 1000);
	while (!host->walk)
		host_sim_pass(t, 1);
	from = t->sim.n_sent;
	host_set(host, &group, FILTER_EXCLUDE, NULL, 0);
	host_flush(host, t->sim.now, &t->sim.out);
	host_sim_pass(t, 1);
	assert_int_equal(t->sim.sent[from].message.report.records[0].type, RECORD_TO_EX);
	assert_int_equal(t->sim.sent[from].message.report.n_records, 1);
}

/* Groups that come and go while an answer to all is under way: told, or gone, but not lost */
static void groups_that_end_during_an_answer(void **state)
{
	struct host_sim *t = *state;
	struct host *host = host_sim_host(t);
	size_t from;

	join_many(t, 5000);
	host_sim_pass(t, 10000);
	host_sim_query(t, 3, 0, "", 1000);
	while (!host->walk)
		host_sim_pass(t, 1);
	for (uint32_t i = 0; i < 5000; i += 2) {
		struct addr group = group_number(i);

		host_set(host, &group, FILTER_INCLUDE, NULL, 0);
	}
	host_flush(host, t->sim.now, &t->sim.out);
	host_sim_pass(t, 20000);
	assert_int_equal(host_group_count(host), 2500);
	assert_int_equal(host->table.n_nodes, 2500);
	assert_null(host->walk);
	from = t->sim.n_sent;
	host_sim_query(t, 3, 0, "", 1000);
	host_sim_pass(t, 1000);
	assert_int_equal(look_at(t, from).records, 2500);
}

/* A flood of general queries: no more than the pace, and the groups at the end are told too */
static void a_flood_of_queries(void **state)
{
	static const uint32_t times_ms[] = { 0, 5 };
	struct host_sim *t = *state;

	join_many(t, 5000);
	host_sim_pass(t, 10000);
	for (size_t i = 0; i < 2; i++) {
		size_t from = t->sim.n_sent;
		struct look look;

		for (unsigned int n = 0; n < 2000; n++) {
			host_sim_query(t, 3, 0, "", times_ms[i]);
			host_sim_pass(t, 1);
		}
		host_sim_pass(t, 1000);
		look = look_at(t, from);
		print_message("2000 queries in 2 s: %zu packets\n", look.packets);
		assert_true(times_reported(t, from, 5000) != 0);
		assert_true(look.packets <= 2000 + 2 * 28);
		assert_int_equal(host_sim_host(t)->general_at, ENGINE_NEVER);
	}
}

/* The very group that would be answered for next ends. */
static void the_next_group_ends(void **state)
{
	struct host_sim *t = *state;
	struct host *host = host_sim_host(t);
	size_t from;

	host_sim_query(t, 2, 0, "", 1000);
	join_many(t, 2000);
	host_sim_pass(t, 10000);
	host_sim_query(t, 2, 0, "", 1000);
	for (uint32_t i = 0; i < 3; i++) {
		struct addr group = group_number(i);

		assert_non_null(host->walk);
		assert_true(addr_equal(&host->walk->group, &group));
		host_set(host, &group, FILTER_INCLUDE, NULL, 0);
		host_flush(host, t->sim.now, &t->sim.out);
	}
	sim_collect(&t->sim);
	from = t->sim.n_sent;
	host_sim_pass(t, 2000);
	assert_int_equal(look_at(t, from).packets, 1997);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HOST_TEST(records_are_packed),
		HOST_TEST(long_lists_are_split),
		HOST_TEST(long_exclude_lists_are_cut),
		HOST_TEST(other_mtus),
		HOST_TEST(another_mtu_another_pace),
		HOST_TEST(no_record_is_empty),
		HOST_TEST(announcing_many_groups_is_paced),
		HOST_TEST(answering_for_many_groups_is_paced),
		HOST_TEST(version_2_with_many_groups),
		HOST_TEST(changes_come_before_answers),
		HOST_TEST(groups_that_end_during_an_answer),
		HOST_TEST(a_flood_of_queries),
		HOST_TEST(the_next_group_ends),
	};

	return cmocka_run_group_tests_name("host pace", tests, NULL, NULL);
}
