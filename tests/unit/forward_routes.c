// SPDX-License-Identifier: BSD-2-Clause
/*
 * Memberships in, routes out: the real engine in front, a recorder in place of the data plane.
 * RFC 4605 section 4.2 and RFC 9776 section 6.3.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "forward/decide.h"
#include "forward/forward.h"

#define UP 1
#define D1 2
#define D2 3
#define D3 4

/* What the data plane would hold, and how often it was touched. */
struct recorder {
	char lines[64][128];
	size_t n;
	unsigned int sets, dels;
	int fail;    /* -errno for every call */
	bool counts; /* and nothing else: there are more routes than lines */
};

struct bed {
	struct engine *engine;
	struct forward *forward;
	struct recorder recorder;
	struct actions actions;
	uint64_t now;
};

static void route_name(char *out, size_t size, const struct addr *group, const struct addr *source)
{
	char g[ADDR_TEXT_MAX], s[ADDR_TEXT_MAX] = "*";

	addr_format(group, g, sizeof(g));
	if (!addr_is_unspecified(source))
		addr_format(source, s, sizeof(s));
	snprintf(out, size, "(%s,%s)", s, g);
}

static size_t recorder_find(const struct recorder *recorder, const char *name)
{
	size_t i = 0;

	while (i < recorder->n && strncmp(recorder->lines[i], name, strlen(name)) != 0)
		i++;
	return i;
}

static size_t append_ports(char *line, size_t n, const struct forward_ports *ports)
{
	for (uint32_t i = 0; i < ports->n; i++)
		n += (size_t)snprintf(line + n, 128 - n, " %u", ports->slots[i]);
	return n;
}

static int record_set(void *ctx, const struct forward_route *route)
{
	struct recorder *recorder = ctx;
	char name[100];
	size_t i, n;

	recorder->sets++;
	if (recorder->fail || recorder->counts)
		return recorder->fail;
	route_name(name, sizeof(name), &route->group, &route->source);
	i = recorder_find(recorder, name);
	if (i == recorder->n)
		recorder->n++;
	n = (size_t)snprintf(recorder->lines[i], 128, "%s up:", name);
	n = append_ports(recorder->lines[i], n, &route->out[FORWARD_FROM_UPSTREAM]);
	n += (size_t)snprintf(recorder->lines[i] + n, 128 - n, " down:");
	append_ports(recorder->lines[i], n, &route->out[FORWARD_FROM_DOWNSTREAM]);
	return 0;
}

static int record_del(void *ctx, const struct addr *group, const struct addr *source)
{
	struct recorder *recorder = ctx;
	char name[100];
	size_t i;

	recorder->dels++;
	if (recorder->fail)
		return recorder->fail;
	route_name(name, sizeof(name), group, source);
	i = recorder_find(recorder, name);
	if (i == recorder->n)
		return -ENOENT;
	memmove(recorder->lines[i], recorder->lines[i + 1],
		(recorder->n - i - 1) * sizeof(recorder->lines[0]));
	recorder->n--;
	return 0;
}

static const struct forward_ops record_ops = { record_set, record_del };

static struct addr v4(uint32_t host)
{
	return addr_from_v4_host(host);
}

#define GROUP 0xef010101u  /* 239.1.1.1 */
#define SOURCE 0xc0000200u /* 192.0.2.0 + n */

/* Performs the actions as the daemon does. */
static void perform(struct bed *bed)
{
	for (size_t i = 0; i < bed->actions.n; i++) {
		const struct action *action = &bed->actions.list[i];

		if (action->type == ACTION_CHANGED)
			forward_update_group(bed->forward, &action->group);
		else if (action->type == ACTION_PORT)
			forward_update_port(bed->forward, action->port);
	}
	actions_clear(&bed->actions);
}

static void add_port(struct bed *bed, unsigned int port, enum port_role role)
{
	struct prefix subnet = { v4(0x0a000000u + (port << 8)), 120 };
	struct addr own = v4(0x0a000000u + (port << 8) + 100);
	struct port_link link = { .up = true,
				  .address = own,
				  .subnets = &subnet,
				  .n_subnets = 1,
				  .own = &own,
				  .n_own = 1 };
	struct port_config config;

	port_config_init(&config);
	config.role = role;
	assert_int_equal(engine_port_configure(bed->engine, port, &config, bed->now, &bed->actions),
			 0);
	assert_int_equal(engine_port_link(bed->engine, port, &link, bed->now, &bed->actions), 0);
	forward_port_set(bed->forward, port,
			 &(struct forward_port){ .present = true, .role = role });
	perform(bed);
}

