// SPDX-License-Identifier: BSD-2-Clause
#include "forward/decide.h"

#include "forward/internal.h"
#include "rules/boundary.h"
#include "rules/range.h"

static const struct forward_port *port_of(const struct forward *forward, unsigned int port)
{
	static const struct forward_port absent;

	return port < ENGINE_MAX_PORTS ? &forward->ports[port] : &absent;
}

static enum forward_side side_of(const struct forward_port *info)
{
	return info->role == PORT_UPSTREAM ? FORWARD_FROM_UPSTREAM : FORWARD_FROM_DOWNSTREAM;
}

/* --- on arrival --- */

static bool is_admitted(const struct forward *forward, const struct origin *home,
			unsigned int arrival)
{
	bool home_is_upstream =
		home && side_of(port_of(forward, home->slot)) == FORWARD_FROM_UPSTREAM;
	struct origin_port at = {
		.slot = arrival,
		.upstream = side_of(port_of(forward, arrival)) == FORWARD_FROM_UPSTREAM,
	};

	return origin_admits(home, home_is_upstream, at);
}

/* In the order in which the program checks. */
static enum decide_verdict check_arrival(const struct forward *forward,
					 const struct decide_packet *packet,
					 struct decision *decision)
{
	const struct forward_port *at = port_of(forward, packet->arrival);
	enum range group = range_of_group(&packet->group);
	enum range source = range_of_source(&packet->source);

	if (!at->present || at->vlan != packet->vlan || group == RANGE_UNICAST)
		return DECIDE_PASSED;
	if (group != RANGE_ROUTED)
		return DECIDE_LINK_LOCAL_GROUP;
	if (source == RANGE_MARTIAN)
		return DECIDE_MARTIAN_SOURCE;
	if (source != RANGE_ROUTED)
		return DECIDE_LINK_LOCAL_SOURCE;
	if (packet->ttl <= 1)
		return DECIDE_TTL_EXPIRED;
	decision->boundary = boundary_stops(at->boundary, at->n_boundary, &packet->group);
	if (decision->boundary)
		return DECIDE_BOUNDARY;
	if (!is_admitted(forward, decision->home, packet->arrival))
		return DECIDE_WRONG_PORT;
	return DECIDE_FORWARDED;
}

/* --- where to --- */

/* The route that the data plane has for it: (S,G), else (*,G), else NULL. */
static const struct route *find_route(const struct forward *forward,
				      const struct decide_packet *packet)
{
	const struct group *group = forward_group(forward, &packet->group);
	const struct route *found = NULL;

	for (const struct route *r = group ? group->routes : NULL; r; r = r->next)
		if (r->in_plane && !r->gone &&
		    (addr_equal(&r->source, &any_source) ||
		     addr_equal(&r->source, &packet->source)))
			found = r;
	return found;
}

static enum decide_verdict find_ports(const struct forward *forward,
				      const struct decide_packet *packet, struct decision *decision)
{
	enum forward_side side = side_of(port_of(forward, packet->arrival));
	const struct route *route = find_route(forward, packet);

	if (route) {
		decision->way = addr_equal(&route->source, &any_source) ? DECIDE_BY_GROUP
									: DECIDE_BY_SOURCE;
		decision->out = route->out[side];
	} else if (side == FORWARD_FROM_DOWNSTREAM) {
		decision->way = DECIDE_BY_DEFAULT;
		decision->out = wanted_upstream(forward, &packet->group);
	}
	decision->by_set = port_map_count(&decision->out) > 1;
	port_map_clear(&decision->out, packet->arrival);
	if (!port_map_empty(&decision->out))
		return DECIDE_FORWARDED;
	return route ? DECIDE_NO_MEMBER : DECIDE_NO_ROUTE;
}

/* --- how --- */

static bool is_small(const struct forward *forward, uint32_t length)
{
	for (unsigned int port = 1; port < forward->end_port; port++)
		if (forward->ports[port].present && length > forward->ports[port].mtu)
			return false;
	return true;
}

/* Copies of a frame that share their bytes cannot differ in their tags. */
static bool differs_in_tags(const struct forward *forward, const uint16_t *slots, uint32_t n,
			    uint16_t vlan)
{
	for (uint32_t i = 0; i < n; i++)
		if (port_of(forward, slots[i])->present && port_of(forward, slots[i])->vlan != vlan)
			return true;
	return false;
}

/*
 * What may have to be fragmented goes by way of the daemon; in generic mode whatever is too large
 * for some port and goes to several, since a broadcast would end there at the first without room.
 */
static bool needs_daemon(const struct forward *forward, const struct decide_packet *packet,
			 bool several, const uint16_t *slots, uint32_t n)
{
	const struct forward_port *at = port_of(forward, packet->arrival);

	if (at->shares && several && differs_in_tags(forward, slots, n, at->vlan))
		return true;
	if (is_small(forward, packet->length))
		return false;
	return !packet->dont_fragment || (at->generic && several);
}

static void leave(const struct forward *forward, const struct decide_packet *packet,
		  struct decision *decision)
{
	uint16_t slots[ENGINE_MAX_PORTS];
	uint32_t n = port_map_list(&decision->out, slots);

	decision->by_daemon = needs_daemon(forward, packet, decision->by_set, slots, n);
	for (uint32_t i = 0; i < n; i++) {
		const struct forward_port *info = port_of(forward, slots[i]);
		bool large = packet->length > info->mtu;

		if (!info->present)
			continue;
		if (large && packet->dont_fragment)
			port_map_set(&decision->too_big, slots[i]);
		else if (packet->ttl - 1 < info->ttl_threshold)
			port_map_set(&decision->below_ttl, slots[i]);
		else
			port_map_set(&decision->sent, slots[i]);
		if (large && port_map_has(&decision->sent, slots[i]))
			port_map_set(&decision->fragmented, slots[i]);
	}
}

