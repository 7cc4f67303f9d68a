/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a configuration file becomes a struct config, in four steps:
 *
 *   config_scan    text -> text without comments; quotes and brackets are closed
 *   config_tree    text -> sections and settings with their lines (libconfuse), includes followed
 *   config_name    where names belong, what misspelt ones may have meant
 *   config_value   the text of one setting -> a time, a list of prefixes, ...
 *   config         the table of all settings; defaults, sections, checks of the whole
 *
 * All of it allocates from one arena, which ends up in the struct config or is freed as a whole.
 */
#ifndef CONTROL_CONFIG_INTERNAL_H
#define CONTROL_CONFIG_INTERNAL_H

#include "control/config.h"

#define CONFIG_FILE_MAX (4 << 20)
#define CONFIG_FILES_MAX 1024 /* with all includes */
#define CONFIG_INCLUDE_DEPTH 8

struct config_arena {
	struct config_chunk *chunks;
};

/* Zeroed memory that lives as long as the arena. NULL when memory ran out. */
void *config_alloc(struct config_arena *arena, size_t size);
char *config_strdup(struct config_arena *arena, const char *text);
void config_arena_free(struct config_arena *arena);

struct config_place {
	const char *file;
	unsigned int line;
};

/* Where a setting may stand. */
enum config_scope {
	CONFIG_GLOBAL = 1 << 0,
	CONFIG_INTERFACE = 1 << 1,
	CONFIG_GROUP = 1 << 2, /* static-group, join-group */
};

struct config_value {
	struct config_place place;
	const char *text;
};

struct config_setting {
	struct config_setting *next;
	const struct config_option *option;
	struct config_place place;
	struct config_value *values;
	size_t n_values;
	size_t capacity;
};

struct config_section {
	struct config_section *next;
	enum config_scope scope;
	const char *kind; /* "interface", "static-group", ...; NULL: the file itself */
	const char *title;
	struct config_place place;
	struct config_setting *settings;
	struct config_section *sections;
	const void *key; /* libconfuse's name for it */
};

/* What one run of config_read() passes around. */
struct config_reader {
	struct config_arena *arena;
	config_error_fn error;
	void *arg;
	unsigned int n_errors;
	bool no_memory;			     /* what was read is not whole */
	const struct config_option *options; /* ends with a NULL name */
};

/* "FILE:LINE: ..." to whoever asked for errors. */
void config_complain(struct config_reader *reader, struct config_place place, const char *format,
		     ...) __attribute__((format(printf, 3, 4)));

/* One line of the table of all settings. */
struct config_option {
	const char *name;
	unsigned int scopes;
	bool is_list;
	/* Stores the setting at `to`: `offset` bytes into the struct of its scope. */
	void (*apply)(struct config_reader *reader, const struct config_setting *setting, void *to);
	size_t offset;
	uint32_t min, max;	  /* of numbers */
	const char *const *words; /* of a choice: their index is stored; ends with NULL */
};

/* NULL: no such setting. */
const struct config_option *config_find_option(const struct config_reader *reader,
					       const char *name);
void config_complain_unknown(struct config_reader *reader, struct config_place place,
			     const char *name, enum config_scope scope);

/*
 * Blanks out comments, keeping all lines where they are, and finds what libconfuse would get wrong
 * or only notice at the end of the file. Returns 0, or -EBADMSG after complaining.
 */
int config_scan(struct config_reader *reader, const char *file, char *text, size_t len);

/*
 * Reads a file and all that it includes as one list of sections, in the order in which they stand;
 * each file is one section of its own (kind NULL) with its global settings, followed by its
 * interface sections. Returns NULL only when there was nothing to read; complains.
 */
struct config_section *config_tree_read(struct config_reader *reader, const char *path);

/* For struct config_option.apply; they complain about what they cannot read. */
void config_apply_time(struct config_reader *reader, const struct config_setting *setting,
		       void *to); /* uint32_t, ms */
void config_apply_u8(struct config_reader *reader, const struct config_setting *setting, void *to);
void config_apply_u32(struct config_reader *reader, const struct config_setting *setting, void *to);
void config_apply_bool(struct config_reader *reader, const struct config_setting *setting,
		       void *to);
/* An enum, or a bool that is true for the second word. */
void config_apply_choice(struct config_reader *reader, const struct config_setting *setting,
			 void *to);
void config_apply_switch(struct config_reader *reader, const struct config_setting *setting,
			 void *to);

/* What prefixes and addresses are of. */
enum config_kind {
	CONFIG_GROUPS,
	CONFIG_SOURCES,
};
const struct prefix *config_parse_prefixes(struct config_reader *reader,
					   const struct config_setting *setting,
					   enum config_kind kind, uint32_t *n);
struct policy config_parse_policy(struct config_reader *reader,
				  const struct config_setting *setting, enum config_kind kind);
const struct addr *config_parse_sources(struct config_reader *reader,
					const struct config_setting *setting, uint32_t *n);
/* An IPv4 group. Returns 0, or -EINVAL after complaining. */
int config_parse_group(struct config_reader *reader, struct config_place place, const char *text,
		       struct addr *group);

#endif