static int setup(void **state)
{
	struct bed *bed = calloc(1, sizeof(*bed));

	bed->engine = engine_new(1);
	bed->forward = forward_new(bed->engine, &record_ops, &bed->recorder);
	bed->now = 1000;
	actions_init(&bed->actions);
	add_port(bed, UP, PORT_UPSTREAM);
	add_port(bed, D1, PORT_DOWNSTREAM);
	add_port(bed, D2, PORT_DOWNSTREAM);
	add_port(bed, D3, PORT_DOWNSTREAM);
	*state = bed;
	return 0;
}

static int teardown(void **state)
{
	struct bed *bed = *state;

	forward_free(bed->forward);
	engine_free(bed->engine);
	actions_fini(&bed->actions);
	free(bed);
	return 0;
}

/* A report of one record from a host of the port; `sources` are last octets, ended by 0. */
static void report_group(struct bed *bed, unsigned int port, uint8_t type, uint32_t group,
			 const uint8_t *sources)
{
	struct addr list[8];
	struct message_record record = { .type = type, .group = v4(group), .sources = list };
	struct message message = { .type = MESSAGE_REPORT,
				   .source = v4(0x0a000000u + (port << 8) + 10),
				   .destination = v4(0xe0000016u),
				   .ttl = 1,
				   .router_alert = true };

	while (sources[record.n_sources]) {
		list[record.n_sources] = v4(SOURCE + sources[record.n_sources]);
		record.n_sources++;
	}
	message.report = (struct message_report){ &record, 1 };
	assert_int_equal(engine_receive(bed->engine, port, &message, bed->now, &bed->actions),
			 RECEIVE_APPLIED);
	perform(bed);
}

static void report(struct bed *bed, unsigned int port, uint8_t type, const uint8_t *sources)
{
	report_group(bed, port, type, GROUP, sources);
}

#define LIST(...) ((const uint8_t[]){ __VA_ARGS__, 0 })
#define NONE ((const uint8_t[]){ 0 })

static void expect(const struct bed *bed, const char *const *lines, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t at = recorder_find(&bed->recorder, lines[i]);

		if (at == bed->recorder.n || strcmp(bed->recorder.lines[at], lines[i]) != 0) {
			print_error("missing: %s\n", lines[i]);
			for (size_t k = 0; k < bed->recorder.n; k++)
				print_error("    has: %s\n", bed->recorder.lines[k]);
			fail();
		}
	}
	assert_int_equal(bed->recorder.n, n);
}

#define EXPECT(bed, ...)                                               \
	do {                                                           \
		const char *const lines_[] = { __VA_ARGS__ };          \
		expect(bed, lines_, sizeof(lines_) / sizeof(*lines_)); \
	} while (0)

/* Why a packet of 192.0.2.N that arrives on the upstream goes to a port, or does not. */
static struct decide_answer answer_of(const struct bed *bed, unsigned int port, uint32_t n)
{
	const struct decide_origins none = { 0 };
	const struct decide_packet packet = {
		.source = v4(SOURCE + n), .group = v4(GROUP), .arrival = UP, .ttl = 8
	};
	struct decide_answer answer;
	struct decision decision;

	decide_packet(bed->forward, &none, &packet, &decision);
	decide_port(bed->forward, &packet, &decision, port, &answer);
	return answer;
}

static void expect_reason(const struct bed *bed, unsigned int port, uint32_t n,
			  enum decide_reason reason)
{
	struct decide_answer answer = answer_of(bed, port, n);

	if (answer.reason != reason || !answer.installed)
		fail_msg("port %u, source %u: reason %d, installed %d", port, n, answer.reason,
			 answer.installed);
}

/* P-4.2-DOWN, P-4.2-UPALWAYS, P-4.2-CROSS: members get it, and what they send goes up too. */
static void test_any_source(void **state)
{
	struct bed *bed = *state;

	report(bed, D1, RECORD_TO_EX, NONE);
	EXPECT(bed, "(*,239.1.1.1) up: 2 down: 1 2");
	report(bed, D3, RECORD_TO_EX, NONE);
	EXPECT(bed, "(*,239.1.1.1) up: 2 4 down: 1 2 4");
	expect_reason(bed, D1, 1, DECIDE_ANY_SOURCE);
	expect_reason(bed, D2, 1, DECIDE_NOBODY);
	expect_reason(bed, UP, 1, DECIDE_ARRIVAL);
	expect_reason(bed, 9, 1, DECIDE_ABSENT);
}

