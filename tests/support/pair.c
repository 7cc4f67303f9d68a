/* SPDX-License-Identifier: BSD-2-Clause */
#include "pair.h"

#include <stdarg.h>
#include <stdio.h>

#include "membership/host.h"
#include "membership/state.h"

#define PORT 1
#define GROUPS 6  /* the last two of the SSM range */
#define SOURCES 8 /* and one that nobody names */
#define MTU 92	  /* room for 13 sources or 7 records: splits happen */
/* Long enough for the longest timer there is: 7 x 125 s + 10 x 25.5 s, then GMI */
#define QUIET_MS 2000000

struct pair {
	const uint8_t *data;
	size_t size, at;
	struct engine *host, *router;
	struct actions host_out, router_out;
	uint64_t now;
	uint8_t loss; /* of 256 packets, how many are lost; 0: a calm script */
	uint8_t chance;
	char *problem;
	size_t room;
};

static uint8_t take(struct pair *p)
{
	return p->at < p->size ? p->data[p->at++] : 0;
}

static void __attribute__((format(printf, 2, 3))) complain(struct pair *p, const char *format, ...)
{
	va_list args;

	if (p->problem[0])
		return;
	va_start(args, format);
	vsnprintf(p->problem, p->room, format, args);
	va_end(args);
}

static struct addr group_addr(unsigned int n)
{
	return addr_from_v4_host((n < GROUPS - 2 ? 0xef010100 : 0xe8010100) + n);
}

static struct addr source_addr(unsigned int n)
{
	return addr_from_v4_host(0xc0000201 + n);
}

/* --- What is sent ----------------------------------------------------------------------------- */

static void check_record(struct pair *p, const struct message_record *record)
{
	bool exclude = record->type == RECORD_IS_EX || record->type == RECORD_TO_EX;

	if (record->type < RECORD_IS_IN || record->type > RECORD_BLOCK)
		complain(p, "record of type %u", record->type);
	if (record->group.b[12] == 232 && exclude)
		complain(p, "EXCLUDE in the SSM range");
	if (!record->n_sources && (record->type == RECORD_ALLOW || record->type == RECORD_BLOCK))
		complain(p, "empty ALLOW or BLOCK");
	for (uint32_t i = 1; i < record->n_sources; i++)
		if (addr_cmp(&record->sources[i - 1], &record->sources[i]) >= 0)
			complain(p, "sources out of order or repeated");
}

static void check_report(struct pair *p, const struct message *message)
{
	size_t len = 24 + 8;

	if (message->type == MESSAGE_QUERY)
		complain(p, "a query from the host");
	if (message->ttl != 1 || !message->router_alert)
		complain(p, "sent without TTL 1 and Router Alert");
	if (message->type != MESSAGE_REPORT)
		return;
	if (!message->report.n_records)
		complain(p, "an empty report");
	for (uint32_t i = 0; i < message->report.n_records; i++) {
		check_record(p, &message->report.records[i]);
		len += 8 + 4 * (size_t)message->report.records[i].n_sources;
	}
	if (len > MTU)
		complain(p, "a packet of %zu octets", len);
}

static bool is_lost(struct pair *p)
{
	p->chance = (uint8_t)(p->chance * 109 + 89);
	return p->chance < p->loss;
}

/* Carries what each side sent to the other, until both are silent. */
static void exchange(struct pair *p)
{
	for (size_t i = 0; i < p->host_out.n; i++) {
		const struct action *action = &p->host_out.list[i];

		if (action->type != ACTION_SEND)
			continue;
		check_report(p, &action->message);
		if (!is_lost(p))
			engine_receive(p->router, PORT, &action->message, p->now, &p->router_out);
	}
	actions_clear(&p->host_out);
	for (size_t i = 0; i < p->router_out.n; i++) {
		const struct action *action = &p->router_out.list[i];

		if (action->type == ACTION_SEND && !is_lost(p))
			engine_receive(p->host, PORT, &action->message, p->now, &p->host_out);
	}
	actions_clear(&p->router_out);
	if (p->host_out.n)
		exchange(p);
}

