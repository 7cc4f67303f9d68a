/* SPDX-License-Identifier: BSD-2-Clause */
/* The router's state tables, RFC 9776 section 6.4, tables 8 and 9. */
#ifndef MEMBERSHIP_ROUTER_H
#define MEMBERSHIP_ROUTER_H

#include "membership.h"

/* Applies a record with the sources c->a to the membership c->m. type: RECORD_IS_IN.._BLOCK. */
void router_apply(struct change *c, enum record_type type);

#endif
