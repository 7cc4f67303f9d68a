/* SPDX-License-Identifier: BSD-2-Clause */
/* What the memberships of a group, and the routes held of an earlier run, ask for. */
#include <stdlib.h>

#include "forward/internal.h"
#include "rules/boundary.h"

const struct addr any_source;

static bool boundary_holds(const struct forward_port *info, const struct addr *group)
{
	return boundary_stops(info->boundary, info->n_boundary, group);
}

bool wanted_by_role(const struct forward *forward, unsigned int port)
{
	const struct forward_port *info = &forward->ports[port];
	struct engine_port_view view;

	if (info->forward_as_non_querier)
		return true;
	/* RFC 4605 section 3: only the querier of a link forwards to it. */
	return engine_port_view(forward->engine, port, &view) && view.is_querier;
}

static bool port_forwards(const struct forward *forward, unsigned int port,
			  const struct addr *group)
{
	const struct forward_port *info = &forward->ports[port];

	return info->present && info->role == PORT_DOWNSTREAM && !boundary_holds(info, group) &&
	       wanted_by_role(forward, port);
}

static bool collect_source(const struct engine_source_view *view, void *arg)
{
	struct wanted *wanted = arg;
	struct named *named;

	if (wanted->n_named == wanted->max_named) {
		size_t max = wanted->max_named ? wanted->max_named * 2 : 64;

		named = realloc(wanted->named, max * sizeof(*named));
		if (!named) {
			wanted->failed = true;
			return false;
		}
		wanted->named = named;
		wanted->max_named = max;
	}
	named = &wanted->named[wanted->n_named++];
	named->source = view->source;
	named->port = wanted->port;
	named->forwarding = view->forwarding;
	return true;
}

static bool collect_membership(const struct engine_membership_view *view, void *arg)
{
	struct forward *forward = arg;
	struct wanted *wanted = &forward->wanted;

	if (!port_forwards(forward, view->port, &view->group))
		return true;
	if (view->mode == FILTER_EXCLUDE)
		port_map_set(&wanted->star, view->port);
	wanted->port = (uint16_t)view->port;
	engine_each_source(view, collect_source, wanted);
	return !wanted->failed;
}

/* The same for what the routes of an earlier run say; the boundaries are those of today. */
static void collect_held(struct forward *forward, const struct addr *group, const struct held *held)
{
	struct wanted *wanted = &forward->wanted;
	uint16_t slots[ENGINE_MAX_PORTS];

	for (; held && !wanted->failed; held = held->next) {
		struct engine_source_view view = { .source = held->source, .forwarding = true };
		uint32_t n = port_map_list(&held->down, slots);

		for (uint32_t i = 0; i < n && !wanted->failed; i++) {
			if (boundary_holds(&forward->ports[slots[i]], group))
				continue;
			wanted->port = slots[i];
			if (addr_equal(&held->source, &any_source))
				port_map_set(&wanted->star, slots[i]);
			else
				collect_source(&view, wanted);
		}
	}
}

static int named_cmp(const void *a, const void *b)
{
	const struct named *one = a, *other = b;
	int order = addr_cmp(&one->source, &other->source);

	/* What is held outweighs what is blocked: it stands behind. */
	return order ? order : one->forwarding - other->forwarding;
}

struct port_map wanted_upstream(const struct forward *forward, const struct addr *group)
{
	struct port_map upstream = { 0 };

	for (unsigned int port = 1; port < forward->end_port; port++) {
		const struct forward_port *info = &forward->ports[port];

		if (info->present && info->role == PORT_UPSTREAM && !boundary_holds(info, group))
			port_map_set(&upstream, port);
	}
	return upstream;
}

/* The same with those of held routes. */
static struct port_map all_upstream(const struct forward *forward, const struct addr *group)
{
	struct port_map upstream = wanted_upstream(forward, group);
	uint16_t held[ENGINE_MAX_PORTS];
	uint32_t n = port_map_list(&forward->held_upstream, held);

	for (uint32_t i = 0; i < n; i++)
		if (!boundary_holds(&forward->ports[held[i]], group))
			port_map_set(&upstream, held[i]);
	return upstream;
}

bool wanted_collect(struct forward *forward, const struct addr *group, const struct held *held)
{
	struct wanted *wanted = &forward->wanted;

	memset(&wanted->star, 0, sizeof(wanted->star));
	wanted->upstream = all_upstream(forward, group);
	wanted->n_named = 0;
	wanted->failed = false;
	engine_each_of_group(forward->engine, group, collect_membership, forward);
	collect_held(forward, group, held);
	if (wanted->n_named)
		qsort(wanted->named, wanted->n_named, sizeof(*wanted->named), named_cmp);
	return !wanted->failed;
}

size_t wanted_ports(const struct wanted *wanted, size_t i, struct port_map *ports)
{
	const struct addr *source = &wanted->named[i].source;

	*ports = wanted->star;
	for (; i < wanted->n_named && addr_equal(&wanted->named[i].source, source); i++) {
		if (wanted->named[i].forwarding)
			port_map_set(ports, wanted->named[i].port);
		else
			port_map_clear(ports, wanted->named[i].port);
	}
	return i;
}

bool wanted_any(const struct wanted *wanted)
{
	struct port_map ports;

	if (!port_map_empty(&wanted->star))
		return true;
	for (size_t i = 0; i < wanted->n_named;) {
		i = wanted_ports(wanted, i, &ports);
		if (!port_map_empty(&ports))
			return true;
	}
	return false;
}
