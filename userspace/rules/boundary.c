// SPDX-License-Identifier: BSD-2-Clause
#include "rules/boundary.h"

static const struct prefix local_scope = PREFIX_V4(239, 255, 0, 0, 16);

const struct prefix *boundary_stops(const struct prefix *boundary, uint32_t n,
				    const struct addr *group)
{
	uint32_t count = boundary_count(boundary, n);

	for (uint32_t i = 0; i < count; i++)
		if (prefix_contains(boundary_at(boundary, n, i), group))
			return boundary_at(boundary, n, i);
	return NULL;
}

/* A list that holds the local scope anyway says no more with it. */
uint32_t boundary_count(const struct prefix *boundary, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (boundary[i].len <= local_scope.len &&
		    prefix_contains(&boundary[i], &local_scope.addr))
			return n;
	return n ? n + 1 : 0;
}

const struct prefix *boundary_at(const struct prefix *boundary, uint32_t n, uint32_t i)
{
	return i < n ? &boundary[i] : &local_scope;
}
