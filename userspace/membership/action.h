/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the engine asks its caller to do. An action list is filled by one engine call, carried out
 * in order by the caller and then cleared; everything an action points to lives in the list's own
 * arena until it is cleared.
 */
#ifndef MEMBERSHIP_ACTION_H
#define MEMBERSHIP_ACTION_H

#include "message.h"

enum action_type {
	ACTION_SEND,	/* transmit .message on .port */
	ACTION_CHANGED, /* what .port wants of .group is different now: recompute its routes */
	ACTION_PORT,	/* the querier role of .port changed: recompute the routes of its groups */
	ACTION_EVENT,	/* something an operator may want to read; never needed for correctness */
};

/* Events name themselves; the caller turns them into log lines and monitor records. */
enum event_type {
	EVENT_GROUP_JOINED,  /* first membership of .group on .port; .host asked */
	EVENT_GROUP_LEFT,    /* last membership of .group on .port ended */
	EVENT_SOURCE_JOINED, /* .source of .group is wanted in particular */
	EVENT_SOURCE_LEFT,
	EVENT_QUERIER_SELF,	 /* we are the querier of .port */
	EVENT_QUERIER_OTHER,	 /* .host is the querier of .port */
	EVENT_OLDER_QUERIER,	 /* .host sends queries of .version, RFC 9776 section 7.3.1 */
	EVENT_OLDER_HOST,	 /* .host speaks .version for .group, RFC 9776 section 7.3.2 */
	EVENT_DUPLICATE_ADDRESS, /* a query came from our own address */
	EVENT_FOREIGN_QUERIER,	 /* a query from .host, which is not of this link's subnets */
	EVENT_LIMIT_GROUPS,	 /* .group ignored: max-groups */
	EVENT_LIMIT_SOURCES,	 /* sources of .group ignored: max-group-sources */
	EVENT_LIMIT_HOSTS,	 /* .host not tracked: max-hosts */
	EVENT_LIMIT_RESPONSES,	 /* upstream: too many source-specific queries pending */
	EVENT_NO_MEMORY,	 /* an allocation failed; state kept as it was */
	EVENT_TYPES,
};

struct event {
	enum event_type type;
	struct addr group;
	struct addr source;
	struct addr host;
	uint8_t version;
	uint32_t suppressed; /* how many events of this kind were left out before it (rate limit) */
};

struct action {
	enum action_type type;
	unsigned int port;
	union {
		struct message message;
		struct addr group;
		struct event event;
	};
};

struct actions {
	struct action *list;
	size_t n;
	size_t capacity;
	struct action_chunk *arena; /* storage of source lists and records */
	bool failed; /* memory ran out: an action is missing; counted by the engine */
};

void actions_init(struct actions *actions);
/* Forgets all actions, keeps the memory for the next call. */
void actions_clear(struct actions *actions);
void actions_fini(struct actions *actions);
/* For who fills the list: a new action, or NULL when memory ran out (then .failed is set). */
struct action *actions_add(struct actions *actions, enum action_type type, unsigned int port);
/* Storage that lasts until the list is cleared; NULL when memory ran out. */
void *actions_alloc(struct actions *actions, size_t size);

#endif
