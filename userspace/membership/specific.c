/* SPDX-License-Identifier: BSD-2-Clause */
#include "specific.h"

#include "querier.h"
#include "track.h"

/* IPv4 header with Router Alert and query header; for IPv6 with Hop-by-Hop options. */
#define V4_QUERY_OVERHEAD 36
#define V6_QUERY_OVERHEAD 76

static uint32_t lmqi_ms(const struct port *port)
{
	return port->settings.config.last_member_query_interval_ms;
}

static bool may_ask(const struct change *c)
{
	return c->port->is_querier && !addr_is_unspecified(&c->port->address);
}

/* Nobody is asked, but for what a tracked host is known to want. */
static bool leaves_at_once(const struct change *c)
{
	return c->port->settings.config.immediate_leave || track_is_complete(c);
}

/* --- Q(G), section 6.6.3.1 --- */

static void send_group_query(struct change *c)
{
	struct membership_extra *extra = c->m->extra;
	bool suppress = c->m->group_expires > c->now + port_lmqt_ms(c->port);

	querier_send_specific(c->port, &c->m->group->addr, suppress, NULL, 0, c->out);
	extra->group_queried = true;
	extra->group_query_last = c->now;
	extra->group_query_next = c->now + lmqi_ms(c->port);
	extra->group_queries_left--;
	c->reschedule = true;
}

/* The group timer was lowered for a query not long ago: asking again would only add queries. */
static bool is_asking_group(const struct change *c)
{
	const struct membership_extra *extra = c->m->extra;
	uint64_t lmqt = port_lmqt_ms(c->port);

	return extra->group_queried && c->now - extra->group_query_last < lmqt &&
	       c->m->group_expires <= c->now + lmqt;
}

static void ask_group(struct change *c)
{
	struct membership_extra *extra = membership_extra(c->m);
	uint64_t lowered = c->now + port_lmqt_ms(c->port);

	if (!extra) {
		c->no_memory = true;
		return;
	}
	if (is_asking_group(c))
		return;
	if (lowered < c->m->group_expires)
		membership_set_group_timer(c, lowered);
	extra->group_queries_left = port_lmqc(c->port);
	if (!extra->group_queried || c->now - extra->group_query_last >= lmqi_ms(c->port))
		send_group_query(c);
	else
		extra->group_query_next = extra->group_query_last + lmqi_ms(c->port);
	c->reschedule = true;
}

void specific_query_group(struct change *c)
{
	if (!may_ask(c) || port_version(c->port) < 2)
		return;
	if (leaves_at_once(c) && !track_has_exclude(c->m))
		membership_group_timeout(c);
	else
		ask_group(c);
}

/* --- Q(G,X), section 6.6.3.2 --- */

/* How long ago a source was asked for; at least LMQI if never. */
static uint32_t asked_ago_ms(const struct change *c, const struct source *source)
{
	return source->queried ? (uint32_t)c->now - source->queried_ms : UINT32_MAX;
}

/* Within half an interval of its turn a source rides along with others. */
static bool is_due(const struct change *c, const struct source *source)
{
	return source->queries_left && asked_ago_ms(c, source) >= lmqi_ms(c->port) / 2;
}

static void source_turn(struct change *c, const struct source *source)
{
	struct membership_extra *extra = c->m->extra;
	uint32_t ago = asked_ago_ms(c, source);
	uint64_t next = ago < lmqi_ms(c->port) ? c->now + lmqi_ms(c->port) - ago : c->now;

	if (next < extra->source_query_next)
		extra->source_query_next = next;
	c->reschedule = true;
}

/* Collects the due sources whose timers are above LMQT (suppress) or not. Returns how many. */
static uint32_t collect_due(const struct change *c, bool suppress, struct addr *list)
{
	struct source_iter it = { .set = &c->m->sources };
	uint64_t lmqt_end = c->now + port_lmqt_ms(c->port);
	struct source *source;
	uint32_t n = 0;

	while ((source = source_next(&it))) {
		if (is_due(c, source) && (source->expires > lmqt_end) == suppress)
			list[n++] = source->addr;
	}
	return n;
}

static uint32_t sources_per_query(const struct port *port, const struct addr *group)
{
	uint32_t mtu = port->settings.config.mtu;
	uint32_t overhead = addr_is_v4(group) ? V4_QUERY_OVERHEAD : V6_QUERY_OVERHEAD;
	uint32_t size = addr_is_v4(group) ? 4 : 16;

	return mtu >= overhead + size ? (mtu - overhead) / size : 1;
}

