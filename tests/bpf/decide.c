/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What decide_packet() says, the programs do: random configurations, memberships, restarts and
 * packets, in both XDP modes. Compared are the counter that moves at the port of arrival, and for
 * every port whether the packet left there, was too large or below its threshold, or was left to
 * the daemon. Another run: SEED=number.
 */
#include <stddef.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../support/bed.h"
#include "forward/decide.h"
#include "platform/xsk.h"
#include "rules/range.h"

#define PORTS 5 /* 1 is the upstream */
#define UP 1
#define ROUNDS 25
#define STEPS 60 /* of a round */
#define PREFIXES 3
#define WAIT_MS 5000
/* Little room: routes and port sets are not always installed. */
#define ROUTES 12
#define SETS (MCASTD_SET_FIRST + 9)

struct prefixes {
	struct prefix list[PREFIXES];
	uint32_t n;
};

/* What there is of a port at one moment, since it was made one. */
struct counts {
	uint64_t verdict[MCASTD_VERDICTS], out[PORTS + 1], too_big[PORTS + 1], below[PORTS + 1];
	uint64_t to_daemon;
};

struct world {
	struct bed bed;
	bool generic;
	struct xsk *xsk[PORTS + 1];
	struct engine *engine;
	struct forward *forward;
	struct actions actions;
	struct prefixes boundary[PORTS + 1], origins[PORTS + 1];
	struct forward_port ports[PORTS + 1];
	uint64_t now;
	/* What has come up so far, over all rounds. */
	unsigned int verdicts, reasons, ways;
	bool fragmented, too_big, below_ttl, by_daemon, not_installed, left;
};

static struct world world;
static uint32_t seed, first_seed;

static uint32_t chance(uint32_t below)
{
	seed = seed * 1664525u + 1013904223u;
	return (uint32_t)(((uint64_t)seed * below) >> 32);
}

static struct addr v4(uint32_t host)
{
	return addr_from_v4_host(host);
}

static struct addr any_group(void)
{
	static const uint32_t groups[] = { 0xef010101, 0xef010102, 0xe8010101, 0xefff0101,
					   0xef010103, 0xefc10101, 0xe00000fb, 0xe8000000 };

	return v4(groups[chance(chance(4) ? 5 : 8)]);
}

/* Senders beyond the upstream and on each link, a host of theirs and the router itself. */
static struct addr any_source(void)
{
	static const uint32_t odd[] = { 0xa9fe0101, 0x7f000001, 0x00000000, 0xcb007105 };
	unsigned int port = 1 + chance(PORTS);

	switch (chance(8)) {
	case 0:
		return v4(odd[chance(4)]);
	case 1:
	case 2:
	case 3:
		return v4(0xc0000200 + 1 + chance(3));
	case 4:
		return v4(0x0a000064 + (port << 8));
	default:
		return v4(0x0a00000a + (port << 8));
	}
}

/* --- a configuration --- */

static void random_port(unsigned int slot)
{
	static const struct prefix scopes[] = { PREFIX_V4(239, 192, 0, 0, 14),
						PREFIX_V4(239, 1, 1, 2, 32),
						PREFIX_V4(232, 0, 0, 0, 8) };
	static const uint32_t mtus[] = { 1500, 1500, 576, 900 };
	static const uint8_t thresholds[] = { 1, 1, 1, 4, 16 };
	static const uint16_t vlans[] = { 0, 0, 0, 0, 5, 7 };
	struct prefixes *boundary = &world.boundary[slot], *origins = &world.origins[slot];

	boundary->n = chance(5) ? 0 : 1;
	boundary->list[0] = scopes[chance(3)];
	origins->n = chance(3) ? 1 : 2;
	origins->list[0] = (struct prefix){ v4(0x0a000000 + (slot << 8)), 120 };
	/* A prefix that others may have, too, or one that holds theirs. */
	origins->list[1] = chance(2) ? (struct prefix)PREFIX_V4(203, 0, 113, 0, 24)
				     : (struct prefix)PREFIX_V4(10, 0, 0, 0, 8);
	world.ports[slot] = (struct forward_port){
		.present = true,
		.role = slot == UP ? PORT_UPSTREAM : PORT_DOWNSTREAM,
		.forward_as_non_querier = chance(4) == 0,
		.boundary = boundary->list,
		.n_boundary = boundary->n,
		.ttl_threshold = thresholds[chance(5)],
		.mtu = mtus[chance(4)],
		.vlan = vlans[chance(6)],
		.generic = world.generic,
	};
}

