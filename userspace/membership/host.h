/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The group member of RFC 9776 section 5 on one upstream port: it tells the routers there what is
 * wanted, at once and robustness-many times when that changes, and when they ask; as version 1 or 2
 * where an older querier is (section 7.2.1).
 *
 * What it sends is paced: at most HOST_BURST packets at once, then one a millisecond (several of
 * version 1 or 2, which carry one group each), so that neighbours with short queues get them all.
 *
 * The engine keeps the port's settings, link, counters and timer; the host reads them, and sets the
 * port's timer for itself.
 */
#ifndef MEMBERSHIP_HOST_H
#define MEMBERSHIP_HOST_H

#include "engine.h"

#define HOST_BURST 4

struct host;
struct port;

/* A host without memberships. It lives no longer than the port. NULL: memory ran out. */
struct host *host_new(struct port *port);
void host_free(struct host *host);
/* The link is up or has another address: announces everything (P-5-UPDOWN). */
void host_start(struct host *host, uint64_t now, struct actions *out);
/* The link is down: memberships stay, what waits to be sent is forgotten, and so is the querier. */
void host_stop(struct host *host);
/*
 * The port has new settings. Memberships that they do not allow any more end when host_set() is
 * called for them, see proxy_update_port().
 */
void host_reconfigure(struct host *host, const struct port_config *old, uint64_t now);
/* Leaves all groups, at once and unpaced, and forgets them: a clean end (P-5-EXIT). */
void host_leave_all(struct host *host, uint64_t now, struct actions *out);

/* A message has arrived while the port is up. */
enum receive_verdict host_receive(struct host *host, const struct message *message, uint64_t now,
				  struct actions *out);
/* Messages were lost, see engine_port_lost(). */
void host_lost(struct host *host, uint64_t now, struct actions *out);
/*
 * What is wanted of a group from now on: the interface state of section 3.2. INCLUDE without
 * sources ends the membership, and so does what must not be asked for here: groups that are not
 * routed, boundary, group policy, EXCLUDE mode in the SSM range (RFC 4604 section 2.2.2). The
 * sources are in order and without repetition. The reports leave with host_flush().
 *
 * Returns 0 or -ENOMEM: then nothing has changed.
 */
int host_set(struct host *host, const struct addr *group, enum filter_mode mode,
	     const struct addr *sources, uint32_t n_sources);
/*
 * Merging the memberships of a group with many sources takes time, and each report may ask for it.
 * host_note_merge() says how many source records the merge for the last host_set() had to look at.
 * host_defer() answers true if the group is so large that the next merge has to wait a little, less
 * than 100 ms (P-5.1-IMM); host_take_deferred() names the groups whose time has come.
 */
void host_note_merge(struct host *host, const struct addr *group, uint32_t effort, uint64_t now);
bool host_defer(struct host *host, const struct addr *group, uint64_t now);
bool host_take_deferred(struct host *host, struct addr *group);
/*
 * A merge has failed for want of memory: in a second host_take_retry() answers true, once, and all
 * groups are to be merged anew.
 */
void host_plan_retry(struct host *host, uint64_t now);
bool host_take_retry(struct host *host, uint64_t now);
/* Sends what the pace allows; host_tick() sends the rest. */
void host_flush(struct host *host, uint64_t now, struct actions *out);
/* The port's timer has fired. */
void host_tick(struct host *host, uint64_t now, struct actions *out);

uint32_t host_group_count(const struct host *host);
/* The memberships there are, in the order in which they began. */
void host_each(const struct host *host, engine_upstream_fn fn, void *arg);

#endif
