/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What decides, before any program runs, which frames an interface hands up and what is left of
 * them: two flags of the interface ("ip link"), and features of its driver ("ethtool -k"). Each
 * setting has one position that a port needs. Here they are read, set and set back; which ones, and
 * what was there before, is the caller's to know.
 */
#ifndef PLATFORM_CARD_H
#define PLATFORM_CARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Settings are remembered in a pinned map, over upgrades too: these numbers never change. */
enum card_setting {
	CARD_ALL_MULTICAST = 1 << 0, /* on: groups that no program on the router has joined */
	CARD_PROMISCUOUS = 1 << 1,   /* on: whatever any filter holds back, that of VLANs too */
	CARD_VLAN_PARSE = 1 << 2,    /* off: an 802.1Q tag stays in the frame */
	CARD_STAG_PARSE = 1 << 3,    /* off: one of 802.1ad too */
	CARD_VLAN_FILTER = 1 << 4,   /* off: tags that the kernel has no VLAN device for */
	CARD_LRO = 1 << 5,	     /* off: frames as they came, not merged */
	CARD_GRO_HW = 1 << 6,	     /* off: likewise */
};
#define CARD_FLAGS (CARD_ALL_MULTICAST | CARD_PROMISCUOUS)
#define CARD_FEATURES \
	(CARD_VLAN_PARSE | CARD_STAG_PARSE | CARD_VLAN_FILTER | CARD_LRO | CARD_GRO_HW)

struct card {
	uint32_t ready; /* those that are in the position of a port */
	uint32_t fixed; /* those that cannot be changed */
};

/* Both return 0 or -errno; -ENODEV: no such interface. */
int card_read(unsigned int ifindex, struct card *card);
/*
 * Puts settings into the position of a port, or back into the other one, all of them at once: some
 * cards start anew for each change. A driver may keep what it has all the same, which card_read()
 * shows.
 */
int card_change(unsigned int ifindex, uint32_t settings, bool for_port);

/* One setting in the position of a port, in the words of ip and ethtool: "rx-lro off"; or NULL. */
const char *card_setting_name(uint32_t setting);
/* All of them, with commas. Returns text. */
const char *card_settings_text(uint32_t settings, char *text, size_t size);

#endif
