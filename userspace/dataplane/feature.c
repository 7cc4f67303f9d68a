/* SPDX-License-Identifier: BSD-2-Clause */
/* What an interface can do with XDP: generic netlink, family "netdev" (Linux 6.3 and later). */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>

#include "dataplane/dataplane.h"

/* From linux/netdev.h, which Debian 12 does not have yet. */
#define NETDEV_CMD_DEV_GET 1
#define NETDEV_A_DEV_IFINDEX 1
#define NETDEV_A_DEV_XDP_FEATURES 3
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

int dataplane_can_transmit(unsigned int ifindex)
{
	struct mnl_socket *nl = mnl_socket_open(NETLINK_GENERIC);
	uint64_t features = 0;
	int err;

	if (!nl)
		return -errno;
	err = mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ? -errno : 0;
	if (!err)
		err = query_features(nl, ifindex, &features);
	mnl_socket_close(nl);
	return err ? err : !!(features & NETDEV_XDP_ACT_NDO_XMIT);
}
