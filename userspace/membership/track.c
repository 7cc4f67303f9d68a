/* SPDX-License-Identifier: BSD-2-Clause */
#include "track.h"

#include <stdlib.h>

#include "event.h"

/* A host that is a member of a group. */
struct tracked_host {
	struct table_node node;
	struct timer timer; /* TIMER_HOST */
	struct membership *m;
	struct tracked_host *prev, *next;
	struct addr addr;
	uint64_t expires;
	struct tracked_pair *pairs; /* wanted sources, in EXCLUDE mode blocked ones */
	uint32_t n_pairs;
	bool exclude;
};

/* One source in the list of one host. */
struct tracked_pair {
	struct table_node node;
	struct tracked_host *host;
	struct tracked_pair *prev, *next;
	struct addr source;
};

/* How many hosts of a group list a source. */
struct tracked_source {
	struct table_node node;
	const struct membership *m;
	struct addr addr;
	uint32_t n_include, n_exclude;
};

/* The hosts of one membership. */
struct track {
	struct tracked_host *hosts;
	uint32_t n_hosts;
	uint32_t n_exclude; /* of these, in EXCLUDE mode */
};

static struct tracking *tracking_of(const struct membership *m)
{
	return &m->port->tracking;
}

static struct track *track_of(const struct membership *m)
{
	return m->extra ? m->extra->track : NULL;
}

static uint32_t hash_in_group(const struct membership *m, const struct addr *addr)
{
	return engine_hash(m->port->engine, addr) * 0x9e3779b1 ^ m->group->node.hash;
}

static uint32_t hash_of_pair(const struct tracked_host *host, const struct addr *source)
{
	return hash_in_group(host->m, source) * 0x85ebca6b ^ host->node.hash;
}

/* --- how many hosts list a source --- */

static struct tracked_source *source_find(const struct membership *m, const struct addr *addr)
{
	struct table_node *node = table_first(&tracking_of(m)->sources, hash_in_group(m, addr));

	for (; node; node = table_next(node)) {
		struct tracked_source *source = (struct tracked_source *)node;

		if (source->m == m && addr_equal(&source->addr, addr))
			return source;
	}
	return NULL;
}

static struct tracked_source *source_get(const struct membership *m, const struct addr *addr)
{
	struct tracked_source *source = source_find(m, addr);

	if (source)
		return source;
	source = calloc(1, sizeof(*source));
	if (!source)
		return NULL;
	source->m = m;
	source->addr = *addr;
	source->node.hash = hash_in_group(m, addr);
	if (table_insert(&tracking_of(m)->sources, &source->node)) {
		free(source);
		return NULL;
	}
	return source;
}

static void source_release(const struct membership *m, const struct addr *addr, bool exclude)
{
	struct tracked_source *source = source_find(m, addr);

	if (exclude)
		source->n_exclude--;
	else
		source->n_include--;
	if (source->n_include || source->n_exclude)
		return;
	table_remove(&tracking_of(m)->sources, &source->node);
	free(source);
}

/* --- the list of a host --- */

static struct tracked_pair *pair_find(const struct tracked_host *host, const struct addr *source)
{
	struct table_node *node =
		table_first(&tracking_of(host->m)->pairs, hash_of_pair(host, source));

	for (; node; node = table_next(node)) {
		struct tracked_pair *pair = (struct tracked_pair *)node;

		if (pair->host == host && addr_equal(&pair->source, source))
			return pair;
	}
	return NULL;
}

/* Returns false when memory ran out. */
static bool pair_add(struct tracked_host *host, const struct addr *addr)
{
	struct tracked_source *source;
	struct tracked_pair *pair;

	if (pair_find(host, addr))
		return true;
	pair = calloc(1, sizeof(*pair));
	if (!pair)
		return false;
	pair->host = host;
	pair->source = *addr;
	pair->node.hash = hash_of_pair(host, addr);
	source = source_get(host->m, addr);
	if (!source || table_insert(&tracking_of(host->m)->pairs, &pair->node)) {
		free(pair);
		return false;
	}
	source->n_include += !host->exclude;
	source->n_exclude += host->exclude;
	pair->next = host->pairs;
	if (pair->next)
		pair->next->prev = pair;
	host->pairs = pair;
	host->n_pairs++;
	host->m->port->n_tracked++;
	return true;
}

