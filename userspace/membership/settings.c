/* SPDX-License-Identifier: BSD-2-Clause */
#include "settings.h"

#include <errno.h>
#include <stdlib.h>

#include "rules/boundary.h"
#include "rules/range.h"
#include "set.h"

#define DEFAULT_MTU 1500

static void *copy(const void *from, size_t n, size_t size)
{
	void *to = malloc(n * size + 1); /* never of size 0: NULL means no memory */

	if (to && n)
		memcpy(to, from, n * size);
	return to;
}

static int copy_policy(struct policy *policy)
{
	policy->rules = copy(policy->rules, policy->n_rules, sizeof(*policy->rules));
	return policy->rules ? 0 : -ENOMEM;
}

static int copy_prefixes(const struct prefix **list, uint32_t n)
{
	*list = copy(*list, n, sizeof(**list));
	return *list ? 0 : -ENOMEM;
}

/* Adds the sources of one static group to its entry; any source swallows all. */
static int merge_static(struct static_entry *entry, const struct static_group *group, bool fresh)
{
	uint32_t n = entry->n_sources + group->n_sources;
	struct addr *sources;

	if (!group->n_sources || (!fresh && !entry->n_sources)) {
		entry->n_sources = 0;
		return 0;
	}
	sources = realloc(entry->sources, n * sizeof(*sources));
	if (!sources)
		return -ENOMEM;
	memcpy(sources + entry->n_sources, group->sources, group->n_sources * sizeof(*sources));
	entry->sources = sources;
	entry->n_sources = addr_list_normalize(sources, n);
	return 0;
}

static int compare_groups(const void *a, const void *b)
{
	return addr_cmp(&((const struct static_group *)a)->group,
			&((const struct static_group *)b)->group);
}

/* The static groups in order, those of the same group merged. */
static int copy_statics(struct settings *settings, const struct port_config *config)
{
	uint32_t n = config->n_static_groups;
	struct static_group *sorted = copy(config->static_groups, n, sizeof(*sorted));
	int err = sorted ? 0 : -ENOMEM;

	settings->statics = calloc((size_t)n + 1, sizeof(*settings->statics));
	if (!settings->statics)
		err = -ENOMEM;
	if (!err)
		qsort(sorted, n, sizeof(*sorted), compare_groups);
	for (uint32_t i = 0; i < n && !err; i++) {
		bool fresh = i == 0 || compare_groups(&sorted[i - 1], &sorted[i]) != 0;

		settings->n_statics += fresh;
		settings->statics[settings->n_statics - 1].group = sorted[i].group;
		err = merge_static(&settings->statics[settings->n_statics - 1], &sorted[i], fresh);
	}
	free(sorted);
	return err;
}

static int compare_entry(const void *group, const void *entry)
{
	return addr_cmp(group, &((const struct static_entry *)entry)->group);
}

const struct static_entry *settings_find_static(const struct settings *settings,
						const struct addr *group)
{
	if (!settings->n_statics)
		return NULL;
	return bsearch(group, settings->statics, settings->n_statics, sizeof(*settings->statics),
		       compare_entry);
}

void settings_fill_defaults(struct port_config *config)
{
	if (!config->startup_query_interval_ms)
		config->startup_query_interval_ms = config->query_interval_ms / 4;
	if (!config->startup_query_count)
		config->startup_query_count = config->robustness;
	if (!config->mtu)
		config->mtu = DEFAULT_MTU;
}

int settings_init(struct settings *settings, const struct port_config *config)
{
	struct port_config *c = &settings->config;
	int err = 0;

	*settings = (struct settings){ .config = *config };
	settings_fill_defaults(c);
	c->static_groups = NULL;
	c->n_static_groups = 0;
	/* Every copy is tried, so that each pointer is ours or NULL for settings_fini(). */
	err |= copy_policy(&c->group_policy);
	err |= copy_policy(&c->source_policy);
	err |= copy_prefixes(&c->boundary, c->n_boundary);
	err |= copy_prefixes(&c->ssm_range, c->n_ssm_range);
	err |= copy_statics(settings, config);
	if (!err)
		return 0;
	settings_fini(settings);
	return -ENOMEM;
}

void settings_fini(struct settings *settings)
{
	struct port_config *c = &settings->config;

	free((void *)c->group_policy.rules);
	free((void *)c->source_policy.rules);
	free((void *)c->boundary);
	free((void *)c->ssm_range);
	for (uint32_t i = 0; i < settings->n_statics; i++)
		free(settings->statics[i].sources);
	free(settings->statics);
	*settings = (struct settings){ 0 };
}

bool settings_is_bounded(const struct settings *settings, const struct addr *group)
{
	const struct port_config *c = &settings->config;

	return boundary_stops(c->boundary, c->n_boundary, group);
}

enum group_verdict settings_check_group(const struct settings *settings, const struct addr *group)
{
	if (range_of_group(group) != RANGE_ROUTED)
		return GROUP_BAD;
	if (settings_is_bounded(settings, group) ||
	    policy_denies(&settings->config.group_policy, group))
		return GROUP_DENIED;
	return GROUP_OK;
}

bool settings_is_ssm(const struct settings *settings, const struct addr *group)
{
	return range_is_ssm(settings->config.ssm_range, settings->config.n_ssm_range, group);
}

bool settings_permit_source(const struct settings *settings, const struct addr *source)
{
	return range_of_source(source) == RANGE_ROUTED &&
	       !policy_denies(&settings->config.source_policy, source);
}

void port_config_init(struct port_config *config)
{
	*config = (struct port_config){
		.role = PORT_DOWNSTREAM,
		.version = 3,
		.robustness = 2,
		.query_interval_ms = 125000,
		.query_response_interval_ms = 10000,
		.last_member_query_interval_ms = 1000,
		.unsolicited_report_interval_ms = 1000,
		.host_compatibility = true,
		.mtu = DEFAULT_MTU,
	};
}
