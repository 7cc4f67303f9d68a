/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The group membership engine: RFC 9776 (IGMPv3) as a router on downstream ports, as a host on
 * upstream ports, joined by RFC 4605. It does no I/O, reads no clock, logs nothing and has no
 * globals: messages, ticks and configuration go in together with `now`, actions come out. The same
 * input always gives the same output; chance comes from the seed.
 *
 * Times are milliseconds of one monotonic clock. `now` never goes backwards. A port is known by a
 * small number its caller chooses (1..ENGINE_MAX_PORTS - 1; mcastd uses the data-plane slot).
 *
 * A call does a bounded amount of work: where much is due at once, engine_tick() stops after a
 * bounded number of expiries and engine_next_deadline() answers `now` or before, to be called
 * again. What ends all memberships of a port (link down, removal, engine_flush()) takes as long as
 * there are memberships.
 *
 * A message meets the state as engine_tick() has left it: let what is due expire first.
 */
#ifndef MEMBERSHIP_ENGINE_H
#define MEMBERSHIP_ENGINE_H

#include "action.h"
#include "message.h"
#include "rules/policy.h"

#define ENGINE_MAX_PORTS 512
#define ENGINE_NEVER UINT64_MAX

struct engine;

enum port_role {
	PORT_DOWNSTREAM, /* RFC 9776 section 6: router part */
	PORT_UPSTREAM,	 /* RFC 9776 section 5: host part */
};

/* A membership that configuration asks for; n_sources 0 means any source. */
struct static_group {
	struct addr group;
	const struct addr *sources;
	uint32_t n_sources;
};

/*
 * The settings of one port. The engine copies what it keeps, nothing here need outlive the call.
 * port_config_init() sets the defaults of RFC 9776 section 8.
 */
struct port_config {
	enum port_role role;
	uint8_t version;			 /* 1, 2 or 3 */
	uint8_t robustness;			 /* 1..255, RFC 9776 section 8.1 */
	uint32_t query_interval_ms;		 /* 8.2 */
	uint32_t query_response_interval_ms;	 /* 8.3 */
	uint32_t startup_query_interval_ms;	 /* 8.6; 0: query_interval_ms / 4 */
	uint8_t startup_query_count;		 /* 8.7; 0: robustness */
	uint32_t last_member_query_interval_ms;	 /* 8.8 */
	uint8_t last_member_query_count;	 /* 8.9; 0: robustness */
	uint32_t unsolicited_report_interval_ms; /* 8.11 */
	bool immediate_leave;
	bool explicit_tracking;
	bool require_router_alert;
	bool verify_source_subnet;
	bool allow_link_local_source; /* 169.254/16 reporters pass verify_source_subnet */
	bool accept_any_ttl;	      /* knob of R-4-TTLRX */
	bool oldest_version;	      /* follow an older querier, A-1; default off */
	bool host_compatibility; /* v1/v2 hosts and queriers understood; default on, 7.2.1, 7.3.1 */
	bool ignore_v1;		 /* R-9.2-IGNV1 */
	bool ignore_v2;
	uint32_t max_groups;	    /* 0: no limit */
	uint32_t max_group_sources; /* 0: no limit */
	uint32_t max_sources;	    /* of all groups of the port; 0: no limit */
	uint32_t max_hosts; /* tracked (host, group) pairs of one port and the sources in their
			       lists; 0: no limit */
	uint32_t mtu;	    /* bytes of the largest IP packet */
	struct policy group_policy;
	struct policy source_policy;
	const struct prefix *boundary; /* see rules/boundary.h */
	uint32_t n_boundary;
	const struct prefix *ssm_range; /* none: 232/8 and ff3x::/32 */
	uint32_t n_ssm_range;
	const struct static_group *static_groups; /* downstream: forward; upstream: join */
	uint32_t n_static_groups;
};

/* The addresses of a port's link; the engine copies them. */
struct port_link {
	bool up;
	struct addr address; /* what we send from; unspecified: none yet */
	const struct prefix *subnets;
	uint32_t n_subnets;
	const struct addr *own; /* every address of this host on the link */
	uint32_t n_own;
};