static void pair_remove(struct tracked_pair *pair)
{
	struct tracked_host *host = pair->host;

	if (pair->prev)
		pair->prev->next = pair->next;
	else
		host->pairs = pair->next;
	if (pair->next)
		pair->next->prev = pair->prev;
	host->n_pairs--;
	host->m->port->n_tracked--;
	table_remove(&tracking_of(host->m)->pairs, &pair->node);
	source_release(host->m, &pair->source, host->exclude);
	free(pair);
}

static void host_clear(struct tracked_host *host)
{
	struct tracked_pair *pair, *next;

	for (pair = host->pairs; pair; pair = next) {
		next = pair->next;
		pair_remove(pair);
	}
}

/* --- hosts --- */

static struct tracked_host *host_find(const struct membership *m, const struct addr *addr)
{
	struct table_node *node = table_first(&tracking_of(m)->hosts, hash_in_group(m, addr));

	for (; node; node = table_next(node)) {
		struct tracked_host *host = (struct tracked_host *)node;

		if (host->m == m && addr_equal(&host->addr, addr))
			return host;
	}
	return NULL;
}

static struct tracked_host *host_new(struct membership *m, const struct addr *addr)
{
	struct timers *timers = &m->port->engine->timers;
	struct track *track = m->extra->track;
	struct tracked_host *host = calloc(1, sizeof(*host));

	if (!host)
		return NULL;
	host->m = m;
	host->addr = *addr;
	host->node.hash = hash_in_group(m, addr);
	if (timers_join(timers, &host->timer, TIMER_HOST))
		goto free_host;
	if (table_insert(&tracking_of(m)->hosts, &host->node))
		goto leave_timers;
	host->next = track->hosts;
	if (host->next)
		host->next->prev = host;
	track->hosts = host;
	track->n_hosts++;
	m->port->n_tracked++;
	return host;

leave_timers:
	timers_leave(timers, &host->timer);
free_host:
	free(host);
	return NULL;
}

static void host_set_mode(struct tracked_host *host, bool exclude)
{
	struct track *track = host->m->extra->track;

	host_clear(host);
	track->n_exclude += exclude;
	track->n_exclude -= host->exclude;
	host->exclude = exclude;
}

static void host_remove(struct tracked_host *host)
{
	struct membership *m = host->m;
	struct track *track = m->extra->track;

	host_set_mode(host, false);
	if (host->prev)
		host->prev->next = host->next;
	else
		track->hosts = host->next;
	if (host->next)
		host->next->prev = host->prev;
	track->n_hosts--;
	m->port->n_tracked--;
	table_remove(&tracking_of(m)->hosts, &host->node);
	timers_leave(&m->port->engine->timers, &host->timer);
	free(host);
}

/* --- reports --- */

/* A member may be there that is not tracked: no leave is the last one for now. */
static void mark_incomplete(const struct change *c)
{
	struct membership_extra *extra = c->m->extra;

	extra->untracked_until = c->now + port_gmi_ms(c->port);
}

static void refuse_host(struct change *c)
{
	struct event event = { .type = EVENT_LIMIT_HOSTS,
			       .group = c->m->group->addr,
			       .host = c->host };

	c->port->counters.hosts_refused++;
	event_emit(c->port, &event, c->now, c->out);
}

static struct track *track_get(struct change *c)
{
	struct membership_extra *extra = membership_extra(c->m);

	if (!extra)
		return NULL;
	if (!extra->track) {
		extra->track = calloc(1, sizeof(*extra->track));
		if (!c->opened)
			mark_incomplete(c);
	}
	return extra->track;
}

static bool tracking_is_full(const struct port *port)
{
	uint32_t most = port->settings.config.max_hosts;

	return most && port->n_tracked >= most;
}

/* The host, begun if there is room; NULL: it stays untracked. */
static struct tracked_host *host_get(struct change *c)
{
	struct tracked_host *host = host_find(c->m, &c->host);

	if (host)
		return host;
	if (tracking_is_full(c->port))
		refuse_host(c);
	else
		host = host_new(c->m, &c->host);
	return host;
}

