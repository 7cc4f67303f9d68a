/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of settings: where they belong, and which one a misspelt name may have meant. */
#include "control/config_internal.h"

#include <string.h>

#define NAME_MAX_COMPARED 48

static unsigned int min3(unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Insertions, deletions, replacements and swaps of neighbours that turn a into b. */
static unsigned int edit_distance(const char *a, const char *b)
{
	unsigned int rows[3][NAME_MAX_COMPARED + 1] = { 0 };
	size_t len_a = strlen(a), len_b = strlen(b);

	if (len_a > NAME_MAX_COMPARED || len_b > NAME_MAX_COMPARED)
		return NAME_MAX_COMPARED;
	for (unsigned int j = 0; j <= len_b; j++)
		rows[0][j] = j;
	for (unsigned int i = 1; i <= len_a; i++) {
		unsigned int *row = rows[i % 3];
		const unsigned int *up = rows[(i + 2) % 3], *up2 = rows[(i + 1) % 3];

		row[0] = i;
		for (unsigned int j = 1; j <= len_b; j++) {
			row[j] =
				min3(up[j] + 1, row[j - 1] + 1, up[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    up2[j - 2] + 1 < row[j])
				row[j] = up2[j - 2] + 1;
		}
	}
	return rows[len_a % 3][len_b];
}

const struct config_option *config_find_option(const struct config_reader *reader, const char *name)
{
	for (const struct config_option *option = reader->options; option->name; option++)
		if (strcmp(option->name, name) == 0)
			return option;
	return NULL;
}

static const struct {
	const char *name;
	enum config_scope scope;
} section_names[] = {
	{ "interface", CONFIG_GLOBAL },
	{ "include", CONFIG_GLOBAL },
	{ "static-group", CONFIG_INTERFACE },
	{ "join-group", CONFIG_INTERFACE },
};
#define N_SECTION_NAMES (sizeof(section_names) / sizeof(section_names[0]))

static const char *nearest_name(const struct config_reader *reader, const char *name,
				enum config_scope scope)
{
	unsigned int best = (unsigned int)strlen(name) / 3 + 1;
	const char *nearest = NULL;

	for (const struct config_option *option = reader->options; option->name; option++) {
		unsigned int distance = edit_distance(name, option->name);

		if ((option->scopes & scope) && distance <= best && (!nearest || distance < best)) {
			best = distance;
			nearest = option->name;
		}
	}
	for (size_t i = 0; i < N_SECTION_NAMES; i++) {
		unsigned int distance = edit_distance(name, section_names[i].name);

		if (section_names[i].scope == scope && distance <= best &&
		    (!nearest || distance < best)) {
			best = distance;
			nearest = section_names[i].name;
		}
	}
	return nearest;
}

/* Scopes in which the name is known; 0: nowhere. */
static unsigned int scopes_of_name(const struct config_reader *reader, const char *name)
{
	const struct config_option *option = config_find_option(reader, name);

	for (size_t i = 0; i < N_SECTION_NAMES; i++)
		if (strcmp(section_names[i].name, name) == 0)
			return section_names[i].scope;
	return option ? option->scopes : 0;
}

void config_complain_unknown(struct config_reader *reader, struct config_place place,
			     const char *name, enum config_scope scope)
{
	unsigned int scopes = scopes_of_name(reader, name);
	const char *nearest;

	if (scopes & CONFIG_GLOBAL) {
		config_complain(reader, place,
				"'%s' is for the whole daemon: put it outside of all "
				"sections",
				name);
	} else if (scopes & CONFIG_INTERFACE) {
		config_complain(reader, place, "'%s' belongs into an interface section", name);
	} else if (scopes) {
		config_complain(reader, place,
				"'%s' belongs into a static-group or join-group section", name);
	} else {
		nearest = nearest_name(reader, name, scope);
		if (nearest)
			config_complain(reader, place, "unknown setting '%s', did you mean '%s'?",
					name, nearest);
		else
			config_complain(reader, place, "unknown setting '%s'", name);
	}
}
