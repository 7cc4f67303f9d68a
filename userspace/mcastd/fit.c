// SPDX-License-Identifier: BSD-2-Clause
/*
 * Which interfaces can be ports. What belongs to a bridge, bond or team cannot: its frames are the
 * master's, and a program there would take them away. Others carry nothing at all from or to a
 * link.
 */
#include <stdio.h>
#include <string.h>

#include "mcastd/daemon.h"

/* Kinds of interfaces that look like Ethernet and carry no multicast of a link. */
static const struct {
	const char *kind;
	const char *why;
} carry_nothing[] = {
	{ "dummy", "a dummy interface, which has no link" },
	{ "ifb", "an ifb interface, which only shapes what comes by others" },
	{ "vrf", "a VRF, which has no link; make the interfaces in it ports" },
};

static const char *carries_nothing(const struct netlink_link *link)
{
	for (size_t i = 0; i < sizeof(carry_nothing) / sizeof(carry_nothing[0]); i++)
		if (strcmp(link->kind, carry_nothing[i].kind) == 0)
			return carry_nothing[i].why;
	if (link->is_layer3)
		return "an ipvlan in mode l3, which passes no multicast; use mode l2, or macvlan";
	if (link->is_loopback)
		return "the loopback interface, which has no link";
	return link->is_ethernet ? NULL : "not an Ethernet interface";
}

/* The interfaces of a VRF keep their frames. */
static bool is_enslaved(const struct netlink_link *link)
{
	return link->master && strcmp(link->master_kind, "vrf") != 0;
}

bool fit_is_port(const struct netlink_link *link)
{
	return !is_enslaved(link) && !carries_nothing(link);
}

void fit_tell(const struct netlink_link *link, const struct netlink_link *master, char *text,
	      size_t size)
{
	const char *name = master ? master->name : "?";

	if (!is_enslaved(link))
		snprintf(text, size, "%s: cannot be a port", carries_nothing(link));
	else
		snprintf(text, size,
			 "belongs to %s %s, whose frames these are: make that the port (interface "
			 "%s), or take it out (ip link set %s nomaster)",
			 link->master_kind[0] ? link->master_kind : "the interface", name, name,
			 link->name);
}

const struct config_interface *fit_section(const struct daemon *daemon,
					   const struct netlink_link *link)
{
	const struct config_interface *section = config_find(daemon->config, link->name);

	return section && section->is_pattern && !fit_is_port(link) ? NULL : section;
}
