/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RFC 9776 tables 6 to 9 as rows: what led to a state, the record, the state, timers and queries
 * after it. The notation is that of tests/support/sim.h; GMI is 270 s, LMQT 2 s.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../support/sim.h"

struct row {
	const char *id;
	const char *script;
};

/* clang-format off */
static const struct row rows[] = {
	/* --- table 8 --- */
	{ "R-6.4.1-NONE-IS_IN", "IS_IN 1 | = INC 1:270 | f 1 !2 | q none | +269.9 | f 1 | +0.1 | = none | f !1" },
	{ "R-6.4.1-NONE-IS_EX", "IS_EX | = EXC:270 | f 1 2 | q none" },
	{ "R-6.4.1-NONE-IS_EXS", "IS_EX 1 | = EXC:270 /1 | f !1 2 | q none" },
	{ "R-6.4.1-NONE-IS_IN0", "IS_IN | = none | f !1 | q none" },
	{ "R-6.4.1-INC-IS_IN", "IS_IN 1 | +100 | IS_IN 2,3 | = INC 1:170 2:270 3:270 | q none" },
	{ "R-6.4.1-INC-IS_IN2", "IS_IN 1 | +125 | IS_IN 1 | +125 | IS_IN 1 | +125 | IS_IN 1 | = INC 1:270 | "
				"+269.9 | f 1 | +0.1 | f !1 | = none" },
	{ "R-6.4.1-INC-IS_EX", "IS_IN 1,2 | +10 | IS_EX 2,3 | = EXC:270 2:260 /3 | f 1 2 !3 4 | q none" },
	{ "R-6.4.1-INC-IS_EXT", "IS_IN 1,2 | +10 | IS_EX 2,3 | +125 | IS_EX 2,3 | +125 | f 2 | +10 | "
				"= EXC:135 /2 /3 | f 1 !2 !3" },
	{ "R-6.4.1-EXC-IS_IN", "IS_EX 2,3 | IS_IN 1 | +10 | = EXC:260 1:260 /2 /3 | IS_IN 2,4 | "
			       "= EXC:260 1:260 2:270 /3 4:270 | f 2 4 !3 | q none" },
	{ "R-6.4.1-EXC-IS_EX", "IS_EX 3,4 | IS_IN 1,2 | +10 | IS_EX 2,3,5 | = EXC:270 2:260 /3 5:270 | "
			       "f 1 2 !3 4 5 | q none" },
	{ "R-6.4.1-EXC-IS_EXT", "IS_EX 3 | IS_EX 3,5 | +100 | IS_EX 3,5 | +100 | IS_EX 3,5 | +69.9 | f 5 | "
				"+0.1 | = EXC:200 /3 /5 | f !5" },
	{ "R-6.4.1-EXC-IS_EX0", "IS_EX 2 | IS_IN 1 | +10 | IS_EX | = EXC:270 | f 1 2 3 | q none" },
	{ "R-6.4.1-EXC-IS_IN0", "IS_EX 2 | IS_IN 1 | +10 | IS_IN | = EXC:260 1:260 /2 | q none" },

	/* --- table 9 --- */
	{ "R-6.4.2-INC-ALLOW", "IS_IN 1 | +10 | ALLOW 2 | = INC 1:260 2:270 | q none" },
	{ "R-6.4.2-NONE-ALLOW", "ALLOW | = none | ALLOW 1 | = INC 1:270 | q none" },
	{ "R-6.4.2-INC-BLOCK", "IS_IN 1,2 | +10 | BLOCK 1,5 | = INC 1:2 2:260 | q 1 | f 1 2 | +1.999 | f 1 2 | "
			       "+0.001 | = INC 2:258 | f !1 2" },
	{ "R-6.4.2-NONE-BLOCK", "BLOCK 1 | = none | q none" },
	{ "R-6.4.2-INC-TO_EX", "IS_IN 1,2 | +10 | TO_EX 2,3 | = EXC:270 2:2 /3 | q 2 | f 1 2 !3 4 | +2 | "
			       "= EXC:268 /2 /3 | f 1 !2 4" },
	{ "R-6.4.2-NONE-TO_EX", "TO_EX | = EXC:270 | q none | f 1" },
	{ "R-6.4.2-INC-TO_IN", "IS_IN 1,2 | +10 | TO_IN 2,3 | = INC 1:2 2:270 3:270 | q 1 | f 1 | +2 | "
			       "= INC 2:268 3:268 | f !1" },
	{ "R-6.4.2-INC-TO_IN0", "IS_IN 1,2 | +10 | TO_IN | = INC 1:2 2:2 | q 1,2 | +2 | = none" },
	{ "R-6.4.2-EXC-ALLOW", "IS_EX 2,3 | IS_IN 1 | +10 | ALLOW 2,4 | = EXC:260 1:260 2:270 /3 4:270 | "
			       "q none | f 2" },
	{ "R-6.4.2-EXC-BLOCK", "IS_EX 2 | IS_IN 1 | +10 | BLOCK 1,2,3 | = EXC:260 1:2 /2 3:2 | q 1,3 | f 1 3 | "
			       "+2 | = EXC:258 /1 /2 /3 | f !1 !3 4" },
	{ "R-6.4.2-EXC-BLOCKY", "IS_EX 2 | BLOCK 2 | = EXC:270 /2 | q none" },
	{ "R-6.4.2-EXC-TO_EX", "IS_EX 3,4 | IS_IN 1,2 | +10 | TO_EX 2,3,5 | = EXC:270 2:2 /3 5:2 | q 2,5 | "
			       "f 1 2 !3 4 5" },
	{ "R-6.4.2-EXC-TO_EX0", "IS_EX 2 | IS_IN 1 | +10 | TO_EX | = EXC:270 | q none" },
	{ "R-6.4.2-EXC-TO_IN", "IS_EX 3 | IS_IN 1,2 | +10 | TO_IN 2,3 | = EXC:2 1:2 2:270 3:270 | q 1 G | +2 | "
			       "= INC 2:268 3:268" },
	{ "R-6.4.2-EXC-TO_IN0", "IS_EX | +10 | TO_IN | = EXC:2 | q G | f 1 | +1.999 | f 1 | +0.001 | = none | f !1" },
	{ "R-6.4.2-HOLD", "IS_EX | +10 | TO_IN | +1 | f 1 2 | +0.999 | f 1 2 | h2 IS_EX | +5 | f 1 2" },
	{ "R-6.4.2-HOLD", "IS_IN 1,2 | +10 | BLOCK 1 | +1 | f 1 2 | +0.999 | f 1 2" },
	{ "R-6.4.2-ANS", "IS_EX | +10 | TO_IN | +0.5 | h2 IS_EX | = EXC:270 | +3 | f 1" },
	{ "R-6.4.2-ANS", "IS_IN 1 | +10 | BLOCK 1 | +0.5 | h2 IS_IN 1 | = INC 1:270 | +3 | f 1" },
	{ "R-6.4.2-ANSPART", "IS_IN 1,2 | +10 | BLOCK 1,2 | q 1,2 | +0.5 | h2 IS_IN 2 | +1.5 | = INC 2:268.5" },
	{ "R-6.4.2-NOTMEM", "LEAVE | TO_IN | = none | q none" },
	{ "R-6.4.2-LW", "ALLOW 1 | +125 | ALLOW 1 | = INC 1:270 | q none" },
	{ "R-6.4.2-LW", "TO_EX | +125 | TO_EX | = EXC:270 | q none" },

	/* The Group Timer that new sources of TO_EX get is the old one, here below LMQT: not asked for. */
	{ "A-5", "IS_EX | +10 | TO_IN | +1.5 | q G G | TO_EX 5 | = EXC:270 5:0.5 | q none | +0.5 | = EXC /5" },
	/* What tables 8 and 9 delete is deleted at once, whatever the timers say. */
	{ "A-13", "IS_EX 3,4 | IS_IN 1 | IS_EX 3 | = EXC:270 /3 | TO_EX | = EXC:270" },

	/* --- timers and tables 6 and 7 --- */
	{ "R-8.4-GMI", "IS_EX | +269.999 | f 1 | +0.001 | = none | f !1" },
	{ "R-8.4-SRC", "IS_IN 1 | +269.999 | f 1 | +0.001 | = none | f !1" },
	{ "R-6.5-SWITCH", "IS_EX 2 | +10 | IS_IN 1 | +259.999 | f 1 !2 3 | +0.001 | = INC 1:10 | f 1 !2 !3" },
	{ "R-6.5-DEL", "IS_EX 2 | +270 | = none | f !1 !2" },
	{ "R-6.2.3-INCEXP", "IS_IN 1 | +10 | IS_IN 2 | +260 | = INC 2:10 | f !1 2 | +10 | = none" },
	{ "R-6.2.3-EXCEXP", "IS_EX | IS_IN 1 | +100 | IS_EX 1 | +170 | = EXC:100 /1 | f !1 2 | ALLOW 1 | f 1" },
	{ "R-6.2.3-KEEP", "IS_EX 2 | +200 | IS_EX 2 | +200 | IS_EX 2 | +200 | IS_EX 2 | = EXC:270 /2 | f !2 1" },
	{ "R-6.2.2-INCGT", "IS_EX | +10 | TO_IN 1 | +2 | = INC 1:268 | +260 | = INC 1:8" },
	/* The six rows of table 7 */
	{ "R-6.3-FWD", "IS_IN 1 | f 1 | +270 | f !1 | f !2" },
	{ "R-6.3-FWD", "IS_EX 2 | IS_IN 1 | f 1 !2 3" },
};
/* clang-format on */

static void run_row(void **state)
{
	const struct row *row = *state;
	struct sim sim;
	const char *problem;

	sim_init(&sim);
	sim_port(&sim, 1, NULL);
	sim.n_seen = sim.n_sent; /* the startup query */
	/* General queries are tested elsewhere: keep them out of "q". */
	sim.general_queries_shown = false;
	problem = sim_run(&sim, row->script);
	if (problem)
		fail_msg("%s %s", row->id, problem);
	sim_fini(&sim);
}

int main(void)
{
	const size_t n = sizeof(rows) / sizeof(rows[0]);
	struct CMUnitTest tests[sizeof(rows) / sizeof(rows[0])];

	for (size_t i = 0; i < n; i++)
		tests[i] = (struct CMUnitTest){ .name = rows[i].id,
						.test_func = run_row,
						.initial_state = (void *)&rows[i] };
	return cmocka_run_group_tests_name("router tables", tests, NULL, NULL);
}
