// SPDX-License-Identifier: BSD-2-Clause
/* What the host hears: queries (RFC 9776 sections 5.2 and 7.2.1) and reports of its neighbours. */
#include "host.h"

#include <stdlib.h>

#include "event.h"
#include "host_state.h"
#include "receive.h"

/* RFC 9776 section 7.2.1: what the Max Resp Code 0 of version 1 means. */
#define V1_RESPONSE_MS 10000

/* --- The version in use, section 7.2.1 -------------------------------------------------------- */

void host_update_version(struct host *host, uint64_t now)
{
	uint8_t heard = now < host->v1_expires ? 1 : now < host->v2_expires ? 2 : 3;
	uint8_t before = host_version(host);

	host->port->older_version = host_config(host)->host_compatibility ? heard : 3;
	if (host_version(host) != before)
		host_cancel_all(host);
}

uint64_t host_version_expires(const struct host *host)
{
	uint64_t first = host->v1_expires < host->v2_expires ? host->v1_expires : host->v2_expires;
	uint64_t last = host->v1_expires < host->v2_expires ? host->v2_expires : host->v1_expires;

	if (first > host->now)
		return first;
	return last > host->now ? last : ENGINE_NEVER;
}

static void tell(struct host *host, enum event_type type, const struct message *message,
		 uint64_t now, struct actions *out)
{
	struct event event = { .type = type,
			       .group = message->query.group,
			       .host = message->source,
			       .version = message->query.version };

	event_emit(host->port, &event, now, out);
}

/* What every query tells of the querier: sections 4.1.6, 4.1.7, 7.2.1 and 8.12. */
static void hear_querier(struct host *host, const struct message *message, uint32_t response_ms,
			 uint64_t now, struct actions *out)
{
	const struct message_query *query = &message->query;
	struct port *port = host->port;
	const struct port_config *config = &port->settings.config;
	bool general = addr_is_unspecified(&query->group);
	uint64_t expires;

	if (query->version == 3) {
		port->robustness = query->qrv ? query->qrv : config->robustness;
		port->query_interval_ms = query->query_interval_ms ? query->query_interval_ms
								   : config->query_interval_ms;
	}
	/* An older query for a single group changes nothing, but a router that knows the SSM range
	 * sends none for it (RFC 4604 sections 2.2.3 and 2.2.5). */
	if (query->version < config->version &&
	    (general || settings_is_ssm(&port->settings, &query->group)))
		tell(host, EVENT_OLDER_QUERIER, message, now, out);
	if (!general)
		return;
	expires = now + (uint64_t)port->robustness * port->query_interval_ms;
	if (!addr_is_unspecified(&message->source)) {
		port->querier = message->source;
		port->querier_expires = expires + response_ms / 2;
	}
	if (query->version == 1)
		host->v1_expires = expires + 10ull * response_ms;
	else if (query->version == 2)
		host->v2_expires = expires + 10ull * response_ms;
	host_update_version(host, now);
}

/* --- Responses -------------------------------------------------------------------------------- */

void host_forget_queried(struct host *host, struct host_group *g)
{
	host->n_queried -= g->n_queried;
	free(g->queried);
	g->queried = NULL;
	g->n_queried = 0;
}

static bool response_is_pending(const struct host_group *g)
{
	return g->response_at != ENGINE_NEVER || g->response_queued;
}

static void respond_at(struct host *host, struct host_group *g, uint64_t at)
{
	if (g->response_queued || g->response_at <= at)
		return;
	g->response_at = at;
	host_schedule(host, g);
}

/*
 * Adds the sources of a Group-and-Source-Specific Query to those recorded. False: there are too
 * many, or no memory; all of the group's state will be told instead.
 */
