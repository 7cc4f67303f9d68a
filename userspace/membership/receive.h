/* SPDX-License-Identifier: BSD-2-Clause */
/* What a message must be to be looked at, CONFORMANCE section 2. */
#ifndef MEMBERSHIP_RECEIVE_H
#define MEMBERSHIP_RECEIVE_H

#include "state.h"

/* Validates a message for a downstream port and hands it on. */
enum receive_verdict receive_downstream(struct port *port, const struct message *message,
					uint64_t now, struct actions *out);
/* Whether it is an address of ours on this link. */
bool receive_is_own(const struct port *port, const struct addr *a);
/* The checks that hold for both roles: TTL and source. */
enum receive_verdict receive_check_header(struct port *port, const struct message *message,
					  uint64_t now, struct actions *out);

#endif
