/* SPDX-License-Identifier: BSD-2-Clause */
/* Every way in which a configuration can be wrong: file, line, and what is wrong with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/config_text.h"

#define ETH1 "interface eth1 { }\n"

static const struct {
	const char *text;
	const char *errors;
} cases[] = {
	/* Names, and where they belong. */
	{ "quary-interval = 5\n" ETH1,
	  "conf:1: unknown setting 'quary-interval', did you mean 'query-interval'?\n" },
	{ "interface eth1 {\n\trobustness-varaible = 3\n}\n",
	  "conf:2: unknown setting 'robustness-varaible', did you mean 'robustness-variable'?\n" },
	{ "interfcae eth1 { }\n",
	  "conf:1: unknown setting 'interfcae', did you mean 'interface'?\n" },
	{ "interface eth1 {\n static-goup 239.1.1.1 { }\n}\n",
	  "conf:2: unknown setting 'static-goup', did you mean 'static-group'?\n" },
	{ "\n\nxyzzy = 1\n", "conf:3: unknown setting 'xyzzy'\n" },
	{ "interface eth1 {\n on-exit = keep\n}\n",
	  "conf:2: 'on-exit' is for the whole daemon: put it outside of all sections\n" },
	{ "http-listen = localhost:80\n" ETH1,
	  "conf:1: http-listen: 'localhost:80' is not an address and a port; write "
	  "127.0.0.1:9455, \"[::1]:9455\" or just a port\n" },
	{ "static-group 239.1.1.1 { }\n",
	  "conf:1: 'static-group' belongs into an interface section\n" },
	{ "interface eth1 {\n source = { \"192.0.2.1\" }\n}\n",
	  "conf:2: 'source' belongs into a static-group or join-group section\n" },
	{ "interface eth1 {\n \" begin\" = { 1 }\n}\n", "conf:2: unknown setting ' begin'\n" },

	/* Syntax; lines behind comments are counted right. */
	{ "# one\n/* two\nthree */ // four\nversion 3\n" ETH1,
	  "conf:4: missing equal sign after option 'version'\n" },
	{ "interface eth1 {\n role = downstream\n", "conf:1: this '{' is never closed\n" },
	{ "interface eth1 {\n group-policy = { \"permit 239.0.0.0/8\"\n}\n",
	  "conf:1: this '{' is never closed\n" },
	{ ETH1 "}\n", "conf:2: unexpected '}': nothing is open here\n" },
	{ ETH1 ")\n", "conf:2: unexpected ')': nothing is open here\n" },
	{ ETH1 "/* open\n", "conf:2: this comment is never closed: */ is missing\n" },
	{ "\ninterface \"eth1 { }\n", "conf:2: this string is never closed: a quote is missing\n" },
	{ "interface eth* { }\n",
	  "conf:1: '*' and '+' must stand in quotes, as in interface \"eth*\"\n" },
	{ "version = \"\\999\"\n" ETH1, "conf:1: bad escape sequence '\\999'\n" },
	{ "include(a, b)\n", "conf:1: ')' is missing\n" },
	{ "include(a {\n", "conf:1: ')' is missing\n" },
	{ "include(a b)\n", "conf:1: one quoted name or pattern must stand in ( )\n" },
	{ "include()\n", "conf:1: one quoted name or pattern must stand in ( )\n" },
	{ "include(\n", "conf:1: this '(' is never closed\n" },
	{ "interface { }\n", "conf:1: missing title for section 'interface'\n" },
	{ "interface eth1 {\n interface eth2 { }\n}\n",
	  "conf:2: 'interface' is for the whole daemon: put it outside of all sections\n" },
	{ "version = { 3 }\n", "conf:1: unexpected token '{'\n" },

	/* Values. */
	{ "query-interval = soon\n" ETH1,
	  "conf:1: query-interval = soon: expected seconds from 0.001 to 4294967.295, with up to 3 "
	  "decimals\n" },
	{ "query-interval = 31.2505\n" ETH1,
	  "conf:1: query-interval = 31.2505: expected seconds from 0.001 to 4294967.295, with up to "
	  "3 decimals\n" },
	{ "query-interval = -5\n" ETH1,
	  "conf:1: query-interval = -5: expected seconds from 0.001 to 4294967.295, with up to 3 "
	  "decimals\n" },
	{ "query-interval = 4294968\n" ETH1,
	  "conf:1: query-interval = 4294968: expected seconds from 0.001 to 4294967.295, with up to "
	  "3 decimals\n" },
	{ "robustness-variable = 256\n" ETH1,
	  "conf:1: robustness-variable = 256: expected a number from 1 to 255\n" },
	{ "version = 4\n" ETH1, "conf:1: version = 4: expected a number from 1 to 3\n" },
	{ "max-groups = 4294967296\n" ETH1,
	  "conf:1: max-groups = 4294967296: expected a number from 0 to 4294967295\n" },
	{ "immediate-leave = maybe\n" ETH1,
	  "conf:1: immediate-leave = maybe: expected true or false\n" },
	{ "xdp-mode = skb\n" ETH1, "conf:1: xdp-mode = skb: expected auto, native or generic\n" },
	{ "unknown-multicast = flood\n" ETH1,
	  "conf:1: unknown-multicast = flood: expected pass or drop\n" },
	{ "interface eth1 { role = up }\n",
	  "conf:1: role = up: expected downstream or upstream\n" },
	{ "interface eth1 { vlan = 4095 }\n",
	  "conf:1: vlan = 4095: expected a number from 0 to 4094\n" },
	{ "interface eth1 { ttl-threshold = 0 }\n",
	  "conf:1: ttl-threshold = 0: expected a number from 1 to 255\n" },
	{ "boundary = { \"239.255.0.0/16\",\n\"239.255.0.0/8\" }\n" ETH1,
	  "conf:2: boundary: 239.255.0.0/8 is not an IPv4 prefix such as 239.1.0.0/16, or has bits "
	  "set behind its length\n" },
	{ "boundary = \"192.0.2.0/24\"\n" ETH1,
	  "conf:1: boundary: 192.0.2.0/24 holds no multicast groups (224.0.0.0/4)\n" },
	{ "boundary = \"ff05::/16\"\n" ETH1,
	  "conf:1: boundary: ff05::/16 is not an IPv4 prefix such as 239.1.0.0/16, or has bits set "
	  "behind its length\n" },
	{ "altnet = { \"239.0.0.0/8\" }\n" ETH1,
	  "conf:1: altnet: 239.0.0.0/8 holds no source addresses, only groups\n" },
	{ "group-policy = { \"allow 239.0.0.0/8\" }\n" ETH1,
	  "conf:1: group-policy: \"allow 239.0.0.0/8\" is not of the form \"permit PREFIX\" or "
	  "\"deny PREFIX\"\n" },
	{ "group-policy = { \"permit 239.0.0.0/8 now\" }\n" ETH1,
	  "conf:1: group-policy: \"permit 239.0.0.0/8 now\" is not of the form \"permit PREFIX\" or "
	  "\"deny PREFIX\"\n" },
	{ "source-policy = { \"deny 10.0.0.0/33\" }\n" ETH1,
	  "conf:1: source-policy: 10.0.0.0/33 is not an IPv4 prefix such as 192.0.2.0/24, or has "
	  "bits set behind its length\n" },

	/* Sections. */
	{ "", "conf:1: no interface section, so there is nothing to do; add one such as interface "
	      "eth1 { role = downstream }\n" },
	{ ETH1 ETH1, "conf:2: found duplicate title 'eth1'\n" },
	{ "interface eth1 {\n version = 2\n version = 3\n}\n",
	  "conf:3: version is set already in line 2\n" },
	{ "interface eth1 {\n altnet = { \"10.0.0.0/8\" }\n altnet = { \"11.0.0.0/8\" }\n}\n",
	  "conf:3: altnet is set already in line 2\n" },
	{ "interface a-name-of-16-chr { }\n",
	  "conf:1: 'a-name-of-16-chr' is too long for the name of an interface, which has at most 15 "
	  "characters\n" },
	{ "interface a/b { }\n", "conf:1: 'a/b' cannot be the name of an interface\n" },
	{ "interface \"\" { }\n", "conf:1: '' cannot be the name of an interface\n" },
	/* P-3-ONE */
	{ "interface eth0 { role = upstream }\n\ninterface eth1 { role = upstream }\n",
	  "conf:3: interface eth0 is upstream already (DIR/conf:1): there can be one only\n" },
	{ "interface \"eth*\" { role = upstream }\n",
	  "conf:1: the upstream interface must be named: a pattern could match several, and there "
	  "is one at most\n" },
	/* R-8.3-QRI, found with the defaults filled in and told once for each interface. */
	{ "query-interval = 5\ninterface eth1 {\n}\n", "conf:2: interface eth1: *" },
	{ "interface eth1 {\n static-group 10.1.1.1 { }\n}\n",
	  "conf:2: 10.1.1.1 is not an IPv4 multicast group such as 239.1.1.1\n" },
	{ "interface eth1 {\n static-group 239.1.1.1 { }\n static-group 224.0.0.5 { }\n}\n",
	  "conf:3: static-group 224.0.0.5: *" },
	{ "interface eth1 {\n\n static-group 232.1.1.1 { }\n}\n",
	  "conf:3: static-group 232.1.1.1: *" },
	{ "interface eth1 {\n static-group 239.1.1.1 {\n  source = { \"239.2.2.2\" }\n }\n}\n",
	  "conf:3: source: 239.2.2.2 is not an IPv4 unicast address\n" },
	{ "interface eth1 {\n join-group 239.1.1.1 { }\n}\n",
	  "conf:2: join-group needs an upstream interface\n" },
	{ "interface eth0 { role = upstream\n join-group 239.1.1.1 { } }\n"
	  "interface eth1 {\n join-group 239.1.1.1 { }\n}\n",
	  "conf:4: join-group 239.1.1.1 is there already\n" },
	{ "interface eth0 { role = upstream }\ninterface eth1 {\n join-group 224.0.0.5 { }\n}\n",
	  "conf:3: join-group 224.0.0.5: *" },
	{ "interface eth0 {\n role = upstream\n static-group 239.1.1.1 { }\n}\n",
	  "conf:1: static-group is for downstream interfaces; to join on the upstream one use "
	  "join-group\n" },

	/* Several at once. */
	{ "version = 9\nxdp-mode = x\nversion = 1\n" ETH1,
	  "conf:3: version is set already in line 1\nconf:1: version = 9: expected a number from 1 "
	  "to 3\nconf:2: xdp-mode = x: expected auto, native or generic\n" },

	/* Files. */
	{ "include(\"missing.conf\")\n" ETH1, "conf:1: no file 'missing.conf' to include\n" },
	{ "include(\"conf\")\n" ETH1, "conf:1: too many includes: does a file include itself?\n" },
};

