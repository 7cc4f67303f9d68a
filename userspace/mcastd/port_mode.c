// SPDX-License-Identifier: BSD-2-Clause
/*
 * The facts for mode.c, and what is made of its choices. What attaching has shown of a device is
 * remembered until the device changes: neither is it tried again and again, nor do ports go back
 * and forth because a driver tells something else once the program is off.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mcastd/daemon.h"

/* --- what is known of a device --- */

static struct dataplane_memory recall(const struct port *port, const struct netlink_link *link)
{
	struct dataplane_memory memory = { 0 };

	if (dataplane_port_slot(port->daemon->dataplane, link->ifindex) == port->slot)
		memory = dataplane_port_recall(port->daemon->dataplane, port->slot);
	return memory;
}

/* A new device: what an earlier run has left of it. */
static void meet_device(struct port *port, const struct netlink_link *link)
{
	struct dataplane_memory memory = recall(port, link);
	struct port_driver *driver = &port->driver;

	*driver = (struct port_driver){ .ifindex = link->ifindex, .mtu = link->mtu };
	driver->grown = memory.mtu && memory.mtu < link->mtu;
	if (memory.mtu != link->mtu)
		return;
	driver->refuses = memory.refuses;
	if (memory.no_transmit)
		driver->learned = DATAPLANE_TRANSMIT_NO;
	if (memory.no_native) {
		driver->refused = true;
		snprintf(driver->note, sizeof(driver->note),
			 "generic mode, because native mode was refused before a restart");
	} else if (memory.generic && port->config->xdp_mode == DATAPLANE_MODE_NATIVE) {
		driver->works = true; /* else it would not have been there */
	}
}

/* Has it changed in a way that may matter to its driver? */
static void follow_device(struct port *port, const struct netlink_link *link)
{
	struct port_driver *driver = &port->driver;
	unsigned int n_queues = xsk_queue_count(port->name);

	if (driver->ifindex != link->ifindex)
		meet_device(port, link);
	else if (driver->mtu != link->mtu || (driver->n_queues && driver->n_queues != n_queues))
		*driver = (struct port_driver){ .ifindex = link->ifindex,
						.mtu = link->mtu,
						.n_queues = n_queues,
						.grown = driver->mtu < link->mtu ||
							 driver->mtu_note[0] };
	if (link->up && driver->was_down)
		port_mode_forget(port);
	driver->was_down = !link->up;
}

void port_mode_forget(struct port *port)
{
	port->driver.refused = port->driver.refuses = false;
}

/*
 * The MTU has grown under a native program. Drivers take one only if a frame fits one page; but not
 * all of them refuse an MTU that is set later.
 */
static void ask_driver(struct port *port)
{
	struct port_driver *driver = &port->driver;
	struct dataplane_error why = { "" };

	driver->grown = false;
	if (!dataplane_ask_again(port->daemon->dataplane, driver->ifindex, &why))
		return;
	snprintf(driver->mtu_note, sizeof(driver->mtu_note),
		 "up, but at an MTU of %u its driver drops larger frames that arrive, in native "
		 "mode (%.112s): lower it, or set xdp-mode = auto",
		 driver->mtu, why.text);
	snprintf(driver->note, sizeof(driver->note),
		 "generic mode, because native mode is refused: %.112s", why.text);
}

/* Somebody else may have taken the program off, and the port is still to learn of it. */
static bool is_attached(const struct port *port, enum dataplane_transmit transmit)
{
	if (!port->attached || port->mode != DATAPLANE_MODE_NATIVE)
		return false;
	return transmit != DATAPLANE_TRANSMIT_NO ||
	       dataplane_attached(port->daemon->dataplane, port->ifindex);
}

static enum mode_native native_of(const struct port *port)
{
	const struct port_driver *driver = &port->driver;

	if (driver->refused ||
	    dataplane_refused(port->daemon->dataplane, driver->ifindex, DATAPLANE_MODE_NATIVE))
		return MODE_REFUSED;
	return driver->works ? MODE_WORKS : MODE_UNTRIED;
}

bool port_mode_is_refused(const struct port *port)
{
	return native_of(port) == MODE_REFUSED;
}

static struct mode_port facts_of(struct port *port)
{
	const struct netlink_link *link = netlink_find(port->daemon->netlink, port->name);
	struct port_driver *driver = &port->driver;
	struct mode_port facts = { .configured = port->config->xdp_mode, .waiting = true };

