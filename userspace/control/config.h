/* SPDX-License-Identifier: BSD-2-Clause */
/* mcastd.conf(5): read by libconfuse, checked as a whole, handed on as plain data. */
#ifndef CONTROL_CONFIG_H
#define CONTROL_CONFIG_H

#include "dataplane/dataplane.h"
#include "membership/engine.h"

/* What one interface section (or pattern) says, defaults filled in. */
struct config_interface {
	const char *name; /* an interface name or an fnmatch(3) pattern */
	bool is_pattern;
	unsigned int line;
	const char *file;
	struct port_config port; /* the engine's part but its mtu; arrays owned by the config */
	enum dataplane_mode xdp_mode;
	uint8_t ttl_threshold;
	bool drop_unknown;
	bool forward_as_non_querier;
	uint32_t igmp_rate_limit;     /* messages a second; 0: no limit */
	uint32_t igmp_burst;	      /* 0: as many as igmp_rate_limit */
	uint32_t fragment_rate_limit; /* packets a second; 0: no limit */
	uint32_t vlan;		      /* 0: untagged */
	const struct prefix *altnet;
	uint32_t n_altnet;
};

/* Read-only after config_read(); everything in it is freed with it. */
struct config {
	struct config_interface *interfaces; /* in file order */
	size_t n_interfaces;
	bool keep_on_exit;	     /* on-exit = keep */
	const char *http_listen;     /* as http_address_parse() takes it; NULL: no HTTP */
	uint32_t max_routes;	     /* 0: as the data plane does without being told */
	uint32_t max_sets;	     /* likewise */
	struct config_chunk *memory; /* where all of this lives */
};

/* Called once for each thing wrong with the file, with "FILE:LINE: what is wrong". */
typedef void (*config_error_fn)(void *arg, const char *message);

/*
 * Reads and checks a configuration file. Returns the configuration, to be freed with config_free(),
 * or NULL after at least one error was told.
 */
struct config *config_read(const char *path, config_error_fn error, void *arg);
void config_free(struct config *config);
/* What is allowed but unwise, in the same form as errors. */
void config_each_warning(const struct config *config, config_error_fn warn, void *arg);
/* The section for an interface: its own name before patterns, patterns in file order; or NULL. */
const struct config_interface *config_find(const struct config *config, const char *ifname);

#endif
