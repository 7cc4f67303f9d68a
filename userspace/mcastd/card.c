// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a port needs of its card, so that every frame of its link and its VLAN reaches the program
 * as it came, and no other:
 *
 * - All multicast. It is a flag of the interface and no socket of ours, for a program that forwards
 *   without a daemon needs it too.
 * - Tags stay in frames. Without its tag a frame of any VLAN is one of the untagged port.
 * - With `vlan`, no filter of VLANs; promiscuous mode where the filter cannot be turned off.
 * - No merged frames, with which most drivers take no program.
 *
 * As all that is configured this is a desired state, which each sync compares with what is. What
 * had to be changed is remembered first (dataplane/card.c) and undone when the interface is no port
 * any more, by whichever daemon is there then. What was as it should be before is left alone, now
 * and then.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mcastd/daemon.h"
#include "platform/card.h"

/* How soon after settings were made again they must not be undone again. */
#define REGAIN_MS 2000

#define TEXT_MAX 128 /* for the names of all settings */

/* --- what is remembered --- */

/* Of an interface that was in another namespace for a while its MAC is what it is known by. */
static struct dataplane_card recall(const struct daemon *daemon, const struct netlink_link *link)
{
	struct dataplane_card own = { .ifindex = link->ifindex };
	const struct dataplane_card *cards;
	size_t n = dataplane_cards(daemon->dataplane, &cards);

	memcpy(own.mac, link->mac, sizeof(own.mac));
	for (size_t i = 0; i < n; i++)
		if (cards[i].ifindex == link->ifindex)
			own.settings = cards[i].settings;
	for (size_t i = 0; i < n && !own.settings; i++) {
		struct dataplane_card away = cards[i];

		if (memcmp(away.mac, own.mac, sizeof(own.mac)) != 0 ||
		    netlink_find_index(daemon->netlink, away.ifindex))
			continue;
		own.settings = away.settings;
		away.settings = 0;
		if (!dataplane_card_remember(daemon->dataplane, &own))
			dataplane_card_remember(daemon->dataplane, &away);
		break;
	}
	return own;
}

uint32_t port_card_changes(const struct port *port)
{
	const struct dataplane_card *cards;
	size_t n = dataplane_cards(port->daemon->dataplane, &cards);

	for (size_t i = 0; i < n; i++)
		if (cards[i].ifindex == port->ifindex)
			return cards[i].settings;
	return 0;
}

/* --- one port --- */

/* Changes what is not as it should be and can be changed. */
static int make(struct port *port, uint32_t wanted, struct dataplane_card *known, struct card *card)
{
	uint32_t need = wanted & ~card->ready & ~card->fixed & ~port->card.refused, refused;
	struct dataplane *dataplane = port->daemon->dataplane;
	int err, change_err;

	if (!need)
		return 0;
	known->settings |= need;
	err = dataplane_card_remember(dataplane, known);
	if (err)
		return err;
	change_err = card_change(known->ifindex, need, true);
	err = card_read(known->ifindex, card);
	if (err)
		return err;
	refused = need & ~card->ready;
	if (!refused)
		return 0;
	/* A driver that refuses goes on wishing it, unless that is taken back. */
	card_change(known->ifindex, refused, false);
	port->card.refused |= refused;
	port->card.failed++;
	known->settings &= ~refused;
	err = dataplane_card_remember(dataplane, known);
	return change_err ? change_err : err;
}

static int undo(struct port *port, uint32_t settings, struct dataplane_card *known)
{
	int err = settings ? card_change(known->ifindex, settings, false) : 0;

	known->settings &= ~settings;
	return err ? err : dataplane_card_remember(port->daemon->dataplane, known);
}

/*
 * Has somebody else undone some of it? Then it is made again, at once; but if that happens again
 * within REGAIN_MS only with the next try, so that two programs do not race: true.
 */
static bool is_contested(struct port *port, uint32_t lost)
{
	uint64_t now = loop_now(port->daemon->loop), before = port->card.regained_at;
	bool was_contested = port->card.contested;
	char names[TEXT_MAX], text[DATAPLANE_ERROR_MAX];

	port->card.contested = lost && before && now - before < REGAIN_MS;
	if (!lost)
		return false;
	card_settings_text(lost, names, sizeof(names));
	if (port->card.contested) {
		snprintf(text, sizeof(text),
			 "%s: undone again and again: which program does that? tried again every "
			 "few seconds",
			 names);
	} else {
		port->card.regained_at = now;
		port->card.lost++;
		snprintf(text, sizeof(text), "%s: undone by somebody else; set again (%llu times)",
			 names, (unsigned long long)port->card.lost);
	}
	if (!was_contested)
		event_port(port->daemon, port, LOG_LEVEL_WARNING, "card-lost", text);
	return port->card.contested;
}