static void pass(struct pair *p, uint64_t ms)
{
	uint64_t end = p->now + ms;

	for (;;) {
		uint64_t a = engine_next_deadline(p->host), b = engine_next_deadline(p->router);
		uint64_t next = a < b ? a : b;

		if (next > end)
			break;
		if (next > p->now)
			p->now = next;
		engine_tick(p->host, p->now, &p->host_out);
		engine_tick(p->router, p->now, &p->router_out);
		exchange(p);
	}
	p->now = end;
}

/* --- What both sides know --------------------------------------------------------------------- */

struct joined {
	struct addr group;
	struct engine_upstream_view view;
	bool found;
};

static bool find_joined(const struct engine_upstream_view *view, void *arg)
{
	struct joined *joined = arg;

	if (!addr_equal(&view->group, &joined->group))
		return true;
	joined->view = *view;
	joined->found = true;
	return false;
}

static bool host_wants(const struct joined *joined, const struct addr *source)
{
	if (!joined->found)
		return false;
	for (uint32_t i = 0; i < joined->view.n_sources; i++)
		if (addr_equal(&joined->view.sources[i], source))
			return joined->view.mode == FILTER_INCLUDE;
	return joined->view.mode == FILTER_EXCLUDE;
}

/* exactly: nothing more is forwarded than is wanted, either */
static void compare(struct pair *p, bool exactly)
{
	for (unsigned int g = 0; g < GROUPS; g++) {
		struct joined joined = { .group = group_addr(g) };

		engine_each_upstream(p->host, PORT, find_joined, &joined);
		for (unsigned int s = 0; s <= SOURCES; s++) {
			struct addr source = source_addr(s);
			bool wanted = host_wants(&joined, &source);
			bool forwarded = engine_wants(p->router, PORT, &joined.group, &source);

			if (wanted > forwarded || (exactly && wanted < forwarded))
				complain(p,
					 "byte %zu: group %u source %u is %swanted and %sforwarded",
					 p->at, g, s, wanted ? "" : "not ",
					 forwarded ? "" : "not ");
		}
	}
}

/* --- Steps ------------------------------------------------------------------------------------ */

static void step_set(struct pair *p)
{
	struct addr group = group_addr(take(p) % GROUPS), sources[SOURCES];
	uint8_t mode = take(p), bits = take(p);
	uint32_t n = 0;

	for (unsigned int i = 0; i < SOURCES; i++)
		if (bits & 1u << i)
			sources[n++] = source_addr(i);
	host_set(p->host->ports[PORT]->host, &group, mode & 1 ? FILTER_EXCLUDE : FILTER_INCLUDE,
		 sources, n);
	if (mode & 2)
		host_flush(p->host->ports[PORT]->host, p->now, &p->host_out);
}

/* A query that some router sends to the host. */
static void step_query(struct pair *p)
{
	uint8_t kind = take(p), bits = take(p);
	struct addr sources[SOURCES];
	struct message message = {
		.type = MESSAGE_QUERY,
		.source = addr_from_v4_host(0x0a0001c8),
		.destination = addr_from_v4_host(0xe0000001),
		.ttl = 1,
		.query = { .version = 1 + kind % 3,
			   .max_response_ms = take(p) * 100u,
			   .sources = sources },
	};

	if (message.query.version == 1)
		message.query.max_response_ms = 0;
	if (message.query.version == 3) {
		message.query.qrv = kind >> 5;
		message.query.query_interval_ms = kind & 8 ? 125000 : 0;
	}
	if (kind & 4)
		message.query.group = group_addr(bits % GROUPS);
	for (unsigned int i = 0; (kind & 16) && message.query.version == 3 && i < SOURCES; i++)
		if (kind & 4 && bits & 1u << i)
			sources[message.query.n_sources++] = source_addr(i);
	engine_receive(p->host, PORT, &message, p->now, &p->host_out);
}

