/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that runs out: this program's own malloc() fails now and then while the engine is driven
 * by random scripts. Whatever could not be done is left out, and all that must hold still holds.
 */
#include <setjmp.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "../support/drive.h"

#define SCRIPT 2000
#define SCRIPTS 60
/* A driven engine starts with fewer allocations than this. */
#define START 100

#ifndef __SANITIZE_ADDRESS__ /* which has a malloc() of its own */

#include "../support/failing_memory.h"

static bool armed;
static uint32_t one_in; /* allocations fail */
static uint32_t allocations, failures;
static uint32_t seed;

static bool memory_fails(void)
{
	if (!armed || ++allocations < START)
		return false;
	seed = seed * 1664525 + 1013904223;
	if ((seed >> 8) % one_in)
		return false;
	failures++;
	return true;
}

static void test_failures(void **state)
{
	static uint8_t script[SCRIPT];
	static const uint32_t rates[] = { 1, 2, 5, 30 };
	uint64_t random = 7, steps = 0;
	char problem[500];

	(void)state;
	for (uint32_t i = 0; i < SCRIPTS; i++) {
		const char *found;

		for (size_t at = 0; at < SCRIPT; at++) {
			random = random * 6364136223846793005ull + 1442695040888963407ull;
			script[at] = (uint8_t)(random >> 56);
		}
		seed = i;
		allocations = 0;
		one_in = rates[i % 4];
		armed = true;
		found = drive_with_limits(script, SCRIPT, problem, sizeof(problem), &steps);
		armed = false;
		if (found)
			fail_msg("script %u, one in %u: %s", i, one_in, found);
	}
	assert_true(failures > 1000);
}

#else

static void test_failures(void **state)
{
	(void)state;
	skip();
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_failures),
	};

	return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
