/* SPDX-License-Identifier: BSD-2-Clause */
/* Ports: which interface has which slot, and what the programs know about it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>

#include "dataplane/internal.h"

static uint32_t slot_of(const struct dataplane *dp, unsigned int ifindex)
{
	uint32_t slot = 0;

	if (ifindex >= dp->map_entries[MAP_SLOTS] ||
	    bpf_map_lookup_elem(dp->map_fd[MAP_SLOTS], &ifindex, &slot) ||
	    slot >= dp->map_entries[MAP_PORTS])
		return 0;
	return slot;
}

static int slot_write(struct dataplane *dp, uint32_t ifindex, uint32_t slot)
{
	return bpf_map_update_elem(dp->map_fd[MAP_SLOTS], &ifindex, &slot, BPF_ANY);
}

unsigned int dataplane_port_slot(const struct dataplane *dp, unsigned int ifindex)
{
	return slot_of(dp, ifindex);
}

unsigned int dataplane_port_ifindex(const struct dataplane *dp, unsigned int slot)
{
	return slot < dp->map_entries[MAP_PORTS] ? dp->ports[slot].ifindex : 0;
}

struct dataplane_memory dataplane_port_recall(const struct dataplane *dp, unsigned int slot)
{
	const struct mcastd_port *port = &dp->ports[slot];

	if (!port->ifindex)
		return (struct dataplane_memory){ 0 };
	return (struct dataplane_memory){
		.mtu = port->mtu,
		.generic = port->flags & MCASTD_PORT_GENERIC,
		.no_native = port->flags & MCASTD_PORT_NO_NATIVE,
		.no_transmit = port->flags & MCASTD_PORT_NO_TRANSMIT,
		.refuses = port->flags & MCASTD_PORT_REFUSES,
	};
}

void port_run_egress(struct dataplane *dp)
{
	if (dp->egress_everywhere)
		return;
	dp->egress_everywhere = true;
	for (uint32_t slot = 1; slot < dp->map_entries[MAP_PORTS]; slot++)
		if (dp->ports[slot].ifindex)
			dp->ports[slot].flags |= MCASTD_PORT_EGRESS;
	dataplane_settle(dp);
}

void port_new_generation(struct dataplane *dp)
{
	for (uint32_t slot = 1; slot < dp->map_entries[MAP_PORTS]; slot++)
		if (dp->ports[slot].ifindex)
			__atomic_fetch_add(&dp->ports[slot].generation, 1, __ATOMIC_RELEASE);
}

static void port_fill(struct dataplane *dp, uint32_t slot, const struct dataplane_port *port)
{
	struct mcastd_port *entry = &dp->ports[slot];
	uint32_t flags = entry->flags & MCASTD_PORT_SHARES; /* see tell_copies() */

	if (port->drop_unknown)
		flags |= MCASTD_PORT_DROP_UNKNOWN;
	if (port->check_origin)
		flags |= MCASTD_PORT_CHECK_ORIGIN;
	if (prefix_has_boundary(dp, slot))
		flags |= MCASTD_PORT_BOUNDARY;
	if (dp->egress_everywhere)
		flags |= MCASTD_PORT_EGRESS;
	if (attach_is_ours(dp, port->ifindex))
		flags |= MCASTD_PORT_ATTACHED;
	if (port->generic)
		flags |= MCASTD_PORT_GENERIC;
	if (port->down)
		flags |= MCASTD_PORT_DOWN;
	if (port->no_native)
		flags |= MCASTD_PORT_NO_NATIVE;
	if (port->no_transmit)
		flags |= MCASTD_PORT_NO_TRANSMIT;
	if (port->refuses)
		flags |= MCASTD_PORT_REFUSES;
	memcpy(dp->own_macs[slot], port->mac, sizeof(dp->own_macs[slot]));
	entry->side = (uint8_t)port->side;
	entry->ttl_threshold = port->ttl_threshold;
	entry->mtu = port->mtu;
	entry->vlan = (uint16_t)port->vlan;
	entry->flags = flags;
	entry->ifindex = port->ifindex;
}

