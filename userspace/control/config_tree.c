/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/config_internal.h"

#include <confuse.h>
#include <errno.h>
#include <glob.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * A hidden list in each section whose default value libconfuse parses, with our callback, when it
 * enters the section: the only moment at which it tells the line on which a section starts.
 */
#define BEGIN_OPTION " begin"

#define MESSAGE_MAX 512

/* One file being parsed. */
struct parser {
	struct config_reader *reader;
	const char *file;
	struct config_section *first; /* the file itself, interface sections, includes */
	struct config_section *last;
	struct config_section *interface; /* the sections that are open */
	struct config_section *group;
};

/* libconfuse's callbacks have no argument of ours; set while it runs. */
static struct parser *current;

/* What the files of one configuration share. */
struct tree {
	struct config_reader *reader;
	cfg_opt_t *options;
	unsigned int n_files;
};

struct config_chunk {
	struct config_chunk *next;
	_Alignas(max_align_t) char data[];
};

void *config_alloc(struct config_arena *arena, size_t size)
{
	struct config_chunk *chunk = calloc(1, sizeof(*chunk) + size);

	if (!chunk)
		return NULL;
	chunk->next = arena->chunks;
	arena->chunks = chunk;
	return chunk->data;
}

char *config_strdup(struct config_arena *arena, const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = config_alloc(arena, size);

	return copy ? memcpy(copy, text, size) : NULL;
}

void config_arena_free(struct config_arena *arena)
{
	while (arena->chunks) {
		struct config_chunk *chunk = arena->chunks;

		arena->chunks = chunk->next;
		free(chunk);
	}
}

void config_complain(struct config_reader *reader, struct config_place place, const char *format,
		     ...)
{
	char message[MESSAGE_MAX];
	int n = place.line ? snprintf(message, sizeof(message), "%s:%u: ", place.file, place.line)
			   : snprintf(message, sizeof(message), "%s: ", place.file);
	va_list ap;

	va_start(ap, format);
	if (n >= 0 && (size_t)n < sizeof(message))
		vsnprintf(message + n, sizeof(message) - (size_t)n, format, ap);
	va_end(ap);
	reader->n_errors++;
	reader->error(reader->arg, message);
}

static void complain_no_memory(struct config_reader *reader, const char *file)
{
	reader->no_memory = true;
	config_complain(reader, (struct config_place){ file, 0 }, "out of memory");
}

/* --- What libconfuse calls ---------------------------------------------------------------------
 */

static struct config_place place_of(const cfg_t *cfg)
{
	return (struct config_place){ current->file, (unsigned int)cfg->line };
}

static enum config_scope scope_of(const cfg_t *cfg)
{
	if (cfg == current->first->key)
		return CONFIG_GLOBAL;
	return strcmp(cfg->name, "interface") == 0 ? CONFIG_INTERFACE : CONFIG_GROUP;
}

static void on_error(cfg_t *cfg, const char *format, va_list ap)
{
	char message[MESSAGE_MAX], name[64];

	vsnprintf(message, sizeof(message), format, ap);
	if (sscanf(message, "no such option '%63[^']'", name) == 1)
		config_complain_unknown(current->reader, place_of(cfg), name, scope_of(cfg));
	else
		config_complain(current->reader, place_of(cfg), "%s", message);
}

static struct config_section *find_section(const cfg_t *cfg)
{
	if (current->first->key == cfg)
		return current->first;
	if (current->interface && current->interface->key == cfg)
		return current->interface;
	if (current->group && current->group->key == cfg)
		return current->group;
	return NULL;
}

static struct config_section *new_section(const cfg_t *cfg, enum config_scope scope)
{
	struct config_arena *arena = current->reader->arena;
	struct config_section *section = config_alloc(arena, sizeof(*section));

	if (!section)
		return NULL;
	*section = (struct config_section){
		.scope = scope,
		.key = cfg,
		.place = place_of(cfg),
		.kind = config_strdup(arena, cfg->name),
		.title = config_strdup(arena, cfg->title ? cfg->title : ""),
	};
	return section->kind && section->title ? section : NULL;
}

