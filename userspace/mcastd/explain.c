// SPDX-License-Identifier: BSD-2-Clause
/*
 * `mcastctl explain SOURCE GROUP [INTERFACE]`: what becomes of such a packet and why, as
 * forward/decide.h has decided, each step in words. INTERFACE is where it arrives; without it,
 * where it is expected to.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "mcastd/daemon.h"
#include "rules/policy.h"
#include "rules/range.h"

struct explain {
	struct daemon *daemon;
	struct addr source, group;
	char source_text[ADDR_TEXT_MAX], group_text[ADDR_TEXT_MAX];
	json_t *lines;
	uint64_t now;
	bool forwarded;

	/* Where it arrives. */
	struct port *arrival; /* NULL: no port for it */
	struct decide_packet packet;
	struct decision decision;

	/* Of the port being explained. */
	struct port *port;
	struct decide_answer answer;
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

/* What programs on the router send arrives nowhere. */
static bool explain_own(struct explain *explain)
{
	for (unsigned int slot = 1; slot < MCASTD_MAX_PORTS; slot++) {
		const struct port *port = explain->daemon->ports[slot];

		if (!port || !engine_is_own(explain->daemon->engine, slot, &explain->source))
			continue;
		say(explain,
		    "the sender is this router itself: %s is its address on %s; what its programs "
		    "send leaves by one interface and does not pass XDP, so it is forwarded to no "
		    "other; send from another host, or by each interface",
		    explain->source_text, port->name);
		return true;
	}
	return false;
}

/* True: whatever comes of it is forwarded nowhere, by whichever port. */
static bool never_forwarded(struct explain *explain)
{
	return explain_group_range(explain) || explain_source_range(explain) ||
	       explain_own(explain);
}

/* --- where it arrives --- */

static bool is_upstream(const struct port *port)
{
	return port && port->config->port.role == PORT_UPSTREAM;
}

static struct port *find_upstream(const struct daemon *daemon)
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
static struct port *explain_shared(struct explain *explain, const struct prefix *prefix)
{
	struct port *first = NULL;
	char names[200] = "", text[PREFIX_TEXT_MAX];
	size_t len = 0;

