/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Groups that do not cross a port, as reports or as data, in either direction (RFC 2365 section 5).
 * A port that has any boundary is one of the local scope, 239.255.0.0/16, too (section 6.1).
 */
#ifndef RULES_BOUNDARY_H
#define RULES_BOUNDARY_H

#include "base/addr.h"

/* The prefix that keeps the group from crossing a port with this `boundary`, or NULL: it crosses.
 */
const struct prefix *boundary_stops(const struct prefix *boundary, uint32_t n,
				    const struct addr *group);
/*
 * The same list with all that it stands for: how many prefixes, at most n + 1, and the one at
 * i. For tables that take prefixes alone.
 */
uint32_t boundary_count(const struct prefix *boundary, uint32_t n);
const struct prefix *boundary_at(const struct prefix *boundary, uint32_t n, uint32_t i);

#endif
