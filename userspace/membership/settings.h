/* SPDX-License-Identifier: BSD-2-Clause */
/* A port's settings as the engine keeps them, and the questions that they answer. */
#ifndef MEMBERSHIP_SETTINGS_H
#define MEMBERSHIP_SETTINGS_H

#include "engine.h"

/* A static group with its sources in order. */
struct static_entry {
	struct addr group;
	struct addr *sources;
	uint32_t n_sources; /* 0: any source */
};

struct settings {
	struct port_config
		config; /* its arrays belong to this struct, and defaults are filled in */
	struct static_entry *statics; /* one per group, in order */
	uint32_t n_statics;
};

/* Puts the defaults of RFC 9776 section 8 where the configuration leaves a choice open. */
void settings_fill_defaults(struct port_config *config);
/* Copies a configuration that port_config_check() accepts. Returns 0 or -ENOMEM. */
int settings_init(struct settings *settings, const struct port_config *config);
void settings_fini(struct settings *settings);
/* The port's static entry of a group, or NULL. */
const struct static_entry *settings_find_static(const struct settings *settings,
						const struct addr *group);

/* What a port's settings and the address ranges say about a group. */
enum group_verdict {
	GROUP_OK,
	GROUP_BAD,    /* not multicast, or never routed (R-4.2.9-GRP, R-LL-TRACK) */
	GROUP_DENIED, /* boundary or policy */
};
enum group_verdict settings_check_group(const struct settings *settings, const struct addr *group);
bool settings_is_bounded(const struct settings *settings, const struct addr *group);
bool settings_is_ssm(const struct settings *settings, const struct addr *group);
/*
 * May a source be asked for by name? What may not still can be refused: it stays in the lists of
 * BLOCK and of EXCLUDE mode.
 */
bool settings_permit_source(const struct settings *settings, const struct addr *source);

#endif