	for (unsigned int slot = 1; slot < MCASTD_MAX_PORTS && len < sizeof(names); slot++) {
		struct port *port = explain->daemon->ports[slot];

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
static struct port *explain_home(struct explain *explain, const struct origin *home)
{
	struct port *upstream = find_upstream(explain->daemon), *port = NULL;

	if (home && home->slot == ORIGIN_SELF) {
		say(explain, "%s is an address of the router: dropped wherever it arrives",
		    explain->source_text);
		return NULL;
	}
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
	else
		say(explain,
		    "%s is of no port's subnets, and there is no upstream to expect it on: dropped "
		    "wherever it arrives; if it lives behind a port, add to its section: altnet = "
		    "{ \"%s/32\" }",
		    explain->source_text, explain->source_text);
	return upstream;
}

static void say_altnet(struct explain *explain, const struct port *port)
{
	say(explain, "if %s lives behind %s, add to its section: altnet = { \"%s/32\" }",
	    explain->source_text, port->name, explain->source_text);
}

static bool may_live_behind(const struct explain *explain, const struct port *port)
{
	return !is_upstream(port) && !is_own_source(explain->daemon, &explain->source);
}

/* Why it goes no further than the port of arrival. False: it does. */
static bool explain_refusal(struct explain *explain)
{
	const struct port *arrival = explain->arrival;
	char text[PREFIX_TEXT_MAX];

	switch (explain->decision.verdict) {
	case DECIDE_PASSED:
		say(explain, "%s: nothing arrives there for mcastd: the port is %s: %s",
		    arrival->name, port_state_name(arrival->state), arrival->note);
		return true;
	case DECIDE_BOUNDARY:
		say(explain, "%s: dropped on arrival: its boundary \"%s\" keeps the group out",
		    arrival->name, prefix_format(explain->decision.boundary, text, sizeof(text)));
		return true;
	case DECIDE_WRONG_PORT:
		say(explain, "%s: dropped on arrival (wrong-port): it would be spoofed, or a loop",
		    arrival->name);
		if (may_live_behind(explain, arrival))
			say_altnet(explain, arrival);
		return true;
	default:
		return false;
	}
}

/* Decides on a packet that every port has room for, with a TTL that none refuses. */
static void decide_on(struct explain *explain, struct port *arrival)
{
	explain->arrival = arrival;
	explain->packet = (struct decide_packet){
		.source = explain->source,
		.group = explain->group,
		.arrival = arrival ? arrival->slot : 0,
		.vlan = arrival ? (uint16_t)arrival->applied.vlan : 0,
		.ttl = UINT8_MAX,
	};
	decide(explain->daemon, &explain->packet, &explain->decision);
}

/* False: it goes no further. */
static bool explain_arrival(struct explain *explain, struct port *given)
{
	struct port *expected;

	decide_on(explain, given);
	expected = explain_home(explain, explain->decision.home);
	if (!given && !expected)
		return false;
	decide_on(explain, given ? given : expected);
	return !explain_refusal(explain);
}

/* --- one port --- */

/* Nobody has joined: what could be the reason? */
static void explain_nobody(struct explain *explain)
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

/* "10.0.1.10", or what takes the place of a host. */
static const char *reporter(const struct explain *explain, char *text)
{
	const struct engine_membership_view *member = &explain->answer.membership;

	return member->is_static ? "the configuration"
				 : addr_format(&member->last_reporter, text, ADDR_TEXT_MAX);
}

static void explain_not_querier(struct explain *explain)
{
	struct engine_port_view view = { 0 };
	char text[ADDR_TEXT_MAX];

	engine_port_view(explain->daemon->engine, explain->port->slot, &view);
	if (addr_is_unspecified(&view.querier))
		say(explain, "%s: no: we are not its querier yet (no address?)",
		    explain->port->name);
	else
		say(explain,
		    "%s: no: %s is the querier of this link and forwards to it; set "
		    "forward-as-non-querier to forward all the same",
		    explain->port->name, addr_format(&view.querier, text, sizeof(text)));
}

static void explain_reason(struct explain *explain)
{
	const struct decide_answer *answer = &explain->answer;
	const struct engine_membership_view *member = &answer->membership;
	const char *name = explain->port->name;
	char host[ADDR_TEXT_MAX], left[48], text[PREFIX_TEXT_MAX];

	switch (answer->reason) {
	case DECIDE_ASKED:
		say(explain, "%s: yes: %s asked for %s from %s, %s", name, reporter(explain, host),
		    explain->group_text, explain->source_text,
		    remaining(answer->listing.expires, explain->now, left, sizeof(left)));
		break;
	case DECIDE_ANY_SOURCE:
		say(explain, "%s: yes: %s joined %s from any source (IGMPv%u), %s", name,
		    reporter(explain, host), explain->group_text, member->host_version,
		    remaining(member->expires, explain->now, left, sizeof(left)));
		break;
	case DECIDE_UPSTREAM:
		say(explain, "%s: yes: data from a downstream always goes to the upstream", name);
		break;
	case DECIDE_HELD:
		say(explain,
		    "%s: yes: it was forwarded there before the restart, and hosts have not had "
		    "the time to report yet",
		    name);
		break;
	case DECIDE_ARRIVAL:
		say(explain, "%s: no: it arrives there, and is never sent back", name);
		break;
	case DECIDE_ABSENT:
		say(explain, "%s: no: the port is %s: %s", name,
		    port_state_name(explain->port->state), explain->port->note);
		break;
	case DECIDE_BOUNDED:
		say(explain, "%s: no: its boundary \"%s\" keeps the group in and out", name,
		    prefix_format(answer->boundary, text, sizeof(text)));
		break;
	case DECIDE_NOT_QUERIER:
		explain_not_querier(explain);
		break;
	case DECIDE_NOBODY:
		explain_nobody(explain);
		break;
	case DECIDE_OTHER_SOURCES:
		say(explain, "%s: no: its hosts joined %s from %u other source(s) only", name,
		    explain->group_text, member->n_sources);
		break;
	case DECIDE_BLOCKED:
		say(explain, "%s: no: its hosts joined %s but every one of them blocks %s (%s)",
		    name, explain->group_text, explain->source_text,
		    remaining(member->expires, explain->now, left, sizeof(left)));
		break;
	case DECIDE_FROM_UPSTREAM:
		say(explain, "%s: no: what comes from an upstream goes to none", name);
		break;
	}
}

/* IGMP that was lost may be the reason for what is missing. */
static void explain_lost(struct explain *explain)
{
	struct engine_port_view view = { 0 };
	char text[48];

	engine_port_view(explain->daemon->engine, explain->port->slot, &view);
	if (explain->now < view.held_until)
		say(explain,
		    "%s: IGMP was lost there (igmp-limited): joins may be missing, and none ends "
		    "before hosts have been asked again (%s)",
		    explain->port->name,
		    remaining(view.held_until, explain->now, text, sizeof(text)));
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
	explain->port = port;
	decide_port(explain->daemon->forward, &explain->packet, &explain->decision, port->slot,
		    &explain->answer);
	if (port->state != PORT_UP)
		explain->answer.reason = DECIDE_ABSENT;
	else if (!is_upstream(port) && port != explain->arrival)
		explain_lost(explain);
	explain->forwarded |= port->state == PORT_UP && explain->answer.sent;
	explain_reason(explain);
	if (!explain->answer.installed)
		say(explain,
		    "%s: but the route could not be changed accordingly yet, see the log: is there "
		    "no room (max-routes, max-port-sets)?",
		    port->name);
	if (explain->answer.is_member || explain->answer.reason == DECIDE_NOBODY)
		explain_source_policy(explain);
	explain_unsent(explain, port);
	if (port != explain->arrival && port->config->ttl_threshold > 1)
		say(explain, "%s: packets with a TTL of %u or less are not sent there", port->name,
		    port->config->ttl_threshold);
}

/* --- what has been seen --- */

/* What the route that it takes has counted. */
static void explain_traffic(struct explain *explain)
{
	static const struct addr any;
	bool by_source = explain->decision.way == DECIDE_BY_SOURCE;
	const char *of = by_source ? "this source and group" : "this group from any source";
	struct mcastd_route_stats stats;

	if (explain->decision.way <= DECIDE_BY_DEFAULT ||
	    dataplane_route_stats(explain->daemon->dataplane, &explain->group,
				  by_source ? &explain->source : &any, &stats) != 0)
		say(explain, "there is no route for it");
	else if (stats.packets)
		say(explain, "%llu packets of %s were forwarded", (unsigned long long)stats.packets,
		    of);
	else
		say(explain, "the route is there, but no packet of %s has been forwarded", of);
}

/* What came of it and was not forwarded, and what to do about it. */
static void explain_unwanted(struct explain *explain, const struct port *port,
			     const struct mcastd_unwanted *seen)
{
	unsigned long long packets = seen->packets;
	const char *name = dataplane_verdict_name((enum mcastd_verdict)seen->verdict);

	switch (seen->verdict) {
	case MCASTD_NO_ROUTE:
		say(explain, "%llu packets of it arrived on %s when it had no route there", packets,
		    port->name);
		break;
	case MCASTD_TTL_EXPIRED:
		say(explain,
		    "%llu packets came to %s with TTL 1, which no router forwards: raise the "
		    "sender's TTL",
		    packets, port->name);
		break;
	default:
		say(explain, "%llu packets of it arrived on %s and were not forwarded (%s)",
		    packets, port->name, name);
	}
	if (seen->verdict == MCASTD_WRONG_PORT && may_live_behind(explain, port))
		say_altnet(explain, port);
}

static bool note_unwanted(const struct mcastd_unwanted_key *key,
			  const struct mcastd_unwanted *value, void *arg)
{
	struct explain *explain = arg;
	struct addr source = addr_from_v4(key->source), group = addr_from_v4(key->group);
	const struct port *port =
		key->slot < MCASTD_MAX_PORTS ? explain->daemon->ports[key->slot] : NULL;

	if (port && addr_equal(&source, &explain->source) && addr_equal(&group, &explain->group))
		explain_unwanted(explain, port, value);
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

static void explain_all(struct explain *explain, struct port *arrival)
{
	if (!never_forwarded(explain) && explain_arrival(explain, arrival)) {
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
	struct port *arrival = NULL;

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
