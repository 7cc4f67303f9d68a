/* SPDX-License-Identifier: BSD-2-Clause */
#include "querier.h"

#include "event.h"
#include "membership.h"
#include "random.h"

/* What an answer takes on its way. */
#define HOLD_SLACK_MS 1000

static const struct addr all_systems = ADDR_V4(224, 0, 0, 1);
static const struct addr all_reporters = ADDR_V4(224, 0, 0, 22);

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void schedule(struct port *port)
{
	uint64_t next = port->is_querier ? port->next_query : port->querier_expires;

	next = earlier(next, port->reply_at);
	if (port->older_version < 3)
		next = earlier(next, port->older_expires);
	timer_set(&port->engine->timers, &port->timer, next);
}

/* --- sending --- */

static void send_query(struct port *port, const struct message_query *query,
		       const struct addr *destination, struct actions *out)
{
	const struct port_config *config = &port->settings.config;
	struct action *action;

	if (addr_is_unspecified(&port->address)) /* R-4.1-SRC */
		return;
	action = actions_add(out, ACTION_SEND, port->number);
	if (!action)
		return;
	action->message = (struct message){ .type = MESSAGE_QUERY,
					    .source = port->address,
					    .destination = *destination,
					    .ttl = 1,
					    .router_alert = true,
					    .query = *query };
	action->message.query.version = port_version(port);
	action->message.query.qrv = config->robustness <= 7 ? config->robustness : 0;
	action->message.query.query_interval_ms = config->query_interval_ms;
	port->counters.queries_sent++;
}

static void send_general(struct port *port, struct actions *out)
{
	struct message_query query = {
		.group = addr_from_v4_host(0),
		.max_response_ms = port_version(port) == 1
					   ? 0
					   : port->settings.config.query_response_interval_ms,
	};

	send_query(port, &query, &all_systems, out);
}

void querier_send_specific(struct port *port, const struct addr *group, bool suppress,
			   const struct addr *sources, uint32_t n_sources, struct actions *out)
{
	struct message_query query = {
		.group = *group,
		.max_response_ms = port->settings.config.last_member_query_interval_ms,
		.suppress = suppress,
		.sources = sources,
		.n_sources = n_sources,
	};

	send_query(port, &query, group, out);
}

/* --- role --- */

static void tell_querier(struct port *port, uint64_t now, struct actions *out)
{
	struct event event = { .type = port->is_querier ? EVENT_QUERIER_SELF : EVENT_QUERIER_OTHER,
			       .host = port->querier };

	event_emit(port, &event, now, out);
}

/* R-ADOPT-BACK: our own values again. */
static void become_querier(struct port *port, uint64_t now, struct actions *out)
{
	bool was_querier = port->is_querier;

	port->is_querier = true;
	port->querier = port->address;
	port->querier_expires = ENGINE_NEVER;
	port->robustness = port->settings.config.robustness;
	port->query_interval_ms = port->settings.config.query_interval_ms;
	port->next_query = now;
	if (was_querier)
		return;
	actions_add(out, ACTION_PORT, port->number);
	tell_querier(port, now, out);
}

void querier_start(struct port *port, uint64_t now, struct actions *out)
{
	port->startup_queries_left = port->settings.config.startup_query_count;
	port->older_version = 3;
	port->reply_at = ENGINE_NEVER;
	become_querier(port, now, out);
	querier_tick(port, now, out);
}

void querier_stop(struct port *port)
{
	port->is_querier = false;
	port->querier = (struct addr){ 0 };
	port->reply_at = ENGINE_NEVER;
	timer_stop(&port->engine->timers, &port->timer);
}

void querier_reconfigure(struct port *port, uint64_t now)
{
	const struct port_config *config = &port->settings.config;

	if (port->is_querier) {
		port->robustness = config->robustness;
		port->query_interval_ms = config->query_interval_ms;
		port->next_query = earlier(port->next_query, now + config->query_interval_ms);
	}
	schedule(port);
}

/* After the last loss as after a start: the startup queries, and time for the answers. */
void querier_lost(struct port *port, uint64_t now)
{
	const struct port_config *config = &port->settings.config;
	uint64_t interval = config->startup_query_interval_ms;

	port->held_until = now + config->startup_query_count * interval +
			   config->query_response_interval_ms + HOLD_SLACK_MS;
	if (port->is_querier) {
		port->startup_queries_left = config->startup_query_count;
		port->next_query = earlier(port->next_query, now + interval);
	}
	schedule(port);
}

/* --- time --- */

static void general_query_due(struct port *port, uint64_t now, struct actions *out)
{
	const struct port_config *config = &port->settings.config;
	uint64_t interval = config->query_interval_ms;

	send_general(port, out);
	if (port->startup_queries_left && --port->startup_queries_left)
		interval = config->startup_query_interval_ms;
	port->next_query += interval;
	/* After a long sleep one query is enough. */
	if (port->next_query <= now)
		port->next_query = now + interval;
}

/* Our own membership of 224.0.0.22, where reports go; in the version of who asks. */
static void reply(struct port *port, struct actions *out)
{
	static const struct message_record record = { .type = RECORD_IS_EX,

						      .group = ADDR_V4(224, 0, 0, 22) };
	struct action *action = actions_add(out, ACTION_SEND, port->number);

	port->reply_at = ENGINE_NEVER;
	if (!action)
		return;
	action->message = (struct message){ .source = port->address,
					    .destination = all_reporters,
					    .ttl = 1,
					    .router_alert = true };
	port->counters.reports_sent++;
	if (port->reply_version == 3) {
		action->message.type = MESSAGE_REPORT;
		action->message.report = (struct message_report){ &record, 1 };
		return;
	}
	action->message.type = port->reply_version == 2 ? MESSAGE_V2_REPORT : MESSAGE_V1_REPORT;
	action->message.group = all_reporters;
}

