/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Explicit tracking (RFC 9776 appendix A.2, RFC 8652 explicit-tracking): which host wants which
 * sources of a group, so that the last one's leave takes effect at once.
 */
#ifndef MEMBERSHIP_TRACK_H
#define MEMBERSHIP_TRACK_H

#include "membership.h"

struct tracked_host;

/* Notes what c->host has reported. type: as it arrived, c->a its sources. */
void track_report(struct change *c, uint8_t type);
/* Whether the tracked hosts are all there are, so that their absence means something. */
bool track_is_complete(const struct change *c);
/* Whether a tracked host is in EXCLUDE mode; wants this source. */
bool track_has_exclude(const struct membership *m);
bool track_wants(const struct membership *m, const struct addr *source);
uint32_t track_count(const struct membership *m);
/* Forgets all hosts. */
void track_free(struct membership *m);
/* A host has been silent for Group Membership Interval. */
void track_tick(struct timer *timer, uint64_t now);

#endif
