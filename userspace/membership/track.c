/* SPDX-License-Identifier: BSD-2-Clause */
#include "track.h"

void track_report(struct change *c, uint8_t type)
{
	(void)c;
	(void)type;
}

bool track_is_complete(const struct change *c)
{
	(void)c;
	return false;
}

bool track_has_exclude(const struct membership *m)
{
	(void)m;
	return false;
}

bool track_wants(const struct membership *m, const struct addr *source)
{
	(void)m;
	(void)source;
	return false;
}

uint32_t track_count(const struct membership *m)
{
	(void)m;
	return 0;
}

void track_free(struct membership *m)
{
	(void)m;
}

void track_tick(struct timer *timer, uint64_t now)
{
	(void)timer;
	(void)now;
}