/* Another member's older report, heard by both. */
static void step_report(struct pair *p)
{
	struct message message = {
		.type = take(p) & 1 ? MESSAGE_V1_REPORT : MESSAGE_V2_REPORT,
		.source = addr_from_v4_host(0x0a000121),
		.ttl = 1,
		.group = group_addr(take(p) % GROUPS),
	};

	message.destination = message.group;
	engine_receive(p->host, PORT, &message, p->now, &p->host_out);
	engine_receive(p->router, PORT, &message, p->now, &p->router_out);
}

static void link_host(struct pair *p, bool up, uint8_t last)
{
	struct addr own = addr_from_v4_host(0x0a000100u + last);
	struct port_link link = { .up = up, .address = own, .own = &own, .n_own = 1 };

	engine_port_link(p->host, PORT, &link, p->now, &p->host_out);
}

/* What came is forwarded soon, what went ends with Last Member Query Time. */
static void step_check(struct pair *p)
{
	host_flush(p->host->ports[PORT]->host, p->now, &p->host_out);
	exchange(p);
	pass(p, 100);
	compare(p, false);
	pass(p, 6000);
	compare(p, true);
}

/* Nothing gets lost and nobody else speaks: both sides agree at any time. */
static void step_calm(struct pair *p)
{
	switch (take(p) % 8) {
	case 5:
		pass(p, take(p));
		break;
	case 6:
		pass(p, take(p) * 100u);
		break;
	case 7:
		step_check(p);
		break;
	default:
		step_set(p);
		break;
	}
	exchange(p);
}

static void step_stormy(struct pair *p)
{
	switch (take(p) % 8) {
	case 0:
	case 1:
	case 2:
		step_set(p);
		break;
	case 3:
		pass(p, take(p));
		break;
	case 4:
		pass(p, take(p) * 100u);
		break;
	case 5:
		step_query(p);
		break;
	case 6:
		step_report(p);
		break;
	case 7:
		link_host(p, take(p) & 3, 100 + take(p) % 2);
		break;
	}
	exchange(p);
}

/* --- A script --------------------------------------------------------------------------------- */

static void begin(struct pair *p)
{
	struct addr address = addr_from_v4_host(0x0a000101);
	struct prefix subnet = { .addr = addr_from_v4_host(0x0a000100), .len = 120 };
	struct port_link link = { .up = true,
				  .address = address,
				  .subnets = &subnet,
				  .n_subnets = 1,
				  .own = &address,
				  .n_own = 1 };
	struct port_config config;

	p->now = 1000000;
	p->host = engine_new(take(p));
	p->router = engine_new(take(p));
	p->loss = take(p) & 127;
	p->loss = p->loss < 64 ? 0 : p->loss - 64;
	actions_init(&p->host_out);
	actions_init(&p->router_out);
	port_config_init(&config);
	config.mtu = MTU;
	engine_port_configure(p->router, PORT, &config, p->now, &p->router_out);
	engine_port_link(p->router, PORT, &link, p->now, &p->router_out);
	config.role = PORT_UPSTREAM;
	engine_port_configure(p->host, PORT, &config, p->now, &p->host_out);
	link_host(p, true, 100);
	exchange(p);
}

const char *pair_run(const uint8_t *data, size_t size, char *problem, size_t room)
{
	struct pair p = { .data = data, .size = size, .problem = problem, .room = room };

	problem[0] = '\0';
	begin(&p);
	while (p.at < p.size && !problem[0])
		p.loss ? step_stormy(&p) : step_calm(&p);
	/* No losses any more: the host is heard, and the versions of others are forgotten. */
	p.loss = 0;
	link_host(&p, true, 100);
	exchange(&p);
	pass(&p, QUIET_MS);
	compare(&p, true);
	if (host_group_count(p.host->ports[PORT]->host) > GROUPS)
		complain(&p, "more groups than there are");
	engine_free(p.host);
	engine_free(p.router);
	actions_fini(&p.host_out);
	actions_fini(&p.router_out);
	return problem[0] ? problem : NULL;
}
