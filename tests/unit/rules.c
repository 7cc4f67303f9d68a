/* SPDX-License-Identifier: BSD-2-Clause */
/* The rules, one row for each case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "rules/boundary.h"
#include "rules/origin.h"
#include "rules/policy.h"
#include "rules/range.h"

static struct addr addr_of(const char *text)
{
	struct addr addr;

	if (addr_parse(text, &addr))
		fail_msg("%s is not an address", text);
	return addr;
}

static struct prefix prefix_of(const char *text)
{
	struct prefix prefix;

	if (prefix_parse(text, &prefix))
		fail_msg("%s is not a prefix", text);
	return prefix;
}

struct range_case {
	const char *addr;
	enum range range;
};

/* R-BADDST, R-LL-FWD, R-INET-FWD, S-232.0.0.0 */
static const struct range_case group_cases[] = {
	{ "0.0.0.0", RANGE_UNICAST },	      { "10.1.1.1", RANGE_UNICAST },
	{ "223.255.255.255", RANGE_UNICAST }, { "224.0.0.0", RANGE_LINK_LOCAL },
	{ "224.0.0.1", RANGE_LINK_LOCAL },    { "224.0.0.255", RANGE_LINK_LOCAL },
	{ "224.0.1.0", RANGE_ROUTED },	      { "231.255.255.255", RANGE_ROUTED },
	{ "232.0.0.0", RANGE_RESERVED },      { "232.0.0.1", RANGE_ROUTED },
	{ "239.255.255.255", RANGE_ROUTED },  { "240.0.0.0", RANGE_UNICAST },
	{ "255.255.255.255", RANGE_UNICAST }, { "2001:db8::1", RANGE_UNICAST },
	{ "ff01::1", RANGE_LINK_LOCAL },      { "ff02::1", RANGE_LINK_LOCAL },
	{ "ff32::1", RANGE_LINK_LOCAL },      { "ff05::1", RANGE_ROUTED },
	{ "ff3e::1", RANGE_ROUTED },
};

static void test_groups(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(group_cases) / sizeof(group_cases[0]); i++) {
		struct addr group = addr_of(group_cases[i].addr);

		if (range_of_group(&group) != group_cases[i].range)
			fail_msg("%s: %d", group_cases[i].addr, range_of_group(&group));
	}
}

/* R-4.2.10-SRC, D-MARTIAN, D-LLSRC */
static const struct range_case source_cases[] = {
	{ "0.0.0.0", RANGE_MARTIAN },
	{ "0.255.255.255", RANGE_MARTIAN },
	{ "1.0.0.0", RANGE_ROUTED },
	{ "126.255.255.255", RANGE_ROUTED },
	{ "127.0.0.1", RANGE_MARTIAN },
	{ "128.0.0.0", RANGE_ROUTED },
	{ "169.253.255.255", RANGE_ROUTED },
	{ "169.254.0.0", RANGE_LINK_LOCAL },
	{ "169.254.255.255", RANGE_LINK_LOCAL },
	{ "169.255.0.0", RANGE_ROUTED },
	{ "223.255.255.255", RANGE_ROUTED },
	{ "224.0.0.1", RANGE_MARTIAN },
	{ "240.0.0.1", RANGE_MARTIAN },
	{ "255.255.255.255", RANGE_MARTIAN },
	{ "::", RANGE_MARTIAN },
	{ "::1", RANGE_MARTIAN },
	{ "ff05::1", RANGE_MARTIAN },
	{ "fe7f::1", RANGE_ROUTED },
	{ "fe80::1", RANGE_LINK_LOCAL },
	{ "febf::1", RANGE_LINK_LOCAL },
	{ "fec0::1", RANGE_ROUTED },
	{ "2001:db8::1", RANGE_ROUTED },
};

static void test_sources(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(source_cases) / sizeof(source_cases[0]); i++) {
		struct addr source = addr_of(source_cases[i].addr);

		if (range_of_source(&source) != source_cases[i].range)
			fail_msg("%s: %d", source_cases[i].addr, range_of_source(&source));
	}
}

