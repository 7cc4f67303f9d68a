// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the host sends: records packed into reports up to the MTU (RFC 9776 section 4.2.17), or one
 * message per group in version 1 and 2, at a pace that short queues on the way survive.
 */
#include "host.h"

#include "host_state.h"

#define ALL_ROUTERS 0xe0000002
#define ALL_V3_ROUTERS 0xe0000016

/* --- Queues ----------------------------------------------------------------------------------- */

void host_queue_change(struct host *host, struct host_group *g)
{
	g->change_at = ENGINE_NEVER;
	if (g->change_queued)
		return;
	g->change_queued = true;
	TAILQ_INSERT_TAIL(&host->changes, g, change_link);
}

void host_queue_response(struct host *host, struct host_group *g)
{
	if (g->response_queued)
		return;
	g->response_queued = true;
	TAILQ_INSERT_TAIL(&host->responses, g, response_link);
}

static void unqueue_change(struct host *host, struct host_group *g)
{
	if (g->change_queued)
		TAILQ_REMOVE(&host->changes, g, change_link);
	g->change_queued = false;
}

static void unqueue_response(struct host *host, struct host_group *g)
{
	if (g->response_queued)
		TAILQ_REMOVE(&host->responses, g, response_link);
	g->response_queued = false;
}

void host_unqueue(struct host *host, struct host_group *g)
{
	unqueue_change(host, g);
	unqueue_response(host, g);
}

/* --- Pace ------------------------------------------------------------------------------------- */

/* How far ahead of the pace packets may be: a burst, and what falls due within one millisecond. */
static uint64_t pace_ahead_us(const struct host *host)
{
	uint64_t due = 1000 / host->pace_us;

	return (HOST_BURST - 1 + (due ? due - 1 : 0)) * host->pace_us;
}

static bool pace_allows(const struct host *host)
{
	return host->pace_next_us <= host->now * 1000 + pace_ahead_us(host);
}

static void pace_spend(struct host *host)
{
	uint64_t now_us = host->now * 1000;

	if (host->pace_next_us < now_us)
		host->pace_next_us = now_us;
	host->pace_next_us += host->pace_us;
}

/* --- Reports of version 3 --------------------------------------------------------------------- */

static struct message *message_new(struct host *host, enum message_type type,
				   const struct addr *destination, struct actions *out)
{
	struct action *action = actions_add(out, ACTION_SEND, host->port->number);
	struct message *message;

	if (!action)
		return NULL;
	message = &action->message;
	message->type = type;
	message->source = addr_is_unspecified(&host->port->address) ? addr_from_v4_host(0)
								    : host->port->address;
	message->destination = *destination;
	message->ttl = 1;
	message->router_alert = true;
	return message;
}

/* Copies the records into the arena of the actions. False: no memory, counted there. */
static bool report_copy(const struct report *report, struct message_report *copy,
			struct actions *out)
{
	struct message_record *records = actions_alloc(out, report->n_records * sizeof(*records));
	struct addr *sources = NULL;

	if (report->n_sources)
		sources = actions_alloc(out, report->n_sources * sizeof(*sources));
	if (!records || (report->n_sources && !sources))
		return false;
	memcpy(records, report->records, report->n_records * sizeof(*records));
	if (sources)
		memcpy(sources, report->sources, report->n_sources * sizeof(*sources));
	for (uint32_t i = 0; i < report->n_records; i++) {
		records[i].sources = sources;
		if (records[i].n_sources)
			sources += records[i].n_sources;
	}
	*copy = (struct message_report){ records, report->n_records };
	return true;
}

void host_report_flush(struct host *host, struct actions *out)
{
	const struct addr destination = addr_from_v4_host(ALL_V3_ROUTERS);
	struct report *report = &host->report;
	struct message_report copy;
	struct message *message = NULL;

	if (!report->len)
		return;
	if (report_copy(report, &copy, out))
		message = message_new(host, MESSAGE_REPORT, &destination, out);
	if (message) {
		message->report = copy;
		host->port->counters.reports_sent++;
	}
	report->n_records = report->n_sources = 0;
	report->len = 0;
	pace_spend(host);
}

/* All that is in one packet is repeated together, and so fits one packet again. */
static void draw_repeat(struct host *host)
{
	host->repeat_ms = host_random_ms(host, host_config(host)->unsolicited_report_interval_ms);
}

static size_t report_max(const struct host *host)
{
	return RECORD_LEN + (size_t)SOURCE_LEN * host_sources_max(host);
}

static bool report_has_room(const struct host *host, size_t len)
{
	return host->report.len + len <= report_max(host);
}

