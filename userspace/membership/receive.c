/* SPDX-License-Identifier: BSD-2-Clause */
#include "receive.h"

#include "event.h"
#include "querier.h"
#include "report.h"
#include "rules/range.h"

static const struct addr all_systems = ADDR_V4(224, 0, 0, 1);
static const struct addr all_routers = ADDR_V4(224, 0, 0, 2);
static const struct addr all_reporters = ADDR_V4(224, 0, 0, 22);

const char *receive_verdict_name(enum receive_verdict verdict)
{
	static const char *const names[RECEIVE_VERDICTS] = {
		[RECEIVE_APPLIED] = "applied",
		[RECEIVE_BAD_TTL] = "bad-ttl",
		[RECEIVE_BAD_SOURCE] = "bad-source",
		[RECEIVE_OWN] = "own",
		[RECEIVE_FOREIGN_SOURCE] = "foreign-source",
		[RECEIVE_BAD_DESTINATION] = "bad-destination",
		[RECEIVE_NO_ROUTER_ALERT] = "no-router-alert",
		[RECEIVE_IGNORED_VERSION] = "ignored-version",
		[RECEIVE_BAD_GROUP] = "bad-group",
		[RECEIVE_POLICY] = "policy",
		[RECEIVE_LIMIT] = "limit",
		[RECEIVE_NOT_OURS] = "not-ours",
		[RECEIVE_NO_MEMORY] = "no-memory",
	};

	return verdict < RECEIVE_VERDICTS ? names[verdict] : "?";
}

bool receive_is_own(const struct port *port, const struct addr *a)
{
	if (addr_equal(a, &port->address))
		return true;
	for (uint32_t i = 0; i < port->n_own; i++) {
		if (addr_equal(a, &port->own[i]))
			return true;
	}
	return false;
}

static bool is_on_link(const struct port *port, const struct addr *a)
{
	for (uint32_t i = 0; i < port->n_subnets; i++) {
		if (prefix_contains(&port->subnets[i], a))
			return true;
	}
	return port->n_subnets == 0; /* nothing known to compare with */
}

/* The last address of a subnet that has room for one (RFC 3021: a /31 has none). */
static bool is_broadcast_of(const struct prefix *subnet, const struct addr *a)
{
	if (!addr_is_v4(a) || subnet->len >= 127 || !prefix_contains(subnet, a))
		return false;
	for (unsigned int bit = subnet->len; bit < 128; bit++) {
		if (!(a->b[bit / 8] & 0x80 >> bit % 8))
			return false;
	}
	return true;
}

static bool is_possible_source(const struct port *port, const struct addr *a)
{
	if (addr_is_unspecified(a))
		return true;
	if (!addr_is_unicast_source(a))
		return false;
	for (uint32_t i = 0; i < port->n_subnets; i++) {
		if (is_broadcast_of(&port->subnets[i], a))
			return false;
	}
	return true;
}

/* R-6.6.2-OWNADDR: another router uses our address, or our own message came back. */
static void tell_duplicate(struct port *port, const struct message *message, uint64_t now,
			   struct actions *out)
{
	struct event event = { .type = EVENT_DUPLICATE_ADDRESS, .host = message->source };

	if (message->type == MESSAGE_QUERY)
		event_emit(port, &event, now, out);
}

enum receive_verdict receive_check_header(struct port *port, const struct message *message,
					  uint64_t now, struct actions *out)
{
	if (message->ttl != 1 && !port->settings.config.accept_any_ttl)
		return RECEIVE_BAD_TTL;
	if (!is_possible_source(port, &message->source))
		return RECEIVE_BAD_SOURCE;
	if (!addr_is_unspecified(&message->source) && receive_is_own(port, &message->source)) {
		tell_duplicate(port, message, now, out);
		return RECEIVE_OWN;
	}
	return RECEIVE_APPLIED;
}

/* --- queries --- */

