/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of this folder share. */
#ifndef FORWARD_INTERNAL_H
#define FORWARD_INTERNAL_H

#include "forward/forward.h"
#include "forward/port_map.h"
#include "membership/table.h"

struct route {
	struct route *next; /* of its group, by source; (*,G) is the first */
	struct group *group;
	struct addr source;
	struct port_map out[FORWARD_SIDES];
	bool in_plane; /* the data plane has it, with these ports */
	bool applied;  /* and these are the ports it shall have */
	bool gone;     /* no longer wanted, and could not be removed yet */
};

/* A route of an earlier run, see forward_hold(). */
struct held {
	struct held *next;
	struct addr source;
	struct port_map down;
};

struct group {
	struct table_node node;
	struct addr addr;
	struct route *routes;
	struct held *held;
	uint32_t round; /* of forward_update_all() */
};

/* One source that a port names. */
struct named {
	struct addr source;
	uint16_t port;
	bool forwarding;
};

/* What all ports together want of one group. */
struct wanted {
	struct port_map star;	  /* ports in EXCLUDE mode */
	struct port_map upstream; /* where the sources and members beyond this router are */
	struct named *named;	  /* by source */
	size_t n_named, max_named;
	uint16_t port; /* whose sources are being collected */
	bool failed;   /* memory ran out: the list is not complete */
};

struct forward {
	const struct engine *engine;
	const struct forward_ops *ops;
	void *ctx;
	struct forward_port ports[ENGINE_MAX_PORTS];
	unsigned int end_port;	      /* above the highest port */
	unsigned int only_downstream; /* the downstream port if there is just one, else 0 */
	struct table groups;
	struct port_map held_upstream; /* where held routes send what comes from downstream */
	uint32_t round;
	size_t n_open; /* routes that are not applied */
	size_t n_routes;
	bool stale;	       /* memory ran out: something was not computed */
	int error;	       /* why the last one was not applied */
	uint32_t retry_bucket; /* of the table: where forward_retry() goes on */
	struct wanted wanted;  /* scratch of one forward_update_group() */
};

struct group *forward_group(const struct forward *forward, const struct addr *addr);

/* The source of a (*,G) route. */
extern const struct addr any_source;

/*
 * Computes forward->wanted for one group, from the engine and from what is held for it (NULL:
 * nothing). Returns false when memory ran out.
 */
bool wanted_collect(struct forward *forward, const struct addr *group, const struct held *held);
/* Do we forward to the link of a downstream port, whatever its hosts want? */
bool wanted_by_role(const struct forward *forward, unsigned int port);
/* The upstream ports that the group may leave by. */
struct port_map wanted_upstream(const struct forward *forward, const struct addr *group);
/*
 * The ports that want the source of named[i]: those in EXCLUDE mode and those that name it, less
 * those that name it to block it. Returns the index behind its entries.
 */
size_t wanted_ports(const struct wanted *wanted, size_t i, struct port_map *ports);
/* Does any port want any source? */
bool wanted_any(const struct wanted *wanted);

#endif
