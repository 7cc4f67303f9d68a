// SPDX-License-Identifier: BSD-2-Clause
#include "host.h"

#include <errno.h>
#include <stdlib.h>

#include "host_state.h"
#include "membership.h"
#include "random.h"

/* --- Small things ----------------------------------------------------------------------------- */

uint32_t host_random_ms(struct host *host, uint32_t max_ms)
{
	return random_ms(&host->port->engine->random, max_ms);
}

const struct port_config *host_config(const struct host *host)
{
	return &host->port->settings.config;
}

uint8_t host_version(const struct host *host)
{
	return port_version(host->port);
}

static uint32_t hash_of(const struct host *host, const struct addr *group)
{
	return engine_hash(host->port->engine, group);
}

static struct host_group *group_of_node(struct table_node *node)
{
	return (struct host_group *)((char *)node - offsetof(struct host_group, node));
}

static struct host_group *group_of_timer(struct timer *timer)
{
	return (struct host_group *)((char *)timer - offsetof(struct host_group, timer));
}

static uint32_t report_room(const struct host *host)
{
	uint32_t mtu = host_config(host)->mtu;

	if (!mtu)
		mtu = 1500;
	return (mtu < HOST_MTU_MAX ? mtu : HOST_MTU_MAX) - REPORT_OVERHEAD;
}

uint32_t host_sources_max(const struct host *host)
{
	return (report_room(host) - RECORD_LEN) / SOURCE_LEN;
}

/* --- Groups ----------------------------------------------------------------------------------- */

struct host_group *host_find(const struct host *host, const struct addr *group)
{
	struct table_node *node = table_first(&host->table, hash_of(host, group));

	for (; node; node = table_next(node)) {
		struct host_group *g = group_of_node(node);

		if (addr_equal(&g->group, group))
			return g;
	}
	return NULL;
}

static struct host_group *group_new(struct host *host, const struct addr *group)
{
	struct host_group *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->group = *group;
	g->node.hash = hash_of(host, group);
	g->change_at = g->response_at = g->merge_at = ENGINE_NEVER;
	if (timers_join(&host->timers, &g->timer, TIMER_MEMBERSHIP)) {
		free(g);
		return NULL;
	}
	if (table_insert(&host->table, &g->node)) {
		timers_leave(&host->timers, &g->timer);
		free(g);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&host->groups, g, link);
	return g;
}

static void group_free(struct host *host, struct host_group *g)
{
	host_unqueue(host, g);
	if (g->deferred_queued)
		TAILQ_REMOVE(&host->deferred, g, deferred_link);
	host_forget_queried(host, g);
	if (host->walk == g)
		host->walk = TAILQ_NEXT(g, link);
	TAILQ_REMOVE(&host->groups, g, link);
	table_remove(&host->table, &g->node);
	timers_leave(&host->timers, &g->timer);
	free(g->changes);
	free(g->sources);
	free(g);
}

static bool change_is_pending(const struct host_group *g)
{
	return g->change_queued || g->change_at != ENGINE_NEVER;
}

