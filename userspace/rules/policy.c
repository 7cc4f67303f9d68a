// SPDX-License-Identifier: BSD-2-Clause
#include "rules/policy.h"

const struct policy_rule *policy_denies(const struct policy *policy, const struct addr *addr)
{
	for (uint32_t i = 0; i < policy->n_rules; i++)
		if (prefix_contains(&policy->rules[i].prefix, addr))
			return policy->rules[i].permit ? NULL : &policy->rules[i];
	return NULL;
}
