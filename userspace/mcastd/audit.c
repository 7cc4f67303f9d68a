// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the kernel leaves out without a word does not stay silent. A broadcast to a port set skips
 * a member that cannot transmit XDP frames, and one whose MTU is too small; the latter the ingress
 * program counts. And a driver may refuse what is handed to it (dataplane_xmit()).
 *
 * Every AUDIT_MS: did packets go to sets that a port is in, while none of that port's counters has
 * moved? Twice in a row, and it is said, once, with the reason; it is noted for `show interfaces`
 * as long as it lasts. So are packets that were too large. While nothing is forwarded this costs
 * one look-up for each port.
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
/* For so long a packet that was too large is noted. */
#define FITTING_ROUNDS 12

struct audit {
	uint64_t since_ns;  /* the round began */
	uint64_t forwarded; /* by all ports, at that time */
	struct mcastd_port_stats stats[MCASTD_MAX_PORTS];
};

static uint64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void tell_silent(struct port *port)
{
	const char *why = "look at its driver's counters (ethtool -S)";

	if (port->mode == DATAPLANE_MODE_NATIVE &&
	    dataplane_transmit(port->ifindex) == DATAPLANE_TRANSMIT_UNKNOWN)
		why = "perhaps its driver has no XDP transmit, which this kernel cannot tell; set "
		      "xdp-mode = generic";
	snprintf(port->audit.silent_note, sizeof(port->audit.silent_note),
		 "takes no part in forwarding: packets went to it and none left; %s", why);
	event_port(port->daemon, port, LOG_LEVEL_WARNING, "port-silent", port->audit.silent_note);
}

/* Everything that was to leave the port moves a counter, whether it did or not: does one? */
static uint64_t sent_to(const struct mcastd_port_stats *stats)
{
	return stats->out_packets + stats->out_refused + stats->out_ttl_threshold +
	       stats->out_too_big;
}

static void judge_silence(struct port *port, bool wanted, bool moved)
{
	struct port_audit *audit = &port->audit;

	if (moved) {
		if (audit->silent_note[0])
			event_port(port->daemon, port, LOG_LEVEL_NOTICE, "port-heard",
				   "takes part in forwarding again");
		audit->silent_note[0] = '\0';
		audit->silent = 0;
	} else if (wanted && ++audit->silent == ROUNDS) {
		tell_silent(port);
	}
}

/* Told once, noted with its number as long as it goes on. */
static void judge_size(struct port *port, uint64_t total, bool moved)
{
	struct port_audit *audit = &port->audit;
	bool first = !audit->too_big_note[0];

	if (moved) {
		audit->fitting = 0;
		snprintf(audit->too_big_note, sizeof(audit->too_big_note),
			 "%llu packets were larger than its MTU of %u, must not be fragmented (DF) "
			 "and were not sent there; give all ports of a stream the same MTU",
			 (unsigned long long)total, port->applied.mtu);
		if (first)
			event_port(port->daemon, port, LOG_LEVEL_WARNING, "port-too-big",
				   audit->too_big_note);
	} else if (!first && ++audit->fitting == FITTING_ROUNDS) {
		audit->too_big_note[0] = '\0';
	}
}

/* In words, with what to do. */
static const char *refusal_text(int err)
{
	switch (err) {
	case 0:
	case ENOSPC:
	case ENOBUFS:
	case EBUSY:
		return "its transmit ring is full: larger rings (ethtool -G), more queues (ethtool "
		       "-L), or a faster link";
	case ENXIO:
	case EOPNOTSUPP:
		return "it has no XDP transmit as it is";
	case ENETDOWN:
		return "it was down or being reset";
	default:
		return strerror(err);
	}
}