void host_release(struct host *host, struct host_group *g)
{
	if (!group_is_joined(g) && !change_is_pending(g))
		group_free(host, g);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void host_schedule(struct host *host, struct host_group *g)
{
	uint64_t at = earlier(g->merge_at, earlier(g->change_at, g->response_at));

	if (at == ENGINE_NEVER)
		timer_stop(&host->timers, &g->timer);
	else
		timer_set(&host->timers, &g->timer, at);
}

/* Counts the group in or out of what a response to a General Query has to tell. */
static void account(struct host *host, const struct host_group *g, bool in)
{
	uint32_t max = host_sources_max(host), n = g->n_sources;
	uint64_t len = RECORD_LEN + (uint64_t)SOURCE_LEN * n;

	if (!group_is_joined(g))
		return;
	if (g->mode == FILTER_EXCLUDE && n > max)
		len = RECORD_LEN + (uint64_t)SOURCE_LEN * max;
	host->n_joined += in ? 1 : -1u;
	host->state_len += in ? len : -len;
}

static void account_anew(struct host *host)
{
	struct host_group *g;

	host->n_joined = 0;
	host->state_len = 0;
	for (g = TAILQ_FIRST(&host->groups); g; g = TAILQ_NEXT(g, link))
		account(host, g, true);
}

void host_cancel_all(struct host *host)
{
	struct host_group *g, *next;

	host->general_at = ENGINE_NEVER;
	host->walk = NULL;
	for (g = TAILQ_FIRST(&host->groups); g; g = next) {
		next = TAILQ_NEXT(g, link);
		host_unqueue(host, g);
		host_forget_queried(host, g);
		g->n_changes = 0;
		g->mode_changes_left = 0;
		g->change_at = g->response_at = ENGINE_NEVER;
		host_schedule(host, g);
		host_release(host, g);
	}
}

/* --- Changes of state ------------------------------------------------------------------------- */

static bool state_equals(const struct host_group *g, enum filter_mode mode,
			 const struct addr *sources, uint32_t n)
{
	return g->mode == mode && g->n_sources == n &&
	       (!n || memcmp(g->sources, sources, n * sizeof(*sources)) == 0);
}

/* Gives a group its new state. Takes the sources over, or frees them. */
static int group_change(struct host *host, struct host_group *g, enum filter_mode mode,
			struct addr *sources, uint32_t n_sources)
{
	int err = 0;

	if (state_equals(g, mode, sources, n_sources)) {
		free(sources);
		return 0;
	}
	if (host->port->up)
		err = host_note_change(host, g, mode, sources, n_sources);
	if (err) {
		free(sources);
		return err;
	}
	account(host, g, false);
	free(g->sources);
	g->mode = mode;
	g->sources = sources;
	g->n_sources = n_sources;
	account(host, g, true);
	return 0;
}

/* Whether this may be asked for on this port. */
static bool may_join(const struct host *host, const struct addr *group, enum filter_mode mode)
{
	if (settings_check_group(&host->port->settings, group) != GROUP_OK)
		return false;
	return mode == FILTER_INCLUDE || !settings_is_ssm(&host->port->settings, group);
}

/* A copy of the sources that may be asked for; in EXCLUDE mode all: they are refused anyway. */
static int copy_sources(const struct host *host, enum filter_mode mode, const struct addr *sources,
			uint32_t n, struct addr **copy, uint32_t *n_copy)
{
	uint32_t kept = 0;

	*copy = NULL;
	*n_copy = 0;
	if (!n)
		return 0;
	*copy = malloc(n * sizeof(**copy));
	if (!*copy)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		if (mode == FILTER_EXCLUDE ||
		    settings_permit_source(&host->port->settings, &sources[i]))
			(*copy)[kept++] = sources[i];
	}
	if (!kept) {
		free(*copy);
		*copy = NULL;
	}
	*n_copy = kept;
	return 0;
}

int host_set(struct host *host, const struct addr *group, enum filter_mode mode,
	     const struct addr *sources, uint32_t n_sources)
{
	struct host_group *g = host_find(host, group);
	struct addr *copy;
	int err;

	if (!may_join(host, group, mode)) {
		mode = FILTER_INCLUDE;
		n_sources = 0;
	}
	err = copy_sources(host, mode, sources, n_sources, &copy, &n_sources);
	if (err)
		return err;
	if (!g && mode == FILTER_INCLUDE && !n_sources)
		return 0;
	if (!g)
		g = group_new(host, group);
	if (!g) {
		free(copy);
		return -ENOMEM;
	}
	err = group_change(host, g, mode, copy, n_sources);
	host_release(host, g);
	return err;
}

/* --- Merges that have to wait ----------------------------------------------------------------- */

void host_note_merge(struct host *host, const struct addr *group, uint32_t effort, uint64_t now)
{
	struct host_group *g = host_find(host, group);

	if (!g)
		return;
	g->merged_at = now;
	g->merge_effort = effort;
	g->merge_at = ENGINE_NEVER;
}

bool host_defer(struct host *host, const struct addr *group, uint64_t now)
{
	struct host_group *g = host_find(host, group);

	if (!g || g->merge_effort <= MERGE_EFFORT || now - g->merged_at >= MERGE_INTERVAL_MS)
		return false;
	if (g->merge_at == ENGINE_NEVER && !g->deferred_queued) {
		g->merge_at = g->merged_at + MERGE_INTERVAL_MS;
		host_schedule(host, g);
	}
	return true;
}

bool host_take_deferred(struct host *host, struct addr *group)
{
	struct host_group *g = TAILQ_FIRST(&host->deferred);

	if (!g)
		return false;
	*group = g->group;
	TAILQ_REMOVE(&host->deferred, g, deferred_link);
	g->deferred_queued = false;
	return true;
}

void host_plan_retry(struct host *host, uint64_t now)
{
	if (host->retry_at == ENGINE_NEVER)
		host->retry_at = now + RETRY_MS;
}

bool host_take_retry(struct host *host, uint64_t now)
{
	if (now < host->retry_at)
		return false;
	host->retry_at = ENGINE_NEVER;
	return true;
}

/* --- Begin and end ---------------------------------------------------------------------------- */

struct host *host_new(struct port *port)
{
	struct host *host = calloc(1, sizeof(*host));

