/* SPDX-License-Identifier: BSD-2-Clause */
/* Flows and drops as events for those who monitor (mcastd/watch.c). */
#include <stdio.h>
#include <string.h>

#include "../support/daemon_sim_test.h"

#define G "239.1.1.1"
#define SECOND 1000

static void begin(struct daemon_sim *sim)
{
	if (!sim->daemon.watch)
		assert_int_equal(watch_open(&sim->daemon), 0);
	sim->monitored = true;
	sim->on_monitor(&sim->daemon);
	daemon_sim_pass(sim, SECOND / 2);
	assert_string_equal(sim->told, ""); /* there is nothing to compare with */
}

/*
 * n more packets have come in by a port, of 192.0.2.1 by the upstream, else of 10.0.SLOT.10; all
 * routes share these counters.
 */
static void flow(struct daemon_sim *sim, unsigned int slot, unsigned int n)
{
	sim->route_stats.packets += n;
	sim->route_stats.last_slot = (uint16_t)slot;
	memcpy(sim->route_stats.last_source,
	       slot == SIM_UP ? (uint8_t[]){ 192, 0, 2, 1 }
			      : (uint8_t[]){ 10, 0, (uint8_t)slot, 10 },
	       4);
	sim->route_stats.last_seen_ns = sim->now * 1000000;
}

static void expect(struct daemon_sim *sim, const char *told)
{
	assert_string_equal(sim->told, told);
	daemon_sim_forget(sim);
}

/* When it begins, and when nothing has come for three rounds. */
static void a_flow(void **state)
{
	struct daemon_sim *sim = *state;

	daemon_sim_join(sim, SIM_D1, G);
	begin(sim);
	daemon_sim_pass(sim, 10 * SECOND);
	expect(sim, "");
	for (unsigned int i = 0; i < 2; i++) {
		flow(sim, SIM_UP, 1);
		daemon_sim_pass(sim, SECOND);
		expect(sim, "flow-started u: " G " of 192.0.2.1 flows to d1\n");
		daemon_sim_pass(sim, 2 * SECOND);
		flow(sim, SIM_UP, 1); /* just in time */
		daemon_sim_pass(sim, 3 * SECOND);
		expect(sim, "");
		daemon_sim_pass(sim, SECOND);
		expect(sim, "flow-stopped u: " G " of 192.0.2.1 has stopped\n");
	}
}

/* What flows already is no news to who begins to monitor; that it stops is. */
static void flowing_before(void **state)
{
	struct daemon_sim *sim = *state;

	daemon_sim_join(sim, SIM_D1, G);
	flow(sim, SIM_UP, 100);
	for (unsigned int i = 0; i < 2; i++) {
		begin(sim);
		for (unsigned int second = 0; second < 5; second++) {
			flow(sim, SIM_UP, 100);
			daemon_sim_pass(sim, SECOND);
		}
		expect(sim, "");
		/* While nobody does, it is not looked at. */
		sim->monitored = false;
		daemon_sim_pass(sim, SECOND);
	}
	begin(sim);
	daemon_sim_pass(sim, 4 * SECOND);
	expect(sim, "flow-stopped u: " G " of 192.0.2.1 has stopped\n");
}

/* P-4.2-NOBACK: the port that a flow comes from is none of those it goes to. */
static void to_others(void **state)
{
	struct daemon_sim *sim = *state;

	daemon_sim_join(sim, SIM_D1, G);
	daemon_sim_join(sim, SIM_D2, G);
	begin(sim);
	flow(sim, SIM_D1, 1);
	daemon_sim_pass(sim, SECOND);
	expect(sim, "flow-started d1: " G " of 10.0.2.10 flows to u, d2\n");
}

/* A route that goes while data flows. */
static void a_route_goes(void **state)
{
	struct daemon_sim *sim = *state;

	daemon_sim_join(sim, SIM_D1, G);
	begin(sim);
	flow(sim, SIM_UP, 1);
	daemon_sim_pass(sim, SECOND);
	daemon_sim_forget(sim);
	engine_flush(sim->daemon.engine, 0, sim->now, &sim->daemon.actions);
	daemon_perform(&sim->daemon);
	daemon_sim_forget(sim);
	daemon_sim_pass(sim, SECOND);
	expect(sim, "flow-stopped u: " G " of 192.0.2.1 is not forwarded any more\n");
}

static void unwanted(struct daemon_sim *sim, unsigned int number, unsigned int packets)
{
	struct sim_unwanted *seen = &sim->unwanted[number];

	seen->key = (struct mcastd_unwanted_key){ .group = { 239, 9, 9, (uint8_t)number },
						  .source = { 192, 0, 2, 1 },
						  .slot = SIM_D1 };
	seen->value.packets += packets;
	seen->value.verdict = MCASTD_WRONG_PORT;
	seen->value.last_seen_ns = sim->now * 1000000;
}

static void what_nobody_wants(void **state)
{
	struct daemon_sim *sim = *state;

	begin(sim);
	unwanted(sim, 0, 5);
	daemon_sim_pass(sim, SECOND);
	expect(sim, "unwanted-started d1: 239.9.9.0 of 192.0.2.1 arrives and goes nowhere: "
		    "wrong-port\n");
	daemon_sim_pass(sim, 4 * SECOND);
	expect(sim, "unwanted-stopped d1: 239.9.9.0 of 192.0.2.1 has stopped\n");
}

/* A crowd of flows in one round is counted beyond the hundredth. */
static void many_flows(void **state)
{
	struct daemon_sim *sim = *state;

	begin(sim);
	for (unsigned int i = 0; i < SIM_UNWANTED; i++)
		unwanted(sim, i, 1);
	daemon_sim_pass(sim, SECOND);
	assert_int_equal(sim->n_told, 101);
	assert_non_null(
		strstr(sim->told, "flows-changed *: 50 more flows have begun or stopped\n"));
	daemon_sim_forget(sim);
	daemon_sim_pass(sim, SECOND);
	expect(sim, "");
}

/* What was dropped since the last round, by its reason; what was dropped before, is no news. */
static void drops(void **state)
{
	struct daemon_sim *sim = *state;

	sim->port_stats[SIM_D1].verdict[MCASTD_TTL_EXPIRED] = 100;
	begin(sim);
	sim->port_stats[SIM_D1].verdict[MCASTD_TTL_EXPIRED] += 3;
	sim->port_stats[SIM_D1].verdict[MCASTD_FORWARDED] += 3;
	sim->port_stats[SIM_D2].out_too_big += 2;
	sim->ports[SIM_D3].slow.ttl_threshold += 1;
	daemon_sim_pass(sim, SECOND);
	expect(sim, "dropped d1: 3 packets dropped: ttl-expired\n"
		    "dropped d2: 2 packets dropped: too-big\n"
		    "dropped d3: 1 packets dropped: ttl-threshold\n");
	daemon_sim_pass(sim, SECOND);
	expect(sim, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DAEMON_TEST(a_flow),	   DAEMON_TEST(flowing_before),	   DAEMON_TEST(to_others),
		DAEMON_TEST(a_route_goes), DAEMON_TEST(what_nobody_wants), DAEMON_TEST(many_flows),
		DAEMON_TEST(drops),
	};

	return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