/* Told once, noted with its number as long as it goes on. */
static void judge_refusals(struct port *port, uint64_t total, int err, bool moved)
{
	struct port_audit *audit = &port->audit;
	bool first = !audit->refused_note[0];

	if (moved) {
		audit->accepting = 0;
		snprintf(audit->refused_note, sizeof(audit->refused_note),
			 "%llu packets were refused by its driver and not sent: %s",
			 (unsigned long long)total, refusal_text(err));
		if (first)
			event_port(port->daemon, port, LOG_LEVEL_WARNING, "port-refused",
				   audit->refused_note);
	} else if (!first && ++audit->accepting == FITTING_ROUNDS) {
		audit->refused_note[0] = '\0';
	}
}

/*
 * A driver that cannot transmit as it is, although nothing told, shows it by refusing all frames,
 * or some in every round (those of some CPUs, for which it has no queue). Returns true when that is
 * new: all ports are to go to generic mode.
 */
static bool judge_ability(struct port *port, uint64_t incapable, bool sent)
{
	struct port_audit *audit = &port->audit;

	if (incapable == audit->incapable) {
		audit->unable = 0;
		return false;
	}
	audit->unable += sent ? 1 : ROUNDS;
	if (audit->unable < ROUNDS || port->driver.refuses)
		return false;
	port->driver.refuses = true;
	audit->refused_note[0] = '\0'; /* the mode's note says more */
	return true;
}

static void remember(struct port_audit *audit, const struct mcastd_port_stats *stats,
		     const struct dataplane_xmit *xmit)
{
	audit->handed = sent_to(stats);
	audit->sent = stats->out_packets;
	audit->too_big = stats->out_too_big;
	audit->refused = stats->out_refused;
	audit->incapable = xmit->incapable;
}

/* Returns true when another mode is needed. */
static bool judge(struct port *port, bool wanted, const struct mcastd_port_stats *stats)
{
	struct port_audit *audit = &port->audit;
	struct dataplane_xmit xmit;
	bool unable;

	dataplane_xmit(port->daemon->dataplane, port->slot, &xmit);
	judge_silence(port, wanted, sent_to(stats) != audit->handed);
	judge_size(port, stats->out_too_big, stats->out_too_big != audit->too_big);
	judge_refusals(port, stats->out_refused, xmit.err, stats->out_refused != audit->refused);
	unable = judge_ability(port, xmit.incapable, stats->out_packets != audit->sent);
	remember(audit, stats, &xmit);
	return unable;
}

/* What was before the port was opened is not news. */
void audit_port_open(struct port *port)
{
	struct mcastd_port_stats stats;
	struct dataplane_xmit xmit;

	port_stats(port, &stats);
	dataplane_xmit(port->daemon->dataplane, port->slot, &xmit);
	memset(&port->audit, 0, sizeof(port->audit));
	remember(&port->audit, &stats, &xmit);
}

static bool is_open(const struct port *port)
{
	return port && port->open;
}

static uint64_t audit_due(void *arg, uint64_t now)
{
	struct daemon *daemon = arg;
	struct audit *audit = daemon->audit;
	struct mcastd_port_stats *stats = audit->stats;
	uint64_t forwarded = 0, now_ns = monotonic_ns();
	bool wanted[MCASTD_MAX_PORTS] = { false }, changed = false;

	for (unsigned int slot = 1; slot < MCASTD_MAX_PORTS; slot++)
		if (is_open(daemon->ports[slot]) && !port_stats(daemon->ports[slot], &stats[slot]))
			forwarded += stats[slot].verdict[MCASTD_FORWARDED];
	if (forwarded != audit->forwarded)
		dataplane_wanted_since(daemon->dataplane, audit->since_ns, wanted);
	for (unsigned int slot = 1; slot < MCASTD_MAX_PORTS; slot++) {
		const struct port *port = daemon->ports[slot];

		if (!is_open(port))
			continue;
		changed |= judge(daemon->ports[slot], wanted[slot], &stats[slot]);
		limit_audit(daemon->ports[slot], &stats[slot]);
		changed |= xsk_queue_count(port->name) != port->n_queues;
	}
	if (changed) /* a driver's ability; queues by the old way, of which netlink does not tell */
		ports_sync(daemon);
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