	if (!host)
		return NULL;
	host->port = port;
	host->general_at = host->retry_at = ENGINE_NEVER;
	host->pace_us = V3_PACKET_US;
	TAILQ_INIT(&host->groups);
	TAILQ_INIT(&host->changes);
	TAILQ_INIT(&host->responses);
	TAILQ_INIT(&host->deferred);
	return host;
}

void host_free(struct host *host)
{
	struct host_group *g;

	if (!host)
		return;
	while ((g = TAILQ_FIRST(&host->groups)))
		group_free(host, g);
	table_fini(&host->table);
	timers_fini(&host->timers);
	free(host);
}

void host_start(struct host *host, uint64_t now, struct actions *out)
{
	struct host_group *g;

	host_cancel_all(host);
	host_update_version(host, now);
	for (g = TAILQ_FIRST(&host->groups); g; g = TAILQ_NEXT(g, link))
		host_announce(host, g);
	host_flush(host, now, out);
}

void host_stop(struct host *host)
{
	struct port *port = host->port;

	host_cancel_all(host);
	host->v1_expires = host->v2_expires = 0;
	port->older_version = 3;
	port->querier = (struct addr){ 0 };
	port->querier_expires = 0;
	port->robustness = port->settings.config.robustness;
	port->query_interval_ms = port->settings.config.query_interval_ms;
	timer_stop(&port->engine->timers, &port->timer);
}

void host_reconfigure(struct host *host, const struct port_config *old, uint64_t now)
{
	const struct port_config *config = host_config(host);

	if (config->robustness != old->robustness)
		host->port->robustness = config->robustness;
	if (config->query_interval_ms != old->query_interval_ms)
		host->port->query_interval_ms = config->query_interval_ms;
	account_anew(host); /* the MTU may be another */
	host_update_version(host, now);
}

void host_leave_all(struct host *host, uint64_t now, struct actions *out)
{
	struct host_group *g;

	host->now = now;
	while ((g = TAILQ_FIRST(&host->groups))) {
		if (host->port->up)
			host_send_leave(host, g, out);
		account(host, g, false);
		group_free(host, g);
	}
	host_report_flush(host, out);
}

/* --- Time ------------------------------------------------------------------------------------- */

/* Sets the port's timer to the next thing that is due. */
static void rearm(struct host *host)
{
	struct port *port = host->port;
	uint64_t at = earlier(timers_next(&host->timers), host_send_at(host));

	if (!host->walk)
		at = earlier(at, host->general_at);
	at = earlier(at, earlier(host_version_expires(host), host->retry_at));
	if (at != ENGINE_NEVER)
		timer_set(&port->engine->timers, &port->timer, at);
}

/* Does what the group's timer fired for; it may have fired early. */
static void expire(struct host *host, struct host_group *g, uint64_t now, struct actions *out)
{
	if (g->merge_at <= now) {
		g->merge_at = ENGINE_NEVER;
		g->deferred_queued = true;
		TAILQ_INSERT_TAIL(&host->deferred, g, deferred_link);
	}
	if (g->change_at <= now) {
		g->change_at = ENGINE_NEVER;
		host_queue_change(host, g);
	}
	if (g->response_at <= now) {
		g->response_at = ENGINE_NEVER;
		if (host_version(host) < 3)
			host_send_response_v2(host, g, out);
		else
			host_queue_response(host, g);
	}
	host_schedule(host, g);
}

void host_tick(struct host *host, uint64_t now, struct actions *out)
{
	struct timer *timer;

	host_update_version(host, now);
	if (host->general_at <= now)
		host_start_walk(host, now);
	if (host_version(host) < 3)
		host_walk_timers(host, now);
	for (unsigned int n = 0; n < EXPIRIES_MAX; n++) {
		timer = timers_take(&host->timers, now);
		if (!timer)
			break;
		expire(host, group_of_timer(timer), now, out);
	}
	host_flush(host, now, out);
}

void host_flush(struct host *host, uint64_t now, struct actions *out)
{
	if (!host->port->up)
		return;
	host->now = now;
	host_send(host, out);
	rearm(host);
}

/* --- Looking in ------------------------------------------------------------------------------- */

uint32_t host_group_count(const struct host *host)
{
	return host->n_joined;
}

void host_each(const struct host *host, engine_upstream_fn fn, void *arg)
{
	struct host_group *g;

	for (g = TAILQ_FIRST(&host->groups); g; g = TAILQ_NEXT(g, link)) {
		struct engine_upstream_view view = { g->group, g->mode, g->sources, g->n_sources };

		if (group_is_joined(g) && !fn(&view, arg))
			return;
	}
}
