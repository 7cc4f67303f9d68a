// SPDX-License-Identifier: BSD-2-Clause
/*
 * Tells what follows from copies that share their bytes, as long as some port is in generic mode:
 * once in the log, and in a note of each port that sends with another one's MAC.
 */
#include <stdio.h>
#include <string.h>

#include "mcastd/daemon.h"

/* The open port whose MAC all data has, NULL: each port has its own. */
static const struct port *find_common(const struct daemon *daemon)
{
	if (dataplane_copies(daemon->dataplane)->kind == DATAPLANE_COPIES_PRIVATE)
		return NULL;
	for (unsigned int slot = 1; slot < MCASTD_MAX_PORTS; slot++)
		if (daemon->ports[slot] && daemon->ports[slot]->open &&
		    daemon->ports[slot]->applied.generic)
			return daemon->ports[slot];
	return NULL;
}

static void note(struct port *port, const struct port *common)
{
	const uint8_t *mac;

	port->copies_note[0] = '\0';
	if (!port->open || !common)
		return;
	mac = dataplane_source_mac(port->daemon->dataplane, port->slot);
	if (memcmp(mac, port->applied.mac, sizeof(port->applied.mac)) != 0)
		snprintf(port->copies_note, sizeof(port->copies_note),
			 "its data leaves with the MAC of %s, see mcastd(8)", common->name);
}

static bool any_other_vlan(const struct daemon *daemon, unsigned int vlan)
{
	for (unsigned int slot = 1; slot < MCASTD_MAX_PORTS; slot++)
		if (daemon->ports[slot] && daemon->ports[slot]->open &&
		    daemon->ports[slot]->applied.vlan != vlan)
			return true;
	return false;
}

static void tell(const struct daemon *daemon, const struct port *common, bool tags)
{
	const struct dataplane_copies *copies = dataplane_copies(daemon->dataplane);
	char what[256];

	if (copies->kind == DATAPLANE_COPIES_SHARED)
		snprintf(what, sizeof(what), "on this kernel copies share their bytes there");
	else
		snprintf(what, sizeof(what), "copies may share their bytes there (not known: %s)",
			 copies->why);
	log_warning("%s is in generic mode, and %s: all data leaves with its MAC%s; see mcastd(8)",
		    common->name, what,
		    tags ? ", and what goes to ports of different VLANs leaves by the daemon" : "");
}

void copies_tell(struct daemon *daemon)
{
	const struct port *common = find_common(daemon);
	unsigned int slot = common ? common->slot : 0;
	bool tags = common && any_other_vlan(daemon, common->applied.vlan);

	for (unsigned int i = 1; i < MCASTD_MAX_PORTS; i++)
		if (daemon->ports[i])
			note(daemon->ports[i], common);
	if (slot && (slot != daemon->copies_told || tags != daemon->copies_tags_told))
		tell(daemon, common, tags);
	daemon->copies_told = slot;
	daemon->copies_tags_told = tags;
}
