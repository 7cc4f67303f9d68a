/* SPDX-License-Identifier: BSD-2-Clause */
/* Metrics from the daemon's JSON: every line as Prometheus reads it, nothing made up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/metrics.h"

static const char *const typical =
	"{\"version\": {\"version\": \"1.2.3\", \"abi\": 1, \"up-time\": 12.5},"
	" \"interfaces\": {\"interfaces\": ["
	"  {\"name\": \"eth0\", \"role\": \"upstream\", \"state\": \"up\", \"address\": null,"
	"   \"xdp-mode\": \"native\", \"is-querier\": false, \"groups\": 0, \"querier\": null},"
	"  {\"name\": \"eth1\", \"role\": \"downstream\", \"state\": \"down\","
	"   \"address\": \"192.0.2.1\", \"xdp-mode\": \"generic\", \"is-querier\": true,"
	"   \"groups\": 7, \"querier\": \"192.0.2.1\"}]},"
	" \"statistics\": {\"interfaces\": ["
	"  {\"name\": \"eth1\","
	"   \"received\": {\"total\": 6, \"queries\": 1, \"reports\": 2, \"leaves\": 3},"
	"   \"sent\": {\"queries\": 4, \"reports\": 0, \"leaves\": 0},"
	"   \"errors\": {\"checksum\": 5, \"too-short\": 0},"
	"   \"dropped\": {\"bad-ttl\": 8}, \"refused\": {\"groups\": 43},"
	"   \"data\": {\"arrived\": {\"forwarded\": 9, \"no-route\": 10},"
	"             \"forwarded-bytes\": 9007199254740993, \"sent-packets\": 11,"
	"             \"sent-bytes\": 12, \"ttl-threshold\": 13, \"too-big\": 14,"
	"             \"transmit-refused\": 45,"
	"             \"fragment-limited\": 44}}],"
	"  \"http\": {\"restarts\": 2}},"
	" \"flows\": {\"flows\": ["
	"  {\"group-address\": \"239.1.1.1\", \"source-address\": \"*\","
	"   \"outgoing-interfaces\": [\"eth1\", \"eth2\"], \"packets\": 15, \"bytes\": 16}],"
	"  \"unwanted\": [{}, {}], \"omitted\": 41, \"unwanted-omitted\": 0},"
	" \"upstream\": {\"memberships\": [{}, {}, {}], \"omitted\": 0},"
	" \"http\": {\"responses\": {\"200\": 17, \"404\": 18}, \"cut\": 19,"
	"            \"duration\": 0.004}}";

static const char *const typical_samples[] = {
	"mcastd_build_info{version=\"1.2.3\"} 1",
	"mcastd_uptime_seconds 12.5",
	"mcastd_interface_info{interface=\"eth0\",role=\"upstream\",state=\"up\",xdp_mode=\"native\"} 1",
	"mcastd_interface_info{interface=\"eth1\",role=\"downstream\",state=\"down\",xdp_mode=\"generic\",address=\"192.0.2.1\",querier=\"192.0.2.1\"} 1",
	"mcastd_interface_up{interface=\"eth0\"} 1",
	"mcastd_interface_up{interface=\"eth1\"} 0",
	"mcastd_interface_is_querier{interface=\"eth0\"} 0",
	"mcastd_interface_is_querier{interface=\"eth1\"} 1",
	"mcastd_interface_groups{interface=\"eth0\"} 0",
	"mcastd_interface_groups{interface=\"eth1\"} 7",
	"mcastd_igmp_received_messages_total{interface=\"eth1\",type=\"queries\"} 1",
	"mcastd_igmp_received_messages_total{interface=\"eth1\",type=\"reports\"} 2",
	"mcastd_igmp_received_messages_total{interface=\"eth1\",type=\"leaves\"} 3",
	"mcastd_igmp_sent_messages_total{interface=\"eth1\",type=\"queries\"} 4",
	"mcastd_igmp_sent_messages_total{interface=\"eth1\",type=\"reports\"} 0",
	"mcastd_igmp_sent_messages_total{interface=\"eth1\",type=\"leaves\"} 0",
	"mcastd_igmp_errors_total{interface=\"eth1\",reason=\"checksum\"} 5",
	"mcastd_igmp_errors_total{interface=\"eth1\",reason=\"too-short\"} 0",
	"mcastd_igmp_dropped_messages_total{interface=\"eth1\",reason=\"bad-ttl\"} 8",
	"mcastd_igmp_refused_total{interface=\"eth1\",kind=\"groups\"} 43",
	"mcastd_interface_arrived_frames_total{interface=\"eth1\",verdict=\"forwarded\"} 9",
	"mcastd_interface_arrived_frames_total{interface=\"eth1\",verdict=\"no-route\"} 10",
	/* Not through a double: 2^53 + 1. */
	"mcastd_interface_forwarded_bytes_total{interface=\"eth1\"} 9007199254740993",
	"mcastd_interface_sent_packets_total{interface=\"eth1\"} 11",
	"mcastd_interface_sent_bytes_total{interface=\"eth1\"} 12",
	"mcastd_interface_unsent_packets_total{interface=\"eth1\",reason=\"ttl-threshold\"} 13",
	"mcastd_interface_unsent_packets_total{interface=\"eth1\",reason=\"too-big\"} 14",
	"mcastd_interface_unsent_packets_total{interface=\"eth1\",reason=\"transmit-refused\"} 45",
	"mcastd_interface_unfragmented_packets_total{interface=\"eth1\"} 44",
	"mcastd_flows 42",
	"mcastd_flows_omitted 41",
	"mcastd_flow_packets_total{group=\"239.1.1.1\",source=\"*\"} 15",
	"mcastd_flow_bytes_total{group=\"239.1.1.1\",source=\"*\"} 16",
	"mcastd_flow_outgoing_interfaces{group=\"239.1.1.1\",source=\"*\"} 2",
	"mcastd_unwanted_flows 2",
	"mcastd_upstream_memberships 3",
	"mcastd_http_restarts_total 2",
	"mcastd_http_responses_total{code=\"200\"} 17",
	"mcastd_http_responses_total{code=\"404\"} 18",
	"mcastd_http_cut_connections_total 19",
	"mcastd_status_duration_seconds 0.004",
};

