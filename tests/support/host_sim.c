/* SPDX-License-Identifier: BSD-2-Clause */
#include "host_sim.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "membership/host.h"
#include "membership/state.h"

#define LIST_MAX 4096

struct port_config host_sim_config(void)
{
	struct port_config config = sim_config();

	config.role = PORT_UPSTREAM;
	return config;
}

void host_sim_init(struct host_sim *t, const struct port_config *config)
{
	struct port_config standard = host_sim_config();

	*t = (struct host_sim){ 0 };
	sim_init(&t->sim);
	sim_port(&t->sim, UPSTREAM, config ? config : &standard);
}

void host_sim_fini(struct host_sim *t)
{
	sim_fini(&t->sim);
}

struct host *host_sim_host(const struct host_sim *t)
{
	return t->sim.engine->ports[UPSTREAM]->host;
}

struct addr host_sim_group(unsigned int n)
{
	return addr_from_v4_host(0xef010000 + n);
}

static uint32_t parse(const char *text, struct addr *list)
{
	uint32_t n = 0;

	while (text && *text) {
		char *end;
		unsigned long from = strtoul(text, &end, 10), to = from;

		if (*end == '-')
			to = strtoul(end + 1, &end, 10);
		for (; from <= to; from++) {
			assert(n < LIST_MAX);
			list[n++] = sim_source((unsigned int)from);
		}
		text = *end == ',' ? end + 1 : end;
	}
	return n;
}

void host_sim_set_group(struct host_sim *t, unsigned int n, enum filter_mode mode,
			const char *sources)
{
	static struct addr list[LIST_MAX];
	struct addr group = host_sim_group(n);
	uint32_t n_list = parse(sources, list);
	int err = host_set(host_sim_host(t), &group, mode, list, n_list);

	assert(!err);
	host_flush(host_sim_host(t), t->sim.now, &t->sim.out);
	sim_collect(&t->sim);
}

void host_sim_set(struct host_sim *t, enum filter_mode mode, const char *sources)
{
	host_sim_set_group(t, 1, mode, sources);
}

struct message host_sim_query_message(uint8_t version, unsigned int group, const char *sources,
				      uint32_t max_response_ms)
{
	static struct addr list[LIST_MAX];
	struct message message = {
		.type = MESSAGE_QUERY,
		.source = sim_host(UPSTREAM, 0),
		.destination = group ? host_sim_group(group) : addr_from_v4_host(0xe0000001),
		.ttl = 1,
		.router_alert = true,
		.query = { .version = version,
			   .max_response_ms = max_response_ms,
			   .qrv = version == 3 ? 2 : 0,
			   .query_interval_ms = version == 3 ? 125000 : 0,
			   .sources = list,
			   .n_sources = parse(sources, list) },
	};

	message.source.b[15] = 1;
	if (group)
		message.query.group = host_sim_group(group);
	return message;
}

enum receive_verdict host_sim_query(struct host_sim *t, uint8_t version, unsigned int group,
				    const char *sources, uint32_t max_response_ms)
{
	struct message message = host_sim_query_message(version, group, sources, max_response_ms);

	return sim_receive(&t->sim, UPSTREAM, &message);
}

void host_sim_pass(struct host_sim *t, uint64_t ms)
{
	sim_collect(&t->sim);
	sim_advance(&t->sim, ms);
}

/* --- What was said ---------------------------------------------------------------------------- */

static void __attribute__((format(printf, 2, 3))) say(struct host_sim *t, const char *format, ...)
{
	size_t used = strlen(t->said);
	va_list args;

	va_start(args, format);
	vsnprintf(t->said + used, sizeof(t->said) - used, format, args);
	va_end(args);
}

static unsigned int number_of(const struct addr *group)
{
	return addr_to_v4_host(group) & 0xffff;
}

static unsigned int source_number(const struct addr *source)
{
	uint32_t n = addr_to_v4_host(source) & 0xffff;

	return n >> 8 == 2 ? n & 0xff : n;
}

static void say_record(struct host_sim *t, const struct message_record *record)
{
	static const char *const names[] = { "?",     "IS_IN", "IS_EX", "TO_IN",
					     "TO_EX", "ALLOW", "BLOCK" };

	say(t, "%s", names[record->type <= RECORD_BLOCK ? record->type : 0]);
	if (number_of(&record->group) != 1)
		say(t, " %u", number_of(&record->group));
	say(t, "(");
	for (uint32_t i = 0; i < record->n_sources; i++)
		say(t, "%s%u", i ? "," : "", source_number(&record->sources[i]));
	say(t, ")");
}

static void say_message(struct host_sim *t, const struct message *message)
{
	switch (message->type) {
	case MESSAGE_REPORT:
		for (uint32_t i = 0; i < message->report.n_records; i++) {
			say(t, "%s", i ? "+" : "");
			say_record(t, &message->report.records[i]);
		}
		break;
	case MESSAGE_V1_REPORT:
		say(t, "V1 %u", number_of(&message->group));
		break;
	case MESSAGE_V2_REPORT:
		say(t, "V2 %u", number_of(&message->group));
		break;
	case MESSAGE_V2_LEAVE:
		say(t, "LEAVE %u", number_of(&message->group));
		break;
	case MESSAGE_QUERY:
		say(t, "QUERY");
		break;
	}
}

const char *host_sim_said(struct host_sim *t)
{
	sim_collect(&t->sim);
	t->said[0] = '\0';
	for (; t->n_read < t->sim.n_sent; t->n_read++) {
		if (t->sim.sent[t->n_read].port != UPSTREAM)
			continue;
		if (t->said[0])
			say(t, "; ");
		say_message(t, &t->sim.sent[t->n_read].message);
	}
	return t->said;
}

size_t host_sim_count(const struct host_sim *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->sim.n_sent; i++)
		n += t->sim.sent[i].port == UPSTREAM;
	return n;
}
