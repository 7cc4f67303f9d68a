// SPDX-License-Identifier: BSD-2-Clause
/*
 * What happens in the data plane, as events for those who monitor: flows that begin and stop,
 * traffic that arrives and goes nowhere, packets that are dropped.
 *
 * The programs only count. So, once a second, everything that counts is looked at and compared with
 * the round before. Nothing is looked at while nobody monitors.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mcastd/daemon.h"

#define WATCH_MS 1000
#define QUIET_ROUNDS 3 /* without a packet: it has stopped */
#define TELL_MAX 100   /* flows in one round; the others are counted */

/* A flow as one round has seen it: a route, or unwanted traffic on a port. */
struct sight {
	struct addr group, source;
	uint32_t unwanted_slot; /* 0: a route */
	uint32_t verdict;	/* of unwanted traffic */
	unsigned int arrival;	/* slot */
	struct addr sender;
	uint64_t packets;
	unsigned int quiet; /* rounds without a packet */
	bool flows;
};

struct sights {
	struct sight *list;
	size_t n, capacity;
};

/* What a port counts that did not go on its way. What no route matches is told flow by flow. */
static const enum mcastd_verdict drops[] = {
	MCASTD_TTL_EXPIRED,    MCASTD_WRONG_PORT,      MCASTD_BOUNDARY,
	MCASTD_MARTIAN_SOURCE, MCASTD_BAD_HEADER,      MCASTD_BAD_CHECKSUM,
	MCASTD_UNICAST_FRAME,  MCASTD_REDIRECT_FAILED, MCASTD_IGMP_LIMITED,
};
#define N_DROPS (sizeof(drops) / sizeof(drops[0]))
enum {
	LEFT_TTL_THRESHOLD = N_DROPS,
	LEFT_TOO_BIG,
	LEFT_REFUSED,
	N_COUNTERS,
};

struct watch {
	int deadline;
	struct sights before;
	bool fresh; /* nothing to compare with yet */
	uint64_t counters[MCASTD_MAX_PORTS][N_COUNTERS];
	unsigned int told, untold; /* flows, in this round */
};

struct round {
	struct daemon *daemon;
	uint64_t now_ns;
	struct sights now;
	bool failed;
};

/* --- Looking -----------------------------------------------------------------------------------
 */

static uint64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static bool is_recent(const struct round *round, uint64_t last_seen_ns)
{
	return last_seen_ns + (uint64_t)QUIET_ROUNDS * WATCH_MS * 1000000 > round->now_ns;
}

static bool add_sight(struct round *round, const struct sight *sight)
{
	struct sights *now = &round->now;

	if (now->n == now->capacity) {
		size_t capacity = now->capacity ? 2 * now->capacity : 256;
		struct sight *grown = realloc(now->list, capacity * sizeof(*grown));

		if (!grown) {
			round->failed = true;
			return false;
		}
		now->list = grown;
		now->capacity = capacity;
	}
	now->list[now->n++] = *sight;
	return true;
}

static bool see_route(const struct forward_route *route, bool applied, void *arg)
{
	struct round *round = arg;
	struct mcastd_route_stats stats = { 0 };
	struct sight sight = { .group = route->group, .source = route->source };

	(void)applied;
	dataplane_route_stats(round->daemon->dataplane, &route->group, &route->source, &stats);
	sight.packets = stats.packets;
	sight.arrival = stats.last_slot;
	sight.sender = addr_from_v4(stats.last_source);
	sight.flows = stats.packets && is_recent(round, stats.last_seen_ns);
	return add_sight(round, &sight);
}

static bool see_unwanted(const struct mcastd_unwanted_key *key, const struct mcastd_unwanted *value,
			 void *arg)
{
	struct round *round = arg;
	struct sight sight = {
		.group = addr_from_v4(key->group),
		.source = addr_from_v4(key->source),
		.sender = addr_from_v4(key->source),
		.unwanted_slot = key->slot,
		.arrival = key->slot,
		.verdict = value->verdict,
		.packets = value->packets,
		.flows = is_recent(round, value->last_seen_ns),
	};

	return add_sight(round, &sight);
}

