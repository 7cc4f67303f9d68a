// SPDX-License-Identifier: BSD-2-Clause
/*
 * The router is a host too. Two things are done for the programs on it:
 *
 * Queries that mcastd takes off the wire are handed to the kernel's own IGMP as well, and so are
 * the general queries that mcastd sends: a program on the router that has joined a group is
 * answered for, on upstream and downstream links, as long as it runs.
 *
 * Data of a group that is forwarded does not reach the router's own stack. Where a program has
 * joined such a group the log says so, once for each.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mcastd/daemon.h"
#include "platform/local.h"
#include "rules/range.h"

/* How soon after a join, and how often anyway, the kernel's memberships are looked at. */
#define CHECK_SOON_MS 1000
#define CHECK_MS 60000
#define TOLD_MAX 64

/* A local membership that has been told of. */
struct local_told {
	unsigned int ifindex;
	uint8_t group[4];
};

struct local {
	int deadline;
	uint64_t due;
	struct local_told told[TOLD_MAX];
	unsigned int n_told;
	bool inject_failed;
};

static struct port *port_at_index(const struct daemon *daemon, unsigned int ifindex)
{
	for (unsigned int slot = 1; slot < MCASTD_MAX_PORTS; slot++)
		if (daemon->ports[slot] && daemon->ports[slot]->ifindex == ifindex)
			return daemon->ports[slot];
	return NULL;
}

static bool any_membership(const struct engine_membership_view *view, void *arg)
{
	(void)view;
	*(bool *)arg = true;
	return false;
}

/* Remembers that it was told; false: it had been before, or there is no room. */
static bool tell_once(struct local *local, unsigned int ifindex, const uint8_t group[4])
{
	struct local_told *told = local->told;

	for (unsigned int i = 0; i < local->n_told; i++)
		if (told[i].ifindex == ifindex && memcmp(told[i].group, group, 4) == 0)
			return false;
	if (local->n_told == TOLD_MAX)
		return false;
	told[local->n_told].ifindex = ifindex;
	memcpy(told[local->n_told++].group, group, 4);
	return true;
}

static bool check_group(void *arg, unsigned int ifindex, const uint8_t group[4])
{
	struct daemon *daemon = arg;
	const struct port *port = port_at_index(daemon, ifindex);
	struct addr addr = addr_from_v4(group);
	bool forwarded = false;
	char text[200], name[ADDR_TEXT_MAX];

	if (!port || range_of_group(&addr) != RANGE_ROUTED)
		return true;
	engine_each_of_group(daemon->engine, &addr, any_membership, &forwarded);
	if (!forwarded || !tell_once(daemon->local, ifindex, group))
		return true;
	snprintf(text, sizeof(text),
		 "a program on this host has joined %s, which is forwarded: what XDP forwards does "
		 "not reach this host itself; see mcastd(8)",
		 addr_format(&addr, name, sizeof(name)));
	event_port(daemon, port, LOG_LEVEL_WARNING, "local-join", text);
	return true;
}

static uint64_t check_due(void *arg, uint64_t now)
{
	struct daemon *daemon = arg;
	int err = local_each_group(check_group, daemon);

	if (err)
		log_warning("cannot read this host's own memberships: %s", strerror(-err));
	daemon->local->due = now + CHECK_MS;
	return daemon->local->due;
}

void local_check_soon(struct daemon *daemon)
{
	struct local *local = daemon->local;
	uint64_t soon = loop_now(daemon->loop) + CHECK_SOON_MS;

	if (local->due <= soon)
		return;
	local->due = soon;
	loop_deadline_set(daemon->loop, local->deadline, soon);
}

static void inject(struct port *port, uint8_t *frame, size_t len)
{
	struct local *local = port->daemon->local;
	int err = dataplane_inject(port->daemon->dataplane, port->ifindex, frame, len);

	if (err && !local->inject_failed)
		log_warning("%s: the kernel's own IGMP does not see queries: %s; programs on this "
			    "host may lose their groups",
			    port->name, strerror(-err));
	local->inject_failed = err != 0;
}

void local_hear_query(struct port *port, const struct message *message, const uint8_t *frame,
		      size_t len)
{
	bool general = addr_is_unspecified(&message->query.group);
	uint8_t copy[WIRE_FRAME_MAX];
	unsigned int left_out;

	/* Handing a frame over takes milliseconds; and a flood is not for the kernel either. */
	if (len > sizeof(copy) ||
	    !log_limit_pass(general ? &port->local_general : &port->local_specific,
			    loop_now(port->daemon->loop), &left_out))
		return;
	memcpy(copy, frame, len);
	inject(port, copy, len);
}

void local_hear_own_query(struct port *port, const struct message *message)
{
	struct message query = *message;
	uint8_t frame[WIRE_FRAME_MAX];
	ssize_t len;

	/* The kernel takes its own address for a martian's; 0.0.0.0 it accepts to 224.0.0.1. */
	if (!addr_is_unspecified(&query.query.group))
		return;
	memset(&query.source, 0, sizeof(query.source));
	len = wire_build(&query, port->applied.mac, (uint16_t)port->applied.vlan, frame,
			 sizeof(frame));
	if (len > 0)
		inject(port, frame, (size_t)len);
}

struct local_find {
	const uint8_t *group;
	unsigned int ifindex;
};

static bool find_group(void *arg, unsigned int ifindex, const uint8_t group[4])
{
	struct local_find *find = arg;

	if (memcmp(group, find->group, 4) != 0)
		return true;
	find->ifindex = ifindex;
	return false;
}

const struct port *local_joined_on(const struct daemon *daemon, const struct addr *group)
{
	struct local_find find = { .group = group->b + 12 };

	local_each_group(find_group, &find);
	return find.ifindex ? port_at_index(daemon, find.ifindex) : NULL;
}

int local_open(struct daemon *daemon)
{
	daemon->local = calloc(1, sizeof(*daemon->local));
	if (!daemon->local)
		return -ENOMEM;
	daemon->local->due = loop_now(daemon->loop) + CHECK_SOON_MS;
	daemon->local->deadline =
		loop_add_deadline(daemon->loop, daemon->local->due, check_due, daemon);
	return daemon->local->deadline < 0 ? daemon->local->deadline : 0;
}

void local_close(struct daemon *daemon)
{
	free(daemon->local);
	daemon->local = NULL;
}