/* A report that changes nothing touches nothing. */
static void test_refresh_is_silent(void **state)
{
	struct bed *bed = *state;
	unsigned int sets;

	report(bed, D1, RECORD_TO_EX, NONE);
	sets = bed->recorder.sets;
	for (int i = 0; i < 10; i++)
		report(bed, D1, RECORD_IS_EX, NONE);
	assert_int_equal(bed->recorder.sets, sets);
	assert_int_equal(bed->recorder.dels, 0);
}

/* INCLUDE: a route of its own for the source, and none of the others. */
static void test_include(void **state)
{
	struct bed *bed = *state;

	report(bed, D1, RECORD_ALLOW, LIST(1));
	EXPECT(bed, "(*,239.1.1.1) up: down: 1", "(192.0.2.1,239.1.1.1) up: 2 down: 1 2");
}

/* P-4.2-SRC: d1 INCLUDE{S1}, d2 EXCLUDE{S1}: S1 to d1 only, others to d2 only. */
static void test_filters_per_port(void **state)
{
	struct bed *bed = *state;

	report(bed, D1, RECORD_ALLOW, LIST(1));
	report(bed, D2, RECORD_IS_EX, LIST(1));
	EXPECT(bed, "(*,239.1.1.1) up: 3 down: 1 3", "(192.0.2.1,239.1.1.1) up: 2 down: 1 2");
	expect_reason(bed, D1, 1, DECIDE_ASKED);
	expect_reason(bed, D2, 1, DECIDE_BLOCKED);
	expect_reason(bed, D1, 2, DECIDE_OTHER_SOURCES);
	expect_reason(bed, D2, 2, DECIDE_ANY_SOURCE);
}

/* A source that all want who want any needs no route of its own. */
static void test_same_ports_need_no_route(void **state)
{
	struct bed *bed = *state;

	report(bed, D1, RECORD_TO_EX, NONE);
	report(bed, D1, RECORD_ALLOW, LIST(1, 2));
	EXPECT(bed, "(*,239.1.1.1) up: 2 down: 1 2");
}

/* Sources come and go between others: the lists are walked side by side. */
static void test_sources_in_between(void **state)
{
	struct bed *bed = *state;

	report(bed, D1, RECORD_ALLOW, LIST(2, 4));
	report(bed, D2, RECORD_ALLOW, LIST(1, 3, 5));
	EXPECT(bed, "(*,239.1.1.1) up: down: 1", "(192.0.2.1,239.1.1.1) up: 3 down: 1 3",
	       "(192.0.2.2,239.1.1.1) up: 2 down: 1 2", "(192.0.2.3,239.1.1.1) up: 3 down: 1 3",
	       "(192.0.2.4,239.1.1.1) up: 2 down: 1 2", "(192.0.2.5,239.1.1.1) up: 3 down: 1 3");
	engine_port_remove(bed->engine, D2, bed->now, &bed->actions);
	perform(bed);
	EXPECT(bed, "(*,239.1.1.1) up: down: 1", "(192.0.2.2,239.1.1.1) up: 2 down: 1 2",
	       "(192.0.2.4,239.1.1.1) up: 2 down: 1 2");
}

/* Leaving ends after the Last Member Query Time; the routes go, (*,G) last. */
static void test_leave(void **state)
{
	struct bed *bed = *state;

	report(bed, D1, RECORD_ALLOW, LIST(1));
	report(bed, D1, RECORD_BLOCK, LIST(1));
	assert_int_equal(bed->recorder.n, 2);
	bed->now += 2000;
	engine_tick(bed->engine, bed->now, &bed->actions);
	perform(bed);
	assert_int_equal(bed->recorder.n, 0);
}

