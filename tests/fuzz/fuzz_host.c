// SPDX-License-Identifier: BSD-2-Clause
/* The host part under scripts of changes, queries, losses and time: see tests/support/pair.h. */
#include <stdio.h>
#include <stdlib.h>

#include "../support/pair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char problem[200];

	if (size > 1000)
		return 0;
	if (pair_run(data, size, problem, sizeof(problem))) {
		fprintf(stderr, "%s\n", problem);
		abort();
	}
	return 0;
}
