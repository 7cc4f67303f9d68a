// SPDX-License-Identifier: BSD-2-Clause
/*
 * How much of what arrives on a port reaches the daemon; bpf/limit.h is the other half.
 *
 * Each kind of frame has a window: so many of it may wait in the AF_XDP rings of the port. Each
 * that was read makes room for another one, but no faster than the configured rate, with a bucket
 * for bursts. So a flood costs its own port news, and no other port anything. What was read by
 * nobody, because the kernel or a driver lost it, makes room within a second.
 *
 * What was refused is not known, and may have been a report that keeps a membership. The engine is
 * told, and lets nothing of that port end until it has asked its hosts again.
 */
#include <stdio.h>

#include "mcastd/daemon.h"
#include "wire/ethernet.h"
#include "wire/ipv4.h"

/* Tokens are thousandths of a frame: rates are told per second, time in milliseconds. */
#define TOKEN 1000
/* How often tokens are handed out while a port waits for some. */
#define GRANT_MS 10
/* How soon it is noticed that frames were refused. */
#define LOSS_CHECK_MS 500
/* How often a port from which nothing comes is looked at: were frames taken and did not come? */
#define WATCH_MS 800
/* For so long frames may be on their way from the program to a ring. */
#define ROUND_MS 100

/* How many queries and large packets may wait; IGMP other than queries has the rest of a ring. */
#define QUERIES 64
#define LARGE 48
#define RACES 16 /* CPUs that took the last place at the same time */

/* All of it may come by one queue. */
static uint32_t window_of(const struct port *port, enum mcastd_punt punt)
{
	switch (punt) {
	case MCASTD_PUNT_QUERY:
		return QUERIES;
	case MCASTD_PUNT_LARGE:
		return LARGE;
	default:
		return port->ring_frames - QUERIES - LARGE - RACES;
	}
}

static uint64_t rate_of(const struct config_interface *config, enum mcastd_punt punt)
{
	return punt == MCASTD_PUNT_LARGE ? config->fragment_rate_limit : config->igmp_rate_limit;
}

