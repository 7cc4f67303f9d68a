/* SPDX-License-Identifier: BSD-2-Clause */
#include "report.h"

#include <errno.h>
#include <stdlib.h>

#include "event.h"
#include "router.h"
#include "rules/range.h"
#include "track.h"

/* One record, or a v1/v2 message turned into one (tables 13 and 14). */
struct report {
	struct port *port;
	struct addr host;
	uint8_t version; /* of the message */
	uint8_t type;
	const struct addr *group;
	const struct addr *sources;
	uint32_t n_sources;
	uint64_t now;
	struct actions *out;
};

static bool is_exclude_type(uint8_t type)
{
	return type == RECORD_IS_EX || type == RECORD_TO_EX;
}

/* --- sources --- */

static int scratch_reserve(struct engine *engine, uint32_t n)
{
	struct addr *scratch;

	if (n <= engine->scratch_capacity)
		return 0;
	scratch = realloc(engine->scratch, n * sizeof(*scratch));
	if (!scratch)
		return -ENOMEM;
	engine->scratch = scratch;
	engine->scratch_capacity = n;
	return 0;
}

/*
 * Does a source of the record count? None that is never routed (R-4.2.10-SRC); what source-policy
 * denies cannot be asked for, but it can be refused.
 */
static bool counts(const struct report *r, const struct addr *source)
{
	if (r->type == RECORD_BLOCK || is_exclude_type(r->type))
		return range_of_source(source) == RANGE_ROUTED;
	return settings_permit_source(&r->port->settings, source);
}

/* The record's sources that count, in order and without repetitions. Returns 0 or -ENOMEM. */
static int take_sources(const struct report *r, struct change *c)
{
	struct engine *engine = r->port->engine;
	uint32_t n = 0;

	if (!r->n_sources)
		return 0;
	if (scratch_reserve(engine, r->n_sources))
		return -ENOMEM;
	for (uint32_t i = 0; i < r->n_sources; i++) {
		if (counts(r, &r->sources[i]))
			engine->scratch[n++] = r->sources[i];
	}
	c->a = engine->scratch;
	c->n_a = addr_list_normalize(engine->scratch, n);
	return 0;
}

/* --- limits --- */

static void refuse_group(const struct report *r)
{
	struct event event = { .type = EVENT_LIMIT_GROUPS, .group = *r->group, .host = r->host };

	r->port->counters.groups_refused++;
	event_emit(r->port, &event, r->now, r->out);
}

static void refuse_sources(const struct report *r, const struct change *c)
{
	struct event event = { .type = EVENT_LIMIT_SOURCES, .group = *r->group, .host = r->host };

	r->port->counters.sources_refused += c->refused;
	event_emit(r->port, &event, r->now, r->out);
}

static void tell_no_memory(const struct report *r)
{
	struct event event = { .type = EVENT_NO_MEMORY, .group = *r->group, .host = r->host };

	event_emit(r->port, &event, r->now, r->out);
}

/* R-6.4.1-NONE-*: whether the record begins a membership where there is none. */
static bool begins(uint8_t type, uint32_t n_sources)
{
	return is_exclude_type(type) || (type != RECORD_BLOCK && n_sources > 0);
}

static bool is_full(const struct port *port)
{
	uint32_t most = port->settings.config.max_groups;

	return most && port->n_groups - port->n_static_groups >= most;
}

/* --- older hosts, section 7.3.2 --- */

static void tell_older_host(const struct report *r)
{
	struct event event = {
		.type = EVENT_OLDER_HOST, .group = *r->group, .host = r->host, .version = r->version
	};

	event_emit(r->port, &event, r->now, r->out);
}

/* A v1 or v2 report keeps the group in that mode. Returns 0 or -ENOMEM. */
static int note_version(const struct report *r, struct membership *m)
{
	uint64_t expires = r->now + port_ohpi_ms(r->port);

	if (r->version == 3 || !is_exclude_type(r->type))
		return 0;
	if (!membership_extra(m))
		return -ENOMEM;
	if (membership_version(m, r->now) > r->version)
		tell_older_host(r);
	if (r->version == 1)
		m->extra->v1_expires = expires;
	else
		m->extra->v2_expires = expires;
	return 0;
}

/*
 * What of a record counts while older hosts are there: in v2 mode not BLOCK and not the sources of
 * TO_EX, in v1 mode not TO_IN either. False: nothing.
 */
static bool reduce_for_version(const struct report *r, struct change *c)
{
	uint8_t version = membership_version(c->m, r->now);

	if (version == 3)
		return true;
	if (r->type == RECORD_BLOCK || (r->type == RECORD_TO_IN && version == 1))
		return false;
	if (r->type == RECORD_TO_EX)
		c->n_a = 0;
	return true;
}

/* --- one record --- */

static enum receive_verdict check_group(const struct report *r)
{
	const struct settings *settings = &r->port->settings;

	switch (settings_check_group(settings, r->group)) {
	case GROUP_BAD:
		return RECEIVE_BAD_GROUP;
	case GROUP_DENIED:
		return RECEIVE_POLICY;
	case GROUP_OK:
		break;
	}
	/* RFC 4604 sections 3.1, 3.5 and 3.7 */
	if ((r->version < 3 || is_exclude_type(r->type)) && settings_is_ssm(settings, r->group))
		return RECEIVE_NOT_SSM;
	return RECEIVE_APPLIED;
}

/* Why no source of a record counts. */
static enum receive_verdict no_source(const struct report *r)
{
	for (uint32_t i = 0; i < r->n_sources; i++) {
		if (range_of_source(&r->sources[i]) == RANGE_ROUTED)
			return RECEIVE_POLICY;
	}
	return RECEIVE_BAD_SOURCE_LIST;
}

