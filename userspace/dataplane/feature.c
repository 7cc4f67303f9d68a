/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an interface can do with XDP: generic netlink, family "netdev" (Linux 6.3 and later). And
 * when that, or the number of its queues, may have changed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>

#include "dataplane/dataplane.h"

/* From linux/netdev.h, which Debian 12 does not have yet. */
#define NETDEV_CMD_DEV_GET 1
#define NETDEV_A_DEV_IFINDEX 1
#define NETDEV_A_DEV_XDP_FEATURES 3
#define NETDEV_XDP_ACT_BASIC (1 << 0)
#define NETDEV_XDP_ACT_NDO_XMIT (1 << 2)

#define REPLY_MAX 8192 /* the description of one family, of one interface */

struct wanted {
	uint16_t type;
	uint64_t value;
	bool found;
};

static int find_attribute(const struct nlattr *attr, void *data)
{
	struct wanted *wanted = data;

	if (mnl_attr_get_type(attr) != wanted->type)
		return MNL_CB_OK;
	wanted->value = mnl_attr_get_payload_len(attr) >= 8 ? mnl_attr_get_u64(attr)
							    : mnl_attr_get_u16(attr);
	wanted->found = true;
	return MNL_CB_OK;
}

static int parse_reply(const struct nlmsghdr *nlh, void *data)
{
	return mnl_attr_parse(nlh, sizeof(struct genlmsghdr), find_attribute, data);
}

static struct nlmsghdr *begin(char *buf, uint16_t family, uint8_t command, uint32_t seq)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *genl;

	nlh->nlmsg_type = family;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	nlh->nlmsg_seq = seq;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = command;
	genl->version = 1;
	return nlh;
}

/* Sends the request and finds one attribute in what comes back. Returns 0 or -errno. */
static int ask(struct mnl_socket *nl, struct nlmsghdr *nlh, struct wanted *wanted)
{
	char reply[REPLY_MAX];
	uint32_t seq = nlh->nlmsg_seq;
	ssize_t n;
	int status = MNL_CB_OK;

	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	while (status > MNL_CB_STOP) {
		n = mnl_socket_recvfrom(nl, reply, sizeof(reply));
		if (n < 0)
			return -errno;
		status = mnl_cb_run(reply, (size_t)n, seq, mnl_socket_get_portid(nl), parse_reply,
				    wanted);
	}
	if (status < 0)
		return -errno;
	return wanted->found ? 0 : -EOPNOTSUPP;
}

static int query_features(struct mnl_socket *nl, unsigned int ifindex, uint64_t *features)
{
	struct wanted family = { .type = CTRL_ATTR_FAMILY_ID };
	struct wanted dev = { .type = NETDEV_A_DEV_XDP_FEATURES };
	char buf[REPLY_MAX];
	struct nlmsghdr *nlh = begin(buf, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1);
	int err;

	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, "netdev");
	err = ask(nl, nlh, &family);
	if (err)
		return err == -ENOENT ? -EOPNOTSUPP : err;
	nlh = begin(buf, (uint16_t)family.value, NETDEV_CMD_DEV_GET, 2);
	mnl_attr_put_u32(nlh, NETDEV_A_DEV_IFINDEX, ifindex);
	err = ask(nl, nlh, &dev);
	*features = dev.value;
	return err;
}

enum dataplane_transmit dataplane_transmit(unsigned int ifindex)
{
	struct mnl_socket *nl = mnl_socket_open(NETLINK_GENERIC);
	uint64_t features = 0;
	int err = -EIO;

	if (!nl)
		return DATAPLANE_TRANSMIT_UNKNOWN;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) == 0)
		err = query_features(nl, ifindex, &features);
	mnl_socket_close(nl);
	if (err)
		return DATAPLANE_TRANSMIT_UNKNOWN;
	if (features & NETDEV_XDP_ACT_NDO_XMIT)
		return DATAPLANE_TRANSMIT_YES;
	return features & NETDEV_XDP_ACT_BASIC ? DATAPLANE_TRANSMIT_NO : DATAPLANE_TRANSMIT_NEVER;
}

/* --- changes of features and queues --- */

/* One multicast group of a family: its name and its number. */
struct group {
	const char *name;
	uint32_t id;
};

static int parse_group(const struct nlattr *attr, void *data)
{
	struct group *group = data;

	if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GRP_NAME)
		group->name = mnl_attr_get_str(attr);
	else if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GRP_ID)
		group->id = mnl_attr_get_u32(attr);
	return MNL_CB_OK;
}

/* Finds the number of the group whose name is given. */
static int parse_groups(const struct nlattr *attr, void *data)
{
	struct group group = { "", 0 }, *wanted = data;

	if (mnl_attr_parse_nested(attr, parse_group, &group) < 0)
		return MNL_CB_ERROR;
	if (strcmp(group.name, wanted->name) == 0)
		wanted->id = group.id;
	return MNL_CB_OK;
}

static int find_groups(const struct nlattr *attr, void *data)
{
	if (mnl_attr_get_type(attr) != CTRL_ATTR_MCAST_GROUPS)
		return MNL_CB_OK;
	return mnl_attr_parse_nested(attr, parse_groups, data);
}

static int parse_family(const struct nlmsghdr *nlh, void *data)
{
	return mnl_attr_parse(nlh, sizeof(struct genlmsghdr), find_groups, data);
}

/* The number of a multicast group, or 0. */
static uint32_t find_group(struct mnl_socket *nl, const char *family, const char *name)
{
	char buf[REPLY_MAX];
	struct nlmsghdr *nlh = begin(buf, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1);
	struct group group = { name, 0 };
	ssize_t n;

	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, family);
	nlh->nlmsg_flags = NLM_F_REQUEST;
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return 0;
	n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
	if (n < 0 ||
	    mnl_cb_run(buf, (size_t)n, 1, mnl_socket_get_portid(nl), parse_family, &group) < 0)
		return 0;
	return group.id;
}

static bool join_group(struct mnl_socket *nl, uint32_t id)
{
	return id && mnl_socket_setsockopt(nl, NETLINK_ADD_MEMBERSHIP, &id, sizeof(id)) == 0;
}

int dataplane_watch_open(void)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	uint32_t features, queues;
	int fd = -EOPNOTSUPP;

	if (!nl)
		return -errno;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) == 0) {
		features = find_group(nl, "netdev", "mgmt");
		queues = find_group(nl, "ethtool", "monitor");
		if (join_group(nl, features) | join_group(nl, queues))
			fd = fcntl(mnl_socket_get_fd(nl), F_DUPFD_CLOEXEC, 0);
	}
	mnl_socket_close(nl);
	return fd;
}

void dataplane_watch_drain(int fd)
{
	char buf[REPLY_MAX];

	ssize_t n;

	do {
		n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	} while (n > 0 || (n < 0 && errno == ENOBUFS));
}