static void set_mtu(unsigned int slot, uint32_t mtu)
{
	char command[64];

	snprintf(command, sizeof(command), "ip link set r%u mtu %u", slot, mtu);
	assert_int_equal(system(command), 0);
}

/* As the daemon's ports_sync() does. */
static void apply_port(unsigned int slot)
{
	const struct forward_port *info = &world.ports[slot];
	const struct dataplane_copies *copies = dataplane_copies(world.bed.dp);
	struct dataplane_port port = bed_port(&world.bed, slot);
	struct addr own = v4(0x0a000064 + (slot << 8));
	struct port_link link = { .up = true,
				  .address = own,
				  .own = &own,
				  .n_own = 1,
				  .subnets = world.origins[slot].list,
				  .n_subnets = world.origins[slot].n };
	struct port_config config;

	port_config_init(&config);
	config.role = info->role;
	config.boundary = info->boundary;
	config.n_boundary = info->n_boundary;
	assert_int_equal(engine_port_configure(world.engine, slot, &config, world.now,
					       &world.actions),
			 0);
	assert_int_equal(engine_port_link(world.engine, slot, &link, world.now, &world.actions), 0);
	set_mtu(slot, info->mtu);
	port.check_origin = true;
	port.ttl_threshold = info->ttl_threshold;
	port.mtu = info->mtu;
	port.vlan = info->vlan;
	bed_port_set(&world.bed, slot, &port);
	assert_int_equal(dataplane_origins_set(world.bed.dp, slot, world.origins[slot].list,
					       world.origins[slot].n),
			 0);
	assert_int_equal(dataplane_boundary_set(world.bed.dp, slot, info->boundary,
						info->n_boundary),
			 0);
	world.ports[slot].shares = info->generic && copies->kind != DATAPLANE_COPIES_PRIVATE;
	forward_port_set(world.forward, slot, &world.ports[slot]);
}

static void apply_defaults(void)
{
	const uint16_t upstream[] = { UP };
	const struct forward_ports ports = { upstream, 1 };

	for (unsigned int slot = 2; slot <= PORTS; slot++)
		assert_int_equal(dataplane_port_default(world.bed.dp, slot, &ports), 0);
}

/* --- what happens --- */

static void perform(void)
{
	for (size_t i = 0; i < world.actions.n; i++) {
		const struct action *action = &world.actions.list[i];

		if (action->type == ACTION_CHANGED)
			forward_update_group(world.forward, &action->group);
		else if (action->type == ACTION_PORT)
			forward_update_port(world.forward, action->port);
	}
	actions_clear(&world.actions);
}

static void report(void)
{
	unsigned int port = 2 + chance(PORTS - 1);
	struct addr sources[3];
	struct message_record record = { (uint8_t)(1 + chance(6)), any_group(), sources, 0 };
	struct message message = { .type = MESSAGE_REPORT,
				   .source = v4(0x0a00000a + (port << 8)),
				   .destination = v4(0xe0000016),
				   .ttl = 1,
				   .router_alert = true,
				   .report = { &record, 1 } };

	for (record.n_sources = chance(4); record.n_sources && chance(5) == 0;)
		record.n_sources--;
	for (uint32_t i = 0; i < record.n_sources; i++)
		sources[i] = any_source();
	engine_receive(world.engine, port, &message, world.now, &world.actions);
	perform();
}

/* Another querier comes, or goes with the time. */
static void query(void)
{
	unsigned int port = 2 + chance(PORTS - 1);
	struct message message = { .type = MESSAGE_QUERY,
				   .source = v4(0x0a000001 + (port << 8)),
				   .destination = v4(0xe0000001),
				   .ttl = 1,
				   .router_alert = true,
				   .query = { .version = 3,
					      .max_response_ms = 10000,
					      .qrv = 2,
					      .query_interval_ms = 125000 } };

	engine_receive(world.engine, port, &message, world.now, &world.actions);
	perform();
}

static void pass_time(void)
{
	static const uint32_t steps_ms[] = { 100, 1000, 2500, 130000 };
	uint64_t until = world.now + steps_ms[chance(4)];

	while (engine_next_deadline(world.engine) <= until) {
		uint64_t due = engine_next_deadline(world.engine);

		world.now = due > world.now ? due : world.now;
		engine_tick(world.engine, world.now, &world.actions);
		perform();
	}
	world.now = until;
	dataplane_maintain(world.bed.dp, world.now);
}

