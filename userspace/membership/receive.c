/* SPDX-License-Identifier: BSD-2-Clause */
#include "receive.h"

#include "event.h"
#include "querier.h"
#include "report.h"
#include "rules/range.h"

static const struct addr all_systems = ADDR_V4(224, 0, 0, 1);
static const struct addr all_routers = ADDR_V4(224, 0, 0, 2);
static const struct addr all_reporters = ADDR_V4(224, 0, 0, 22);

/* Addresses to which a message may be sent, as bits. */
enum {
	TO_ALL_SYSTEMS = 1 << 0,
	TO_ALL_ROUTERS = 1 << 1,
	TO_ALL_REPORTERS = 1 << 2,
	TO_GROUP = 1 << 3,     /* the one it is about */
	TO_ANY_GROUP = 1 << 4, /* any multicast address */
	TO_US = 1 << 5,	       /* an address of the port */
};

/* Who may have sent it: anyone whose address can be a host's, or one of the link, or 0.0.0.0. */
enum from {
	FROM_ANYONE,
	FROM_LINK,
	FROM_LINK_IF_SET /* verify-source-subnet */
};

enum kind {
	KIND_GENERAL_QUERY,
	KIND_SPECIFIC_QUERY,
	KIND_REPORT,
	KIND_OLDER_REPORT,
	KIND_LEAVE
};

/*
 * Which message is accepted, to where and from whom, in which role. Whatever is in no row here, a
 * report to the host part in version 3 for instance, is not asked for its addresses.
 */
static const struct acceptance {
	uint8_t to;
	uint8_t from;
} acceptances[2][KIND_LEAVE + 1] = {
	[PORT_DOWNSTREAM] = {
		/* R-4.1.12-UC, R-6.6.2-FOREIGN */
		[KIND_GENERAL_QUERY] = { TO_ALL_SYSTEMS | TO_ALL_ROUTERS | TO_ALL_REPORTERS | TO_US,
					 FROM_LINK },
		[KIND_SPECIFIC_QUERY] = { TO_ALL_SYSTEMS | TO_ALL_ROUTERS | TO_ALL_REPORTERS |
						  TO_GROUP | TO_US,
					  FROM_LINK },
		/* R-4.2.15-V2DST, R-4.2.15-V3DST, R-9.2-SRC */
		[KIND_REPORT] = { TO_ANY_GROUP | TO_US, FROM_LINK_IF_SET },
		[KIND_OLDER_REPORT] = { TO_ANY_GROUP | TO_US, FROM_LINK_IF_SET },
		/* R-2236-LVDST */
		[KIND_LEAVE] = { TO_ALL_ROUTERS | TO_GROUP, FROM_LINK_IF_SET },
	},
	[PORT_UPSTREAM] = {
		/* A provider's querier need not have an address of the link. */
		[KIND_GENERAL_QUERY] = { TO_ALL_SYSTEMS | TO_US, FROM_ANYONE },
		[KIND_SPECIFIC_QUERY] = { TO_ANY_GROUP | TO_US, FROM_ANYONE },
		/* RFC 2236 section 3: of a member, to the members. Any other would silence ours. */
		[KIND_OLDER_REPORT] = { TO_GROUP, FROM_LINK },
	},
};

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
		[RECEIVE_NOT_SSM] = "not-source-specific",
		[RECEIVE_BAD_SOURCE_LIST] = "bad-source-list",
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

/*
 * The first or the last address of a subnet that has room for them (RFC 3021: a /31 has not): the
 * subnet itself and its broadcast address.
 */
static bool is_reserved_in(const struct prefix *subnet, const struct addr *a)
{
	unsigned int ones = 0;

	if (!addr_is_v4(a) || subnet->len >= 127 || !prefix_contains(subnet, a))
		return false;
	for (unsigned int bit = subnet->len; bit < 128; bit++)
		ones += !!(a->b[bit / 8] & 0x80 >> bit % 8);
	return ones == 0 || ones == 128u - subnet->len;
}

