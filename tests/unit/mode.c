// SPDX-License-Identifier: BSD-2-Clause
/* In which mode each port runs (mcastd/mode.c): one row for each case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mcastd/mode.h"

#define PORTS 3

#define AUTO DATAPLANE_MODE_AUTO
#define NATIVE DATAPLANE_MODE_NATIVE
#define GENERIC DATAPLANE_MODE_GENERIC
#define UNKNOWN DATAPLANE_TRANSMIT_UNKNOWN
#define NEVER DATAPLANE_TRANSMIT_NEVER
#define NO DATAPLANE_TRANSMIT_NO
#define YES DATAPLANE_TRANSMIT_YES

/* Kinds of ports, as they are found. */
#define NEW(mode, can)                                                                        \
	{                                                                                     \
		.there = true, .carrier = true, .configured = (mode), .native = MODE_UNTRIED, \
		.transmit = (can)                                                             \
	}
#define ON(mode, can)                                                                       \
	{                                                                                   \
		.there = true, .carrier = true, .configured = (mode), .native = MODE_WORKS, \
		.attached = true, .transmit = (can), .learned = (can)                       \
	}
/* Attached in generic mode, after it was native. */
#define OFF(mode, can, could)                                                               \
	{                                                                                   \
		.there = true, .carrier = true, .configured = (mode), .native = MODE_WORKS, \
		.transmit = (can), .learned = (could)                                       \
	}
#define REFUSED(mode, can)                                                                    \
	{                                                                                     \
		.there = true, .carrier = true, .configured = (mode), .native = MODE_REFUSED, \
		.transmit = (can)                                                             \
	}
#define ABSENT                                      \
	{                                           \
		.waiting = true, .configured = AUTO \
	}
/* Generic by configuration. */
#define FIXED(can) NEW(GENERIC, can)

#define OWN 0xff /* the cause is the port itself */

struct row {
	const char *name;
	struct mode_port ports[PORTS];
	struct {
		enum dataplane_mode mode;
		enum mode_reason reason;
		unsigned int cause;
		bool try;
	} want[PORTS];
};

#define FREE                                     \
	{                                        \
		AUTO, MODE_AS_WANTED, OWN, false \
	}
#define TRY                                     \
	{                                       \
		AUTO, MODE_AS_WANTED, OWN, true \
	}
#define BECAUSE(why, port)                    \
	{                                     \
		GENERIC, (why), (port), false \
	}

