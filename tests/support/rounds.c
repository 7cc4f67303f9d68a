// SPDX-License-Identifier: BSD-2-Clause
#include "rounds.h"

#include <stdlib.h>

static uint64_t stop(void *arg, uint64_t now)
{
	(void)now;
	loop_stop(arg);
	return LOOP_NEVER;
}

void run_rounds(struct loop *loop, unsigned int n)
{
	while (n--) {
		int id = loop_add_deadline(loop, 0, stop, loop);

		if (id < 0 || loop_run(loop) != 0)
			abort();
		loop_remove_deadline(loop, id);
	}
}
