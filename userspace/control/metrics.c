/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One metric family: its samples come from one place of the status. */
struct family {
	const char *name;
	const char *type;
	const char *help;
	void (*samples)(FILE *out, const struct family *family, const json_t *status);
	const char *path; /* members that lead to the value, with dots */
	const char *key;  /* the label for the names of members; put_rows: what counts the rest */
};

struct label {
	const char *name;
	const char *value; /* NULL: left out */
};

/* --- Where things stand in the status ----------------------------------------------------------
 */

static json_t *find(const json_t *object, const char *path)
{
	json_t *found;

	do {
		size_t len = strcspn(path, ".");
		char key[64];

		if (len >= sizeof(key))
			return NULL;
		memcpy(key, path, len);
		key[len] = '\0';
		found = json_object_get(object, key);
		object = found;
		path += len + (path[len] == '.');
	} while (found && *path);
	return found;
}

static const char *find_text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/* --- Samples -----------------------------------------------------------------------------------
 */

static void put_label_value(FILE *out, const char *value)
{
	for (; *value; value++) {
		if (*value == '\n') {
			fputs("\\n", out);
			continue;
		}
		if (*value == '\\' || *value == '"')
			fputc('\\', out);
		fputc(*value, out);
	}
}

static void put_labels(FILE *out, const struct label *labels)
{
	const char *before = "{";

	for (; labels->name; labels++) {
		if (!labels->value)
			continue;
		fprintf(out, "%s%s=\"", before, labels->name);
		put_label_value(out, labels->value);
		fputc('"', out);
		before = ",";
	}
	if (*before == ',')
		fputc('}', out);
}

/* Labels end with a NULL name. A value that is no number makes no sample. */
static void put_sample(FILE *out, const struct family *family, const struct label *labels,
		       const json_t *value)
{
	if (!json_is_number(value) && !json_is_boolean(value))
		return;
	fputs(family->name, out);
	put_labels(out, labels);
	if (json_is_real(value))
		fprintf(out, " %.15g\n", json_real_value(value));
	else if (json_is_integer(value))
		fprintf(out, " %" JSON_INTEGER_FORMAT "\n", json_integer_value(value));
	else
		fprintf(out, " %d\n", json_is_true(value));
}

static void put_number(FILE *out, const struct family *family, const struct label *labels,
		       uint64_t value)
{
	fputs(family->name, out);
	put_labels(out, labels);
	fprintf(out, " %" PRIu64 "\n", value);
}

static const struct label no_labels[] = { { NULL, NULL } };

static void put_value(FILE *out, const struct family *family, const json_t *status)
{
	put_sample(out, family, no_labels, find(status, family->path));
}

static void put_version(FILE *out, const struct family *family, const json_t *status)
{
	const json_t *version = find(status, "version");
	struct label labels[] = { { "version", find_text(version, "version") }, { NULL, NULL } };

	if (version)
		put_number(out, family, labels, 1);
}

/* What the table holds and what was left out of it. */
static void put_rows(FILE *out, const struct family *family, const json_t *status)
{
	const json_t *rows = find(status, family->path);
	char omitted[64];

	if (!rows)
		return;
	snprintf(omitted, sizeof(omitted), "%.*s.%s", (int)strcspn(family->path, "."), family->path,
		 family->key);
	put_number(out, family, no_labels,
		   json_array_size(rows) + (uint64_t)json_integer_value(find(status, omitted)));
}

/* A sample for each member of an object, its name in the label. */
static void put_members(FILE *out, const struct family *family, json_t *object, struct label first)
{
	struct label labels[] = { first, { family->key, NULL }, { NULL, NULL } };
	const char *name;
	json_t *value;

	json_object_foreach (object, name, value) {
		if (strcmp(name, "total") == 0)
			continue; /* the sum of the others */
		labels[1].value = name;
		put_sample(out, family, labels, value);
	}
}

static void put_status_members(FILE *out, const struct family *family, const json_t *status)
{
	put_members(out, family, find(status, family->path), (struct label){ "", NULL });
}

/* Calls fn for each interface of a table. */
static void put_interfaces(FILE *out, const struct family *family, const json_t *rows,
			   void (*fn)(FILE *out, const struct family *family, const json_t *row,
				      struct label name))
{
	const json_t *row;
	size_t i;

