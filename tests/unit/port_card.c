/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What mcastd asks of a card, remembers and undoes, on cards that exist here only: whatever a
 * driver may have fixed or refuse. Every change must be remembered before it is made.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mcastd/daemon.h"
#include "platform/card.h"

#define IFINDEX 7

/* --- a card and all that mcastd/card.c asks of others --- */

static struct card fake;
static uint32_t refuses; /* the driver; not fixed */
static int change_error;
static bool present;
static struct dataplane_card cards[4];
static size_t n_cards;
static uint64_t clock_ms;
static char told[512];
static bool unremembered; /* something was changed that was not remembered */

int card_read(unsigned int ifindex, struct card *card)
{
	*card = fake;
	return present && ifindex == IFINDEX ? 0 : -ENODEV;
}

static uint32_t remembered(unsigned int ifindex)
{
	for (size_t i = 0; i < n_cards; i++)
		if (cards[i].ifindex == ifindex)
			return cards[i].settings;
	return 0;
}

int card_change(unsigned int ifindex, uint32_t settings, bool for_port)
{
	assert_int_equal(ifindex, IFINDEX);
	assert_int_equal(settings & fake.fixed, 0);
	if (settings & ~remembered(ifindex))
		unremembered = true;
	if (change_error)
		return change_error;
	if (for_port)
		fake.ready |= settings & ~refuses;
	else
		fake.ready &= ~settings;
	return 0;
}

const char *card_setting_name(uint32_t setting)
{
	return setting ? "a setting" : NULL;
}

const char *card_settings_text(uint32_t settings, char *text, size_t size)
{
	snprintf(text, size, "0x%x", settings);
	return text;
}

size_t dataplane_cards(const struct dataplane *dataplane, const struct dataplane_card **list)
{
	(void)dataplane;
	*list = cards;
	return n_cards;
}

int dataplane_card_remember(struct dataplane *dataplane, const struct dataplane_card *card)
{
	size_t i;

	(void)dataplane;
	for (i = 0; i < n_cards && cards[i].ifindex != card->ifindex; i++)
		;
	if (!card->settings) {
		if (i < n_cards)
			cards[i] = cards[--n_cards];
		return 0;
	}
	assert_true(i < 4);
	cards[i] = *card;
	n_cards = i == n_cards ? n_cards + 1 : n_cards;
	return 0;
}

static struct netlink_link link_of_port = {
	.ifindex = IFINDEX,
	.name = "p",
	.mac = { 2, 0, 0, 0, 0, 7 },
};

const struct netlink_link *netlink_find_index(const struct netlink *netlink, unsigned int ifindex)
{
	(void)netlink;
	return present && ifindex == IFINDEX ? &link_of_port : NULL;
}

static struct port *the_port;

struct port *port_find(const struct daemon *daemon, const char *name)
{
	(void)daemon;
	return strcmp(name, "p") == 0 ? the_port : NULL;
}

uint64_t loop_now(const struct loop *loop)
{
	(void)loop;
	return clock_ms;
}

void event_port(struct daemon *daemon, const struct port *port, enum log_level level,
		const char *name, const char *text)
{
	(void)daemon;
	(void)port;
	(void)level;
	(void)text;
	strcat(told, name);
	strcat(told, " ");
}

/* --- the tests --- */

static struct daemon daemon_of_port;
static struct config_interface config;
static struct port port;
static struct dataplane_error error;

static int reset(void **state)
{
	(void)state;
	fake = (struct card){ 0 };
	refuses = 0;
	change_error = 0;
	present = true;
	n_cards = 0;
	clock_ms = 100000;
	told[0] = error.text[0] = '\0';
	unremembered = false;
	config = (struct config_interface){ 0 };
	link_of_port.is_stacked = false;
	port = (struct port){ .daemon = &daemon_of_port, .config = &config, .ifindex = IFINDEX };
	the_port = &port;
	return 0;
}

static int sync_card(void)
{
	told[0] = error.text[0] = '\0';
	return port_card_sync(&port, &link_of_port, &error);
}

static void clean_up(void)
{
	the_port = NULL;
	cards_restore(&daemon_of_port, true);
	assert_int_equal(n_cards, 0);
	assert_false(unremembered);
}

#define UNTAGGED (CARD_ALL_MULTICAST | CARD_VLAN_PARSE | CARD_STAG_PARSE | CARD_LRO | CARD_GRO_HW)

