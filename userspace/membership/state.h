/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the engine's files share: the state of RFC 9776 section 6.2.
 *
 *   engine -- ports[] -- port -- its memberships (list)
 *          `- groups (hash) -- group -- its memberships, in the order of the port numbers
 *   membership -- source set -- source
 *              `- extra, only while there is something rare to remember
 *
 * Every membership, source block, port and tracked host has a timer in the engine's one heap.
 */
#ifndef MEMBERSHIP_STATE_H
#define MEMBERSHIP_STATE_H

#include "engine.h"
#include "pool.h"
#include "set.h"
#include "settings.h"
#include "table.h"
#include "timer.h"

/* All memberships of one group. */
struct group {
	struct table_node node; /* node.n: how many memberships */
	struct addr addr;
	union {
		struct membership *one;	  /* n == 1 */
		struct membership **many; /* in the order of the port numbers */
	};
};

/* What most memberships do not need. */
struct membership_extra {
	uint64_t v1_expires, v2_expires; /* Older Host Present timers, section 7.3.2 */
	/* Group-Specific Queries, section 6.6.3.1 */
	uint64_t group_query_next;
	uint64_t group_query_last;
	uint8_t group_queries_left;
	bool group_queried;
	uint64_t source_query_next; /* section 6.6.3.2; ENGINE_NEVER: none pending */
	const struct static_entry *statics;
	struct track *track;
	uint64_t untracked_until; /* a member that max-hosts left out may be there */
};

/*
 * The state of one group on one port. The group timer runs in EXCLUDE mode only (section 6.2.2),
 * so it tells the filter mode too. A membership without group timer and sources is a static one.
 */
struct membership {
	struct timer timer; /* TIMER_MEMBERSHIP */
	struct group *group;
	struct port *port;
	struct membership *prev, *next; /* of the port */
	uint64_t group_expires;		/* 0: INCLUDE mode */
	uint32_t n_counted;		/* of the sources, in port->n_sources */
	uint64_t since;
	struct addr last_reporter;
	struct source_set sources;
	struct membership_extra *extra;
};

/* A token bucket: what a packet can trigger is told at a limited rate. */
struct event_bucket {
	uint64_t refilled;
	uint32_t tokens;
	uint32_t suppressed;
};

/* Explicit tracking of a port, see track.c. */
struct tracking {
	struct table hosts, pairs, sources;
};

struct port {
	struct timer timer; /* TIMER_PORT */
	struct engine *engine;
	unsigned int number;
	bool up;
	struct settings settings;
	struct addr address;
	struct prefix *subnets;
	uint32_t n_subnets;
	struct addr *own;
	uint32_t n_own;

	struct membership *memberships;
	uint32_t n_groups;
	uint32_t n_static_groups; /* of these, memberships with a static part */
	uint32_t n_sources;	  /* of all memberships */
	struct tracking tracking;
	uint32_t n_tracked; /* (host, group) pairs, and the sources in their lists */

	/* Querier, sections 6.6.2 and 8 */
	bool is_querier;
	struct addr querier;
	uint64_t querier_expires;
	uint64_t next_query;
	uint8_t startup_queries_left;
	uint8_t robustness;	    /* in use: ours, or the other querier's */
	uint8_t older_version;	    /* heard within Other Querier Present Interval; 3: none */
	uint8_t reply_version;	    /* of the query that reply_at answers */
	uint32_t query_interval_ms; /* in use */
	uint64_t older_expires;

	/* Messages were lost, see engine_port_lost(). */
	uint64_t held_until;

	/* Our own membership of 224.0.0.22, section 6 */
	uint64_t reply_at; /* ENGINE_NEVER: no answer pending */

	struct host *host; /* on an upstream port, and only there: what it joins */

	struct event_bucket buckets[EVENT_TYPES];
	struct engine_counters counters;
};

struct engine {
	struct port *ports[ENGINE_MAX_PORTS];
	struct table groups;
	struct timers timers;
	struct pool group_pool, membership_pool, extra_pool;
	uint64_t hash_seed[2];
	uint64_t random;
	uint64_t now;	      /* of the last call */
	uint32_t n_upstream;  /* ports */
	struct addr *scratch; /* the sources of the record being applied */
	uint32_t scratch_capacity;
};

static inline enum filter_mode membership_mode(const struct membership *m)
{
	return m->group_expires ? FILTER_EXCLUDE : FILTER_INCLUDE;
}

/* Does what would end for want of a message go on? */
static inline bool port_is_held(const struct port *port, uint64_t now)
{
	return now < port->held_until;
}

static inline const struct static_entry *membership_statics(const struct membership *m)
{
	return m->extra ? m->extra->statics : NULL;
}

/* --- derived values, RFC 9776 section 8 --- */

/* Group Membership Interval, 8.4 */
static inline uint64_t port_gmi_ms(const struct port *port)
{
	return (uint64_t)port->robustness * port->query_interval_ms +
	       2ull * port->settings.config.query_response_interval_ms;
}

/* Other Querier Present Interval, 8.5 */
static inline uint64_t port_oqpi_ms(const struct port *port)
{
	return (uint64_t)port->robustness * port->query_interval_ms +
	       port->settings.config.query_response_interval_ms / 2;
}

/* Older Host Present Interval, 8.13; RFC 2236 section 5 keeps version 1 hosts for GMI. */
static inline uint64_t port_ohpi_ms(const struct port *port)
{
	if (port->settings.config.version < 3)
		return port_gmi_ms(port);
	return (uint64_t)port->robustness * port->query_interval_ms +
	       port->settings.config.query_response_interval_ms;
}

/* Last Member Query Count, 8.9: by default the Robustness Variable in use */
static inline uint8_t port_lmqc(const struct port *port)
{
	uint8_t count = port->settings.config.last_member_query_count;

	return count ? count : port->robustness;
}

/* Last Member Query Time, 8.10 */
static inline uint64_t port_lmqt_ms(const struct port *port)
{
	return (uint64_t)port_lmqc(port) * port->settings.config.last_member_query_interval_ms;
}

/* The version of IGMP in use on the port, section 7.3.1. */
static inline uint8_t port_version(const struct port *port)
{
	uint8_t version = port->settings.config.version;

	return port->older_version < version ? port->older_version : version;
}

#endif