/* What became of a received message; exactly one counter moves for each. */
enum receive_verdict {
	RECEIVE_APPLIED,	 /* processed, even if it changed nothing */
	RECEIVE_BAD_TTL,	 /* R-4-TTLRX */
	RECEIVE_BAD_SOURCE,	 /* R-4-SRCBAD: multicast, broadcast, loopback */
	RECEIVE_OWN,		 /* our own message came back */
	RECEIVE_FOREIGN_SOURCE,	 /* not of the link, where it must be */
	RECEIVE_BAD_DESTINATION, /* R-9.1-GQDST, R-2236-LVDST */
	RECEIVE_NO_ROUTER_ALERT, /* require_router_alert */
	RECEIVE_IGNORED_VERSION, /* not spoken on this port */
	RECEIVE_BAD_GROUP,	 /* not multicast, 224.0.0.0/24 and the like: nothing to do */
	RECEIVE_POLICY,		 /* every record was denied by policy or boundary */
	RECEIVE_NOT_SSM,	 /* any source was asked for in the SSM range, RFC 4604 */
	RECEIVE_BAD_SOURCE_LIST, /* no source of it can be routed, R-4.2.10-SRC */
	RECEIVE_LIMIT,		 /* newcomers were refused by a limit */
	RECEIVE_NOT_OURS, /* a report on an upstream port, no such port, or the port is down */
	RECEIVE_NO_MEMORY,
	RECEIVE_VERDICTS,
};
const char *receive_verdict_name(enum receive_verdict verdict); /* "bad-ttl", ... */

void port_config_init(struct port_config *config);
/*
 * Checks one port's settings against RFC 9776 section 8 (R-8.1-RV, R-8.3-QRI, R-4.1.7-QQIC, ...).
 * Returns NULL, or what is wrong and what would be right, in words.
 */
const char *port_config_check(const struct port_config *config);
/* What is allowed but not wise (R-8.1-RV: robustness 1), in words; or NULL. */
const char *port_config_warn(const struct port_config *config);

/* seed: for the random delays. Returns NULL when memory ran out. */
struct engine *engine_new(uint64_t seed);
void engine_free(struct engine *engine);

/*
 * Adds a port or changes its settings; memberships that the new settings still allow are kept. A
 * change of role starts the port anew. A new port is down until engine_port_link() says otherwise.
 * Returns 0, -EINVAL (port number or settings; nothing has changed) or -ENOMEM (nothing has
 * changed, or static groups are missing: configuring again adds them).
 */
int engine_port_configure(struct engine *engine, unsigned int port,
			  const struct port_config *config, uint64_t now, struct actions *out);
/* The link went up or down or has other addresses (R-LINK, P-5-UPDOWN). Returns 0 or -ENOMEM. */
int engine_port_link(struct engine *engine, unsigned int port, const struct port_link *link,
		     uint64_t now, struct actions *out);
/* Ends all of the port's memberships. On an upstream port first leaves every group (P-5-EXIT). */
void engine_port_remove(struct engine *engine, unsigned int port, uint64_t now,
			struct actions *out);

/* Applies a message whole or not at all. */
enum receive_verdict engine_receive(struct engine *engine, unsigned int port,
				    const struct message *message, uint64_t now,
				    struct actions *out);
/*
 * Messages that arrived on a port did not get here: there were too many of them. Robustness is for
 * single losses, not for this (RFC 9776 section 8.1), so nothing ends for want of a message: on a
 * downstream port memberships, and another querier's time, go on until hosts have been asked again
 * as after a start and have had their time to answer; an upstream port answers as if it had been
 * asked. To be called while this goes on, every second or more often.
 */