static void list_add(struct change *c, struct tracked_host *host)
{
	uint32_t most = c->port->settings.config.max_group_sources;

	for (uint32_t i = 0; i < c->n_a; i++) {
		if ((most && host->n_pairs >= most) || tracking_is_full(c->port) ||
		    !pair_add(host, &c->a[i]))
			mark_incomplete(c);
	}
}

static void list_remove(struct change *c, struct tracked_host *host)
{
	for (uint32_t i = 0; i < c->n_a; i++) {
		struct tracked_pair *pair = pair_find(host, &c->a[i]);

		if (pair)
			pair_remove(pair);
	}
}

static void host_refresh(struct change *c, struct tracked_host *host)
{
	host->expires = c->now + port_gmi_ms(c->port);
	timer_set(&c->port->engine->timers, &host->timer, host->expires);
}

/*
 * What the record makes of the host's list. IS_IN does not replace it: an answer to Q(G,A) names
 * some sources only, and a host in EXCLUDE mode answers it with IS_IN too (section 5.2).
 */
static void host_apply(struct change *c, struct tracked_host *host, uint8_t type)
{
	bool exclude_type = type == RECORD_IS_EX || type == RECORD_TO_EX;
	bool wants = type == RECORD_IS_IN || type == RECORD_ALLOW;

	if (exclude_type || type == RECORD_TO_IN)
		host_set_mode(host, exclude_type);
	if (exclude_type || type == RECORD_TO_IN || wants != host->exclude)
		list_add(c, host);
	else
		list_remove(c, host);
	if (host->exclude == exclude_type)
		host_refresh(c, host);
	if (!host->exclude && !host->n_pairs)
		host_remove(host);
}

void track_report(struct change *c, uint8_t type)
{
	bool leaves = type == RECORD_BLOCK || (type == RECORD_TO_IN && c->n_a == 0);
	struct tracked_host *host = NULL;

	if (!c->port->settings.config.explicit_tracking) {
		track_free(c->m);
		return;
	}
	if (!track_get(c))
		return;
	if (addr_is_unspecified(&c->host)) {
		mark_incomplete(c);
		return;
	}
	host = leaves ? host_find(c->m, &c->host) : host_get(c);
	if (host)
		host_apply(c, host, type);
	else if (!leaves)
		mark_incomplete(c);
}

/* --- questions --- */

bool track_is_complete(const struct change *c)
{
	return c->port->settings.config.explicit_tracking && track_of(c->m) &&
	       !port_is_held(c->port, c->now) && c->m->extra->untracked_until <= c->now &&
	       membership_version(c->m, c->now) == 3;
}

bool track_has_exclude(const struct membership *m)
{
	const struct track *track = track_of(m);

	return track && track->n_exclude;
}

bool track_wants(const struct membership *m, const struct addr *addr)
{
	const struct track *track = track_of(m);
	const struct tracked_source *source;

	if (!track)
		return false;
	source = source_find(m, addr);
	if (!source)
		return track->n_exclude;
	return source->n_include || track->n_exclude > source->n_exclude;
}

uint32_t track_count(const struct membership *m)
{
	const struct track *track = track_of(m);

	return track ? track->n_hosts : 0;
}

/* --- ends --- */

void track_free(struct membership *m)
{
	struct track *track = track_of(m);
	struct tracked_host *host, *next;

	if (!track)
		return;
	for (host = track->hosts; host; host = next) {
		next = host->next;
		host_remove(host);
	}
	free(track);
	m->extra->track = NULL;
}

void track_tick(struct timer *timer, uint64_t now)
{
	struct tracked_host *host =
		(struct tracked_host *)((char *)timer - offsetof(struct tracked_host, timer));

	if (host->expires <= now && port_is_held(host->m->port, now))
		host->expires = host->m->port->held_until;
	if (host->expires > now)
		timer_set(&host->m->port->engine->timers, timer, host->expires);
	else
		host_remove(host);
}

void tracking_fini(struct tracking *tracking)
{
	table_fini(&tracking->hosts);
	table_fini(&tracking->pairs);
	table_fini(&tracking->sources);
}
