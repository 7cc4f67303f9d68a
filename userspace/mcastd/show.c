// SPDX-License-Identifier: BSD-2-Clause
/*
 * Requests of the control socket: words in, one JSON object out. Times are seconds; `up-time`
 * counts up, `expire` counts down and is null for what does not expire.
 *
 * `show WHAT [NAME] limit N` answers with about N rows at most, and counts the others: "omitted".
 * It is for those who ask every second, however large the tables are.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "mcastd/daemon.h"
#include "platform/card.h"

static json_t *json_addr(const struct addr *addr)
{
	char text[ADDR_TEXT_MAX];

	return json_string(addr_format(addr, text, sizeof(text)));
}

/* An address, or null for none. */
static json_t *json_addr_or_null(const struct addr *addr)
{
	return addr_is_unspecified(addr) ? json_null() : json_addr(addr);
}

static json_t *json_count(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *json_seconds(uint64_t ms)
{
	return json_real((double)ms / 1000);
}

static json_t *json_expiry(uint64_t expires, uint64_t now)
{
	if (expires == ENGINE_NEVER)
		return json_null();
	return json_seconds(expires > now ? expires - now : 0);
}

/* A table on its way into JSON. */
struct rows {
	json_t *array;
	size_t limit; /* SIZE_MAX: none */
	size_t used;
	size_t seen;
	size_t omitted;
};

static struct rows rows_new(size_t limit)
{
	return (struct rows){ .array = json_array(), .limit = limit };
}

/*
 * Is there room for a row with this many parts? If not, it is counted and must be left out, and so
 * must all that follow.
 */
static bool rows_room(struct rows *rows, size_t parts)
{
	rows->seen++;
	if (rows->omitted > 0 || parts > rows->limit - rows->used) {
		rows->omitted++;
		return false;
	}
	rows->used += parts;
	return true;
}

/* There is no need to look at further rows. */
static bool rows_full(const struct rows *rows)
{
	return rows->omitted > 0 || rows->used == rows->limit;
}

/* Counts those that were not looked at: there are `total`, beginning with number `first`. */
static void rows_omit_rest(struct rows *rows, size_t first, size_t total)
{
	if (rows_full(rows) && first + total > rows->seen)
		rows->omitted += first + total - rows->seen;
}

/* Adds what was left out to the answer, if there was a limit. */
static void rows_tell_omitted(const struct rows *rows, const char *key, json_t *object)
{
	if (rows->limit != SIZE_MAX)
		json_object_set_new(object, key, json_count(rows->omitted));
}

/* Calls fn for the named port or for all; NULL, or an error when there is no such port. */
static json_t *each_port(struct daemon *daemon, const char *name,
			 void (*fn)(struct port *port, struct rows *rows), struct rows *rows)
{
	bool found = false;

	for (unsigned int slot = 1; slot < MCASTD_MAX_PORTS; slot++) {
		struct port *port = daemon->ports[slot];

		if (!port || (name && strcmp(name, port->name) != 0))
			continue;
		found = true;
		fn(port, rows);
	}
	if (name && !found)
		return server_error(EX_USAGE,
				    "%s is not an interface of mcastd; see mcastctl show "
				    "interfaces",
				    name);
	return NULL;
}

/* Wraps the rows, or the error in their place. */
static json_t *answer(const char *key, const struct rows *rows, json_t *error)
{
	json_t *object;

	if (error) {
		json_decref(rows->array);
		return error;
	}
	object = json_pack("{s:o}", key, rows->array);
	rows_tell_omitted(rows, "omitted", object);
	return object;
}

/* --- show interfaces --- */

static json_t *json_card_settings(uint32_t settings)
{
	json_t *names = json_array();

	for (uint32_t left = settings; left; left &= left - 1) {
		const char *name = card_setting_name(left & -left);

		if (name)
			json_array_append_new(names, json_string(name));
	}
	return names;
}

static void show_source_mac(const struct port *port, json_t *row)
{
	const uint8_t *mac = dataplane_source_mac(port->daemon->dataplane, port->slot);
	char text[sizeof("00:00:00:00:00:00")];

	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
	json_object_set_new(row, "source-mac", json_string(text));
	if (port->copies_note[0])
		json_object_set_new(row, "mac-note", json_string(port->copies_note));
}

static void show_interface(struct port *port, struct rows *rows)
{
	const struct port_config *config = &port->config->port;
	bool downstream = config->role == PORT_DOWNSTREAM;
	struct engine_port_view view = {
		.version = config->version,
		.robustness = config->robustness,
		.query_interval_ms = config->query_interval_ms,
	};
	json_t *row;

	if (!rows_room(rows, 1))
		return;
	engine_port_view(port->daemon->engine, port->slot, &view);
	row = json_pack("{s:s, s:i, s:s, s:s, s:o, s:s, s:i, s:o, s:b, s:o, s:i, s:I, s:i}", /**/
			"name", port->name, "ifindex", (int)port->ifindex, "role",
			downstream ? "downstream" : "upstream", "state",
			port_state_name(port->state), "address", json_addr_or_null(&port->address),
			"xdp-mode", port->open ? port_mode_name(port->mode) : "none", "version",
			view.version, "querier", json_addr_or_null(&view.querier), "is-querier",
			downstream && view.is_querier, "query-interval",
			json_seconds(view.query_interval_ms), "robustness-variable",
			view.robustness, "groups", (json_int_t)view.n_groups, "queues",
			(int)port->n_queues);
	json_object_set_new(row, "xdp-lost", json_count(port->xdp_lost));
	json_object_set_new(row, "card-settings", json_card_settings(port_card_changes(port)));
	json_object_set_new(row, "card-lost", json_count(port->card.lost));
	json_object_set_new(row, "card-failed", json_count(port->card.failed));
	if (port_note(port))
		json_object_set_new(row, "xdp-note", json_string(port_note(port)));
	if (port->open)
		show_source_mac(port, row);
	if (port->flood_note[0])
		json_object_set_new(row, "igmp-note", json_string(port->flood_note));
	json_array_append_new(rows->array, row);
}

/* --- show groups --- */

struct groups_ctx {
	const struct daemon *daemon;
	struct rows *rows;
	json_t *sources;
	uint64_t now;
};

static bool show_source(const struct engine_source_view *view, void *arg)
{
	struct groups_ctx *ctx = arg;

	json_array_append_new(ctx->sources,
			      json_pack("{s:o, s:o, s:o, s:b}", "source-address",
					json_addr(&view->source), "up-time",
					json_seconds(ctx->now - view->since), "expire",
					json_expiry(view->expires, ctx->now), "forwarding",
					view->forwarding));
	return true;
}

static bool show_membership(const struct engine_membership_view *view, void *arg)
{
	struct groups_ctx *ctx = arg;
	json_t *row;

	if (!rows_room(ctx->rows, 1 + view->n_sources))
		return !rows_full(ctx->rows);
	ctx->sources = json_array();
	engine_each_source(view, show_source, ctx);
	row = json_pack("{s:s, s:o, s:s, s:o, s:o, s:o, s:i, s:b, s:o}", /**/
			"interface", ctx->daemon->ports[view->port]->name, "group-address",
			json_addr(&view->group), "filter-mode",
			view->mode == FILTER_EXCLUDE ? "exclude" : "include", "up-time",
			json_seconds(ctx->now - view->since), "expire",
			json_expiry(view->expires, ctx->now), "last-reporter",
			json_addr_or_null(&view->last_reporter), "host-version", view->host_version,
			"static", view->is_static, "sources", ctx->sources);
	if (view->n_hosts)
		json_object_set_new(row, "hosts", json_count(view->n_hosts));
	json_array_append_new(ctx->rows->array, row);
	return true;
}

static size_t port_n_groups(const struct port *port)
{
	struct engine_port_view view = { 0 };

	engine_port_view(port->daemon->engine, port->slot, &view);
	return view.n_groups;
}

static void show_groups(struct port *port, struct rows *rows)
{
	struct groups_ctx ctx = { port->daemon, rows, NULL, loop_now(port->daemon->loop) };
	size_t first = rows->seen;

	if (port->config->port.role == PORT_UPSTREAM)
		return; /* its groups are what show upstream tells */
	engine_each_membership(port->daemon->engine, port->slot, show_membership, &ctx);
	rows_omit_rest(rows, first, port_n_groups(port));
}

/* --- show upstream --- */

struct upstream_ctx {
	const struct port *port;
	struct rows *rows;
};

static bool show_joined(const struct engine_upstream_view *view, void *arg)
{
	struct upstream_ctx *ctx = arg;
	json_t *sources;

	if (!rows_room(ctx->rows, 1 + view->n_sources))
		return !rows_full(ctx->rows);
	sources = json_array();
	for (uint32_t i = 0; i < view->n_sources; i++)
		json_array_append_new(sources, json_addr(&view->sources[i]));
	json_array_append_new(ctx->rows->array,
			      json_pack("{s:s, s:o, s:s, s:o}", "interface", ctx->port->name,
					"group-address", json_addr(&view->group), "filter-mode",
					view->mode == FILTER_EXCLUDE ? "exclude" : "include",
					"sources", sources));
	return true;
}

static void show_upstream(struct port *port, struct rows *rows)
{
	struct upstream_ctx ctx = { port, rows };
	size_t first = rows->seen;

	if (port->config->port.role != PORT_UPSTREAM)
		return;
	engine_each_upstream(port->daemon->engine, port->slot, show_joined, &ctx);
	rows_omit_rest(rows, first, port_n_groups(port));
}

/* --- show flows --- */

struct flows_ctx {
	struct daemon *daemon;
	struct rows rows;
	const struct port *only; /* arriving or leaving here; NULL: all */
	uint64_t now_ns;
};

static const struct port *port_at(const struct daemon *daemon, unsigned int slot)
{
	return slot < MCASTD_MAX_PORTS ? daemon->ports[slot] : NULL;
}

static uint64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static json_t *json_seen(uint64_t last_seen_ns, uint64_t now_ns)
{
	if (!last_seen_ns)
		return json_null();
	return json_seconds((now_ns > last_seen_ns ? now_ns - last_seen_ns : 0) / 1000000);
}

/* Where packets of the route go that arrive on `arrival`, or from the upstream if none has yet. */
static json_t *outgoing_names(const struct daemon *daemon, const struct forward_route *route,
			      const struct port *arrival)
{
	uint16_t slots[ENGINE_MAX_PORTS];
	uint32_t n = decide_route(daemon->forward, route, arrival ? arrival->slot : 0, slots);
	json_t *names = json_array();

	for (uint32_t i = 0; i < n; i++) {
		const struct port *port = port_at(daemon, slots[i]);

		if (port)
			json_array_append_new(names, json_string(port->name));
	}
	return names;
}

static bool route_touches(const struct flows_ctx *ctx, const struct forward_route *route,
			  const struct port *arrival)
{
	if (!ctx->only || ctx->only == arrival)
		return true;
	for (int side = 0; side < FORWARD_SIDES; side++)
		for (uint32_t i = 0; i < route->out[side].n; i++)
			if (route->out[side].slots[i] == ctx->only->slot)
				return true;
	return false;
}

static bool show_route(const struct forward_route *route, bool applied, void *arg)
{
	struct flows_ctx *ctx = arg;
	struct mcastd_route_stats stats = { 0 };
	bool any = addr_is_unspecified(&route->source);
	const struct port *arrival;
	struct addr last_source;
	json_t *row;

	if (!ctx->only && rows_full(&ctx->rows))
		return false;
	dataplane_route_stats(ctx->daemon->dataplane, &route->group, &route->source, &stats);
	arrival = stats.packets ? port_at(ctx->daemon, stats.last_slot) : NULL;
	/* The route for the rest of a group whose members all name their sources. */
	if (any && !stats.packets && !route->out[FORWARD_FROM_UPSTREAM].n) {
		ctx->rows.seen++;
		return true;
	}
	if (!route_touches(ctx, route, arrival) || !rows_room(&ctx->rows, 1))
		return true;
	last_source = addr_from_v4(stats.last_source);
	row = json_pack("{s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:b}", /**/
			"group-address", json_addr(&route->group), "source-address",
			any ? json_string("*") : json_addr(&route->source), "incoming-interface",
			arrival ? arrival->name : "*", "outgoing-interfaces",
			outgoing_names(ctx->daemon, route, arrival), "packets",
			json_count(stats.packets), "bytes", json_count(stats.bytes), "last-seen",
			json_seen(stats.last_seen_ns, ctx->now_ns), "last-source",
			stats.packets ? json_addr(&last_source) : json_null(), "installed",
			applied);
	json_array_append_new(ctx->rows.array, row);
	return true;
}

static bool show_unwanted(const struct mcastd_unwanted_key *key,
			  const struct mcastd_unwanted *value, void *arg)
{
	struct flows_ctx *ctx = arg;
	const struct port *port = port_at(ctx->daemon, key->slot);
	struct addr group = addr_from_v4(key->group), source = addr_from_v4(key->source);
	bool wrong_port = value->verdict == MCASTD_WRONG_PORT;
	char name[ADDR_TEXT_MAX], hint[ADDR_TEXT_MAX + 32];
	json_t *row;

	if (!port || (ctx->only && ctx->only != port) || !rows_room(&ctx->rows, 1))
		return true;
	row = json_pack("{s:o, s:o, s:s, s:o, s:o, s:o, s:s}", /**/
			"group-address", json_addr(&group), "source-address", json_addr(&source),
			"incoming-interface", port->name, "packets", json_count(value->packets),
			"bytes", json_count(value->bytes), "last-seen",
			json_seen(value->last_seen_ns, ctx->now_ns), "reason",
			dataplane_verdict_name(value->verdict));
	/* What would let it in, where that can be meant at all. */
	if (wrong_port && port->config->port.role == PORT_DOWNSTREAM &&
	    !is_own_source(ctx->daemon, &source)) {
		snprintf(hint, sizeof(hint), "altnet = { \"%s/32\" }",
			 addr_format(&source, name, sizeof(name)));
		json_object_set_new(row, "hint", json_string(hint));
	}
	json_array_append_new(ctx->rows.array, row);
	return true;
}

static json_t *show_flows(struct daemon *daemon, const char *name, size_t limit)
{
	struct flows_ctx ctx = { .daemon = daemon, .now_ns = monotonic_ns() };
	struct rows flows;
	json_t *object;

	if (name) {
		ctx.only = port_find(daemon, name);
		if (!ctx.only)
			return server_error(EX_USAGE,
					    "%s is not an interface of mcastd; see mcastctl show "
					    "interfaces",
					    name);
	}
	ctx.rows = rows_new(limit);
	forward_each_route(daemon->forward, show_route, &ctx);
	if (!ctx.only)
		rows_omit_rest(&ctx.rows, 0, forward_n_routes(daemon->forward));
	flows = ctx.rows;
	ctx.rows = rows_new(limit);
	dataplane_each_unwanted(daemon->dataplane, show_unwanted, &ctx);
	object = json_pack("{s:o, s:o}", "flows", flows.array, "unwanted", ctx.rows.array);
	rows_tell_omitted(&flows, "omitted", object);
	rows_tell_omitted(&ctx.rows, "unwanted-omitted", object);
	return object;
}

/* --- show statistics --- */

static void show_port_statistics(struct port *port, struct rows *rows)
{
	const struct engine_counters *igmp = engine_port_counters(port->daemon->engine, port->slot);
	static const struct engine_counters none;
	struct mcastd_port_stats data = { 0 };
	json_t *errors, *dropped, *verdicts;

	if (!rows_room(rows, 1))
		return;
	errors = json_object();
	dropped = json_object();
	verdicts = json_object();
	if (!igmp)
		igmp = &none;
	if (port->open)
		port_stats(port, &data);
	for (int i = WIRE_OK + 1; i < WIRE_VERDICTS; i++) {
		const char *name = wire_verdict_name(i);

		/* RFC 8652 calls it error/checksum. */
		json_object_set_new(errors, i == WIRE_BAD_CHECKSUM ? "checksum" : name,
				    json_count(port->wire[i]));
	}
	json_object_set_new(errors, "send-failed", json_count(port->send_failed));
	json_object_set_new(errors, "undelivered", json_count(port->undelivered));
	for (int i = RECEIVE_APPLIED + 1; i < RECEIVE_VERDICTS; i++)
		json_object_set_new(dropped, receive_verdict_name(i),
				    json_count(igmp->received[i]));
	for (int i = 0; i < MCASTD_VERDICTS; i++) {
		json_t *count = json_count(data.verdict[i]);

		if (i != MCASTD_FORWARDED && i != MCASTD_IGMP_PUNTED)
			json_object_set(dropped, dataplane_verdict_name(i), count);
		json_object_set_new(verdicts, dataplane_verdict_name(i), count);
	}
	json_array_append_new(rows->array,
			      json_pack("{s:s, s:{s:o, s:o, s:o, s:o}, s:{s:o, s:o, s:o}, s:o, s:o,"
					" s:{s:o, s:o, s:o}, s:{s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
					"s:o, s:o}}",
					"name", port->name, "received", "total",
					json_count(port->wire[WIRE_OK]), "queries",
					json_count(igmp->queries_received), "reports",
					json_count(igmp->reports_received), "leaves",
					json_count(igmp->leaves_received), "sent", "queries",
					json_count(igmp->queries_sent), "reports",
					json_count(igmp->reports_sent), "leaves",
					json_count(igmp->leaves_sent), "errors", errors, "dropped",
					dropped, "refused", "groups",
					json_count(igmp->groups_refused), "sources",
					json_count(igmp->sources_refused), "hosts",
					json_count(igmp->hosts_refused), "data", "arrived",
					verdicts, "forwarded-bytes", json_count(data.in_bytes),
					"sent-packets", json_count(data.out_packets), "sent-bytes",
					json_count(data.out_bytes), "ttl-threshold",
					json_count(data.out_ttl_threshold), "too-big",
					json_count(data.out_too_big), "transmit-refused",
					json_count(data.out_refused), "fragmented",
					json_count(port->slow.fragmented), "fragment-limited",
					json_count(data.large_limited)));
}

/* --- requests --- */

static json_t *show_rows(struct daemon *daemon, const char *name, size_t limit, const char *key,
			 void (*fn)(struct port *, struct rows *))
{
	struct rows rows = rows_new(limit);

	return answer(key, &rows, each_port(daemon, name, fn, &rows));
}

static json_t *show_statistics(struct daemon *daemon, const char *name, size_t limit)
{
	json_t *object = show_rows(daemon, name, limit, "interfaces", show_port_statistics);
	json_t *http = name ? NULL : http_describe(daemon->http);

	if (http)
		json_object_set_new(object, "http", http);
	if (!name)
		json_object_set_new(object, "routes-not-installed",
				    json_count(daemon->n_open_routes));
	return object;
}

static json_t *show_version(const struct daemon *daemon)
{
	return json_pack("{s:s, s:i, s:o}", "version", MCASTD_VERSION, "abi", MCASTD_ABI_VERSION,
			 "up-time", json_seconds(loop_now(daemon->loop) - daemon->started));
}

static json_t *show_what(struct daemon *daemon, const char *what, const char *name, size_t limit)
{
	if (strcmp(what, "interfaces") == 0)
		return show_rows(daemon, name, limit, "interfaces", show_interface);
	if (strcmp(what, "groups") == 0)
		return show_rows(daemon, name, limit, "groups", show_groups);
	if (strcmp(what, "upstream") == 0)
		return show_rows(daemon, name, limit, "memberships", show_upstream);
	if (strcmp(what, "flows") == 0)
		return show_flows(daemon, name, limit);
	if (strcmp(what, "statistics") == 0)
		return show_statistics(daemon, name, limit);
	if (strcmp(what, "version") == 0)
		return show_version(daemon);
	return server_error(EX_USAGE,
			    "show %s: not known; try interfaces, groups, flows, upstream, "
			    "statistics or version",
			    what);
}

/* The words behind `show`: WHAT [NAME] [limit N]. */
static json_t *show_request(struct daemon *daemon, int argc, const char *const *argv)
{
	size_t limit = SIZE_MAX;
	char *end;

	if (argc >= 3 && strcmp(argv[argc - 2], "limit") == 0) {
		limit = strtoul(argv[argc - 1], &end, 10);
		if (*end || argv[argc - 1][0] == '-')
			return server_error(EX_USAGE, "limit %s: not a number", argv[argc - 1]);
		argc -= 2;
	}
	if (argc < 1 || argc > 2)
		return server_error(EX_USAGE, "show WHAT [NAME] is all that is understood");
	return show_what(daemon, argv[0], argc == 2 ? argv[1] : NULL, limit);
}

static json_t *done(void)
{
	return json_pack("{s:b}", "done", 1);
}

static json_t *flush_request(struct daemon *daemon, const char *name)
{
	const struct port *port = name ? port_find(daemon, name) : NULL;

	if (name && !port)
		return server_error(EX_USAGE, "%s is not an interface of mcastd", name);
	engine_flush(daemon->engine, port ? port->slot : 0, loop_now(daemon->loop),
		     &daemon->actions);
	daemon_perform(daemon);
	return done();
}

static json_t *log_request(const char *level_name)
{
	enum log_level level;

	if (log_level_parse(level_name, &level))
		return server_error(EX_USAGE,
				    "%s: no such log level; none, error, warning, notice, "
				    "info or debug",
				    level_name);
	log_set_level(level);
	return done();
}

json_t *daemon_request(void *arg, int argc, const char *const *argv)
{
	struct daemon *daemon = arg;

	if (argc >= 2 && strcmp(argv[0], "show") == 0)
		return show_request(daemon, argc - 1, argv + 1);
	if (argc >= 3 && argc <= 4 && strcmp(argv[0], "explain") == 0)
		return explain_request(daemon, argc, argv);
	if (argc == 1 && strcmp(argv[0], "reload") == 0)
		return daemon_reload(daemon) == 0
			       ? done()
			       : server_error(EX_CONFIG, "%s; the configuration in force stays",
					      daemon->config_error);
	if (argc >= 2 && argc <= 3 && strcmp(argv[0], "flush") == 0 &&
	    strcmp(argv[1], "groups") == 0)
		return flush_request(daemon, argc == 3 ? argv[2] : NULL);
	if (argc == 2 && strcmp(argv[0], "log") == 0)
		return log_request(argv[1]);
	return server_error(EX_USAGE, "not understood; see mcastctl(8)");
}
