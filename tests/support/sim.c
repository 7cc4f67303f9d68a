/* SPDX-License-Identifier: BSD-2-Clause */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_LIST 4096

void sim_init(struct sim *sim)
{
	*sim = (struct sim){ .engine = engine_new(1),
			     .now = 1000000000,
			     .port = 1,
			     .ttl = 1,
			     .general_queries_shown = true,
			     .group = ADDR_V4(239, 1, 1, 1) };
	actions_init(&sim->out);
}

static void sent_free(struct sim_sent *sent)
{
	struct message *message = &sent->message;

	if (message->type == MESSAGE_QUERY) {
		free((void *)message->query.sources);
	} else if (message->type == MESSAGE_REPORT) {
		for (uint32_t i = 0; i < message->report.n_records; i++)
			free((void *)message->report.records[i].sources);
		free((void *)message->report.records);
	}
}

void sim_forget(struct sim *sim)
{
	for (size_t i = 0; i < sim->n_sent; i++)
		sent_free(&sim->sent[i]);
	sim->n_sent = sim->n_seen = sim->n_events = sim->n_changed = sim->n_role = 0;
}

void sim_fini(struct sim *sim)
{
	sim_forget(sim);
	free(sim->sent);
	free(sim->events);
	actions_fini(&sim->out);
	engine_free(sim->engine);
}

static void *copy(const void *from, size_t size)
{
	void *to = calloc(1, size + 1);

	if (size)
		memcpy(to, from, size);
	return to;
}

/* What an action points to goes with the action list. */
static void copy_lists(struct message *message)
{
	struct message_record *records;

	if (message->type == MESSAGE_QUERY)
		message->query.sources =
			copy(message->query.sources,
			     message->query.n_sources * sizeof(*message->query.sources));
	if (message->type != MESSAGE_REPORT)
		return;
	records = copy(message->report.records, message->report.n_records * sizeof(*records));
	for (uint32_t i = 0; i < message->report.n_records; i++)
		records[i].sources = copy(records[i].sources,
					  records[i].n_sources * sizeof(*records[i].sources));
	message->report.records = records;
}

static void record_action(struct sim *sim, const struct action *action)
{
	struct sim_sent *sent;

	switch (action->type) {
	case ACTION_SEND:
		sim->sent = realloc(sim->sent, (sim->n_sent + 1) * sizeof(*sim->sent));
		sent = &sim->sent[sim->n_sent++];
		*sent = (struct sim_sent){ sim->now, action->port, action->message };
		copy_lists(&sent->message);
		break;
	case ACTION_CHANGED:
		sim->n_changed++;
		break;
	case ACTION_PORT:
		sim->n_role++;
		break;
	case ACTION_EVENT:
		sim->events = realloc(sim->events, (sim->n_events + 1) * sizeof(*sim->events));
		sim->events[sim->n_events++] = action->event;
		break;
	}
}

void sim_collect(struct sim *sim)
{
	for (size_t i = 0; i < sim->out.n; i++)
		record_action(sim, &sim->out.list[i]);
	actions_clear(&sim->out);
}

struct port_config sim_config(void)
{
	struct port_config config;

	port_config_init(&config);
	config.startup_query_count = 1;
	return config;
}

void sim_link(struct sim *sim, unsigned int port, bool up)
{
	struct addr address = sim_host(port, 90);
	struct prefix subnet = { .addr = address, .len = 120 };
	struct port_link link = {
		.up = up,
		.address = address,
		.subnets = &subnet,
		.n_subnets = 1,
		.own = &address,
		.n_own = 1,
	};

	subnet.addr.b[15] = 0;
	engine_port_link(sim->engine, port, &link, sim->now, &sim->out);
	sim_collect(sim);
}

void sim_port(struct sim *sim, unsigned int port, const struct port_config *config)
{
	struct port_config standard = sim_config();

	engine_port_configure(sim->engine, port, config ? config : &standard, sim->now, &sim->out);
	sim_collect(sim);
	sim_link(sim, port, true);
}

