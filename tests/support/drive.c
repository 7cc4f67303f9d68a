/* SPDX-License-Identifier: BSD-2-Clause */
#include "drive.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "membership/engine.h"
#include "model.h"

#define MAX_TICKS 1000

/* Both sides of the comparison, and the script. */
struct drive {
	const uint8_t *data;
	size_t size, at;
	struct engine *engine;
	struct actions out;
	struct model model;
	uint64_t now;
	uint64_t received; /* messages */
	char *problem;
	size_t room;
	/* Limits of drive_with_limits() */
	struct port_config config;
};

static uint8_t take(struct drive *d)
{
	return d->at < d->size ? d->data[d->at++] : 0;
}

static void __attribute__((format(printf, 2, 3))) complain(struct drive *d, const char *format, ...)
{
	va_list args;

	if (d->problem[0])
		return;
	va_start(args, format);
	vsnprintf(d->problem, d->room, format, args);
	va_end(args);
}

static struct addr group_addr(int group)
{
	return addr_from_v4_host(0xef010101 + (uint32_t)group);
}

static struct addr source_addr(int source)
{
	return addr_from_v4_host(0xc0000201 + (uint32_t)source);
}

static struct addr link_addr(int port, unsigned int last)
{
	return addr_from_v4_host(0x0a000000 + ((uint32_t)port << 8) + last);
}

/* --- what the engine asks for --- */

static void check_send(struct drive *d, const struct action *action)
{
	const struct message *message = &action->message;

	if (message->ttl != 1 || !message->router_alert)
		complain(d, "sent without TTL 1 and Router Alert");
	if (message->type != MESSAGE_QUERY)
		return;
	if (message->query.n_sources > 366)
		complain(d, "a query of %u sources", message->query.n_sources);
	if (message->query.suppress && addr_is_unspecified(&message->query.group))
		complain(d, "S flag in a general query");
	if (message->query.n_sources && addr_is_unspecified(&message->query.group))
		complain(d, "sources in a general query");
}

static void collect(struct drive *d)
{
	for (size_t i = 0; i < d->out.n; i++) {
		if (d->out.list[i].type == ACTION_SEND)
			check_send(d, &d->out.list[i]);
	}
	if (d->out.n > 4000)
		complain(d, "%zu actions of one call", d->out.n);
	actions_clear(&d->out);
}

static void advance(struct drive *d, uint64_t ms)
{
	uint64_t end = d->now + ms, next;
	unsigned int ticks = 0;

	while ((next = engine_next_deadline(d->engine)) <= end) {
		uint64_t before = d->now;

		d->now = next > d->now ? next : d->now;
		ticks = d->now == before ? ticks + 1 : 0;
		if (ticks > MAX_TICKS) {
			complain(d, "ticks without end");
			return;
		}
		engine_tick(d->engine, d->now, &d->out);
		collect(d);
	}
	d->now = end;
	model_advance(&d->model, end);
}

/* --- steps --- */

static void receive(struct drive *d, int port, const struct message *message)
{
	engine_receive(d->engine, (unsigned int)port + 1, message, d->now, &d->out);
	d->received++;
	collect(d);
}

static uint32_t list_sources(uint8_t bits, struct addr *list)
{
	uint32_t n = 0;

	/* From the highest: the engine has to sort them. */
	for (int i = MODEL_SOURCES - 1; i >= 0; i--) {
		if (bits >> i & 1)
			list[n++] = source_addr(i);
	}
	return n;
}

static void step_record(struct drive *d, int port, int group)
{
	struct addr sources[MODEL_SOURCES];
	uint8_t what = take(d), bits = take(d);
	struct message_record record = { (uint8_t)(what % 6 + 1), group_addr(group), sources,
					 list_sources(bits, sources) };
	struct message message = { .type = MESSAGE_REPORT,
				   .source = link_addr(port, 10 + what / 6 % 4),
				   .destination = ADDR_V4(224, 0, 0, 22),
				   .ttl = 1,
				   .router_alert = true,
				   .report = { &record, 1 } };

	receive(d, port, &message);
	model_report(&d->model, port, group, 3, record.type, bits);
}

