/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine's public calls: ports come and go, messages and time are handed to the parts. */
#include "engine.h"

#include <errno.h>
#include <stdlib.h>

#include "host.h"
#include "membership.h"
#include "proxy.h"
#include "querier.h"
#include "receive.h"
#include "report.h"
#include "track.h"

/* Timers carried out by one engine_tick(): keeps a call well under a millisecond. */
#define TICK_TIMERS 256

struct engine *engine_new(uint64_t seed)
{
	struct engine *engine = calloc(1, sizeof(*engine));

	if (!engine)
		return NULL;
	pool_init(&engine->group_pool, sizeof(struct group));
	pool_init(&engine->membership_pool, sizeof(struct membership));
	pool_init(&engine->extra_pool, sizeof(struct membership_extra));
	engine->random = seed;
	engine->hash_seed[0] = (seed ^ 0x9e3779b97f4a7c15) * 0xbf58476d1ce4e5b9 | 1;
	engine->hash_seed[1] = (seed ^ 0x94d049bb133111eb) * 0xff51afd7ed558ccd | 1;
	return engine;
}

static void port_free(struct port *port)
{
	host_free(port->host);
	timers_leave(&port->engine->timers, &port->timer);
	settings_fini(&port->settings);
	tracking_fini(&port->tracking);
	free(port->subnets);
	free(port->own);
	free(port);
}

void engine_free(struct engine *engine)
{
	struct actions ignored;

	if (!engine)
		return;
	actions_init(&ignored);
	for (unsigned int i = 1; i < ENGINE_MAX_PORTS; i++) {
		engine_port_remove(engine, i, engine->now, &ignored);
		actions_clear(&ignored);
	}
	actions_fini(&ignored);
	table_fini(&engine->groups);
	pool_fini(&engine->group_pool);
	pool_fini(&engine->membership_pool);
	pool_fini(&engine->extra_pool);
	timers_fini(&engine->timers);
	free(engine->scratch);
	free(engine);
}

static struct port *port_of(const struct engine *engine, unsigned int number)
{
	return number < ENGINE_MAX_PORTS ? engine->ports[number] : NULL;
}

static bool is_downstream(const struct port *port)
{
	return port->settings.config.role == PORT_DOWNSTREAM;
}

/* --- ports --- */

/* Ends what hosts asked for on the port. */
static void drop_all(struct port *port, uint64_t now, struct actions *out)
{
	struct membership *m, *next;

	for (m = port->memberships; m; m = next) {
		next = m->next;
		membership_drop(m, now, out);
	}
}

static int port_start(struct port *port, uint64_t now, struct actions *out)
{
	port->up = true;
	if (port->host) {
		host_start(port->host, now, out);
		return 0;
	}
	querier_start(port, now, out);
	return membership_attach_statics(port, now, out);
}

/* R-LINK: what the link wanted ends with it. */
static void port_stop(struct port *port, uint64_t now, struct actions *out)
{
	if (!port->up)
		return;
	port->up = false;
	if (port->host)
		host_stop(port->host);
	if (!is_downstream(port))
		return;
	querier_stop(port);
	membership_detach_statics(port, &port->settings, now, out);
	drop_all(port, now, out);
	actions_add(out, ACTION_PORT, port->number);
}

static void port_give_host(struct port *port, struct host *host)
{
	port->host = host;
	port->engine->n_upstream++;
}

/* What the port has joined is left. */
static void port_end_host(struct port *port, uint64_t now, struct actions *out)
{
	if (!port->host)
		return;
	host_leave_all(port->host, now, out);
	host_free(port->host);
	port->host = NULL;
	port->engine->n_upstream--;
}

/* Begins with these settings, which now belong to the port. */
static void port_take_settings(struct port *port, const struct settings *settings)
{
	port->settings = *settings;
	port->robustness = settings->config.robustness;
	port->query_interval_ms = settings->config.query_interval_ms;
	port->older_version = 3;
	port->reply_at = ENGINE_NEVER;
}