struct addr sim_source(unsigned int n)
{
	return addr_from_v4_host(n < 256 ? 0xc0000200 + n : 0xc0010000 + n);
}

struct addr sim_host(unsigned int port, unsigned int n)
{
	return addr_from_v4_host(0x0a00000a + (port << 8) + n);
}

void sim_advance(struct sim *sim, uint64_t ms)
{
	uint64_t end = sim->now + ms, next;

	while ((next = engine_next_deadline(sim->engine)) <= end) {
		if (next > sim->now)
			sim->now = next;
		engine_tick(sim->engine, sim->now, &sim->out);
		sim_collect(sim);
	}
	sim->now = end;
	sim_collect(sim);
}

enum receive_verdict sim_receive(struct sim *sim, unsigned int port, const struct message *message)
{
	sim->verdict = engine_receive(sim->engine, port, message, sim->now, &sim->out);
	sim_collect(sim);
	return sim->verdict;
}

enum receive_verdict sim_records(struct sim *sim, unsigned int port, struct addr host,
				 const struct message_record *records, uint32_t n)
{
	struct message message = { .type = MESSAGE_REPORT,
				   .source = host,
				   .destination = ADDR_V4(224, 0, 0, 22),
				   .ttl = sim->ttl,
				   .router_alert = true,
				   .report = { records, n } };

	return sim_receive(sim, port, &message);
}

enum receive_verdict sim_record(struct sim *sim, unsigned int port, struct addr host, uint8_t type,
				struct addr group, const struct addr *sources, uint32_t n)
{
	struct message_record record = { type, group, sources, n };

	return sim_records(sim, port, host, &record, 1);
}

enum receive_verdict sim_older(struct sim *sim, unsigned int port, struct addr host,
			       enum message_type type, struct addr group)
{
	struct message message = { .type = type,
				   .source = host,
				   .destination = group,
				   .ttl = sim->ttl,
				   .router_alert = true,
				   .group = group };

	if (type == MESSAGE_V2_LEAVE)
		message.destination = (struct addr)ADDR_V4(224, 0, 0, 2);
	return sim_receive(sim, port, &message);
}

size_t sim_count_events(const struct sim *sim, enum event_type type)
{
	size_t n = 0;

	for (size_t i = 0; i < sim->n_events; i++)
		n += sim->events[i].type == type;
	return n;
}

/* --- text --- */

struct text {
	char *buf;
	size_t size, used;
};

static void __attribute__((format(printf, 2, 3))) add(struct text *text, const char *format, ...)
{
	va_list args;

	if (text->used >= text->size)
		return;
	va_start(args, format);
	text->used +=
		(size_t)vsnprintf(text->buf + text->used, text->size - text->used, format, args);
	va_end(args);
}

static unsigned int source_number(const struct addr *source)
{
	uint32_t n = addr_to_v4_host(source);

	return n >> 16 == 0xc001 ? n & 0xffff : n & 0xff;
}

struct state_writer {
	struct sim *sim;
	struct text text;
};

static bool write_source(const struct engine_source_view *view, void *arg)
{
	struct state_writer *writer = arg;

	if (view->forwarding)
		add(&writer->text, " %u:%g", source_number(&view->source),
		    ((double)view->expires - (double)writer->sim->now) / 1000);
	else
		add(&writer->text, " /%u", source_number(&view->source));
	return true;
}

struct find {
	unsigned int port;
	struct engine_membership_view view;
	bool found;
};

static bool find_port(const struct engine_membership_view *view, void *arg)
{
	struct find *find = arg;

	if (view->port != find->port)
		return true;
	find->view = *view;
	find->found = true;
	return false;
}

const char *sim_state(struct sim *sim, unsigned int port, struct addr group, char *buf, size_t size)
{
	struct state_writer writer = { sim, { buf, size, 0 } };
	struct find find = { .port = port };

	engine_each_of_group(sim->engine, &group, find_port, &find);
	if (!find.found) {
		add(&writer.text, "none");
		return buf;
	}
	if (find.view.mode == FILTER_INCLUDE)
		add(&writer.text, "INC");
	else
		add(&writer.text, "EXC:%g", ((double)find.view.expires - (double)sim->now) / 1000);
	engine_each_source(&find.view, write_source, &writer);
	return buf;
}

