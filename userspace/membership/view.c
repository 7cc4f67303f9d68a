/* SPDX-License-Identifier: BSD-2-Clause */
/* Looking into the engine: the last section of engine.h. */
#include "host.h"
#include "membership.h"
#include "receive.h"
#include "track.h"

/* --- the static part and what hosts asked for, merged --- */

static bool is_any_static(const struct static_entry *statics)
{
	return statics && statics->n_sources == 0;
}

static bool static_wants(const struct static_entry *statics, const struct addr *source)
{
	return statics &&
	       (!statics->n_sources || addr_list_has(statics->sources, statics->n_sources, source));
}

/* Goes through learned and static sources side by side, in order of address. */
struct merge {
	const struct membership *m;
	const struct static_entry *statics;
	struct source_iter it;
	const struct source *learned; /* the next one, not yet given out */
	uint32_t i;		      /* the next static one */
};

static struct merge merge_start(const struct membership *m)
{
	struct merge merge = { .m = m,
			       .statics = membership_statics(m),
			       .it = { .set = &m->sources } };

	merge.learned = source_next(&merge.it);
	return merge;
}

/* Below 0: the learned source comes first; above: the static one; 0: they are the same. */
static int merge_order(const struct merge *merge)
{
	bool more = merge->statics && merge->i < merge->statics->n_sources;

	if (!more || !merge->learned)
		return more ? 1 : -1;
	return addr_cmp(&merge->learned->addr, &merge->statics->sources[merge->i]);
}

static bool merge_next(struct merge *merge, struct engine_source_view *view)
{
	int order = merge_order(merge);
	const struct source *source = merge->learned;

	if (order < 0 && !source)
		return false;
	if (order <= 0) {
		*view = (struct engine_source_view){
			.source = source->addr,
			.since = source->since,
			.expires = source->expires ? source->expires : ENGINE_NEVER,
			.forwarding = source_is_running(source) || is_any_static(merge->statics),
		};
		merge->learned = source_next(&merge->it);
	}
	if (order >= 0) {
		if (order > 0)
			*view = (struct engine_source_view){
				.source = merge->statics->sources[merge->i],
				.since = merge->m->since,
			};
		view->expires = ENGINE_NEVER;
		view->forwarding = true;
		merge->i++;
	}
	return true;
}

/* --- views --- */

static uint64_t last_expiry(const struct membership *m)
{
	struct source_iter it = { .set = &m->sources };
	const struct source *source;
	uint64_t last = 0;

	if (membership_statics(m))
		return ENGINE_NEVER;
	if (m->group_expires)
		return m->group_expires;
	while ((source = source_next(&it))) {
		if (source->expires > last)
			last = source->expires;
	}
	return last;
}

static uint32_t count_sources(const struct membership *m)
{
	const struct static_entry *statics = membership_statics(m);
	uint32_t n = m->sources.n;

	for (uint32_t i = 0; statics && i < statics->n_sources; i++)
		n += !source_set_find(&m->sources, &statics->sources[i], NULL);
	return n;
}

static struct engine_membership_view membership_view(const struct membership *m)
{
	const struct static_entry *statics = membership_statics(m);
	bool exclude = m->group_expires || is_any_static(statics);

	return (struct engine_membership_view){
		.port = m->port->number,
		.group = m->group->addr,
		.mode = exclude ? FILTER_EXCLUDE : FILTER_INCLUDE,
		.host_version = membership_version(m, m->port->engine->now),
		.is_static = statics != NULL,
		.since = m->since,
		.expires = last_expiry(m),
		.last_reporter = m->last_reporter,
		.n_sources = count_sources(m),
		.n_hosts = track_count(m),
		.internal = m,
	};
}

void engine_each_source(const struct engine_membership_view *membership, engine_source_fn fn,
			void *arg)
{
	struct merge merge = merge_start(membership->internal);
	struct engine_source_view view;

	while (merge_next(&merge, &view)) {
		if (!fn(&view, arg))
			return;
	}
}

static bool each_of_port(const struct port *port, engine_membership_fn fn, void *arg)
{
	for (const struct membership *m = port->memberships; m; m = m->next) {
		struct engine_membership_view view = membership_view(m);

		if (!fn(&view, arg))
			return false;
	}
	return true;
}

void engine_each_membership(const struct engine *engine, unsigned int port, engine_membership_fn fn,
			    void *arg)
{
	unsigned int first = port ? port : 1, last = port ? port : ENGINE_MAX_PORTS - 1;

	for (unsigned int i = first; i <= last && i < ENGINE_MAX_PORTS; i++) {
		if (engine->ports[i] && !each_of_port(engine->ports[i], fn, arg))
			return;
	}
}

void engine_each_of_group(const struct engine *engine, const struct addr *group,
			  engine_membership_fn fn, void *arg)
{
	struct group *g = group_find(engine, group);

	for (uint32_t i = 0; g && i < g->node.n; i++) {
		struct engine_membership_view view = membership_view(group_members(g)[i]);

		if (!fn(&view, arg))
			return;
	}
}

bool engine_wants(const struct engine *engine, unsigned int port, const struct addr *group,
		  const struct addr *source)
{
	const struct membership *m;
	const struct source *found;

	if (port >= ENGINE_MAX_PORTS || !engine->ports[port])
		return false;
	m = membership_find(engine, engine->ports[port], group);
	if (!m)
		return false;
	if (static_wants(membership_statics(m), source))
		return true;
	found = source_set_find(&m->sources, source, NULL);
	if (found)
		return source_is_running(found);
	return membership_mode(m) == FILTER_EXCLUDE;
}

bool engine_port_view(const struct engine *engine, unsigned int number,
		      struct engine_port_view *view)
{
	const struct port *port = number < ENGINE_MAX_PORTS ? engine->ports[number] : NULL;

	if (!port)
		return false;
	*view = (struct engine_port_view){
		.role = port->settings.config.role,
		.up = port->up,
		.is_querier = port->is_querier,
		.address = port->address,
		.querier = port->querier,
		.querier_expires = port->is_querier ? ENGINE_NEVER : port->querier_expires,
		.version = port_version(port),
		.robustness = port->robustness,
		.query_interval_ms = port->query_interval_ms,
		.n_groups = port->host ? host_group_count(port->host) : port->n_groups,
		.held_until = port->held_until,
	};
	return true;
}

void engine_each_upstream(const struct engine *engine, unsigned int port, engine_upstream_fn fn,
			  void *arg)
{
	if (port < ENGINE_MAX_PORTS && engine->ports[port] && engine->ports[port]->host)
		host_each(engine->ports[port]->host, fn, arg);
}

bool engine_is_own(const struct engine *engine, unsigned int port, const struct addr *addr)
{
	return port < ENGINE_MAX_PORTS && engine->ports[port] &&
	       receive_is_own(engine->ports[port], addr);
}

const struct engine_counters *engine_port_counters(const struct engine *engine, unsigned int port)
{
	if (port >= ENGINE_MAX_PORTS || !engine->ports[port])
		return NULL;
	return &engine->ports[port]->counters;
}
