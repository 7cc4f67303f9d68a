/* SPDX-License-Identifier: BSD-2-Clause */
/* Every setting ends up where it belongs; defaults, sections, patterns, includes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/config_text.h"

static struct config *read_good(const char *text)
{
	struct config *config = config_text_read(text);

	if (!config)
		fail_msg("%s", config_text_errors());
	assert_string_equal(config_text_errors(), "");
	return config;
}

static struct prefix prefix_of(const char *text)
{
	struct prefix prefix;

	assert_int_equal(prefix_parse(text, &prefix), 0);
	return prefix;
}

static void expect_prefix(const struct prefix *prefix, const char *text)
{
	struct prefix expected = prefix_of(text);

	assert_memory_equal(&prefix->addr, &expected.addr, sizeof(expected.addr));
	assert_int_equal(prefix->len, expected.len);
}

static void expect_addr(const struct addr *addr, const char *text)
{
	struct addr expected;

	assert_int_equal(addr_parse(text, &expected), 0);
	assert_memory_equal(addr, &expected, sizeof(expected));
}

static void test_defaults(void **state)
{
	struct config *config = read_good("interface eth1 { }");
	const struct config_interface *eth1 = config_find(config, "eth1");
	struct port_config port;

	(void)state;
	port_config_init(&port);
	assert_int_equal(config->n_interfaces, 1);
	assert_false(config->keep_on_exit);
	assert_int_equal(config->max_routes, 0);
	assert_int_equal(config->max_sets, 0);
	assert_null(config->http_listen);
	assert_int_equal(eth1->port.role, PORT_DOWNSTREAM);
	assert_int_equal(eth1->port.query_interval_ms, 125000);
	assert_int_equal(eth1->port.query_response_interval_ms, 10000);
	assert_int_equal(eth1->port.robustness, 2);
	assert_int_equal(eth1->port.version, 3);
	assert_int_equal(eth1->port.n_ssm_range, port.n_ssm_range);
	assert_int_equal(eth1->xdp_mode, DATAPLANE_MODE_AUTO);
	assert_int_equal(eth1->ttl_threshold, 1);
	assert_false(eth1->drop_unknown);
	assert_false(eth1->forward_as_non_querier);
	assert_int_equal(eth1->vlan, 0);
	assert_int_equal(eth1->n_altnet, 0);
	config_free(config);
}

static void test_every_setting(void **state)
{
	struct config *config =
		read_good("on-exit = keep\n"
			  "http-listen = \"[::1]:9455\"\n"
			  "max-routes = 100000\n"
			  "max-port-sets = 50000\n"
			  "interface eth0 {\n"
			  "  role = upstream\n"
			  "  query-interval = 60\n"
			  "  query-max-response-time = 2.5\n"
			  "  robustness-variable = 3\n"
			  "  last-member-query-interval = 0.5\n"
			  "  last-member-query-count = 4\n"
			  "  startup-query-interval = 31.25\n"
			  "  startup-query-count = 5\n"
			  "  unsolicited-report-interval = 0.125\n"
			  "  version = 2\n"
			  "  immediate-leave = yes\n"
			  "  explicit-tracking = on\n"
			  "  require-router-alert = TRUE\n"
			  "  verify-source-subnet = true\n"
			  "  allow-link-local-source = true\n"
			  "  accept-any-ttl = true\n"
			  "  oldest-version = true\n"
			  "  host-compatibility = off\n"
			  "  ignore-v1 = true\n"
			  "  ignore-v2 = true\n"
			  "  max-groups = 10\n"
			  "  max-group-sources = 20\n"
			  "  max-hosts = 4294967295\n"
			  "  xdp-mode = generic\n"
			  "  unknown-multicast = drop\n"
			  "  ttl-threshold = 16\n"
			  "  forward-as-non-querier = true\n"
			  "  vlan = 100\n"
			  "  altnet = { \"192.0.2.0/24\", 10.0.0.0/8 }\n"
			  "  boundary = { \"239.255.0.0/16\" }\n"
			  "  ssm-range = { \"232.0.0.0/8\", \"239.232.0.0/16\" }\n"
			  "  group-policy = { \"permit 239.0.0.0/8\", \"deny any\" }\n"
			  "  source-policy = { \"deny  198.51.100.0/24 \" }\n"
			  "  join-group 239.9.9.9 { }\n"
			  "}\n"
			  /* Joined on the upstream interface, wherever it stands. */
			  "interface eth1 {\n"
			  "  static-group 239.2.2.2 { }\n"
			  "  join-group 232.1.1.1 { source = { \"192.0.2.1\", \"192.0.2.2\" } }\n"
			  "}\n");
	const struct config_interface *eth0 = config_find(config, "eth0");
	const struct port_config *port = &eth0->port;

	(void)state;
	assert_true(config->keep_on_exit);
	assert_int_equal(config->max_routes, 100000);
	assert_int_equal(config->max_sets, 50000);
	assert_string_equal(config->http_listen, "[::1]:9455");
	assert_int_equal(eth0->line, 5);
	assert_int_equal(port->role, PORT_UPSTREAM);
	assert_int_equal(port->query_interval_ms, 60000);
	assert_int_equal(port->query_response_interval_ms, 2500);
	assert_int_equal(port->robustness, 3);
	assert_int_equal(port->last_member_query_interval_ms, 500);
	assert_int_equal(port->last_member_query_count, 4);
	assert_int_equal(port->startup_query_interval_ms, 31250);
	assert_int_equal(port->startup_query_count, 5);
	assert_int_equal(port->unsolicited_report_interval_ms, 125);
	assert_int_equal(port->version, 2);
	assert_true(port->immediate_leave);
	assert_true(port->explicit_tracking);
	assert_true(port->require_router_alert);
	assert_true(port->verify_source_subnet);
	assert_true(port->allow_link_local_source);
	assert_true(port->accept_any_ttl);
	assert_true(port->oldest_version);
	assert_false(port->host_compatibility);
	assert_true(port->ignore_v1);
	assert_true(port->ignore_v2);
	assert_int_equal(port->max_groups, 10);
	assert_int_equal(port->max_group_sources, 20);
	assert_int_equal(port->max_hosts, UINT32_MAX);
	assert_int_equal(eth0->xdp_mode, DATAPLANE_MODE_GENERIC);
	assert_true(eth0->drop_unknown);
	assert_int_equal(eth0->ttl_threshold, 16);
	assert_true(eth0->forward_as_non_querier);
	assert_int_equal(eth0->vlan, 100);
	assert_int_equal(eth0->n_altnet, 2);
	expect_prefix(&eth0->altnet[1], "10.0.0.0/8");
	assert_int_equal(port->n_boundary, 1);
	expect_prefix(&port->boundary[0], "239.255.0.0/16");
	assert_int_equal(port->n_ssm_range, 2);
	expect_prefix(&port->ssm_range[1], "239.232.0.0/16");
	assert_int_equal(port->group_policy.n_rules, 2);
	assert_true(port->group_policy.rules[0].permit);
	expect_prefix(&port->group_policy.rules[0].prefix, "239.0.0.0/8");
	assert_false(port->group_policy.rules[1].permit);
	expect_prefix(&port->group_policy.rules[1].prefix, "0.0.0.0/0");
	assert_int_equal(port->source_policy.n_rules, 1);
	assert_false(port->source_policy.rules[0].permit);
	expect_prefix(&port->source_policy.rules[0].prefix, "198.51.100.0/24");
	assert_int_equal(port->n_static_groups, 2);
	for (uint32_t i = 0; i < 2; i++) {
		const struct static_group *group = &port->static_groups[i];
		bool ssm = group->n_sources > 0;

		expect_addr(&group->group, ssm ? "232.1.1.1" : "239.9.9.9");
		assert_int_equal(group->n_sources, ssm ? 2 : 0);
		if (ssm)
			expect_addr(&group->sources[1], "192.0.2.2");
	}
	port = &config_find(config, "eth1")->port;
	assert_int_equal(port->n_static_groups, 1);
	expect_addr(&port->static_groups[0].group, "239.2.2.2");
	config_free(config);
}

