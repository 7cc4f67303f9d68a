/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the host's files share. host.c keeps the memberships, host_change.c notes what is news,
 * host_query.c decides when to answer, host_report.c sends.
 *
 * A group waits in `changes` to have a change of its state reported and in `responses` to be
 * answered for; it gets there at once, or when its timer fires. Reports are made from its state
 * when it leaves the queue, so that nothing that waits is out of date, and queues grow with the
 * number of groups only.
 */
#ifndef MEMBERSHIP_HOST_STATE_H
#define MEMBERSHIP_HOST_STATE_H

#include <sys/queue.h>

#include "host.h"
#include "state.h"

/* The largest packet that is made, whatever the MTU. */
#define HOST_MTU_MAX 9000
/* IPv4 header with Router Alert and the fixed part of a report; a record; a source. */
#define REPORT_OVERHEAD (24 + 8)
#define RECORD_LEN 8
#define SOURCE_LEN 4
#define REPORT_RECORDS_MAX ((HOST_MTU_MAX - REPORT_OVERHEAD) / RECORD_LEN)
#define REPORT_SOURCES_MAX ((HOST_MTU_MAX - REPORT_OVERHEAD) / SOURCE_LEN)
/* Sources recorded from Group-and-Source-Specific Queries: of a group, of all groups (P-9.1-LIM) */
#define QUERIED_PER_GROUP_MAX 1024
#define QUERIED_MAX 65536
/* Merges that look at more than so many source records happen once in so much time. */
#define MERGE_EFFORT 256
#define MERGE_INTERVAL_MS 50
/* After memory ran out */
#define RETRY_MS 1000
/* How much one call to host_tick() does at most. */
#define EXPIRIES_MAX 512
/* What a packet costs of the pace; those of version 1 and 2 are small and carry one group each. */
#define V3_PACKET_US 1000
#define V2_PACKET_US 250
/* The fastest that a response to a General Query gets when its time is short. */
#define PACKET_US_MIN 100

/* A source whose coming or going has to be reported `left` more times, section 5.1. */
struct source_change {
	struct addr source;
	uint8_t left;
};

struct host_group {
	struct table_node node;
	struct timer timer; /* for merge_at, change_at and response_at */
	TAILQ_ENTRY(host_group) link, change_link, response_link, deferred_link;
	struct addr group;
	enum filter_mode mode;
	uint32_t n_sources;
	struct addr *sources; /* in order */

	/* Merges of large groups */
	uint64_t merged_at;
	uint64_t merge_at; /* ENGINE_NEVER: none deferred, but maybe queued */
	uint32_t merge_effort;
	bool deferred_queued;

	/* Section 5.1; a membership that has ended lives until its end has been reported. */
	uint64_t change_at;	   /* the next repetition; ENGINE_NEVER: none */
	uint8_t mode_changes_left; /* TO_IN, TO_EX; in version 1 and 2 any report */
	bool change_queued;
	uint32_t n_changes;
	struct source_change *changes; /* in order of the sources */

	/* Section 5.2 */
	uint64_t response_at; /* ENGINE_NEVER: no response pending, but maybe queued */
	bool response_queued;
	uint32_t n_queried; /* 0: all of the state is asked for */
	struct addr *queried;
};

TAILQ_HEAD(host_groups, host_group);

/* A report that is being filled. */
struct report {
	struct message_record records[REPORT_RECORDS_MAX];
	struct addr sources[REPORT_SOURCES_MAX];
	uint32_t n_records, n_sources;
	size_t len; /* octets of records; 0: empty */
};

struct host {
	struct port *port;
	struct table table; /* of the groups */
	struct host_groups groups, changes, responses, deferred;
	struct timers timers; /* of the groups */
	uint32_t n_joined;
	uint64_t state_len; /* octets of records that tell of all groups */
	uint32_t n_queried; /* sources recorded, of all groups */

	/* General Queries: one response for all groups, sent group by group */
	uint64_t general_at;	 /* when it begins; ENGINE_NEVER: none pending */
	struct host_group *walk; /* the next group to answer for, NULL: not under way */
	uint64_t walk_until;	 /* by when all must have been answered for */
	uint64_t next_walk;	 /* not before this: when this one would end at the usual pace */

	/* Section 7.2.1; the version in use is port_version() */
	uint64_t v1_expires, v2_expires;

	/* Pace, in microseconds */
	uint64_t pace_next_us; /* when the packets sent so far are paid for */
	uint32_t pace_us;      /* what one packet costs */

	uint64_t retry_at;  /* ENGINE_NEVER: no merge has failed */
	uint64_t now;	    /* of the last call that had one */
	uint32_t repeat_ms; /* random: when what is in the current report is repeated */
	struct report report;
};

static inline bool group_is_joined(const struct host_group *g)
{
	return g->mode == FILTER_EXCLUDE || g->n_sources;
}

/* host.c */
struct host_group *host_find(const struct host *host, const struct addr *group);
/* Sets the group's timer to the next thing that is due. */
void host_schedule(struct host *host, struct host_group *g);
/* Frees the group if it is not joined and nothing of it has to be sent. */
void host_release(struct host *host, struct host_group *g);
/* Forgets what waits to be sent, section 7.2.1. */
void host_cancel_all(struct host *host);
/* A random time of 1..max_ms. */
uint32_t host_random_ms(struct host *host, uint32_t max_ms);
/* The version of IGMP in use. */
uint8_t host_version(const struct host *host);
const struct port_config *host_config(const struct host *host);
/* The most sources that fit a report with a single record. */
uint32_t host_sources_max(const struct host *host);

/* host_change.c */
/* Notes what has to be reported of a change to this state, before it. Returns 0 or -ENOMEM. */
int host_note_change(struct host *host, struct host_group *g, enum filter_mode mode,
		     const struct addr *sources, uint32_t n_sources);
/* Makes the whole state of a group news. */
void host_announce(struct host *host, struct host_group *g);

/* host_query.c */
/* Follows the Older Version Querier Present timers. */
void host_update_version(struct host *host, uint64_t now);
/* When one of them ends; ENGINE_NEVER: none runs. */
uint64_t host_version_expires(const struct host *host);
/* The response to a General Query begins. */
void host_start_walk(struct host *host, uint64_t now);
/* Version 1 and 2: gives more groups of the walk their random times. */
void host_walk_timers(struct host *host, uint64_t now);
void host_forget_queried(struct host *host, struct host_group *g);

/* host_report.c */
void host_queue_change(struct host *host, struct host_group *g);
void host_queue_response(struct host *host, struct host_group *g);
void host_unqueue(struct host *host, struct host_group *g);
/* Sends what waits, as far as the pace allows. */
void host_send(struct host *host, struct actions *out);
/* When host_send() can do more; ENGINE_NEVER: nothing waits. */
uint64_t host_send_at(const struct host *host);
/* Sends a version 1 or 2 response, unpaced: its random time has spread it already. */
void host_send_response_v2(struct host *host, const struct host_group *g, struct actions *out);
/* Adds the end of a membership to what is sent, with host_report_flush() at last. */
void host_send_leave(struct host *host, const struct host_group *g, struct actions *out);
void host_report_flush(struct host *host, struct actions *out);

#endif
