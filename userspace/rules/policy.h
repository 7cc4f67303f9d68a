/* SPDX-License-Identifier: BSD-2-Clause */
/* group-policy and source-policy: lists of prefixes that are permitted or denied. */
#ifndef RULES_POLICY_H
#define RULES_POLICY_H

#include "base/addr.h"

struct policy_rule {
	bool permit;
	struct prefix prefix;
};

/* First match decides; no match: permit. */
struct policy {
	const struct policy_rule *rules;
	uint32_t n_rules;
};

/* The rule that denies the address, or NULL: it is permitted. */
const struct policy_rule *policy_denies(const struct policy *policy, const struct addr *addr);

#endif
