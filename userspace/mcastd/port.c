// SPDX-License-Identifier: BSD-2-Clause
/*
 * Ports follow the configuration and the kernel's interfaces. There is one function, ports_sync(),
 * called at the start, after every change that netlink tells of, after a reload and while something
 * has failed: it compares what should be with what is, and mends the difference.
 *
 * A port opens (open.c) in an order that never lets a frame meet something half made: program
 * attached (it passes everything), IGMP sockets in place, engine told, and only then the slot given
 * to the program. It closes the other way round.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mcastd/daemon.h"

const char *port_state_name(enum port_state state)
{
	static const char *const names[] = {
		[PORT_ABSENT] = "absent",
		[PORT_DOWN] = "down",
		[PORT_UP] = "up",
		[PORT_FAILED] = "failed",
	};

	return names[state];
}

const char *port_mode_name(enum dataplane_mode mode)
{
	static const char *const names[] = {
		[DATAPLANE_MODE_AUTO] = "auto",
		[DATAPLANE_MODE_NATIVE] = "native",
		[DATAPLANE_MODE_GENERIC] = "generic",
	};

	return names[mode];
}

const char *port_note(const struct port *port)
{
	if (port->audit.silent_note[0])
		return port->audit.silent_note;
	if (port->audit.refused_note[0])
		return port->audit.refused_note;
	if (port->audit.too_big_note[0])
		return port->audit.too_big_note;
	if (strcmp(port->note, "up") != 0)
		return port->note;
	if (port->card.note[0])
		return port->card.note;
	return port->lost_note[0] ? port->lost_note : NULL;
}

/*
 * What the driver refused was not sent. A batch counts as handed over before the driver has taken
 * it: what was told as sent once is not taken back.
 */
static uint64_t sent_packets(struct port *port, const struct mcastd_port_stats *stats)
{
	uint64_t sent = stats->out_packets - stats->out_refused;

	if (stats->out_refused < stats->out_packets && sent > port->sent_told)
		port->sent_told = sent;
	return port->sent_told;
}

int port_stats(struct port *port, struct mcastd_port_stats *stats)
{
	int err = dataplane_port_stats(port->daemon->dataplane, port->slot, stats);

	stats->out_packets = sent_packets(port, stats);
	stats->out_packets += port->slow.packets;
	stats->out_bytes += port->slow.bytes;
	stats->out_too_big += port->slow.too_big;
	stats->out_ttl_threshold += port->slow.ttl_threshold;
	return err;
}

void decide(const struct daemon *daemon, const struct decide_packet *packet,
	    struct decision *decision)
{
	struct decide_origins origins;

	origins.list = dataplane_origins(daemon->dataplane, &origins.n);
	decide_packet(daemon->forward, &origins, packet, decision);
}

bool is_own_source(const struct daemon *daemon, const struct addr *source)
{
	uint32_t n;
	const struct origin *origins = dataplane_origins(daemon->dataplane, &n);
	const struct origin *home = origin_find(origins, n, source);

	return home && home->slot == ORIGIN_SELF;
}

struct port *port_find(const struct daemon *daemon, const char *name)
{
	for (unsigned int slot = 1; slot < MCASTD_MAX_PORTS; slot++)
		if (daemon->ports[slot] && strcmp(daemon->ports[slot]->name, name) == 0)
			return daemon->ports[slot];
	return NULL;
}

/* A free slot; preferably the one that adopted maps have for the interface. */
static unsigned int choose_slot(const struct daemon *daemon, const char *name)
{
	const struct netlink_link *link = netlink_find(daemon->netlink, name);
	unsigned int slot = link ? dataplane_port_slot(daemon->dataplane, link->ifindex) : 0;

	if (slot && !daemon->ports[slot])
		return slot;
	for (slot = 1; slot < MCASTD_MAX_PORTS; slot++)
		if (!daemon->ports[slot])
			return slot;
	return 0;
}

static void port_new(struct daemon *daemon, const char *name)
{
	unsigned int slot = choose_slot(daemon, name);
	struct port *port = slot ? calloc(1, sizeof(*port)) : NULL;

	if (!port) {
		daemon->ports_missing = slot != 0;
		/* One word stands for all that follow, until there is room again. */
		if (!daemon->ports_refused++)
			log_error("%s: not taken, and perhaps others: %s", name,
				  slot ? "out of memory; tried again"
				       : "as many interfaces are ports as there can be; take "
					 "sections of absent ones out of the configuration");
		return;
	}
	port->daemon = daemon;
	port->slot = slot;
	port->config = config_find(daemon->config, name);
	snprintf(port->name, sizeof(port->name), "%s", name);
	daemon->ports[slot] = port;
}