/* Routes of a run before this one; hosts may or may not ask for them again. */
static void hold(void)
{
	uint16_t down[PORTS], both[PORTS];
	struct forward_route route = { .group = any_group() };

	if (range_of_group(&route.group) != RANGE_ROUTED)
		return;
	if (chance(2))
		route.source = v4(0xc0000200 + 1 + chance(3));
	for (uint16_t slot = 2; slot <= PORTS; slot++)
		if (chance(2))
			down[route.out[FORWARD_FROM_UPSTREAM].n++] = slot;
	both[0] = UP;
	memcpy(both + 1, down, sizeof(down) - sizeof(*down));
	route.out[FORWARD_FROM_UPSTREAM].slots = down;
	route.out[FORWARD_FROM_DOWNSTREAM] =
		(struct forward_ports){ both, route.out[FORWARD_FROM_UPSTREAM].n + 1 };
	assert_int_equal(forward_hold(world.forward, &route), 0);
}

/* --- a packet --- */

static struct decide_packet random_packet(void)
{
	static const uint32_t lengths[] = { 60, 60, 575, 576, 577, 900, 901, 1400 };
	static const uint8_t ttls[] = { 0, 1, 2, 4, 5, 16, 17, 64, 255, 64, 64, 64 };
	unsigned int arrival = 1 + chance(PORTS);
	struct decide_packet packet = { .source = any_source(),
					.group = any_group(),
					.arrival = arrival,
					.vlan = world.ports[arrival].vlan,
					.ttl = ttls[chance(12)],
					.length = lengths[chance(8)],
					.dont_fragment = chance(2) };

	/* Mostly what may come in there. */
	if (chance(3))
		packet.source = arrival == UP ? v4(0xc0000200 + 1 + chance(3))
					      : v4(0x0a00000a + (arrival << 8));
	if (chance(12) == 0)
		packet.vlan = packet.vlan == 5 ? 0 : 5;
	/* The veth itself refuses more in this direction. */
	if (packet.length > world.ports[arrival].mtu)
		packet.length = 60;
	return packet;
}

static void make_frame(const struct decide_packet *packet, struct veth_frame *frame)
{
	char source[ADDR_TEXT_MAX], group[ADDR_TEXT_MAX];

	datagram_init(frame, addr_format(&packet->source, source, sizeof(source)),
		      addr_format(&packet->group, group, sizeof(group)), packet->ttl,
		      packet->length - 28, 1);
	if (packet->dont_fragment)
		frame->bytes[DATAGRAM_IP + 6] = 0x40;
	datagram_fix(frame);
	if (!packet->vlan)
		return;
	memmove(frame->bytes + 16, frame->bytes + 12, frame->len - 12);
	memcpy(frame->bytes + 12, (uint8_t[]){ 0x81, 0x00, 0x00, (uint8_t)packet->vlan }, 4);
	frame->len += 4;
}

static struct counts count(unsigned int arrival)
{
	struct counts counts = { .to_daemon = dataplane_punted(world.bed.dp, arrival,
							       MCASTD_PUNT_LARGE) };

	for (unsigned int slot = 1; slot <= PORTS; slot++) {
		struct mcastd_port_stats stats;

		assert_int_equal(dataplane_port_stats(world.bed.dp, slot, &stats), 0);
		if (slot == arrival)
			memcpy(counts.verdict, stats.verdict, sizeof(counts.verdict));
		counts.out[slot] = stats.out_packets;
		counts.too_big[slot] = stats.out_too_big;
		counts.below[slot] = stats.out_ttl_threshold;
	}
	return counts;
}

/* What the counters shall be after the packet. */
static void expect(struct counts *counts, const struct decision *decision)
{
	enum mcastd_verdict verdict = dataplane_verdict(decision->verdict);

	if (verdict != MCASTD_VERDICTS)
		counts->verdict[verdict]++;
	if (decision->by_daemon) {
		counts->to_daemon = (uint32_t)(counts->to_daemon + 1);
		return;
	}
	for (unsigned int slot = 1; slot <= PORTS; slot++) {
		counts->out[slot] += port_map_has(&decision->sent, slot);
		counts->too_big[slot] += port_map_has(&decision->too_big, slot);
		counts->below[slot] += port_map_has(&decision->below_ttl, slot);
	}
}