/* Every port is told of the least MTU there is. */
static void tell_least_mtu(struct dataplane *dp)
{
	uint32_t least = UINT32_MAX;

	for (uint32_t slot = 1; slot < dp->map_entries[MAP_PORTS]; slot++)
		if (dp->ports[slot].ifindex && dp->ports[slot].mtu < least)
			least = dp->ports[slot].mtu;
	for (uint32_t slot = 1; slot < dp->map_entries[MAP_PORTS]; slot++)
		if (dp->ports[slot].ifindex)
			dp->ports[slot].least_mtu = least;
}

/* NULL: data leaves each port with that port's own. */
static const uint8_t *common_mac(const struct dataplane *dp)
{
	for (uint32_t slot = 1; slot < dp->map_entries[MAP_PORTS]; slot++)
		if (dp->copies.kind != DATAPLANE_COPIES_PRIVATE && dp->ports[slot].ifindex &&
		    dp->ports[slot].flags & MCASTD_PORT_GENERIC)
			return dp->own_macs[slot];
	return NULL;
}

static bool any_other_vlan(const struct dataplane *dp, uint16_t vlan)
{
	for (uint32_t slot = 1; slot < dp->map_entries[MAP_PORTS]; slot++)
		if (dp->ports[slot].ifindex && dp->ports[slot].vlan != vlan)
			return true;
	return false;
}

/*
 * Where copies of what arrives in generic mode may share their bytes, whatever is written to one of
 * them must be right for all: one source MAC, and no tags that differ. It does not matter in which
 * mode the other ports are.
 */
static void tell_copies(struct dataplane *dp)
{
	const uint8_t *common = common_mac(dp);

	for (uint32_t slot = 1; slot < dp->map_entries[MAP_PORTS]; slot++) {
		struct mcastd_port *port = &dp->ports[slot];
		const uint8_t *mac = common ? common : dp->own_macs[slot];

		if (!port->ifindex)
			continue;
		if (memcmp(port->mac, mac, sizeof(port->mac)) != 0)
			memcpy(port->mac, mac, sizeof(port->mac));
		if (common && port->flags & MCASTD_PORT_GENERIC && any_other_vlan(dp, port->vlan))
			port->flags |= MCASTD_PORT_SHARES;
		else
			port->flags &= ~(uint32_t)MCASTD_PORT_SHARES;
	}
}

/* What a port knows of the others. */
static void tell_others(struct dataplane *dp)
{
	tell_least_mtu(dp);
	tell_copies(dp);
}

const uint8_t *dataplane_source_mac(const struct dataplane *dp, unsigned int slot)
{
	return dp->ports[slot].mac;
}

/* A broadcast in generic mode ends at the first member that is down, so it must not be there. */
static int follow_link(struct dataplane *dp, uint32_t slot, uint32_t old_flags)
{
	uint32_t flags = dp->ports[slot].flags;

	if (!((flags ^ old_flags) & MCASTD_PORT_DOWN))
		return 0;
	if (!(flags & MCASTD_PORT_DOWN))
		return set_add_device(dp, slot);
	set_del_device(dp, slot);
	return 0;
}

int dataplane_port_set(struct dataplane *dp, unsigned int slot, const struct dataplane_port *port,
		       struct dataplane_error *error)
{
	struct mcastd_port *entry;
	uint32_t old_flags;
	int err;

	if (slot < 1 || slot >= dp->map_entries[MAP_PORTS])
		return dataplane_fail(error, -ENOSPC, "%s: more than %u ports", port->name,
				      dp->map_entries[MAP_PORTS] - 1);
	if (port->ifindex < 1 || port->ifindex >= dp->map_entries[MAP_SLOTS])
		return dataplane_fail(error, -ERANGE,
				      "%s: its interface index %u is beyond %u, the last one the "
				      "maps have room for",
				      port->name, port->ifindex, dp->map_entries[MAP_SLOTS] - 1);
	entry = &dp->ports[slot];
	if (entry->ifindex && entry->ifindex != port->ifindex)
		dataplane_port_del(dp, slot);
	if (port->vlan)
		port_run_egress(dp);
	if (!entry->ifindex || entry->side != port->side)
		route_exclude_arrival(dp, slot);
	if (entry->ifindex) {
		old_flags = entry->flags;
		port_fill(dp, slot, port);
		tell_others(dp);
		err = follow_link(dp, slot, old_flags);
		if (!err)
			err = prefix_maps_update(dp);
		return err ? dataplane_fail(error, err, "%s: its settings: %s", port->name,
					    strerror(-err))
			   : 0;
	}