/* The directory's name stands in some messages as DIR; a final * means that the rest may differ. */
static void expect_errors(const char *expected, const char *got)
{
	char text[4096];
	const char *dir = strstr(expected, "DIR");
	size_t len;

	if (dir)
		snprintf(text, sizeof(text), "%.*s%s%s", (int)(dir - expected), expected,
			 config_text_directory(), dir + 3);
	else
		snprintf(text, sizeof(text), "%s", expected);
	len = strlen(text);
	if (len && text[len - 1] == '*')
		assert_memory_equal(text, got, len - 1);
	else
		assert_string_equal(text, got);
}

static void test_errors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config *config = config_text_read(cases[i].text);

		if (config)
			fail_msg("accepted: %s", cases[i].text);
		expect_errors(cases[i].errors, config_text_errors());
	}
}

/* A file that went wrong must not spoil the next one (the parser keeps state of its own). */
static void test_good_after_each_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config *config;

		config_free(config_text_read(cases[i].text));
		config = config_text_read("# good\n" ETH1);
		assert_non_null(config);
		assert_string_equal(config_text_errors(), "");
		assert_int_equal(config->interfaces[0].line, 2);
		config_free(config);
	}
}

static void note_first(void *arg, const char *message)
{
	if (!*(char *)arg)
		snprintf(arg, 256, "%s", message);
}