static void step_older(struct drive *d, int port, int group, int kind)
{
	static const enum message_type types[] = { MESSAGE_V1_REPORT, MESSAGE_V2_REPORT,
						   MESSAGE_V2_LEAVE };
	struct message message = { .type = types[kind],
				   .source = link_addr(port, 10 + take(d) % 4),
				   .destination = group_addr(group),
				   .ttl = 1,
				   .router_alert = true,
				   .group = group_addr(group) };

	receive(d, port, &message);
	model_report(&d->model, port, group, kind == 0 ? 1 : 2,
		     kind == 2 ? RECORD_TO_IN : RECORD_IS_EX, 0);
}

static void step_query(struct drive *d, int port, int group, bool general)
{
	struct addr sources[MODEL_SOURCES];
	uint8_t what = take(d), bits = general || what % 4 == 0 ? 0 : take(d);
	struct message message = {
		.type = MESSAGE_QUERY,
		.source = link_addr(port, 1),
		.destination = general ? (struct addr)ADDR_V4(224, 0, 0, 1) : group_addr(group),
		.ttl = 1,
		.router_alert = true,
		.query = { .version = 3,
			   .group = general ? addr_from_v4_host(0) : group_addr(group),
			   .max_response_ms = general ? 10000 : 1000,
			   .suppress = !general && what & 0x80,
			   .qrv = 2,
			   .query_interval_ms = 125000,
			   .sources = sources,
			   .n_sources = list_sources(bits, sources) },
	};

	receive(d, port, &message);
	if (general)
		model_general_query(&d->model, port);
	else
		model_specific_query(&d->model, port, group, message.query.suppress, bits);
}

/* Short steps around LMQT mostly, now and then to where long timers end. */
static void step_time(struct drive *d)
{
	static const uint32_t steps_ms[] = {
		0,    1,    2,	  100,	 500,	999,	1000,	1001,
		1999, 2000, 5000, 10000, 55000, 125000, 130000, 260000
	};
	uint8_t what = take(d);

	advance(d, steps_ms[what % 16] + what / 16);
}

/* What a step of either kind may be. */
static void step(struct drive *d)
{
	uint8_t op = take(d);
	int port = op / 16 % MODEL_PORTS, group = op / 48 % MODEL_GROUPS;

	switch (op % 16) {
	case 9:
		step_older(d, port, group, 0);
		break;
	case 10:
		step_older(d, port, group, 1);
		break;
	case 11:
		step_older(d, port, group, 2);
		break;
	case 12:
		step_query(d, port, group, false);
		break;
	case 13: /* rarely: it silences the port for long */
		if (take(d) % 8 == 0)
			step_query(d, port, group, true);
		else
			step_record(d, port, group);
		break;
	case 14:
	case 15:
		step_time(d);
		break;
	default:
		step_record(d, port, group);
	}
}

/* --- comparison --- */

struct comparison {
	struct drive *d;
	const struct model_state *state;
	unsigned int port;
	uint8_t seen;
	bool found;
};

static bool compare_source(const struct engine_source_view *view, void *arg)
{
	struct comparison *c = arg;
	unsigned int i = addr_to_v4_host(&view->source) - 0xc0000201;
	bool running = c->state->x >> i & 1;

	c->seen |= (uint8_t)(1 << i);
	if (view->forwarding != running || (running && view->expires != c->state->timer[i]))
		complain(c->d, "source %u: engine %d until %llu, model %d until %llu", i + 1,
			 view->forwarding, (unsigned long long)view->expires, running,
			 (unsigned long long)c->state->timer[i]);
	return true;
}

static bool compare_membership(const struct engine_membership_view *view, void *arg)
{
	struct comparison *c = arg;

	if (view->port != c->port)
		return true;
	c->found = true;
	if ((view->mode == FILTER_EXCLUDE) != c->state->exclude ||
	    (c->state->exclude && view->expires != c->state->group_timer))
		complain(c->d, "mode or group timer: engine %d until %llu, model %d until %llu",
			 view->mode, (unsigned long long)view->expires, c->state->exclude,
			 (unsigned long long)c->state->group_timer);
	engine_each_source(view, compare_source, c);
	return false;
}