static int port_add(struct engine *engine, unsigned int number, const struct settings *settings)
{
	struct port *port = calloc(1, sizeof(*port));
	struct host *host = NULL;

	if (port && settings->config.role == PORT_UPSTREAM)
		host = host_new(port);
	if (!port || (settings->config.role == PORT_UPSTREAM && !host) ||
	    timers_join(&engine->timers, &port->timer, TIMER_PORT)) {
		host_free(host);
		free(port);
		return -ENOMEM;
	}
	port->engine = engine;
	if (host)
		port_give_host(port, host);
	port->number = number;
	port_take_settings(port, settings);
	engine->ports[number] = port;
	return 0;
}

/* Another role: the port begins anew. */
static int port_change_role(struct port *port, struct settings *settings, uint64_t now,
			    struct actions *out)
{
	bool upstream = settings->config.role == PORT_UPSTREAM;
	struct host *host = upstream ? host_new(port) : NULL;
	bool up = port->up;

	if (upstream && !host) {
		settings_fini(settings);
		return -ENOMEM;
	}
	port_end_host(port, now, out);
	port_stop(port, now, out);
	settings_fini(&port->settings);
	port_take_settings(port, settings);
	if (host)
		port_give_host(port, host);
	return up ? port_start(port, now, out) : 0;
}

/* Other settings for a port that is there. Returns 0 or -ENOMEM, which only static groups meet. */
static int port_change(struct port *port, const struct settings *settings, uint64_t now,
		       struct actions *out)
{
	struct settings old = port->settings;
	int err = 0;

	port->settings = *settings;
	if (port->host) {
		host_reconfigure(port->host, &old.config, now);
	} else if (port->up) {
		err = membership_attach_statics(port, now, out);
		membership_detach_statics(port, &old, now, out);
		report_recheck(port, now, out);
		querier_reconfigure(port, now);
	}
	settings_fini(&old);
	return err;
}

int engine_port_configure(struct engine *engine, unsigned int number,
			  const struct port_config *config, uint64_t now, struct actions *out)
{
	size_t first = out->n;
	struct settings settings;
	struct port *port;
	int err;

	if (number == 0 || number >= ENGINE_MAX_PORTS || port_config_check(config))
		return -EINVAL;
	engine->now = now;
	err = settings_init(&settings, config);
	if (err)
		return err;
	port = engine->ports[number];
	if (!port) {
		err = port_add(engine, number, &settings);
		if (err)
			settings_fini(&settings);
	} else if (port->settings.config.role != config->role) {
		err = port_change_role(port, &settings, now, out);
	} else {
		err = port_change(port, &settings, now, out);
	}
	proxy_update(engine, first, now, out);
	if (!err && config->role == PORT_UPSTREAM)
		proxy_update_port(engine, number, now, out);
	return err;
}

/* Copies of the lists of a link. Returns 0 or -ENOMEM, then nothing has changed. */
static int port_take_link(struct port *port, const struct port_link *link)
{
	struct prefix *subnets = malloc(link->n_subnets * sizeof(*subnets) + 1);
	struct addr *own = malloc(link->n_own * sizeof(*own) + 1);

	if (!subnets || !own) {
		free(subnets);
		free(own);
		return -ENOMEM;
	}
	if (link->n_subnets)
		memcpy(subnets, link->subnets, link->n_subnets * sizeof(*subnets));
	if (link->n_own)
		memcpy(own, link->own, link->n_own * sizeof(*own));
	free(port->subnets);
	free(port->own);
	port->subnets = subnets;
	port->n_subnets = link->n_subnets;
	port->own = own;
	port->n_own = link->n_own;
	return 0;
}

