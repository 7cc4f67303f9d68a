/* SPDX-License-Identifier: BSD-2-Clause */
/* General Queries, the election of the querier, and our own membership of 224.0.0.22. */
#ifndef MEMBERSHIP_QUERIER_H
#define MEMBERSHIP_QUERIER_H

#include "state.h"

/* The link is up, has another address, or the port is to ask anew: startup, section 8.6. */
void querier_start(struct port *port, uint64_t now, struct actions *out);
void querier_stop(struct port *port);
/* Takes over changed settings. */
void querier_reconfigure(struct port *port, uint64_t now);
/* Messages were lost, see engine_port_lost(). */
void querier_lost(struct port *port, uint64_t now);
enum receive_verdict querier_receive(struct port *port, const struct message *message, uint64_t now,
				     struct actions *out);
void querier_tick(struct port *port, uint64_t now, struct actions *out);
/* A Group-Specific Query, with sources a Group-and-Source-Specific Query. */
void querier_send_specific(struct port *port, const struct addr *group, bool suppress,
			   const struct addr *sources, uint32_t n_sources, struct actions *out);

#endif
