/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Flags are written by rtnetlink, which changes one and leaves the others alone, whoever writes
 * those at the same time. The kernel counts the flags that programs hold by sockets apart from
 * these, which stay when a program ends.
 */
#include "platform/card.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define SETTINGS 7
#define BLOCKS_MAX 8 /* of 32 features; Linux 6.18 has two */
#define STRINGS_MAX (BLOCKS_MAX * 32)

static const struct {
	const char *name; /* as card_setting_name() tells it */
	unsigned int flag;
	const char *feature;
} settings_table[SETTINGS] = {
	{ .name = "allmulticast on", .flag = IFF_ALLMULTI },
	{ .name = "promisc on", .flag = IFF_PROMISC },
	{ .name = "rx-vlan-hw-parse off", .feature = "rx-vlan-hw-parse" },
	{ .name = "rx-vlan-stag-hw-parse off", .feature = "rx-vlan-stag-hw-parse" },
	{ .name = "rx-vlan-filter off", .feature = "rx-vlan-filter" },
	{ .name = "rx-lro off", .feature = "rx-lro" },
	{ .name = "rx-gro-hw off", .feature = "rx-gro-hw" },
};

/* --- features --- */

/* Where each setting's feature is among those of the kernel; -1: this kernel has none such. */
struct places {
	int bit[SETTINGS];
};

static int ethtool(int fd, struct ifreq *request, void *command)
{
	request->ifr_data = command;
	return ioctl(fd, SIOCETHTOOL, request) < 0 ? -errno : 0;
}

static int count_strings(int fd, struct ifreq *request, uint32_t *count)
{
	struct {
		struct ethtool_sset_info info;
		uint32_t count;
	} ask = { .info = { .cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ULL << ETH_SS_FEATURES } };
	int error = ethtool(fd, request, &ask);

	if (!error && (!ask.info.sset_mask || ask.count > STRINGS_MAX))
		error = -EOPNOTSUPP;
	*count = ask.count;
	return error;
}

static int read_places(int fd, struct ifreq *request, struct places *places)
{
	struct ethtool_gstrings *strings;
	uint32_t count;
	int error = count_strings(fd, request, &count);

	memset(places, -1, sizeof(*places));
	if (error)
		return error;
	strings = calloc(1, sizeof(*strings) + STRINGS_MAX * (size_t)ETH_GSTRING_LEN);
	if (!strings)
		return -ENOMEM;
	strings->cmd = ETHTOOL_GSTRINGS;
	strings->string_set = ETH_SS_FEATURES;
	strings->len = count;
	error = ethtool(fd, request, strings);
	for (uint32_t bit = 0; !error && bit < count; bit++)
		for (int i = 0; i < SETTINGS; i++)
			if (settings_table[i].feature &&
			    strncmp((char *)strings->data + (size_t)bit * ETH_GSTRING_LEN,
				    settings_table[i].feature, ETH_GSTRING_LEN) == 0)
				places->bit[i] = (int)bit;
	free(strings);
	return error;
}

/* They are the same for all interfaces, for as long as the kernel runs. */
static int find_places(int fd, struct ifreq *request, const struct places **places)
{
	static struct places found;
	static bool known;
	int error = known ? 0 : read_places(fd, request, &found);

	known = !error;
	*places = &found;
	return error;
}

struct features {
	struct ethtool_gfeatures head;
	struct ethtool_get_features_block blocks[BLOCKS_MAX];
};

/* Also gives the number of blocks that this kernel has, in head.size. */
static int get_features(int fd, struct ifreq *request, struct features *features)
{
	*features = (struct features){ .head = { .cmd = ETHTOOL_GFEATURES, .size = BLOCKS_MAX } };
	return ethtool(fd, request, features);
}

static int read_features(int fd, struct ifreq *request, struct card *card)
{
	const struct places *places;
	struct features features;
	int error = find_places(fd, request, &places);

	if (!error)
		error = get_features(fd, request, &features);
	for (int i = 0; !error && i < SETTINGS; i++) {
		const struct ethtool_get_features_block *block;
		uint32_t mask, setting = 1U << i;

		if (!settings_table[i].feature)
			continue;
		if (places->bit[i] < 0) {
			card->ready |= setting;
			continue;
		}
		block = &features.blocks[places->bit[i] / 32];
		mask = 1U << places->bit[i] % 32;
		if (!(block->active & mask))
			card->ready |= setting;
		if (!(block->available & ~block->never_changed & mask))
			card->fixed |= setting;
	}
	return error;
}

