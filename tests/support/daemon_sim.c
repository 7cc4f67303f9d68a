/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon_sim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define START_MS 10000000
#define IFINDEX(slot) (100 + (slot))

/* What is linked in the place of others has no argument of ours. */
static struct daemon_sim *current;

/* The ports' sockets: only their addresses are of use. */
static uint64_t sockets[SIM_PORTS];

static void must(bool ok)
{
	if (!ok)
		abort();
}

static struct xsk *socket_of(unsigned int slot)
{
	return (struct xsk *)(void *)&sockets[slot];
}

static unsigned int slot_of(const struct xsk *xsk)
{
	return (unsigned int)((const uint64_t *)(const void *)xsk - sockets);
}

/* --- in the place of platform/ ---------------------------------------------------------------- */

uint64_t __wrap_loop_now(const struct loop *loop);
void __wrap_loop_update_now(struct loop *loop);
int __wrap_loop_add_deadline(struct loop *loop, uint64_t at, loop_deadline_fn fn, void *arg);
void __wrap_loop_deadline_set(struct loop *loop, int id, uint64_t at);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);
int __wrap_xsk_send(struct xsk *xsk, const uint8_t *frame, size_t len);
unsigned int __wrap_xsk_waiting(const struct xsk *xsk);
void __wrap_xsk_read_counters(const struct xsk *xsk, struct xsk_counters *counters);

uint64_t __wrap_loop_now(const struct loop *loop)
{
	(void)loop;
	return current->now;
}

void __wrap_loop_update_now(struct loop *loop)
{
	(void)loop;
}

int __wrap_loop_add_deadline(struct loop *loop, uint64_t at, loop_deadline_fn fn, void *arg)
{
	(void)loop;
	current->deadlines[current->n_deadlines] = (struct sim_deadline){ at, fn, arg };
	return current->n_deadlines++;
}

void __wrap_loop_deadline_set(struct loop *loop, int id, uint64_t at)
{
	(void)loop;
	current->deadlines[id].at = at;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
	(void)clock;
	ts->tv_sec = (time_t)(current->now / 1000);
	ts->tv_nsec = (long)(current->now % 1000) * 1000000;
	return 0;
}

int __wrap_xsk_send(struct xsk *xsk, const uint8_t *frame, size_t len)
{
	struct sim_frame *sent = &current->sent[current->n_sent];
	int err = current->on_send ? current->on_send(current) : current->send_error;

	current->send_error = 0;
	if (err)
		return err;
	if (current->n_sent < SIM_SENT) {
		sent->slot = slot_of(xsk);
		memcpy(sent->frame.bytes, frame, len);
		sent->frame.len = len;
		current->n_sent++;
	}
	return 0;
}

unsigned int __wrap_xsk_waiting(const struct xsk *xsk)
{
	(void)xsk;
	return current->waiting;
}

void __wrap_xsk_read_counters(const struct xsk *xsk, struct xsk_counters *counters)
{
	(void)xsk;
	memset(counters, 0, sizeof(*counters));
}

/* --- in the place of dataplane/ --------------------------------------------------------------- */

uint32_t __wrap_dataplane_punted(const struct dataplane *dp, unsigned int slot,
				 enum mcastd_punt punt);
void __wrap_dataplane_grant(struct dataplane *dp, unsigned int slot, enum mcastd_punt punt,
			    uint32_t until);
int __wrap_dataplane_inject(struct dataplane *dp, unsigned int ifindex, uint8_t *frame, size_t len);
int __wrap_dataplane_port_stats(struct dataplane *dp, unsigned int slot,
				struct mcastd_port_stats *stats);
int __wrap_dataplane_route_stats(struct dataplane *dp, const struct addr *group,
				 const struct addr *source, struct mcastd_route_stats *stats);
int __wrap_dataplane_each_unwanted(struct dataplane *dp, dataplane_unwanted_fn fn, void *arg);
const uint8_t *__wrap_dataplane_source_mac(const struct dataplane *dp, unsigned int slot);
const struct origin *__wrap_dataplane_origins(const struct dataplane *dp, uint32_t *n);

uint32_t __wrap_dataplane_punted(const struct dataplane *dp, unsigned int slot,
				 enum mcastd_punt punt)
{
	(void)dp;
	return current->taken[slot][punt];
}

void __wrap_dataplane_grant(struct dataplane *dp, unsigned int slot, enum mcastd_punt punt,
			    uint32_t until)
{
	(void)dp;
	current->granted[slot][punt] = until;
}

const uint8_t *__wrap_dataplane_source_mac(const struct dataplane *dp, unsigned int slot)
{
	(void)dp;
	return current->ports[slot].applied.mac;
}