static void test_unreadable(void **state)
{
	char message[256] = "", expected[256];
	const char *path;

	(void)state;
	assert_null(config_read("/nonexistent/mcastd.conf", note_first, message));
	assert_string_equal(message,
			    "/nonexistent/mcastd.conf: cannot be read: No such file or directory");

	message[0] = '\0';
	assert_null(config_read("/", note_first, message));
	assert_string_equal(message, "/: cannot be read: Is a directory");

	path = config_text_write("zero", "interface\n\0", 11);
	message[0] = '\0';
	assert_null(config_read(path, note_first, message));
	snprintf(expected, sizeof(expected), "%s:2: a zero byte: this is not a text file", path);
	assert_string_equal(message, expected);

	message[0] = '\0';
	assert_null(config_read("/dev/zero", note_first, message));
	assert_string_equal(message, "/dev/zero: cannot be read: too large, more than 4 MiB");
}

static void test_too_many_interfaces(void **state)
{
	char *text = malloc(600 * 32), *at = text;
	struct config *config;

	(void)state;
	assert_non_null(text);
	for (int i = 0; i < 511; i++)
		at += sprintf(at, "interface e%d { }\n", i);
	config = config_text_read(text);
	assert_non_null(config);
	assert_int_equal(config->n_interfaces, 511);
	config_free(config);
	sprintf(at, "interface e511 { }\n");
	assert_null(config_text_read(text));
	assert_string_equal(config_text_errors(),
			    "conf:1: 512 interface sections, but at most 511 ports are possible\n");
	free(text);
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
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_good_after_each_bad),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_too_many_interfaces),
	};

	return cmocka_run_group_tests(tests, NULL, remove_files);
}
