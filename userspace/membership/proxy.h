/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The membership database of RFC 4605 section 4.1: what all downstream ports want together, and the
 * joins of the configuration, is what the host of each upstream port joins.
 */
#ifndef MEMBERSHIP_PROXY_H
#define MEMBERSHIP_PROXY_H

#include "engine.h"

/*
 * Carries the changes on to the upstream ports: those of the groups that the actions in
 * out->list[first_action] and behind tell of (ACTION_CHANGED).
 */
void proxy_update(struct engine *engine, size_t first_action, uint64_t now, struct actions *out);
/* The same for groups of an upstream port whose merge was put off, or has failed. */
void proxy_update_deferred(struct engine *engine, unsigned int port, uint64_t now,
			   struct actions *out);
/* The same for all groups, for one upstream port: it is new, or has other settings. */
void proxy_update_port(struct engine *engine, unsigned int port, uint64_t now, struct actions *out);

#endif