/* P-3-NOTQ, P-3-NOTQ-OPT, P-3-NOTQ-UP: a port we are not the querier of gets nothing. */
static void test_non_querier(void **state)
{
	struct bed *bed = *state;
	struct message query = { .type = MESSAGE_QUERY,
				 .source = v4(0x0a000201u), /* 10.0.2.1 on D1 = slot 2 */
				 .destination = v4(0xe0000001u),
				 .ttl = 1,
				 .router_alert = true,
				 .query = { .version = 3,
					    .max_response_ms = 10000,
					    .qrv = 2,
					    .query_interval_ms = 125000 } };

	report(bed, D1, RECORD_TO_EX, NONE);
	report(bed, D2, RECORD_TO_EX, NONE);
	engine_receive(bed->engine, D1, &query, bed->now, &bed->actions);
	perform(bed);
	EXPECT(bed, "(*,239.1.1.1) up: 3 down: 1 3");
	expect_reason(bed, D1, 1, DECIDE_NOT_QUERIER);
	forward_port_set(bed->forward, D1,
			 &(struct forward_port){ .present = true,
						 .role = PORT_DOWNSTREAM,
						 .forward_as_non_querier = true });
	forward_update_all(bed->forward);
	EXPECT(bed, "(*,239.1.1.1) up: 2 3 down: 1 2 3");
}

/* R-SCOPE-BI: a boundary keeps the group off the port, upstream included. */
static void test_boundary(void **state)
{
	struct bed *bed = *state;
	struct prefix scope = { v4(0xef000000u), 104 };

	report(bed, D1, RECORD_TO_EX, NONE);
	report(bed, D2, RECORD_TO_EX, NONE);
	forward_port_set(bed->forward, D1,
			 &(struct forward_port){ .present = true,
						 .role = PORT_DOWNSTREAM,
						 .boundary = &scope,
						 .n_boundary = 1 });
	forward_port_set(bed->forward, UP,
			 &(struct forward_port){ .present = true,
						 .role = PORT_UPSTREAM,
						 .boundary = &scope,
						 .n_boundary = 1 });
	forward_update_all(bed->forward);
	EXPECT(bed, "(*,239.1.1.1) up: 3 down: 3");
}

static void set_boundary(struct bed *bed, unsigned int port, enum port_role role,
			 const struct prefix *boundary)
{
	forward_port_set(bed->forward, port,
			 &(struct forward_port){ .present = true,
						 .role = role,
						 .boundary = boundary,
						 .n_boundary = boundary != NULL });
	forward_update_all(bed->forward);
}

/* How many ports get a packet of no prefix, or from port 2. */
static uint32_t count_ports(const struct bed *bed, uint32_t group, unsigned int arrival)
{
	const struct origin d1 = { { v4(0x0a000200u), 120 }, D1 };
	const struct decide_origins origins = { &d1, 1 };
	const struct decide_packet packet = { .source =
						      v4(arrival == D1 ? 0x0a00020au : SOURCE + 1),
					      .group = v4(group),
					      .arrival = arrival,
					      .ttl = 8 };
	struct decision decision;

	decide_packet(bed->forward, &origins, &packet, &decision);
	return port_map_count(&decision.out);
}

/* R-SCOPE-LOCAL: of any boundary, for data as for reports, with a route and without. */
static void test_local_scope(void **state)
{
	static const struct prefix scope = PREFIX_V4(239, 192, 0, 0, 14);
	struct bed *bed = *state;
	struct addr list = v4(SOURCE + 1);
	struct message_record record = { RECORD_ALLOW, v4(0xefff0101u), &list, 1 };
	struct message message = { .type = MESSAGE_REPORT,
				   .source = v4(0x0a00030au),
				   .destination = v4(0xe0000016u),
				   .ttl = 1,
				   .router_alert = true,
				   .report = { &record, 1 } };

	engine_receive(bed->engine, D2, &message, bed->now, &bed->actions);
	message.source = v4(0x0a00020au);
	engine_receive(bed->engine, D1, &message, bed->now, &bed->actions);
	perform(bed);
	EXPECT(bed, "(*,239.255.1.1) up: down: 1", "(192.0.2.1,239.255.1.1) up: 2 3 down: 1 2 3");
	set_boundary(bed, D1, PORT_DOWNSTREAM, &scope);
	EXPECT(bed, "(*,239.255.1.1) up: down: 1", "(192.0.2.1,239.255.1.1) up: 3 down: 1 3");
	set_boundary(bed, D1, PORT_DOWNSTREAM, NULL);
	assert_int_equal(count_ports(bed, 0xefff0202u, D1), 1);
	set_boundary(bed, D1, PORT_DOWNSTREAM, &scope);
	set_boundary(bed, UP, PORT_UPSTREAM, &scope);
	EXPECT(bed, "(*,239.255.1.1) up: down:", "(192.0.2.1,239.255.1.1) up: 3 down: 3");
	set_boundary(bed, D1, PORT_DOWNSTREAM, NULL);
	assert_int_equal(count_ports(bed, 0xefff0202u, D1), 0);
	assert_int_equal(count_ports(bed, 0xefc10101u, D1), 0);
	assert_int_equal(count_ports(bed, GROUP, D1), 1);
	assert_int_equal(count_ports(bed, GROUP, UP), 0);
}

