// SPDX-License-Identifier: BSD-2-Clause
/*
 * `mcastctl explain SOURCE GROUP [INTERFACE]`: takes the same decisions as the engine, the routes
 * and the data plane, in their order, and says each in words. INTERFACE is the port to explain;
 * without it every port is.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "mcastd/daemon.h"
#include "rules/boundary.h"
#include "rules/origin.h"
#include "rules/range.h"

struct explain {
	struct daemon *daemon;
	struct addr source, group;
	char source_text[ADDR_TEXT_MAX], group_text[ADDR_TEXT_MAX];
	const struct port *arrival; /* NULL: no port for it */
	json_t *lines;
	bool forwarded;
	uint64_t now;

	/* Of the port being explained: */
	const struct port *port;
	bool member;
	bool listed;
	struct engine_membership_view membership;
	struct engine_source_view listing;
};

static void say(struct explain *explain, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void say(struct explain *explain, const char *format, ...)
{
	char line[320];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	json_array_append_new(explain->lines, json_string(line));
}

/* "4m12s left", or "for ever". */
static const char *remaining(uint64_t expires, uint64_t now, char *buf, size_t size)
{
	uint64_t s = expires > now ? (expires - now + 999) / 1000 : 0;

	if (expires == ENGINE_NEVER)
		snprintf(buf, size, "for ever");
	else if (s >= 60)
		snprintf(buf, size, "%llum%llus left", (unsigned long long)s / 60,
			 (unsigned long long)s % 60);
	else
		snprintf(buf, size, "%llus left", (unsigned long long)s);
	return buf;
}

/* --- what no port forwards --- */

static bool explain_group_range(struct explain *explain)
{
	switch (range_of_group(&explain->group)) {
	case RANGE_ROUTED:
		return false;
	case RANGE_LINK_LOCAL:
		say(explain, "%s is of 224.0.0.0/24: it stays on its link, whoever joins",
		    explain->group_text);
		return true;
	case RANGE_RESERVED:
		say(explain, "%s is reserved: nothing may be sent there (RFC 4607 section 4.3)",
		    explain->group_text);
		return true;
	case RANGE_UNICAST:
	case RANGE_MARTIAN:
		break;
	}
	say(explain, "%s is not a multicast address (224.0.0.0/4)", explain->group_text);
	return true;
}

static bool explain_source_range(struct explain *explain)
{
	enum range range = range_of_source(&explain->source);

	if (range == RANGE_LINK_LOCAL)
		say(explain, "source %s is link-local (169.254.0.0/16): it stays on its link",
		    explain->source_text);
	else if (range != RANGE_ROUTED)
		say(explain, "%s cannot be the source of a packet: dropped as a martian",
		    explain->source_text);
	return range != RANGE_ROUTED;
}

static bool never_forwarded(struct explain *explain)
{
	return explain_group_range(explain) || explain_source_range(explain);
}

/* --- where it arrives --- */

static bool is_upstream(const struct port *port)
{
	return port && port->config->port.role == PORT_UPSTREAM;
}

static const struct port *find_upstream(const struct daemon *daemon)
{
	for (unsigned int slot = 1; slot < MCASTD_MAX_PORTS; slot++)
		if (is_upstream(daemon->ports[slot]) && daemon->ports[slot]->open)
			return daemon->ports[slot];
	return NULL;
}

static bool has_altnet(const struct port *port, const struct prefix *prefix)
{
	for (size_t i = 0; i < port->config->n_altnet; i++)
		if (port->config->altnet[i].len == prefix->len &&
		    prefix_contains(prefix, &port->config->altnet[i].addr))
			return true;
	return false;
}

static bool has_subnet(const struct port *port, const struct prefix *prefix)
{
	const struct netlink_link *link = netlink_find_index(port->daemon->netlink, port->ifindex);

	for (size_t i = 0; link && i < link->n_addresses; i++) {
		struct addr own = addr_from_v4(link->addresses[i].v4);

		if (96u + link->addresses[i].prefix_len == prefix->len &&
		    prefix_contains(prefix, &own))
			return true;
	}
	return false;
}

/* Says which ports share a prefix, and returns the first of them. */
static const struct port *explain_shared(struct explain *explain, const struct prefix *prefix)
{
	const struct port *first = NULL;
	char names[200] = "", text[PREFIX_TEXT_MAX];
	size_t len = 0;

	for (unsigned int slot = 1; slot < MCASTD_MAX_PORTS && len < sizeof(names); slot++) {
		const struct port *port = explain->daemon->ports[slot];

		if (!port || !port->open ||
		    (!has_altnet(port, prefix) && !has_subnet(port, prefix)))
			continue;
		len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", first ? ", " : "",
					port->name);
		if (!first)
			first = port;
	}
	say(explain, "%s lives behind several ports, which share %s: %s; any port takes it",
	    explain->source_text, prefix_format(prefix, text, sizeof(text)), names);
	return first;
}

