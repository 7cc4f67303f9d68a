// SPDX-License-Identifier: BSD-2-Clause
/* The membership database and what it makes of the upstream: docs/CONFORMANCE.md section 12. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "../support/host_sim.h"

/* Downstream ports 1 to 3 and the upstream port. */
static int setup(void **state)
{
	static struct host_sim t;

	host_sim_init(&t, NULL);
	t.sim.group = host_sim_group(1);
	for (unsigned int port = 1; port <= 3; port++)
		sim_port(&t.sim, port, NULL);
	*state = &t;
	return 0;
}

static int teardown(void **state)
{
	host_sim_fini(*state);
	return 0;
}

#define assert_said(t, text) assert_string_equal(host_sim_said(t), text)

/* What happens on a port, in the notation of sim.h. */
static void on(struct host_sim *t, unsigned int port, const char *script)
{
	const char *problem;

	t->sim.port = port;
	problem = sim_run(&t->sim, script);
	if (problem)
		fail_msg("port %u: %s", port, problem);
}

struct joined {
	struct addr group;
	char text[1000];
};

static bool write_joined(const struct engine_upstream_view *view, void *arg)
{
	struct joined *joined = arg;
	size_t used;

	if (!addr_equal(&view->group, &joined->group))
		return true;
	used = (size_t)snprintf(joined->text, sizeof(joined->text), "%s",
				view->mode == FILTER_EXCLUDE ? "EXC" : "INC");
	for (uint32_t i = 0; i < view->n_sources; i++)
		used += (size_t)snprintf(joined->text + used, sizeof(joined->text) - used, " %u",
					 view->sources[i].b[15]);
	return false;
}

static const char *joined_of(const struct host_sim *t, unsigned int port, unsigned int n)
{
	static struct joined joined;

	joined.group = host_sim_group(n);
	strcpy(joined.text, "none");
	engine_each_upstream(t->sim.engine, port, write_joined, &joined);
	return joined.text;
}

/* The state of group 1 upstream. */
#define assert_joined(t, expected) assert_string_equal(joined_of(t, UPSTREAM, 1), expected)

/* P-4.1-UNION */
static void include_lists_are_united(void **state)
{
	struct host_sim *t = *state;

	on(t, 1, "IS_IN 1,2");
	assert_joined(t, "INC 1 2");
	on(t, 2, "IS_IN 2,3");
	assert_joined(t, "INC 1 2 3");
	assert_said(t, "ALLOW(1,2); ALLOW(1,2,3)");
}

/* P-4.1-EXINT, P-4.1-EXALL */
static void exclude_lists_are_intersected(void **state)
{
	struct host_sim *t = *state;

	on(t, 1, "IS_EX 1,2,3,4");
	assert_joined(t, "EXC 1 2 3 4");
	on(t, 2, "IS_EX 2,3,4,5");
	assert_joined(t, "EXC 2 3 4");
	on(t, 3, "IS_IN 4,5,6");
	assert_joined(t, "EXC 2 3");
	sim_port(&t->sim, 4, NULL);
	on(t, 4, "IS_EX");
	assert_joined(t, "EXC");
}

/* P-4.1-EXINT: the order of the ports does not matter */
static void the_order_does_not_matter(void **state)
{
	struct host_sim *t = *state;

	on(t, 3, "IS_EX 2,3,4,5");
	on(t, 1, "IS_IN 4,5,6");
	assert_joined(t, "EXC 2 3");
	on(t, 2, "IS_EX 1,2,3,4");
	assert_joined(t, "EXC 2 3");
}

/* P-4.1-PRE: sources whose timers run are not blocked upstream */
static void running_sources_are_not_blocked(void **state)
{
	struct host_sim *t = *state;

	on(t, 1, "IS_EX 2,3 | IS_IN 1,2 | = EXC 1 2 /3");
	assert_joined(t, "EXC 3");
	/* 1 is excluded by another port, but wanted here */
	on(t, 2, "IS_EX 1,3");
	assert_joined(t, "EXC 3");
}

/* P-4.1-V2: an older subscription is EXCLUDE() */
static void older_subscriptions(void **state)
{
	struct host_sim *t = *state;

	on(t, 1, "V2");
	on(t, 2, "IS_IN 1,2");
	assert_joined(t, "EXC");
	assert_said(t, "TO_EX()");
	on(t, 3, "V1");
	assert_joined(t, "EXC");
}

/* P-4.1-VER: the version of each downstream port is configured, and is 3 otherwise */
static void versions_of_downstream_ports(void **state)
{
	struct host_sim *t = *state;

	for (uint8_t version = 1; version <= 3; version++) {
		struct port_config config = sim_config();
		struct engine_port_view view;

		assert_int_equal(config.version, 3);
		config.version = version;
		sim_port(&t->sim, 10 + version, &config);
		engine_port_view(t->sim.engine, 10 + version, &view);
		assert_int_equal(view.version, version);
		assert_int_equal(t->sim.sent[t->sim.n_sent - 1].message.query.version, version);
	}
}