void engine_port_lost(struct engine *engine, unsigned int port, uint64_t now, struct actions *out);
/* Ends all learned memberships of a port and asks again at once; port 0: of all ports. */
void engine_flush(struct engine *engine, unsigned int port, uint64_t now, struct actions *out);
/* Carries out what is due at `now`. */
void engine_tick(struct engine *engine, uint64_t now, struct actions *out);
/* When to call engine_tick() next; ENGINE_NEVER: not before something else happens. */
uint64_t engine_next_deadline(const struct engine *engine);

/* --- Looking in. Views are valid until the next call that is not in this section. --- */

enum filter_mode {
	FILTER_INCLUDE,
	FILTER_EXCLUDE,
};

struct engine_source_view {
	struct addr source;
	uint64_t since;	  /* when it was first asked for */
	uint64_t expires; /* ENGINE_NEVER: static, or blocked as long as the group lasts */
	bool forwarding;  /* RFC 9776 section 6.3, table 7 */
};

struct engine_membership_view {
	unsigned int port;
	struct addr group;
	enum filter_mode mode;
	uint8_t host_version; /* compatibility mode of the group, 7.3.2 */
	bool is_static;
	uint64_t since;
	uint64_t expires; /* the group timer, or of the last source in INCLUDE mode */
	struct addr last_reporter;
	uint32_t n_sources;
	uint32_t n_hosts;     /* tracked, 0 without explicit tracking */
	const void *internal; /* for engine_each_source() */
};

struct engine_port_view {
	enum port_role role;
	bool up;
	bool is_querier;     /* downstream */
	struct addr address; /* what we send from */
	struct addr querier; /* unspecified: none known */
	uint64_t querier_expires;
	uint8_t version;	    /* in use: on an upstream port after its querier */
	uint8_t robustness;	    /* in use */
	uint32_t query_interval_ms; /* in use */
	uint32_t n_groups;
	uint64_t held_until; /* see engine_port_lost(); in the past: not held */
};

struct engine_upstream_view {
	struct addr group;
	enum filter_mode mode;
	const struct addr *sources;
	uint32_t n_sources;
};

/* The callbacks return true to go on. They must not change the engine. */
typedef bool (*engine_membership_fn)(const struct engine_membership_view *view, void *arg);
typedef bool (*engine_source_fn)(const struct engine_source_view *view, void *arg);
typedef bool (*engine_upstream_fn)(const struct engine_upstream_view *view, void *arg);

bool engine_port_view(const struct engine *engine, unsigned int port,
		      struct engine_port_view *view);
/* All memberships of one port, or of all ports (port 0), in no particular order. */
void engine_each_membership(const struct engine *engine, unsigned int port, engine_membership_fn fn,
			    void *arg);
/* The memberships of one group on all downstream ports, in the order of the port numbers. */
void engine_each_of_group(const struct engine *engine, const struct addr *group,
			  engine_membership_fn fn, void *arg);
/* The sources of a membership in the order of their addresses. */
void engine_each_source(const struct engine_membership_view *membership, engine_source_fn fn,
			void *arg);
/* What an upstream port has joined. */
void engine_each_upstream(const struct engine *engine, unsigned int port, engine_upstream_fn fn,
			  void *arg);
/* RFC 9776 section 6.3 for one port: is data of (source, group) wanted there? Ignores the querier
 * role. */
bool engine_wants(const struct engine *engine, unsigned int port, const struct addr *group,
		  const struct addr *source);

/* Is it one of the addresses of this host on the link of a port? */
bool engine_is_own(const struct engine *engine, unsigned int port, const struct addr *addr);

/* A hash of the address that nobody outside can foresee, for tables of what the engine tells. */
uint32_t engine_hash(const struct engine *engine, const struct addr *addr);

struct engine_counters {
	uint64_t received[RECEIVE_VERDICTS];
	uint64_t queries_received, reports_received, leaves_received;
	uint64_t queries_sent, reports_sent, leaves_sent;
	uint64_t groups_refused, sources_refused, hosts_refused;
};
/* Counters of one port since it was added; NULL: no such port. */
const struct engine_counters *engine_port_counters(const struct engine *engine, unsigned int port);

#endif
