/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the kernel says of network interfaces, by rtnetlink (libmnl): a picture of all links and
 * their IPv4 addresses that is kept up to date, and a callback for each change.
 */
#ifndef PLATFORM_NETLINK_H
#define PLATFORM_NETLINK_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct netlink;

struct netlink_address {
	uint8_t v4[4];
	uint8_t connected[4]; /* whose prefix is on the link: v4, or the peer it was given with */
	uint8_t prefix_len;
	bool secondary;
};

struct netlink_link {
	unsigned int ifindex;
	char name[IF_NAMESIZE];
	uint8_t mac[6];
	uint32_t mtu;
	bool up;      /* administratively */
	bool running; /* carrier: IFF_LOWER_UP */
	bool is_ethernet, is_loopback;
	char kind[16];	      /* as in `ip -d link`: "veth", "bridge"; "": of hardware */
	char master_kind[16]; /* that of `master` */
	bool is_layer3;	      /* an ipvlan without an Ethernet header of its own */
	bool all_multicast,
		promiscuous; /* set on the interface itself, not by a program's socket */
	bool is_bond;
	bool is_stacked; /* bonds, bridges and the like: another interface took tags of VLANs off */
	unsigned int master;  /* ifindex of a bridge or bond it belongs to, 0 */
	uint32_t xdp_prog_id; /* 0: no program; not told when one comes or goes by a bpf_link */
	const struct netlink_address *addresses;
	size_t n_addresses;
};

enum netlink_change {
	/* New, or anything about it changed, addresses included. */
	NETLINK_LINK,
	/* Deleted, renamed away or moved to another namespace; link->name is the old name. */
	NETLINK_GONE,
	/* Messages were lost and everything was read again: look at all links. link is NULL. */
	NETLINK_OVERRUN,
};
typedef void (*netlink_fn)(void *arg, enum netlink_change change, const struct netlink_link *link);

/*
 * Opens the sockets, in the network namespace of the caller, and reads all links and addresses. fn
 * is called from netlink_read() only and must not close it. Returns 0 or -errno.
 */
int netlink_open(struct netlink **netlink, netlink_fn fn, void *arg);
void netlink_close(struct netlink *netlink);
int netlink_fd(const struct netlink *netlink);
/* Reads what has come, a bounded part of it, updates the picture, calls fn. Returns 0 or -errno. */
int netlink_read(struct netlink *netlink);
const struct netlink_link *netlink_find(const struct netlink *netlink, const char *name);
const struct netlink_link *netlink_find_index(const struct netlink *netlink, unsigned int ifindex);
/* Returns true to go on. */
typedef bool (*netlink_each_fn)(void *arg, const struct netlink_link *link);
void netlink_each(const struct netlink *netlink, netlink_each_fn fn, void *arg);

#endif
