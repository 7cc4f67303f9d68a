// SPDX-License-Identifier: BSD-2-Clause
/* The life of the daemon: start, events until a signal ends it, reload, stop. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sysexits.h>
#include <unistd.h>

#include "control/notify.h"
#include "mcastd/daemon.h"

/* How often failed ports and routes are tried again. */
#define RETRY_MS 2000

#define LOOPBACK_IFINDEX 1 /* in every namespace */

/* A test build takes for true what this kernel does not do. */
#ifdef MCASTD_COPIES_SHARED
#define KNOWN_COPIES DATAPLANE_COPIES_SHARED
#else
#define KNOWN_COPIES DATAPLANE_COPIES_UNKNOWN
#endif

static void config_warning(void *arg, const char *message)
{
	(void)arg;
	log_warning("%s", message);
}

/* Keeps the first one, for whoever asked for the reload. */
static void config_error(void *arg, const char *message)
{
	struct daemon *daemon = arg;

	log_error("%s", message);
	if (!daemon->config_error[0])
		snprintf(daemon->config_error, sizeof(daemon->config_error), "%s", message);
}

/* --- deadlines --- */

static uint64_t engine_due(void *arg, uint64_t now)
{
	struct daemon *daemon = arg;

	engine_tick(daemon->engine, now, &daemon->actions);
	daemon_perform(daemon);
	return engine_next_deadline(daemon->engine);
}

/* A port, or what its card was told. */
static bool any_port_failed(const struct daemon *daemon)
{
	for (unsigned int slot = 1; slot < MCASTD_MAX_PORTS; slot++)
		if (daemon->ports[slot] && (daemon->ports[slot]->state == PORT_FAILED ||
					    daemon->ports[slot]->card.contested))
			return true;
	return false;
}

