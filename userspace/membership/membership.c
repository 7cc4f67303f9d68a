/* SPDX-License-Identifier: BSD-2-Clause */
#include "membership.h"

#include <errno.h>
#include <stdlib.h>

#include "event.h"
#include "specific.h"
#include "track.h"

uint32_t engine_hash(const struct engine *engine, const struct addr *addr)
{
	unsigned __int128 product = (unsigned __int128)(addr->q[0] ^ engine->hash_seed[0]) *
				    (addr->q[1] ^ engine->hash_seed[1]);
	uint64_t folded = (uint64_t)product ^ (uint64_t)(product >> 64);

	return (uint32_t)(folded ^ folded >> 32);
}

/* --- groups --- */

struct group *group_find(const struct engine *engine, const struct addr *addr)
{
	struct table_node *node = table_first(&engine->groups, engine_hash(engine, addr));

	while (node && !addr_equal(&((struct group *)node)->addr, addr))
		node = table_next(node);
	return (struct group *)node;
}

struct membership **group_members(struct group *group)
{
	return group->node.n == 1 ? &group->one : group->many;
}

static struct group *group_open(struct engine *engine, const struct addr *addr)
{
	struct group *group = pool_take(&engine->group_pool);

	if (!group)
		return NULL;
	group->addr = *addr;
	group->node.hash = engine_hash(engine, addr);
	if (table_insert(&engine->groups, &group->node)) {
		pool_give(&engine->group_pool, group);
		return NULL;
	}
	return group;
}