static void append(struct config_section *section)
{
	current->last->next = section;
	current->last = section;
}

static int begin_section(cfg_t *cfg)
{
	enum config_scope scope = scope_of(cfg);
	struct config_section *section;

	if (find_section(cfg)) { /* the file sets it */
		cfg_error(cfg, "no such option '%s'", BEGIN_OPTION);
		return -1;
	}
	section = new_section(cfg, scope);
	if (!section) {
		/* libconfuse aborts on failures here: on_value() will fail instead. */
		complain_no_memory(current->reader, current->file);
		return 0;
	}
	if (scope == CONFIG_INTERFACE) {
		append(section);
		current->interface = section;
		current->group = NULL;
	} else if (current->interface) {
		struct config_section **end = &current->interface->sections;

		while (*end)
			end = &(*end)->next;
		*end = section;
		current->group = section;
	}
	return 0;
}

/* The setting of this option in a section, a new one if there is none. */
static struct config_setting *get_setting(struct config_section *section,
					  const struct config_option *option,
					  struct config_place place)
{
	struct config_setting **at = &section->settings;

	while (*at && (*at)->option != option)
		at = &(*at)->next;
	if (!*at) {
		*at = config_alloc(current->reader->arena, sizeof(**at));
		if (*at)
			**at = (struct config_setting){ .option = option, .place = place };
	}
	return *at;
}

static int add_value(struct config_setting *setting, struct config_place place, const char *text)
{
	struct config_arena *arena = current->reader->arena;

	if (setting->n_values == setting->capacity) {
		size_t capacity = setting->capacity ? setting->capacity * 2 : 1;
		struct config_value *values = config_alloc(arena, capacity * sizeof(*values));

		if (!values)
			return -ENOMEM;
		if (setting->n_values)
			memcpy(values, setting->values, setting->n_values * sizeof(*values));
		setting->values = values;
		setting->capacity = capacity;
	}
	text = config_strdup(arena, text);
	if (!text)
		return -ENOMEM;
	setting->values[setting->n_values++] = (struct config_value){ place, text };
	return 0;
}

static int on_value(cfg_t *cfg, cfg_opt_t *opt, const char *text, void *result)
{
	struct config_reader *reader = current->reader;
	struct config_place place = place_of(cfg);
	struct config_section *section = find_section(cfg);
	const struct config_option *option = config_find_option(reader, opt->name);
	struct config_setting *setting;

	*(void **)result = NULL;
	if (strcmp(opt->name, BEGIN_OPTION) == 0)
		return begin_section(cfg);
	setting = section ? get_setting(section, option, place) : NULL;
	/* libconfuse empties a list at '=' but not at '+=', and forgets that it was set before. */
	if (setting && cfg_opt_size(opt) == 1 && setting->n_values > 0) {
		config_complain(reader, place, "%s is set already in line %u", option->name,
				setting->place.line);
		return 0;
	}
	if (!setting || add_value(setting, place, text) < 0) {
		complain_no_memory(reader, current->file);
		return -1;
	}
	return 0;
}

static int on_include(cfg_t *cfg, cfg_opt_t *opt, int argc, const char **argv)
{
	struct config_arena *arena = current->reader->arena;
	struct config_section *section = config_alloc(arena, sizeof(*section));

	(void)opt;
	(void)argc; /* config_scan() has seen to it that it is 1 */
	if (!section)
		return -1;
	*section = (struct config_section){
		.scope = CONFIG_GLOBAL,
		.kind = "include",
		.title = config_strdup(arena, argv[0]),
		.place = place_of(cfg),
	};
	if (!section->title)
		return -1;
	append(section);
	return 0;
}

/* --- One file ----------------------------------------------------------------------------------
 */

