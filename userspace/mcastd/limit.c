// SPDX-License-Identifier: BSD-2-Clause
/*
 * How much of what arrives on a port reaches the daemon; bpf/limit.h is the other half.
 *
 * Each kind of frame has a window: so many of it may wait in the AF_XDP rings of the port. Each
 * that was read makes room for another one, but no faster than the configured rate, with a bucket
 * for bursts. So a flood costs its own port news, and no other port anything.
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

/* How many frames the tokens are good for now. */
static uint64_t take_tokens(struct port *port, enum mcastd_punt punt, uint64_t wanted, uint64_t now)
{
	struct port_limit *limit = &port->limits[punt];
	uint64_t rate = rate_of(port->config, punt), most = most_tokens(port->config, punt), n;

	if (!rate)
		return wanted;
	limit->tokens = min_u64(limit->tokens + (now - limit->filled_at) * rate, most);
	limit->filled_at = now;
	n = min_u64(wanted, limit->tokens / TOKEN);
	limit->tokens -= n * TOKEN;
	return n;
}

/* Opens the window as far as the tokens allow. Returns true while that is not the whole window. */
static bool grant(struct port *port, enum mcastd_punt punt, uint64_t now)
{
	struct port_limit *limit = &port->limits[punt];
	int32_t closed = (int32_t)(limit->read + window_of(port, punt) - limit->granted);
	uint32_t n;

	if (closed <= 0)
		return false;
	n = (uint32_t)take_tokens(port, punt, (uint32_t)closed, now);
	limit->granted += n;
	if (n)
		dataplane_grant(port->daemon->dataplane, port->slot, punt, limit->granted);
	return n < (uint32_t)closed;
}

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

uint64_t limit_undelivered(const struct port *port)
{
	uint64_t lost = port->undelivered;

	for (unsigned int i = 0; i < port->n_queues; i++) {
		struct xsk_counters counters;

		xsk_read_counters(port->queues[i].xsk, &counters);
		lost += counters.dropped;
	}
	return lost;
}

/* Rings do not overflow; what the kernel did not deliver is data larger than a ring's frames. */
static uint64_t count_lost(const struct port *port)
{
	struct mcastd_port_stats stats = { 0 };

	dataplane_port_stats(port->daemon->dataplane, port->slot, &stats);
	return stats.verdict[MCASTD_IGMP_LIMITED];
}

static void tell_flood(struct port *port)
{
	snprintf(port->flood_note, sizeof(port->flood_note),
		 "IGMP is lost: more arrives than igmp-rate-limit = %u lets in, or than can be "
		 "read; joins come late, memberships go on; raise it if so many hosts are there, "
		 "else find who sends it",
		 port->config->igmp_rate_limit);
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

/*
 * The program took frames that never came, as when a driver or the kernel drops them on their way:
 * the window must not stay closed for them.
 */
static void forget_vanished(struct port *port)
{
	bool quiet = port->frames_read == port->frames_before;

	port->frames_before = port->frames_read;
	if (!quiet || !rings_are_empty(port))
		return;
	for (enum mcastd_punt punt = 0; punt < MCASTD_PUNTS; punt++)
		port->limits[punt].read += unread(port, punt);
}

static uint64_t port_due(struct port *port, uint64_t now)
{
	if (port->grant_at <= now) {
		forget_vanished(port);
		port->grant_at = grant_all(port, now) ? now + GRANT_MS : LOOP_NEVER;
		if (port->grant_at != LOOP_NEVER)
			check_losses_soon(port, now);
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
	port->frames_read++;
}

void limit_turn_done(struct port *port)
{
	uint64_t now = loop_now(port->daemon->loop);

	if (grant_all(port, now) && port->grant_at == LOOP_NEVER)
		port->grant_at = now + GRANT_MS;
	check_losses_soon(port, now);
	wake_at(port->daemon, min_u64(port->grant_at, port->loss_check_at));
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
							  .granted = taken,
							  .tokens = most_tokens(port->config, punt),
							  .filled_at = now };
	}
	port->ring_frames = XSK_RX_MIN;
	port->lost = count_lost(port);
	port->grant_at = now;
	port->loss_check_at = LOOP_NEVER;
	grant_all(port, now);
	wake_at(port->daemon, now);
}

int limit_open(struct daemon *daemon)
{
	daemon->limit_at = LOOP_NEVER;
	daemon->limit_deadline = loop_add_deadline(daemon->loop, LOOP_NEVER, limit_due, daemon);
	return daemon->limit_deadline < 0 ? daemon->limit_deadline : 0;
}