static void test_defaults_in_any_order(void **state)
{
	struct config *config = read_good("query-interval = 60 # before\n"
					  "interface eth1 { version = 2 }\n"
					  "interface eth2 { query-interval = 70 boundary = { } }\n"
					  "version = 1 /* behind */\n"
					  "boundary = 239.255.0.0/16\n"
					  "boundary += { \"239.254.0.0/16\" }\n");
	const struct port_config *eth1 = &config_find(config, "eth1")->port;
	const struct port_config *eth2 = &config_find(config, "eth2")->port;

	(void)state;
	assert_int_equal(eth1->query_interval_ms, 60000);
	assert_int_equal(eth1->version, 2);
	assert_int_equal(eth1->n_boundary, 2);
	expect_prefix(&eth1->boundary[1], "239.254.0.0/16");
	assert_int_equal(eth2->query_interval_ms, 70000);
	assert_int_equal(eth2->version, 1);
	assert_int_equal(eth2->n_boundary, 0);
	config_free(config);
}

static void test_patterns(void **state)
{
	struct config *config = read_good("interface \"eth*\" { version = 1 }\n"
					  "interface \"eth?\" { version = 2 }\n"
					  "interface eth5 { version = 3 }\n"
					  "interface 'lan[0-3]' { }\n");

	(void)state;
	assert_int_equal(config_find(config, "eth5")->port.version, 3);
	assert_int_equal(config_find(config, "eth1")->port.version, 1);
	assert_string_equal(config_find(config, "lan2")->name, "lan[0-3]");
	assert_true(config_find(config, "lan2")->is_pattern);
	assert_null(config_find(config, "lan4"));
	assert_null(config_find(config, "wlan0"));
	config_free(config);
}