static cfg_opt_t *add_options(struct config_reader *reader, enum config_scope scope, cfg_opt_t *at)
{
	for (const struct config_option *option = reader->options; option->name; option++) {
		if (!(option->scopes & scope))
			continue;
		if (option->is_list)
			*at++ = (cfg_opt_t)CFG_PTR_LIST_CB(option->name, NULL, CFGF_NONE, on_value,
							   NULL);
		else
			*at++ = (cfg_opt_t)CFG_PTR_CB(option->name, NULL, CFGF_NONE, on_value,
						      NULL);
	}
	return at;
}

/* Our table as libconfuse wants it. It copies all of this in cfg_init(). */
static cfg_opt_t *make_options(struct config_reader *reader)
{
	static char value[] = "{x}";
	const cfg_opt_t begin = CFG_PTR_LIST_CB(BEGIN_OPTION, value, CFGF_NONE, on_value, NULL);
	const int flags = CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES;
	cfg_opt_t *global, *interface, *group, *at;
	size_t n = 0;

	while (reader->options[n].name)
		n++;
	/* Each array has at most all settings, three more entries and the end. */
	global = config_alloc(reader->arena, 3 * (n + 4) * sizeof(*global));
	if (!global)
		return NULL;
	interface = global + n + 4;
	group = interface + n + 4;

	at = group;
	*at++ = begin;
	at = add_options(reader, CONFIG_GROUP, at);
	*at = (cfg_opt_t)CFG_END();

	at = interface;
	*at++ = begin;
	*at++ = (cfg_opt_t)CFG_SEC("static-group", group, flags);
	*at++ = (cfg_opt_t)CFG_SEC("join-group", group, flags);
	at = add_options(reader, CONFIG_INTERFACE, at);
	*at = (cfg_opt_t)CFG_END();

	at = global;
	*at++ = (cfg_opt_t)CFG_SEC("interface", interface, flags);
	*at++ = (cfg_opt_t)CFG_FUNC("include", on_include);
	at = add_options(reader, CONFIG_GLOBAL, at);
	*at = (cfg_opt_t)CFG_END();
	return global;
}

/* "setting = { }" calls nobody back, yet it says something: none. */
static int note_empty_lists(struct config_reader *reader, struct config_section *section)
{
	cfg_t *cfg = (cfg_t *)(uintptr_t)section->key;

	for (const struct config_option *option = reader->options; cfg && option->name; option++) {
		struct config_setting *setting;
		cfg_opt_t *opt;

		if (!option->is_list || !(option->scopes & section->scope))
			continue;
		opt = cfg_getopt(cfg, option->name);
		if (!opt || cfg_opt_size(opt) > 0 || !(opt->flags & CFGF_MODIFIED))
			continue;
		setting = get_setting(section, option, section->place);
		if (!setting)
			return -ENOMEM;
		setting->n_values = 0;
	}
	for (struct config_section *sub = section->sections; sub; sub = sub->next) {
		int error = note_empty_lists(reader, sub);

		if (error)
			return error;
	}
	section->key = NULL; /* about to be freed */
	return 0;
}

/* Returns what stands in the file, includes as sections of kind "include"; NULL: nothing. */
static struct config_section *parse_text(struct tree *tree, const char *file, char *text)
{
	struct config_section root = { .scope = CONFIG_GLOBAL, .place = { file, 1 } };
	struct parser parser = { .reader = tree->reader, .file = file };
	cfg_t *cfg = cfg_init(tree->options, CFGF_NONE);
	unsigned int errors_before;

	parser.first = config_alloc(tree->reader->arena, sizeof(root));
	if (!cfg || !parser.first) {
		complain_no_memory(tree->reader, file);
		if (cfg)
			cfg_free(cfg);
		return NULL;
	}
	root.key = cfg;
	*parser.first = root;
	parser.last = parser.first;
	current = &parser;
	errors_before = tree->reader->n_errors;
	cfg_set_error_function(cfg, on_error);
	if (cfg_parse_buf(cfg, text) != CFG_SUCCESS && tree->reader->n_errors == errors_before)
		complain_no_memory(tree->reader, file);
	for (struct config_section *section = parser.first; section; section = section->next)
		if (note_empty_lists(tree->reader, section) < 0)
			complain_no_memory(tree->reader, file);
	current = NULL;
	cfg_free(cfg);
	return parser.first;
}