/* What could not be applied stays open, and is applied when there is room. */
static void test_full_map(void **state)
{
	struct bed *bed = *state;
	int error = 0;

	bed->recorder.fail = -ENOSPC;
	report(bed, D1, RECORD_ALLOW, LIST(1));
	assert_int_equal(bed->recorder.n, 0);
	assert_int_equal(forward_retry(bed->forward, &error), 2);
	assert_int_equal(error, -ENOSPC);
	bed->recorder.fail = 0;
	assert_int_equal(forward_retry(bed->forward, &error), 0);
	EXPECT(bed, "(*,239.1.1.1) up: down: 1", "(192.0.2.1,239.1.1.1) up: 2 down: 1 2");
	/* A change that finds no room leaves the old ports, and they are what is shown. */
	bed->recorder.fail = -EXFULL;
	report(bed, D2, RECORD_ALLOW, LIST(1));
	assert_true(answer_of(bed, D1, 1).sent && answer_of(bed, D1, 1).installed);
	assert_true(answer_of(bed, D2, 1).wanted && !answer_of(bed, D2, 1).installed);
	assert_false(answer_of(bed, D2, 1).sent);
	bed->recorder.fail = 0;
	assert_int_equal(forward_retry(bed->forward, &error), 0);
	assert_true(answer_of(bed, D2, 1).sent);
	engine_port_remove(bed->engine, D2, bed->now, &bed->actions);
	perform(bed);
	/* Removal that fails is tried again too. */
	bed->recorder.fail = -EBUSY;
	engine_port_remove(bed->engine, D1, bed->now, &bed->actions);
	perform(bed);
	assert_int_equal(bed->recorder.n, 2);
	bed->recorder.fail = 0;
	assert_int_equal(forward_retry(bed->forward, &error), 0);
	assert_int_equal(bed->recorder.n, 0);
}

static bool count_route(const struct forward_route *route, bool applied, void *arg)
{
	(void)route;
	(void)applied;
	++*(unsigned int *)arg;
	return true;
}

/* What is not wanted any more and could not be removed yet is nobody's route. */
static void test_gone_is_not_found(void **state)
{
	struct bed *bed = *state;
	unsigned int n_routes = 0;
	int error;

	report(bed, D1, RECORD_TO_EX, NONE);
	assert_int_equal(count_ports(bed, GROUP, UP), 1);
	bed->recorder.fail = -EBUSY;
	engine_port_remove(bed->engine, D1, bed->now, &bed->actions);
	perform(bed);
	assert_int_equal(bed->recorder.n, 1);
	assert_int_equal(count_ports(bed, GROUP, UP), 0);
	forward_each_route(bed->forward, count_route, &n_routes);
	assert_int_equal(n_routes, 0);
	bed->recorder.fail = 0;
	assert_int_equal(forward_retry(bed->forward, &error), 0);
}

/* More is open than one round of retries goes through: the next goes on there, and begins anew. */
static void test_retry_goes_round(void **state)
{
	const unsigned int many = 2500; /* RETRY_FAILURES is 1000 */
	struct bed *bed = *state;
	int error = 0;

	bed->recorder.counts = true;
	bed->recorder.fail = -ENOSPC;
	for (uint32_t i = 0; i < many; i++)
		report_group(bed, D1, RECORD_TO_EX, GROUP + i, NONE);
	bed->recorder.sets = 0;
	assert_int_equal(forward_retry(bed->forward, &error), many);
	assert_in_range(bed->recorder.sets, 1000, 1000 + 1);
	bed->recorder.fail = 0;
	assert_int_equal(forward_retry(bed->forward, &error), 0);
	/* Once more from the beginning. */
	bed->recorder.fail = -ENOSPC;
	report_group(bed, D2, RECORD_TO_EX, GROUP, NONE);
	bed->recorder.fail = 0;
	assert_int_equal(forward_retry(bed->forward, &error), 0);
}