/* The samples of the text, without its comments; valid until the next call. */
static char **samples_of(const char *json, size_t *n)
{
	static char *lines[4096];
	static char *text;
	json_error_t error;
	json_t *status = json_loads(json, 0, &error);
	char *state = NULL;
	size_t len;

	if (!status)
		fail_msg("%s", error.text);
	free(text);
	text = metrics_render(status, &len);
	json_decref(status);
	assert_non_null(text);
	assert_int_equal(strlen(text), len);
	assert_int_equal(text[len - 1], '\n');
	*n = 0;
	for (char *line = strtok_r(text, "\n", &state); line; line = strtok_r(NULL, "\n", &state))
		if (line[0] != '#')
			lines[(*n)++] = line;
	return lines;
}

static void test_all_samples(void **state)
{
	size_t n, n_expected = sizeof(typical_samples) / sizeof(typical_samples[0]);
	char **lines = samples_of(typical, &n);

	(void)state;
	for (size_t i = 0; i < n && i < n_expected; i++)
		assert_string_equal(lines[i], typical_samples[i]);
	assert_int_equal(n, n_expected);
}

/* One HELP and one TYPE for each family, before its samples; counters and only they end in _total.
 */
static void test_comments(void **state)
{
	json_t *status = json_loads(typical, 0, NULL);
	size_t len, n = 0;
	char *text = metrics_render(status, &len);
	char name[128] = "";
	char *save = NULL;

	(void)state;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char type[16], second[128];

		if (strncmp(line, "# HELP ", 7) == 0) {
			assert_int_equal(sscanf(line, "# HELP %127s", name), 1);
			assert_int_equal(line[strlen(line) - 1], '.');
			n++;
		} else if (line[0] == '#') {
			assert_int_equal(sscanf(line, "# TYPE %127s %15s", second, type), 2);
			assert_string_equal(second, name);
			assert_int_equal(strcmp(type, "counter") == 0,
					 strlen(name) > 6 &&
						 strcmp(name + strlen(name) - 6, "_total") == 0);
		} else {
			assert_int_equal(strncmp(line, name, strlen(name)), 0);
			assert_non_null(strchr("{ ", line[strlen(name)]));
		}
	}
	assert_true(n > 20);
	free(text);
	json_decref(status);
}

/* A daemon that tells less, or something else, costs samples and nothing more. */
static void test_missing_and_odd(void **state)
{
	static const char *const odd[] = {
		"{}",
		"[]",
		"{\"interfaces\": 1, \"statistics\": null, \"flows\": \"x\", \"http\": []}",
		"{\"interfaces\": {\"interfaces\": [1, null, {}, {\"name\": 7}]}}",
		"{\"statistics\": {\"interfaces\": [{\"received\": {\"queries\": 1}}]}}",
		"{\"statistics\": {\"interfaces\": [{\"name\": \"e\", \"received\": {\"x\": []}}]}}",
		"{\"version\": {\"up-time\": \"long\"}, \"http\": {\"responses\": 3}}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		size_t n;
		char **lines = samples_of(odd[i], &n);

		if (i == 6) { /* the version is there, without its name */
			assert_int_equal(n, 1);
			assert_string_equal(lines[0], "mcastd_build_info 1");
		} else {
			assert_int_equal(n, 0);
		}
	}
}

/* Interface names may hold any byte but '/' and white space. */
static void test_label_escapes(void **state)
{
	size_t n;
	char **lines =
		samples_of("{\"interfaces\": {\"interfaces\": [{\"name\": \"a\\\\b\\\"c\\nd\","
			   "\"groups\": 1}]}}",
			   &n);

	(void)state;
	assert_int_equal(n, 2);
	assert_string_equal(lines[1], "mcastd_interface_groups{interface=\"a\\\\b\\\"c\\nd\"} 1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_samples),
		cmocka_unit_test(test_comments),
		cmocka_unit_test(test_missing_and_odd),
		cmocka_unit_test(test_label_escapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