static void test_untagged(void **state)
{
	(void)state;
	assert_int_equal(sync_card(), 0);
	assert_int_equal(fake.ready, UNTAGGED);
	assert_int_equal(port_card_changes(&port), UNTAGGED);
	assert_string_equal(told, "card-set ");
	assert_int_equal(sync_card(), 0);
	assert_string_equal(told, "");
	clean_up();
	assert_int_equal(fake.ready, 0);
}

static void test_what_was_so_before_is_left_alone(void **state)
{
	(void)state;
	fake.ready = CARD_ALL_MULTICAST | CARD_LRO;
	assert_int_equal(sync_card(), 0);
	assert_int_equal(port_card_changes(&port), UNTAGGED & ~(CARD_ALL_MULTICAST | CARD_LRO));
	clean_up();
	assert_int_equal(fake.ready, CARD_ALL_MULTICAST | CARD_LRO);
}

static void test_vlan_filter_off(void **state)
{
	(void)state;
	config.vlan = 7;
	assert_int_equal(sync_card(), 0);
	assert_int_equal(fake.ready, UNTAGGED | CARD_VLAN_FILTER);
	/* Without `vlan` it comes back. */
	config.vlan = 0;
	assert_int_equal(sync_card(), 0);
	assert_int_equal(fake.ready, UNTAGGED);
	assert_string_equal(told, "");
	clean_up();
	assert_int_equal(fake.ready, 0);
}

static void test_vlan_filter_fixed(void **state)
{
	(void)state;
	config.vlan = 7;
	fake.fixed = CARD_VLAN_FILTER;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(sync_card(), 0);
		assert_int_equal(fake.ready, UNTAGGED | CARD_PROMISCUOUS);
	}
	config.vlan = 0;
	assert_int_equal(sync_card(), 0);
	assert_int_equal(fake.ready, UNTAGGED);
	clean_up();
	assert_int_equal(fake.ready, 0);
}

static void test_vlan_filter_refused(void **state)
{
	(void)state;
	config.vlan = 7;
	refuses = CARD_VLAN_FILTER;
	assert_int_equal(sync_card(), 0);
	assert_int_equal(fake.ready, UNTAGGED | CARD_PROMISCUOUS);
	assert_int_equal(port.card.failed, 1);
	assert_int_equal(sync_card(), 0);
	assert_int_equal(port.card.failed, 1); /* not tried again */
	refuses = CARD_VLAN_FILTER | CARD_PROMISCUOUS;
	port.card = (struct port_card){ 0 };
	fake.ready = 0;
	assert_int_equal(sync_card(), -EOPNOTSUPP);
	assert_non_null(strstr(error.text, "VLAN 7"));
	clean_up();
	assert_int_equal(fake.ready, 0);
}

static void test_tags_that_are_taken_off(void **state)
{
	(void)state;
	fake.fixed = CARD_VLAN_PARSE;
	assert_int_equal(sync_card(), 0);
	assert_string_equal(told, "card-set card-tags ");
	assert_non_null(strstr(port.card.note, "VLAN tags"));
	assert_int_equal(sync_card(), 0);
	assert_string_equal(told, "");
	config.vlan = 7;
	assert_int_equal(sync_card(), -EOPNOTSUPP);
	assert_non_null(strstr(error.text, "vlan = 7"));
	/* Somebody helps. */
	fake.ready |= CARD_VLAN_PARSE;
	assert_int_equal(sync_card(), 0);
	assert_string_equal(port.card.note, "");
	clean_up();
	assert_int_equal(fake.ready, CARD_VLAN_PARSE);
}

static void test_vlan_above_another_interface(void **state)
{
	(void)state;
	link_of_port.is_stacked = true;
	assert_int_equal(sync_card(), 0);
	config.vlan = 7;
	assert_int_equal(sync_card(), -EOPNOTSUPP);
	assert_non_null(strstr(error.text, "vlan = 7 make a VLAN device"));
	clean_up();
}

static void test_merged_frames_that_are_fixed(void **state)
{
	(void)state;
	fake.fixed = CARD_LRO;
	refuses = CARD_GRO_HW;
	assert_int_equal(sync_card(), 0);
	assert_int_equal(fake.ready, UNTAGGED & ~(CARD_LRO | CARD_GRO_HW));
	assert_string_equal(port.card.note, "");
	clean_up();
	assert_int_equal(fake.ready, 0);
}