static struct forward_ports ports_of(const uint16_t *slots, uint32_t n)
{
	return (struct forward_ports){ slots, n };
}

/* L-RESTART: what an earlier run forwarded stays until it is released, whoever reports first. */
static void test_held_routes(void **state)
{
	static const uint16_t down[] = { D1, D2 }, both[] = { UP, D1, D2 };
	struct bed *bed = *state;
	struct forward_route any = { .group = v4(GROUP) }, one = any;

	any.out[FORWARD_FROM_UPSTREAM] = ports_of(down, 2);
	any.out[FORWARD_FROM_DOWNSTREAM] = ports_of(both, 3);
	one.source = v4(SOURCE + 1);
	one.out[FORWARD_FROM_UPSTREAM] = ports_of(down, 1);
	one.out[FORWARD_FROM_DOWNSTREAM] = ports_of(both, 2);
	assert_int_equal(forward_hold(bed->forward, &any), 0);
	assert_int_equal(forward_hold(bed->forward, &one), 0);
	forward_update_all(bed->forward);
	EXPECT(bed, "(*,239.1.1.1) up: 2 3 down: 1 2 3");
	report(bed, D3, RECORD_IS_EX, LIST(1));
	EXPECT(bed, "(*,239.1.1.1) up: 2 3 4 down: 1 2 3 4",
	       "(192.0.2.1,239.1.1.1) up: 2 3 down: 1 2 3");
	report(bed, D1, RECORD_IS_EX, NONE);
	forward_release(bed->forward);
	EXPECT(bed, "(*,239.1.1.1) up: 2 4 down: 1 2 4", "(192.0.2.1,239.1.1.1) up: 2 down: 1 2");
}

/* R-SCOPE-BI: nor does what an earlier run forwarded cross the boundaries of today. */
static void test_held_and_bounded(void **state)
{
	static const struct prefix scope = PREFIX_V4(239, 1, 0, 0, 16);
	static const uint16_t down[] = { D1, D2 }, both[] = { UP, D1, D2 };
	struct bed *bed = *state;
	struct forward_route any = { .group = v4(GROUP) }, one = any;

	any.out[FORWARD_FROM_UPSTREAM] = ports_of(down, 1);
	any.out[FORWARD_FROM_DOWNSTREAM] = ports_of(both, 2);
	one.source = v4(SOURCE + 1);
	one.out[FORWARD_FROM_UPSTREAM] = ports_of(down, 2);
	one.out[FORWARD_FROM_DOWNSTREAM] = ports_of(both, 3);
	assert_int_equal(forward_hold(bed->forward, &any), 0);
	assert_int_equal(forward_hold(bed->forward, &one), 0);
	forward_update_all(bed->forward);
	EXPECT(bed, "(*,239.1.1.1) up: 2 down: 1 2", "(192.0.2.1,239.1.1.1) up: 2 3 down: 1 2 3");
	set_boundary(bed, D1, PORT_DOWNSTREAM, &scope);
	EXPECT(bed, "(*,239.1.1.1) up: down: 1", "(192.0.2.1,239.1.1.1) up: 3 down: 1 3");
	set_boundary(bed, UP, PORT_UPSTREAM, &scope);
	EXPECT(bed, "(*,239.1.1.1) up: down:", "(192.0.2.1,239.1.1.1) up: 3 down: 3");
}

/* L-RESTART: what an earlier run forwarded to a port goes on, whatever a host there blocks now. */
static void test_held_outweighs_blocked(void **state)
{
	static const uint16_t down[] = { D1 }, both[] = { UP, D1 };
	struct bed *bed = *state;
	struct forward_route one = { .group = v4(GROUP), .source = v4(SOURCE + 1) };

	one.out[FORWARD_FROM_UPSTREAM] = ports_of(down, 1);
	one.out[FORWARD_FROM_DOWNSTREAM] = ports_of(both, 2);
	assert_int_equal(forward_hold(bed->forward, &one), 0);
	report(bed, D1, RECORD_TO_EX, LIST(1));
	EXPECT(bed, "(*,239.1.1.1) up: 2 down: 1 2");
	expect_reason(bed, D1, 1, DECIDE_HELD);
	forward_release(bed->forward);
	EXPECT(bed, "(*,239.1.1.1) up: 2 down: 1 2", "(192.0.2.1,239.1.1.1) up: down: 1");
}