static bool is_possible_source(const struct port *port, const struct addr *a)
{
	if (addr_is_unspecified(a))
		return true;
	if (!addr_is_unicast_source(a))
		return false;
	for (uint32_t i = 0; i < port->n_subnets; i++) {
		if (is_reserved_in(&port->subnets[i], a))
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
	if (port->settings.config.require_router_alert && !message->router_alert)
		return RECEIVE_NO_ROUTER_ALERT;
	if (!is_possible_source(port, &message->source))
		return RECEIVE_BAD_SOURCE;
	if (!addr_is_unspecified(&message->source) && receive_is_own(port, &message->source)) {
		tell_duplicate(port, message, now, out);
		return RECEIVE_OWN;
	}
	return RECEIVE_APPLIED;
}

/* --- addresses --- */

static enum kind kind_of(const struct message *message)
{
	switch (message->type) {
	case MESSAGE_QUERY:
		return addr_is_unspecified(&message->query.group) ? KIND_GENERAL_QUERY
								  : KIND_SPECIFIC_QUERY;
	case MESSAGE_V1_REPORT:
	case MESSAGE_V2_REPORT:
		return KIND_OLDER_REPORT;
	case MESSAGE_V2_LEAVE:
		return KIND_LEAVE;
	case MESSAGE_REPORT:
	default:
		return KIND_REPORT;
	}
}

static bool is_sent_to(const struct port *port, const struct message *message, uint8_t where)
{
	const struct addr *to = &message->destination;
	const struct addr *group =
		message->type == MESSAGE_QUERY ? &message->query.group : &message->group;

	return (where & TO_ALL_SYSTEMS && addr_equal(to, &all_systems)) ||
	       (where & TO_ALL_ROUTERS && addr_equal(to, &all_routers)) ||
	       (where & TO_ALL_REPORTERS && addr_equal(to, &all_reporters)) ||
	       (where & TO_GROUP && addr_equal(to, group)) ||
	       (where & TO_ANY_GROUP && addr_is_multicast(to)) ||
	       (where & TO_US && receive_is_own(port, to));
}

static bool is_sent_from(const struct port *port, const struct addr *source, enum from whom)
{
	const struct port_config *config = &port->settings.config;

	if (whom == FROM_ANYONE || addr_is_unspecified(source) || is_on_link(port, source))
		return true;
	return whom == FROM_LINK_IF_SET &&
	       (!config->verify_source_subnet ||
		(config->allow_link_local_source && range_of_source(source) == RANGE_LINK_LOCAL));
}

enum receive_verdict receive_check_addresses(const struct port *port, const struct message *message)
{
	const struct acceptance *accept =
		&acceptances[port->settings.config.role][kind_of(message)];

	if (!is_sent_to(port, message, accept->to))
		return RECEIVE_BAD_DESTINATION;
	if (!is_sent_from(port, &message->source, accept->from))
		return RECEIVE_FOREIGN_SOURCE;
	return RECEIVE_APPLIED;
}

bool receive_is_query_of_group(const struct message_query *query)
{
	if (addr_is_unspecified(&query->group))
		return !query->n_sources; /* RFC 9776 section 4.1.9 */
	return addr_is_multicast(&query->group);
}

/* --- queries --- */

static void tell_foreign(struct port *port, const struct message *message, uint64_t now,
			 struct actions *out)
{
	struct event event = { .type = EVENT_FOREIGN_QUERIER, .host = message->source };

	event_emit(port, &event, now, out);
}

static enum receive_verdict receive_query(struct port *port, const struct message *message,
					  uint64_t now, struct actions *out)
{
	enum receive_verdict verdict = receive_check_addresses(port, message);

	port->counters.queries_received++;
	if (verdict == RECEIVE_BAD_DESTINATION)
		return verdict;
	if (!receive_is_query_of_group(&message->query))
		return RECEIVE_BAD_GROUP;
	if (verdict == RECEIVE_FOREIGN_SOURCE)
		tell_foreign(port, message, now, out); /* R-6.6.2-FOREIGN */
	if (verdict != RECEIVE_APPLIED)
		return verdict;
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

static enum receive_verdict receive_report(struct port *port, const struct message *message,
					   uint64_t now, struct actions *out)
{
	const struct port_config *config = &port->settings.config;
	enum receive_verdict verdict = receive_check_addresses(port, message);

	if (message->type == MESSAGE_V2_LEAVE)
		port->counters.leaves_received++;
	else
		port->counters.reports_received++;
	if (!is_spoken(config, message->type))
		return RECEIVE_IGNORED_VERSION;
	if (verdict != RECEIVE_APPLIED)
		return verdict;
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