/* S-3-RANGE: a list of its own takes the place of the usual range. */
static void test_ssm(void **state)
{
	static const struct {
		const char *list, *group;
		bool ssm;
	} cases[] = {
		{ NULL, "231.255.255.255", false },
		{ NULL, "232.0.0.1", true },
		{ NULL, "232.255.255.255", true },
		{ NULL, "233.0.0.0", false },
		{ NULL, "ff3e::1", true },
		{ NULL, "ff0e::1", false },
		{ "239.232.0.0/16", "239.232.1.1", true },
		{ "239.232.0.0/16", "239.233.1.1", false },
		{ "239.232.0.0/16", "232.1.1.1", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct prefix list = prefix_of(cases[i].list ? cases[i].list : "0.0.0.0/0");
		struct addr group = addr_of(cases[i].group);

		if (range_is_ssm(&list, cases[i].list != NULL, &group) != cases[i].ssm)
			fail_msg("row %zu", i);
	}
}

/* L-POLICY: the first match decides, without one it is permitted. */
static void test_policy(void **state)
{
	const struct policy_rule rules[] = {
		{ true, prefix_of("239.1.0.0/16") },
		{ false, prefix_of("239.0.0.0/8") },
		{ true, prefix_of("239.2.0.0/16") },
	};
	static const struct {
		uint32_t n_rules;
		const char *addr;
		int denied_by; /* -1: by none */
	} cases[] = {
		{ 3, "239.1.2.3", -1 }, { 3, "239.2.2.3", 1 },	{ 3, "239.3.2.3", 1 },
		{ 3, "224.1.1.1", -1 }, { 1, "239.3.2.3", -1 }, { 0, "239.3.2.3", -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct policy policy = { rules, cases[i].n_rules };
		struct addr addr = addr_of(cases[i].addr);
		const struct policy_rule *rule = policy_denies(&policy, &addr);

		if (rule != (cases[i].denied_by < 0 ? NULL : &rules[cases[i].denied_by]))
			fail_msg("row %zu", i);
	}
}

/* R-SCOPE-BI, R-SCOPE-LOCAL: which prefix stops the group, and how many there are. */
static void test_boundary(void **state)
{
	static const struct {
		const char *list[2]; /* as configured */
		const char *group, *by;
		uint32_t count;
	} cases[] = {
		{ { NULL, NULL }, "239.255.1.1", NULL, 0 },
		{ { "239.192.0.0/14", NULL }, "239.195.255.255", "239.192.0.0/14", 2 },
		{ { "239.192.0.0/14", NULL }, "239.196.0.0", NULL, 2 },
		{ { "239.192.0.0/14", NULL }, "239.255.1.1", "239.255.0.0/16", 2 },
		{ { "239.192.0.0/14", NULL }, "239.254.255.255", NULL, 2 },
		{ { "239.255.0.0/16", NULL }, "239.255.1.1", "239.255.0.0/16", 1 },
		{ { "239.0.0.0/8", NULL }, "239.255.1.1", "239.0.0.0/8", 1 },
		{ { "239.255.1.0/24", NULL }, "239.255.2.1", "239.255.0.0/16", 2 },
		{ { "239.1.1.1/32", "239.2.0.0/16" }, "239.2.3.4", "239.2.0.0/16", 3 },
		{ { "239.1.1.1/32", "239.2.0.0/16" }, "239.1.1.1", "239.1.1.1/32", 3 },
		{ { "239.1.1.1/32", "239.2.0.0/16" }, "239.1.1.2", NULL, 3 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct addr group = addr_of(cases[i].group);
		const struct prefix *by;
		struct prefix list[2];
		char text[PREFIX_TEXT_MAX];
		uint32_t n = 0;

		for (; n < 2 && cases[i].list[n]; n++)
			list[n] = prefix_of(cases[i].list[n]);
		by = boundary_stops(list, n, &group);
		if (!by != !cases[i].by || boundary_count(list, n) != cases[i].count)
			fail_msg("row %zu", i);
		if (by)
			assert_string_equal(prefix_format(by, text, sizeof(text)), cases[i].by);
	}
}

#define UPSTREAM 1
#define NOBODY 99

/* P-5-LOOP: by which of the ports 1 (upstream), 2 and 3 a source may come in. */
static void test_origins(void **state)
{
	struct origin origins[] = {
		{ prefix_of("10.1.2.0/24"), 3 },     { prefix_of("192.0.2.0/24"), UPSTREAM },
		{ prefix_of("10.1.0.0/16"), 2 },     { prefix_of("198.51.100.0/24"), 2 },
		{ prefix_of("198.51.100.0/24"), 3 }, { prefix_of("10.1.0.0/16"), 2 },
		{ prefix_of("10.1.2.3/32"), 2 },     { prefix_of("10.1.1.254/32"), ORIGIN_SELF },
		{ prefix_of("192.0.2.254/32"), 1 },  { prefix_of("192.0.2.254/32"), ORIGIN_SELF },
	};
	static const struct {
		const char *source;
		uint32_t home;
		bool admitted[4];
	} cases[] = {
		{ "10.1.1.1", 2, { 0, false, true, false } },
		{ "10.1.2.1", 3, { 0, false, false, true } },  /* the longest prefix */
		{ "10.1.2.3", 2, { 0, false, true, false } },  /* a single host of it */
		{ "192.0.2.1", 1, { 0, true, false, false } }, /* of the upstream's own link */
		{ "203.0.113.1", NOBODY, { 0, true, false, false } },
		{ "198.51.100.1", ORIGIN_SHARED, { 0, true, true, true } },
		{ "10.1.1.254", ORIGIN_SELF, { 0, false, false, false } },
		{ "192.0.2.254", ORIGIN_SELF, { 0, false, false, false } }, /* a port claims it */
	};
	uint32_t n = origin_merge(origins, sizeof(origins) / sizeof(origins[0]));

	(void)state;
	assert_int_equal(n, 7);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct addr source = addr_of(cases[i].source);
		const struct origin *home = origin_find(origins, n, &source);

		if ((home ? home->slot : NOBODY) != cases[i].home)
			fail_msg("%s: lives behind %u", cases[i].source,
				 home ? home->slot : NOBODY);
		for (uint32_t slot = 1; slot <= 3; slot++)
			if (origin_admits(home, home && home->slot == UPSTREAM,
					  (struct origin_port){ slot, slot == UPSTREAM }) !=
			    cases[i].admitted[slot])
				fail_msg("%s by port %u", cases[i].source, slot);
	}
	assert_null(origin_find(origins, 0, &origins[0].prefix.addr));
	assert_int_equal(origin_merge(origins, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_groups),	 cmocka_unit_test(test_sources),
		cmocka_unit_test(test_ssm),	 cmocka_unit_test(test_policy),
		cmocka_unit_test(test_boundary), cmocka_unit_test(test_origins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