/* Says where the source lives, and returns the port on which it is expected, NULL: on none. */
static const struct port *explain_home(struct explain *explain, const struct origin *home)
{
	const struct port *upstream = find_upstream(explain->daemon), *port = NULL;

	if (home && home->slot == ORIGIN_SHARED)
		return explain_shared(explain, &home->prefix);
	if (home)
		port = explain->daemon->ports[home->slot];
	if (port && !is_upstream(port)) {
		say(explain, "%s lives behind downstream %s", explain->source_text, port->name);
		return port;
	}
	if (upstream)
		say(explain, "%s is of no downstream link: it is expected on %s",
		    explain->source_text, upstream->name);
	return upstream;
}

static void say_altnet(struct explain *explain, const struct port *port)
{
	say(explain, "if %s lives behind %s, add to its section: altnet = { \"%s/32\" }",
	    explain->source_text, port->name, explain->source_text);
}

/* The checks of the port of arrival. False: it is dropped there. */
static bool explain_arrival(struct explain *explain, const struct port *given)
{
	uint32_t n;
	const struct origin *origins = dataplane_origins(explain->daemon->dataplane, &n);
	const struct origin *home = origin_find(origins, n, &explain->source);
	const struct port *expected = explain_home(explain, home);
	const struct port *arrival = given ? given : expected;
	const struct prefix *boundary;
	char text[PREFIX_TEXT_MAX];

	explain->arrival = arrival;
	if (!arrival) {
		say(explain,
		    "%s is of no port's subnets, and there is no upstream to expect it on: dropped "
		    "wherever it arrives; if it lives behind a port, add to its section: altnet = "
		    "{ \"%s/32\" }",
		    explain->source_text, explain->source_text);
		return false;
	}
	if (!origin_admits(home, home && is_upstream(explain->daemon->ports[home->slot]),
			   (struct origin_port){ arrival->slot, is_upstream(arrival) })) {
		say(explain, "%s: dropped on arrival (wrong-port): it would be spoofed, or a loop",
		    arrival->name);
		if (!is_upstream(arrival))
			say_altnet(explain, arrival);
		return false;
	}
	boundary = boundary_stops(arrival->config->port.boundary, arrival->config->port.n_boundary,
				  &explain->group);
	if (boundary)
		say(explain, "%s: dropped on arrival: its boundary \"%s\" keeps the group out",
		    arrival->name, prefix_format(boundary, text, sizeof(text)));
	return !boundary;
}

/* --- one port --- */

static bool note_listing(const struct engine_source_view *view, void *arg)
{
	struct explain *explain = arg;

	if (!addr_equal(&view->source, &explain->source))
		return true;
	explain->listed = true;
	explain->listing = *view;
	return false;
}

static bool note_membership(const struct engine_membership_view *view, void *arg)
{
	struct explain *explain = arg;

	if (view->port != explain->port->slot)
		return true;
	explain->member = true;
	explain->membership = *view;
	engine_each_source(view, note_listing, explain);
	return false;
}

/* Nobody has joined: what could be the reason? */
static void explain_no_member(struct explain *explain)
{
	const struct port_config *config = &explain->port->config->port;
	const struct policy_rule *rule = policy_denies(&config->group_policy, &explain->group);
	const char *name = explain->port->name;
	char text[PREFIX_TEXT_MAX];

	if (rule)
		say(explain, "%s: no: its group-policy has \"deny %s\"", name,
		    prefix_format(&rule->prefix, text, sizeof(text)));
	else if (range_is_ssm(config->ssm_range, config->n_ssm_range, &explain->group))
		say(explain,
		    "%s: no: nobody there has joined %s; it is source-specific, so joins must name "
		    "the source and use IGMPv3",
		    name, explain->group_text);
	else
		say(explain, "%s: no: nobody there has joined %s", name, explain->group_text);
}