	if (!link || !fit_is_port(link))
		return facts;
	follow_device(port, link);
	facts.there = link->up;
	facts.carrier = link->running;
	facts.waiting = dataplane_runs_other(port->daemon->dataplane, link->ifindex);
	facts.bond = link->is_bond;
	facts.transmit = dataplane_transmit(link->ifindex);
	facts.attached = is_attached(port, facts.transmit);
	if (facts.attached) {
		driver->works = true;
		driver->learned = facts.transmit;
		if (driver->grown)
			ask_driver(port);
	}
	facts.native = facts.attached ? MODE_WORKS : native_of(port);
	if (facts.configured == DATAPLANE_MODE_AUTO && driver->mtu_note[0])
		facts.native = MODE_REFUSED; /* it is about to be in generic mode */
	facts.learned = driver->learned;
	facts.refuses = driver->refuses;
	return facts;
}

/* --- choices --- */

static void choose(struct daemon *daemon, struct mode_choice *choices)
{
	struct mode_port facts[MCASTD_MAX_PORTS] = { 0 };

	for (unsigned int slot = 1; slot < MCASTD_MAX_PORTS; slot++)
		if (daemon->ports[slot])
			facts[slot] = facts_of(daemon->ports[slot]);
		else
			facts[slot].waiting = true;
	mode_choose(facts, MCASTD_MAX_PORTS, choices);
}

/*
 * Only the program, which passes everything until the port is one, and what its card must be set to
 * for it. What fails is told later.
 */
static bool try_ports(struct daemon *daemon, const struct mode_choice *choices, bool *tried)
{
	const struct netlink_link *link;
	struct dataplane_error error;
	bool any = false;

	for (unsigned int slot = 1; slot < MCASTD_MAX_PORTS; slot++) {
		struct port *port = daemon->ports[slot];

		if (!choices[slot].try || tried[slot])
			continue;
		any = tried[slot] = true;
		port->ifindex = port->driver.ifindex;
		link = netlink_find(daemon->netlink, port->name);
		if (link && !port_card_sync(port, link, &error))
			port_attach(port, choices[slot].mode, &error);
	}
	return any;
}

void port_mode_choose(struct daemon *daemon, struct mode_choice *choices)
{
	bool tried[MCASTD_MAX_PORTS] = { false };

	do {
		choose(daemon, choices);
	} while (try_ports(daemon, choices, tried));
}

/* --- words --- */

/* Of the port that all others are in generic mode for: why, and what to do. */
static const char *const causes[MODE_REASONS] = {
	[MODE_NO_BOND] = "a bond has no XDP transmit: all ports run in generic mode",
	[MODE_NO_DRIVER] = "its driver offers no native XDP, and so has no XDP transmit: all ports "
			   "run in generic mode; without this port the others could run natively",
	[MODE_NO_PROGRAM] = "so it has no XDP transmit, and all ports run in generic mode",
	[MODE_NO_TRANSMIT] =
		"its driver has no XDP transmit as it is: all ports run in generic mode; a veth has "
		"it when GRO is on at its peer (ethtool -K PEER gro on)",
	[MODE_NO_ACCEPTANCE] =
		"its driver refused what ports in native mode sent to it, so it has no XDP transmit: "
		"all ports run in generic mode; mcastctl reload has native mode tried again",
	[MODE_NO_PERMISSION] =
		"generic mode, as configured; so its driver has no XDP transmit, and all ports run "
		"in generic mode; set xdp-mode = auto for it",
	[MODE_NO_KNOWLEDGE] =
		"generic mode, as configured; whether it has XDP transmit this kernel does not "
		"tell, so all ports run in generic mode; set xdp-mode = auto for it if it has",
};

const char *port_mode_note(const struct port *port, const struct mode_choice *choice,
			   struct dataplane_error *note)
{
	const struct port *cause = port->daemon->ports[choice->cause];
	const char *of_program = choice->reason == MODE_NO_PROGRAM ? port->driver.note : "";

	switch (choice->reason) {
	case MODE_AS_WANTED:
		return port->driver.mtu_note[0] ? port->driver.mtu_note : NULL;
	case MODE_AS_CONFIGURED:
		return "up in generic mode, as configured";
	case MODE_FELL_BACK:
		return port->driver.note;
	default:
		break;
	}
	if (cause == port)
		snprintf(note->text, sizeof(note->text), "%.180s%s%s", of_program,
			 of_program[0] ? "; " : "", causes[choice->reason]);
	else
		snprintf(note->text, sizeof(note->text),
			 "generic mode%s, because %s has no XDP transmit: see mcastctl show "
			 "interfaces %s",
			 port->config->xdp_mode == DATAPLANE_MODE_NATIVE
				 ? " in spite of xdp-mode = native"
				 : "",
			 cause->name, cause->name);
	return note->text;
}