/* The most tokens that gather: a second's worth if nothing is said. */
static uint64_t most_tokens(const struct config_interface *config, enum mcastd_punt punt)
{
	uint64_t burst = punt == MCASTD_PUNT_LARGE ? 0 : config->igmp_burst;

	return (burst ? burst : rate_of(config, punt)) * TOKEN;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* How many more the program may take. */
static uint64_t room(const struct port *port, enum mcastd_punt punt)
{
	int32_t n = (int32_t)(port->limits[punt].granted -
			      dataplane_punted(port->daemon->dataplane, port->slot, punt));

	return n > 0 ? (uint64_t)n : 0;
}

/*
 * What may come at once is what is granted already, and what the tokens are good for. When what was
 * taken since the last time came is not known: if that was just now, there was as much room until
 * then.
 */
static uint64_t fill_up(const struct port *port, enum mcastd_punt punt, uint64_t tokens)
{
	const struct port_limit *limit = &port->limits[punt];
	int32_t granted = (int32_t)(limit->granted - limit->taken);
	uint64_t most = most_tokens(port->config, punt);
	uint64_t had = granted > 0 ? (uint64_t)granted * TOKEN : 0;

	return most > had ? min_u64(tokens, most - had) : 0;
}

/* How many frames the tokens are good for now. */
static uint64_t take_tokens(struct port *port, enum mcastd_punt punt, uint64_t wanted, uint64_t now)
{
	struct port_limit *limit = &port->limits[punt];
	uint64_t rate = rate_of(port->config, punt), n;

	if (!rate)
		return wanted;
	limit->tokens = fill_up(port, punt, limit->tokens + (now - limit->filled_at) * rate);
	limit->filled_at = now;
	limit->taken = dataplane_punted(port->daemon->dataplane, port->slot, punt);
	n = min_u64(wanted, limit->tokens / TOKEN);
	limit->tokens -= n * TOKEN;
	return n;
}

/* Opens the window as far as the tokens allow. Returns true while time alone opens it further. */
static bool grant(struct port *port, enum mcastd_punt punt, uint64_t now)
{
	struct port_limit *limit = &port->limits[punt];
	int32_t closed = (int32_t)(limit->read + window_of(port, punt) - limit->granted);
	uint32_t n;

	if (!closed)
		return false;
	n = closed < 0 ? (uint32_t)closed
		       : (uint32_t)take_tokens(port, punt, (uint32_t)closed, now);
	limit->granted += n;
	if (n)
		dataplane_grant(port->daemon->dataplane, port->slot, punt, limit->granted);
	return closed > 0 && n < (uint32_t)closed &&
	       room(port, punt) * TOKEN < most_tokens(port->config, punt);
}

/* Taken and not read yet: in the rings, on its way to them, or lost. */
static uint32_t unread(const struct port *port, enum mcastd_punt punt)
{
	return dataplane_punted(port->daemon->dataplane, port->slot, punt) -
	       port->limits[punt].read;
}

static bool rings_are_empty(const struct port *port)
{
	for (unsigned int i = 0; i < port->n_queues; i++)
		if (xsk_waiting(port->queues[i].xsk))
			return false;
	return true;
}

/* --- losses --- */

static uint64_t lost_by(const struct port *port, const struct mcastd_port_stats *stats)
{
	return stats->verdict[MCASTD_IGMP_LIMITED] + port->igmp_vanished;
}

static uint64_t count_lost(const struct port *port)
{
	struct mcastd_port_stats stats = { 0 };

	dataplane_port_stats(port->daemon->dataplane, port->slot, &stats);
	return lost_by(port, &stats);
}

static void tell_flood(struct port *port)
{
	snprintf(port->flood_note, sizeof(port->flood_note),
		 "IGMP is lost: more arrives than igmp-rate-limit = %u lets in, or than can be "
		 "read, or in frames larger than %d octets; joins come late, memberships go on; "
		 "raise it if so many hosts are there, else find who sends it",
		 port->config->igmp_rate_limit, MCASTD_PUNT_MAX);
	event_port(port->daemon, port, LOG_LEVEL_WARNING, "igmp-flood", port->flood_note);
}

static void tell_flood_over(struct port *port)
{
	char text[96];

	snprintf(text, sizeof(text), "IGMP is heard in full again, after %llu frames were lost",
		 (unsigned long long)(port->lost - port->lost_before_flood));
	port->flood_note[0] = '\0';
	event_port(port->daemon, port, LOG_LEVEL_NOTICE, "igmp-flood-over", text);
}

static uint64_t held_until(const struct port *port)
{
	struct engine_port_view view = { 0 };

	engine_port_view(port->daemon->engine, port->slot, &view);
	return view.held_until;
}

/* Returns when to look again if nothing arrives until then. */
static uint64_t check_losses(struct port *port, uint64_t now)
{
	struct daemon *daemon = port->daemon;
	uint64_t lost = count_lost(port);

	if (lost != port->lost) {
		if (!port->flood_note[0]) {
			port->lost_before_flood = port->lost;
			tell_flood(port);
		}
		port->lost = lost;
		engine_port_lost(daemon->engine, port->slot, now, &daemon->actions);
		daemon_perform(daemon);
	} else if (port->flood_note[0] && held_until(port) <= now) {
		tell_flood_over(port);
	}
	return port->flood_note[0] ? held_until(port) : LOOP_NEVER;
}

static void check_losses_soon(struct port *port, uint64_t now)
{
	port->loss_check_at = min_u64(port->loss_check_at, now + LOSS_CHECK_MS);
}

/* --- time --- */

static void wake_at(struct daemon *daemon, uint64_t at)
{
	if (at >= daemon->limit_at)
		return;
	daemon->limit_at = at;
	loop_deadline_set(daemon->loop, daemon->limit_deadline, at);
}

/* Hands out what the port may have. Returns true while it waits for more. */
static bool grant_all(struct port *port, uint64_t now)
{
	bool waits = false;

	for (enum mcastd_punt punt = 0; punt < MCASTD_PUNTS; punt++)
		waits |= grant(port, punt, now) || unread(port, punt);
	return waits;
}

static void tell_vanished(struct port *port, unsigned int n)
{
	unsigned int suppressed;
	char text[128];

	if (!log_limit_pass(&port->vanished_limit, loop_now(port->daemon->loop), &suppressed))
		return;
	snprintf(text, sizeof(text),
		 "%u frames that were to come to the daemon never did, %llu so far: its driver or "
		 "the kernel lost them",
		 n, (unsigned long long)port->undelivered);
	event_port(port->daemon, port, LOG_LEVEL_WARNING, "undelivered", text);
}

/*
 * Gives back the places of what has not come. Less than none are missing when something came after
 * all.
 */
static void forget(struct port *port, enum mcastd_punt punt, uint64_t now)
{
	int32_t n = port->limits[punt].missing;

	port->limits[punt].read += (uint32_t)n;
	if (n <= 0)
		return;
	port->undelivered += (uint32_t)n;
	if (punt != MCASTD_PUNT_LARGE)
		port->igmp_vanished += (uint32_t)n;
	check_losses_soon(port, now);
	tell_vanished(port, (unsigned int)n);
}

static void begin_round(struct port *port, uint64_t now)
{
	port->round_until = now + ROUND_MS;
	port->empty = 0;
	for (enum mcastd_punt punt = 0; punt < MCASTD_PUNTS; punt++)
		port->limits[punt].missing = INT32_MAX;
}

/* What was taken is asked first: of that, what is in no ring then is on its way, or lost. */
static void look_at_rings(struct port *port)
{
	int32_t missing[MCASTD_PUNTS];

	for (enum mcastd_punt punt = 0; punt < MCASTD_PUNTS; punt++)
		missing[punt] = (int32_t)unread(port, punt);
	if (!rings_are_empty(port))
		return;
	port->empty++;
	for (enum mcastd_punt punt = 0; punt < MCASTD_PUNTS; punt++)
		if (missing[punt] < port->limits[punt].missing)
			port->limits[punt].missing = missing[punt];
}

/*
 * The program takes frames that never come, as when a driver or the kernel drops them on their way:
 * the window must not stay closed for them. What was missing each time that the rings were empty,
 * while others came and went, does not come any more.
 */
static void forget_vanished(struct port *port, uint64_t now)
{
	look_at_rings(port);
	if (now < port->round_until)
		return;
	for (enum mcastd_punt punt = 0; punt < MCASTD_PUNTS && port->empty > 1; punt++)
		forget(port, punt, now);
	begin_round(port, now);
}

static uint64_t port_due(struct port *port, uint64_t now)
{
	if (port->grant_at <= now) {
		forget_vanished(port, now);
		if (grant_all(port, now)) {
			port->grant_at = now + GRANT_MS;
			check_losses_soon(port, now);
		} else {
			/* All such ports at the same time: they wake us once. */
			port->grant_at = (now / WATCH_MS + 1) * WATCH_MS;
		}
	}
	if (port->loss_check_at <= now)
		port->loss_check_at = check_losses(port, now);
	return min_u64(port->grant_at, port->loss_check_at);
}

static uint64_t limit_due(void *arg, uint64_t now)
{
	struct daemon *daemon = arg;
	uint64_t next = LOOP_NEVER;

	for (unsigned int slot = 1; slot < MCASTD_MAX_PORTS; slot++)
		if (daemon->ports[slot] && daemon->ports[slot]->open)
			next = min_u64(next, port_due(daemon->ports[slot], now));
	daemon->limit_at = next;
	return next;
}

/* As bpf/limit.h tells the kinds apart, what is malformed too. */
static enum mcastd_punt kind_of(const uint8_t *frame, size_t len, bool tagged)
{
	const size_t ip = ETHERNET_HEADER_LEN + (tagged ? ETHERNET_TAG_LEN : 0);
	size_t type;

	if (len < ip + IPV4_HEADER_MIN || frame[ip + 9] != IPV4_PROTOCOL_IGMP)
		return MCASTD_PUNT_LARGE;
	type = ip + (frame[ip] & 0xfu) * 4;
	return type < len && frame[type] == MCASTD_IGMP_QUERY ? MCASTD_PUNT_QUERY
							      : MCASTD_PUNT_REPORT;
}

void limit_read(struct port *port, const uint8_t *frame, size_t len)
{
	port->limits[kind_of(frame, len, port->applied.vlan)].read++;
}

void limit_turn_done(struct port *port)
{
	uint64_t now = loop_now(port->daemon->loop);

	if (grant_all(port, now))
		port->grant_at = min_u64(port->grant_at, now + GRANT_MS);
	check_losses_soon(port, now);
	wake_at(port->daemon, min_u64(port->grant_at, port->loss_check_at));
}

void limit_audit(struct port *port, const struct mcastd_port_stats *stats)
{
	if (lost_by(port, stats) == port->lost)
		return;
	check_losses_soon(port, loop_now(port->daemon->loop));
	wake_at(port->daemon, port->loss_check_at);
}

uint64_t limit_held_until(const struct daemon *daemon)
{
	struct engine_port_view view;
	uint64_t until = 0;

	for (unsigned int slot = 1; slot < MCASTD_MAX_PORTS; slot++)
		if (engine_port_view(daemon->engine, slot, &view) && view.held_until > until)
			until = view.held_until;
	return until;
}

/* --- open --- */

void limit_port_open(struct port *port)
{
	uint64_t now = loop_now(port->daemon->loop);

	for (enum mcastd_punt punt = 0; punt < MCASTD_PUNTS; punt++) {
		uint32_t taken = dataplane_punted(port->daemon->dataplane, port->slot, punt);

		port->limits[punt] = (struct port_limit){ .read = taken,
							  .taken = taken,
							  .granted = taken,
							  .tokens = most_tokens(port->config, punt),
							  .filled_at = now };
	}
	port->ring_frames = XSK_RX_MIN;
	port->lost = count_lost(port);
	port->grant_at = now;
	port->loss_check_at = LOOP_NEVER;
	begin_round(port, now);
	grant_all(port, now);
	wake_at(port->daemon, now);
}

int limit_open(struct daemon *daemon)
{
	daemon->limit_at = LOOP_NEVER;
	daemon->limit_deadline = loop_add_deadline(daemon->loop, LOOP_NEVER, limit_due, daemon);
	return daemon->limit_deadline < 0 ? daemon->limit_deadline : 0;
}
