// SPDX-License-Identifier: BSD-2-Clause
/* Upstream: reports of changes, docs/CONFORMANCE.md section 13, RFC 9776 section 5.1. */

#include "../support/host_sim_test.h"
#include "membership/host.h"
#include "membership/state.h"

/* Lets all repetitions pass and forgets them. */
static void settle(struct host_sim *t)
{
	host_sim_pass(t, 10000);
	host_sim_said(t);
}

/* P-5.1-NEW, P-5.1-IMM: told in the same call */
static void a_first_membership_is_told_at_once(void **state)
{
	struct host_sim *t = *state;

	host_sim_set(t, FILTER_EXCLUDE, "");
	assert_said(t, "TO_EX()");
	host_sim_set_group(t, 2, FILTER_INCLUDE, "1");
	assert_said(t, "ALLOW 2(1)");
	host_sim_set_group(t, 3, FILTER_EXCLUDE, "4,5");
	assert_said(t, "TO_EX 3(4,5)");
}

/* P-5.1-GONE */
static void an_end_is_told(void **state)
{
	struct host_sim *t = *state;

	host_sim_set(t, FILTER_EXCLUDE, "1");
	settle(t);
	host_sim_set(t, FILTER_INCLUDE, "");
	assert_said(t, "TO_IN()");
	host_sim_pass(t, 10000);
	assert_said(t, "TO_IN()");
	host_sim_set(t, FILTER_INCLUDE, "1");
	settle(t);
	host_sim_set(t, FILTER_INCLUDE, "");
	assert_said(t, "BLOCK(1)");
	host_sim_pass(t, 10000);
	assert_said(t, "BLOCK(1)");
}

/* P-5.1-DIFF: table 3 */
static void differences(void **state)
{
	struct host_sim *t = *state;

	host_sim_set(t, FILTER_INCLUDE, "1");
	settle(t);
	host_sim_set(t, FILTER_INCLUDE, "2");
	assert_said(t, "ALLOW(2)+BLOCK(1)");
	settle(t);
	host_sim_set(t, FILTER_INCLUDE, "2,3");
	assert_said(t, "ALLOW(3)");
	settle(t);
	host_sim_set(t, FILTER_EXCLUDE, "1,5");
	assert_said(t, "TO_EX(1,5)");
	settle(t);
	host_sim_set(t, FILTER_EXCLUDE, "2,5");
	assert_said(t, "ALLOW(1)+BLOCK(2)");
	settle(t);
	host_sim_set(t, FILTER_EXCLUDE, "5");
	assert_said(t, "ALLOW(2)");
	settle(t);
	host_sim_set(t, FILTER_INCLUDE, "6,7");
	assert_said(t, "TO_IN(6,7)");
	settle(t);
	/* What is no change says nothing (P-4.1-TIMER). */
	host_sim_set(t, FILTER_INCLUDE, "6,7");
	host_sim_pass(t, 10000);
	assert_said(t, "");
}

/* P-5.1-RTX: robustness times in all, the repetition after a random time in (0, URI] */
static void repetitions(void **state)
{
	struct host_sim *t = *state;
	uint64_t first = UINT64_MAX, last = 0;

	for (unsigned int n = 1; n <= 100; n++) {
		size_t before = t->sim.n_sent;
		uint64_t start = t->sim.now, wait;

		host_sim_set_group(t, n, FILTER_EXCLUDE, "");
		host_sim_pass(t, 10000);
		assert_int_equal(t->sim.n_sent, before + 2);
		assert_int_equal(t->sim.sent[before].at, start);
		wait = t->sim.sent[before + 1].at - start;
		assert_in_range(wait, 1, 1000);
		first = wait < first ? wait : first;
		last = wait > last ? wait : last;
	}
	assert_true(first < 100 && last > 900);
}

/* P-5.1-RTX, R-4.1.6-ADOPT: the Robustness Variable is the querier's, R-4.1.6-ZERO: or ours */
static void robustness_of_the_querier(void **state)
{
	struct host_sim *t = *state;
	struct message query = host_sim_query_message(3, 0, "", 1000);

	query.query.qrv = 4;
	sim_receive(&t->sim, UPSTREAM, &query);
	host_sim_set(t, FILTER_EXCLUDE, "");
	host_sim_pass(t, 20000);
	assert_said(t, "TO_EX(); TO_EX(); TO_EX(); TO_EX()");
	query.query.qrv = 0;
	sim_receive(&t->sim, UPSTREAM, &query);
	settle(t);
	host_sim_set(t, FILTER_INCLUDE, "");
	host_sim_pass(t, 20000);
	assert_said(t, "TO_IN(); TO_IN()");
}

