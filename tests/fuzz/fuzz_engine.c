/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine under scripts of packets and time: against the model, and with limits in force. */
#include <stdio.h>
#include <stdlib.h>

#include "../support/drive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char problem[500];
	uint64_t steps = 0;

	if (!size)
		return 0;
	if (data[0] & 1)
		drive_with_limits(data + 1, size - 1, problem, sizeof(problem), &steps);
	else
		drive_against_model(data + 1, size - 1, problem, sizeof(problem), &steps);
	if (problem[0]) {
		fprintf(stderr, "%s\n", problem);
		abort();
	}
	return 0;
}
