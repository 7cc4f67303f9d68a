/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One function per cell of tables 8 and 9, its text from the RFC above it. A and B are the sources
 * of the record (c->a); X are the sources whose timers run, Y those whose timers do not. A group
 * without state is INCLUDE of nothing. The steps of the cells are the five functions before them.
 */
#include "router.h"

#include "event.h"
#include "specific.h"

#define BLOCKED 0 /* as a source timer */

static uint64_t gmi_end(const struct change *c)
{
	return c->now + port_gmi_ms(c->port);
}

static void tell_joined(struct change *c, const struct addr *source)
{
	struct event event = { .type = EVENT_SOURCE_JOINED,
			       .group = c->m->group->addr,
			       .source = *source,
			       .host = c->host };

	event_emit(c->port, &event, c->now, c->out);
}

static bool is_full(const struct change *c)
{
	const struct port_config *config = &c->port->settings.config;
	uint32_t here = c->m->sources.n, elsewhere = c->port->n_sources - c->m->n_counted;

	return (config->max_group_sources && here >= config->max_group_sources) ||
	       (config->max_sources && elsewhere + here >= config->max_sources);
}

/* Adds a source unless a limit is reached: then it is as if it had not been listed (L-MAXS). */
static void add_source(struct change *c, const struct addr *addr, uint64_t expires)
{
	struct timers *timers = &c->port->engine->timers;
	struct source_block *block;
	struct source *source;

	if (is_full(c)) {
		c->refused++;
		return;
	}
	source = source_set_add(&c->m->sources, timers, c->m, addr, &block);
	if (!source) {
		c->no_memory = true;
		return;
	}
	source->since = c->now;
	source_set_timer(timers, block, source, expires);
	if (membership_mode(c->m) == FILTER_INCLUDE) {
		c->changed = true;
		tell_joined(c, addr);
	} else if (expires == BLOCKED) {
		c->changed = true;
	}
}

/* (A)=GMI: the listed sources run, whether they were there or not. */
static void refresh_listed(struct change *c)
{
	uint64_t expires = gmi_end(c);
	struct source_block *block;

	for (uint32_t i = 0; i < c->n_a; i++) {
		struct source *source = source_set_find(&c->m->sources, &c->a[i], &block);

		if (!source) {
			add_source(c, &c->a[i], expires);
			continue;
		}
		c->changed |= !source_is_running(source);
		source_set_timer(&c->port->engine->timers, block, source, expires);
	}
}

/* (A-X-Y)=expires: the listed sources that are not there. */
static void add_missing(struct change *c, uint64_t expires)
{
	for (uint32_t i = 0; i < c->n_a; i++) {
		if (!source_set_find(&c->m->sources, &c->a[i], NULL))
			add_source(c, &c->a[i], expires);
	}
}

struct delete_walk {
	struct change *c;
	uint32_t i;
};

static bool keep_listed(struct source *source, void *arg)
{
	struct delete_walk *walk = arg;
	struct change *c = walk->c;

	while (walk->i < c->n_a && addr_cmp(&c->a[walk->i], &source->addr) < 0)
		walk->i++;
	if (walk->i < c->n_a && addr_equal(&c->a[walk->i], &source->addr))
		return true;
	/* What is not listed is forwarded in EXCLUDE mode, as it was if its timer was running. */
	c->changed |= !source_is_running(source);
	return false;
}

/* Delete (X-A), Delete (Y-A). Only where the mode is, or will be, EXCLUDE. */
static void delete_unlisted(struct change *c)
{
	struct delete_walk walk = { .c = c };

	if (c->m->sources.n)
		source_set_filter(&c->m->sources, &c->port->engine->timers, keep_listed, &walk);
}

/* Group Timer=GMI */
static void restart_group_timer(struct change *c)
{
	membership_set_group_timer(c, gmi_end(c));
}

/* --- table 8: Current-State records, section 6.4.1 --- */

/* INCLUDE (A), IS_IN (B): INCLUDE (A+B); (B)=GMI */
static void include_is_in(struct change *c)
{
	refresh_listed(c);
}