int __wrap_dataplane_inject(struct dataplane *dp, unsigned int ifindex, uint8_t *frame, size_t len)
{
	(void)dp;
	(void)ifindex;
	(void)frame;
	(void)len;
	return 0;
}

int __wrap_dataplane_port_stats(struct dataplane *dp, unsigned int slot,
				struct mcastd_port_stats *stats)
{
	(void)dp;
	*stats = current->port_stats[slot];
	return 0;
}

int __wrap_dataplane_route_stats(struct dataplane *dp, const struct addr *group,
				 const struct addr *source, struct mcastd_route_stats *stats)
{
	(void)dp;
	(void)group;
	(void)source;
	*stats = current->route_stats;
	return 0;
}

int __wrap_dataplane_each_unwanted(struct dataplane *dp, dataplane_unwanted_fn fn, void *arg)
{
	(void)dp;
	for (unsigned int i = 0; i < SIM_UNWANTED; i++)
		if (current->unwanted[i].key.slot &&
		    !fn(&current->unwanted[i].key, &current->unwanted[i].value, arg))
			break;
	return 0;
}

static int set_route(void *ctx, const struct forward_route *route)
{
	(void)ctx;
	(void)route;
	current->route_sets++;
	return 0;
}

static int del_route(void *ctx, const struct addr *group, const struct addr *source)
{
	(void)ctx;
	(void)group;
	(void)source;
	current->route_dels++;
	return 0;
}

static const struct forward_ops ops = { set_route, del_route };

/* --- in the place of control/server ----------------------------------------------------------- */

bool __wrap_server_has_monitors(const struct server *server);
void __wrap_server_on_monitor(struct server *server, void (*fn)(void *arg));
void __wrap_server_publish(struct server *server, const json_t *event);

bool __wrap_server_has_monitors(const struct server *server)
{
	(void)server;
	return current->monitored;
}

void __wrap_server_on_monitor(struct server *server, void (*fn)(void *arg))
{
	(void)server;
	current->on_monitor = fn;
}

/* "flow-started u: 239.1.1.1 of 192.0.2.1 flows to d1" */
void __wrap_server_publish(struct server *server, const json_t *event)
{
	size_t len = strlen(current->told);

	(void)server;
	current->n_told++;
	snprintf(current->told + len, sizeof(current->told) - len, "%s %s: %s\n",
		 json_string_value(json_object_get(event, "event")),
		 json_string_value(json_object_get(event, "interface")),
		 json_string_value(json_object_get(event, "text")));
}

const struct origin *__wrap_dataplane_origins(const struct dataplane *dp, uint32_t *n)
{
	static struct origin origins[SIM_PORTS];

	(void)dp;
	for (uint32_t slot = 1; slot < SIM_PORTS; slot++)
		origins[slot] =
			(struct origin){ { addr_from_v4_host(0x0a000000 + (slot << 8)), 120 },
					 slot };
	*n = SIM_PORTS - 1;
	return origins + 1;
}

void daemon_sim_apply(struct daemon_sim *sim, unsigned int slot)
{
	const struct port *port = &sim->ports[slot];

	forward_port_set(sim->daemon.forward, slot,
			 &(struct forward_port){ .present = true,
						 .role = port->config->port.role,
						 .ttl_threshold = port->applied.ttl_threshold,
						 .mtu = port->applied.mtu,
						 .vlan = (uint16_t)port->applied.vlan });
}

/* --- the daemon ------------------------------------------------------------------------------- */

static void add_port(struct daemon_sim *sim, unsigned int slot, const char *name)
{
	struct config_interface *section = &sim->sections[slot];
	struct port *port = &sim->ports[slot];
	struct daemon *daemon = &sim->daemon;
	struct addr own = addr_from_v4_host(0x0a000064 + (slot << 8));
	struct prefix subnet = { addr_from_v4_host(0x0a000000 + (slot << 8)), 120 };
	struct port_link link = { .up = true,
				  .address = own,
				  .own = &own,
				  .n_own = 1,
				  .subnets = &subnet,
				  .n_subnets = 1 };

	port_config_init(&section->port);
	section->name = name;
	section->ttl_threshold = 1;
	section->port.role = slot == SIM_UP ? PORT_UPSTREAM : PORT_DOWNSTREAM;
	*port = (struct port){ .daemon = daemon,
			       .slot = slot,
			       .config = section,
			       .state = PORT_UP,
			       .open = true,
			       .ifindex = IFINDEX(slot),
			       .address = own,
			       .n_queues = 1 };
	snprintf(port->name, sizeof(port->name), "%s", name);
	port->queues[0] = (struct port_queue){ .port = port, .xsk = socket_of(slot) };
	port->applied = (struct dataplane_port){ .ifindex = port->ifindex,
						 .side = slot == SIM_UP ? MCASTD_SIDE_UPSTREAM
									: MCASTD_SIDE_DOWNSTREAM,
						 .ttl_threshold = 1,
						 .mtu = 1500 };
	memcpy(port->applied.mac, SIM_MAC(slot), 6);
	daemon->ports[slot] = port;
	must(!engine_port_configure(daemon->engine, slot, &section->port, sim->now,
				    &daemon->actions));
	must(!engine_port_link(daemon->engine, slot, &link, sim->now, &daemon->actions));
	daemon_sim_apply(sim, slot);
}

