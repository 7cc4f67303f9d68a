// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the kernel leaves out without a word does not stay silent. A broadcast to a port set skips
 * a member that cannot transmit XDP frames, and one whose MTU is too small.
 *
 * Every AUDIT_MS: did packets go to sets that a port is in, while none of that port's counters has
 * moved? Twice in a row, and it is said, once, with the reason; it is noted for `show interfaces`
 * as long as it lasts. While nothing is forwarded this costs one look-up for each port.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mcastd/daemon.h"

#define AUDIT_MS 5000
/* A membership may be younger than the last packet seen: one round proves nothing. */
#define ROUNDS 2

struct audit {
	uint64_t since_ns;  /* the round began */
	uint64_t forwarded; /* by all ports, at that time */
};

static uint64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Everything that was to leave the port, whether it did or a counter says why not. */
static uint64_t sent_to(const struct mcastd_port_stats *stats)
{
	return stats->out_packets + stats->out_ttl_threshold + stats->out_too_big;
}

/* Another port has a larger MTU: from there may come what does not fit. */
static bool is_narrow(const struct port *port)
{
	for (unsigned int slot = 1; slot < MCASTD_MAX_PORTS; slot++) {
		const struct port *other = port->daemon->ports[slot];

		if (other && other->open && other->applied.mtu > port->applied.mtu)
			return true;
	}
	return false;
}

static void tell_silent(struct port *port)
{
	const char *why = "look at its driver's counters (ethtool -S)";
	int can = dataplane_can_transmit(port->ifindex);

	if (can < 0)
		why = "perhaps its driver has no XDP transmit, which this kernel cannot tell; set "
		      "xdp-mode = generic";
	else if (!can)
		why = "its driver has no XDP transmit; set xdp-mode = auto";
	else if (is_narrow(port))
		why = "its MTU is smaller than that of other ports";
	snprintf(port->silent_note, sizeof(port->silent_note),
		 "takes no part in forwarding: packets went to it and none left; %s", why);
	event_port(port->daemon, port, LOG_LEVEL_WARNING, "port-silent", port->silent_note);
}

static void judge(struct port *port, bool wanted, uint64_t sent)
{
	if (sent != port->sent_before) {
		if (port->silent_note[0])
			event_port(port->daemon, port, LOG_LEVEL_NOTICE, "port-heard",
				   "takes part in forwarding again");
		port->silent_note[0] = '\0';
		port->silent_rounds = 0;
	} else if (wanted && ++port->silent_rounds == ROUNDS) {
		tell_silent(port);
	}
	port->sent_before = sent;
}

static uint64_t audit_due(void *arg, uint64_t now)
{
	struct daemon *daemon = arg;
	struct audit *audit = daemon->audit;
	uint64_t sent[MCASTD_MAX_PORTS] = { 0 }, forwarded = 0, now_ns = monotonic_ns();
	bool wanted[MCASTD_MAX_PORTS] = { false };

	for (unsigned int slot = 1; slot < MCASTD_MAX_PORTS; slot++) {
		struct mcastd_port_stats stats;

		if (!daemon->ports[slot] || !daemon->ports[slot]->open ||
		    dataplane_port_stats(daemon->dataplane, slot, &stats))
			continue;
		sent[slot] = sent_to(&stats);
		forwarded += stats.verdict[MCASTD_FORWARDED];
	}
	if (forwarded != audit->forwarded)
		dataplane_wanted_since(daemon->dataplane, audit->since_ns, wanted);
	for (unsigned int slot = 1; slot < MCASTD_MAX_PORTS; slot++)
		if (daemon->ports[slot] && daemon->ports[slot]->open)
			judge(daemon->ports[slot], wanted[slot], sent[slot]);
	audit->forwarded = forwarded;
	audit->since_ns = now_ns;
	return now + AUDIT_MS;
}

/* --- open and close --- */

int audit_open(struct daemon *daemon)
{
	struct audit *audit = calloc(1, sizeof(*audit));
	int id;

	if (!audit)
		return -ENOMEM;
	daemon->audit = audit;
	audit->since_ns = monotonic_ns();
	id = loop_add_deadline(daemon->loop, daemon->started + AUDIT_MS, audit_due, daemon);
	return id < 0 ? id : 0;
}

void audit_close(struct daemon *daemon)
{
	free(daemon->audit);
	daemon->audit = NULL;
}