/* P-3.2-NOEX, L-MAXS: INCLUDE stays INCLUDE, also when a limit is met */
static void include_stays_include(void **state)
{
	struct host_sim *t = *state;
	struct port_config config = sim_config();

	config.max_group_sources = 64;
	sim_port(&t->sim, 1, &config);
	on(t, 1, "IS_IN 1-100 | IS_IN 101-200");
	assert_string_equal(joined_of(t, UPSTREAM, 1),
			    "INC 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 "
			    "26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 "
			    "49 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64");
}

/* P-4.1-TIMER: refreshing says nothing upstream */
static void refreshing_says_nothing(void **state)
{
	struct host_sim *t = *state;

	on(t, 1, "IS_IN 1,2 | +20");
	host_sim_said(t);
	on(t, 1, "IS_IN 1,2 | +100 | IS_IN 2 | IS_IN 1 | +100 | IS_IN 1,2");
	on(t, 2, "IS_IN 1 | +50 | IS_IN 1,2");
	assert_said(t, "");
}

/* P-4.1-LAST: only the last leave counts, and only after LMQT */
static void the_last_one_leaves(void **state)
{
	struct host_sim *t = *state;
	uint64_t since;

	on(t, 1, "TO_EX | h2 TO_EX");
	on(t, 2, "TO_EX | +10");
	host_sim_said(t);
	on(t, 1, "TO_IN | +0.5 | h2 IS_EX | +10");
	on(t, 2, "TO_IN | +10");
	assert_said(t, "");
	since = t->sim.now;
	on(t, 1, "TO_IN | +1.999");
	assert_said(t, "");
	on(t, 1, "+0.001");
	assert_said(t, "TO_IN()");
	assert_int_equal(t->sim.sent[t->sim.n_sent - 1].at - since, 2000);
	assert_joined(t, "none");
}

/* P-4.1-NONQ: where another router asks the members count as well */
static void a_non_querier_stays_joined(void **state)
{
	struct host_sim *t = *state;

	on(t, 1, "low gen | IS_EX 1");
	assert_joined(t, "EXC 1");
	on(t, 1, "low gen | IS_IN 1");
	assert_joined(t, "EXC");
}

/* P-4.1-SELF: joins of the configuration merge by the same rules; downstream and upstream ones */
static void joins_of_the_configuration(void **state)
{
	struct host_sim *t = *state;
	struct addr sources[2] = { sim_source(7), sim_source(3) };
	struct static_group join = { .group = host_sim_group(1), sources, 2 };
	struct port_config up = host_sim_config(), down = sim_config();

	up.static_groups = &join;
	up.n_static_groups = 1;
	engine_port_configure(t->sim.engine, UPSTREAM, &up, t->sim.now, &t->sim.out);
	assert_said(t, "ALLOW(3,7)");
	on(t, 1, "IS_IN 1");
	assert_joined(t, "INC 1 3 7");
	on(t, 2, "IS_EX 3,4");
	assert_joined(t, "EXC 4");
	/* A static group of a downstream port is a subscription like another. */
	join = (struct static_group){ .group = host_sim_group(1) };
	down.static_groups = &join;
	down.n_static_groups = 1;
	engine_port_configure(t->sim.engine, 3, &down, t->sim.now, &t->sim.out);
	assert_joined(t, "EXC");
	/* It ends; and upstream another group is joined, for any source. */
	down.n_static_groups = 0;
	engine_port_configure(t->sim.engine, 3, &down, t->sim.now, &t->sim.out);
	assert_joined(t, "EXC 4");
	join.group = host_sim_group(2);
	engine_port_configure(t->sim.engine, UPSTREAM, &up, t->sim.now, &t->sim.out);
	assert_joined(t, "EXC 3 4");
	assert_string_equal(joined_of(t, UPSTREAM, 2), "EXC");
	up.n_static_groups = 0;
	engine_port_configure(t->sim.engine, UPSTREAM, &up, t->sim.now, &t->sim.out);
	assert_string_equal(joined_of(t, UPSTREAM, 2), "none");
}

/* R-LINK: a link that goes down wants nothing any more */
static void a_link_goes_down(void **state)
{
	struct host_sim *t = *state;

	on(t, 1, "IS_EX | +10");
	on(t, 2, "IS_IN 1 | +10");
	host_sim_said(t);
	sim_link(&t->sim, 1, false);
	assert_joined(t, "INC 1");
	assert_said(t, "TO_IN(1)");
	host_sim_pass(t, 10000);
	host_sim_said(t);
	engine_port_remove(t->sim.engine, 2, t->sim.now, &t->sim.out);
	assert_joined(t, "none");
	assert_said(t, "BLOCK(1)");
}

/* P-3-ONE: ports are upstream by configuration only, here two; each joins all that is wanted */
static void an_upstream_that_comes_later(void **state)
{
	struct host_sim *t = *state;
	struct port_config config = host_sim_config();

	on(t, 1, "IS_EX 1");
	t->sim.group = host_sim_group(2);
	on(t, 2, "IS_IN 5");
	sim_port(&t->sim, 8, &config);
	assert_string_equal(joined_of(t, 8, 1), "EXC 1");
	assert_string_equal(joined_of(t, 8, 2), "INC 5");
	on(t, 2, "BLOCK 5 | +2");
	assert_string_equal(joined_of(t, 8, 2), "none");
	assert_string_equal(joined_of(t, UPSTREAM, 2), "none");
}

