/* SPDX-License-Identifier: BSD-2-Clause */
/* The simulation in cmocka tests. */
#ifndef TESTS_SUPPORT_SIM_TEST_H
#define TESTS_SUPPORT_SIM_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sim.h"

/* Runs a script and fails the test with the step that failed. */
#define check_script(sim, script)                                \
	do {                                                     \
		const char *problem_ = sim_run((sim), (script)); \
		if (problem_)                                    \
			fail_msg("%s", problem_);                \
	} while (0)

/* A simulation with port 1 up; its startup query is not shown by "q" steps. */
static inline struct sim sim_start(const struct port_config *config)
{
	struct sim sim;

	sim_init(&sim);
	sim_port(&sim, 1, config);
	sim_forget(&sim);
	sim.general_queries_shown = false;
	return sim;
}

#endif