	json_array_foreach (rows, i, row) {
		struct label name = { "interface", find_text(row, "name") };

		if (name.value)
			fn(out, family, row, name);
	}
}

static void interface_value(FILE *out, const struct family *family, const json_t *row,
			    struct label name)
{
	struct label labels[] = { name, { NULL, NULL } };

	put_sample(out, family, labels, find(row, family->path));
}

static void put_interface(FILE *out, const struct family *family, const json_t *status)
{
	put_interfaces(out, family, find(status, "interfaces.interfaces"), interface_value);
}

static void put_statistic(FILE *out, const struct family *family, const json_t *status)
{
	put_interfaces(out, family, find(status, "statistics.interfaces"), interface_value);
}

static void interface_members(FILE *out, const struct family *family, const json_t *row,
			      struct label name)
{
	put_members(out, family, find(row, family->path), name);
}

static void put_statistics(FILE *out, const struct family *family, const json_t *status)
{
	put_interfaces(out, family, find(status, "statistics.interfaces"), interface_members);
}

static void interface_info(FILE *out, const struct family *family, const json_t *row,
			   struct label name)
{
	struct label labels[] = { name,
				  { "role", find_text(row, "role") },
				  { "state", find_text(row, "state") },
				  { "xdp_mode", find_text(row, "xdp-mode") },
				  { "address", find_text(row, "address") },
				  { "querier", find_text(row, "querier") },
				  { NULL, NULL } };

	put_number(out, family, labels, 1);
}

static void put_interface_info(FILE *out, const struct family *family, const json_t *status)
{
	put_interfaces(out, family, find(status, "interfaces.interfaces"), interface_info);
}

static void interface_up(FILE *out, const struct family *family, const json_t *row,
			 struct label name)
{
	struct label labels[] = { name, { NULL, NULL } };
	const char *state = find_text(row, "state");

	if (state)
		put_number(out, family, labels, strcmp(state, "up") == 0);
}

static void put_interface_up(FILE *out, const struct family *family, const json_t *status)
{
	put_interfaces(out, family, find(status, "interfaces.interfaces"), interface_up);
}

static void interface_not_sent(FILE *out, const struct family *family, const json_t *row,
			       struct label name)
{
	static const char *const reasons[] = { "ttl-threshold", "too-big", "transmit-refused" };

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		struct label labels[] = { name, { "reason", reasons[i] }, { NULL, NULL } };

		put_sample(out, family, labels, json_object_get(find(row, "data"), reasons[i]));
	}
}

static void put_not_sent(FILE *out, const struct family *family, const json_t *status)
{
	put_interfaces(out, family, find(status, "statistics.interfaces"), interface_not_sent);
}

/* An array counts as its length. */
static void put_flow(FILE *out, const struct family *family, const json_t *status)
{
	const json_t *row;
	size_t i;

	json_array_foreach (find(status, "flows.flows"), i, row) {
		struct label labels[] = { { "group", find_text(row, "group-address") },
					  { "source", find_text(row, "source-address") },
					  { NULL, NULL } };
		const json_t *value = find(row, family->path);

		if (json_is_array(value))
			put_number(out, family, labels, json_array_size(value));
		else
			put_sample(out, family, labels, value);
	}
}

/* --- The families ------------------------------------------------------------------------------
 */