/* What was held for any source is not for one that all hosts of the port refuse. */
static void test_held_for_any_and_blocked(void **state)
{
	static const uint16_t down[] = { D1, D2 };
	struct bed *bed = *state;
	struct forward_route any = { .group = v4(GROUP) };

	any.out[FORWARD_FROM_UPSTREAM] = ports_of(down, 2);
	assert_int_equal(forward_hold(bed->forward, &any), 0);
	report(bed, D1, RECORD_TO_EX, LIST(1));
	report(bed, D2, RECORD_ALLOW, LIST(2));
	EXPECT(bed, "(*,239.1.1.1) up: 2 3 down: 1 2 3", "(192.0.2.1,239.1.1.1) up: 3 down: 1 3");
	expect_reason(bed, D1, 1, DECIDE_BLOCKED);
	expect_reason(bed, D2, 1, DECIDE_HELD);
	expect_reason(bed, D2, 2, DECIDE_ASKED);
}

/* L-RESTART: an upstream of the earlier run is held too, and released: it may not come again. */
static void test_held_upstream(void **state)
{
	static const uint16_t down[] = { D1 }, both[] = { D1, 9 };
	struct bed *bed = *state;
	struct forward_route any = { .group = v4(GROUP) };

	any.out[FORWARD_FROM_UPSTREAM] = ports_of(down, 1);
	any.out[FORWARD_FROM_DOWNSTREAM] = ports_of(both, 2);
	assert_int_equal(forward_hold(bed->forward, &any), 0);
	report(bed, D1, RECORD_TO_EX, NONE);
	EXPECT(bed, "(*,239.1.1.1) up: 2 down: 1 2 9");
	forward_release(bed->forward);
	EXPECT(bed, "(*,239.1.1.1) up: 2 down: 1 2");
}

/* A group that nobody reports is gone when it is released. */
static void test_held_and_forgotten(void **state)
{
	static const uint16_t down[] = { D2 };
	struct bed *bed = *state;
	struct forward_route any = { .group = v4(GROUP) };

	any.out[FORWARD_FROM_UPSTREAM] = ports_of(down, 1);
	assert_int_equal(forward_hold(bed->forward, &any), 0);
	forward_update_all(bed->forward);
	EXPECT(bed, "(*,239.1.1.1) up: 3 down: 1 3");
	forward_release(bed->forward);
	assert_int_equal(bed->recorder.n, 0);
}

/* P-4.2-NOBACK: with one downstream, what comes from there needs no set that holds it. */
static void test_only_downstream(void **state)
{
	struct bed *bed = *state;

	forward_port_set(bed->forward, D2, &(struct forward_port){ 0 });
	forward_port_set(bed->forward, D3, &(struct forward_port){ 0 });
	report(bed, D1, RECORD_TO_EX, NONE);
	EXPECT(bed, "(*,239.1.1.1) up: 2 down: 1");
	forward_port_set(bed->forward, D2,
			 &(struct forward_port){ .present = true, .role = PORT_DOWNSTREAM });
	forward_update_all(bed->forward);
	EXPECT(bed, "(*,239.1.1.1) up: 2 down: 1 2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_any_source, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refresh_is_silent, setup, teardown),
		cmocka_unit_test_setup_teardown(test_include, setup, teardown),
		cmocka_unit_test_setup_teardown(test_filters_per_port, setup, teardown),
		cmocka_unit_test_setup_teardown(test_same_ports_need_no_route, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sources_in_between, setup, teardown),
		cmocka_unit_test_setup_teardown(test_leave, setup, teardown),
		cmocka_unit_test_setup_teardown(test_non_querier, setup, teardown),
		cmocka_unit_test_setup_teardown(test_boundary, setup, teardown),
		cmocka_unit_test_setup_teardown(test_local_scope, setup, teardown),
		cmocka_unit_test_setup_teardown(test_held_and_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_map, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone_is_not_found, setup, teardown),
		cmocka_unit_test_setup_teardown(test_retry_goes_round, setup, teardown),
		cmocka_unit_test_setup_teardown(test_only_downstream, setup, teardown),
		cmocka_unit_test_setup_teardown(test_held_routes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_held_outweighs_blocked, setup, teardown),
		cmocka_unit_test_setup_teardown(test_held_for_any_and_blocked, setup, teardown),
		cmocka_unit_test_setup_teardown(test_held_upstream, setup, teardown),
		cmocka_unit_test_setup_teardown(test_held_and_forgotten, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
