/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Group-Specific and Group-and-Source-Specific Queries, RFC 9776 section 6.6.3: asking who is left
 * before a group or source ends. "Send Q" in table 9 means these; only the querier carries it out
 * and where leaving is immediate (immediate-leave, explicit-tracking) nobody is asked.
 *
 * Each source and each group is asked for Last Member Query Count times, and never twice within
 * Last Member Query Interval on account of new reports (L-AMPL). Sources whose turn is nearly there
 * ride along with others' queries.
 */
#ifndef MEMBERSHIP_SPECIFIC_H
#define MEMBERSHIP_SPECIFIC_H

#include "membership.h"

/* Send Q(G) */
void specific_query_group(struct change *c);
/* Send Q(G,X) where X are the sources of c->a whose timers run. */
void specific_query_listed(struct change *c);
/* Send Q(G,X) where X are the sources with running timers that are not in c->a. */
void specific_query_unlisted(struct change *c);
/* Sends what is due again. */
void specific_retransmit(struct change *c);

#endif