/* R-4.1.8-MTU: as many messages as it takes. */
static void send_split(struct change *c, bool suppress, const struct addr *list, uint32_t n)
{
	const struct addr *group = &c->m->group->addr;
	uint32_t most = sources_per_query(c->port, group);

	for (uint32_t i = 0; i < n; i += most) {
		uint32_t part = n - i < most ? n - i : most;

		querier_send_specific(c->port, group, suppress, list + i, part, c->out);
	}
}

/* After the messages: counts them for each source and finds the next turn. */
static void count_due(struct change *c)
{
	struct source_iter it = { .set = &c->m->sources };
	struct source *source;

	c->m->extra->source_query_next = ENGINE_NEVER;
	while ((source = source_next(&it))) {
		if (is_due(c, source)) {
			source->queries_left--;
			source->queried = true;
			source->queried_ms = (uint32_t)c->now;
		}
		if (source->queries_left)
			source_turn(c, source);
	}
}

static void send_due_sources(struct change *c)
{
	struct addr *list = actions_alloc(c->out, c->m->sources.n * sizeof(*list));
	uint32_t n;

	if (list) {
		n = collect_due(c, true, list);
		send_split(c, true, list, n);
		list += n;
		n = collect_due(c, false, list);
		send_split(c, false, list, n);
	}
	count_due(c);
}

/* Prepares one source for being asked for. Returns true if it is to be done at once. */
static bool ask_source(struct change *c, struct source_block *block, struct source *source)
{
	uint64_t lowered = c->now + port_lmqt_ms(c->port);

	if (source->expires <= lowered)
		return false;
	source_set_timer(&c->port->engine->timers, block, source, lowered);
	source->queries_left = port_lmqc(c->port);
	if (asked_ago_ms(c, source) >= lmqi_ms(c->port))
		return true;
	source_turn(c, source);
	return false;
}

/* A source of X: stops it or prepares the question. Returns true if a question is due at once. */
static bool leave_source(struct change *c, struct source_block *block, struct source *source,
			 bool at_once)
{
	if (at_once && !track_wants(c->m, &source->addr)) {
		membership_stop_source(c, source);
		return false;
	}
	return ask_source(c, block, source);
}

static bool leave_listed(struct change *c, bool at_once)
{
	struct source_block *block;
	struct source *source;
	bool send = false;

	for (uint32_t i = 0; i < c->n_a; i++) {
		source = source_set_find(&c->m->sources, &c->a[i], &block);
		if (source && source_is_running(source))
			send |= leave_source(c, block, source, at_once);
	}
	return send;
}

static bool leave_unlisted(struct change *c, bool at_once)
{
	struct source_iter it = { .set = &c->m->sources };
	struct source *source;
	bool send = false;
	uint32_t i = 0;

	while ((source = source_next(&it))) {
		while (i < c->n_a && addr_cmp(&c->a[i], &source->addr) < 0)
			i++;
		if (i < c->n_a && addr_equal(&c->a[i], &source->addr))
			continue;
		if (source_is_running(source))
			send |= leave_source(c, source_iter_block(&it), source, at_once);
	}
	return send;
}

static void query_sources(struct change *c, bool (*leave)(struct change *c, bool at_once))
{
	bool at_once;

	/* A query of an older version cannot name sources. */
	if (!c->m->sources.n || !may_ask(c) || port_version(c->port) < 3)
		return;
	if (!membership_extra(c->m)) {
		c->no_memory = true;
		return;
	}
	at_once = leaves_at_once(c);
	if (leave(c, at_once))
		send_due_sources(c);
	if (at_once && membership_mode(c->m) == FILTER_INCLUDE)
		membership_forget_stopped(c);
}

void specific_query_listed(struct change *c)
{
	if (c->n_a)
		query_sources(c, leave_listed);
}

void specific_query_unlisted(struct change *c)
{
	query_sources(c, leave_unlisted);
}

void specific_retransmit(struct change *c)
{
	const struct membership_extra *extra = c->m->extra;

	if (!extra)
		return;
	if (extra->group_queries_left && extra->group_query_next <= c->now)
		send_group_query(c);
	if (extra->source_query_next <= c->now)
		send_due_sources(c);
}