static bool query_destination_fits(const struct port *port, const struct message *message)
{
	const struct addr *to = &message->destination;

	return addr_equal(to, &all_systems) || addr_equal(to, &all_routers) ||
	       addr_equal(to, &all_reporters) || receive_is_own(port, to) ||
	       (!addr_is_unspecified(&message->query.group) &&
		addr_equal(to, &message->query.group));
}

static void tell_foreign(struct port *port, const struct message *message, uint64_t now,
			 struct actions *out)
{
	struct event event = { .type = EVENT_FOREIGN_QUERIER, .host = message->source };

	event_emit(port, &event, now, out);
}

static enum receive_verdict receive_query(struct port *port, const struct message *message,
					  uint64_t now, struct actions *out)
{
	const struct addr *group = &message->query.group;

	port->counters.queries_received++;
	if (!query_destination_fits(port, message))
		return RECEIVE_BAD_DESTINATION;
	if (!addr_is_unspecified(group) && !addr_is_multicast(group))
		return RECEIVE_BAD_GROUP;
	if (!addr_is_unspecified(&message->source) && !is_on_link(port, &message->source)) {
		tell_foreign(port, message, now, out); /* R-6.6.2-FOREIGN */
		return RECEIVE_FOREIGN_SOURCE;
	}
	return querier_receive(port, message, now, out);
}

/* --- reports and leaves --- */

/* Whether messages of this type are spoken on the port: R-V2-UNK22, R-9.2-IGNV1, R-7.3.1-*. */
static bool is_spoken(const struct port_config *config, enum message_type type)
{
	switch (type) {
	case MESSAGE_REPORT:
		return config->version == 3;
	case MESSAGE_V1_REPORT:
		return config->host_compatibility && !config->ignore_v1;
	case MESSAGE_V2_REPORT:
		return config->host_compatibility && !config->ignore_v2;
	case MESSAGE_V2_LEAVE:
		return config->host_compatibility && !config->ignore_v2 && config->version > 1;
	default:
		return false;
	}
}

static bool report_destination_fits(const struct port *port, const struct message *message)
{
	const struct addr *to = &message->destination;

	if (message->type == MESSAGE_V2_LEAVE) /* R-2236-LVDST */
		return addr_equal(to, &all_routers) || addr_equal(to, &message->group);
	/* R-4.2.15-V2DST, R-4.2.15-V3DST: any group, or an address of ours. */
	return addr_is_multicast(to) || receive_is_own(port, to);
}

/* R-9.2-SRC */
static bool is_known_source(const struct port *port, const struct addr *source)
{
	const struct port_config *config = &port->settings.config;

	if (!config->verify_source_subnet || addr_is_unspecified(source))
		return true;
	if (config->allow_link_local_source && range_of_source(source) == RANGE_LINK_LOCAL)
		return true;
	return is_on_link(port, source);
}

static enum receive_verdict receive_report(struct port *port, const struct message *message,
					   uint64_t now, struct actions *out)
{
	const struct port_config *config = &port->settings.config;

	if (message->type == MESSAGE_V2_LEAVE)
		port->counters.leaves_received++;
	else
		port->counters.reports_received++;
	if (!is_spoken(config, message->type))
		return RECEIVE_IGNORED_VERSION;
	if (!report_destination_fits(port, message))
		return RECEIVE_BAD_DESTINATION;
	if (config->require_router_alert && !message->router_alert &&
	    message->type != MESSAGE_V1_REPORT)
		return RECEIVE_NO_ROUTER_ALERT;
	if (!is_known_source(port, &message->source))
		return RECEIVE_FOREIGN_SOURCE;
	return report_receive(port, message, now, out);
}

enum receive_verdict receive_downstream(struct port *port, const struct message *message,
					uint64_t now, struct actions *out)
{
	enum receive_verdict verdict = receive_check_header(port, message, now, out);

	if (verdict != RECEIVE_APPLIED)
		return verdict;
	if (message->type == MESSAGE_QUERY)
		return receive_query(port, message, now, out);
	return receive_report(port, message, now, out);
}
