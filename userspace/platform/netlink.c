/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two sockets: one gets the kernel's announcements, the other asks for everything, at the start
 * and whenever announcements were lost. Those that were waiting by then are thrown away first: they
 * are older than what is read, and what came after them may be lost. One that arrives meanwhile may
 * be old as well, but the newer ones follow it, so the picture is right in the end.
 */
#include "platform/netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if.h> /* IFF_LOWER_UP */
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NETLINK_DUMP_TRIES 16
#define NETLINK_READS_MAX 256
#define NETLINK_RECEIVE_BUFFER (1 << 20)
#define NETLINK_ADDRESSES_MAX 1024 /* of one link */

struct entry {
	struct netlink_link link;
	struct netlink_address *addresses; /* link.addresses, writable */
	bool seen;			   /* while everything is read again */
};

struct netlink {
	struct mnl_socket *events;
	struct mnl_socket *requests;
	struct entry **entries;
	size_t n_entries;
	netlink_fn fn;
	void *arg;
	bool quiet; /* everything is being read: one NETLINK_OVERRUN stands for all changes */
	_Alignas(struct nlmsghdr) char buffer[32768];
};

static struct entry *find_entry(const struct netlink *netlink, unsigned int ifindex)
{
	for (size_t i = 0; i < netlink->n_entries; i++)
		if (netlink->entries[i]->link.ifindex == ifindex)
			return netlink->entries[i];
	return NULL;
}

static struct entry *add_entry(struct netlink *netlink, unsigned int ifindex)
{
	struct entry **grown =
		reallocarray(netlink->entries, netlink->n_entries + 1, sizeof(*grown));
	struct entry *entry;

	if (!grown)
		return NULL;
	netlink->entries = grown;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return NULL;
	entry->link.ifindex = ifindex;
	grown[netlink->n_entries++] = entry;
	return entry;
}

static void free_entry(struct entry *entry)
{
	free(entry->addresses);
	free(entry);
}

static void tell(const struct netlink *netlink, enum netlink_change change,
		 const struct entry *entry)
{
	if (netlink->fn && (!netlink->quiet || change != NETLINK_LINK))
		netlink->fn(netlink->arg, change, entry ? &entry->link : NULL);
}

static void remove_entry(struct netlink *netlink, size_t i)
{
	struct entry *entry = netlink->entries[i];

	netlink->entries[i] = netlink->entries[netlink->n_entries - 1];
	netlink->entries[--netlink->n_entries] = NULL;
	tell(netlink, NETLINK_GONE, entry);
	free_entry(entry);
}

static void parse_xdp(const struct nlattr *xdp, struct netlink_link *link)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, xdp)
	{
		if (mnl_attr_get_type(attr) == IFLA_XDP_PROG_ID &&
		    mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
			link->xdp_prog_id = mnl_attr_get_u32(attr);
	}
}

static bool is_kind(const struct nlattr *attr, const char *kind)
{
	return strncmp(mnl_attr_get_str(attr), kind, mnl_attr_get_payload_len(attr)) == 0;
}

static void copy_kind(char *kind, const struct nlattr *attr)
{
	snprintf(kind, sizeof(((struct netlink_link *)0)->kind), "%.*s",
		 (int)mnl_attr_get_payload_len(attr), mnl_attr_get_str(attr));
}

static void parse_kind(const struct nlattr *attr, struct netlink_link *link)
{
	static const char *const stacked[] = { "bond", "bridge", "macvlan", "team" };

	copy_kind(link->kind, attr);
	link->is_bond = is_kind(attr, "bond");
	for (size_t i = 0; i < sizeof(stacked) / sizeof(stacked[0]); i++)
		link->is_stacked |= is_kind(attr, stacked[i]);
}

static bool is_ipvlan_l2(const struct nlattr *data)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, data)
	{
		if (mnl_attr_get_type(attr) == IFLA_IPVLAN_MODE &&
		    mnl_attr_validate(attr, MNL_TYPE_U16) >= 0)
			return mnl_attr_get_u16(attr) == IPVLAN_MODE_L2;
	}
	return true;
}

