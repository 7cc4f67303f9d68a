/* SPDX-License-Identifier: BSD-2-Clause */
/* How much the program may hand to the daemon (mcastd/limit.c): L-RATE. */
#include <stdio.h>
#include <string.h>

#include "../support/daemon_sim_test.h"

/* What may wait, as limit.c says. */
#define QUERIES 64
#define LARGE 48
#define REPORTS (XSK_RX_MIN - QUERIES - LARGE - 16)

#define BEFORE 5000u /* the program had taken so many before */

static struct port *open_port(struct daemon_sim *sim, uint32_t rate, uint32_t burst)
{
	struct port *port = &sim->ports[SIM_D1];

	sim->sections[SIM_D1].igmp_rate_limit = rate;
	sim->sections[SIM_D1].igmp_burst = burst;
	sim->sections[SIM_D1].fragment_rate_limit = 20;
	for (unsigned int punt = 0; punt < MCASTD_PUNTS; punt++)
		sim->taken[SIM_D1][punt] = BEFORE;
	assert_int_equal(limit_open(&sim->daemon), 0);
	limit_port_open(port);
	return port;
}

/* How many more of a kind the program may take. */
static int room(const struct daemon_sim *sim, enum mcastd_punt punt)
{
	return (int)(sim->granted[SIM_D1][punt] - sim->taken[SIM_D1][punt]);
}

static struct veth_frame frame_of(enum mcastd_punt punt)
{
	struct veth_frame frame;

	datagram_init(&frame, "10.0.2.10", "224.0.0.22", 1, 16, 0);
	if (punt != MCASTD_PUNT_LARGE)
		frame.bytes[DATAGRAM_IP + 9] = 2;
	frame.bytes[DATAGRAM_IP + 20] = punt == MCASTD_PUNT_QUERY ? MCASTD_IGMP_QUERY : 0x22;
	datagram_fix(&frame);
	return frame;
}

/* The program takes n frames, and they are read in one turn. */
static void read_frames(struct daemon_sim *sim, struct port *port, enum mcastd_punt punt,
			unsigned int n)
{
	const struct veth_frame frame = frame_of(punt);

	sim->taken[port->slot][punt] += n;
	for (unsigned int i = 0; i < n; i++)
		limit_read(port, frame.bytes, frame.len);
	limit_turn_done(port);
}

/* A window for each kind, whatever was taken before; what is read makes room for as many. */
static void windows(void **state)
{
	struct daemon_sim *sim = *state;
	struct port *port = open_port(sim, 0, 0);

	sim->sections[SIM_D1].fragment_rate_limit = 0;
	daemon_sim_pass(sim, 0);
	assert_int_equal(room(sim, MCASTD_PUNT_REPORT), REPORTS);
	assert_int_equal(room(sim, MCASTD_PUNT_QUERY), QUERIES);
	read_frames(sim, port, MCASTD_PUNT_QUERY, 10);
	assert_int_equal(room(sim, MCASTD_PUNT_QUERY), QUERIES);
	assert_int_equal(room(sim, MCASTD_PUNT_REPORT), REPORTS);
	/* Taken and not yet read: they wait in the ring, and have a place in the window. */
	sim->taken[SIM_D1][MCASTD_PUNT_REPORT] += 20;
	sim->waiting = 20;
	daemon_sim_pass(sim, 1000);
	assert_int_equal(room(sim, MCASTD_PUNT_REPORT), REPORTS - 20);
}

