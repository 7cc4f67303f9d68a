/* SPDX-License-Identifier: BSD-2-Clause */
/* Which groups and sources are routed at all, whatever the configuration says. */
#ifndef RULES_RANGE_H
#define RULES_RANGE_H

#include "base/addr.h"

enum range {
	RANGE_ROUTED,
	RANGE_UNICAST,	  /* of a group: not multicast (R-BADDST) */
	RANGE_LINK_LOCAL, /* stays on its link: RFC 5771 section 4, RFC 3927 2.7, RFC 4291 2.7 */
	RANGE_RESERVED,	  /* 232.0.0.0: never a destination (RFC 4607 section 4.3) */
	RANGE_MARTIAN,	  /* of a source: no host can be it (RFC 1812 section 5.3.7) */
};

enum range range_of_group(const struct addr *group);
enum range range_of_source(const struct addr *source);
/*
 * Can the group only be joined with sources? ssm_range: the configured range; none: that of RFC
 * 4607 section 1, 232.0.0.0/8 and ff3x::/32.
 */
bool range_is_ssm(const struct prefix *ssm_range, uint32_t n, const struct addr *group);

#endif