/* Begins a record. One that will have sources is not begun where not even one has room. */
static void put_record(struct host *host, enum record_type type, const struct addr *group,
		       bool has_sources, struct actions *out)
{
	struct report *report = &host->report;

	if (!report_has_room(host, RECORD_LEN + (has_sources ? SOURCE_LEN : 0)))
		host_report_flush(host, out);
	if (!report->len)
		draw_repeat(host);
	report->records[report->n_records++] =
		(struct message_record){ .type = (uint8_t)type, .group = *group };
	report->len += RECORD_LEN;
}

static void put_source(struct host *host, const struct addr *source, struct actions *out)
{
	struct report *report = &host->report;
	struct message_record *record = &report->records[report->n_records - 1];

	if (!report_has_room(host, SOURCE_LEN)) {
		const struct message_record last = *record;

		host_report_flush(host, out);
		put_record(host, (enum record_type)last.type, &last.group, true, out);
		record = report->records;
	}
	report->sources[report->n_sources++] = *source;
	record->n_sources++;
	report->len += SOURCE_LEN;
}

/* All of the group's state; in EXCLUDE mode as much as fits, always the same part. */
static void put_state(struct host *host, const struct host_group *g, enum record_type type,
		      struct actions *out)
{
	uint32_t n = g->n_sources;

	if (g->mode == FILTER_EXCLUDE && n > host_sources_max(host))
		n = host_sources_max(host);
	put_record(host, type, &g->group, n, out);
	for (uint32_t i = 0; i < n; i++)
		put_source(host, &g->sources[i], out);
}

/* --- Changes, section 5.1 --------------------------------------------------------------------- */

/* Whether a change of this source is told by ALLOW, as the state is now. */
static bool change_allows(const struct host_group *g, const struct addr *source)
{
	return addr_list_has(g->sources, g->n_sources, source) == (g->mode == FILTER_INCLUDE);
}

static void put_source_changes(struct host *host, const struct host_group *g, bool allow,
			       struct actions *out)
{
	bool begun = false;

	for (uint32_t i = 0; i < g->n_changes; i++) {
		const struct addr *source = &g->changes[i].source;

		if (change_allows(g, source) != allow)
			continue;
		if (!begun)
			put_record(host, allow ? RECORD_ALLOW : RECORD_BLOCK, &g->group, true, out);
		begun = true;
		put_source(host, source, out);
	}
}

static void put_change(struct host *host, const struct host_group *g, struct actions *out)
{
	if (g->mode_changes_left) {
		put_state(host, g, g->mode == FILTER_EXCLUDE ? RECORD_TO_EX : RECORD_TO_IN, out);
	} else {
		put_source_changes(host, g, true, out);
		put_source_changes(host, g, false, out);
	}
}

/* At most what put_change() adds to a report. */
static size_t change_len(const struct host_group *g)
{
	if (g->mode_changes_left)
		return RECORD_LEN + (size_t)SOURCE_LEN * g->n_sources;
	return 2 * RECORD_LEN + (size_t)SOURCE_LEN * g->n_changes;
}

/* One transmission less is left to do. */
static void count_down(struct host_group *g)
{
	uint32_t kept = 0;

	if (g->mode_changes_left)
		g->mode_changes_left--;
	for (uint32_t i = 0; i < g->n_changes; i++) {
		if (--g->changes[i].left)
			g->changes[kept++] = g->changes[i];
	}
	g->n_changes = kept;
}

/* --- Versions 1 and 2 ------------------------------------------------------------------------- */

static void send_v2(struct host *host, enum message_type type, const struct addr *group,
		    struct actions *out)
{
	const struct addr all_routers = addr_from_v4_host(ALL_ROUTERS);
	bool leave = type == MESSAGE_V2_LEAVE;
	struct message *message = message_new(host, type, leave ? &all_routers : group, out);

	if (!message)
		return;
	message->group = *group;
	if (leave)
		host->port->counters.leaves_sent++;
	else
		host->port->counters.reports_sent++;
}

static void send_report_v2(struct host *host, const struct host_group *g, struct actions *out)
{
	send_v2(host, host_version(host) == 1 ? MESSAGE_V1_REPORT : MESSAGE_V2_REPORT, &g->group,
		out);
}

void host_send_response_v2(struct host *host, const struct host_group *g, struct actions *out)
{
	if (group_is_joined(g))
		send_report_v2(host, g, out);
}

static void send_change_v2(struct host *host, const struct host_group *g, struct actions *out)
{
	if (group_is_joined(g))
		send_report_v2(host, g, out);
	else if (host_version(host) == 2)
		send_v2(host, MESSAGE_V2_LEAVE, &g->group, out);
	else
		return; /* version 1 knows no leave */
	pace_spend(host);
	draw_repeat(host);
}

