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
/* The checks that hold for both roles: TTL, Router Alert and source. */
enum receive_verdict receive_check_header(struct port *port, const struct message *message,
					  uint64_t now, struct actions *out);

/*
 * Was it sent to where, and by whom such a message may be, in this port's role? RECEIVE_APPLIED,
 * RECEIVE_BAD_DESTINATION, or RECEIVE_FOREIGN_SOURCE.
 */
enum receive_verdict receive_check_addresses(const struct port *port,
					     const struct message *message);
/* A query asks for a multicast group, or in general, and then for no sources. */
bool receive_is_query_of_group(const struct message_query *query);

#endif
