/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From memberships to routes: which ports each (S,G) and (*,G) goes to, RFC 4605 section 4.2 and
 * RFC 9776 section 6.3, and the difference to what was applied before. Pure, like the engine.
 */
#ifndef FORWARD_FORWARD_H
#define FORWARD_FORWARD_H

#include "membership/engine.h"

/* Which side of the router a packet arrives on; the numbers are those of the data plane. */
enum forward_side {
	FORWARD_FROM_UPSTREAM,
	FORWARD_FROM_DOWNSTREAM,
	FORWARD_SIDES,
};

/* A set of ports in ascending order without repetition. */
struct forward_ports {
	const uint16_t *slots;
	uint32_t n;
};

/* A (S,G) route, or with an unspecified source a (*,G) route for the sources that no (S,G) names.
 */
struct forward_route {
	struct addr group;
	struct addr source;
	struct forward_ports
		out[FORWARD_SIDES]; /* the port of arrival is left out when forwarding */
};

/* How differences leave. Both return 0 or -errno; a failed one is kept and tried again. */
struct forward_ops {
	/* Adds the route or gives it other ports; a packet meets the old ports or the new, whole.
	 */
	int (*route_set)(void *ctx, const struct forward_route *route);
	int (*route_del)(void *ctx, const struct addr *group, const struct addr *source);
};

struct forward_port {
	bool present;
	enum port_role role;
	bool forward_as_non_querier;
	const struct prefix *boundary; /* of rules/boundary.h; borrowed until it is set again */
	uint32_t n_boundary;
	/* For decisions (decide.h); no route depends on these. */
	uint8_t ttl_threshold;
	uint32_t mtu; /* bytes of IP packet that fit */
	uint16_t vlan;
	bool generic; /* the program runs in generic mode on it, ... */
	bool shares;  /* ... where copies share their bytes */
};

struct forward;

/* ops and ctx must outlive it. Returns NULL when memory ran out. */
struct forward *forward_new(const struct engine *engine, const struct forward_ops *ops, void *ctx);
void forward_free(struct forward *forward);
/* Tells about a port; the caller then calls forward_update_all(). */
void forward_port_set(struct forward *forward, unsigned int port, const struct forward_port *info);
/*
 * A route that an earlier run has left in the data plane: its ports stay wanted, beside those that
 * memberships ask for, until forward_release(). To be called before anything is updated. Returns 0
 * or -ENOMEM.
 */
int forward_hold(struct forward *forward, const struct forward_route *route);
/* Hosts have had their time to report: what is held is forgotten, all routes are computed anew. */
void forward_release(struct forward *forward);
/* Recomputes the routes of one group and applies what differs. */
void forward_update_group(struct forward *forward, const struct addr *group);
/* The same for every group that has a membership or a route. */
void forward_update_all(struct forward *forward);
/* The same for the groups of one port: its querier role changed. */
void forward_update_port(struct forward *forward, unsigned int port);
/*
 * Tries the differences again that could not be applied; returns how many are still open, and why
 * the last of them is.
 */
size_t forward_retry(struct forward *forward, int *error);

/* applied: the data plane has it as it shall be; otherwise with these ports, or not at all. */
typedef bool (*forward_route_fn)(const struct forward_route *route, bool applied, void *arg);
/* In no particular order, until fn returns false. */
void forward_each_route(const struct forward *forward, forward_route_fn fn, void *arg);
/* How many there are, with those that are still to be taken back. */
size_t forward_n_routes(const struct forward *forward);

#endif