static int compare_sights(const void *a, const void *b)
{
	const struct sight *x = a, *y = b;
	int order = memcmp(&x->group, &y->group, sizeof(x->group));

	if (!order)
		order = memcmp(&x->source, &y->source, sizeof(x->source));
	if (!order)
		order = (x->unwanted_slot > y->unwanted_slot) -
			(x->unwanted_slot < y->unwanted_slot);
	return order;
}

/* --- Telling -----------------------------------------------------------------------------------
 */

/* "d1, d2" */
static void name_ports(struct daemon *daemon, const struct sight *sight, const struct port *arrival,
		       char *text, size_t size)
{
	struct decide_packet packet = { .source = sight->sender,
					.group = sight->group,
					.arrival = arrival->slot,
					.vlan = (uint16_t)arrival->applied.vlan,
					.ttl = UINT8_MAX };
	struct decision decision;
	size_t len = 0;

	text[0] = '\0';
	decide(daemon, &packet, &decision);
	for (unsigned int slot = 1; slot < MCASTD_MAX_PORTS && len < size; slot++)
		if (port_map_has(&decision.out, slot) && daemon->ports[slot])
			len += (size_t)snprintf(text + len, size - len, "%s%s", len ? ", " : "",
						daemon->ports[slot]->name);
}

static void tell_flow(struct daemon *daemon, const struct sight *sight, bool started, bool gone)
{
	const struct port *arrival =
		sight->arrival < MCASTD_MAX_PORTS ? daemon->ports[sight->arrival] : NULL;
	bool unwanted = sight->unwanted_slot != 0;
	char group[ADDR_TEXT_MAX], source[ADDR_TEXT_MAX], ports[80], text[256];
	struct log_about about = {
		.event = unwanted ? (started ? "unwanted-started" : "unwanted-stopped")
				  : (started ? "flow-started" : "flow-stopped"),
		.group = addr_format(&sight->group, group, sizeof(group)),
		.source = addr_format(&sight->sender, source, sizeof(source)),
	};

	if (!arrival)
		return;
	if (daemon->watch->told++ >= TELL_MAX) {
		daemon->watch->untold++;
		return;
	}
	about.interface = arrival->name;
	name_ports(daemon, sight, arrival, ports, sizeof(ports));
	if (unwanted && started)
		snprintf(text, sizeof(text), "%s of %s arrives and goes nowhere: %s", group, source,
			 dataplane_verdict_name(sight->verdict));
	else if (started)
		snprintf(text, sizeof(text), "%s of %s flows to %s", group, source,
			 ports[0] ? ports : "nobody");
	else if (gone)
		snprintf(text, sizeof(text), "%s of %s is not forwarded any more", group, source);
	else
		snprintf(text, sizeof(text), "%s of %s has stopped", group, source);
	event_publish(daemon, &about, text, NULL);
}

/* The same flow in two rounds; before: NULL when it is new. */
static void compare_flow(struct daemon *daemon, const struct sight *before, struct sight *now)
{
	uint64_t known = before ? before->packets : 0;
	bool moved;

	/* A route that went and came again has new counters. */
	if (now->packets < known)
		known = 0;
	if (before && !now->packets) {
		now->arrival = before->arrival;
		now->sender = before->sender;
	}
	moved = now->packets > known;
	now->flows = before && before->flows;
	now->quiet = moved ? 0 : (before ? before->quiet : QUIET_ROUNDS) + 1;
	if (moved && !now->flows) {
		now->flows = true;
		tell_flow(daemon, now, true, false);
	} else if (now->flows && now->quiet >= QUIET_ROUNDS) {
		now->flows = false;
		tell_flow(daemon, now, false, false);
	}
}

/* Both lists are in order. */
static void compare_rounds(struct daemon *daemon, const struct sights *before, struct sights *now)
{
	size_t i = 0, j = 0;

	while (i < before->n || j < now->n) {
		int order = i == before->n ? 1
			    : j == now->n  ? -1
					   : compare_sights(&before->list[i], &now->list[j]);

		if (order < 0 && before->list[i].flows)
			tell_flow(daemon, &before->list[i], false, true);
		else if (order >= 0)
			compare_flow(daemon, order ? NULL : &before->list[i], &now->list[j]);
		i += order <= 0;
		j += order >= 0;
	}
}