static enum receive_verdict finish(const struct report *r, struct change *c)
{
	membership_commit(c);
	if (c->refused)
		refuse_sources(r, c);
	if (c->no_memory)
		tell_no_memory(r);
	if (c->no_memory)
		return RECEIVE_NO_MEMORY;
	return c->refused ? RECEIVE_LIMIT : RECEIVE_APPLIED;
}

static enum receive_verdict apply(const struct report *r, struct change *c)
{
	if (note_version(r, c->m)) {
		c->no_memory = true;
		return finish(r, c);
	}
	if (!reduce_for_version(r, c))
		return finish(r, c);
	c->m->last_reporter = r->host;
	track_report(c, r->type);
	router_apply(c, (enum record_type)r->type);
	return finish(r, c);
}

/* A record for a group without state. */
static enum receive_verdict apply_first(const struct report *r, struct change *c)
{
	if (!begins(r->type, c->n_a))
		return r->n_sources && !c->n_a ? no_source(r) : RECEIVE_APPLIED;
	if (is_full(r->port)) {
		refuse_group(r);
		return RECEIVE_LIMIT;
	}
	c->m = membership_open(r->port, r->group, r->now);
	if (!c->m) {
		tell_no_memory(r);
		return RECEIVE_NO_MEMORY;
	}
	c->opened = true;
	return apply(r, c);
}

static enum receive_verdict apply_record(const struct report *r)
{
	struct change c = { .port = r->port, .host = r->host, .now = r->now, .out = r->out };
	enum receive_verdict verdict = check_group(r);

	if (verdict != RECEIVE_APPLIED)
		return verdict;
	if (r->type < RECORD_IS_IN || r->type > RECORD_BLOCK) /* R-4.2.13-UNK */
		return RECEIVE_APPLIED;
	if (take_sources(r, &c)) {
		tell_no_memory(r);
		return RECEIVE_NO_MEMORY;
	}
	c.m = membership_find(r->port->engine, r->port, r->group);
	return c.m ? apply(r, &c) : apply_first(r, &c);
}

/* --- messages --- */

/* The verdict on a report is that on the record which fared most worth telling. */
static enum receive_verdict combine(enum receive_verdict a, enum receive_verdict b)
{
	static const uint8_t rank[RECEIVE_VERDICTS] = {
		[RECEIVE_BAD_GROUP] = 1, [RECEIVE_BAD_SOURCE_LIST] = 2, [RECEIVE_NOT_SSM] = 3,
		[RECEIVE_POLICY] = 4,	 [RECEIVE_APPLIED] = 5,		[RECEIVE_LIMIT] = 6,
		[RECEIVE_NO_MEMORY] = 7,
	};

	return rank[a] >= rank[b] ? a : b;
}

/* The groups of a full report lie all over the memory: ask for them ahead of their turn. */
static void prefetch(const struct engine *engine, const struct message_report *report, uint32_t i)
{
	const uint32_t near = 4, far = 8;

	if (i + far < report->n_records)
		table_prefetch_bucket(&engine->groups,
				      engine_hash(engine, &report->records[i + far].group));
	if (i + near < report->n_records)
		table_prefetch_node(&engine->groups,
				    engine_hash(engine, &report->records[i + near].group));
}

static enum receive_verdict receive_v3(struct report *r, const struct message_report *report)
{
	enum receive_verdict verdict = report->n_records ? RECEIVE_BAD_GROUP : RECEIVE_APPLIED;

	for (uint32_t i = 0; i < report->n_records; i++) {
		const struct message_record *record = &report->records[i];

		prefetch(r->port->engine, report, i);
		r->type = record->type;
		r->group = &record->group;
		r->sources = record->sources;
		r->n_sources = record->n_sources;
		verdict = combine(verdict, apply_record(r));
	}
	return verdict;
}

enum receive_verdict report_receive(struct port *port, const struct message *message, uint64_t now,
				    struct actions *out)
{
	struct report r = { .port = port,
			    .host = message->source,
			    .version = 3,
			    .group = &message->group,
			    .now = now,
			    .out = out };

	switch (message->type) {
	case MESSAGE_REPORT:
		return receive_v3(&r, &message->report);
	case MESSAGE_V1_REPORT:
		r.version = 1;
		r.type = RECORD_IS_EX;
		break;
	case MESSAGE_V2_REPORT:
		r.version = 2;
		r.type = RECORD_IS_EX;
		break;
	case MESSAGE_V2_LEAVE:
	default:
		r.version = 2;
		r.type = RECORD_TO_IN;
		break;
	}
	return apply_record(&r);
}

/* --- changed settings --- */

/*
 * In EXCLUDE mode a source that is not listed is forwarded, so one that is denied now stays:
 * blocked, or until its timer ends, which no report renews any more.
 */
static bool keep_permitted(struct source *source, void *arg)
{
	struct change *c = arg;

	if (membership_mode(c->m) == FILTER_EXCLUDE ||
	    settings_permit_source(&c->port->settings, &source->addr))
		return true;
	c->changed = true;
	return false;
}

void report_recheck(struct port *port, uint64_t now, struct actions *out)
{
	struct membership *m, *next;

	for (m = port->memberships; m; m = next) {
		struct change c = { .port = port, .m = m, .now = now, .out = out };

		next = m->next;
		if (settings_check_group(&port->settings, &m->group->addr) != GROUP_OK) {
			membership_drop(m, now, out);
			continue;
		}
		if (m->group_expires && settings_is_ssm(&port->settings, &m->group->addr))
			membership_group_timeout(&c);
		source_set_filter(&m->sources, &port->engine->timers, keep_permitted, &c);
		membership_commit(&c);
	}
}