/* P-5.1-MERGE: a new report at once, of both changes; each source in robustness-many reports */
static void overlapping_source_changes(void **state)
{
	struct host_sim *t = *state;
	uint64_t now;

	host_sim_set(t, FILTER_INCLUDE, "1");
	assert_said(t, "ALLOW(1)");
	now = t->sim.now;
	host_sim_set(t, FILTER_INCLUDE, "1,2");
	assert_int_equal(t->sim.now, now);
	assert_said(t, "ALLOW(1,2)");
	host_sim_pass(t, 10000);
	assert_said(t, "ALLOW(2)");
	/* A source that comes and goes: the last word counts. */
	host_sim_set(t, FILTER_INCLUDE, "1,2,3");
	assert_said(t, "ALLOW(3)");
	host_sim_set(t, FILTER_INCLUDE, "2");
	assert_said(t, "BLOCK(1,3)");
	host_sim_pass(t, 10000);
	assert_said(t, "BLOCK(1,3)");
}

/* P-5.1-FMC: first robustness-many reports of the mode, then those of sources */
static void mode_changes_come_first(void **state)
{
	struct host_sim *t = *state;

	host_sim_set(t, FILTER_EXCLUDE, "");
	assert_said(t, "TO_EX()");
	host_sim_set(t, FILTER_EXCLUDE, "1");
	assert_said(t, "TO_EX(1)");
	host_sim_set(t, FILTER_EXCLUDE, "1,2");
	/* The mode has been told twice: now sources, all that are due. */
	assert_said(t, "BLOCK(1,2)");
	host_sim_pass(t, 10000);
	assert_said(t, "BLOCK(2)");
}

/* P-5.1-FLAP: the last report tells the last state */
static void flaps(void **state)
{
	struct host_sim *t = *state;

	host_sim_set(t, FILTER_EXCLUDE, "");
	host_sim_set(t, FILTER_INCLUDE, "");
	assert_said(t, "TO_EX(); TO_IN()");
	host_sim_pass(t, 10000);
	assert_said(t, "TO_IN()");
	host_sim_set(t, FILTER_INCLUDE, "1");
	host_sim_set(t, FILTER_INCLUDE, "");
	host_sim_set(t, FILTER_INCLUDE, "1");
	host_sim_pass(t, 10000);
	assert_said(t, "ALLOW(1); BLOCK(1); ALLOW(1); ALLOW(1)");
	assert_int_equal(host_group_count(host_sim_host(t)), 1);
}

/* R-4.2.15-DST, R-4-TTL, R-4-RA, R-4.2.14-SRC: who sends, and where to */
static void headers(void **state)
{
	struct host_sim *t = *state;
	struct port_link link = { .up = true };
	const struct message *message;

	host_sim_set(t, FILTER_EXCLUDE, "");
	message = &t->sim.sent[t->sim.n_sent - 1].message;
	assert_int_equal(addr_to_v4_host(&message->destination), 0xe0000016);
	assert_int_equal(addr_to_v4_host(&message->source), 0x0a000964);
	assert_int_equal(message->ttl, 1);
	assert_true(message->router_alert);
	/* No address (any more): 0.0.0.0. */
	engine_port_link(t->sim.engine, UPSTREAM, &link, t->sim.now, &t->sim.out);
	host_sim_pass(t, 0);
	message = &t->sim.sent[t->sim.n_sent - 1].message;
	assert_int_equal(addr_to_v4_host(&message->source), 0);
	assert_true(addr_is_v4(&message->source));
}

/* S-3.1-EX, S-4607-5.2: the SSM range never in EXCLUDE mode; INCLUDE as usual */
static void ssm_groups(void **state)
{
	struct host_sim *t = *state;
	struct addr group = addr_from_v4_host(0xe8010101), source = sim_source(1);
	struct host *host = host_sim_host(t);

	host_set(host, &group, FILTER_EXCLUDE, NULL, 0);
	host_set(host, &group, FILTER_EXCLUDE, &source, 1);
	host_flush(host, t->sim.now, &t->sim.out);
	host_sim_pass(t, 10000);
	assert_said(t, "");
	assert_int_equal(host_group_count(host), 0);
	host_set(host, &group, FILTER_INCLUDE, &source, 1);
	host_flush(host, t->sim.now, &t->sim.out);
	host_sim_pass(t, 10000);
	assert_said(t, "ALLOW 257(1); ALLOW 257(1)");
	/* It turns to EXCLUDE: as if it had ended. */
	host_set(host, &group, FILTER_EXCLUDE, NULL, 0);
	host_flush(host, t->sim.now, &t->sim.out);
	host_sim_pass(t, 10000);
	assert_said(t, "BLOCK 257(1); BLOCK 257(1)");
}

/* R-5-ALLSYS, R-LL-TRACK, S-232.0.0.0: never joined */
static void groups_that_are_never_joined(void **state)
{
	static const uint32_t groups[] = { 0xe0000001, 0xe0000016, 0xe00000fb, 0xe8000000,
					   0x0a000001, 0xe0000000, 0xffffffff };
	struct host_sim *t = *state;

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		struct addr group = addr_from_v4_host(groups[i]), source = sim_source(1);

		host_set(host_sim_host(t), &group, FILTER_EXCLUDE, NULL, 0);
		host_set(host_sim_host(t), &group, FILTER_INCLUDE, &source, 1);
	}
	host_flush(host_sim_host(t), t->sim.now, &t->sim.out);
	host_sim_query(t, 3, 0, "", 1000);
	host_sim_pass(t, 10000);
	assert_said(t, "");
	assert_int_equal(host_group_count(host_sim_host(t)), 0);
}