/* Returns NULL, or what went wrong. */
static const char *fill_text(FILE *file, char *text, size_t *len)
{
	*len = fread(text, 1, CONFIG_FILE_MAX + 1, file);
	if (ferror(file))
		return strerror(errno);
	if (*len > CONFIG_FILE_MAX)
		return "too large, more than 4 MiB";
	text[*len] = '\0';
	return NULL;
}

/* Returns the text, to be freed, with its length; NULL after complaining at `place`. */
static char *read_text(struct config_reader *reader, const char *path, struct config_place place,
		       size_t *len)
{
	char *text = malloc(CONFIG_FILE_MAX + 1);
	FILE *file = text ? fopen(path, "re") : NULL;
	const char *problem = file ? fill_text(file, text, len) : strerror(errno);

	if (file)
		fclose(file);
	if (!problem)
		return text;
	free(text);
	if (strcmp(path, place.file) == 0)
		config_complain(reader, place, "cannot be read: %s", problem);
	else
		config_complain(reader, place, "%s cannot be read: %s", path, problem);
	return NULL;
}

static struct config_section *read_file(struct tree *tree, const char *path,
					struct config_place place, unsigned int depth);

/* Reads all files that match, in the order of their names; relative to the including file. */
static struct config_section *read_included(struct tree *tree, const struct config_section *include,
					    unsigned int depth)
{
	struct config_reader *reader = tree->reader;
	struct config_section *first = NULL, **end = &first;
	char pattern[4096], directory[4096];
	glob_t found;
	int status;

	snprintf(directory, sizeof(directory), "%s", include->place.file);
	if (include->title[0] == '/')
		snprintf(pattern, sizeof(pattern), "%s", include->title);
	else if ((size_t)snprintf(pattern, sizeof(pattern), "%s/%s", dirname(directory),
				  include->title) >= sizeof(pattern))
		pattern[0] = '\0';
	status = glob(pattern, 0, NULL, &found);
	if (status == GLOB_NOMATCH && !strpbrk(include->title, "*?["))
		config_complain(reader, include->place, "no file '%s' to include", include->title);
	else if (status != 0 && status != GLOB_NOMATCH)
		config_complain(reader, include->place, "'%s' cannot be looked up: %s",
				include->title, strerror(errno));
	for (size_t i = 0; status == 0 && i < found.gl_pathc; i++) {
		*end = read_file(tree, found.gl_pathv[i], include->place, depth + 1);
		while (*end)
			end = &(*end)->next;
	}
	globfree(&found);
	return first;
}

static struct config_section *read_file(struct tree *tree, const char *path,
					struct config_place place, unsigned int depth)
{
	struct config_reader *reader = tree->reader;
	const char *name = config_strdup(reader->arena, path);
	struct config_section *first = NULL;
	size_t len = 0;
	char *text;

	if (depth > CONFIG_INCLUDE_DEPTH || tree->n_files == CONFIG_FILES_MAX) {
		config_complain(reader, place, "too many includes: does a file include itself?");
		return NULL;
	}
	if (!name)
		complain_no_memory(reader, path);
	tree->n_files++;
	text = read_text(reader, path, place, &len);
	if (text && name && config_scan(reader, name, text, len) == 0)
		first = parse_text(tree, name, text);
	free(text);
	for (struct config_section **at = &first; *at;) {
		struct config_section *include = *at;

		if (!include->kind || strcmp(include->kind, "include") != 0) {
			at = &include->next;
			continue;
		}
		*at = read_included(tree, include, depth);
		while (*at)
			at = &(*at)->next;
		*at = include->next;
	}
	return first;
}

struct config_section *config_tree_read(struct config_reader *reader, const char *path)
{
	struct tree tree = { .reader = reader, .options = make_options(reader) };

	if (!tree.options) {
		complain_no_memory(reader, path);
		return NULL;
	}
	return read_file(&tree, path, (struct config_place){ path, 0 }, 0);
}