/* Each kind as often as it may come, and a second's worth at once, however long it was quiet. */
static void rates(void **state)
{
	struct daemon_sim *sim = *state;
	struct port *port = open_port(sim, 100, 0);

	assert_int_equal(room(sim, MCASTD_PUNT_REPORT), 100);
	assert_int_equal(room(sim, MCASTD_PUNT_QUERY), QUERIES);
	assert_int_equal(room(sim, MCASTD_PUNT_LARGE), 20);
	for (unsigned int i = 0; i < 2; i++) {
		read_frames(sim, port, MCASTD_PUNT_REPORT, 100);
		assert_int_equal(room(sim, MCASTD_PUNT_REPORT), 0);
		daemon_sim_pass(sim, 100);
		assert_int_equal(room(sim, MCASTD_PUNT_REPORT), 10);
		daemon_sim_pass(sim, 3600000);
		assert_int_equal(room(sim, MCASTD_PUNT_REPORT), 100);
		assert_int_equal(room(sim, MCASTD_PUNT_QUERY), QUERIES);
		assert_int_equal(room(sim, MCASTD_PUNT_LARGE), 20);
	}
	/* More than there is room for: the rest of a second's worth follows what is read. */
	sim->sections[SIM_D1].igmp_rate_limit = 150;
	daemon_sim_pass(sim, 3600000);
	assert_int_equal(room(sim, MCASTD_PUNT_REPORT), REPORTS);
	read_frames(sim, port, MCASTD_PUNT_REPORT, REPORTS);
	assert_int_equal(room(sim, MCASTD_PUNT_REPORT), 150 - REPORTS);
}

/* igmp-burst: as many at once as it says, whatever the rate, and after a rest as well. */
static void bursts(void **state)
{
	struct daemon_sim *sim = *state;
	struct port *port = open_port(sim, 10, 50);

	assert_int_equal(room(sim, MCASTD_PUNT_REPORT), 50);
	read_frames(sim, port, MCASTD_PUNT_REPORT, 50);
	daemon_sim_pass(sim, 1000);
	assert_int_equal(room(sim, MCASTD_PUNT_REPORT), 10);
	daemon_sim_pass(sim, 3600000);
	assert_int_equal(room(sim, MCASTD_PUNT_REPORT), 50);
	/* Nothing is left to wait for: the port is looked at now and then, when others are, too. */
	daemon_sim_pass(sim, 800 - sim->now % 800);
	assert_int_equal(port->grant_at, sim->now + 800);
}

static bool is_told(const struct daemon_sim *sim, const char *what)
{
	return strstr(sim->told, what) != NULL;
}

/*
 * What the program took and nobody ever read makes room within a second, is counted and told, and
 * of IGMP it is a loss: when nothing else comes (all places are taken, so nothing could), and while
 * other frames come and go.
 */
static void vanished(void **state)
{
	struct daemon_sim *sim = *state;
	struct port *port = open_port(sim, 0, 0);

	sim->monitored = true;
	sim->sections[SIM_D1].fragment_rate_limit = 0;
	daemon_sim_pass(sim, 10000);
	sim->taken[SIM_D1][MCASTD_PUNT_REPORT] += REPORTS;
	sim->taken[SIM_D1][MCASTD_PUNT_LARGE] += LARGE;
	assert_int_equal(room(sim, MCASTD_PUNT_REPORT), 0);
	daemon_sim_pass(sim, 1000);
	assert_int_equal(room(sim, MCASTD_PUNT_REPORT), REPORTS);
	assert_int_equal(room(sim, MCASTD_PUNT_LARGE), LARGE);
	assert_int_equal(port->undelivered, REPORTS + LARGE);
	assert_true(is_told(sim, "undelivered d1: 128 frames that were to come to the daemon"));
	assert_true(is_told(sim, "undelivered d1: 48 frames that were to come to the daemon"));
	daemon_sim_pass(sim, 600);
	assert_true(is_told(sim, "igmp-flood d1: IGMP is lost"));
	assert_true(limit_held_until(&sim->daemon) > sim->now);

	sim->taken[SIM_D1][MCASTD_PUNT_QUERY] += QUERIES;
	sim->taken[SIM_D1][MCASTD_PUNT_REPORT] += 30;
	for (unsigned int i = 0; i < 200; i++) {
		read_frames(sim, port, MCASTD_PUNT_REPORT, 1);
		daemon_sim_pass(sim, 5);
	}
	assert_int_equal(room(sim, MCASTD_PUNT_QUERY), QUERIES);
	assert_int_equal(room(sim, MCASTD_PUNT_REPORT), REPORTS);
	assert_int_equal(port->undelivered, REPORTS + LARGE + QUERIES + 30);
}