/* P-3-ONE, P-3-ROLE: a port that changes its role leaves what it joined, or joins; and asks no more
 */
static void a_port_changes_its_role(void **state)
{
	struct host_sim *t = *state;
	struct port_config down = sim_config(), up = host_sim_config();
	struct engine_port_view view;

	on(t, 1, "IS_EX | +10");
	host_sim_said(t);
	engine_port_configure(t->sim.engine, UPSTREAM, &down, t->sim.now, &t->sim.out);
	assert_said(t, "TO_IN(); QUERY");
	engine_port_view(t->sim.engine, UPSTREAM, &view);
	assert_true(view.is_querier && view.role == PORT_DOWNSTREAM);
	engine_port_configure(t->sim.engine, UPSTREAM, &up, t->sim.now, &t->sim.out);
	assert_said(t, "TO_EX()");
	host_sim_pass(t, 300000);
	assert_null(strstr(host_sim_said(t), "QUERY"));
	engine_port_view(t->sim.engine, UPSTREAM, &view);
	assert_true(!view.is_querier && view.role == PORT_UPSTREAM);
}

/* P-3-ROLE: nothing that is heard upstream changes what a downstream port wants */
static void reports_heard_upstream(void **state)
{
	struct host_sim *t = *state;

	on(t, 1, "IS_EX 1");
	on(t, UPSTREAM, "IS_EX | TO_IN 5 | V2 | LEAVE | low gen | low G");
	on(t, 1, "= EXC /1");
	on(t, UPSTREAM, "= none");
	assert_joined(t, "EXC 1");
}

/* L-RESTART: what is flushed is left only when nobody answers; here at once, for a flush is asked
 */
static void a_flush_leaves_and_asks(void **state)
{
	struct host_sim *t = *state;

	on(t, 1, "IS_EX | +10");
	host_sim_said(t);
	engine_flush(t->sim.engine, 1, t->sim.now, &t->sim.out);
	assert_said(t, "TO_IN()");
	on(t, 1, "IS_EX");
	assert_said(t, "TO_EX()");
}

/* P-5.1-IMM: many sources that come one by one are merged in lots, each told within 100 ms */
static void many_sources_one_by_one(void **state)
{
	struct host_sim *t = *state;
	struct addr group = host_sim_group(1);
	size_t from;

	on(t, 1, "IS_IN 1-400 | +10");
	from = host_sim_count(t);
	for (unsigned int n = 1000; n < 1200; n++) {
		struct addr source = sim_source(n);

		sim_record(&t->sim, 1, sim_host(1, 1), RECORD_ALLOW, group, &source, 1);
		host_sim_pass(t, 1);
	}
	host_sim_pass(t, 100);
	/* Not one report per source: at once, then every 50 ms, and repetitions. */
	assert_in_range(host_sim_count(t) - from, 4, 12);
	host_sim_said(t);
	host_sim_pass(t, 10000);
	for (unsigned int n = 1000; n < 1200; n++) {
		uint64_t told = 0, since = t->sim.now - 10000 - 100 - (1200 - n);

		for (size_t i = t->sim.n_sent; i-- > from;) {
			const struct message_report *report = &t->sim.sent[i].message.report;
			struct addr source = sim_source(n);

			if (t->sim.sent[i].port != UPSTREAM)
				continue;
			for (uint32_t s = 0; s < report->records[0].n_sources; s++)
				if (addr_equal(&report->records[0].sources[s], &source))
					told = t->sim.sent[i].at;
		}
		assert_in_range(told, since, since + 99);
	}
	/* The end is not lost either, nor when the membership is no more. */
	on(t, 1, "BLOCK 1-400,1000-1199 | +3");
	assert_joined(t, "none");
	on(t, 1, "IS_IN 1-400 | IS_IN 401 | BLOCK 1-401 | +0.01");
	sim_link(&t->sim, UPSTREAM, false);
	sim_link(&t->sim, 1, false);
	sim_link(&t->sim, UPSTREAM, true);
	host_sim_pass(t, 100);
	assert_joined(t, "none");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(include_lists_are_united),	 T(exclude_lists_are_intersected),
		T(the_order_does_not_matter),	 T(running_sources_are_not_blocked),
		T(older_subscriptions),		 T(versions_of_downstream_ports),
		T(include_stays_include),	 T(refreshing_says_nothing),
		T(the_last_one_leaves),		 T(a_non_querier_stays_joined),
		T(joins_of_the_configuration),	 T(a_link_goes_down),
		T(an_upstream_that_comes_later), T(a_port_changes_its_role),
		T(reports_heard_upstream),	 T(a_flush_leaves_and_asks),
		T(many_sources_one_by_one),
	};

	return cmocka_run_group_tests_name("proxy", tests, NULL, NULL);
}