void host_send_leave(struct host *host, const struct host_group *g, struct actions *out)
{
	if (host_version(host) == 2) {
		send_v2(host, MESSAGE_V2_LEAVE, &g->group, out);
	} else if (host_version(host) == 3 && g->mode == FILTER_EXCLUDE) {
		put_record(host, RECORD_TO_IN, &g->group, false, out);
	} else if (host_version(host) == 3 && g->n_sources) {
		put_record(host, RECORD_BLOCK, &g->group, true, out);
		for (uint32_t i = 0; i < g->n_sources; i++)
			put_source(host, &g->sources[i], out);
	} else if (host_version(host) == 3) {
		put_change(host, g, out); /* it has left, and not all has been said of it */
	}
}

/* --- Sending what waits ----------------------------------------------------------------------- */

static void send_change(struct host *host, struct host_group *g, struct actions *out)
{
	unqueue_change(host, g);
	if (host_version(host) < 3)
		send_change_v2(host, g, out);
	else
		put_change(host, g, out);
	count_down(g);
	if (g->mode_changes_left || g->n_changes) {
		g->change_at = host->now + host->repeat_ms;
		host_schedule(host, g);
	}
	host_release(host, g);
}

/* Section 5.2, table 5: IS_IN of the queried sources that are wanted */
static void put_queried(struct host *host, const struct host_group *g, struct actions *out)
{
	bool begun = false;

	for (uint32_t i = 0; i < g->n_queried; i++) {
		if (!change_allows(g, &g->queried[i]))
			continue;
		if (!begun)
			put_record(host, RECORD_IS_IN, &g->group, true, out);
		begun = true;
		put_source(host, &g->queried[i], out);
	}
}

static void put_current_state(struct host *host, const struct host_group *g, struct actions *out)
{
	if (group_is_joined(g))
		put_state(host, g, g->mode == FILTER_EXCLUDE ? RECORD_IS_EX : RECORD_IS_IN, out);
}

static void send_response(struct host *host, struct host_group *g, struct actions *out)
{
	unqueue_response(host, g);
	if (g->n_queried)
		put_queried(host, g, out);
	else
		put_current_state(host, g, out);
	host_forget_queried(host, g);
}

static size_t response_len(const struct host_group *g)
{
	return RECORD_LEN + (size_t)SOURCE_LEN * (g->n_queried ? g->n_queried : g->n_sources);
}

/* What is sent next: changes before answers, answers to one group before those to all. */
struct work {
	struct host_group *g;
	enum {
		WORK_CHANGE,
		WORK_RESPONSE,
		WORK_WALK
	} kind;
	size_t len;
};

static bool work_next(const struct host *host, struct work *work)
{
	if ((work->g = TAILQ_FIRST(&host->changes))) {
		work->kind = WORK_CHANGE;
		work->len = change_len(work->g);
	} else if ((work->g = TAILQ_FIRST(&host->responses))) {
		work->kind = WORK_RESPONSE;
		work->len = response_len(work->g);
	} else if (host_version(host) == 3 && (work->g = host->walk)) {
		work->kind = WORK_WALK;
		work->len = RECORD_LEN + (size_t)SOURCE_LEN * work->g->n_sources;
	}
	return work->g;
}

static void work_do(struct host *host, const struct work *work, struct actions *out)
{
	switch (work->kind) {
	case WORK_CHANGE:
		send_change(host, work->g, out);
		break;
	case WORK_RESPONSE:
		send_response(host, work->g, out);
		break;
	case WORK_WALK:
		host->walk = TAILQ_NEXT(work->g, link);
		put_current_state(host, work->g, out);
		break;
	}
}

void host_send(struct host *host, struct actions *out)
{
	struct work work;
	int kind = -1;

	if (host_version(host) < 3)
		host->pace_us = V2_PACKET_US;
	else if (!host->walk)
		host->pace_us = V3_PACKET_US;
	while (pace_allows(host) && work_next(host, &work)) {
		/* State-change and current-state records travel apart, and what fits one report is
		 * not torn into two. */
		if (host->report.len &&
		    ((int)work.kind != kind || !report_has_room(host, work.len))) {
			host_report_flush(host, out);
			continue;
		}
		kind = work.kind;
		work_do(host, &work, out);
	}
	host_report_flush(host, out);
}

uint64_t host_send_at(const struct host *host)
{
	uint64_t ahead_us = pace_ahead_us(host);
	struct work work;

	if (host->walk && host_version(host) < 3)
		return host->now;
	if (!work_next(host, &work))
		return ENGINE_NEVER;
	if (pace_allows(host))
		return host->now;
	return (host->pace_next_us - ahead_us + 999) / 1000;
}
