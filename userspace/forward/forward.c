// SPDX-License-Identifier: BSD-2-Clause
/*
 * Routes from memberships.
 *
 * A group has a (*,G) route to the ports whose filter mode is EXCLUDE, and a (S,G) route for each
 * source that goes to other ports than that. Whenever there is a (S,G) route there is a (*,G) route
 * too, so that the data plane need look no further than the group for all other sources. It is
 * added first and removed last.
 *
 * What is wanted is computed anew from the engine for one group at a time, and walked side by side
 * with what was applied before; both are in the order of the source addresses.
 */
#include <errno.h>
#include <stdlib.h>

#include "forward/internal.h"

/* While the maps are full, more than so many attempts in a row would only take time. */
#define RETRY_FAILURES 1000

/* --- routes and the data plane --- */

/* Fills *view; the slot lists are kept in `slots`. */
static void route_view(const struct route *route, struct forward_route *view,
		       uint16_t slots[FORWARD_SIDES][ENGINE_MAX_PORTS])
{
	view->group = route->group->addr;
	view->source = route->source;
	for (int side = 0; side < FORWARD_SIDES; side++) {
		view->out[side].slots = slots[side];
		view->out[side].n = port_map_list(&route->out[side], slots[side]);
	}
}

/* Brings one route into the data plane, or out of it. Returns true when that is done. */
static bool route_apply(struct forward *forward, struct route *route)
{
	uint16_t slots[FORWARD_SIDES][ENGINE_MAX_PORTS];
	struct forward_route view;
	bool was_open = !route->applied;
	int err;

	if (route->gone) {
		err = forward->ops->route_del(forward->ctx, &route->group->addr, &route->source);
	} else {
		route_view(route, &view, slots);
		err = forward->ops->route_set(forward->ctx, &view);
	}
	if (route->gone && err == -ENOENT) /* it never got there */
		err = 0;
	route->applied = err == 0;
	route->in_plane |= err == 0;
	if (err)
		forward->error = err;
	if (was_open && route->applied)
		forward->n_open--;
	else if (!was_open && !route->applied)
		forward->n_open++;
	return route->applied;
}

static struct route *route_insert(struct forward *forward, struct group *group, struct route **at,
				  const struct addr *source)
{
	struct route *route = calloc(1, sizeof(*route));

	if (!route) {
		forward->stale = true;
		return NULL;
	}
	route->source = *source;
	route->group = group;
	route->next = *at;
	*at = route;
	forward->n_open++;
	forward->n_routes++;
	return route;
}

/* Wants the route to have these ports. New routes and changed ones are applied at once. */
static void route_want(struct forward *forward, struct route *route, const struct port_map *down)
{
	struct port_map both = port_map_union(down, &forward->wanted.upstream);
	struct port_map before[FORWARD_SIDES];

	/* Nothing goes back: what comes from the one downstream there is can leave it out. */
	if (forward->only_downstream)
		port_map_clear(&both, forward->only_downstream);

	if (route->applied && !route->gone &&
	    port_map_equal(&route->out[FORWARD_FROM_UPSTREAM], down) &&
	    port_map_equal(&route->out[FORWARD_FROM_DOWNSTREAM], &both))
		return;
	route->gone = false;
	memcpy(before, route->out, sizeof(before));
	route->out[FORWARD_FROM_UPSTREAM] = *down;
	route->out[FORWARD_FROM_DOWNSTREAM] = both;
	/* The data plane goes on with the old ports; the new are computed again for each attempt.
	 */
	if (!route_apply(forward, route) && route->in_plane)
		memcpy(route->out, before, sizeof(before));
}

/* Wants the route gone. Returns true when that has been done, and *at is the next one. */
static bool route_unwant(struct forward *forward, struct route **at)
{
	struct route *route = *at;

	route->gone = true;
	if (!route_apply(forward, route))
		return false;
	*at = route->next;
	forward->n_routes--;
	free(route);
	return true;
}

/* --- groups --- */

struct group *forward_group(const struct forward *forward, const struct addr *addr)
{
	struct table_node *node = table_first(&forward->groups, engine_hash(forward->engine, addr));

	for (; node; node = table_next(node)) {
		struct group *group = table_entry(node, struct group, node);

		if (addr_equal(&group->addr, addr))
			return group;
	}
	return NULL;
}

static struct group *group_get(struct forward *forward, const struct addr *addr)
{
	struct group *group = forward_group(forward, addr);

