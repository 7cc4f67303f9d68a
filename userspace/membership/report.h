/* SPDX-License-Identifier: BSD-2-Clause */
/* Reports and leaves of all versions on a downstream port. */
#ifndef MEMBERSHIP_REPORT_H
#define MEMBERSHIP_REPORT_H

#include "state.h"

/* The message has been validated; see receive.c. */
enum receive_verdict report_receive(struct port *port, const struct message *message, uint64_t now,
				    struct actions *out);
/* Ends memberships that changed settings no longer allow. */
void report_recheck(struct port *port, uint64_t now, struct actions *out);

#endif
