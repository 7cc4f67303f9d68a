/* SPDX-License-Identifier: BSD-2-Clause */
/* The simulated daemon in cmocka tests: a new one for each, in *state. */
#ifndef SUPPORT_DAEMON_SIM_TEST_H
#define SUPPORT_DAEMON_SIM_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon_sim.h"

#define DAEMON_TEST(test) \
	cmocka_unit_test_setup_teardown(test, daemon_sim_setup, daemon_sim_teardown)

#endif