static void test_includes(void **state)
{
	static const char one[] = "# first\ninterface eth1 { }\nversion = 2\n";
	static const char two[] = "interface eth2 { }\ninclude(\"deep.inc\")\n";
	static const char deep[] = "interface deep { }";
	struct config *config;

	(void)state;
	config_text_write("20.conf", two, strlen(two));
	config_text_write("10.conf", one, strlen(one));
	config_text_write("deep.inc", deep, strlen(deep));
	config = read_good("interface first { }\n"
			   "include(\"*.conf\")\n"
			   "include(\"/nonexistent/mcastd.d/*.conf\")\n"
			   "interface last { }\n");
	assert_int_equal(config->n_interfaces, 5);
	assert_string_equal(config->interfaces[0].name, "first");
	assert_string_equal(config->interfaces[1].name, "eth1");
	assert_string_equal(config->interfaces[2].name, "eth2");
	assert_string_equal(config->interfaces[3].name, "deep");
	assert_string_equal(config->interfaces[4].name, "last");
	assert_int_equal(config->interfaces[1].line, 2);
	assert_string_equal(strrchr(config->interfaces[1].file, '/'), "/10.conf");
	assert_int_equal(config->interfaces[4].line, 4);
	assert_int_equal(config->interfaces[4].port.version, 2);
	config_free(config);

	assert_null(config_text_read("version = 3\ninclude(\"10.conf\")\ninterface eth1 { }"));
	assert_non_null(strstr(config_text_errors(), "10.conf:3: version is set already at "));
	assert_non_null(strstr(config_text_errors(), "/conf:1\n"));

	assert_null(config_text_read("include(\"10.conf\")\ninterface eth1 { }"));
	assert_non_null(
		strstr(config_text_errors(), "conf:2: interface eth1 has a section already at "));
	assert_non_null(strstr(config_text_errors(), "/10.conf:2\n"));
}

static void expect_same_defaults(const struct port_config *a, const struct port_config *b)
{
	struct port_config x = *a, y = *b;

	/* An empty list and no list are the same; so is the SSM range that the engine fills in. */
	assert_int_equal(x.group_policy.n_rules + x.source_policy.n_rules + x.n_boundary, 0);
	assert_int_equal(x.n_ssm_range, 1);
	expect_prefix(&x.ssm_range[0], "232.0.0.0/8");
	x.group_policy.rules = x.source_policy.rules = NULL;
	y.group_policy.rules = y.source_policy.rules = NULL;
	x.ssm_range = y.ssm_range = NULL;
	x.n_ssm_range = y.n_ssm_range = 0;
	assert_memory_equal(&x, &y, sizeof(x));
}

/* The sample's settings are the defaults, its example sections are right, and it names them all. */
static void test_sample(void **state)
{
	static char text[16384];
	FILE *file = fopen("deploy/mcastd.conf", "re");
	struct config *sample, *plain = read_good("interface eth1 { }");
	char line[256], *at = text;

	(void)state;
	if (!file)
		skip(); /* not run from the top of the tree */
	while (fgets(line, sizeof(line), file)) {
		bool example = strncmp(line, "# interface", 11) == 0 ||
			       strncmp(line, "#     ", 6) == 0 || strcmp(line, "# }\n") == 0;

		if (line[0] == '#' && (line[1] != ' ' || example))
			at = stpcpy(at, line + 1);
		else if (line[0] == '#')
			at = stpcpy(at, "\n");
		else
			at = stpcpy(at, line);
	}
	fclose(file);
	strcpy(at, "interface eth1 { }\n");
	sample = read_good(text);
	assert_non_null(config_find(sample, "eth0"));
	assert_non_null(config_find(sample, "lan7"));
	expect_same_defaults(&config_find(sample, "eth1")->port, &config_find(plain, "eth1")->port);
	config_free(sample);
	config_free(plain);
}

static void note_warning(void *arg, const char *message)
{
	unsigned int *n = arg;

	assert_non_null(strstr(message, "/conf:2: interface eth1: "));
	++*n;
}

/* R-8.1-RV: a Robustness Variable of 1 is allowed, with a warning. */
static void test_warnings(void **state)
{
	struct config *config = read_good("interface eth2 { }\n"
					  "interface eth1 { robustness-variable = 1 }\n");
	unsigned int n = 0;

	(void)state;
	config_each_warning(config, note_warning, &n);
	assert_int_equal(n, 1);
	config_free(config);
}

static int remove_files(void **state)
{
	(void)state;
	config_text_remove();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_every_setting),
		cmocka_unit_test(test_defaults_in_any_order),
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_includes),
		cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_sample),
	};

	return cmocka_run_group_tests(tests, NULL, remove_files);
}
