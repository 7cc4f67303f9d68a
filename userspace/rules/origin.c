// SPDX-License-Identifier: BSD-2-Clause
#include "rules/origin.h"

#include <stdlib.h>

static int compare(const void *a, const void *b)
{
	const struct origin *one = a, *other = b;

	if (one->prefix.len != other->prefix.len)
		return one->prefix.len < other->prefix.len ? -1 : 1;
	return addr_cmp(&one->prefix.addr, &other->prefix.addr);
}

static uint32_t shared(uint32_t slot, uint32_t other)
{
	return slot == ORIGIN_SELF || other == ORIGIN_SELF ? ORIGIN_SELF : ORIGIN_SHARED;
}

uint32_t origin_merge(struct origin *origins, uint32_t n)
{
	uint32_t kept = 0;

	if (n)
		qsort(origins, n, sizeof(*origins), compare);
	for (uint32_t i = 0; i < n; i++) {
		if (!kept || compare(&origins[kept - 1], &origins[i]) != 0)
			origins[kept++] = origins[i];
		else if (origins[kept - 1].slot != origins[i].slot)
			origins[kept - 1].slot = shared(origins[kept - 1].slot, origins[i].slot);
	}
	return kept;
}

const struct origin *origin_find(const struct origin *origins, uint32_t n,
				 const struct addr *source)
{
	/* The longest are the last. */
	for (uint32_t i = n; i-- > 0;)
		if (prefix_contains(&origins[i].prefix, source))
			return &origins[i];
	return NULL;
}

bool origin_admits(const struct origin *home, bool home_is_upstream, struct origin_port arrival)
{
	if (!home)
		return arrival.upstream;
	if (home->slot == ORIGIN_SELF)
		return false;
	if (home->slot == ORIGIN_SHARED || home->slot == arrival.slot)
		return true;
	return arrival.upstream && home_is_upstream;
}
