// SPDX-License-Identifier: BSD-2-Clause
#include "rules/range.h"

static enum range range_of_v4_group(uint32_t group)
{
	if (group >> 8 == 0xe00000)
		return RANGE_LINK_LOCAL;
	return group == 0xe8000000 ? RANGE_RESERVED : RANGE_ROUTED;
}

enum range range_of_group(const struct addr *group)
{
	if (!addr_is_multicast(group))
		return RANGE_UNICAST;
	if (addr_is_v4(group))
		return range_of_v4_group(addr_to_v4_host(group));
	return (group->b[1] & 0xf) > 2 ? RANGE_ROUTED : RANGE_LINK_LOCAL;
}

enum range range_of_source(const struct addr *source)
{
	static const struct prefix v4_link_local = PREFIX_V4(169, 254, 0, 0, 16);
	static const struct prefix v6_link_local = { { .b = { 0xfe, 0x80 } }, 10 };

	if (!addr_is_unicast_source(source))
		return RANGE_MARTIAN;
	if (prefix_contains(&v4_link_local, source) || prefix_contains(&v6_link_local, source))
		return RANGE_LINK_LOCAL;
	return RANGE_ROUTED;
}

static bool any_contains(const struct prefix *list, uint32_t n, const struct addr *a)
{
	for (uint32_t i = 0; i < n; i++)
		if (prefix_contains(&list[i], a))
			return true;
	return false;
}

bool range_is_ssm(const struct prefix *ssm_range, uint32_t n, const struct addr *group)
{
	static const struct prefix usual[] = {
		PREFIX_V4(232, 0, 0, 0, 8),
		{ .addr = { .b = { 0xff, 0x30 } }, .len = 12 },
	};

	return n ? any_contains(ssm_range, n, group) : any_contains(usual, 2, group);
}