static void parse_info(const struct nlattr *info, struct netlink_link *link)
{
	const struct nlattr *attr, *data = NULL;

	mnl_attr_for_each_nested(attr, info)
	{
		bool is_text = mnl_attr_validate(attr, MNL_TYPE_STRING) >= 0;

		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND && is_text)
			parse_kind(attr, link);
		else if (mnl_attr_get_type(attr) == IFLA_INFO_SLAVE_KIND && is_text)
			copy_kind(link->master_kind, attr);
		else if (mnl_attr_get_type(attr) == IFLA_INFO_DATA)
			data = attr;
	}
	link->is_layer3 = data && strcmp(link->kind, "ipvlan") == 0 && !is_ipvlan_l2(data);
}

/* Fills everything of *link but its addresses. Returns 0 or -EBADMSG. */
static int parse_link(const struct nlmsghdr *header, struct netlink_link *link)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(header);
	const struct nlattr *attr;

	link->ifindex = (unsigned int)info->ifi_index;
	link->up = info->ifi_flags & IFF_UP;
	link->running = info->ifi_flags & IFF_LOWER_UP;
	link->is_ethernet = info->ifi_type == ARPHRD_ETHER;
	link->is_loopback = info->ifi_flags & IFF_LOOPBACK;
	link->all_multicast = info->ifi_flags & IFF_ALLMULTI;
	link->promiscuous = info->ifi_flags & IFF_PROMISC;
	mnl_attr_for_each(attr, header, sizeof(*info))
	{
		switch (mnl_attr_get_type(attr)) {
		case IFLA_IFNAME:
			if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) < 0 ||
			    mnl_attr_get_payload_len(attr) > sizeof(link->name))
				return -EBADMSG;
			memcpy(link->name, mnl_attr_get_str(attr), mnl_attr_get_payload_len(attr));
			break;
		case IFLA_ADDRESS:
			if (mnl_attr_get_payload_len(attr) == sizeof(link->mac))
				memcpy(link->mac, mnl_attr_get_payload(attr), sizeof(link->mac));
			break;
		case IFLA_MTU:
			if (mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
				link->mtu = mnl_attr_get_u32(attr);
			break;
		case IFLA_MASTER:
			if (mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
				link->master = mnl_attr_get_u32(attr);
			break;
		case IFLA_XDP:
			parse_xdp(attr, link);
			break;
		case IFLA_LINKINFO:
			parse_info(attr, link);
			break;
		default:
			break;
		}
	}
	return link->name[0] ? 0 : -EBADMSG;
}

static int handle_link(struct netlink *netlink, const struct nlmsghdr *header)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(header);
	struct netlink_link link;
	struct entry *entry;

	if (mnl_nlmsg_get_payload_len(header) < sizeof(*info))
		return 0;
	/* Bridges announce their ports in a family of their own; "deleted" means taken out there.
	 */
	if (info->ifi_family != AF_UNSPEC)
		return 0;
	entry = find_entry(netlink, (unsigned int)info->ifi_index);
	if (header->nlmsg_type == RTM_DELLINK) {
		for (size_t i = 0; entry && i < netlink->n_entries; i++) {
			if (netlink->entries[i] == entry) {
				remove_entry(netlink, i);
				break;
			}
		}
		return 0;
	}
	memset(&link, 0, sizeof(link)); /* padding too: it is compared below */
	if (parse_link(header, &link) < 0)
		return 0;
	if (entry && strcmp(entry->link.name, link.name) != 0)
		tell(netlink, NETLINK_GONE, entry);
	if (!entry)
		entry = add_entry(netlink, link.ifindex);
	if (!entry)
		return -ENOMEM;
	entry->seen = true;
	link.addresses = entry->addresses;
	link.n_addresses = entry->link.n_addresses;
	if (memcmp(&entry->link, &link, sizeof(link)) != 0) {
		memcpy(&entry->link, &link, sizeof(link));
		tell(netlink, NETLINK_LINK, entry);
	}
	return 0;
}

static int parse_address(const struct nlmsghdr *header, struct netlink_address *address)
{
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(header);
	const struct nlattr *attr;
	bool has_local = false, has_address = false;

	*address = (struct netlink_address){
		.prefix_len = info->ifa_prefixlen,
		.secondary = info->ifa_flags & IFA_F_SECONDARY,
	};
	mnl_attr_for_each(attr, header, sizeof(*info))
	{
		uint16_t type = mnl_attr_get_type(attr);

		if (mnl_attr_get_payload_len(attr) != sizeof(address->v4))
			continue;
		if (type == IFA_LOCAL) {
			memcpy(address->v4, mnl_attr_get_payload(attr), sizeof(address->v4));
			has_local = true;
		} else if (type == IFA_ADDRESS) { /* with a peer: the peer's */
			memcpy(address->connected, mnl_attr_get_payload(attr),
			       sizeof(address->connected));
			has_address = true;
		}
	}
	if (!has_local)
		memcpy(address->v4, address->connected, sizeof(address->v4));
	if (!has_address)
		memcpy(address->connected, address->v4, sizeof(address->connected));
	return has_local || has_address ? 0 : -EBADMSG;
}