	/* First what leads to the port, last what makes it one. */
	port_fill(dp, slot, port);
	tell_others(dp);
	err = prefix_maps_update(dp);
	if (!err)
		err = set_add_device(dp, slot);
	if (!err)
		err = slot_write(dp, port->ifindex, slot);
	if (err) {
		dataplane_port_del(dp, slot);
		return dataplane_fail(error, err, "%s: cannot be made a port: %s", port->name,
				      err == -EINVAL ? "no such interface in this namespace"
						     : strerror(-err));
	}
	return 0;
}

int dataplane_port_del(struct dataplane *dp, unsigned int slot)
{
	struct mcastd_port *entry;
	uint32_t ifindex, out;

	if (slot < 1 || slot >= dp->map_entries[MAP_PORTS] || !dp->ports[slot].ifindex)
		return -ENOENT;
	entry = &dp->ports[slot];
	ifindex = entry->ifindex;
	out = entry->default_out;
	if (slot_of(dp, ifindex) == slot)
		slot_write(dp, ifindex, 0);
	set_del_device(dp, slot);
	entry->default_out = MCASTD_OUT_NONE;
	out_release(dp, out);
	memset(entry, 0, sizeof(*entry));
	tell_others(dp);
	prefix_maps_drop(dp, slot);
	return prefix_maps_update(dp);
}

int dataplane_port_default(struct dataplane *dp, unsigned int slot,
			   const struct forward_ports *ports)
{
	uint32_t out, old;
	int err;

	if (slot < 1 || slot >= dp->map_entries[MAP_PORTS])
		return -EINVAL;
	err = out_acquire(dp, dp->ports[slot].side, ports, &out);
	if (err)
		return err;
	old = dp->ports[slot].default_out;
	__atomic_store_n(&dp->ports[slot].default_out, out, __ATOMIC_RELEASE);
	out_release(dp, old);
	return 0;
}

uint32_t dataplane_punted(const struct dataplane *dp, unsigned int slot, enum mcastd_punt punt)
{
	return __atomic_load_n(&dp->limits[MCASTD_LIMIT_INDEX(slot, punt)].taken, __ATOMIC_ACQUIRE);
}

void dataplane_grant(struct dataplane *dp, unsigned int slot, enum mcastd_punt punt, uint32_t until)
{
	__atomic_store_n(&dp->limits[MCASTD_LIMIT_INDEX(slot, punt)].granted, until,
			 __ATOMIC_RELEASE);
}

/* Keeps the ports that are whole: their interface is there and is known under their slot. */
int port_adopt(struct dataplane *dp)
{
	bool tagged = false;

	/* Their own MACs are known when they are set again. */
	for (uint32_t slot = 1; slot < dp->map_entries[MAP_PORTS]; slot++)
		memcpy(dp->own_macs[slot], dp->ports[slot].mac, sizeof(dp->own_macs[slot]));
	for (uint32_t slot = 1; slot < dp->map_entries[MAP_PORTS]; slot++) {
		struct mcastd_port *entry = &dp->ports[slot];
		char name[IF_NAMESIZE];

		if (!entry->ifindex)
			continue;
		if (entry->flags & MCASTD_PORT_EGRESS)
			dp->egress_everywhere = true;
		if (!out_adopt(dp, entry->default_out))
			entry->default_out = MCASTD_OUT_NONE;
		if (slot_of(dp, entry->ifindex) != slot || !if_indextoname(entry->ifindex, name))
			dataplane_port_del(dp, slot);
		tagged |= entry->vlan != 0;
	}
	if (tagged) /* the ingress program of another build may have done without */
		port_run_egress(dp);
	return 0;
}

void port_clear(struct dataplane *dp)
{
	for (uint32_t slot = 1; slot < dp->map_entries[MAP_PORTS]; slot++)
		if (dp->ports[slot].ifindex)
			dataplane_port_del(dp, slot);
}