static const struct row rows[] = {
	/* --- the start --- */
	{ "new ports of any kind are tried first",
	  { NEW(AUTO, YES), NEW(AUTO, NO), NEW(AUTO, UNKNOWN) },
	  { TRY, TRY, TRY } },
	{ "a driver without XDP needs no trial, and spares the others theirs",
	  { NEW(AUTO, YES), NEW(AUTO, NO), NEW(AUTO, NEVER) },
	  { BECAUSE(MODE_NO_DRIVER, 2), BECAUSE(MODE_NO_DRIVER, 2),
	    BECAUSE(MODE_NO_DRIVER, OWN) } },
	{ "native is tried, whatever others need",
	  { NEW(NATIVE, YES), NEW(AUTO, YES), NEW(AUTO, NEVER) },
	  { { NATIVE, MODE_AS_WANTED, OWN, true },
	    BECAUSE(MODE_NO_DRIVER, 2),
	    BECAUSE(MODE_NO_DRIVER, OWN) } },
	{ "a program of another mcastd stays for now",
	  { { .there = true, .carrier = true, .waiting = true, .configured = AUTO, .transmit = NO },
	    ON(AUTO, YES),
	    ABSENT },
	  { FREE, FREE, FREE } },

	/* --- as drivers are --- */
	{ "all can",
	  { ON(AUTO, YES), ON(NATIVE, YES), ON(AUTO, YES) },
	  { FREE, { NATIVE, MODE_AS_WANTED, OWN, false }, FREE } },
	{ "before 6.3 what takes a program is taken to transmit",
	  { ON(AUTO, UNKNOWN), ON(AUTO, UNKNOWN), ABSENT },
	  { FREE, FREE, FREE } },
	{ "before 6.3 what takes none does not",
	  { ON(AUTO, UNKNOWN), REFUSED(AUTO, UNKNOWN), ABSENT },
	  { BECAUSE(MODE_NO_PROGRAM, 1), BECAUSE(MODE_NO_PROGRAM, OWN), FREE } },
	{ "one that took no program, and transmits all the same (veth)",
	  { ON(AUTO, YES), REFUSED(AUTO, YES), ABSENT },
	  { FREE, { AUTO, MODE_FELL_BACK, OWN, false }, FREE } },
	{ "one that took no program, and transmits with one only (virtio-net)",
	  { ON(AUTO, YES), REFUSED(AUTO, NO), ABSENT },
	  { BECAUSE(MODE_NO_PROGRAM, 1), BECAUSE(MODE_NO_PROGRAM, OWN), FREE } },
	{ "not even with a program (veth without GRO at its peer)",
	  { ON(AUTO, YES), ON(AUTO, NO), ON(NATIVE, YES) },
	  { BECAUSE(MODE_NO_TRANSMIT, 1), BECAUSE(MODE_NO_TRANSMIT, OWN),
	    BECAUSE(MODE_NO_TRANSMIT, 1) } },
	{ "native, and not even with a program",
	  { ON(AUTO, YES), ON(NATIVE, NO), ABSENT },
	  { BECAUSE(MODE_NO_TRANSMIT, 1), BECAUSE(MODE_NO_TRANSMIT, OWN), FREE } },
	{ "native, and the program was refused: it fails, and is nobody's matter",
	  { ON(AUTO, YES), REFUSED(NATIVE, NEVER), ABSENT },
	  { FREE, { NATIVE, MODE_AS_WANTED, OWN, false }, FREE } },
	{ "each of several has its own reason, all others the first one's",
	  { REFUSED(AUTO, NO), ON(AUTO, YES), NEW(AUTO, NEVER) },
	  { BECAUSE(MODE_NO_PROGRAM, OWN), BECAUSE(MODE_NO_PROGRAM, 0),
	    BECAUSE(MODE_NO_DRIVER, OWN) } },
	{ "a bond, whatever it says",
	  { ON(AUTO, YES),
	    { .there = true, .carrier = true, .configured = AUTO, .bond = true, .transmit = YES },
	    ABSENT },
	  { BECAUSE(MODE_NO_BOND, 1), BECAUSE(MODE_NO_BOND, OWN), FREE } },
	{ "a bond that is down disturbs nobody, and is not tried natively",
	  { ON(AUTO, YES), { .configured = AUTO, .bond = true, .transmit = YES }, ABSENT },
	  { FREE, { GENERIC, MODE_AS_WANTED, OWN, false }, FREE } },
	{ "without carrier one that would have to transmit is waited for",
	  { ON(AUTO, YES),
	    { .there = true,
	      .configured = AUTO,
	      .native = MODE_WORKS,
	      .attached = true,
	      .transmit = NO },
	    ABSENT },
	  { FREE, FREE, FREE } },
	{ "one that never can counts with a cable and without",
	  { ON(AUTO, YES), { .there = true, .configured = AUTO, .transmit = NEVER }, ABSENT },
	  { BECAUSE(MODE_NO_DRIVER, 1), BECAUSE(MODE_NO_DRIVER, OWN), FREE } },
	{ "where it is down nothing goes",
	  { ON(AUTO, YES),
	    { .configured = AUTO, .native = MODE_WORKS, .attached = true, .transmit = NO },
	    ABSENT },
	  { FREE, FREE, FREE } },

	/* --- back again --- */
	{ "a driver that says no without program, and said yes with one, is no cause",
	  { OFF(AUTO, NO, YES), OFF(AUTO, YES, YES), NEW(AUTO, NEVER) },
	  { BECAUSE(MODE_NO_DRIVER, 2), BECAUSE(MODE_NO_DRIVER, 2),
	    BECAUSE(MODE_NO_DRIVER, OWN) } },
	{ "the cause has gone",
	  { OFF(AUTO, NO, YES), OFF(AUTO, YES, YES), ABSENT },
	  { TRY, TRY, FREE } },
	{ "what said no with a program is believed",
	  { OFF(AUTO, NO, NO), OFF(AUTO, YES, YES), ABSENT },
	  { BECAUSE(MODE_NO_TRANSMIT, OWN), BECAUSE(MODE_NO_TRANSMIT, 0), FREE } },
	{ "until it says yes (veth: GRO at its peer)",
	  { OFF(AUTO, YES, NO), OFF(AUTO, YES, YES), ABSENT },
	  { TRY, TRY, FREE } },
	{ "a changed device is asked alone, before the others follow",
	  { OFF(AUTO, NO, YES), NEW(AUTO, NO), OFF(NATIVE, YES, YES) },
	  { FREE, TRY, { NATIVE, MODE_AS_WANTED, OWN, false } } },
	{ "native again, too",
	  { OFF(NATIVE, NO, YES), OFF(NATIVE, YES, YES), ABSENT },
	  { { NATIVE, MODE_AS_WANTED, OWN, true }, { NATIVE, MODE_AS_WANTED, OWN, true }, FREE } },

	/* --- frames were refused --- */
	{ "more than what is said counts what is seen",
	  { ON(AUTO, YES),
	    { .there = true,
	      .carrier = true,
	      .configured = AUTO,
	      .native = MODE_WORKS,
	      .attached = true,
	      .transmit = YES,
	      .learned = YES,
	      .refuses = true },
	    ABSENT },
	  { BECAUSE(MODE_NO_ACCEPTANCE, 1), BECAUSE(MODE_NO_ACCEPTANCE, OWN), FREE } },
	{ "also where nothing is said",
	  { ON(AUTO, UNKNOWN),
	    { .there = true,
	      .carrier = true,
	      .configured = AUTO,
	      .native = MODE_WORKS,
	      .refuses = true },
	    ABSENT },
	  { BECAUSE(MODE_NO_ACCEPTANCE, 1), BECAUSE(MODE_NO_ACCEPTANCE, OWN), FREE } },

	/* --- generic by configuration --- */
	{ "all generic: nothing to decide, nobody to blame",
	  { FIXED(NO), FIXED(NEVER), FIXED(UNKNOWN) },
	  { { GENERIC, MODE_AS_CONFIGURED, OWN, false },
	    { GENERIC, MODE_AS_CONFIGURED, OWN, false },
	    { GENERIC, MODE_AS_CONFIGURED, OWN, false } } },
	{ "one generic that can be reached all the same",
	  { ON(AUTO, YES), FIXED(YES), ON(NATIVE, YES) },
	  { FREE,
	    { GENERIC, MODE_AS_CONFIGURED, OWN, false },
	    { NATIVE, MODE_AS_WANTED, OWN, false } } },
	{ "one generic whose driver would need a native program",
	  { ON(AUTO, YES), FIXED(NO), ON(NATIVE, YES) },
	  { BECAUSE(MODE_NO_PERMISSION, 1), BECAUSE(MODE_NO_PERMISSION, OWN),
	    BECAUSE(MODE_NO_PERMISSION, 1) } },
	{ "one generic whose driver knows nothing of XDP",
	  { ON(AUTO, YES), FIXED(NEVER), ABSENT },
	  { BECAUSE(MODE_NO_DRIVER, 1), BECAUSE(MODE_NO_DRIVER, OWN), FREE } },
	{ "one generic of which nothing is told",
	  { ON(AUTO, UNKNOWN), FIXED(UNKNOWN), ABSENT },
	  { BECAUSE(MODE_NO_KNOWLEDGE, 1), BECAUSE(MODE_NO_KNOWLEDGE, OWN), FREE } },
};