static uint64_t clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void ignore(void *arg, const uint8_t *frame, size_t len)
{
	(void)arg;
	(void)frame;
	(void)len;
}

/* The frame goes its way while this waits. */
static bool come_true(unsigned int arrival, const struct counts *wanted, struct counts *got)
{
	uint64_t end = clock_ms() + WAIT_MS;

	do {
		*got = count(arrival);
		if (memcmp(got, wanted, sizeof(*got)) == 0)
			return true;
		usleep(200);
	} while (clock_ms() < end);
	return false;
}

static void tell(const struct decide_packet *packet, const struct decision *decision,
		 const struct counts *wanted, const struct counts *got)
{
	char source[ADDR_TEXT_MAX], group[ADDR_TEXT_MAX];

	print_error("%s to %s on port %u, VLAN %u, TTL %u, %u octets%s: verdict %d, way %d%s\n",
		    addr_format(&packet->source, source, sizeof(source)),
		    addr_format(&packet->group, group, sizeof(group)), packet->arrival,
		    packet->vlan, packet->ttl, packet->length, packet->dont_fragment ? ", DF" : "",
		    decision->verdict, decision->way, decision->by_daemon ? ", by the daemon" : "");
	for (int i = 0; i < MCASTD_VERDICTS; i++)
		if (got->verdict[i] != wanted->verdict[i])
			print_error("  %s: %lld more than decided\n",
				    dataplane_verdict_name((enum mcastd_verdict)i),
				    (long long)(got->verdict[i] - wanted->verdict[i]));
	for (unsigned int slot = 1; slot <= PORTS; slot++)
		print_error("  port %u (MTU %u, TTL %u, VLAN %u): sent %lld, too big %lld, below "
			    "TTL %lld more than decided\n",
			    slot, world.ports[slot].mtu, world.ports[slot].ttl_threshold,
			    world.ports[slot].vlan, (long long)(got->out[slot] - wanted->out[slot]),
			    (long long)(got->too_big[slot] - wanted->too_big[slot]),
			    (long long)(got->below[slot] - wanted->below[slot]));
	print_error("  to the daemon: %lld more than decided\n",
		    (long long)(got->to_daemon - wanted->to_daemon));
	fail_msg("SEED=%u", first_seed);
}

/* The reasons fit what is sent: a port is left out only for one, unless there is no room. */
static void check_reasons(const struct decide_packet *packet, const struct decision *decision,
			  bool all_installed)
{
	for (unsigned int slot = 1; slot <= PORTS; slot++) {
		struct decide_answer answer;

		decide_port(world.forward, packet, decision, slot, &answer);
		world.reasons |= 1u << answer.reason;
		if (!answer.installed)
			world.not_installed = true;
		if (!answer.installed && all_installed)
			fail_msg("port %u: reason %d, but %s (SEED=%u)", slot, answer.reason,
				 answer.wanted ? "not sent there" : "sent there", first_seed);
	}
}

static void note(const struct decision *decision)
{
	world.verdicts |= 1u << decision->verdict;
	world.ways |= 1u << decision->way;
	world.by_daemon |= decision->by_daemon;
	world.fragmented |= !port_map_empty(&decision->fragmented);
	world.too_big |= !port_map_empty(&decision->too_big);
	world.below_ttl |= !port_map_empty(&decision->below_ttl);
	world.left |= !port_map_empty(&decision->sent);
}

static void send_packet(void)
{
	struct decide_packet packet = random_packet();
	unsigned int arrival = packet.arrival;
	struct decide_origins origins;
	struct counts wanted, got;
	struct decision decision;
	struct veth_frame frame;
	int error;
	bool all_installed = forward_retry(world.forward, &error) == 0;

	origins.list = dataplane_origins(world.bed.dp, &origins.n);
	decide_packet(world.forward, &origins, &packet, &decision);
	note(&decision);
	make_frame(&packet, &frame);
	dataplane_grant(world.bed.dp, arrival, MCASTD_PUNT_LARGE,
			dataplane_punted(world.bed.dp, arrival, MCASTD_PUNT_LARGE) + 100);
	wanted = count(arrival);
	expect(&wanted, &decision);
	veth_send(&world.bed.veth, arrival, frame.bytes, frame.len);
	if (!come_true(arrival, &wanted, &got))
		tell(&packet, &decision, &wanted, &got);
	while (xsk_receive(world.xsk[arrival], 64, ignore, NULL))
		;
	if (decision.verdict == DECIDE_FORWARDED || decision.verdict == DECIDE_NO_ROUTE ||
	    decision.verdict == DECIDE_NO_MEMBER)
		check_reasons(&packet, &decision, all_installed);
}