/* L-POLICY, R-SCOPE-BI: what the upstream port's own settings forbid is not joined there */
static void policy_of_the_port(void **state)
{
	struct host_sim *t = *state;
	struct port_config config = host_sim_config();
	struct prefix boundary;
	struct policy_rule groups = { .permit = false }, sources = { .permit = false };

	prefix_parse("239.1.0.2", &boundary);
	prefix_parse("239.1.0.3", &groups.prefix);
	prefix_parse("192.0.2.7", &sources.prefix);
	config.boundary = &boundary;
	config.n_boundary = 1;
	config.group_policy = (struct policy){ &groups, 1 };
	config.source_policy = (struct policy){ &sources, 1 };
	for (unsigned int n = 1; n <= 3; n++)
		host_sim_set_group(t, n, FILTER_INCLUDE, "6,7");
	settle(t);
	/* The settings take effect when the memberships are gone through again. */
	engine_port_configure(t->sim.engine, UPSTREAM, &config, t->sim.now, &t->sim.out);
	for (unsigned int n = 1; n <= 3; n++)
		host_sim_set_group(t, n, FILTER_INCLUDE, "6,7");
	host_sim_pass(t, 10000);
	host_sim_said(t);
	assert_int_equal(host_group_count(host_sim_host(t)), 1);
	host_sim_query(t, 3, 0, "", 1000);
	host_sim_pass(t, 10000);
	assert_said(t, "IS_IN(6)");
}

static void relink(struct host_sim *t, bool up, uint32_t address)
{
	struct addr own = addr_from_v4_host(address);
	struct port_link link = { .up = up, .address = own, .own = &own, .n_own = 1 };

	engine_port_link(t->sim.engine, UPSTREAM, &link, t->sim.now, &t->sim.out);
	host_sim_pass(t, 0);
}

/* P-5-UPDOWN */
static void link_changes_are_announced(void **state)
{
	struct host_sim *t = *state;
	const char *again;

	host_sim_set(t, FILTER_EXCLUDE, "1");
	host_sim_set_group(t, 2, FILTER_INCLUDE, "3,4");
	settle(t);
	relink(t, false, 0x0a000964);
	host_sim_set_group(t, 3, FILTER_EXCLUDE, "");
	host_sim_pass(t, 10000);
	assert_said(t, "");
	relink(t, true, 0x0a000964);
	assert_said(t, "TO_EX(1)+ALLOW 2(3,4)+TO_EX 3()");
	host_sim_pass(t, 10000);
	again = host_sim_said(t); /* in one report, in any order */
	assert_null(strstr(again, ";"));
	assert_non_null(strstr(again, "TO_EX(1)"));
	assert_non_null(strstr(again, "ALLOW 2(3,4)"));
	assert_non_null(strstr(again, "TO_EX 3()"));
	relink(t, true, 0x0a000965);
	assert_said(t, "TO_EX(1)+ALLOW 2(3,4)+TO_EX 3()");
	settle(t);
	relink(t, true, 0x0a000965);
	host_sim_pass(t, 10000);
	assert_said(t, "");
}

/* P-5-EXIT: a clean stop leaves everything, at once */
static void an_end_leaves_everything(void **state)
{
	struct host_sim *t = *state;

	host_sim_set(t, FILTER_EXCLUDE, "1");
	host_sim_set_group(t, 2, FILTER_INCLUDE, "3,4");
	settle(t);
	host_sim_set_group(t, 3, FILTER_EXCLUDE, "");
	host_sim_set_group(t, 3, FILTER_INCLUDE, "");
	host_sim_said(t);
	engine_port_remove(t->sim.engine, UPSTREAM, t->sim.now, &t->sim.out);
	host_sim_pass(t, 10000);
	assert_said(t, "TO_IN()+BLOCK 2(3,4)+TO_IN 3()");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HOST_TEST(a_first_membership_is_told_at_once),
		HOST_TEST(an_end_is_told),
		HOST_TEST(differences),
		HOST_TEST(repetitions),
		HOST_TEST(robustness_of_the_querier),
		HOST_TEST(overlapping_source_changes),
		HOST_TEST(mode_changes_come_first),
		HOST_TEST(flaps),
		HOST_TEST(headers),
		HOST_TEST(ssm_groups),
		HOST_TEST(groups_that_are_never_joined),
		HOST_TEST(policy_of_the_port),
		HOST_TEST(link_changes_are_announced),
		HOST_TEST(an_end_leaves_everything),
	};

	return cmocka_run_group_tests_name("host changes", tests, NULL, NULL);
}