static void check(const struct row *row)
{
	struct mode_choice choices[PORTS];

	mode_choose(row->ports, PORTS, choices);
	for (unsigned int i = 0; i < PORTS; i++) {
		bool absent = !row->ports[i].there && row->ports[i].waiting;
		unsigned int cause = row->want[i].cause == OWN ? i : row->want[i].cause;

		if (absent && !choices[i].try)
			continue;
		if (choices[i].mode != row->want[i].mode ||
		    choices[i].reason != row->want[i].reason || choices[i].cause != cause ||
		    choices[i].try != row->want[i].try)
			fail_msg("%s: port %u: mode %d reason %d cause %u try %d", row->name, i,
				 choices[i].mode, choices[i].reason, choices[i].cause,
				 choices[i].try);
	}
}

static void choices_by_row(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check(&rows[i]);
}

/* --- over time ----------------------------------------------------------------------------------
 */

/* A driver: what it says with a native program and without. */
struct device {
	enum dataplane_transmit with, without;
};

/* As mcastd/port_mode.c does: attaches what is to be tried until there is nothing left to try. */
static unsigned int settle(struct mode_port *ports, const struct device *devices)
{
	struct mode_choice choices[PORTS];
	unsigned int attached = 0;
	bool any;

	do {
		any = false;
		for (unsigned int i = 0; i < PORTS; i++) {
			ports[i].transmit =
				ports[i].attached ? devices[i].with : devices[i].without;
			if (ports[i].attached)
				ports[i].learned = ports[i].transmit;
		}
		mode_choose(ports, PORTS, choices);
		for (unsigned int i = 0; i < PORTS; i++) {
			if (!choices[i].try)
				continue;
			ports[i].attached = any = true;
			ports[i].native = MODE_WORKS;
			attached++;
		}
	} while (any && attached < 100);
	for (unsigned int i = 0; i < PORTS; i++)
		if (choices[i].mode == GENERIC)
			ports[i].attached = false;
	return attached;
}

static bool all_native(const struct mode_port *ports)
{
	return ports[0].attached && ports[1].attached && ports[2].attached;
}

/* Native where all can, and nothing goes back and forth. */
static void comes_to_rest(void **state)
{
	static const struct device kinds[] = { { YES, YES }, { YES, NO }, { NO, NO } };

	(void)state;
	for (unsigned int n = 0; n < 3 * 3 * 3; n++) {
		const struct device devices[PORTS] = { kinds[n % 3], kinds[n / 3 % 3],
						       kinds[n / 9] };
		struct mode_port ports[PORTS] = { NEW(AUTO, NO), NEW(AUTO, NO), NEW(NATIVE, NO) };
		bool can =
			devices[0].with == YES && devices[1].with == YES && devices[2].with == YES;

		assert_true(settle(ports, devices) <= PORTS);
		assert_int_equal(all_native(ports), can);
		assert_int_equal(settle(ports, devices), 0);
		assert_int_equal(all_native(ports), can);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(choices_by_row),
		cmocka_unit_test(comes_to_rest),
	};

	return cmocka_run_group_tests_name("mode", tests, NULL, NULL);
}