static void write_query(struct text *text, const struct message_query *query)
{
	if (addr_is_unspecified(&query->group))
		add(text, "gen");
	else if (!query->n_sources)
		add(text, "G");
	for (uint32_t i = 0; i < query->n_sources; i++)
		add(text, "%s%u", i ? "," : "", source_number(&query->sources[i]));
	if (query->suppress)
		add(text, "/S");
}

static void write_queries(struct sim *sim, struct text *text)
{
	size_t start = text->used;

	for (; sim->n_seen < sim->n_sent; sim->n_seen++) {
		const struct sim_sent *sent = &sim->sent[sim->n_seen];

		if (sent->message.type != MESSAGE_QUERY)
			continue;
		if (addr_is_unspecified(&sent->message.query.group) && !sim->general_queries_shown)
			continue;
		add(text, "%s", text->used > start ? " " : "");
		write_query(text, &sent->message.query);
	}
	if (text->used == start)
		add(text, "none");
}

/* --- scripts --- */

static uint32_t parse_list(const char *text, struct addr *list)
{
	uint32_t n = 0;

	while (text && *text >= '0' && *text <= '9') {
		char *end;
		unsigned long from = strtoul(text, &end, 10), to = from;

		if (*end == '-')
			to = strtoul(end + 1, &end, 10);
		for (; from <= to && n < MAX_LIST; from++)
			list[n++] = sim_source((unsigned int)from);
		text = *end == ',' ? end + 1 : end;
	}
	return n;
}

static int record_type(const char *word)
{
	static const char *const names[] = { "",      "IS_IN", "IS_EX", "TO_IN",
					     "TO_EX", "ALLOW", "BLOCK" };

	for (int i = 1; i <= RECORD_BLOCK; i++) {
		if (!strcmp(word, names[i]))
			return i;
	}
	return 0;
}

static bool step_report(struct sim *sim, struct addr host, const char *word, const char *list)
{
	static struct addr sources[MAX_LIST];
	int type = record_type(word);

	if (type)
		sim_record(sim, sim->port, host, (uint8_t)type, sim->group, sources,
			   parse_list(list, sources));
	else if (!strcmp(word, "V1"))
		sim_older(sim, sim->port, host, MESSAGE_V1_REPORT, sim->group);
	else if (!strcmp(word, "V2"))
		sim_older(sim, sim->port, host, MESSAGE_V2_REPORT, sim->group);
	else if (!strcmp(word, "LEAVE"))
		sim_older(sim, sim->port, host, MESSAGE_V2_LEAVE, sim->group);
	else
		return false;
	return true;
}

/* A rival has the values of the RFC and asks with Max Resp Time 10 s or 1 s. */
static void step_query(struct sim *sim, bool low, const char *what, const char *version)
{
	static struct addr sources[MAX_LIST];
	bool general = !strcmp(what, "gen");
	struct message message = {
		.type = MESSAGE_QUERY,
		.source = sim_host(sim->port, 0),
		.destination = general ? (struct addr)ADDR_V4(224, 0, 0, 1) : sim->group,
		.ttl = 1,
		.router_alert = true,
		.query = { .version = version ? (uint8_t)(version[1] - '0') : 3,
			   .group = general ? addr_from_v4_host(0) : sim->group,
			   .max_response_ms = general ? 10000 : 1000,
			   .suppress = strstr(what, "/S") != NULL,
			   .qrv = 2,
			   .query_interval_ms = 125000,
			   .sources = sources,
			   .n_sources = parse_list(what, sources) },
	};

	message.source.b[15] = low ? 1 : 200;
	if (message.query.version < 3) {
		message.query.qrv = 0;
		message.query.query_interval_ms = 0;
	}
	if (message.query.version == 1)
		message.query.max_response_ms = 0;
	sim_receive(sim, sim->port, &message);
}