/* State changes are told once. */
static void port_state(struct port *port, enum port_state state, const char *note)
{
	static const enum log_level levels[] = {
		[PORT_ABSENT] = LOG_LEVEL_WARNING,
		[PORT_DOWN] = LOG_LEVEL_NOTICE,
		[PORT_UP] = LOG_LEVEL_NOTICE,
		[PORT_FAILED] = LOG_LEVEL_ERROR,
	};
	static const char *const events[] = {
		[PORT_ABSENT] = "port-absent",
		[PORT_DOWN] = "port-down",
		[PORT_UP] = "port-up",
		[PORT_FAILED] = "port-failed",
	};

	if (port->state == state && strcmp(port->note, note) == 0)
		return;
	port->state = state;
	snprintf(port->note, sizeof(port->note), "%s", note);
	event_port(port->daemon, port, levels[state], events[state], note);
}

static void port_free(struct port *port)
{
	port_close(port);
	port->daemon->ports[port->slot] = NULL;
	free(port);
}

/* --- the router's own addresses --- */

struct own_sources {
	struct prefix *list; /* NULL: they are only counted */
	uint32_t n;
};

static bool add_own(void *arg, const struct netlink_link *link)
{
	struct own_sources *own = arg;

	for (size_t i = 0; i < link->n_addresses; i++, own->n++)
		if (own->list)
			own->list[own->n] =
				(struct prefix){ addr_from_v4(link->addresses[i].v4), 128 };
	return true;
}

void own_sources_sync(struct daemon *daemon)
{
	struct own_sources own = { 0 };
	int err = -ENOMEM;

	netlink_each(daemon->netlink, add_own, &own);
	own.list = calloc((size_t)own.n + 1, sizeof(*own.list));
	own.n = 0;
	if (own.list) {
		netlink_each(daemon->netlink, add_own, &own);
		err = dataplane_own_set(daemon->dataplane, own.list, own.n);
	}
	if (err && !daemon->told_own)
		log_warning("packets with the router's own addresses as sources are not refused: "
			    "%s",
			    err == -ENOSPC ? "no room for so many addresses" : strerror(-err));
	daemon->told_own = err != 0;
	free(own.list);
}

/* --- settings --- */

static struct dataplane_port wanted_port(const struct port *port, const struct netlink_link *link)
{
	struct dataplane_port wanted = {
		.ifindex = link->ifindex,
		.side = port->config->port.role == PORT_UPSTREAM ? MCASTD_SIDE_UPSTREAM
								 : MCASTD_SIDE_DOWNSTREAM,
		.ttl_threshold = port->config->ttl_threshold,
		.mtu = link->mtu,
		.down = !link->up || !link->running,
		.generic = port->mode == DATAPLANE_MODE_GENERIC,
		.drop_unknown = port->config->drop_unknown,
		.check_origin = true,
		.vlan = port->config->vlan,
		.no_native = port_mode_is_refused(port),
		.no_transmit = port->driver.learned == DATAPLANE_TRANSMIT_NO,
		.refuses = port->driver.refuses,
	};

	memcpy(wanted.name, port->name, sizeof(wanted.name));
	memcpy(wanted.mac, link->mac, sizeof(wanted.mac));
	return wanted;
}

/* Gives the data plane the port's settings if they are not what it has. */
static int apply_port(struct port *port, const struct netlink_link *link,
		      struct dataplane_error *error)
{
	struct dataplane_port wanted = wanted_port(port, link);
	int err;

	if (memcmp(&wanted, &port->applied, sizeof(wanted)) == 0)
		return 0;
	err = dataplane_port_set(port->daemon->dataplane, port->slot, &wanted, error);
	if (!err)
		port->applied = wanted;
	return err;
}

/* The subnet that comes with an address, as the engine writes prefixes. */
static struct prefix subnet_of(const struct netlink_address *address)
{
	struct prefix prefix = { .addr = addr_from_v4(address->connected),
				 .len = (uint8_t)(96 + address->prefix_len) };