static uint64_t engine_due(void *arg, uint64_t now)
{
	struct daemon *daemon = arg;

	engine_tick(daemon->engine, now, &daemon->actions);
	daemon_perform(daemon);
	return engine_next_deadline(daemon->engine);
}

/* The data plane's own upkeep is not here. */
static uint64_t maintain_due(void *arg, uint64_t now)
{
	(void)arg;
	(void)now;
	return LOOP_NEVER;
}

struct daemon_sim *daemon_sim_new(void)
{
	struct daemon_sim *sim = calloc(1, sizeof(*sim));
	struct daemon *daemon = &sim->daemon;

	current = sim;
	sim->now = START_MS;
	log_set_level(LOG_LEVEL_NONE);
	actions_init(&daemon->actions);
	daemon->started = sim->now;
	daemon->engine = engine_new(1);
	daemon->forward = forward_new(daemon->engine, &ops, NULL);
	daemon->server = (struct server *)(void *)sockets; /* there is one */
	daemon->engine_deadline = __wrap_loop_add_deadline(NULL, LOOP_NEVER, engine_due, daemon);
	daemon->maintain_deadline =
		__wrap_loop_add_deadline(NULL, LOOP_NEVER, maintain_due, daemon);
	must(!local_open(daemon));
	add_port(sim, SIM_UP, "u");
	add_port(sim, SIM_D1, "d1");
	add_port(sim, SIM_D2, "d2");
	add_port(sim, SIM_D3, "d3");
	daemon_perform(daemon);
	daemon_sim_forget(sim);
	return sim;
}

void daemon_sim_free(struct daemon_sim *sim)
{
	struct daemon *daemon = &sim->daemon;

	local_close(daemon);
	watch_close(daemon);
	forward_free(daemon->forward);
	engine_free(daemon->engine);
	actions_fini(&daemon->actions);
	free(sim);
	current = NULL;
}

void daemon_sim_join(struct daemon_sim *sim, unsigned int slot, const char *group)
{
	struct message_record record = { .type = RECORD_TO_EX };
	struct message message = { .type = MESSAGE_REPORT,
				   .source = addr_from_v4_host(0x0a00000a + (slot << 8)),
				   .destination = ADDR_V4(224, 0, 0, 22),
				   .ttl = 1,
				   .router_alert = true,
				   .report = { &record, 1 } };

	must(!addr_parse(group, &record.group));
	must(engine_receive(sim->daemon.engine, slot, &message, sim->now, &sim->daemon.actions) ==
	     RECEIVE_APPLIED);
	daemon_perform(&sim->daemon);
	daemon_sim_forget(sim);
}

/* The deadline that is due first up to this time; NULL: none. */
static struct sim_deadline *next_due(struct daemon_sim *sim, uint64_t until)
{
	struct sim_deadline *first = NULL;

	for (int i = 0; i < sim->n_deadlines; i++)
		if (sim->deadlines[i].at <= until && (!first || sim->deadlines[i].at < first->at))
			first = &sim->deadlines[i];
	return first;
}

void daemon_sim_pass(struct daemon_sim *sim, uint64_t ms)
{
	uint64_t until = sim->now + ms, next;
	struct sim_deadline *due;

	while ((due = next_due(sim, until))) {
		sim->now = due->at > sim->now ? due->at : sim->now;
		due->at = LOOP_NEVER;
		next = due->fn(due->arg, sim->now);
		due->at = next < due->at ? next : due->at;
	}
	sim->now = until;
}

size_t daemon_sim_sent(const struct daemon_sim *sim, unsigned int slot,
		       const struct veth_frame **first)
{
	size_t n = 0;

	for (size_t i = 0; i < sim->n_sent; i++)
		if (sim->sent[i].slot == slot && n++ == 0 && first)
			*first = &sim->sent[i].frame;
	return n;
}

void daemon_sim_forget(struct daemon_sim *sim)
{
	sim->n_sent = sim->n_told = sim->route_sets = sim->route_dels = 0;
	sim->told[0] = '\0';
}

int daemon_sim_setup(void **state)
{
	*state = daemon_sim_new();
	return *state ? 0 : -1;
}

int daemon_sim_teardown(void **state)
{
	daemon_sim_free(*state);
	return 0;
}