	if (group)
		return group;
	group = calloc(1, sizeof(*group));
	if (!group) {
		forward->stale = true;
		return NULL;
	}
	group->addr = *addr;
	group->node.hash = engine_hash(forward->engine, addr);
	if (table_insert(&forward->groups, &group->node)) {
		forward->stale = true;
		free(group);
		return NULL;
	}
	return group;
}

static void group_drop_if_empty(struct forward *forward, struct group *group)
{
	if (group->routes || group->held)
		return;
	table_remove(&forward->groups, &group->node);
	free(group);
}

/* Makes *at the route of this source, which belongs there; NULL when memory ran out. */
static struct route *route_get(struct forward *forward, struct group *group, struct route **at,
			       const struct addr *source)
{
	if (*at && addr_equal(&(*at)->source, source))
		return *at;
	return route_insert(forward, group, at, source);
}

/* Removes the routes of sources before this one, or all; returns where the first of the rest is. */
static struct route **unwant_before(struct forward *forward, struct route **at,
				    const struct addr *source)
{
	while (*at && (!source || addr_cmp(&(*at)->source, source) < 0)) {
		if (!route_unwant(forward, at))
			at = &(*at)->next;
	}
	return at;
}

/* Walks the named sources and the routes of the group, both in the order of the sources. */
static void update_sources(struct forward *forward, struct group *group)
{
	const struct wanted *wanted = &forward->wanted;
	struct route **at = &group->routes->next;
	struct port_map ports;
	struct route *route;

	for (size_t i = 0; i < wanted->n_named;) {
		const struct addr *source = &wanted->named[i].source;

		i = wanted_ports(wanted, i, &ports);
		if (port_map_equal(&ports, &wanted->star))
			continue;
		at = unwant_before(forward, at, source);
		route = route_get(forward, group, at, source);
		if (!route)
			return;
		route_want(forward, route, &ports);
		at = &route->next;
	}
	unwant_before(forward, at, NULL);
}

void forward_update_group(struct forward *forward, const struct addr *addr)
{
	struct group *group = forward_group(forward, addr);
	struct route *star;
	bool wanted;

	if (!wanted_collect(forward, addr, group ? group->held : NULL)) {
		forward->stale = true;
		return;
	}
	wanted = wanted_any(&forward->wanted);
	if (wanted)
		group = group_get(forward, addr);
	if (!group)
		return;
	if (wanted) {
		star = route_get(forward, group, &group->routes, &any_source);
		if (star) {
			route_want(forward, star, &forward->wanted.star);
			update_sources(forward, group);
		}
	} else if (group->routes) {
		unwant_before(forward, &group->routes->next, NULL);
		if (!group->routes->next)
			route_unwant(forward, &group->routes);
	}
	group_drop_if_empty(forward, group);
}

static bool update_membership(const struct engine_membership_view *view, void *arg)
{
	struct forward *forward = arg;
	struct group *group = forward_group(forward, &view->group);

	if (group && group->round == forward->round)
		return true;
	forward_update_group(forward, &view->group);
	group = forward_group(forward, &view->group);
	if (group)
		group->round = forward->round;
	return true;
}

void forward_update_port(struct forward *forward, unsigned int port)
{
	forward->round++;
	engine_each_membership(forward->engine, port, update_membership, forward);
}

/* The group at hand may go, the next one is taken first: see table_walk(). */
static struct group *next_group(const struct forward *forward, uint32_t *bucket,
				const struct group *group)
{
	struct table_node *node = table_walk(&forward->groups, bucket, group ? &group->node : NULL);

	return node ? table_entry(node, struct group, node) : NULL;
}

void forward_update_all(struct forward *forward)
{
	uint32_t bucket = TABLE_START;
	struct group *group = next_group(forward, &bucket, NULL), *next;

	forward->stale = false;
	forward->round++;
	for (; group; group = next) {
		struct addr addr = group->addr;

		next = next_group(forward, &bucket, group);
		group->round = forward->round;
		forward_update_group(forward, &addr);
	}
	/* Groups that have no route yet. Every port: 0. */
	engine_each_membership(forward->engine, 0, update_membership, forward);
}

static bool group_is_open(const struct group *group)
{
	for (const struct route *route = group->routes; route; route = route->next)
		if (!route->applied)
			return true;
	return false;
}