/* Whether a token of a state has the timers that the expected one names. */
static bool token_fits(const char *expected, const char *actual)
{
	size_t n = strcspn(actual, ":");

	if (strchr(expected, ':'))
		return !strcmp(expected, actual);
	return strlen(expected) == n && !strncmp(expected, actual, n);
}

static bool state_fits(const char *expected, const char *actual)
{
	char e[1000], a[4000], *e_rest, *a_rest, *e_token, *a_token;

	snprintf(e, sizeof(e), "%s", expected);
	snprintf(a, sizeof(a), "%s", actual);
	e_token = strtok_r(e, " ", &e_rest);
	a_token = strtok_r(a, " ", &a_rest);
	while (e_token && a_token && token_fits(e_token, a_token)) {
		e_token = strtok_r(NULL, " ", &e_rest);
		a_token = strtok_r(NULL, " ", &a_rest);
	}
	return !e_token && !a_token;
}

static bool forwarding_fits(struct sim *sim, const char *list, char *actual, size_t size)
{
	char buf[1000], *rest, *token;
	struct text text = { actual, size, 0 };
	bool fits = true;

	snprintf(buf, sizeof(buf), "%s", list);
	for (token = strtok_r(buf, " ", &rest); token; token = strtok_r(NULL, " ", &rest)) {
		bool wanted = token[0] != '!';
		unsigned int n = (unsigned int)strtoul(token + !wanted, NULL, 10);
		struct addr source = sim_source(n);
		bool is = engine_wants(sim->engine, sim->port, &sim->group, &source);

		add(&text, "%s%s%u", text.used ? " " : "", is ? "" : "!", n);
		fits &= is == wanted;
	}
	return fits;
}

/* Runs one step; false: it failed, and `actual` says what was found. */
static bool step(struct sim *sim, char *text, char *actual, size_t size)
{
	struct addr host = sim_host(sim->port, 1);
	struct text writer = { actual, size, 0 };
	char *rest, *word, *list;

	actual[0] = '\0';
	if (text[0] == '=')
		return state_fits(text + 1, sim_state(sim, sim->port, sim->group, actual, size));
	if (text[0] == '+') {
		sim_advance(sim, (uint64_t)(strtod(text + 1, NULL) * 1000 + 0.5));
		return true;
	}
	if (text[0] == 'f' && text[1] == ' ')
		return forwarding_fits(sim, text + 2, actual, size);
	if (text[0] == 'q' && text[1] == ' ') {
		write_queries(sim, &writer);
		return !strcmp(text + 2, actual);
	}
	word = strtok_r(text, " ", &rest);
	if (word && word[0] == 'h' && word[1] >= '0' && word[1] <= '9') {
		host = sim_host(sim->port, (unsigned int)strtoul(word + 1, NULL, 10));
		word = strtok_r(NULL, " ", &rest);
	}
	list = strtok_r(NULL, " ", &rest);
	if (word && list && (!strcmp(word, "low") || !strcmp(word, "high"))) {
		step_query(sim, word[0] == 'l', list, strtok_r(NULL, " ", &rest));
		return true;
	}
	snprintf(actual, size, "no such step");
	return word && step_report(sim, host, word, list);
}

static char *trim(char *text)
{
	size_t n;

	text += strspn(text, " ");
	for (n = strlen(text); n && text[n - 1] == ' '; n--)
		text[n - 1] = '\0';
	return text;
}

const char *sim_run(struct sim *sim, const char *script)
{
	char *buf = strdup(script), *rest, *part, actual[4000];

	sim->problem[0] = '\0';
	for (part = strtok_r(buf, "|", &rest); part; part = strtok_r(NULL, "|", &rest)) {
		char shown[200];

		part = trim(part);
		snprintf(shown, sizeof(shown), "%s", part);
		if (step(sim, part, actual, sizeof(actual)))
			continue;
		snprintf(sim->problem, sizeof(sim->problem), "in \"%s\": step \"%s\" found \"%s\"",
			 script, shown, actual);
		break;
	}
	free(buf);
	return sim->problem[0] ? sim->problem : NULL;
}