	for (unsigned int bit = prefix.len; bit < 128; bit++)
		prefix.addr.b[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	return prefix;
}

/*
 * Tells the engine and the data plane of the link and its addresses. What it sends comes from the
 * lowest primary address (R-4.1-SRC): constant as long as that address is there.
 */
static int apply_link(struct port *port, const struct netlink_link *link,
		      struct dataplane_error *error)
{
	size_t n = link->n_addresses;
	struct addr *own = calloc(n + 1, sizeof(*own));
	struct prefix *subnets = calloc(n + port->config->n_altnet + 1, sizeof(*subnets));
	struct port_link state = { .up = link->up && link->running,
				   .own = own,
				   .subnets = subnets };
	int err = -ENOMEM;

	if (!own || !subnets)
		goto out;
	for (size_t i = 0; i < n; i++) {
		const struct netlink_address *address = &link->addresses[i];

		own[state.n_own] = addr_from_v4(address->v4);
		if (!address->secondary && (addr_is_unspecified(&state.address) ||
					    addr_cmp(&own[state.n_own], &state.address) < 0))
			state.address = own[state.n_own];
		state.n_own++;
		subnets[state.n_subnets++] = subnet_of(address);
	}
	for (size_t i = 0; i < port->config->n_altnet; i++)
		subnets[state.n_subnets++] = port->config->altnet[i];
	port->address = state.address;
	err = dataplane_origins_set(port->daemon->dataplane, port->slot, subnets, state.n_subnets);
	if (err == -ENOSPC)
		snprintf(error->text, sizeof(error->text),
			 "no room for its %zu subnets and altnet: all ports together may have %d; "
			 "say it with fewer, shorter prefixes",
			 (size_t)state.n_subnets, MCASTD_MAX_PREFIXES);
	if (!err)
		err = dataplane_boundary_set(port->daemon->dataplane, port->slot,
					     port->config->port.boundary,
					     port->config->port.n_boundary);
	if (err == -ENOSPC && !error->text[0])
		snprintf(error->text, sizeof(error->text),
			 "no room for its %u prefixes of boundary: all ports together may have %d; "
			 "say it with fewer, shorter prefixes",
			 port->config->port.n_boundary, MCASTD_MAX_PREFIXES);
	if (!err)
		err = engine_port_link(port->daemon->engine, port->slot, &state,
				       loop_now(port->daemon->loop), &port->daemon->actions);
out:
	free(own);
	free(subnets);
	return err;
}

static void apply_forward(struct port *port)
{
	const struct dataplane_copies *copies = dataplane_copies(port->daemon->dataplane);
	const struct config_interface *config = port->config;
	struct forward_port info = {
		.present = true,
		.role = config->port.role,
		.forward_as_non_querier = config->forward_as_non_querier,
		.boundary = config->port.boundary,
		.n_boundary = config->port.n_boundary,
		.ttl_threshold = port->applied.ttl_threshold,
		.mtu = port->applied.mtu,
		.vlan = (uint16_t)port->applied.vlan,
		.generic = port->applied.generic,
		.shares = port->applied.generic && copies->kind != DATAPLANE_COPIES_PRIVATE,
	};

	forward_port_set(port->daemon->forward, port->slot, &info);
}

/* What is to be known of a port that is up. */
static const char *up_note(const struct port *port, const struct mode_choice *choice,
			   struct dataplane_error *mode)
{
	const char *note;

	if (port->config->port.role == PORT_DOWNSTREAM && addr_is_unspecified(&port->address))
		return "no IPv4 address: no queries are sent, and nobody's membership is renewed; "
		       "give it one";
	if (dataplane_runs_other(port->daemon->dataplane, port->ifindex))
		return "up; an earlier mcastd's program forwards until hosts have reported";
	note = port_mode_note(port, choice, mode);
	return note ? note : "up";
}

static void port_absent(struct port *port)
{
	port_state(port, PORT_ABSENT, "no such interface; waiting for it");
}

/* It could not be brought to where it should be; perhaps because its interface has just gone. */
static void port_give_up(struct port *port, const struct netlink_link *link, int err,
			 struct dataplane_error *error)
{
	char name[IF_NAMESIZE];

