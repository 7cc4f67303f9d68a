/* SPDX-License-Identifier: BSD-2-Clause */
/* The host part in cmocka tests, each with a simulation of its own. */
#ifndef SUPPORT_HOST_SIM_TEST_H
#define SUPPORT_HOST_SIM_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "host_sim.h"

#define assert_said(t, text) assert_string_equal(host_sim_said(t), text)
#define HOST_TEST(name) cmocka_unit_test_setup_teardown(name, host_sim_setup, host_sim_teardown)

static inline int host_sim_setup(void **state)
{
	static struct host_sim t;

	host_sim_init(&t, NULL);
	*state = &t;
	return 0;
}

static inline int host_sim_teardown(void **state)
{
	host_sim_fini(*state);
	return 0;
}

#endif
