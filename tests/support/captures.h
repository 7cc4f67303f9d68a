/* SPDX-License-Identifier: BSD-2-Clause */
/* Real frames, for tests of the codec. */
#ifndef SUPPORT_CAPTURES_H
#define SUPPORT_CAPTURES_H

#include <stddef.h>

struct capture {
	const char *name;
	size_t len;
	const char *bytes;
};

/* By name, or NULL. */
const struct capture *capture_find(const char *name);

#endif