/* A policy that keeps hosts from asking for this source by name. */
static void explain_source_policy(struct explain *explain)
{
	const struct policy_rule *rule =
		policy_denies(&explain->port->config->port.source_policy, &explain->source);
	char text[PREFIX_TEXT_MAX];

	if (rule)
		say(explain,
		    "%s: its source-policy has \"deny %s\": no host there can ask for %s by name",
		    explain->port->name, prefix_format(&rule->prefix, text, sizeof(text)),
		    explain->source_text);
}

static void explain_member(struct explain *explain)
{
	const struct engine_membership_view *member = &explain->membership;
	bool exclude = member->mode == FILTER_EXCLUDE;
	const char *name = explain->port->name;
	char host[ADDR_TEXT_MAX] = "the configuration", left[48];

	if (!member->is_static)
		addr_format(&member->last_reporter, host, sizeof(host));
	if (explain->listed && explain->listing.forwarding)
		say(explain, "%s: yes: %s asked for %s from %s, %s", name, host,
		    explain->group_text, explain->source_text,
		    remaining(explain->listing.expires, explain->now, left, sizeof(left)));
	else if (explain->listed)
		say(explain, "%s: no: its hosts joined %s but every one of them blocks %s (%s)",
		    name, explain->group_text, explain->source_text,
		    remaining(member->expires, explain->now, left, sizeof(left)));
	else if (exclude)
		say(explain, "%s: yes: %s joined %s from any source (IGMPv%u), %s", name, host,
		    explain->group_text, member->host_version,
		    remaining(member->expires, explain->now, left, sizeof(left)));
	else
		say(explain, "%s: no: its hosts joined %s from %u other source(s) only", name,
		    explain->group_text, member->n_sources);
	if (explain->listed ? explain->listing.forwarding : exclude)
		explain->forwarded = true;
}

static void explain_downstream(struct explain *explain)
{
	const struct config_interface *config = explain->port->config;
	const char *name = explain->port->name;
	struct engine_port_view view = { 0 };
	char text[ADDR_TEXT_MAX];

	engine_port_view(explain->daemon->engine, explain->port->slot, &view);
	if (explain->now < view.held_until)
		say(explain,
		    "%s: IGMP was lost there (igmp-limited): joins may be missing, and none ends "
		    "before hosts have been asked again (%s)",
		    name, remaining(view.held_until, explain->now, text, sizeof(text)));
	explain->member = explain->listed = false;
	engine_each_of_group(explain->daemon->engine, &explain->group, note_membership, explain);
	if (!view.is_querier && !config->forward_as_non_querier) {
		if (addr_is_unspecified(&view.querier))
			say(explain, "%s: no: we are not its querier yet (no address?)", name);
		else
			say(explain,
			    "%s: no: %s is the querier of this link and forwards to it; set "
			    "forward-as-non-querier to forward all the same",
			    name, addr_format(&view.querier, text, sizeof(text)));
	} else {
		if (explain->member)
			explain_member(explain);
		else
			explain_no_member(explain);
		explain_source_policy(explain);
	}
}

/* What is to go there and does not. */
static void explain_unsent(struct explain *explain, struct port *port)
{
	struct mcastd_port_stats stats;

	if (!port->open || port == explain->arrival || port_stats(port, &stats))
		return;
	if (port->audit.silent_note[0])
		say(explain, "%s: %s", port->name, port->audit.silent_note);
	if (stats.out_too_big)
		say(explain,
		    "%s: %llu packets of any group were larger than its MTU of %u with DF set, and "
		    "not sent there",
		    port->name, (unsigned long long)stats.out_too_big, port->applied.mtu);
	if (stats.out_refused)
		say(explain, "%s: %llu packets of any group were not taken by its driver",
		    port->name, (unsigned long long)stats.out_refused);
}