/* What waits, or has been on its way for a moment, has not vanished. */
static void late(void **state)
{
	struct daemon_sim *sim = *state;
	struct port *port = open_port(sim, 0, 0);

	daemon_sim_pass(sim, 10000);
	sim->taken[SIM_D1][MCASTD_PUNT_REPORT] += 30;
	sim->waiting = 1;
	daemon_sim_pass(sim, 5000);
	assert_int_equal(room(sim, MCASTD_PUNT_REPORT), REPORTS - 30);
	sim->taken[SIM_D1][MCASTD_PUNT_REPORT] -= 30;
	sim->waiting = 0;
	/* Always some are on their way when the rings are looked at, never the same. */
	for (unsigned int i = 0; i < 200; i++) {
		sim->taken[SIM_D1][MCASTD_PUNT_REPORT] += 30;
		daemon_sim_pass(sim, 10);
		sim->taken[SIM_D1][MCASTD_PUNT_REPORT] -= 30;
		read_frames(sim, port, MCASTD_PUNT_REPORT, 30);
		daemon_sim_pass(sim, 10);
	}
	assert_int_equal(port->undelivered, 0);
	assert_int_equal(room(sim, MCASTD_PUNT_REPORT), REPORTS);
	/* What comes after all had its place taken back. */
	sim->taken[SIM_D1][MCASTD_PUNT_REPORT] += 30;
	daemon_sim_pass(sim, 1000);
	assert_int_equal(port->undelivered, 30);
	sim->taken[SIM_D1][MCASTD_PUNT_REPORT] -= 30;
	read_frames(sim, port, MCASTD_PUNT_REPORT, 30);
	daemon_sim_pass(sim, 1000);
	assert_int_equal(room(sim, MCASTD_PUNT_REPORT), REPORTS);
}

static void lose(struct daemon_sim *sim, unsigned int n)
{
	sim->port_stats[SIM_D1].verdict[MCASTD_IGMP_LIMITED] += n;
	read_frames(sim, &sim->ports[SIM_D1], MCASTD_PUNT_REPORT, 1);
	daemon_sim_pass(sim, 600);
}

/*
 * What was lost is told once, and when all is heard again, with how much it was. Until hosts have
 * been asked nothing of that port ends.
 */
static void losses(void **state)
{
	struct daemon_sim *sim = *state;
	struct port *port = open_port(sim, 100, 0);

	sim->monitored = true;
	lose(sim, 0);
	assert_int_equal(sim->n_told, 0);
	assert_true(limit_held_until(&sim->daemon) <= sim->now);
	for (unsigned int i = 0; i < 2; i++) {
		daemon_sim_forget(sim);
		lose(sim, 5);
		assert_true(is_told(sim, "igmp-flood d1: IGMP is lost"));
		assert_true(port->flood_note[0]);
		assert_true(limit_held_until(&sim->daemon) > sim->now);
		assert_true(engine_next_deadline(sim->daemon.engine) <= sim->now + 125000 / 4);
		lose(sim, 2);
		assert_int_equal(sim->n_told, 1);
		daemon_sim_pass(sim, limit_held_until(&sim->daemon) + 1000 - sim->now);
		assert_true(is_told(sim, "igmp-flood-over d1: IGMP is heard in full again, after 7 "
					 "frames were lost"));
		assert_false(port->flood_note[0]);
		assert_int_equal(sim->n_told, 2);
	}
	assert_false(sim->ports[SIM_D2].flood_note[0]);
}

/* Frames that the program refused, when none comes that would make us look: the audit does. */
static void losses_in_silence(void **state)
{
	struct daemon_sim *sim = *state;
	struct port *port = open_port(sim, 100, 0);
	struct mcastd_port_stats *stats = &sim->port_stats[SIM_D1];

	sim->monitored = true;
	daemon_sim_pass(sim, 10000);
	limit_audit(port, stats);
	daemon_sim_pass(sim, 600);
	assert_int_equal(sim->n_told, 0);
	stats->verdict[MCASTD_IGMP_LIMITED] += 5;
	limit_audit(port, stats);
	daemon_sim_pass(sim, 600);
	assert_true(is_told(sim, "igmp-flood d1: IGMP is lost"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DAEMON_TEST(windows),		DAEMON_TEST(rates), DAEMON_TEST(bursts),
		DAEMON_TEST(vanished),		DAEMON_TEST(late),  DAEMON_TEST(losses),
		DAEMON_TEST(losses_in_silence),
	};

	return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
