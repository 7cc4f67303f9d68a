/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host part on upstream port 9 of a simulated engine: what it is told to join, what it hears,
 * and what it says in short notation.
 */
#ifndef SUPPORT_HOST_SIM_H
#define SUPPORT_HOST_SIM_H

#include "sim.h"

#define UPSTREAM 9

struct host_sim {
	struct sim sim;
	size_t n_read;	 /* messages that host_sim_said() has told of */
	char said[8192]; /* its last answer */
};

/* With these settings (NULL: defaults of sim_config(), role upstream), up, nothing joined. */
void host_sim_init(struct host_sim *t, const struct port_config *config);
void host_sim_fini(struct host_sim *t);
struct port_config host_sim_config(void);
struct host *host_sim_host(const struct host_sim *t);

/* Group number n: 239.1.0.0 + n. Sources are written "1,2,5-9", as in sim.h. */
struct addr host_sim_group(unsigned int n);
/* The host's state of group 1, or group n, from now on; the host may send. */
void host_sim_set(struct host_sim *t, enum filter_mode mode, const char *sources);
void host_sim_set_group(struct host_sim *t, unsigned int n, enum filter_mode mode,
			const char *sources);
/* A query from 10.0.9.1. group 0: general. code_ms: its Max Resp Time. */
enum receive_verdict host_sim_query(struct host_sim *t, uint8_t version, unsigned int group,
				    const char *sources, uint32_t max_response_ms);
struct message host_sim_query_message(uint8_t version, unsigned int group, const char *sources,
				      uint32_t max_response_ms);
void host_sim_pass(struct host_sim *t, uint64_t ms);

/*
 * What has been sent since the last call: "TO_EX(1,2)" for group 1, "TO_EX 7(1,2)" for group 7, "+"
 * between the records of a report, "; " between messages; "V2 7", "V1 7", "LEAVE 7".
 */
const char *host_sim_said(struct host_sim *t);
/* Messages sent since the start, and the time of one of them after `since`. */
size_t host_sim_count(const struct host_sim *t);

#endif