static void test_not_permitted(void **state)
{
	(void)state;
	change_error = -EPERM;
	assert_int_equal(sync_card(), -EPERM);
	assert_non_null(strstr(error.text, "all multicast: Operation not permitted"));
	assert_int_equal(n_cards, 0);
	clean_up();
}

static void test_undone_by_others(void **state)
{
	(void)state;
	assert_int_equal(sync_card(), 0);
	fake.ready &= ~CARD_ALL_MULTICAST;
	assert_int_equal(sync_card(), 0);
	assert_string_equal(told, "card-lost ");
	assert_int_equal(fake.ready, UNTAGGED);
	/* At once again: only with the next try. */
	fake.ready &= ~CARD_VLAN_PARSE;
	assert_int_equal(sync_card(), 0);
	assert_string_equal(told, "card-lost ");
	assert_true(port.card.contested);
	assert_int_equal(sync_card(), 0);
	assert_string_equal(told, "");
	assert_int_equal(fake.ready, UNTAGGED & ~CARD_VLAN_PARSE);
	clock_ms += 2000;
	assert_int_equal(sync_card(), 0);
	assert_false(port.card.contested);
	assert_int_equal(fake.ready, UNTAGGED);
	assert_int_equal(port.card.lost, 2);
	/* What they have done is not kept as theirs: the card goes back to what it was. */
	clean_up();
	assert_int_equal(fake.ready, 0);
}

static void test_next_daemon_finds_it(void **state)
{
	(void)state;
	config.vlan = 7;
	fake.fixed = CARD_VLAN_FILTER;
	assert_int_equal(sync_card(), 0);
	/* Killed; the next one has another configuration. */
	port.card = (struct port_card){ 0 };
	config.vlan = 0;
	assert_int_equal(sync_card(), 0);
	assert_int_equal(fake.ready, UNTAGGED);
	assert_string_equal(told, "");
	/* And the next one has no such port. */
	the_port = NULL;
	cards_restore(&daemon_of_port, false);
	assert_int_equal(fake.ready, 0);
	assert_int_equal(n_cards, 0);
}

static void test_away_and_back(void **state)
{
	struct dataplane_card away = { .ifindex = 5, .settings = CARD_ALL_MULTICAST };

	(void)state;
	/* It was number 5 before, and comes back as it was made. */
	memcpy(away.mac, link_of_port.mac, sizeof(away.mac));
	cards[n_cards++] = away;
	cards_restore(&daemon_of_port, false);
	assert_int_equal(n_cards, 1);
	fake.ready = CARD_ALL_MULTICAST;
	assert_int_equal(sync_card(), 0);
	assert_int_equal(n_cards, 1);
	assert_int_equal(port_card_changes(&port), UNTAGGED);
	clean_up();
	assert_int_equal(fake.ready, 0);
	/* Another card that has gone is none of this one's. */
	reset(state);
	away.mac[0] = 6;
	cards[n_cards++] = away;
	fake.ready = CARD_ALL_MULTICAST;
	assert_int_equal(sync_card(), 0);
	clean_up();
	assert_int_equal(fake.ready, CARD_ALL_MULTICAST);
}

static void test_interface_gone(void **state)
{
	(void)state;
	assert_int_equal(sync_card(), 0);
	present = false;
	assert_int_equal(sync_card(), -ENODEV);
	clean_up();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_untagged, reset),
		cmocka_unit_test_setup(test_what_was_so_before_is_left_alone, reset),
		cmocka_unit_test_setup(test_vlan_filter_off, reset),
		cmocka_unit_test_setup(test_vlan_filter_fixed, reset),
		cmocka_unit_test_setup(test_vlan_filter_refused, reset),
		cmocka_unit_test_setup(test_tags_that_are_taken_off, reset),
		cmocka_unit_test_setup(test_vlan_above_another_interface, reset),
		cmocka_unit_test_setup(test_merged_frames_that_are_fixed, reset),
		cmocka_unit_test_setup(test_not_permitted, reset),
		cmocka_unit_test_setup(test_undone_by_others, reset),
		cmocka_unit_test_setup(test_next_daemon_finds_it, reset),
		cmocka_unit_test_setup(test_away_and_back, reset),
		cmocka_unit_test_setup(test_interface_gone, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