void decide_packet(const struct forward *forward, const struct decide_origins *origins,
		   const struct decide_packet *packet, struct decision *decision)
{
	*decision = (struct decision){ .home = origin_find(origins->list, origins->n,
							   &packet->source) };
	decision->verdict = check_arrival(forward, packet, decision);
	if (decision->verdict == DECIDE_FORWARDED)
		decision->verdict = find_ports(forward, packet, decision);
	if (decision->verdict == DECIDE_FORWARDED)
		leave(forward, packet, decision);
}

uint32_t decide_route(const struct forward *forward, const struct forward_route *route,
		      unsigned int arrival, uint16_t *slots)
{
	const struct forward_port *at = port_of(forward, arrival);
	enum forward_side side = at->present ? side_of(at) : FORWARD_FROM_UPSTREAM;
	uint32_t n = 0;

	for (uint32_t i = 0; i < route->out[side].n; i++)
		if (route->out[side].slots[i] != arrival)
			slots[n++] = route->out[side].slots[i];
	return n;
}

/* --- why --- */

struct lookup {
	const struct decide_packet *packet;
	unsigned int port;
	struct decide_answer *answer;
};

static bool note_listing(const struct engine_source_view *view, void *arg)
{
	const struct lookup *lookup = arg;
	int order = addr_cmp(&view->source, &lookup->packet->source);

	if (order == 0) {
		lookup->answer->is_listed = true;
		lookup->answer->listing = *view;
	}
	return order < 0; /* they are in order */
}

static bool note_membership(const struct engine_membership_view *view, void *arg)
{
	const struct lookup *lookup = arg;

	if (view->port != lookup->port)
		return true;
	lookup->answer->is_member = true;
	lookup->answer->membership = *view;
	engine_each_source(view, note_listing, arg);
	return false;
}

/* Does a route of an earlier run lead there: of this source, or for any? */
static bool is_held(const struct forward *forward, const struct decide_packet *packet,
		    unsigned int port, bool any)
{
	const struct group *group = forward_group(forward, &packet->group);
	const struct addr *source = any ? &any_source : &packet->source;

	for (const struct held *held = group ? group->held : NULL; held; held = held->next)
		if (addr_equal(&held->source, source) && port_map_has(&held->down, port))
			return true;
	return false;
}

/* What the memberships of the port say, see wanted.c. */
static enum decide_reason ask_members(const struct decide_answer *answer)
{
	if (!answer->is_member)
		return DECIDE_NOBODY;
	if (answer->is_listed)
		return answer->listing.forwarding ? DECIDE_ASKED : DECIDE_BLOCKED;
	return answer->membership.mode == FILTER_EXCLUDE ? DECIDE_ANY_SOURCE : DECIDE_OTHER_SOURCES;
}

static enum decide_reason ask_downstream(const struct forward *forward,
					 const struct decide_packet *packet, unsigned int port,
					 struct decide_answer *answer)
{
	struct lookup lookup = { packet, port, answer };
	bool forwards = wanted_by_role(forward, port);
	enum decide_reason reason = DECIDE_NOT_QUERIER;

	engine_each_of_group(forward->engine, &packet->group, note_membership, &lookup);
	if (forwards)
		reason = ask_members(answer);
	if (reason == DECIDE_ASKED || reason == DECIDE_ANY_SOURCE)
		return reason;
	/* Who refuses a source refuses it to what was forwarded for any source, too. */
	if (is_held(forward, packet, port, false) ||
	    (reason != DECIDE_BLOCKED && is_held(forward, packet, port, true)))
		return DECIDE_HELD;
	return reason;
}

static enum decide_reason ask(const struct forward *forward, const struct decide_packet *packet,
			      unsigned int port, struct decide_answer *answer)
{
	const struct forward_port *info = port_of(forward, port);
	bool from_upstream = side_of(port_of(forward, packet->arrival)) == FORWARD_FROM_UPSTREAM;

	if (!info->present)
		return DECIDE_ABSENT;
	answer->boundary = boundary_stops(info->boundary, info->n_boundary, &packet->group);
	if (answer->boundary)
		return DECIDE_BOUNDED;
	if (port == packet->arrival)
		return DECIDE_ARRIVAL;
	if (info->role != PORT_UPSTREAM)
		return ask_downstream(forward, packet, port, answer);
	return from_upstream ? DECIDE_FROM_UPSTREAM : DECIDE_UPSTREAM;
}

void decide_port(const struct forward *forward, const struct decide_packet *packet,
		 const struct decision *decision, unsigned int port, struct decide_answer *answer)
{
	*answer = (struct decide_answer){ 0 };
	answer->reason = ask(forward, packet, port, answer);
	/* An upstream of the earlier run may be none any more. */
	if (answer->reason > DECIDE_HELD && port_map_has(&forward->held_upstream, port) &&
	    port_map_has(&decision->out, port))
		answer->reason = DECIDE_HELD;
	answer->wanted = answer->reason <= DECIDE_HELD;
	answer->installed = answer->wanted == port_map_has(&decision->out, port);
	answer->sent = port_map_has(&decision->sent, port);
	answer->fragmented = port_map_has(&decision->fragmented, port);
	answer->too_big = port_map_has(&decision->too_big, port);
	answer->below_ttl = port_map_has(&decision->below_ttl, port);
}
