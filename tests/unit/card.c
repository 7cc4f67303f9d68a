/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Card settings of real interfaces, a veth pair in a network namespace of its own. Skipped without
 * the right to make one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "platform/card.h"

static bool may_unshare;

#define NEEDS_NAMESPACE   \
	(void)state;      \
	if (!may_unshare) \
	skip()

static bool holds(const char *command)
{
	return system(command) == 0; /* NOLINT: fixed texts */
}

static uint32_t ready(void)
{
	struct card card;

	assert_int_equal(card_read(if_nametoindex("va"), &card), 0);
	return card.ready;
}

static void change(uint32_t settings, bool for_port)
{
	assert_int_equal(card_change(if_nametoindex("va"), settings, for_port), 0);
}

static void test_flags(void **state)
{
	NEEDS_NAMESPACE;
	assert_int_equal(ready() & CARD_FLAGS, 0);
	change(CARD_ALL_MULTICAST, true);
	assert_int_equal(ready() & CARD_FLAGS, CARD_ALL_MULTICAST);
	assert_true(holds("ip link show va | grep -q '[<,]ALLMULTI[,>]' && "
			  "ip -d link show va | grep -q 'allmulti 1'"));
	change(CARD_PROMISCUOUS, true);
	assert_int_equal(ready() & CARD_FLAGS, CARD_FLAGS);
	/* The other flags are left alone. */
	assert_true(holds("ip link show va | grep -q '[<,]UP[,>]'"));
	change(CARD_ALL_MULTICAST, false);
	assert_int_equal(ready() & CARD_FLAGS, CARD_PROMISCUOUS);
	change(CARD_PROMISCUOUS, false);
	assert_true(holds("ip -d link show va | grep -q 'promiscuity 0 *allmulti 0'"));
}

static void test_features(void **state)
{
	struct card card;

	NEEDS_NAMESPACE;
	assert_int_equal(card_read(if_nametoindex("va"), &card), 0);
	/* veth has the tags of both kinds, and neither a filter nor merged frames. */
	assert_int_equal(card.ready & CARD_FEATURES, CARD_VLAN_FILTER | CARD_LRO | CARD_GRO_HW);
	assert_int_equal(card.fixed, CARD_VLAN_FILTER | CARD_LRO | CARD_GRO_HW);
	change(CARD_VLAN_PARSE, true);
	assert_true(holds("ethtool -k va | grep -q 'rx-vlan-offload: off'"));
	assert_true(holds("ethtool -k va | grep -q 'rx-vlan-stag-hw-parse: on'"));
	assert_true(holds("ethtool -k va | grep -q 'tx-vlan-offload: on'"));
	change(CARD_STAG_PARSE | CARD_ALL_MULTICAST, true);
	assert_int_equal(ready(), CARD_FEATURES | CARD_ALL_MULTICAST);
	change(CARD_STAG_PARSE | CARD_VLAN_PARSE | CARD_ALL_MULTICAST, false);
	assert_true(holds("ethtool -k va | grep -q 'rx-vlan-offload: on'"));
	assert_int_equal(ready(), CARD_VLAN_FILTER | CARD_LRO | CARD_GRO_HW);
	/* What is fixed stays, whatever is asked. */
	change(CARD_LRO, false);
	assert_true(ready() & CARD_LRO);
}

static void test_no_interface(void **state)
{
	struct card card;

	NEEDS_NAMESPACE;
	assert_int_equal(card_read(99999, &card), -ENODEV);
	assert_int_equal(card_change(99999, CARD_ALL_MULTICAST, true), -ENODEV);
	assert_int_equal(card_change(99999, CARD_LRO, true), -ENODEV);
}

static void test_names(void **state)
{
	char text[128], little[8];

	(void)state;
	assert_string_equal(card_setting_name(CARD_ALL_MULTICAST), "allmulticast on");
	assert_string_equal(card_setting_name(CARD_GRO_HW), "rx-gro-hw off");
	assert_null(card_setting_name(1U << 31));
	assert_string_equal(card_settings_text(0, text, sizeof(text)), "");
	assert_string_equal(card_settings_text(CARD_PROMISCUOUS | CARD_LRO, text, sizeof(text)),
			    "promisc on, rx-lro off");
	assert_string_equal(card_settings_text(CARD_FLAGS, little, sizeof(little)), "allmult");
	assert_true(strlen(card_settings_text(UINT32_MAX, text, sizeof(text))) < sizeof(text) - 1);
}

static int set_up(void **state)
{
	(void)state;
	may_unshare = unshare(CLONE_NEWNET) == 0;
	if (may_unshare && !holds("ip link add va type veth peer name vb && ip link set va up"))
		return -1;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_features),
		cmocka_unit_test(test_no_interface),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