/* INCLUDE (A), IS_EX (B): EXCLUDE (A*B,B-A); (B-A)=0, Delete (A-B), Group Timer=GMI */
static void include_is_ex(struct change *c)
{
	restart_group_timer(c);
	delete_unlisted(c);
	add_missing(c, BLOCKED);
}

/* EXCLUDE (X,Y), IS_IN (A): EXCLUDE (X+A,Y-A); (A)=GMI */
static void exclude_is_in(struct change *c)
{
	refresh_listed(c);
}

/*
 * EXCLUDE (X,Y), IS_EX (A): EXCLUDE (A-Y,Y*A); (A-X-Y)=GMI, Delete (X-A), Delete (Y-A),
 * Group Timer=GMI
 */
static void exclude_is_ex(struct change *c)
{
	restart_group_timer(c);
	delete_unlisted(c);
	add_missing(c, gmi_end(c));
}

/* --- table 9: Filter-Mode-Change and Source-List-Change records, section 6.4.2 --- */

/* INCLUDE (A), ALLOW (B): INCLUDE (A+B); (B)=GMI */
static void include_allow(struct change *c)
{
	refresh_listed(c);
}

/* INCLUDE (A), BLOCK (B): INCLUDE (A); Send Q(G,A*B) */
static void include_block(struct change *c)
{
	specific_query_listed(c);
}

/*
 * INCLUDE (A), TO_EX (B): EXCLUDE (A*B,B-A); (B-A)=0, Delete (A-B), Send Q(G,A*B),
 * Group Timer=GMI
 */
static void include_to_ex(struct change *c)
{
	restart_group_timer(c);
	delete_unlisted(c);
	specific_query_listed(c);
	add_missing(c, BLOCKED);
}

/* INCLUDE (A), TO_IN (B): INCLUDE (A+B); (B)=GMI, Send Q(G,A-B) */
static void include_to_in(struct change *c)
{
	refresh_listed(c);
	specific_query_unlisted(c);
}

/* EXCLUDE (X,Y), ALLOW (A): EXCLUDE (X+A,Y-A); (A)=GMI */
static void exclude_allow(struct change *c)
{
	refresh_listed(c);
}

/* EXCLUDE (X,Y), BLOCK (A): EXCLUDE (X+(A-Y),Y); (A-X-Y)=Group Timer, Send Q(G,A-Y) */
static void exclude_block(struct change *c)
{
	add_missing(c, c->m->group_expires);
	specific_query_listed(c);
}

/*
 * EXCLUDE (X,Y), TO_EX (A): EXCLUDE (A-Y,Y*A); (A-X-Y)=Group Timer, Delete (X-A), Delete (Y-A),
 * Send Q(G,A-Y), Group Timer=GMI. The Group Timer that new sources get is the old one.
 */
static void exclude_to_ex(struct change *c)
{
	delete_unlisted(c);
	add_missing(c, c->m->group_expires);
	specific_query_listed(c);
	restart_group_timer(c);
}

/* EXCLUDE (X,Y), TO_IN (A): EXCLUDE (X+A,Y-A); (A)=GMI, Send Q(G,X-A), Send Q(G) */
static void exclude_to_in(struct change *c)
{
	refresh_listed(c);
	specific_query_unlisted(c);
	specific_query_group(c);
}

typedef void (*router_cell)(struct change *c);

static const router_cell cells[2][RECORD_BLOCK + 1] = {
	[FILTER_INCLUDE] = {
		[RECORD_IS_IN] = include_is_in,
		[RECORD_IS_EX] = include_is_ex,
		[RECORD_TO_IN] = include_to_in,
		[RECORD_TO_EX] = include_to_ex,
		[RECORD_ALLOW] = include_allow,
		[RECORD_BLOCK] = include_block,
	},
	[FILTER_EXCLUDE] = {
		[RECORD_IS_IN] = exclude_is_in,
		[RECORD_IS_EX] = exclude_is_ex,
		[RECORD_TO_IN] = exclude_to_in,
		[RECORD_TO_EX] = exclude_to_ex,
		[RECORD_ALLOW] = exclude_allow,
		[RECORD_BLOCK] = exclude_block,
	},
};

void router_apply(struct change *c, enum record_type type)
{
	cells[membership_mode(c->m)][type](c);
}