void querier_tick(struct port *port, uint64_t now, struct actions *out)
{
	if (!port->is_querier && port->querier_expires <= now && port_is_held(port, now))
		port->querier_expires = port->held_until;
	if (!port->is_querier && port->querier_expires <= now)
		become_querier(port, now, out);
	if (port->older_version < 3 && port->older_expires <= now)
		port->older_version = 3;
	if (port->is_querier && port->next_query <= now)
		general_query_due(port, now, out);
	if (port->reply_at <= now)
		reply(port, out);
	schedule(port);
}

/* --- receiving, sections 6.6.1 and 6.6.2 --- */

static bool is_general(const struct message_query *query)
{
	return addr_is_unspecified(&query->group);
}

/* What the querier tells about itself; 0 or an older version: what we are set to. */
static void adopt(struct port *port, const struct message_query *query)
{
	const struct port_config *config = &port->settings.config;
	bool tells = query->version >= 3;

	port->robustness = tells && query->qrv ? query->qrv : config->robustness;
	port->query_interval_ms = tells && query->query_interval_ms ? query->query_interval_ms
								    : config->query_interval_ms;
}

/* A General Query from a lower address, or from anyone while we have none (section 6.6.2). */
static bool wins(const struct port *port, const struct addr *rival)
{
	return addr_is_unspecified(&port->address) || addr_cmp(rival, &port->address) < 0;
}

static void lose(struct port *port, const struct message *message, uint64_t now,
		 struct actions *out)
{
	bool news = port->is_querier || !addr_equal(&port->querier, &message->source);

	/* Who else is the querier matters to operators, that we are not to the routes. */
	if (port->is_querier)
		actions_add(out, ACTION_PORT, port->number);
	port->is_querier = false;
	port->startup_queries_left = 0;
	port->querier = message->source;
	adopt(port, &message->query);
	port->querier_expires = now + port_oqpi_ms(port);
	if (news)
		tell_querier(port, now, out);
}

/* R-7.3.1-WARN, A-1. */
static void hear_version(struct port *port, const struct message *message, uint64_t now,
			 struct actions *out)
{
	struct event event = { .type = EVENT_OLDER_QUERIER,
			       .host = message->source,
			       .version = message->query.version };

	if (message->query.version >= port->settings.config.version)
		return;
	event_emit(port, &event, now, out);
	if (!port->settings.config.oldest_version)
		return;
	if (message->query.version <= port->older_version) {
		port->older_version = message->query.version;
		port->older_expires = now + port_oqpi_ms(port);
	}
}

/* R-6-MCAST22: a delay in (0, Max Resp Time], unless an answer is due sooner. */
static void plan_reply(struct port *port, const struct message_query *query, uint64_t now)
{
	/* RFC 1112: version 1 means ten seconds. */
	uint32_t most = query->version == 1 ? 10000 : query->max_response_ms;
	uint64_t at = now + random_ms(&port->engine->random, most);

	if (port->settings.config.version < 3)
		return;
	if (!is_general(query) && !addr_equal(&query->group, &all_reporters))
		return;
	if (at >= port->reply_at)
		return;
	port->reply_at = at;
	port->reply_version = query->version;
}

static void lower_listed(struct change *c, const struct message_query *query, uint64_t lowered)
{
	struct source_block *block;
	struct source *source;

	for (uint32_t i = 0; i < query->n_sources; i++) {
		source = source_set_find(&c->m->sources, &query->sources[i], &block);
		if (source && source_is_running(source) && lowered < source->expires)
			source_set_timer(&c->port->engine->timers, block, source, lowered);
	}
}

/* Table 10: the querier asks, so all routers expect an answer (R-NQ-LMQT). */
static void lower_timers(struct port *port, const struct message_query *query, uint64_t now,
			 struct actions *out)
{
	struct membership *m = membership_find(port->engine, port, &query->group);
	struct change c = { .port = port, .m = m, .now = now, .out = out };
	uint32_t wait_ms = query->max_response_ms;
	uint64_t lowered;

	if (!m || query->suppress || query->version < 2)
		return;
	if (!wait_ms)
		wait_ms = port->settings.config.last_member_query_interval_ms;
	lowered = now + (uint64_t)port_lmqc(port) * wait_ms;
	if (query->n_sources)
		lower_listed(&c, query, lowered);
	else if (lowered < m->group_expires)
		membership_set_group_timer(&c, lowered);
	membership_commit(&c);
}

enum receive_verdict querier_receive(struct port *port, const struct message *message, uint64_t now,
				     struct actions *out)
{
	const struct message_query *query = &message->query;

	plan_reply(port, query, now);
	if (is_general(query) && !addr_is_unspecified(&message->source)) { /* R-6.6.2-ZERO */
		hear_version(port, message, now, out);
		if (wins(port, &message->source))
			lose(port, message, now, out);
	} else if (!port->is_querier && addr_equal(&message->source, &port->querier)) {
		lower_timers(port, query, now, out);
	}
	schedule(port);
	return RECEIVE_APPLIED;
}