static void explain_port(struct explain *explain, struct port *port)
{
	const struct config_interface *config = port->config;
	const struct prefix *boundary =
		boundary_stops(config->port.boundary, config->port.n_boundary, &explain->group);
	char text[PREFIX_TEXT_MAX];

	explain->port = port;
	if (port->state != PORT_UP) {
		say(explain, "%s: no: the port is %s: %s", port->name, port_state_name(port->state),
		    port->note);
	} else if (boundary) {
		say(explain, "%s: no: its boundary \"%s\" keeps the group in and out", port->name,
		    prefix_format(boundary, text, sizeof(text)));
	} else if (port == explain->arrival) {
		say(explain, "%s: no: it arrives there, and is never sent back", port->name);
	} else if (config->port.role == PORT_UPSTREAM) {
		say(explain, "%s: yes: data from a downstream always goes to the upstream",
		    port->name);
		explain->forwarded = true;
	} else {
		explain_downstream(explain);
	}
	explain_unsent(explain, port);
	if (port != explain->arrival && config->ttl_threshold > 1)
		say(explain, "%s: packets with a TTL of %u or less are not sent there", port->name,
		    config->ttl_threshold);
}

/* --- what has been seen --- */

static void explain_traffic(struct explain *explain)
{
	static const struct addr any;
	struct mcastd_route_stats stats;
	struct dataplane *dataplane = explain->daemon->dataplane;
	const char *of = "this source and group";

	if (dataplane_route_stats(dataplane, &explain->group, &explain->source, &stats) != 0) {
		of = "this group from any source";
		if (dataplane_route_stats(dataplane, &explain->group, &any, &stats) != 0) {
			say(explain, "there is no route for it");
			return;
		}
	}
	if (stats.packets)
		say(explain, "%llu packets of %s were forwarded", (unsigned long long)stats.packets,
		    of);
	else
		say(explain, "the route is there, but no packet of %s has arrived", of);
}

static bool note_unwanted(const struct mcastd_unwanted_key *key,
			  const struct mcastd_unwanted *value, void *arg)
{
	struct explain *explain = arg;
	struct addr source = addr_from_v4(key->source), group = addr_from_v4(key->group);
	const struct port *port =
		key->slot < MCASTD_MAX_PORTS ? explain->daemon->ports[key->slot] : NULL;
	bool wrong_port = value->verdict == MCASTD_WRONG_PORT;

	if (!port || !addr_equal(&source, &explain->source) || !addr_equal(&group, &explain->group))
		return true;
	say(explain, "%llu packets of it arrived on %s %s", (unsigned long long)value->packets,
	    port->name,
	    wrong_port ? "and were dropped (wrong-port)" : "when it had no route there");
	if (wrong_port && port->config->port.role == PORT_DOWNSTREAM)
		say_altnet(explain, port);
	return true;
}

static void explain_local(struct explain *explain)
{
	const struct port *port = local_joined_on(explain->daemon, &explain->group);

	if (port && explain->forwarded)
		say(explain,
		    "this host: no: a program here has joined it on %s, but what XDP forwards does "
		    "not reach the host itself",
		    port->name);
}

static void explain_all(struct explain *explain, const struct port *arrival)
{
	if (never_forwarded(explain))
		return;
	if (explain_arrival(explain, arrival)) {
		for (unsigned int slot = 1; slot < MCASTD_MAX_PORTS; slot++)
			if (explain->daemon->ports[slot])
				explain_port(explain, explain->daemon->ports[slot]);
		explain_local(explain);
		explain_traffic(explain);
	}
	dataplane_each_unwanted(explain->daemon->dataplane, note_unwanted, explain);
}

json_t *explain_request(struct daemon *daemon, int argc, const char *const *argv)
{
	struct explain explain = { .daemon = daemon, .now = loop_now(daemon->loop) };
	const struct port *arrival = NULL;

	if (addr_parse(argv[1], &explain.source))
		return server_error(EX_USAGE, "%s is not an address", argv[1]);
	if (addr_parse(argv[2], &explain.group))
		return server_error(EX_USAGE, "%s is not an address", argv[2]);
	if (argc > 3) {
		arrival = port_find(daemon, argv[3]);
		if (!arrival)
			return server_error(EX_USAGE, "%s is not an interface of mcastd", argv[3]);
	}
	addr_format(&explain.source, explain.source_text, sizeof(explain.source_text));
	addr_format(&explain.group, explain.group_text, sizeof(explain.group_text));
	explain.lines = json_array();
	explain_all(&explain, arrival);
	return json_pack("{s:o, s:b}", "explanation", explain.lines, "forwarded",
			 explain.forwarded);
}
