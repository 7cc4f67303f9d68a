/* SPDX-License-Identifier: BSD-2-Clause */
/* What the engine asks for is carried out (mcastd/packet.c): all of it, and routes first. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../support/daemon_sim_test.h"

static const struct addr all_systems = ADDR_V4(224, 0, 0, 1);

static void ask_query(struct daemon_sim *sim, unsigned int slot)
{
	struct action *action = actions_add(&sim->daemon.actions, ACTION_SEND, slot);

	assert_non_null(action);
	action->message = (struct message){ .type = MESSAGE_QUERY,
					    .source = sim->ports[slot].address,
					    .destination = all_systems,
					    .ttl = 1,
					    .router_alert = true,
					    .query = { .version = 3,
						       .group = ADDR_V4(0, 0, 0, 0),
						       .max_response_ms = 10000,
						       .qrv = 2,
						       .query_interval_ms = 125000 } };
}

/* A host has reported the group; what the engine asks for is not yet done. */
static void report(struct daemon_sim *sim, unsigned int slot, uint8_t last)
{
	struct message_record record = { .type = RECORD_TO_EX, .group = ADDR_V4(239, 1, 1, last) };
	struct message message = { .type = MESSAGE_REPORT,
				   .source = addr_from_v4_host(0x0a00000a + (slot << 8)),
				   .destination = ADDR_V4(224, 0, 0, 22),
				   .ttl = 1,
				   .router_alert = true,
				   .report = { &record, 1 } };

	assert_int_equal(engine_receive(sim->daemon.engine, slot, &message, sim->now,
					&sim->daemon.actions),
			 RECEIVE_APPLIED);
}

static size_t n_routes(const struct daemon_sim *sim)
{
	return forward_n_routes(sim->daemon.forward);
}

/* Routes, messages of all ports, events. */
static void all_is_done(void **state)
{
	struct daemon_sim *sim = *state;
	const struct veth_frame *query = NULL;

	sim->monitored = true;
	ask_query(sim, SIM_D2);
	report(sim, SIM_D1, 1);
	ask_query(sim, SIM_D3);
	daemon_perform(&sim->daemon);
	assert_int_equal(sim->daemon.actions.n, 0);
	assert_int_equal(n_routes(sim), 1);
	assert_int_equal(daemon_sim_sent(sim, SIM_D2, &query), 1);
	assert_memory_equal(query->bytes + 6, SIM_MAC(SIM_D2), 6);
	assert_int_equal(daemon_sim_sent(sim, SIM_D3, NULL), 1);
	assert_int_equal(daemon_sim_sent(sim, SIM_UP, NULL), 1); /* joined upstream */
	assert_string_equal(sim->told, "group-joined d1: 10.0.2.10 joined 239.1.1.1\n");
}

static bool routes_come_first;

static int look_at_routes(const struct daemon_sim *sim)
{
	routes_come_first = sim->route_sets == 1;
	return 0;
}

/* Data flows while a report or query is still being written. */
static void routes_first(void **state)
{
	struct daemon_sim *sim = *state;

	sim->on_send = look_at_routes;
	ask_query(sim, SIM_D2);
	report(sim, SIM_D1, 1);
	daemon_perform(&sim->daemon);
	assert_int_equal(daemon_sim_sent(sim, SIM_D2, NULL), 1);
	assert_true(routes_come_first);
}

/* One that cannot be sent is counted at its port; the next ones are sent. */
static void one_send_fails(void **state)
{
	struct daemon_sim *sim = *state;

	ask_query(sim, SIM_D1);
	ask_query(sim, SIM_D2);
	ask_query(sim, SIM_D1);
	sim->send_error = -EAGAIN;
	daemon_perform(&sim->daemon);
	assert_int_equal(sim->ports[SIM_D1].send_failed, 1);
	assert_int_equal(daemon_sim_sent(sim, SIM_D1, NULL), 1);
	assert_int_equal(daemon_sim_sent(sim, SIM_D2, NULL), 1);
}

/*
 * Memory ran out for some action: those that there are, are done, and the routes, of which a change
 * may have been lost, are computed anew.
 */
static void one_action_lost(void **state)
{
	struct daemon_sim *sim = *state;

	report(sim, SIM_D1, 1);
	actions_clear(&sim->daemon.actions); /* that change is lost */
	ask_query(sim, SIM_D2);
	report(sim, SIM_D1, 2);
	sim->daemon.actions.failed = true;
	daemon_perform(&sim->daemon);
	assert_int_equal(daemon_sim_sent(sim, SIM_D2, NULL), 1);
	assert_int_equal(n_routes(sim), 2);
	assert_int_equal(sim->route_sets, 2);
	assert_false(sim->daemon.actions.failed);
}

/* A port that is closed, or has gone, sends nothing and stops nothing. */
static void ports_that_are_not_there(void **state)
{
	struct daemon_sim *sim = *state;

	sim->ports[SIM_D1].open = false;
	ask_query(sim, SIM_D1);
	ask_query(sim, SIM_D3);
	sim->daemon.ports[SIM_D3] = NULL;
	ask_query(sim, SIM_D2);
	daemon_perform(&sim->daemon);
	assert_int_equal(sim->n_sent, 1);
	assert_int_equal(daemon_sim_sent(sim, SIM_D2, NULL), 1);
}

/* What the engine waits for next is when it is asked again. */
static void the_engine_is_asked_in_time(void **state)
{
	struct daemon_sim *sim = *state;

	daemon_sim_join(sim, SIM_D1, "239.1.1.1");
	assert_int_equal(sim->deadlines[sim->daemon.engine_deadline].at,
			 engine_next_deadline(sim->daemon.engine));
	daemon_sim_pass(sim, 300000); /* nobody has answered */
	assert_int_equal(n_routes(sim), 0);
	assert_int_equal(sim->route_dels, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DAEMON_TEST(all_is_done),
		DAEMON_TEST(routes_first),
		DAEMON_TEST(one_send_fails),
		DAEMON_TEST(one_action_lost),
		DAEMON_TEST(ports_that_are_not_there),
		DAEMON_TEST(the_engine_is_asked_in_time),
	};

	return cmocka_run_group_tests_name("actions", tests, NULL, NULL);
}
