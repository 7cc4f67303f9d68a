/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the daemon has changed on interfaces, remembered where the next one finds it: in a pinned
 * map of its own, which no program uses, so that it outlives every other map of ours and is the
 * same for all versions. The daemon knows its content by heart and reads it at the start only.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "dataplane/internal.h"

/* Those of interfaces that are not there any more may be among them for a while. */
#define CARDS_MAX (2 * MCASTD_MAX_PORTS)

/* The map's value; its key is the interface index. */
struct card_value {
	uint32_t settings;
	uint8_t mac[6];
	uint8_t reserved[2];
};

static void pin_path(const struct dataplane *dp, char *path, size_t size)
{
	snprintf(path, size, "%s/" CARDS_MAP, dp->dir);
}

static int open_map(const struct dataplane *dp)
{
	char path[256];
	int fd, err;

	pin_path(dp, path, sizeof(path));
	fd = bpf_obj_get(path);
	if (fd != -ENOENT)
		return fd;
	fd = bpf_map_create(BPF_MAP_TYPE_HASH, CARDS_MAP, sizeof(uint32_t),
			    sizeof(struct card_value), CARDS_MAX, NULL);
	if (fd < 0)
		return fd;
	err = bpf_obj_pin(fd, path);
	if (!err)
		return fd;
	close(fd);
	return err;
}

static int append(struct dataplane *dp, const struct dataplane_card *card)
{
	struct dataplane_card *more = reallocarray(dp->cards, dp->n_cards + 1, sizeof(*dp->cards));

	if (!more)
		return -ENOMEM;
	dp->cards = more;
	more[dp->n_cards++] = *card;
	return 0;
}

static int read_map(struct dataplane *dp)
{
	uint32_t key, *last = NULL;
	int err = 0;

	while (!err && bpf_map_get_next_key(dp->cards_fd, last, &key) == 0) {
		struct dataplane_card card = { .ifindex = key };
		struct card_value value;

		err = bpf_map_lookup_elem(dp->cards_fd, &key, &value);
		card.settings = value.settings;
		memcpy(card.mac, value.mac, sizeof(card.mac));
		if (!err)
			err = append(dp, &card);
		last = &key;
	}
	return err;
}

int card_open(struct dataplane *dp)
{
	int err;

	dp->cards_fd = open_map(dp);
	if (dp->cards_fd < 0)
		return dp->cards_fd;
	err = read_map(dp);
	if (err)
		card_close(dp);
	return err;
}

void card_close(struct dataplane *dp)
{
	if (dp->cards_fd >= 0)
		close(dp->cards_fd);
	dp->cards_fd = -1;
	free(dp->cards);
	dp->cards = NULL;
	dp->n_cards = 0;
}

void card_unpin(const struct dataplane *dp)
{
	char path[256];

	if (dp->cards_fd < 0 || dp->n_cards)
		return;
	pin_path(dp, path, sizeof(path));
	unlink(path);
}

size_t dataplane_cards(const struct dataplane *dp, const struct dataplane_card **cards)
{
	*cards = dp->cards;
	return dp->n_cards;
}

static struct dataplane_card *find(const struct dataplane *dp, uint32_t ifindex)
{
	for (size_t i = 0; i < dp->n_cards; i++)
		if (dp->cards[i].ifindex == ifindex)
			return &dp->cards[i];
	return NULL;
}

static void forget(struct dataplane *dp, uint32_t ifindex)
{
	struct dataplane_card *known = find(dp, ifindex);

	bpf_map_delete_elem(dp->cards_fd, &ifindex);
	if (known)
		*known = dp->cards[--dp->n_cards];
}

int dataplane_card_remember(struct dataplane *dp, const struct dataplane_card *card)
{
	struct dataplane_card *known = find(dp, card->ifindex);
	struct card_value value = { .settings = card->settings };
	uint32_t key = card->ifindex;
	int err;

	if (!card->settings) {
		forget(dp, card->ifindex);
		return 0;
	}
	if (known && memcmp(known, card, sizeof(*card)) == 0)
		return 0;
	memcpy(value.mac, card->mac, sizeof(value.mac));
	err = bpf_map_update_elem(dp->cards_fd, &key, &value, BPF_ANY);
	if (err)
		return err;
	if (known) {
		*known = *card;
		return 0;
	}
	err = append(dp, card);
	if (err)
		bpf_map_delete_elem(dp->cards_fd, &key);
	return err;
}