/* Where the membership of a port stands in its group, or would stand. */
static uint32_t member_index(struct group *group, unsigned int port)
{
	struct membership **members = group_members(group);
	uint32_t low = 0, high = group->node.n;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (members[mid]->port->number < port)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int group_add(struct group *group, struct membership *m)
{
	uint32_t n = group->node.n, i = member_index(group, m->port->number);
	struct membership **many;

	if (n == 0) {
		group->one = m;
		group->node.n = 1;
		return 0;
	}
	many = realloc(n == 1 ? NULL : group->many, (n + 1) * sizeof(struct membership *));
	if (!many)
		return -ENOMEM;
	if (n == 1)
		many[0] = group->one;
	memmove(many + i + 1, many + i, (n - i) * sizeof(*many));
	many[i] = m;
	group->many = many;
	group->node.n = n + 1;
	return 0;
}

/* Takes a membership out; the group ends with its last one. */
static void group_remove(struct engine *engine, struct group *group, const struct membership *m)
{
	uint32_t n = --group->node.n, i;
	struct membership **many = group->many, *last;

	if (n == 0) {
		table_remove(&engine->groups, &group->node);
		pool_give(&engine->group_pool, group);
		return;
	}
	for (i = 0; many[i] != m; i++)
		;
	memmove(many + i, many + i + 1, (n - i) * sizeof(*many));
	if (n == 1) {
		last = many[0];
		free(many);
		group->one = last;
	}
}

/* --- memberships --- */

struct membership *membership_find(const struct engine *engine, const struct port *port,
				   const struct addr *group)
{
	struct group *g = group_find(engine, group);
	struct membership *m;
	uint32_t i;

	if (!g)
		return NULL;
	if (g->node.n == 1)
		return g->one->port == port ? g->one : NULL;
	i = member_index(g, port->number);
	if (i == g->node.n)
		return NULL;
	m = g->many[i];
	return m->port == port ? m : NULL;
}

static void port_list_add(struct port *port, struct membership *m)
{
	m->next = port->memberships;
	if (m->next)
		m->next->prev = m;
	port->memberships = m;
	port->n_groups++;
}

static void port_list_remove(struct port *port, struct membership *m)
{
	if (m->prev)
		m->prev->next = m->next;
	else
		port->memberships = m->next;
	if (m->next)
		m->next->prev = m->prev;
	port->n_groups--;
}

struct membership *membership_open(struct port *port, const struct addr *addr, uint64_t now)
{
	struct engine *engine = port->engine;
	struct group *group = group_find(engine, addr);
	struct membership *m = pool_take(&engine->membership_pool);

	if (!m)
		return NULL;
	if (timers_join(&engine->timers, &m->timer, TIMER_MEMBERSHIP))
		goto free_membership;
	if (!group)
		group = group_open(engine, addr);
	if (!group)
		goto leave_timers;
	m->port = port;
	m->group = group;
	m->since = now;
	/* Only a group that has other members can fail here, so none is left empty. */
	if (group_add(group, m))
		goto leave_timers;
	port_list_add(port, m);
	return m;

leave_timers:
	timers_leave(&engine->timers, &m->timer);
free_membership:
	pool_give(&engine->membership_pool, m);
	return NULL;
}

static void membership_free(struct membership *m)
{
	struct engine *engine = m->port->engine;

	timers_leave(&engine->timers, &m->timer);
	source_set_fini(&m->sources, &engine->timers);
	track_free(m);
	pool_give(&engine->extra_pool, m->extra);
	port_list_remove(m->port, m);
	group_remove(engine, m->group, m);
	pool_give(&engine->membership_pool, m);
}

struct membership_extra *membership_extra(struct membership *m)
{
	if (!m->extra) {
		m->extra = pool_take(&m->port->engine->extra_pool);
		if (m->extra)
			m->extra->source_query_next = ENGINE_NEVER;
	}
	return m->extra;
}

/* Gives the rare part back when nothing in it matters any more. */
static void release_extra(struct membership *m, uint64_t now)
{
	const struct membership_extra *extra = m->extra;

	if (!extra || extra->statics || extra->track || extra->untracked_until > now ||
	    extra->v1_expires > now || extra->v2_expires > now || extra->group_queries_left ||
	    extra->source_query_next != ENGINE_NEVER ||
	    (extra->group_queried && now - extra->group_query_last < port_lmqt_ms(m->port)))
		return;
	pool_give(&m->port->engine->extra_pool, m->extra);
	m->extra = NULL;
}

/* Wakes the membership when the next thing is due. */
static void schedule(struct membership *m)
{
	const struct membership_extra *extra = m->extra;
	uint64_t next = m->group_expires ? m->group_expires : ENGINE_NEVER;

	if (extra && extra->group_queries_left && extra->group_query_next < next)
		next = extra->group_query_next;
	if (extra && extra->source_query_next < next)
		next = extra->source_query_next;
	if (next != ENGINE_NEVER)
		timer_set(&m->port->engine->timers, &m->timer, next);
}

static void tell(const struct change *c, enum event_type type)
{
	struct event event = { .type = type, .group = c->m->group->addr, .host = c->host };

	event_emit(c->port, &event, c->now, c->out);
}

static void tell_changed(const struct change *c)
{
	struct action *action = actions_add(c->out, ACTION_CHANGED, c->port->number);

	if (action)
		action->group = c->m->group->addr;
}

void membership_commit(struct change *c)
{
	struct membership *m = c->m;
	bool empty = !m->group_expires && !m->sources.n && !membership_statics(m);

	m->port->n_sources += m->sources.n - m->n_counted;
	m->n_counted = m->sources.n;
	if (empty && c->opened) {
		membership_free(m);
		return;
	}
	if (c->opened)
		tell(c, EVENT_GROUP_JOINED);
	if (empty)
		tell(c, EVENT_GROUP_LEFT);
	if (c->changed || c->opened || empty)
		tell_changed(c);
	if (empty)
		membership_free(m);
	else if (c->reschedule)
		schedule(m);
}

void membership_set_group_timer(struct change *c, uint64_t expires)
{
	struct membership *m = c->m;

	if (!m->group_expires)
		c->changed = true;
	/* A timer that only moved away is found out when it fires too early. */
	if (!m->group_expires || expires < m->group_expires)
		c->reschedule = true;
	m->group_expires = expires;
}

void membership_drop(struct membership *m, uint64_t now, struct actions *out)
{
	struct change c = { .port = m->port, .m = m, .now = now, .out = out, .changed = true };
	struct timers *timers = &m->port->engine->timers;

	if (!m->group_expires && !m->sources.n)
		return;
	m->group_expires = 0;
	source_set_fini(&m->sources, timers);
	timer_stop(timers, &m->timer);
	track_free(m);
	if (m->extra) {
		const struct static_entry *statics = m->extra->statics;

		*m->extra = (struct membership_extra){ .statics = statics,
						       .source_query_next = ENGINE_NEVER };
	}
	membership_commit(&c);
}

uint8_t membership_version(const struct membership *m, uint64_t now)
{
	const struct membership_extra *extra = m->extra;

	if (extra && extra->v1_expires > now)
		return 1;
	if ((extra && extra->v2_expires > now) || m->port->settings.config.version < 3)
		return 2;
	return 3;
}

/* --- expiry --- */

void membership_stop_source(struct change *c, struct source *source)
{
	struct event event = { .type = EVENT_SOURCE_LEFT,
			       .group = c->m->group->addr,
			       .source = source->addr,
			       .host = c->host };

	source->expires = 0;
	source->queries_left = 0;
	c->changed = true;
	if (membership_mode(c->m) == FILTER_INCLUDE)
		event_emit(c->port, &event, c->now, c->out);
}

static bool keep_running(struct source *source, void *arg)
{
	(void)arg;
	return source_is_running(source);
}

void membership_forget_stopped(struct change *c)
{
	source_set_filter(&c->m->sources, &c->port->engine->timers, keep_running, NULL);
}

/* What source-policy denies was never asked for: its timer ran because somebody refused it. */
static bool keep_asked_for(struct source *source, void *arg)
{
	const struct change *c = arg;

	return source_is_running(source) &&
	       settings_permit_source(&c->port->settings, &source->addr);
}

/* Section 6.5: EXCLUDE (X,Y) becomes INCLUDE (X), which may be nothing. */
void membership_group_timeout(struct change *c)
{
	c->m->group_expires = 0;
	if (c->m->extra)
		c->m->extra->group_queries_left = 0;
	source_set_filter(&c->m->sources, &c->port->engine->timers, keep_asked_for, c);
	c->changed = true;
}

void membership_tick(struct membership *m, uint64_t now, struct actions *out)
{
	struct change c = { .port = m->port, .m = m, .now = now, .out = out, .reschedule = true };

	if (m->group_expires && m->group_expires <= now) {
		if (port_is_held(m->port, now))
			m->group_expires = m->port->held_until;
		else
			membership_group_timeout(&c);
	}
	specific_retransmit(&c);
	release_extra(m, now);
	membership_commit(&c);
}

/* Table 7: without its timer a source is dropped in INCLUDE mode and blocked in EXCLUDE mode. */
void membership_sources_tick(struct source_block *block, uint64_t now, struct actions *out)
{
	struct membership *m = block->owner;
	struct timers *timers = &m->port->engine->timers;
	struct change c = { .port = m->port, .m = m, .now = now, .out = out };
	bool there = true;

	for (uint16_t i = 0; i < block->n; i++) {
		struct source *source = &block->sources[i];

		if (!source_is_running(source) || source->expires > now)
			continue;
		if (port_is_held(m->port, now))
			source->expires = m->port->held_until;
		else
			membership_stop_source(&c, source);
	}
	if (c.changed && membership_mode(m) == FILTER_INCLUDE)
		there = source_set_filter_block(&m->sources, timers, block, keep_running, NULL);
	if (there)
		source_block_schedule(timers, block);
	membership_commit(&c);
}

/* --- static groups --- */

static int attach_static(struct port *port, const struct static_entry *entry, uint64_t now,
			 struct actions *out)
{
	struct membership *m = membership_find(port->engine, port, &entry->group);
	struct change c = { .port = port, .now = now, .out = out, .opened = !m, .changed = true };

	if (!m)
		m = membership_open(port, &entry->group, now);
	if (!m)
		return -ENOMEM;
	c.m = m;
	if (!membership_extra(m)) {
		membership_commit(&c);
		return -ENOMEM;
	}
	if (!m->extra->statics)
		port->n_static_groups++;
	m->extra->statics = entry;
	membership_commit(&c);
	return 0;
}

int membership_attach_statics(struct port *port, uint64_t now, struct actions *out)
{
	int err = 0;

	for (uint32_t i = 0; i < port->settings.n_statics; i++)
		err |= attach_static(port, &port->settings.statics[i], now, out);
	return err ? -ENOMEM : 0;
}

void membership_detach_statics(struct port *port, const struct settings *settings, uint64_t now,
			       struct actions *out)
{
	for (uint32_t i = 0; i < settings->n_statics; i++) {
		const struct static_entry *entry = &settings->statics[i];
		struct membership *m = membership_find(port->engine, port, &entry->group);
		struct change c = { .port = port, .m = m, .now = now, .out = out, .changed = true };

		if (!m || membership_statics(m) != entry)
			continue;
		m->extra->statics = NULL;
		port->n_static_groups--;
		membership_commit(&c);
	}
}