int engine_port_link(struct engine *engine, unsigned int number, const struct port_link *link,
		     uint64_t now, struct actions *out)
{
	struct port *port = port_of(engine, number);
	size_t first = out->n;
	bool moved;
	int err = 0;

	if (!port)
		return 0;
	engine->now = now;
	if (port_take_link(port, link))
		return -ENOMEM;
	moved = !addr_equal(&port->address, &link->address);
	port->address = link->address;
	if (!link->up)
		port_stop(port, now, out);
	else if (!port->up)
		err = port_start(port, now, out);
	else if (moved && port->host)
		host_start(port->host, now, out);
	else if (moved)
		querier_start(port, now, out);
	proxy_update(engine, first, now, out);
	return err;
}

void engine_port_remove(struct engine *engine, unsigned int number, uint64_t now,
			struct actions *out)
{
	struct port *port = port_of(engine, number);
	size_t first = out->n;

	if (!port)
		return;
	engine->now = now;
	port_end_host(port, now, out);
	port_stop(port, now, out);
	engine->ports[number] = NULL;
	port_free(port);
	proxy_update(engine, first, now, out);
}

void engine_flush(struct engine *engine, unsigned int number, uint64_t now, struct actions *out)
{
	unsigned int begin = number ? number : 1, end = number ? number + 1 : ENGINE_MAX_PORTS;
	size_t first = out->n;

	engine->now = now;
	for (unsigned int i = begin; i < end; i++) {
		struct port *port = port_of(engine, i);

		if (!port || !port->up || !is_downstream(port))
			continue;
		drop_all(port, now, out);
		if (port->is_querier)
			querier_start(port, now, out);
	}
	proxy_update(engine, first, now, out);
}

/* --- messages --- */

enum receive_verdict engine_receive(struct engine *engine, unsigned int number,
				    const struct message *message, uint64_t now,
				    struct actions *out)
{
	struct port *port = port_of(engine, number);
	enum receive_verdict verdict = RECEIVE_NOT_OURS;
	size_t first = out->n;

	if (!port)
		return RECEIVE_NOT_OURS;
	engine->now = now;
	if (port->up && port->host)
		verdict = host_receive(port->host, message, now, out);
	else if (port->up)
		verdict = receive_downstream(port, message, now, out);
	proxy_update(engine, first, now, out);
	port->counters.received[verdict]++;
	return verdict;
}

void engine_port_lost(struct engine *engine, unsigned int number, uint64_t now, struct actions *out)
{
	struct port *port = port_of(engine, number);

	if (!port || !port->up)
		return;
	engine->now = now;
	if (port->host)
		host_lost(port->host, now, out);
	else
		querier_lost(port, now);
}

/* --- time --- */

#define owner_of(timer, type) ((type *)((char *)(timer)-offsetof(type, timer)))

static void port_tick(struct port *port, uint64_t now, struct actions *out)
{
	if (!port->host) {
		querier_tick(port, now, out);
		return;
	}
	host_tick(port->host, now, out);
	proxy_update_deferred(port->engine, port->number, now, out);
}

static void timer_fired(struct timer *timer, uint64_t now, struct actions *out)
{
	switch ((enum timer_kind)timer->kind) {
	case TIMER_PORT:
		port_tick(owner_of(timer, struct port), now, out);
		break;
	case TIMER_MEMBERSHIP:
		membership_tick(owner_of(timer, struct membership), now, out);
		break;
	case TIMER_SOURCES:
		membership_sources_tick(owner_of(timer, struct source_block), now, out);
		break;
	case TIMER_HOST:
		track_tick(timer, now);
		break;
	}
}

void engine_tick(struct engine *engine, uint64_t now, struct actions *out)
{
	size_t first = out->n;

	engine->now = now;
	for (unsigned int i = 0; i < TICK_TIMERS; i++) {
		struct timer *timer = timers_take(&engine->timers, now);

		if (!timer)
			break;
		timer_fired(timer, now, out);
	}
	proxy_update(engine, first, now, out);
}

uint64_t engine_next_deadline(const struct engine *engine)
{
	return timers_next(&engine->timers);
}
