/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An engine in simulated time, driven by scripts that read like the RFC's tables:
 *
 *   "IS_IN 1,2 | +100 | TO_EX 2,3 | = EXC:270 2:2 /3 | q 2 | +2 | f !2 !3 4"
 *
 * A step is one of
 *   [hN] TYPE [SOURCES]   host N (default 1) sends a record IS_IN IS_EX TO_IN TO_EX ALLOW BLOCK
 *                         for the group, or V1, V2, LEAVE
 *   low|high WHAT [v2]    a querier with a low or high address asks: gen, G, or SOURCES; with /S
 *   +SECONDS              time passes
 *   = STATE               none, or INC or EXC, then sources in order: 5 running, /5 not running;
 *                         a time behind a colon is what its timer has left, in seconds
 *   q LIST                the queries sent since the last such step: none, or gen, G, G/S, 1,2
 *   f LIST                forwarded: 1, not forwarded: !1
 * SOURCES are numbers or ranges, 1,2,5-9: source N is 192.0.2.N, from 256 on
 * 192.1.N/256.N%256.
 */
#ifndef TESTS_SUPPORT_SIM_H
#define TESTS_SUPPORT_SIM_H

#include "membership/engine.h"

struct sim_sent {
	uint64_t at;
	unsigned int port;
	struct message message; /* its lists are copies */
};

struct sim {
	struct engine *engine;
	struct actions out;
	uint64_t now;
	unsigned int port; /* of script steps */
	struct addr group; /* of script steps */
	uint8_t ttl;	   /* of messages the script sends */
	/* What has been asked for so far. */
	struct sim_sent *sent;
	size_t n_sent, n_seen; /* n_seen: up to where "q" steps have looked */
	struct event *events;
	size_t n_events;
	size_t n_changed;	      /* ACTION_CHANGED */
	size_t n_role;		      /* ACTION_PORT */
	enum receive_verdict verdict; /* on the last message */
	bool general_queries_shown;   /* by "q" steps */
	char problem[8000];
};

/* Time starts at a million seconds. */
void sim_init(struct sim *sim);
void sim_fini(struct sim *sim);
/*
 * Adds a port, number N, that is up: address 10.0.N.100/24. The startup queries are sent and not
 * yet seen. config NULL: the defaults, without startup queries but the first.
 */
void sim_port(struct sim *sim, unsigned int port, const struct port_config *config);
void sim_link(struct sim *sim, unsigned int port, bool up);
/* The defaults of sim_port(): as port_config_init(), one startup query. */
struct port_config sim_config(void);

struct addr sim_source(unsigned int n);
struct addr sim_host(unsigned int port, unsigned int n);

/* Records the actions of a call that was made with sim->out. */
void sim_collect(struct sim *sim);
/* Lets time pass and carries out what is due on its way, and what a direct call has asked for. */
void sim_advance(struct sim *sim, uint64_t ms);
enum receive_verdict sim_receive(struct sim *sim, unsigned int port, const struct message *message);
/* A version 3 report with one record, or with several. */
enum receive_verdict sim_record(struct sim *sim, unsigned int port, struct addr host, uint8_t type,
				struct addr group, const struct addr *sources, uint32_t n);
enum receive_verdict sim_records(struct sim *sim, unsigned int port, struct addr host,
				 const struct message_record *records, uint32_t n);
/* A v1 or v2 report or leave. */
enum receive_verdict sim_older(struct sim *sim, unsigned int port, struct addr host,
			       enum message_type type, struct addr group);
/* Forgets what has been sent, told and changed. */
void sim_forget(struct sim *sim);
/* How many events of a type there were. */
size_t sim_count_events(const struct sim *sim, enum event_type type);

/* Runs a script. Returns NULL, or which step failed and how. */
const char *sim_run(struct sim *sim, const char *script);
/* The state of a group on a port in the notation of "=" steps. */
const char *sim_state(struct sim *sim, unsigned int port, struct addr group, char *buf,
		      size_t size);

#endif