static void compare(struct drive *d, int port, int group)
{
	struct addr g = group_addr(group);
	struct comparison c = { .d = d,
				.state = &d->model.state[port][group],
				.port = (unsigned int)port + 1 };

	engine_each_of_group(d->engine, &g, compare_membership, &c);
	if (c.found != (c.state->exclude || c.state->x))
		complain(d, "membership: engine %d", c.found);
	if (c.found && c.seen != (c.state->x | c.state->y))
		complain(d, "sources: engine %#x, model %#x", c.seen, c.state->x | c.state->y);
	for (int i = 0; i < MODEL_SOURCES; i++) {
		struct addr s = source_addr(i);

		if (engine_wants(d->engine, (unsigned int)port + 1, &g, &s) !=
		    model_wants(&d->model, port, group, i))
			complain(d, "forwarding of source %d differs", i + 1);
	}
	if (d->problem[0] && !strstr(d->problem, " (")) {
		size_t n = strlen(d->problem);

		snprintf(d->problem + n, d->room - n, " (port %d, group %d, byte %zu)", port + 1,
			 group + 1, d->at);
	}
}

static void compare_all(struct drive *d)
{
	for (int port = 0; port < MODEL_PORTS; port++) {
		for (int group = 0; group < MODEL_GROUPS; group++)
			compare(d, port, group);
	}
}

/* --- what must always hold --- */

struct invariants {
	struct drive *d;
	struct addr last;
	uint32_t n_sources;
	uint32_t n_groups[MODEL_PORTS];
	bool exclude;
};

static bool check_source(const struct engine_source_view *view, void *arg)
{
	struct invariants *inv = arg;

	if (inv->n_sources && addr_cmp(&inv->last, &view->source) >= 0)
		complain(inv->d, "sources out of order");
	if (!inv->exclude && !view->forwarding)
		complain(inv->d, "a blocked source in INCLUDE mode");
	if (view->expires <= inv->d->now)
		complain(inv->d, "a source that has expired");
	inv->last = view->source;
	inv->n_sources++;
	return true;
}

static bool check_membership(const struct engine_membership_view *view, void *arg)
{
	struct invariants *inv = arg;

	inv->n_sources = 0;
	inv->exclude = view->mode == FILTER_EXCLUDE;
	inv->n_groups[view->port - 1]++;
	engine_each_source(view, check_source, inv);
	if (inv->n_sources != view->n_sources)
		complain(inv->d, "%u sources, said to be %u", inv->n_sources, view->n_sources);
	if (!inv->exclude && !inv->n_sources)
		complain(inv->d, "an empty membership");
	if (view->expires <= inv->d->now)
		complain(inv->d, "a membership that has expired");
	if (inv->d->config.max_group_sources && !view->is_static &&
	    inv->n_sources > inv->d->config.max_group_sources)
		complain(inv->d, "%u sources above the limit", inv->n_sources);
	if (inv->d->config.max_hosts && view->n_hosts > inv->d->config.max_hosts)
		complain(inv->d, "%u hosts above the limit", view->n_hosts);
	return true;
}

static void check_counters(struct drive *d)
{
	uint64_t received = 0;

	for (unsigned int port = 1; port <= MODEL_PORTS; port++) {
		const struct engine_counters *counters = engine_port_counters(d->engine, port);

		for (int i = 0; counters && i < RECEIVE_VERDICTS; i++)
			received += counters->received[i];
	}
	if (received != d->received)
		complain(d, "%llu messages, %llu counted", (unsigned long long)d->received,
			 (unsigned long long)received);
}

static void check_invariants(struct drive *d)
{
	struct invariants inv = { .d = d };

	engine_each_membership(d->engine, 0, check_membership, &inv);
	for (unsigned int port = 1; port <= MODEL_PORTS; port++) {
		struct engine_port_view view;

		if (!engine_port_view(d->engine, port, &view))
			complain(d, "port %u is gone", port);
		else if (view.n_groups != inv.n_groups[port - 1])
			complain(d, "port %u counts %u groups, has %u", port, view.n_groups,
				 inv.n_groups[port - 1]);
		else if (d->config.max_groups && view.n_groups > d->config.max_groups + 1)
			complain(d, "%u groups above the limit", view.n_groups);
	}
	check_counters(d);
}

/* --- the two ways --- */

static void link_set(struct drive *d, unsigned int port, bool up)
{
	struct addr address = link_addr((int)port - 1, 100);
	struct prefix subnet = { .addr = link_addr((int)port - 1, 0), .len = 120 };
	struct port_link link = { .up = up,
				  .address = address,
				  .subnets = &subnet,
				  .n_subnets = 1,
				  .own = &address,
				  .n_own = 1 };

	engine_port_link(d->engine, port, &link, d->now, &d->out);
	collect(d);
}