/* Brings the card to what the port needs. Returns 0 or -errno; *wanted: what that was. */
static int settle(struct port *port, struct dataplane_card *known, struct card *card,
		  uint32_t *wanted)
{
	bool tagged = port->config->vlan;
	int err;

	*wanted = CARD_ALL_MULTICAST | CARD_VLAN_PARSE | CARD_STAG_PARSE | CARD_LRO | CARD_GRO_HW;
	if (tagged)
		*wanted |= CARD_VLAN_FILTER;
	err = make(port, *wanted, known, card);
	if (tagged && !(card->ready & CARD_VLAN_FILTER)) {
		*wanted |= CARD_PROMISCUOUS;
		err = make(port, *wanted, known, card);
	}
	if (!err)
		err = undo(port, known->settings & ~*wanted, known);
	return err;
}

static void note_tags(struct port *port, bool lost)
{
	bool was_lost = port->card.note[0];

	port->card.note[0] = '\0';
	if (!lost)
		return;
	snprintf(port->card.note, sizeof(port->card.note),
		 "its card takes VLAN tags off and cannot be told not to (ethtool -k: rx-vlan-*): "
		 "frames of any VLAN that come in are forwarded as untagged; see that none come");
	if (!was_lost)
		event_port(port->daemon, port, LOG_LEVEL_WARNING, "card-tags", port->card.note);
}

/* What the port cannot do without. Returns 0, or -errno with *error. */
static int judge(struct port *port, bool stacked, uint32_t lacking, int err,
		 struct dataplane_error *error)
{
	const char *why = err ? strerror(-err) : "its driver refuses";
	unsigned int vlan = port->config->vlan;

	err = err ? err : -EOPNOTSUPP;
	if (lacking & CARD_ALL_MULTICAST) {
		snprintf(error->text, sizeof(error->text), "cannot receive all multicast: %s", why);
		return err;
	}
	if (vlan && stacked) {
		snprintf(error->text, sizeof(error->text),
			 "the kernel takes VLAN tags off before frames come here; instead of vlan "
			 "= %u make a VLAN device and let that be the port",
			 vlan);
		return -EOPNOTSUPP;
	}
	if (vlan && lacking & CARD_VLAN_PARSE) {
		snprintf(error->text, sizeof(error->text),
			 "its card takes VLAN tags off (rx-vlan-hw-parse): %s; instead of vlan = "
			 "%u make a VLAN device and let that be the port",
			 why, vlan);
		return err;
	}
	if (lacking & CARD_PROMISCUOUS) {
		snprintf(error->text, sizeof(error->text),
			 "its card lets no frames of VLAN %u in (rx-vlan-filter), nor is it set "
			 "promiscuous: %s; a VLAN device of this number would help",
			 vlan, why);
		return err;
	}
	note_tags(port, lacking & (CARD_VLAN_PARSE | CARD_STAG_PARSE));
	return 0;
}

int port_card_sync(struct port *port, const struct netlink_link *link,
		   struct dataplane_error *error)
{
	struct dataplane_card known = recall(port->daemon, link);
	uint32_t before = known.settings, wanted;
	char names[TEXT_MAX], text[DATAPLANE_ERROR_MAX];
	struct card card;
	int err = card_read(link->ifindex, &card);

	if (err) {
		snprintf(error->text, sizeof(error->text), "cannot read its card settings: %s",
			 strerror(-err));
		return err;
	}
	if (port->card.ifindex != link->ifindex)
		port->card = (struct port_card){ .ifindex = link->ifindex };
	if (is_contested(port, port->card.held & ~card.ready))
		return 0;
	err = settle(port, &known, &card, &wanted);
	port->card.held = wanted & card.ready;
	if (known.settings & ~before) {
		snprintf(text, sizeof(text), "set for as long as it is a port: %s",
			 card_settings_text(known.settings, names, sizeof(names)));
		event_port(port->daemon, port, LOG_LEVEL_INFO, "card-set", text);
	}
	return judge(port, link->is_stacked, wanted & ~card.ready, err, error);
}

/* --- those that are no port any more --- */

static void restore(const struct dataplane_card *known, const char *name)
{
	char names[TEXT_MAX];
	uint32_t left = known->settings;
	struct card card;
	int err = card_read(known->ifindex, &card), change_err = 0;

	if (!err && (left &= card.ready)) {
		change_err = card_change(known->ifindex, left, false);
		err = card_read(known->ifindex, &card);
		left &= card.ready;
	}
	err = err ? err : change_err;
	if (left && err != -ENODEV)
		log_warning("%s: not undone: %s: %s", name,
			    card_settings_text(left, names, sizeof(names)),
			    err ? strerror(-err) : "its driver refuses");
}

void cards_restore(struct daemon *daemon, bool ending)
{
	const struct dataplane_card *cards;

	for (size_t i = dataplane_cards(daemon->dataplane, &cards); i-- > 0;) {
		struct dataplane_card known = cards[i];
		const struct netlink_link *link =
			netlink_find_index(daemon->netlink, known.ifindex);

		if (link && fit_is_port(link) && port_find(daemon, link->name))
			continue;
		/* What is away may come back; but there is no end of interfaces that do not. */
		if (!link && !ending && i < MCASTD_MAX_PORTS)
			continue;
		if (link)
			restore(&known, link->name);
		known.settings = 0;
		dataplane_card_remember(daemon->dataplane, &known);
		dataplane_cards(daemon->dataplane, &cards);
	}
}
