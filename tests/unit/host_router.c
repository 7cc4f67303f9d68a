// SPDX-License-Identifier: BSD-2-Clause
/*
 * The host part and our own router at the two ends of a link, random scripts of a fixed seed: with
 * losses, older queriers and a link that fails, both agree in the end. P-5.1-FLAP, P-5.1-MERGE,
 * P-7.2.1-RESYNC, P-5-UPDOWN, R-4.2.17-SPLIT.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../support/pair.h"

#define SCRIPTS 300
#define SCRIPT_LEN 600

/* P-5.1-FLAP, P-5.1-MERGE, P-7.2.1-RESYNC, P-5-UPDOWN, R-4.2.17-SPLIT */
static void both_agree_in_the_end(void **state)
{
	static uint8_t script[SCRIPT_LEN];
	uint64_t seed = 1;
	char problem[200];

	(void)state;
	for (unsigned int n = 0; n < SCRIPTS; n++) {
		for (size_t i = 0; i < SCRIPT_LEN; i++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			script[i] = (uint8_t)(seed >> 56);
		}
		if (pair_run(script, 4 + n * 2 % (SCRIPT_LEN - 4), problem, sizeof(problem)))
			fail_msg("script %u: %s", n, problem);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_agree_in_the_end),
	};

	return cmocka_run_group_tests_name("host and router", tests, NULL, NULL);
}
