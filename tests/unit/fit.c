/* SPDX-License-Identifier: BSD-2-Clause */
/* Which interfaces can be ports (mcastd/fit.c). */
#include <stddef.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

#include "mcastd/daemon.h"

static void kinds(void **state)
{
	static const struct {
		struct netlink_link link;
		const char *why; /* NULL: it can be one */
	} cases[] = {
		{ { .is_ethernet = true }, NULL },
		{ { .is_ethernet = true, .kind = "veth" }, NULL },
		{ { .is_ethernet = true, .kind = "bridge" }, NULL },
		{ { .is_ethernet = true, .kind = "bond" }, NULL },
		{ { .is_ethernet = true, .kind = "ipvlan" }, NULL },
		{ { .is_ethernet = true, .master = 7, .master_kind = "vrf" }, NULL },
		{ { .is_ethernet = true, .master = 7, .master_kind = "bridge" }, "bridge above" },
		{ { .is_ethernet = true, .master = 7, .master_kind = "bond" }, "bond above" },
		{ { .is_ethernet = true, .master = 7, .master_kind = "team" }, "team above" },
		{ { .is_ethernet = true, .master = 7 }, "the interface above" },
		{ { .is_ethernet = true, .kind = "dummy" }, "a dummy interface" },
		{ { .is_ethernet = true, .kind = "ifb" }, "an ifb interface" },
		{ { .is_ethernet = true, .kind = "vrf" }, "a VRF" },
		{ { .is_ethernet = true, .kind = "ipvlan", .is_layer3 = true }, "mode l3" },
		{ { .is_loopback = true }, "the loopback interface" },
		{ { .kind = "tun" }, "not an Ethernet interface" },
	};
	const struct netlink_link master = { .name = "above" };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[256] = "";

		if (fit_is_port(&cases[i].link) != !cases[i].why)
			fail_msg("row %zu", i);
		if (!cases[i].why)
			continue;
		fit_tell(&cases[i].link, &master, text, sizeof(text));
		if (!strstr(text, cases[i].why))
			fail_msg("row %zu: %s", i, text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds),
	};

	return cmocka_run_group_tests_name("fit", tests, NULL, NULL);
}