static uint64_t min_deadline(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void tell_open_routes(struct daemon *daemon, size_t n, int error)
{
	if (n && !daemon->n_open_routes && (error == -ENOSPC || error == -EXFULL))
		log_error("%zu routes found no room, their groups are not forwarded as they should "
			  "be: the maps are full; raise %s, it counts from the next start without "
			  "adopted maps",
			  n, error == -ENOSPC ? "max-routes" : "max-port-sets");
	else if (n && !daemon->n_open_routes)
		log_error("%zu routes could not be changed: %s; tried again", n, strerror(-error));
	else if (!n && daemon->n_open_routes)
		log_notice("all routes are in place again");
	daemon->n_open_routes = n;
}

/* Returns true while something has still failed. */
static bool retry_failed(struct daemon *daemon)
{
	bool ports_failed = any_port_failed(daemon) || daemon->ports_missing;
	size_t n;
	int error;

	if (ports_failed)
		ports_sync(daemon);
	n = forward_retry(daemon->forward, &error);
	tell_open_routes(daemon, n, error);
	return ports_failed || n;
}

/* The data plane's own upkeep, and what could not be done before. */
static uint64_t maintain_due(void *arg, uint64_t now)
{
	struct daemon *daemon = arg;
	uint64_t next = dataplane_maintain(daemon->dataplane, now);

	/* Not with every message that arrives while something has failed. */
	if (now >= daemon->retry_at)
		daemon->retry_at = retry_failed(daemon) ? now + RETRY_MS : 0;
	return daemon->retry_at ? min_deadline(next, daemon->retry_at) : next;
}

/* Every host has had its time to report: what nobody has asked for since is removed. */
static uint64_t relearned_due(void *arg, uint64_t now)
{
	struct daemon *daemon = arg;
	uint64_t held_until = limit_held_until(daemon);

	if (now < held_until)
		return held_until;
	forward_release(daemon->forward);
	dataplane_drop_adopted(daemon->dataplane);
	return LOOP_NEVER;
}

/* How long hosts may take to answer one query, whichever port they are behind. */
static uint64_t answer_ms(const struct config *config)
{
	uint64_t longest = 0;

	for (size_t i = 0; i < config->n_interfaces; i++) {
		uint64_t ms = config->interfaces[i].port.query_response_interval_ms;

		longest = ms > longest ? ms : longest;
	}
	return longest + 1000;
}

/* How long hosts may take to answer the startup queries, the last of them included. */
static uint64_t relearn_ms(const struct config *config)
{
	uint64_t longest = 0;

	for (size_t i = 0; i < config->n_interfaces; i++) {
		const struct port_config *port = &config->interfaces[i].port;
		uint64_t count =
			port->startup_query_count ? port->startup_query_count : port->robustness;
		uint64_t interval = port->startup_query_interval_ms
					    ? port->startup_query_interval_ms
					    : port->query_interval_ms / 4;
		uint64_t ms = (count - 1) * interval + port->query_response_interval_ms;

		longest = ms > longest ? ms : longest;
	}
	return longest + 1000;
}

/*
 * We were stopped, or had no CPU for a while. Timers have gone on, and what hosts said meanwhile
 * may be lost: as after any loss they are asked again, and nothing ends before they could answer.
 */
static void after_gap(void *arg, uint64_t gap_ms)
{
	struct daemon *daemon = arg;

	log_warning(
		"nothing was done for %llu.%llu s (stopped, or no CPU?): hosts are asked again, "
		"nothing ends before they had their time to answer",
		(unsigned long long)gap_ms / 1000, (unsigned long long)gap_ms / 100 % 10);
	for (unsigned int slot = 1; slot < MCASTD_MAX_PORTS; slot++)
		engine_port_lost(daemon->engine, slot, loop_now(daemon->loop), &daemon->actions);
	daemon_perform(daemon);
	daemon->takeover_planned = false;
	daemon_plan_takeover(daemon);
}

static uint64_t takeover_due(void *arg, uint64_t now)
{
	struct daemon *daemon = arg;
	struct dataplane_error error = { "" };

	if (dataplane_take_over(daemon->dataplane, &error)) {
		log_error("%s; tried again", error.text);
		return now + RETRY_MS;
	}
	if (dataplane_wants_takeover(daemon->dataplane))
		return now;
	daemon->takeover_planned = false;
	log_notice("our programs have taken the place of the earlier ones");
	ports_sync(daemon); /* what had to wait: another mode, the ports' notes */
	return daemon->takeover_planned ? now + answer_ms(daemon->config) : LOOP_NEVER;
}

void daemon_plan_takeover(struct daemon *daemon)
{
	if (daemon->takeover_planned || !dataplane_wants_takeover(daemon->dataplane))
		return;
	daemon->takeover_planned = true;
	loop_deadline_set(daemon->loop, daemon->takeover_deadline,
			  loop_now(daemon->loop) + answer_ms(daemon->config));
}

static uint64_t watchdog_due(void *arg, uint64_t now)
{
	(void)arg;
	notify_send("WATCHDOG=1");
	return now + notify_watchdog_ms();
}

/* --- events --- */

static void netlink_changed(void *arg, enum netlink_change change, const struct netlink_link *link)
{
	struct daemon *daemon = arg;

	(void)change;
	daemon->addresses_changed = true;
	/* One sync for all that one reading brought, if any of it can concern a port. */
	if (!link || port_find(daemon, link->name) || config_find(daemon->config, link->name))
		daemon->links_changed = true;
}

static void netlink_due(void *arg, uint32_t events)
{
	struct daemon *daemon = arg;
	int err;

	(void)events;
	err = netlink_read(daemon->netlink);
	if (err)
		log_error("netlink: %s", strerror(-err));
	if (daemon->addresses_changed)
		own_sources_sync(daemon);
	daemon->addresses_changed = false;
	if (!daemon->links_changed)
		return;
	daemon->links_changed = false;
	ports_sync(daemon);
	loop_deadline_set(daemon->loop, daemon->maintain_deadline, loop_now(daemon->loop));
}

static void features_due(void *arg, uint32_t events)
{
	struct daemon *daemon = arg;

	(void)events;
	dataplane_watch_drain(daemon->features_fd);
	ports_sync(daemon);
	loop_deadline_set(daemon->loop, daemon->maintain_deadline, loop_now(daemon->loop));
}

static void on_signal(void *arg, int signal)
{
	struct daemon *daemon = arg;

	if (signal == SIGHUP)
		daemon_reload(daemon);
	else
		loop_stop(daemon->loop);
}

/* "2 of 3 ports up", and the first that is not. */
static void notify_status(struct daemon *daemon, bool ready)
{
	unsigned int n = 0, up = 0;
	const struct port *bad = NULL;
	char status[512];

	for (unsigned int slot = 1; slot < MCASTD_MAX_PORTS; slot++) {
		const struct port *port = daemon->ports[slot];

		if (!port)
			continue;
		n++;
		if (port->state == PORT_UP)
			up++;
		else if (!bad)
			bad = port;
	}
	if (bad)
		snprintf(status, sizeof(status), "%u of %u ports up; %s: %s", up, n, bad->name,
			 bad->note);
	else
		snprintf(status, sizeof(status), "%u of %u ports up", up, n);
	notify_send("%sSTATUS=%s", ready ? "READY=1\n" : "", status);
}

int daemon_reload(struct daemon *daemon)
{
	struct config *config, *old = daemon->config;

	notify_reloading();
	daemon->config_error[0] = '\0';
	config = config_read(daemon->options.config_path, config_error, daemon);
	if (!config) {
		log_error("%s: not applied, the configuration in force stays",
			  daemon->options.config_path);
		notify_status(daemon, true);
		return -EINVAL;
	}
	config_each_warning(config, config_warning, NULL);
	daemon->config = config;
	daemon->routes_stale = true;
	for (unsigned int slot = 1; slot < MCASTD_MAX_PORTS; slot++)
		if (daemon->ports[slot])
			port_mode_forget(daemon->ports[slot]);
	dataplane_reconsider(daemon->dataplane);
	ports_sync(daemon);
	http_listen(daemon->http, config->http_listen);
	config_free(old);
	log_notice("%s: applied", daemon->options.config_path);
	notify_status(daemon, true);
	return 0;
}

/* --- start and stop --- */

/* The exit status for an error of the operating system. */
static int exit_status(int err)
{
	switch (err) {
	case -EPERM:
	case -EACCES:
		return EX_NOPERM;
	case -EADDRINUSE:
	case -EBUSY:
		return EX_UNAVAILABLE;
	default:
		return EX_OSERR;
	}
}

static int open_dataplane(struct daemon *daemon)
{
	struct dataplane_options options = { .bpffs_dir = daemon->options.bpffs_dir,
					     .max_routes = daemon->config->max_routes,
					     .max_sets = daemon->config->max_sets,
					     .copies = KNOWN_COPIES };
	struct dataplane_error error = { "" };
	int err = dataplane_open(&daemon->dataplane, &options, &error);
	char why[DATAPLANE_ERROR_MAX] = "";

	if (err == -EPERM)
		daemon_why_not_permitted(why, sizeof(why));
	if (err)
		log_error("%s%s%s", error.text[0] ? error.text : strerror(-err), *why ? ": " : "",
			  why);
	else if (dataplane_other_abi(daemon->dataplane))
		log_notice(
			"%s: maps of ABI version %u, ours is %d: its programs forward until hosts "
			"have reported to us",
			options.bpffs_dir, dataplane_other_abi(daemon->dataplane),
			MCASTD_ABI_VERSION);
	return err;
}

static int open_server(struct daemon *daemon)
{
	const char *path = daemon->options.socket_path;
	int err = server_open(&daemon->server, daemon->loop, path, daemon_request, daemon);

	if (err == -EADDRINUSE)
		log_error("%s: another mcastd answers there; stop it or choose another with -u",
			  path);
	else if (err)
		log_error("%s: the control socket cannot be made: %s; choose another place with -u",
			  path, strerror(-err));
	return err;
}

static int open_http(struct daemon *daemon)
{
	daemon->http = http_new(daemon->loop, daemon->server, daemon->options.http_program,
				daemon->options.filter);
	if (!daemon->http)
		return -ENOMEM;
	http_listen(daemon->http, daemon->config->http_listen);
	return 0;
}

static int open_netlink(struct daemon *daemon)
{
	int err = netlink_open(&daemon->netlink, netlink_changed, daemon);

	if (!err) {
		daemon->netlink_entry = loop_add_fd(daemon->loop, netlink_fd(daemon->netlink),
						    EPOLLIN, netlink_due, daemon);
		if (!daemon->netlink_entry)
			err = -errno;
	}
	if (err)
		log_error("netlink: %s", strerror(-err));
	return err;
}

/* What mcastd cannot know here of drivers that do not transmit. */
static void tell_ignorance(struct daemon *daemon)
{
	bool told = dataplane_transmit(LOOPBACK_IFINDEX) != DATAPLANE_TRANSMIT_UNKNOWN;
	struct dataplane_xmit xmit;
	int err = dataplane_xmit(daemon->dataplane, 0, &xmit);

	if (err)
		log_notice("frames that drivers refuse cannot be counted here: no tracepoints with "
			   "BTF, or they are not permitted (%s)",
			   strerror(-err));
	if (!told)
		log_notice(
			"this kernel does not tell which interfaces can transmit XDP frames (6.3 "
			"does)%s: for a veth interface turn GRO on at its peer, or set xdp-mode = "
			"generic",
			err ? "" : "; it shows when packets for one were refused");
}

/* Without it a port whose transmit ability changes is noticed with the next change of a link. */
static void open_features(struct daemon *daemon)
{
	tell_ignorance(daemon);
	daemon->features_fd = dataplane_watch_open();
	if (daemon->features_fd >= 0)
		daemon->features_entry = loop_add_fd(daemon->loop, daemon->features_fd, EPOLLIN,
						     features_due, daemon);
}

/* What an earlier run forwarded goes on until hosts have had their time to report (L-RESTART). */
static bool hold_route(const struct forward_route *route, void *arg)
{
	return forward_hold(arg, route) == 0;
}

static int open_engine(struct daemon *daemon)
{
	uint64_t seed;

	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return -errno;
	actions_init(&daemon->actions);
	daemon->engine = engine_new(seed);
	daemon->wire = wire_buffer_new();
	if (!daemon->engine || !daemon->wire)
		return -ENOMEM;
	daemon->forward = forward_new(daemon->engine, &dataplane_forward_ops, daemon->dataplane);
	if (!daemon->forward)
		return -ENOMEM;
	dataplane_each_adopted(daemon->dataplane, hold_route, daemon->forward);
	return 0;
}

/* id: may be NULL. Returns 0 or -errno. */
static int add_deadline(struct daemon *daemon, uint64_t at, loop_deadline_fn fn, int *id)
{
	int added = loop_add_deadline(daemon->loop, at, fn, daemon);

	if (id)
		*id = added;
	return added < 0 ? added : 0;
}

static int open_loop(struct daemon *daemon)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	daemon->loop = loop_new();
	if (!daemon->loop)
		return -errno;
	signal(SIGPIPE, SIG_IGN);
	daemon->started = loop_now(daemon->loop);
	if (add_deadline(daemon, LOOP_NEVER, engine_due, &daemon->engine_deadline) ||
	    add_deadline(daemon, daemon->started, maintain_due, &daemon->maintain_deadline) ||
	    add_deadline(daemon, LOOP_NEVER, takeover_due, &daemon->takeover_deadline) ||
	    add_deadline(daemon, LOOP_NEVER, relearned_due, &daemon->relearned_deadline) ||
	    (notify_watchdog_ms() && add_deadline(daemon, daemon->started, watchdog_due, NULL)))
		return -ENOMEM;
	return loop_catch_signals(daemon->loop, &signals, on_signal, daemon);
}

