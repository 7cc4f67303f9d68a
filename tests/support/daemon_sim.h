/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon's own layer without a kernel: the real engine and routes, and in place of clock,
 * sockets, maps and control server what records and answers here. The linker puts it there: the
 * names in DAEMON_SIM of the Makefile lead to __wrap_NAME() in tests named daemon_*.
 */
#ifndef SUPPORT_DAEMON_SIM_H
#define SUPPORT_DAEMON_SIM_H

#include "datagram.h"
#include "mcastd/daemon.h"

#define SIM_PORTS 6 /* slots 1..5 */
#define SIM_UP 1
#define SIM_D1 2
#define SIM_D2 3
#define SIM_D3 4
#define SIM_SENT 16
#define SIM_UNWANTED 150

/* A frame that was to leave a port. */
struct sim_frame {
	unsigned int slot;
	struct veth_frame frame;
};

struct sim_deadline {
	uint64_t at;
	loop_deadline_fn fn;
	void *arg;
};

struct sim_unwanted {
	struct mcastd_unwanted_key key;
	struct mcastd_unwanted value;
};

struct daemon_sim {
	struct daemon daemon;
	struct port ports[SIM_PORTS];
	struct config_interface sections[SIM_PORTS];
	uint64_t now; /* ms; the clock of the loop and of the data plane */
	struct sim_deadline deadlines[16];
	int n_deadlines;

	/* What was done. */
	struct sim_frame sent[SIM_SENT]; /* the first ones */
	size_t n_sent;
	unsigned int route_sets, route_dels;
	uint32_t granted[SIM_PORTS][MCASTD_PUNTS];
	char told[16384]; /* what monitors got: a line for each event */
	unsigned int n_told;

	/* What is to be found. */
	int send_error;				      /* of the next frame */
	int (*on_send)(const struct daemon_sim *sim); /* NULL, or asked for it instead */
	uint32_t taken[SIM_PORTS][MCASTD_PUNTS];
	unsigned int waiting; /* frames in each ring */
	struct mcastd_port_stats port_stats[SIM_PORTS];
	struct mcastd_route_stats route_stats; /* of every route */
	struct sim_unwanted unwanted[SIM_UNWANTED];
	bool monitored;
	void (*on_monitor)(void *arg); /* what is to be called when someone begins to */
};

/* An upstream and three downstreams, up and open, at ten thousand seconds. One at a time. */
struct daemon_sim *daemon_sim_new(void);
void daemon_sim_free(struct daemon_sim *sim);
/* Slot n has 10.0.n.100/24, MTU 1500 and MAC 02:00:00:00:00:0n. */
#define SIM_MAC(slot) ((const uint8_t[]){ 2, 0, 0, 0, 0, (uint8_t)(slot) })

/* What was changed in a port's `applied` counts from now on. */
void daemon_sim_apply(struct daemon_sim *sim, unsigned int slot);
/* A host behind the port joins a group, any source, and the daemon does what that asks for. */
void daemon_sim_join(struct daemon_sim *sim, unsigned int slot, const char *group);
/* Lets time pass; deadlines are met. */
void daemon_sim_pass(struct daemon_sim *sim, uint64_t ms);
/* How many frames left the port among the first ones, and the first of them. */
size_t daemon_sim_sent(const struct daemon_sim *sim, unsigned int slot,
		       const struct veth_frame **first);
/* Forgets what was done. */
void daemon_sim_forget(struct daemon_sim *sim);

/* For cmocka, see daemon_sim_test.h. */
int daemon_sim_setup(void **state);
int daemon_sim_teardown(void **state);
#endif