static int change_features(int fd, struct ifreq *request, uint32_t settings, bool on)
{
	struct {
		struct ethtool_sfeatures head;
		struct ethtool_set_features_block blocks[BLOCKS_MAX];
	} set = { .head = { .cmd = ETHTOOL_SFEATURES } };
	const struct places *places;
	struct features features;
	int error = find_places(fd, request, &places);

	if (!error)
		error = get_features(fd, request, &features);
	if (error)
		return error;
	set.head.size = features.head.size;
	for (int i = 0; i < SETTINGS; i++) {
		struct ethtool_set_features_block *block;
		uint32_t mask;

		if (!(settings & 1U << i) || !settings_table[i].feature || places->bit[i] < 0)
			continue;
		block = &set.blocks[places->bit[i] / 32];
		mask = 1U << places->bit[i] % 32;
		block->valid |= mask;
		if (on)
			block->requested |= mask;
	}
	return ethtool(fd, request, &set);
}

/* --- flags --- */

static int read_flags(int fd, struct ifreq *request, struct card *card)
{
	if (ioctl(fd, SIOCGIFFLAGS, request) < 0)
		return -errno;
	for (int i = 0; i < SETTINGS; i++)
		if ((unsigned int)request->ifr_flags & settings_table[i].flag)
			card->ready |= 1U << i;
	return 0;
}

/* Sends the request and waits for its acknowledgement. Returns 0 or -errno. */
static int perform(const struct nlmsghdr *header)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	_Alignas(struct nlmsghdr) char reply[4096];
	ssize_t n = -1;
	int error = 0;

	if (!nl)
		return -errno;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) == 0 &&
	    mnl_socket_sendto(nl, header, header->nlmsg_len) >= 0)
		n = mnl_socket_recvfrom(nl, reply, sizeof(reply));
	if (n < 0 || mnl_cb_run(reply, (size_t)n, header->nlmsg_seq, mnl_socket_get_portid(nl),
				NULL, NULL) < 0)
		error = -errno;
	mnl_socket_close(nl);
	return error;
}

static int change_flags(unsigned int ifindex, uint32_t settings, bool on)
{
	_Alignas(struct nlmsghdr) char request[64];
	struct nlmsghdr *header = mnl_nlmsg_put_header(request);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(header, sizeof(*info));

	header->nlmsg_type = RTM_SETLINK;
	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	header->nlmsg_seq = 1;
	info->ifi_index = (int)ifindex;
	for (int i = 0; i < SETTINGS; i++)
		if (settings & 1U << i)
			info->ifi_change |= settings_table[i].flag;
	info->ifi_flags = on ? info->ifi_change : 0;
	return perform(header);
}

/* --- both --- */

/* A socket to ask with, and the interface's name in the request. Returns it or -errno. */
static int open_request(unsigned int ifindex, struct ifreq *request)
{
	int fd;

	memset(request, 0, sizeof(*request));
	if (!if_indextoname(ifindex, request->ifr_name))
		return errno == ENXIO ? -ENODEV : -errno;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

int card_read(unsigned int ifindex, struct card *card)
{
	struct ifreq request;
	int fd = open_request(ifindex, &request), error;

	memset(card, 0, sizeof(*card));
	if (fd < 0)
		return fd;
	error = read_flags(fd, &request, card);
	if (!error)
		error = read_features(fd, &request, card);
	close(fd);
	return error;
}

int card_change(unsigned int ifindex, uint32_t settings, bool for_port)
{
	struct ifreq request;
	int error = 0, fd;

	if (settings & CARD_FLAGS)
		error = change_flags(ifindex, settings, for_port);
	if (error || !(settings & CARD_FEATURES))
		return error;
	fd = open_request(ifindex, &request);
	if (fd < 0)
		return fd;
	error = change_features(fd, &request, settings, !for_port);
	close(fd);
	return error;
}

const char *card_setting_name(uint32_t setting)
{
	for (int i = 0; i < SETTINGS; i++)
		if (setting == 1U << i)
			return settings_table[i].name;
	return NULL;
}

const char *card_settings_text(uint32_t settings, char *text, size_t size)
{
	size_t len = 0;

	text[0] = '\0';
	for (int i = 0; i < SETTINGS && len < size; i++)
		if (settings & 1U << i)
			len += (size_t)snprintf(text + len, size - len, "%s%s", len ? ", " : "",
						settings_table[i].name);
	return text;
}
