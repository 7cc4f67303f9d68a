/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Explicit tracking (RFC 9776 appendix A.2, RFC 8652 explicit-tracking): which host wants which
 * sources of a group, so that the last one's leave takes effect at once. It only ever shortens a
 * leave: where it cannot be sure (older hosts, hosts left out by max-hosts, hosts without an
 * address, members from before it was switched on) the usual queries are sent.
 */
#ifndef MEMBERSHIP_TRACK_H
#define MEMBERSHIP_TRACK_H

#include "membership.h"

/* Notes what c->host has reported: type and c->a are those of the record. */
void track_report(struct change *c, uint8_t type);
/* Whether the tracked hosts are all there are, so that their absence means something. */
bool track_is_complete(const struct change *c);
/* Whether a tracked host is in EXCLUDE mode. */
bool track_has_exclude(const struct membership *m);
/* Whether a tracked host wants the source. */
bool track_wants(const struct membership *m, const struct addr *source);
/* How many hosts are tracked. */
uint32_t track_count(const struct membership *m);
/* Forgets all hosts. */
void track_free(struct membership *m);
/* A host's timer has fired. */
void track_tick(struct timer *timer, uint64_t now);
/* Frees the port's tables, when it has no memberships left. */
void tracking_fini(struct tracking *tracking);

#endif
