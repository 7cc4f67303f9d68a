/* SPDX-License-Identifier: BSD-2-Clause */
/* Events, at a limited rate for each port and type: a packet can trigger every one of them. */
#ifndef MEMBERSHIP_EVENT_H
#define MEMBERSHIP_EVENT_H

#include "state.h"

void event_emit(struct port *port, const struct event *event, uint64_t now, struct actions *out);

#endif
