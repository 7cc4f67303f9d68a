/* SPDX-License-Identifier: BSD-2-Clause */
#include "mcastctl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

/* --- Values ------------------------------------------------------------------------------------
 */

const char *json_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text && *text ? text : "-";
}

double json_num(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

const char *format_seconds(const json_t *seconds, char out[TEXT_MAX])
{
	unsigned long long s;
	double value = json_number_value(seconds);

	if (!json_is_number(seconds) || value < 0 || value > 1e15) {
		snprintf(out, TEXT_MAX, "-");
		return out;
	}
	s = (unsigned long long)value;
	if (s < 10)
		snprintf(out, TEXT_MAX, "%.1fs", floor(value * 10) / 10);
	else if (s < 60)
		snprintf(out, TEXT_MAX, "%llus", s);
	else if (s < 3600)
		snprintf(out, TEXT_MAX, "%llum%02llus", s / 60, s % 60);
	else if (s < 86400)
		snprintf(out, TEXT_MAX, "%lluh%02llum", s / 3600, s / 60 % 60);
	else
		snprintf(out, TEXT_MAX, "%llud%02lluh", s / 86400, s / 3600 % 24);
	return out;
}

const char *format_count(double count, char out[TEXT_MAX])
{
	static const char units[] = " kMGTPE";
	unsigned int unit = 0;

	if (!(count >= 0))
		count = 0;
	if (count < 99999.5) {
		snprintf(out, TEXT_MAX, "%.0f", count);
		return out;
	}
	while (count >= 999.5 && unit < sizeof(units) - 2) {
		count /= 1000;
		unit++;
	}
	snprintf(out, TEXT_MAX, "%.*f%c",
		 count < 9.995	 ? 2
		 : count < 99.95 ? 1
				 : 0,
		 count, units[unit]);
	return out;
}

/* The strings of an array with blanks between them; to be freed. */
static char *join_strings(const json_t *array)
{
	size_t i, size = 1, len = 0;
	json_t *item;
	char *text;

	json_array_foreach (array, i, item)
		size += json_string_length(item) + 1;
	text = calloc(1, size);
	if (!text)
		abort();
	json_array_foreach (array, i, item)
		len += (size_t)snprintf(text + len, size - len, "%s%s", len ? " " : "",
					json_string_value(item) ? json_string_value(item) : "?");
	return text;
}

static int compare_rows(const void *a, const void *b, void *keys)
{
	for (const char *const *key = keys; *key; key++) {
		/* Compares digits as numbers: eth2 before eth10, 10.0.0.9 before 10.0.0.10. */
		int order = strverscmp(json_text(*(json_t *const *)a, *key),
				       json_text(*(json_t *const *)b, *key));

		if (order)
			return order;
	}
	return 0;
}

/* The rows in the order of these keys, which end with NULL; to be released. */
static json_t *sort_rows(const json_t *rows, const char *const *keys)
{
	size_t i, n = json_array_size(rows);
	json_t **list = calloc(n + 1, sizeof(*list)), *sorted = json_array(), *row;

	if (!list || !sorted)
		abort();
	json_array_foreach (rows, i, row)
		list[i] = row;
	qsort_r(list, n, sizeof(*list), compare_rows, (void *)keys);
	for (i = 0; i < n; i++)
		json_array_append(sorted, list[i]);
	free(list);
	return sorted;
}

/* --- Tables ------------------------------------------------------------------------------------
 */

static void print_note(const json_t *row, const char *key)
{
	if (json_object_get(row, key))
		printf("%s: %s\n", json_text(row, "name"), json_text(row, key));
}

static void show_interfaces(const json_t *rows)
{
	static const struct column columns[] = {
		{ "INTERFACE", COLUMN_SHRINK },
		{ "ROLE", 0 },
		{ "STATE", 0 },
		{ "ADDRESS", 0 },
		{ "XDP", 0 },
		{ "VER", COLUMN_RIGHT },
		{ "QUERIER", 0 },
		{ "GROUPS", COLUMN_RIGHT },
		{ NULL, 0 },
	};
	struct table *table = table_new(columns);
	json_t *row;
	size_t i;

	json_array_foreach (rows, i, row) {
		char version[TEXT_MAX], groups[TEXT_MAX];
		bool self = json_is_true(json_object_get(row, "is-querier"));

		table_row(table,
			  (const char *[]){ json_text(row, "name"), json_text(row, "role"),
					    json_text(row, "state"), json_text(row, "address"),
					    json_text(row, "xdp-mode"),
					    format_count(json_num(row, "version"), version),
					    self ? "self" : json_text(row, "querier"),
					    format_count(json_num(row, "groups"), groups) });
	}
	table_print(table, table_width());
	json_array_foreach (rows, i, row) {
		print_note(row, "xdp-note");
		print_note(row, "mac-note");
		print_note(row, "igmp-note");
	}
}

static void add_source_row(struct table *table, const json_t *source)
{
	bool forwarding = json_is_true(json_object_get(source, "forwarding"));
	char address[TEXT_MAX], up[TEXT_MAX], expire[TEXT_MAX];

	snprintf(address, sizeof(address), "  %s", json_text(source, "source-address"));
	table_row(table, (const char *[]){
				 "", address, forwarding ? "forward" : "block", "",
				 format_seconds(json_object_get(source, "up-time"), up),
				 format_seconds(json_object_get(source, "expire"), expire), "" });
}

static void show_groups(const json_t *answer)
{
	static const char *const order[] = { "interface", "group-address", NULL };
	static const struct column columns[] = {
		{ "INTERFACE", COLUMN_SHRINK },
		{ "GROUP", 0 },
		{ "MODE", 0 },
		{ "VER", COLUMN_RIGHT },
		{ "UP", COLUMN_RIGHT },
		{ "EXPIRES", COLUMN_RIGHT },
		{ "LAST REPORTER", 0 },
		{ NULL, 0 },
	};
	struct table *table = table_new(columns);
	json_t *rows = sort_rows(json_object_get(answer, "groups"), order), *row, *source;
	size_t i, j;

	json_array_foreach (rows, i, row) {
		bool is_static = json_is_true(json_object_get(row, "static"));
		char version[TEXT_MAX], up[TEXT_MAX], expire[TEXT_MAX];

		format_seconds(json_object_get(row, "expire"), expire);
		table_row(table,
			  (const char *[]){
				  json_text(row, "interface"), json_text(row, "group-address"),
				  json_text(row, "filter-mode"),
				  format_count(json_num(row, "host-version"), version),
				  format_seconds(json_object_get(row, "up-time"), up),
				  is_static && strcmp(expire, "-") == 0 ? "static" : expire,
				  json_text(row, "last-reporter") });
		json_array_foreach (json_object_get(row, "sources"), j, source) {
			add_source_row(table, source);
		}
	}
	table_print(table, table_width());
	json_decref(rows);
}

/* The last cell: where it goes, or why it does not and what would change that. */
static char *flow_end(const json_t *row)
{
	const char *hint = json_string_value(json_object_get(row, "hint"));
	char *text = NULL;

	if (!json_object_get(row, "reason"))
		return join_strings(json_object_get(row, "outgoing-interfaces"));
	if (asprintf(&text, "%s%s%s", json_text(row, "reason"), hint ? "; " : "",
		     hint ? hint : "") < 0)
		return NULL;
	return text;
}

static void add_flow_row(struct table *table, const json_t *row)
{
	char packets[TEXT_MAX], bytes[TEXT_MAX], seen[TEXT_MAX], source[TEXT_MAX];
	const char *last = json_text(row, "last-source");
	char *end = flow_end(row);

	/* Of a route for any source: who sent last. */
	if (strcmp(json_text(row, "source-address"), "*") == 0 && strcmp(last, "-") != 0)
		snprintf(source, sizeof(source), "* %s", last);
	else
		snprintf(source, sizeof(source), "%s", json_text(row, "source-address"));
	table_row(table,
		  (const char *[]){ json_text(row, "group-address"), source,
				    json_text(row, "incoming-interface"),
				    format_count(json_num(row, "packets"), packets),
				    format_count(json_num(row, "bytes"), bytes),
				    format_seconds(json_object_get(row, "last-seen"), seen), end });
	free(end);
}

static void show_flow_table(const json_t *flows, const struct column *columns)
{
	static const char *const order[] = { "group-address", "source-address", NULL };
	struct table *table = table_new(columns);
	json_t *rows = sort_rows(flows, order), *row;
	size_t i;

	json_array_foreach (rows, i, row)
		add_flow_row(table, row);
	table_print(table, table_width());
	json_decref(rows);
}

static void show_flows(const json_t *answer)
{
	static const struct column columns[] = {
		{ "GROUP", 0 },
		{ "SOURCE", 0 },
		{ "IN", COLUMN_SHRINK },
		{ "PACKETS", COLUMN_RIGHT },
		{ "BYTES", COLUMN_RIGHT },
		{ "SEEN", COLUMN_RIGHT },
		{ "OUT", COLUMN_WRAP },
		{ NULL, 0 },
	};
	static const struct column unwanted_columns[] = {
		{ "GROUP", 0 },
		{ "SOURCE", 0 },
		{ "IN", COLUMN_SHRINK },
		{ "PACKETS", COLUMN_RIGHT },
		{ "BYTES", COLUMN_RIGHT },
		{ "SEEN", COLUMN_RIGHT },
		{ "WHY", COLUMN_WRAP },
		{ NULL, 0 },
	};
	const json_t *unwanted = json_object_get(answer, "unwanted");

	show_flow_table(json_object_get(answer, "flows"), columns);
	if (json_array_size(unwanted) > 0) {
		printf("\nArrived, and not forwarded:\n");
		show_flow_table(unwanted, unwanted_columns);
	}
}

static void show_upstream(const json_t *answer)
{
	static const char *const order[] = { "interface", "group-address", NULL };
	static const struct column columns[] = {
		{ "INTERFACE", COLUMN_SHRINK }, { "GROUP", 0 }, { "MODE", 0 },
		{ "SOURCES", COLUMN_WRAP },	{ NULL, 0 },
	};
	struct table *table = table_new(columns);
	json_t *rows = sort_rows(json_object_get(answer, "memberships"), order), *row;
	size_t i;

	json_array_foreach (rows, i, row) {
		char *sources = join_strings(json_object_get(row, "sources"));

		table_row(table, (const char *[]){ json_text(row, "interface"),
						   json_text(row, "group-address"),
						   json_text(row, "filter-mode"), sources });
		free(sources);
	}
	table_print(table, table_width());
	json_decref(rows);
}

/* --- Statistics --------------------------------------------------------------------------------
 */

static bool is_shown(const json_t *value)
{
	return json_is_number(value) && json_number_value(value) != 0;
}

/* One line for each object: those of its numbers that are not zero. Objects within follow. */
static void add_counters(struct table *table, const char *name, json_t *object)
{
	char title[TEXT_MAX], *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	const char *key, *separator = "";
	json_t *value;

	if (!out)
		abort();
	json_object_foreach (object, key, value) {
		if (!is_shown(value))
			continue;
		fprintf(out, "%s%s=%.0f", separator, key, json_number_value(value));
		separator = " ";
	}
	fclose(out);
	snprintf(title, sizeof(title), "  %s", name);
	table_row(table, (const char *[]){ title, *text ? text : "-" });
	free(text);
	json_object_foreach (object, key, value) {
		if (!json_is_object(value))
			continue;
		snprintf(title, sizeof(title), "%s %s", name, key);
		add_counters(table, title, value);
	}
}

static void show_statistics(const json_t *rows)
{
	static const struct column columns[] = {
		{ "INTERFACE", 0 },
		{ "COUNTERS (ZEROES ARE LEFT OUT)", COLUMN_WRAP },
		{ NULL, 0 },
	};
	struct table *table = table_new(columns);
	json_t *row, *value;
	const char *key;
	size_t i;

	json_array_foreach (rows, i, row) {
		table_row(table, (const char *[]){ json_text(row, "name"), "" });
		json_object_foreach (row, key, value)
			if (json_is_object(value))
				add_counters(table, key, value);
	}
	table_print(table, table_width());
}

/* --- The rest ----------------------------------------------------------------------------------
 */

static void show_version(const json_t *answer)
{
	printf("mcastctl %s\n", MCASTD_VERSION);
	printf("mcastd %s, BPF maps of version %.0f\n", json_text(answer, "version"),
	       json_num(answer, "abi"));
}

static void show_lines(const json_t *lines)
{
	json_t *line;
	size_t i;

	json_array_foreach (lines, i, line)
		printf("%s\n", json_string_value(line) ? json_string_value(line) : "");
}

int show_answer(int argc, const char *const *argv, const json_t *answer)
{
	const char *what = argc > 1 && strcmp(argv[0], "show") == 0 ? argv[1] : argv[0];

	if (strcmp(what, "interfaces") == 0)
		show_interfaces(json_object_get(answer, "interfaces"));
	else if (strcmp(what, "groups") == 0)
		show_groups(answer);
	else if (strcmp(what, "flows") == 0)
		show_flows(answer);
	else if (strcmp(what, "upstream") == 0)
		show_upstream(answer);
	else if (strcmp(what, "statistics") == 0)
		show_statistics(json_object_get(answer, "interfaces"));
	else if (strcmp(what, "version") == 0)
		show_version(answer);
	else if (strcmp(what, "explain") == 0)
		show_lines(json_object_get(answer, "explanation"));
	return EX_OK;
}