static struct netlink_address *find_address(const struct entry *entry,
					    const struct netlink_address *address)
{
	for (size_t i = 0; i < entry->link.n_addresses; i++) {
		struct netlink_address *a = &entry->addresses[i];

		if (memcmp(a->v4, address->v4, sizeof(a->v4)) == 0 &&
		    memcmp(a->connected, address->connected, sizeof(a->connected)) == 0 &&
		    a->prefix_len == address->prefix_len)
			return a;
	}
	return NULL;
}

static int add_address(struct entry *entry, const struct netlink_address *address)
{
	size_t n = entry->link.n_addresses;
	struct netlink_address *grown;

	if (n == NETLINK_ADDRESSES_MAX)
		return -E2BIG;
	grown = reallocarray(entry->addresses, n + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	grown[n] = *address;
	entry->link.addresses = entry->addresses = grown;
	entry->link.n_addresses = n + 1;
	return 0;
}

static void remove_address(struct entry *entry, struct netlink_address *address)
{
	size_t after = (size_t)(entry->addresses + entry->link.n_addresses - (address + 1));

	memmove(address, address + 1, after * sizeof(*address));
	entry->link.n_addresses--;
}

static int handle_address(struct netlink *netlink, const struct nlmsghdr *header)
{
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(header);
	struct netlink_address address, *known;
	struct entry *entry;

	if (mnl_nlmsg_get_payload_len(header) < sizeof(*info) || info->ifa_family != AF_INET)
		return 0;
	entry = find_entry(netlink, info->ifa_index);
	if (!entry || parse_address(header, &address) < 0)
		return 0;
	known = find_address(entry, &address);
	if (header->nlmsg_type == RTM_DELADDR) {
		if (!known)
			return 0;
		remove_address(entry, known);
	} else if (known) {
		if (known->secondary == address.secondary)
			return 0;
		known->secondary = address.secondary; /* promoted */
	} else {
		int error = add_address(entry, &address);

		if (error)
			return error == -E2BIG ? 0 : error;
	}
	tell(netlink, NETLINK_LINK, entry);
	return 0;
}

static int handle_message(const struct nlmsghdr *header, void *arg)
{
	struct netlink *netlink = arg;
	int error = 0;

	switch (header->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		error = handle_link(netlink, header);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		error = handle_address(netlink, header);
		break;
	default:
		break;
	}
	if (error) {
		errno = -error;
		return MNL_CB_ERROR;
	}
	return MNL_CB_OK;
}

/* Returns 0, -EINTR when the kernel's tables changed meanwhile, or -errno. */
static int dump(struct netlink *netlink, uint16_t type)
{
	_Alignas(struct nlmsghdr) char request[256];
	struct nlmsghdr *header = mnl_nlmsg_put_header(request);
	int result = MNL_CB_OK;

	header->nlmsg_type = type;
	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	if (type == RTM_GETLINK) {
		mnl_nlmsg_put_extra_header(header, sizeof(struct ifinfomsg));
		mnl_attr_put_u32(header, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	} else {
		struct ifaddrmsg *info = mnl_nlmsg_put_extra_header(header, sizeof(*info));

		info->ifa_family = AF_INET;
	}
	if (mnl_socket_sendto(netlink->requests, header, header->nlmsg_len) < 0)
		return -errno;
	while (result > MNL_CB_STOP) {
		ssize_t n = mnl_socket_recvfrom(netlink->requests, netlink->buffer,
						sizeof(netlink->buffer));

		if (n < 0)
			return -errno;
		result = mnl_cb_run(netlink->buffer, (size_t)n, 0,
				    mnl_socket_get_portid(netlink->requests), handle_message,
				    netlink);
	}
	return result < 0 ? -errno : 0;
}

/* The rest of an interrupted answer would be taken for the answer to the next question. */
static int open_requests(struct netlink *netlink)
{
	if (netlink->requests)
		mnl_socket_close(netlink->requests);
	netlink->requests = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!netlink->requests || mnl_socket_bind(netlink->requests, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	return 0;
}

/* Addresses are only added up from a dump: forget them first, keep the links. */
static int read_everything_once(struct netlink *netlink)
{
	int error;

	for (size_t i = 0; i < netlink->n_entries; i++) {
		netlink->entries[i]->seen = false;
		netlink->entries[i]->link.n_addresses = 0;
	}
	error = open_requests(netlink);
	if (!error)
		error = dump(netlink, RTM_GETLINK);
	if (!error)
		error = dump(netlink, RTM_GETADDR);
	return error;
}

static int read_everything(struct netlink *netlink)
{
	int error = -EINTR;

	netlink->quiet = true;
	for (int i = 0; i < NETLINK_DUMP_TRIES && error == -EINTR; i++)
		error = read_everything_once(netlink);
	for (size_t i = 0; !error && i < netlink->n_entries;) {
		if (netlink->entries[i]->seen)
			i++;
		else
			remove_entry(netlink, i);
	}
	netlink->quiet = false;
	return error;
}

static int open_events(struct netlink *netlink)
{
	static const int size = NETLINK_RECEIVE_BUFFER;
	int fd;

	netlink->events = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!netlink->events)
		return -errno;
	fd = mnl_socket_get_fd(netlink->events);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (mnl_socket_bind(netlink->events, RTMGRP_LINK | RTMGRP_IPV4_IFADDR, MNL_SOCKET_AUTOPID) <
	    0)
		return -errno;
	return 0;
}

int netlink_open(struct netlink **netlink_out, netlink_fn fn, void *arg)
{
	struct netlink *netlink = calloc(1, sizeof(*netlink));
	int error;

	if (!netlink)
		return -ENOMEM;
	error = open_events(netlink);
	if (!error)
		error = read_everything(netlink);
	if (error) {
		netlink_close(netlink);
		return error;
	}
	netlink->fn = fn;
	netlink->arg = arg;
	*netlink_out = netlink;
	return 0;
}

void netlink_close(struct netlink *netlink)
{
	if (!netlink)
		return;
	if (netlink->events)
		mnl_socket_close(netlink->events);
	if (netlink->requests)
		mnl_socket_close(netlink->requests);
	for (size_t i = 0; i < netlink->n_entries; i++)
		free_entry(netlink->entries[i]);
	free(netlink->entries);
	free(netlink);
}

int netlink_fd(const struct netlink *netlink)
{
	return mnl_socket_get_fd(netlink->events);
}

/* Receives announcements. Returns their length, -EAGAIN, -ENOBUFS: some were lost, or -errno. */
static ssize_t receive_events(struct netlink *netlink)
{
	ssize_t n;

	do
		n = mnl_socket_recvfrom(netlink->events, netlink->buffer, sizeof(netlink->buffer));
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static int start_over(struct netlink *netlink)
{
	ssize_t n;
	int error;

	do
		n = receive_events(netlink);
	while (n >= 0 || n == -ENOBUFS);
	if (n != -EAGAIN)
		return (int)n;
	error = read_everything(netlink);
	if (!error)
		tell(netlink, NETLINK_OVERRUN, NULL);
	return error;
}

int netlink_read(struct netlink *netlink)
{
	/* Bounded: whatever floods us with changes, the rest of the daemon gets its turn. */
	for (int i = 0; i < NETLINK_READS_MAX; i++) {
		ssize_t n = receive_events(netlink);
		int error = 0;

		if (n == -EAGAIN)
			return 0;
		if (n == -ENOBUFS)
			error = start_over(netlink);
		else if (n < 0)
			return (int)n;
		else if (mnl_cb_run(netlink->buffer, (size_t)n, 0, 0, handle_message, netlink) < 0)
			error = start_over(netlink); /* it could not be kept */
		if (error)
			return error;
	}
	return 0;
}

const struct netlink_link *netlink_find(const struct netlink *netlink, const char *name)
{
	for (size_t i = 0; i < netlink->n_entries; i++)
		if (strcmp(netlink->entries[i]->link.name, name) == 0)
			return &netlink->entries[i]->link;
	return NULL;
}

const struct netlink_link *netlink_find_index(const struct netlink *netlink, unsigned int ifindex)
{
	const struct entry *entry = find_entry(netlink, ifindex);

	return entry ? &entry->link : NULL;
}

void netlink_each(const struct netlink *netlink, netlink_each_fn fn, void *arg)
{
	for (size_t i = 0; i < netlink->n_entries; i++)
		if (!fn(arg, &netlink->entries[i]->link))
			return;
}