static void daemon_stop(struct daemon *daemon)
{
	bool keep = daemon->config->keep_on_exit;

	http_free(daemon->http);
	if (daemon->engine)
		ports_close(daemon, keep);
	/* Monitors hear of the ports' end. */
	if (daemon->server)
		server_close(daemon->server);
	daemon->server = NULL;
	if (daemon->features_entry)
		loop_remove_fd(daemon->features_entry);
	if (daemon->features_fd >= 0)
		close(daemon->features_fd);
	if (daemon->netlink_entry)
		loop_remove_fd(daemon->netlink_entry);
	if (daemon->netlink)
		netlink_close(daemon->netlink);
	forward_free(daemon->forward);
	engine_free(daemon->engine);
	wire_buffer_free(daemon->wire);
	actions_fini(&daemon->actions);
	if (daemon->dataplane)
		dataplane_close(daemon->dataplane, keep);
	local_close(daemon);
	audit_close(daemon);
	watch_close(daemon);
	if (daemon->loop)
		loop_free(daemon->loop);
	config_free(daemon->config);
}

static int daemon_start(struct daemon *daemon)
{
	int err = daemon_check_capabilities();

	if (!err)
		err = open_loop(daemon);
	/* First, so that a second daemon ends before it touches anything. */
	if (!err)
		err = open_server(daemon);
	if (!err)
		err = open_dataplane(daemon);
	if (!err)
		err = open_engine(daemon);
	if (!err)
		err = local_open(daemon);
	if (!err)
		err = audit_open(daemon);
	if (!err)
		err = limit_open(daemon);
	if (!err)
		err = watch_open(daemon);
	if (!err)
		err = open_netlink(daemon);
	if (!err)
		err = open_http(daemon);
	/* From here on packets are read, and ports come and go with what is left. */
	if (!err)
		err = daemon_sandbox_enter(daemon->options.filter);
	if (err)
		return exit_status(err);
	open_features(daemon);
	log_notice("mcastd %s", MCASTD_VERSION);
	ports_sync(daemon);
	/* The startup queries are out only now. */
	loop_deadline_set(daemon->loop, daemon->relearned_deadline,
			  loop_now(daemon->loop) + relearn_ms(daemon->config));
	notify_status(daemon, true);
	loop_on_gap(daemon->loop, after_gap, daemon);
	return EX_OK;
}

int daemon_run(const struct daemon_options *options)
{
	struct daemon daemon = { .options = *options, .features_fd = -1 };
	int status;

	log_open(options->log_level, options->to_syslog);
	daemon.config = config_read(options->config_path, config_error, &daemon);
	if (!daemon.config)
		return EX_CONFIG;
	config_each_warning(daemon.config, config_warning, NULL);
	status = daemon_start(&daemon);
	if (status == EX_OK) {
		int err = loop_run(daemon.loop);

		if (err) {
			log_error("event loop: %s", strerror(-err));
			status = EX_OSERR;
		}
		log_notice("stopping");
		notify_send("STOPPING=1");
	}
	daemon_stop(&daemon);
	return status;
}