static void step(void)
{
	switch (chance(12)) {
	case 0:
	case 1:
	case 2:
	case 3:
		report();
		break;
	case 4:
		pass_time();
		break;
	case 5:
		if (chance(4) == 0)
			query();
		break;
	default:
		send_packet();
	}
}

/* --- rounds --- */

static void begin_round(void)
{
	world.engine = engine_new(seed);
	world.forward = forward_new(world.engine, &dataplane_forward_ops, world.bed.dp);
	for (uint32_t n = chance(3) ? 0 : 3; n; n--)
		hold();
	for (unsigned int slot = 1; slot <= PORTS; slot++)
		random_port(slot);
	for (unsigned int slot = 1; slot <= PORTS; slot++)
		apply_port(slot);
	apply_defaults();
	perform();
	forward_update_all(world.forward);
}

static void end_round(void)
{
	int error;

	for (unsigned int slot = 1; slot <= PORTS; slot++)
		engine_port_remove(world.engine, slot, world.now, &world.actions);
	perform();
	forward_release(world.forward);
	assert_int_equal(forward_retry(world.forward, &error), 0);
	assert_int_equal(forward_n_routes(world.forward), 0);
	forward_free(world.forward);
	engine_free(world.engine);
	veth_drain(&world.bed.veth);
}

static void open_world(enum dataplane_mode mode)
{
	const struct dataplane_options options = { .bpffs_dir = veth_bpffs(),
						   .max_routes = ROUTES,
						   .max_sets = SETS };
	char name[8];

	memset(&world, 0, sizeof(world));
	world.generic = mode == DATAPLANE_MODE_GENERIC;
	world.now = 1000000;
	actions_init(&world.actions);
	bed_init(&world.bed, PORTS, &options);
	bed_ports(&world.bed, mode);
	for (unsigned int slot = 1; slot <= PORTS; slot++) {
		snprintf(name, sizeof(name), "r%u", slot);
		assert_int_equal(xsk_open(&world.xsk[slot], name, 0, XSK_RX_MIN,
					  dataplane_xsks_fd(world.bed.dp),
					  MCASTD_XSK_INDEX(slot, 0)),
				 0);
	}
}

static void close_world(void)
{
	for (unsigned int slot = 1; slot <= PORTS; slot++)
		xsk_close(world.xsk[slot]);
	actions_fini(&world.actions);
	bed_fini(&world.bed);
}

/* D-STATS, P-4.2-NOBACK, D-THRESH, L-RESTART: and everything that is decided has come up. */
static void programs_do_as_decided(void **state)
{
	open_world(*(enum dataplane_mode *)*state);
	for (int round = 0; round < ROUNDS; round++) {
		begin_round();
		for (int i = 0; i < STEPS; i++)
			step();
		forward_release(world.forward);
		for (int i = 0; i < STEPS / 2; i++)
			step();
		end_round();
	}
	close_world();
	assert_int_equal(world.verdicts, (2u << DECIDE_NO_MEMBER) - 1);
	assert_int_equal(world.ways, (2u << DECIDE_BY_SOURCE) - 1);
	assert_int_equal(world.reasons, ((2u << DECIDE_FROM_UPSTREAM) - 1) &
						~(1u << DECIDE_ABSENT) &
						~(1u << DECIDE_FROM_UPSTREAM));
	assert_true(world.fragmented && world.too_big && world.below_ttl && world.by_daemon &&
		    world.not_installed && world.left);
}

int main(void)
{
	static enum dataplane_mode native = DATAPLANE_MODE_NATIVE, generic = DATAPLANE_MODE_GENERIC;
	void *in_native = &native, *in_generic = &generic;
	const struct CMUnitTest tests[] = {
		{ "programs_do_as_decided, native", programs_do_as_decided, NULL, NULL, in_native },
		{ "programs_do_as_decided, generic", programs_do_as_decided, NULL, NULL,
		  in_generic },
	};
	const char *given = getenv("SEED");

	seed = first_seed = given ? (uint32_t)strtoul(given, NULL, 10) : 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