/* Goes on as long as something succeeds, the next time where it has stopped. */
static void retry_open(struct forward *forward)
{
	unsigned int failures = 0;

	for (int part = 0; part < 2; part++) {
		struct group *group = next_group(forward, &forward->retry_bucket, NULL), *next;

		for (; group; group = next) {
			struct addr addr = group->addr;
			size_t before = forward->n_open;

			if (!forward->n_open || failures == RETRY_FAILURES)
				return;
			next = next_group(forward, &forward->retry_bucket, group);
			if (!group_is_open(group))
				continue;
			forward_update_group(forward, &addr);
			failures = forward->n_open < before ? 0 : failures + 1;
		}
		forward->retry_bucket = TABLE_START;
	}
}

size_t forward_retry(struct forward *forward, int *error)
{
	if (forward->stale)
		forward_update_all(forward);
	else if (forward->n_open)
		retry_open(forward);
	*error = forward->stale ? -ENOMEM : forward->error;
	return forward->n_open + forward->stale;
}

int forward_hold(struct forward *forward, const struct forward_route *route)
{
	struct group *group = group_get(forward, &route->group);
	struct held *held = group ? calloc(1, sizeof(*held)) : NULL;
	struct port_map *upstream = &forward->held_upstream;

	if (!held)
		return -ENOMEM;
	held->source = route->source;
	for (uint32_t i = 0; i < route->out[FORWARD_FROM_UPSTREAM].n; i++)
		port_map_set(&held->down, route->out[FORWARD_FROM_UPSTREAM].slots[i]);
	for (uint32_t i = 0; i < route->out[FORWARD_FROM_DOWNSTREAM].n; i++) {
		unsigned int slot = route->out[FORWARD_FROM_DOWNSTREAM].slots[i];

		if (!port_map_has(&held->down, slot))
			port_map_set(upstream, slot);
	}
	held->next = group->held;
	group->held = held;
	return 0;
}

static void free_held(struct group *group)
{
	for (struct held *held = group->held, *next; held; held = next) {
		next = held->next;
		free(held);
	}
	group->held = NULL;
}

void forward_release(struct forward *forward)
{
	uint32_t bucket = TABLE_START;

	for (struct group *group = NULL; (group = next_group(forward, &bucket, group));)
		free_held(group);
	memset(&forward->held_upstream, 0, sizeof(forward->held_upstream));
	forward_update_all(forward);
}

void forward_port_set(struct forward *forward, unsigned int port, const struct forward_port *info)
{
	unsigned int n = 0;

	forward->ports[port] = *info;
	if (port >= forward->end_port)
		forward->end_port = port + 1;
	forward->only_downstream = 0;
	for (unsigned int i = 1; i < forward->end_port; i++) {
		if (!forward->ports[i].present || forward->ports[i].role != PORT_DOWNSTREAM)
			continue;
		forward->only_downstream = n++ ? 0 : i;
	}
}

void forward_each_route(const struct forward *forward, forward_route_fn fn, void *arg)
{
	uint16_t slots[FORWARD_SIDES][ENGINE_MAX_PORTS];
	uint32_t bucket = TABLE_START;
	struct forward_route view;

	for (struct group *group = NULL; (group = next_group(forward, &bucket, group));) {
		for (const struct route *r = group->routes; r; r = r->next) {
			route_view(r, &view, slots);
			if (!r->gone && !fn(&view, r->applied, arg))
				return;
		}
	}
}

size_t forward_n_routes(const struct forward *forward)
{
	return forward->n_routes;
}

struct forward *forward_new(const struct engine *engine, const struct forward_ops *ops, void *ctx)
{
	struct forward *forward = calloc(1, sizeof(*forward));

	if (!forward)
		return NULL;
	forward->engine = engine;
	forward->ops = ops;
	forward->ctx = ctx;
	forward->retry_bucket = TABLE_START;
	return forward;
}

static void group_free(struct group *group)
{
	for (struct route *route = group->routes, *next; route; route = next) {
		next = route->next;
		free(route);
	}
	free_held(group);
	free(group);
}

void forward_free(struct forward *forward)
{
	uint32_t bucket = TABLE_START;
	struct group *group, *next;

	if (!forward)
		return;
	for (group = next_group(forward, &bucket, NULL); group; group = next) {
		next = next_group(forward, &bucket, group);
		group_free(group);
	}
	table_fini(&forward->groups);
	free(forward->wanted.named);
	free(forward);
}