static void tell_drop(struct port *port, const char *reason, uint64_t count)
{
	const struct log_about about = { .event = "dropped", .interface = port->name };
	char text[96];

	snprintf(text, sizeof(text), "%llu packets dropped: %s", (unsigned long long)count, reason);
	event_publish(port->daemon, &about, text,
		      json_pack("{s:s, s:I}", "reason", reason, "count", (json_int_t)count));
}

static void compare_counter(struct port *port, unsigned int number, const char *reason,
			    uint64_t now)
{
	struct watch *watch = port->daemon->watch;
	uint64_t before = watch->counters[port->slot][number];

	/* A smaller one is that of another port that had the slot. */
	if (now > before && !watch->fresh)
		tell_drop(port, reason, now - before);
	watch->counters[port->slot][number] = now;
}

static void compare_drops(struct port *port)
{
	struct mcastd_port_stats stats;

	if (port_stats(port, &stats))
		return;
	for (unsigned int i = 0; i < N_DROPS; i++)
		compare_counter(port, i, dataplane_verdict_name(drops[i]), stats.verdict[drops[i]]);
	compare_counter(port, LEFT_TTL_THRESHOLD, "ttl-threshold", stats.out_ttl_threshold);
	compare_counter(port, LEFT_TOO_BIG, "too-big", stats.out_too_big);
	compare_counter(port, LEFT_REFUSED, "transmit-refused", stats.out_refused);
}

/* --- Rounds ------------------------------------------------------------------------------------
 */

static void forget(struct watch *watch)
{
	free(watch->before.list);
	watch->before = (struct sights){ 0 };
	watch->fresh = true;
}

static void look(struct daemon *daemon)
{
	struct watch *watch = daemon->watch;
	struct round round = { .daemon = daemon, .now_ns = monotonic_ns() };

	forward_each_route(daemon->forward, see_route, &round);
	dataplane_each_unwanted(daemon->dataplane, see_unwanted, &round);
	if (round.failed) {
		free(round.now.list);
		return; /* the next round compares with the one before this */
	}
	if (round.now.n)
		qsort(round.now.list, round.now.n, sizeof(*round.now.list), compare_sights);
	watch->told = watch->untold = 0;
	/* What flows when someone begins to monitor is no event. */
	if (!watch->fresh)
		compare_rounds(daemon, &watch->before, &round.now);
	free(watch->before.list);
	watch->before = round.now;
}

static void tell_untold(struct daemon *daemon)
{
	const struct log_about about = { .event = "flows-changed", .interface = "*" };
	char text[64];

	snprintf(text, sizeof(text), "%u more flows have begun or stopped", daemon->watch->untold);
	event_publish(daemon, &about, text,
		      json_pack("{s:i}", "count", (int)daemon->watch->untold));
}

static uint64_t watch_due(void *arg, uint64_t now)
{
	struct daemon *daemon = arg;

	if (!server_has_monitors(daemon->server)) {
		forget(daemon->watch);
		return LOOP_NEVER;
	}
	look(daemon);
	if (daemon->watch->untold)
		tell_untold(daemon);
	for (unsigned int slot = 1; slot < MCASTD_MAX_PORTS; slot++)
		if (daemon->ports[slot] && daemon->ports[slot]->open)
			compare_drops(daemon->ports[slot]);
	daemon->watch->fresh = false;
	return now + WATCH_MS;
}

static void watch_begin(void *arg)
{
	struct daemon *daemon = arg;

	loop_deadline_set(daemon->loop, daemon->watch->deadline, loop_now(daemon->loop));
}

int watch_open(struct daemon *daemon)
{
	struct watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return -ENOMEM;
	daemon->watch = watch;
	watch->fresh = true;
	watch->deadline = loop_add_deadline(daemon->loop, LOOP_NEVER, watch_due, daemon);
	if (watch->deadline < 0)
		return watch->deadline;
	server_on_monitor(daemon->server, watch_begin);
	return 0;
}

void watch_close(struct daemon *daemon)
{
	if (!daemon->watch)
		return;
	forget(daemon->watch);
	free(daemon->watch);
	daemon->watch = NULL;
}
