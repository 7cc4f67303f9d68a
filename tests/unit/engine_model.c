/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The engine beside the model of tests/support/model.h, on random scripts of a fixed seed. After
 * every step each (port, group) has the same mode, timers and sources, and each (port, source,
 * group) the same forwarding decision. R-6.3-FWD, tables 5 to 10, 13 and 14.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <cmocka.h>

#include "../support/drive.h"

#define SCRIPT 3000
#define MS 1500	 /* for each of the two tests */
#define LEAST 20 /* scripts, however slow the machine */

typedef const char *(*drive_fn)(const uint8_t *data, size_t size, char *problem, size_t room,
				uint64_t *steps);

static uint64_t elapsed_ms(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)(now.tv_sec - start->tv_sec) * 1000 +
	       (uint64_t)(now.tv_nsec / 1000000 - start->tv_nsec / 1000000);
}

static void fill(uint8_t *script, uint64_t *seed)
{
	for (size_t i = 0; i < SCRIPT; i++) {
		*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
		script[i] = (uint8_t)(*seed >> 56);
	}
}

static void run(drive_fn drive)
{
	static uint8_t script[SCRIPT];
	uint64_t seed = 1, steps = 0, scripts = 0;
	struct timespec start;
	char problem[500];

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (scripts < LEAST || elapsed_ms(&start) < MS) {
		uint64_t script_seed = seed;

		fill(script, &seed);
		if (drive(script, SCRIPT, problem, sizeof(problem), &steps))
			fail_msg("script of seed %llu: %s", (unsigned long long)script_seed,
				 problem);
		scripts++;
	}
	print_message("%llu steps\n", (unsigned long long)steps);
}

static void test_model(void **state)
{
	(void)state;
	run(drive_against_model);
}

/* L-MAXG, L-MAXS, L-TRACK, L-COUNT: with limits, links and settings that come and go. */
static void test_invariants(void **state)
{
	(void)state;
	run(drive_with_limits);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_invariants),
	};

	return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
