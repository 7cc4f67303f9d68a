/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The program comes onto interfaces, or does not: what is said of it, what is remembered, and how
 * often it is loaded for that. A veth refuses native mode while its peer's MTU is too large.
 */
#include <stddef.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/bed.h"
#include "dataplane/internal.h"

static struct bed bed;
static unsigned int opened;
static struct dataplane_error error;
static enum dataplane_mode got;

/* The linker puts the one in the place of the other. */
int __real_dataplane_open_program(const struct dataplane *dp, struct bpf_object **object);
int __wrap_dataplane_open_program(const struct dataplane *dp, struct bpf_object **object);

int __wrap_dataplane_open_program(const struct dataplane *dp, struct bpf_object **object)
{
	opened++;
	return __real_dataplane_open_program(dp, object);
}

static void set_mtu(const char *name, const char *mtu)
{
	char command[64];

	snprintf(command, sizeof(command), "ip link set %s mtu %s", name, mtu);
	assert_int_equal(system(command), 0);
}

static int attach(unsigned int slot, enum dataplane_mode mode)
{
	error.text[0] = '\0';
	return dataplane_attach(bed.dp, bed.veth.ifindex[slot], mode, &got, &error);
}

static bool refused(unsigned int slot)
{
	return dataplane_refused(bed.dp, bed.veth.ifindex[slot], DATAPLANE_MODE_NATIVE);
}

static void assert_said(const char *words)
{
	if (!strstr(error.text, words))
		fail_msg("\"%s\" is not in \"%s\"", words, error.text);
}

static void is_remembered(void **state)
{
	struct dataplane_error first;
	unsigned int times;

	(void)state;
	bed_init(&bed, 1, NULL);
	set_mtu("h1", "9000");
	assert_int_equal(attach(1, DATAPLANE_MODE_NATIVE), -ERANGE);
	assert_said("in native mode: Numerical result out of range");
	assert_said("MTU"); /* the driver's own words */
	first = error;
	times = opened;
	set_mtu("h1", "1500"); /* r1 is as it was */
	assert_int_equal(attach(1, DATAPLANE_MODE_NATIVE), -ERANGE);
	assert_string_equal(error.text, first.text);
	assert_int_equal(opened, times);
	dataplane_reconsider(bed.dp);
	assert_int_equal(attach(1, DATAPLANE_MODE_NATIVE), 0);
	bed_fini(&bed);
}

static void until_the_device_changes(void **state)
{
	(void)state;
	bed_init(&bed, 1, NULL);
	set_mtu("h1", "9000");
	assert_int_equal(attach(1, DATAPLANE_MODE_NATIVE), -ERANGE);
	set_mtu("h1", "1500");
	assert_true(refused(1));
	set_mtu("r1", "1400");
	assert_false(refused(1));
	assert_int_equal(attach(1, DATAPLANE_MODE_NATIVE), 0);
	bed_fini(&bed);
}

/* In generic mode it stays, and native mode is not tried, until the interface changes. */
static void falls_back_once(void **state)
{
	unsigned int times = 0;

	(void)state;
	bed_init(&bed, 1, NULL);
	set_mtu("h1", "9000");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(attach(1, DATAPLANE_MODE_AUTO), 0);
		assert_int_equal(got, DATAPLANE_MODE_GENERIC);
		assert_said("generic mode, because native mode is refused: Numerical result");
		times = i ? times : opened;
	}
	assert_int_equal(opened, times);
	dataplane_reconsider(bed.dp); /* nothing that works is touched */
	assert_true(refused(1));
	set_mtu("r1", "1400");
	assert_false(refused(1));
	bed_fini(&bed);
}

static void both_reasons(void **state)
{
	(void)state;
	bed_init(&bed, 1, NULL);
	bed.veth.ifindex[1] = 60000;
	assert_int_equal(attach(1, DATAPLANE_MODE_AUTO), -ENODEV);
	assert_said("in native mode: No such device; in generic mode: No such device");
	assert_false(refused(1)); /* the next one with this number may be another */
	bed_fini(&bed);
}

/* Without a dispatcher one program serves all; with it each interface has its own. */
static void loads(void **state)
{
	(void)state;
	bed_init(&bed, 3, NULL);
	opened = 0;
	for (unsigned int i = 1; i <= 3; i++)
		assert_int_equal(attach(i, DATAPLANE_MODE_NATIVE), 0);
	assert_int_equal(opened, dataplane_no_dispatcher(bed.dp) ? 1 : 3);
	bed_fini(&bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_remembered),   cmocka_unit_test(until_the_device_changes),
		cmocka_unit_test(falls_back_once), cmocka_unit_test(both_reasons),
		cmocka_unit_test(loads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