static void configure(struct drive *d, unsigned int port)
{
	if (engine_port_configure(d->engine, port, &d->config, d->now, &d->out) == -EINVAL)
		complain(d, "settings refused: %s", port_config_check(&d->config));
	collect(d);
}

static void start(struct drive *d)
{
	d->problem[0] = '\0';
	d->now = d->model.now = 1000000;
	d->engine = engine_new(take(d));
	actions_init(&d->out);
	for (unsigned int port = 1; port <= MODEL_PORTS; port++) {
		configure(d, port);
		link_set(d, port, true);
	}
}

static const char *finish(struct drive *d)
{
	engine_free(d->engine);
	actions_fini(&d->out);
	return d->problem[0] ? d->problem : NULL;
}

const char *drive_against_model(const uint8_t *data, size_t size, char *problem, size_t room,
				uint64_t *steps)
{
	struct drive d = { .data = data, .size = size, .problem = problem, .room = room };

	port_config_init(&d.config);
	start(&d);
	while (d.at < d.size && !problem[0]) {
		step(&d);
		compare_all(&d);
		++*steps;
	}
	return finish(&d);
}

/* A record without regard for anything: any type, any group, sources of all kinds. */
static void step_wild_record(struct drive *d, int port)
{
	static const uint32_t groups[] = { 0xe0000001, 0xe0000116, 0xe8000000, 0xe8010101,
					   0xefff0101, 0xefc00101, 0x0a010101, 0xef010101 };
	static struct addr sources[512];
	uint8_t what = take(d), n = take(d), from = take(d);
	struct message_record records[2] = {
		{ what & 7, addr_from_v4_host(groups[what >> 3 & 7]), sources, n },
		{ from % 7, group_addr(from % 32), sources, n / 2 },
	};
	struct message message = { .type = MESSAGE_REPORT,
				   .source = link_addr(port, n),
				   .destination = ADDR_V4(224, 0, 0, 22),
				   .ttl = what & 0x80 && from & 0x80 ? 2 : 1,
				   .router_alert = true,
				   .report = { records, 2 } };

	for (unsigned int i = 0; i < n; i++)
		sources[i] = addr_from_v4_host(
			from == 255 ? i << 24 : 0xc0000201 + (from * 7 + i * 13) % 256);
	receive(d, port, &message);
}

/* Settings of all kinds from one byte. */
static void wild_config(struct drive *d, uint8_t what)
{
	static const struct static_group statics[] = { { ADDR_V4(239, 1, 1, 1), NULL, 0 } };
	static const struct prefix boundary[] = { PREFIX_V4(239, 192, 0, 0, 14) };

	port_config_init(&d->config);
	d->config.version = what % 8 == 7 ? 2 : 3;
	d->config.immediate_leave = what & 0x08;
	d->config.explicit_tracking = what & 0x10;
	d->config.max_groups = 6;
	d->config.max_group_sources = 70;
	d->config.max_hosts = 5;
	d->config.static_groups = statics;
	d->config.n_static_groups = what >> 5 & 1;
	d->config.boundary = boundary;
	d->config.n_boundary = what >> 6 & 1;
	d->config.oldest_version = what & 0x80;
}

static void wild_step(struct drive *d)
{
	uint8_t op = take(d);
	unsigned int port = op / 16 % MODEL_PORTS + 1;

	switch (op % 16) {
	case 0:
		link_set(d, port, take(d) & 1);
		break;
	case 1:
		wild_config(d, take(d));
		for (port = 1; port <= MODEL_PORTS; port++)
			configure(d, port);
		break;
	case 2:
		engine_flush(d->engine, op & 0x80 ? 0 : port, d->now, &d->out);
		collect(d);
		break;
	case 3:
	case 4:
	case 5:
	case 6:
		step_wild_record(d, (int)port - 1);
		break;
	default:
		step(d);
	}
	advance(d, 0);
}

const char *drive_with_limits(const uint8_t *data, size_t size, char *problem, size_t room,
			      uint64_t *steps)
{
	struct drive d = { .data = data, .size = size, .problem = problem, .room = room };

	wild_config(&d, take(&d));
	start(&d);
	while (d.at < d.size && !problem[0]) {
		wild_step(&d);
		check_invariants(&d);
		++*steps;
	}
	return finish(&d);
}