static const struct family families[] = {
	{ "mcastd_build_info", "gauge", "Version of the running daemon.", put_version, NULL, NULL },
	{ "mcastd_uptime_seconds", "gauge", "Time since the daemon started.", put_value,
	  "version.up-time", NULL },

	{ "mcastd_interface_info", "gauge",
	  "What an interface is: role, state, XDP mode, address, querier of its link.",
	  put_interface_info, NULL, NULL },
	{ "mcastd_interface_up", "gauge", "1 if the interface takes part in forwarding.",
	  put_interface_up, NULL, NULL },
	{ "mcastd_interface_is_querier", "gauge", "1 if we are the IGMP querier of the link.",
	  put_interface, "is-querier", NULL },
	{ "mcastd_interface_groups", "gauge", "Groups with a membership on the interface.",
	  put_interface, "groups", NULL },
	{ "mcastd_interface_xdp_lost_total", "counter",
	  "How often somebody else took the XDP program off the interface.", put_interface,
	  "xdp-lost", NULL },
	{ "mcastd_interface_card_lost_total", "counter",
	  "How often somebody else undid settings of the card.", put_interface, "card-lost", NULL },
	{ "mcastd_interface_card_failed_total", "counter",
	  "How often settings of the card could not be made.", put_interface, "card-failed", NULL },

	{ "mcastd_igmp_received_messages_total", "counter", "IGMP messages received, by type.",
	  put_statistics, "received", "type" },
	{ "mcastd_igmp_sent_messages_total", "counter", "IGMP messages sent, by type.",
	  put_statistics, "sent", "type" },
	{ "mcastd_igmp_errors_total", "counter",
	  "IGMP messages that could not be read, or not be sent, by reason.", put_statistics,
	  "errors", "reason" },
	{ "mcastd_igmp_dropped_messages_total", "counter",
	  "Well-formed IGMP messages that were not applied, by reason.", put_statistics, "dropped",
	  "reason" },

	{ "mcastd_igmp_refused_total", "counter",
	  "Groups, sources and hosts that reports asked for beyond a limit, by kind.",
	  put_statistics, "refused", "kind" },

	{ "mcastd_interface_arrived_frames_total", "counter",
	  "Multicast and IGMP frames that arrived, by what became of them.", put_statistics,
	  "data.arrived", "verdict" },
	{ "mcastd_interface_forwarded_bytes_total", "counter",
	  "Bytes of the IP packets that arrived and were forwarded.", put_statistic,
	  "data.forwarded-bytes", NULL },
	{ "mcastd_interface_sent_packets_total", "counter",
	  "Forwarded packets sent out of the interface.", put_statistic, "data.sent-packets",
	  NULL },
	{ "mcastd_interface_sent_bytes_total", "counter",
	  "Bytes of the frames sent out of the interface.", put_statistic, "data.sent-bytes",
	  NULL },
	{ "mcastd_interface_unsent_packets_total", "counter",
	  "Packets of a member that were not sent, by reason.", put_not_sent, NULL, NULL },
	{ "mcastd_interface_unfragmented_packets_total", "counter",
	  "Large packets that were not fragmented, beyond fragment-rate-limit or too large for it.",
	  put_statistic, "data.fragment-limited", NULL },

	{ "mcastd_flows", "gauge", "Routes, (S,G) and (*,G).", put_rows, "flows.flows", "omitted" },
	{ "mcastd_flows_omitted", "gauge",
	  "Routes without series of their own here, beyond the limit of series.", put_value,
	  "flows.omitted", NULL },
	{ "mcastd_flow_packets_total", "counter", "Packets that a route matched.", put_flow,
	  "packets", NULL },
	{ "mcastd_flow_bytes_total", "counter", "Bytes of IP packets that a route matched.",
	  put_flow, "bytes", NULL },
	{ "mcastd_flow_outgoing_interfaces", "gauge", "Interfaces that a route leads to.", put_flow,
	  "outgoing-interfaces", NULL },
	{ "mcastd_unwanted_flows", "gauge",
	  "Flows remembered that arrive although nobody asked for them.", put_rows,
	  "flows.unwanted", "unwanted-omitted" },
	{ "mcastd_upstream_memberships", "gauge", "Groups joined on the upstream interface.",
	  put_rows, "upstream.memberships", "omitted" },

	{ "mcastd_http_restarts_total", "counter",
	  "How often the process that serves HTTP had to be started again.", put_value,
	  "statistics.http.restarts", NULL },
	{ "mcastd_http_responses_total", "counter", "Answers of the HTTP server, by status.",
	  put_status_members, "http.responses", "code" },
	{ "mcastd_http_cut_connections_total", "counter",
	  "Connections that were ended because they took too long.", put_value, "http.cut", NULL },
	{ "mcastd_status_duration_seconds", "gauge", "How long the daemon took to tell its state.",
	  put_value, "http.duration", NULL },
};

char *metrics_render(const json_t *status, size_t *len)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, len);
	int failed;

	if (!out)
		return NULL;
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		const struct family *family = &families[i];

		fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help,
			family->name, family->type);
		family->samples(out, family, status);
	}
	failed = ferror(out);
	if (fclose(out) != 0 || failed) {
		free(text);
		return NULL;
	}
	return text;
}