static bool record_queried(struct host *host, struct host_group *g, const struct addr *sources,
			   uint32_t n)
{
	uint32_t room = QUERIED_PER_GROUP_MAX - g->n_queried, merged = g->n_queried + n;
	struct addr *list;

	if (n > room || n > QUERIED_MAX - host->n_queried)
		return false;
	list = realloc(g->queried, merged * sizeof(*list));
	if (!list)
		return false;
	memcpy(list + g->n_queried, sources, n * sizeof(*list));
	merged = addr_list_normalize(list, merged);
	host->n_queried += merged - g->n_queried;
	g->queried = list;
	g->n_queried = merged;
	return true;
}

/* Rules 3 to 5 of section 5.2 */
static void answer_specific(struct host *host, const struct message *message, uint64_t at,
			    uint64_t now, struct actions *out)
{
	const struct message_query *query = &message->query;
	struct host_group *g = host_find(host, &query->group);
	bool pending;

	if (!g || !group_is_joined(g))
		return;
	pending = response_is_pending(g);
	if (!query->n_sources || (pending && !g->n_queried)) {
		host_forget_queried(host, g);
	} else if (!record_queried(host, g, query->sources, query->n_sources)) {
		host_forget_queried(host, g);
		tell(host, EVENT_LIMIT_RESPONSES, message, now, out);
	}
	respond_at(host, g, at);
}

/* Section 5.2: the rules in order, the first that matches counts. */
static void answer_v3(struct host *host, const struct message *message, uint32_t response_ms,
		      uint64_t now, struct actions *out)
{
	bool general = addr_is_unspecified(&message->query.group);
	uint64_t at;

	if (general && !host->n_joined)
		return;
	if (general) {
		/* The last packet has to leave within the time too. */
		uint64_t packets = host->state_len / (host_sources_max(host) * SOURCE_LEN);

		at = now + host_random_ms(host, packets < response_ms
							? response_ms - (uint32_t)packets
							: 1);
	} else {
		at = now + host_random_ms(host, response_ms);
	}
	if (host->general_at <= at)
		return;
	if (!general) {
		answer_specific(host, message, at, now, out);
		return;
	}
	host->general_at = at;
	host->walk_until = now + response_ms;
}

/* RFC 2236 section 3: a random time per group, unless one is running that ends soon enough. */
static void answer_v2(struct host *host, const struct message *message, uint32_t response_ms,
		      uint64_t now)
{
	uint64_t until = now + response_ms;
	struct host_group *g;

	if (addr_is_unspecified(&message->query.group)) {
		if (!host->walk) {
			host->walk = TAILQ_FIRST(&host->groups);
			host->walk_until = until;
		} else if (until < host->walk_until) {
			host->walk_until = until;
		}
		return;
	}
	g = host_find(host, &message->query.group);
	if (g && group_is_joined(g) && g->response_at > until)
		respond_at(host, g, now + host_random_ms(host, response_ms));
}

/* Queries may be among what was lost: what they would have brought about is done without them. */
void host_lost(struct host *host, uint64_t now, struct actions *out)
{
	struct port *port = host->port;
	uint32_t response_ms = host_config(host)->query_response_interval_ms;
	uint64_t next_query = now + port->query_interval_ms;
	const struct message any = { .type = MESSAGE_QUERY };

	/* The querier is still there, and of the version it was. */
	if (host->v1_expires > now && host->v1_expires < next_query)
		host->v1_expires = next_query;
	if (host->v2_expires > now && host->v2_expires < next_query)
		host->v2_expires = next_query;
	if (port_is_held(port, now))
		return;
	port->held_until = now + port->query_interval_ms / 4;
	if (host_version(host) < 3)
		answer_v2(host, &any, response_ms, now);
	else
		answer_v3(host, &any, response_ms, now, out);
	host_flush(host, now, out);
}

