// SPDX-License-Identifier: BSD-2-Clause
/*
 * Reads /proc/net/igmp: a line for each interface that begins with its index, and below it an
 * indented line for each group, its address in hexadecimal as the kernel holds it in memory.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/local.h"

int local_each_group(local_group_fn fn, void *arg)
{
	FILE *file = fopen("/proc/self/net/igmp", "re");
	unsigned int ifindex = 0;
	char line[256];

	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file)) {
		uint8_t group[4];
		uint32_t raw;
		char *end;

		if (line[0] != '\t') {
			ifindex = (unsigned int)strtoul(line, NULL, 10);
			continue;
		}
		raw = (uint32_t)strtoul(line, &end, 16);
		if (end == line || !ifindex)
			continue;
		memcpy(group, &raw, sizeof(group));
		if (!fn(arg, ifindex, group))
			break;
	}
	fclose(file);
	return 0;
}
