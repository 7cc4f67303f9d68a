/* SPDX-License-Identifier: BSD-2-Clause */
/* What settings of a port must be to make sense: RFC 9776 section 8 and the codes of section 4. */
#include <stddef.h>

#include "rules/range.h"
#include "settings.h"

/* The largest values that Max Resp Code and QQIC can say, sections 4.1.1 and 4.1.7. */
#define V3_RESPONSE_MAX_MS 3174400
#define V2_RESPONSE_MAX_MS 25500
#define QUERY_INTERVAL_MAX_MS 31744000
/* An IPv4 packet of this size passes everywhere (RFC 791). */
#define MTU_MIN 68

static const char *check_intervals(const struct port_config *c)
{
	if (c->query_interval_ms < 1000 || c->query_interval_ms > QUERY_INTERVAL_MAX_MS)
		return "query-interval must be from 1 to 31744 seconds, the most that a query can "
		       "say (QQIC, RFC 9776 section 4.1.7)";
	if (c->query_response_interval_ms < 100 ||
	    c->query_response_interval_ms > V3_RESPONSE_MAX_MS)
		return "query-max-response-time must be from 0.1 to 3174.4 seconds "
		       "(Max Resp Code, RFC 9776 section 4.1.1)";
	if (c->query_response_interval_ms >= c->query_interval_ms)
		return "query-max-response-time must be less than query-interval "
		       "(RFC 9776 section 8.3)";
	if (c->last_member_query_interval_ms < 100 ||
	    c->last_member_query_interval_ms > V3_RESPONSE_MAX_MS)
		return "last-member-query-interval must be from 0.1 to 3174.4 seconds "
		       "(RFC 9776 section 8.8)";
	if (c->startup_query_interval_ms > QUERY_INTERVAL_MAX_MS)
		return "startup-query-interval must be at most 31744 seconds";
	return NULL;
}

static const char *check_version(const struct port_config *c)
{
	if (c->version < 1 || c->version > 3)
		return "version must be 1, 2 or 3";
	if (c->version == 2 && c->query_response_interval_ms > V2_RESPONSE_MAX_MS)
		return "query-max-response-time must be at most 25.5 seconds with version = 2, "
		       "whose queries cannot say more (RFC 2236 section 2.2)";
	if (c->version == 2 && c->last_member_query_interval_ms > V2_RESPONSE_MAX_MS)
		return "last-member-query-interval must be at most 25.5 seconds with version = 2, "
		       "whose queries cannot say more (RFC 2236 section 2.2)";
	return NULL;
}

static bool prefixes_fit(const struct prefix *list, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (list[i].len > 128)
			return false;
	}
	return true;
}

static bool policy_fits(const struct policy *policy)
{
	for (uint32_t i = 0; i < policy->n_rules; i++) {
		if (policy->rules[i].prefix.len > 128)
			return false;
	}
	return true;
}

static const char *check_lists(const struct port_config *c)
{
	if (!policy_fits(&c->group_policy) || !policy_fits(&c->source_policy) ||
	    !prefixes_fit(c->boundary, c->n_boundary) ||
	    !prefixes_fit(c->ssm_range, c->n_ssm_range))
		return "a prefix is longer than its address";
	for (uint32_t i = 0; i < c->n_boundary; i++) {
		if (!addr_is_multicast(&c->boundary[i].addr))
			return "boundary takes prefixes of multicast groups, within 224.0.0.0/4";
	}
	for (uint32_t i = 0; i < c->n_ssm_range; i++) {
		if (!addr_is_multicast(&c->ssm_range[i].addr))
			return "ssm-range takes prefixes of multicast groups, within 224.0.0.0/4";
	}
	return NULL;
}

static const char *check_static(const struct settings *settings, const struct static_group *group)
{
	if (range_of_group(&group->group) != RANGE_ROUTED)
		return "static-group and join-group take a multicast group that routers forward: "
		       "within 224.0.0.0/4, but not 224.0.0.0/24 or 232.0.0.0";
	if (settings_is_bounded(settings, &group->group))
		return "a static-group or join-group lies within the boundary of its interface "
		       "(239.255.0.0/16 always does where there is one)";
	if (!group->n_sources && settings_is_ssm(settings, &group->group))
		return "a static-group or join-group in the SSM range must name its sources "
		       "(RFC 4607 section 5.2)";
	for (uint32_t i = 0; i < group->n_sources; i++) {
		if (range_of_source(&group->sources[i]) != RANGE_ROUTED)
			return "the source of a static-group or join-group must be the unicast "
			       "address of a host, and not of 169.254.0.0/16";
	}
	return NULL;
}

static const char *check_statics(const struct port_config *c)
{
	struct settings settings = { .config = *c };
	const char *problem = NULL;

	settings_fill_defaults(&settings.config);
	for (uint32_t i = 0; i < c->n_static_groups && !problem; i++)
		problem = check_static(&settings, &c->static_groups[i]);
	return problem;
}

const char *port_config_check(const struct port_config *c)
{
	const char *problem;

	if (c->role != PORT_DOWNSTREAM && c->role != PORT_UPSTREAM)
		return "role must be upstream or downstream";
	if (!c->robustness)
		return "robustness-variable must not be 0 (RFC 9776 section 8.1); 2 is usual";
	if (c->mtu && c->mtu < MTU_MIN)
		return "the MTU must be at least 68 bytes";
	problem = check_version(c);
	if (!problem)
		problem = check_intervals(c);
	if (!problem)
		problem = check_lists(c);
	if (!problem)
		problem = check_statics(c);
	return problem;
}

const char *port_config_warn(const struct port_config *c)
{
	if (c->robustness == 1)
		return "robustness-variable = 1 lets a single lost packet end a membership; RFC "
		       "9776 section 8.1 says it should not be 1";
	if (c->version < 3 && c->explicit_tracking)
		return "explicit-tracking leaves at once only with version = 3: members of versions "
		       "1 and 2 hide each other's reports";
	return NULL;
}