void host_start_walk(struct host *host, uint64_t now)
{
	uint64_t packets, left_us;

	/* While one is under way the next one waits for its end: a flood of queries must not keep
	 * the groups at the end of the list from being told, */
	if (host->walk)
		return;
	/* nor gain anything by leaving little time. */
	if (now < host->next_walk) {
		host->general_at = host->next_walk;
		return;
	}
	host->general_at = ENGINE_NEVER;
	host->walk = TAILQ_FIRST(&host->groups);
	packets = host->state_len / (host_sources_max(host) * SOURCE_LEN) + 1;
	left_us = host->walk_until > now ? (host->walk_until - now) * 1000 : 0;
	host->next_walk = now + packets * V3_PACKET_US / 1000;
	host->pace_us = V3_PACKET_US;
	if (packets * V3_PACKET_US > left_us && packets * PACKET_US_MIN <= left_us)
		host->pace_us = (uint32_t)(left_us / packets);
}

void host_walk_timers(struct host *host, uint64_t now)
{
	struct host_group *g;
	uint32_t left_ms = host->walk_until > now ? (uint32_t)(host->walk_until - now) : 0;

	for (unsigned int n = 0; n < EXPIRIES_MAX && (g = host->walk); n++) {
		host->walk = TAILQ_NEXT(g, link);
		if (group_is_joined(g) && g->response_at > host->walk_until)
			respond_at(host, g, now + host_random_ms(host, left_ms));
	}
}

/* --- Messages --------------------------------------------------------------------------------- */

static enum receive_verdict receive_query(struct host *host, const struct message *message,
					  uint64_t now, struct actions *out)
{
	const struct message_query *query = &message->query;
	const struct port_config *config = host_config(host);
	uint32_t response_ms = query->version == 1 ? V1_RESPONSE_MS : query->max_response_ms;
	enum receive_verdict verdict;

	host->port->counters.queries_received++;
	if ((query->version == 1 && config->ignore_v1) ||
	    (query->version == 2 && config->ignore_v2))
		return RECEIVE_IGNORED_VERSION;
	if (!receive_is_query_of_group(query))
		return RECEIVE_BAD_GROUP;
	verdict = receive_check_addresses(host->port, message);
	if (verdict != RECEIVE_APPLIED)
		return verdict;
	hear_querier(host, message, response_ms, now, out);
	if (host_version(host) < 3)
		answer_v2(host, message, response_ms, now);
	else
		answer_v3(host, message, response_ms, now, out);
	return RECEIVE_APPLIED;
}

/*
 * RFC 2236 section 3: in version 1 and 2 another member's report stands for ours. Not for groups of
 * the SSM range (RFC 4604 section 2.2.1), nor before ours has been sent at all.
 */
static enum receive_verdict receive_report(struct host *host, const struct message *message)
{
	enum receive_verdict verdict;
	struct host_group *g;

	if (host_version(host) == 3)
		return RECEIVE_NOT_OURS;
	verdict = receive_check_addresses(host->port, message);
	if (verdict != RECEIVE_APPLIED)
		return verdict;
	g = host_find(host, &message->group);
	if (!g || !group_is_joined(g) || settings_is_ssm(&host->port->settings, &g->group))
		return RECEIVE_NOT_OURS;
	if (!g->change_queued) {
		g->response_at = g->change_at = ENGINE_NEVER;
		g->mode_changes_left = 0;
		host_schedule(host, g);
	}
	return RECEIVE_APPLIED;
}

enum receive_verdict host_receive(struct host *host, const struct message *message, uint64_t now,
				  struct actions *out)
{
	struct engine_counters *counters = &host->port->counters;
	enum receive_verdict verdict = receive_check_header(host->port, message, now, out);

	if (verdict != RECEIVE_APPLIED)
		return verdict;
	switch (message->type) {
	case MESSAGE_QUERY:
		verdict = receive_query(host, message, now, out);
		break;
	case MESSAGE_V1_REPORT:
	case MESSAGE_V2_REPORT:
		counters->reports_received++;
		verdict = receive_report(host, message);
		break;
	case MESSAGE_REPORT:
		counters->reports_received++;
		verdict = RECEIVE_NOT_OURS;
		break;
	case MESSAGE_V2_LEAVE:
		counters->leaves_received++;
		verdict = RECEIVE_NOT_OURS;
		break;
	}
	host_flush(host, now, out);
	return verdict;
}