	if (!error->text[0])
		snprintf(error->text, sizeof(error->text), "%s", strerror(-err));
	port_close(port);
	if (if_indextoname(link->ifindex, name))
		port_state(port, PORT_FAILED, error->text);
	else
		port_absent(port);
}

/* Brings one port to what its section and its link say. */
static void port_sync(struct port *port, const struct mode_choice *choice)
{
	struct daemon *daemon = port->daemon;
	const struct netlink_link *link = netlink_find(daemon->netlink, port->name);
	struct dataplane_error error = { "" };
	struct port_config config = port->config->port;
	int err = 0;

	if (!link) {
		port_absent(port);
		return;
	}
	if (!fit_is_port(link)) {
		port_close(port);
		fit_tell(link, netlink_find_index(daemon->netlink, link->master), error.text,
			 sizeof(error.text));
		port_state(port, PORT_FAILED, error.text);
		return;
	}
	if (port->open)
		err = port_follow(port, link, choice->mode, &error);
	else
		err = port_open(port, link, choice->mode, &error);
	loop_update_now(daemon->loop); /* attaching takes its time */
	config.mtu = link->mtu;
	if (!err)
		err = engine_port_configure(daemon->engine, port->slot, &config,
					    loop_now(daemon->loop), &daemon->actions);
	if (!err)
		err = apply_port(port, link, &error);
	if (!err)
		err = apply_link(port, link, &error);
	if (err) {
		port_give_up(port, link, err, &error);
		return;
	}
	apply_forward(port);
	daemon_perform(daemon); /* the first query goes out now, not when all ports are open */
	if (!link->up)
		port_state(port, PORT_DOWN, "down; ip link set it up");
	else if (!link->running)
		port_state(port, PORT_DOWN, "no carrier");
	else
		port_state(port, PORT_UP, up_note(port, choice, &error));
}

/* --- all ports --- */

/* Interfaces that adopted maps know come first, so that no other takes their slots. */
static bool add_adopted(void *arg, const struct netlink_link *link)
{
	struct daemon *daemon = arg;

	if (dataplane_port_slot(daemon->dataplane, link->ifindex) && fit_section(daemon, link) &&
	    !port_find(daemon, link->name))
		port_new(daemon, link->name);
	return true;
}

/* A pattern takes interfaces as they appear. */
static bool add_matching(void *arg, const struct netlink_link *link)
{
	struct daemon *daemon = arg;

	if (fit_section(daemon, link) && !port_find(daemon, link->name))
		port_new(daemon, link->name);
	return true;
}

/* The interfaces that have a section of their own, and are there or not. */
static void add_named(struct daemon *daemon, bool there)
{
	for (size_t i = 0; i < daemon->config->n_interfaces; i++) {
		const struct config_interface *section = &daemon->config->interfaces[i];

		if (!section->is_pattern && !port_find(daemon, section->name) &&
		    !!netlink_find(daemon->netlink, section->name) == there)
			port_new(daemon, section->name);
	}
}

/* What is not there comes last: there may not be room for all. */
static void ports_add(struct daemon *daemon)
{
	unsigned int refused = daemon->ports_refused;

	daemon->ports_missing = false;
	netlink_each(daemon->netlink, add_adopted, daemon);
	add_named(daemon, true);
	netlink_each(daemon->netlink, add_matching, daemon);
	add_named(daemon, false);
	if (daemon->ports_refused == refused)
		daemon->ports_refused = 0;
}

/* Of a pattern are those that are there and can be ports. */
static bool is_of_its_pattern(const struct port *port)
{
	const struct netlink_link *link = netlink_find(port->daemon->netlink, port->name);

	return link && fit_section(port->daemon, link);
}

/* Those without a section now, and those of a pattern that are not there any more. */
static void ports_remove(struct daemon *daemon)
{
	for (unsigned int slot = 1; slot < MCASTD_MAX_PORTS; slot++) {
		struct port *port = daemon->ports[slot];

		if (!port)
			continue;
		port->config = config_find(daemon->config, port->name);
		if (!port->config || (port->config->is_pattern && !is_of_its_pattern(port)))
			port_free(port);
	}
}

static bool is_to_be_port(const struct daemon *daemon, unsigned int slot, const char *name)
{
	const struct netlink_link *link = netlink_find(daemon->netlink, name);
	const struct port *port = daemon->ports[slot];

	if (port && (port->open || !link || fit_is_port(link)))
		return true;
	return link ? fit_is_port(link) && fit_section(daemon, link)
		    : config_find(daemon->config, name) != NULL;
}

/*
 * Ports of an earlier run, which was killed or kept them, that this configuration does not have:
 * the program there would go on forwarding what comes in. Attaching takes hold of it first.
 */
static void ports_let_go(struct daemon *daemon)
{
	for (unsigned int slot = 1; slot < MCASTD_MAX_PORTS; slot++) {
		unsigned int ifindex = dataplane_port_ifindex(daemon->dataplane, slot);
		struct dataplane_error error = { "" };
		enum dataplane_mode mode;
		char name[IF_NAMESIZE];

		if (!ifindex || !if_indextoname(ifindex, name) || is_to_be_port(daemon, slot, name))
			continue;
		mode = dataplane_port_recall(daemon->dataplane, slot).generic
			       ? DATAPLANE_MODE_GENERIC
			       : DATAPLANE_MODE_NATIVE;
		if (dataplane_attach(daemon->dataplane, ifindex, mode, &mode, &error))
			log_warning("%s", error.text);
		dataplane_port_del(daemon->dataplane, slot);
		dataplane_detach(daemon->dataplane, ifindex);
		log_notice("%s: no port any more", name);
	}
}

/* Downstream data without a route still goes upstream (P-4.2-UPALWAYS). */
static void apply_defaults(struct daemon *daemon)
{
	uint16_t upstream[MCASTD_MAX_PORTS];
	struct forward_ports ports = { .slots = upstream };

	for (unsigned int slot = 1; slot < MCASTD_MAX_PORTS; slot++) {
		const struct port *port = daemon->ports[slot];

		if (port && port->open && port->config->port.role == PORT_UPSTREAM)
			upstream[ports.n++] = (uint16_t)slot;
	}
	for (unsigned int slot = 1; slot < MCASTD_MAX_PORTS; slot++) {
		const struct port *port = daemon->ports[slot];
		int err;

		if (!port || !port->open || port->config->port.role == PORT_UPSTREAM)
			continue;
		err = dataplane_port_default(daemon->dataplane, slot, &ports);
		if (err)
			log_error("%s: data for the upstream is not forwarded: %s", port->name,
				  strerror(-err));
	}
}

/* Those whose interface is gone, or has become another. */
static void close_stale(struct daemon *daemon)
{
	for (unsigned int slot = 1; slot < MCASTD_MAX_PORTS; slot++) {
		struct port *port = daemon->ports[slot];
		const struct netlink_link *link;

		if (!port || !port->open)
			continue;
		link = netlink_find(daemon->netlink, port->name);
		if (!link || link->ifindex != port->ifindex)
			port_close(port);
	}
}

static void sync_all(struct daemon *daemon, const struct mode_choice *choices)
{
	for (unsigned int slot = 1; slot < MCASTD_MAX_PORTS; slot++)
		if (daemon->ports[slot])
			port_sync(daemon->ports[slot], &choices[slot]);
}

/* Told once: what mcastd does is the same without. */
static void tell_no_dispatcher(struct daemon *daemon)
{
	const char *why = dataplane_no_dispatcher(daemon->dataplane);

	if (!why || daemon->told_no_dispatcher)
		return;
	daemon->told_no_dispatcher = true;
	log_notice(
		"mcastd is alone on its interfaces, no other XDP program can run beside it: libxdp's "
		"dispatcher was tried and failed (%s); libxdp 1.5.5 or later may do",
		why);
}

void ports_sync(struct daemon *daemon)
{
	struct mode_choice choices[MCASTD_MAX_PORTS];

	ports_remove(daemon);
	ports_add(daemon);
	ports_let_go(daemon);
	close_stale(daemon);
	own_sources_sync(daemon);
	port_mode_choose(daemon, choices);
	sync_all(daemon, choices);
	tell_no_dispatcher(daemon);
	cards_restore(daemon, false);
	apply_defaults(daemon);
	copies_tell(daemon);
	daemon_perform(daemon);
	if (daemon->routes_stale)
		forward_update_all(daemon->forward);
	daemon->routes_stale = false;
	daemon_plan_takeover(daemon);
}

void ports_close(struct daemon *daemon, bool keep)
{
	/* The upstream first: it leaves everything at once, not group by group. */
	for (int pass = 0; pass < 2; pass++) {
		for (unsigned int slot = 1; slot < MCASTD_MAX_PORTS; slot++) {
			struct port *port = daemon->ports[slot];

			if (!port || (pass == 0 && port->applied.side != MCASTD_SIDE_UPSTREAM))
				continue;
			if (keep)
				port_forget(port);
			else
				port_free(port);
		}
	}
	if (!keep)
		cards_restore(daemon, true);
}
