/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/config.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "control/config_internal.h"
#include "control/http.h"

/* --- The settings ------------------------------------------------------------------------------
 */

static void apply_group_policy(struct config_reader *reader, const struct config_setting *setting,
			       void *to)
{
	struct port_config *port = to;

	port->group_policy = config_parse_policy(reader, setting, CONFIG_GROUPS);
}

static void apply_source_policy(struct config_reader *reader, const struct config_setting *setting,
				void *to)
{
	struct port_config *port = to;

	port->source_policy = config_parse_policy(reader, setting, CONFIG_SOURCES);
}

static void apply_boundary(struct config_reader *reader, const struct config_setting *setting,
			   void *to)
{
	struct port_config *port = to;

	port->boundary = config_parse_prefixes(reader, setting, CONFIG_GROUPS, &port->n_boundary);
}

static void apply_ssm_range(struct config_reader *reader, const struct config_setting *setting,
			    void *to)
{
	struct port_config *port = to;

	port->ssm_range = config_parse_prefixes(reader, setting, CONFIG_GROUPS, &port->n_ssm_range);
}

static void apply_altnet(struct config_reader *reader, const struct config_setting *setting,
			 void *to)
{
	struct config_interface *interface = to;

	interface->altnet =
		config_parse_prefixes(reader, setting, CONFIG_SOURCES, &interface->n_altnet);
}

static void apply_sources(struct config_reader *reader, const struct config_setting *setting,
			  void *to)
{
	struct static_group *group = to;

	group->sources = config_parse_sources(reader, setting, &group->n_sources);
}

static void apply_http_listen(struct config_reader *reader, const struct config_setting *setting,
			      void *to)
{
	const char *text = setting->values[0].text;
	struct http_address address;

	if (http_address_parse(text, &address) == 0)
		*(const char **)to = text;
	else
		config_complain(reader, setting->place,
				"http-listen: '%s' is not an address and a port; write "
				"127.0.0.1:9455, \"[::1]:9455\" or just a port",
				text);
}

static const char *const role_words[] = {
	[PORT_DOWNSTREAM] = "downstream",
	[PORT_UPSTREAM] = "upstream",
	NULL,
};
static const char *const mode_words[] = {
	[DATAPLANE_MODE_AUTO] = "auto",
	[DATAPLANE_MODE_NATIVE] = "native",
	[DATAPLANE_MODE_GENERIC] = "generic",
	NULL,
};
static const char *const unknown_words[] = { "pass", "drop", NULL };
static const char *const exit_words[] = { "detach", "keep", NULL };

#define ANYWHERE (CONFIG_GLOBAL | CONFIG_INTERFACE)
#define PORT(field) offsetof(struct config_interface, port.field)
#define INTERFACE(field) offsetof(struct config_interface, field)
#define GLOBAL(field) offsetof(struct config, field)

#define TIME(name_, field)                                                       \
	{                                                                        \
		.name = (name_), .scopes = ANYWHERE, .apply = config_apply_time, \
		.offset = PORT(field), .min = 1, .max = UINT32_MAX               \
	}
#define NUMBER_8(name_, offset_, min_, max_)                                   \
	{                                                                      \
		.name = (name_), .scopes = ANYWHERE, .apply = config_apply_u8, \
		.offset = (offset_), .min = (min_), .max = (max_)              \
	}
#define NUMBER_32(name_, offset_, max_)                                         \
	{                                                                       \
		.name = (name_), .scopes = ANYWHERE, .apply = config_apply_u32, \
		.offset = (offset_), .max = (max_)                              \
	}
#define BOOL(name_, offset_)                                                     \
	{                                                                        \
		.name = (name_), .scopes = ANYWHERE, .apply = config_apply_bool, \
		.offset = (offset_)                                              \
	}
#define CHOICE(name_, apply_, offset_, words_)                                               \
	{                                                                                    \
		.name = (name_), .scopes = ANYWHERE, .apply = (apply_), .offset = (offset_), \
		.words = (words_)                                                            \
	}
#define LIST(name_, apply_, offset_)                                                     \
	{                                                                                \
		.name = (name_), .scopes = ANYWHERE, .is_list = true, .apply = (apply_), \
		.offset = (offset_)                                                      \
	}

/* More than any ring can take. */
#define RATE_MAX 100000000

static const struct config_option options[] = {
	CHOICE("role", config_apply_choice, PORT(role), role_words),
	NUMBER_8("version", PORT(version), 1, 3),
	NUMBER_8("robustness-variable", PORT(robustness), 1, 255),
	TIME("query-interval", query_interval_ms),
	TIME("query-max-response-time", query_response_interval_ms),
	TIME("startup-query-interval", startup_query_interval_ms),
	NUMBER_8("startup-query-count", PORT(startup_query_count), 1, 255),
	TIME("last-member-query-interval", last_member_query_interval_ms),
	NUMBER_8("last-member-query-count", PORT(last_member_query_count), 1, 255),
	TIME("unsolicited-report-interval", unsolicited_report_interval_ms),
	BOOL("immediate-leave", PORT(immediate_leave)),
	BOOL("explicit-tracking", PORT(explicit_tracking)),
	BOOL("require-router-alert", PORT(require_router_alert)),
	BOOL("verify-source-subnet", PORT(verify_source_subnet)),
	BOOL("allow-link-local-source", PORT(allow_link_local_source)),
	BOOL("accept-any-ttl", PORT(accept_any_ttl)),
	BOOL("oldest-version", PORT(oldest_version)),
	BOOL("host-compatibility", PORT(host_compatibility)),
	BOOL("ignore-v1", PORT(ignore_v1)),
	BOOL("ignore-v2", PORT(ignore_v2)),
	NUMBER_32("max-groups", PORT(max_groups), UINT32_MAX),
	NUMBER_32("max-group-sources", PORT(max_group_sources), UINT32_MAX),
	NUMBER_32("max-sources", PORT(max_sources), UINT32_MAX),
	NUMBER_32("max-hosts", PORT(max_hosts), UINT32_MAX),
	NUMBER_32("igmp-rate-limit", INTERFACE(igmp_rate_limit), RATE_MAX),
	NUMBER_32("igmp-burst", INTERFACE(igmp_burst), RATE_MAX),
	NUMBER_32("fragment-rate-limit", INTERFACE(fragment_rate_limit), RATE_MAX),
	LIST("group-policy", apply_group_policy, INTERFACE(port)),
	LIST("source-policy", apply_source_policy, INTERFACE(port)),
	LIST("boundary", apply_boundary, INTERFACE(port)),
	LIST("ssm-range", apply_ssm_range, INTERFACE(port)),
	LIST("altnet", apply_altnet, 0),
	CHOICE("xdp-mode", config_apply_choice, INTERFACE(xdp_mode), mode_words),
	CHOICE("unknown-multicast", config_apply_switch, INTERFACE(drop_unknown), unknown_words),
	NUMBER_8("ttl-threshold", INTERFACE(ttl_threshold), 1, 255),
	BOOL("forward-as-non-querier", INTERFACE(forward_as_non_querier)),
	NUMBER_32("vlan", INTERFACE(vlan), 4094),
	{ .name = "on-exit",
	  .scopes = CONFIG_GLOBAL,
	  .apply = config_apply_switch,
	  .offset = GLOBAL(keep_on_exit),
	  .words = exit_words },
	{ .name = "http-listen",
	  .scopes = CONFIG_GLOBAL,
	  .apply = apply_http_listen,
	  .offset = GLOBAL(http_listen) },
	{ .name = "max-routes",
	  .scopes = CONFIG_GLOBAL,
	  .apply = config_apply_u32,
	  .offset = GLOBAL(max_routes),
	  .max = 1 << 24 },
	{ .name = "max-port-sets",
	  .scopes = CONFIG_GLOBAL,
	  .apply = config_apply_u32,
	  .offset = GLOBAL(max_sets),
	  .max = 1 << 24 },
	{ .name = "source", .scopes = CONFIG_GROUP, .is_list = true, .apply = apply_sources },
	{ .name = NULL },
};

static void apply_settings(struct config_reader *reader, const struct config_section *section,
			   void *to)
{
	for (const struct config_setting *s = section->settings; s; s = s->next)
		s->option->apply(reader, s, (char *)to + s->option->offset);
}

/* --- Global settings ---------------------------------------------------------------------------
 */

static const struct config_setting *find_setting(const struct config_section *section,
						 const struct config_option *option)
{
	for (const struct config_setting *s = section->settings; s; s = s->next)
		if (s->option == option)
			return s;
	return NULL;
}

/* Within one file config_tree_read() finds repetitions, but not across included files. */
static void check_set_once(struct config_reader *reader, const struct config_section *sections,
			   const struct config_setting *setting)
{
	for (const struct config_section *s = sections; s; s = s->next) {
		const struct config_setting *other =
			s->kind ? NULL : find_setting(s, setting->option);

		if (other == setting)
			return;
		if (!other)
			continue;
		config_complain(reader, setting->place, "%s is set already at %s:%u",
				setting->option->name, other->place.file, other->place.line);
		return;
	}
}

static void apply_globals(struct config_reader *reader, const struct config_section *sections,
			  struct config *config, struct config_interface *defaults)
{
	for (const struct config_section *section = sections; section; section = section->next) {
		if (section->kind)
			continue;
		for (const struct config_setting *s = section->settings; s; s = s->next) {
			bool of_daemon = !(s->option->scopes & CONFIG_INTERFACE);
			char *to = of_daemon ? (char *)config : (char *)defaults;

			check_set_once(reader, sections, s);
			s->option->apply(reader, s, to + s->option->offset);
		}
	}
}

/* --- Interface sections ------------------------------------------------------------------------
 */

static void check_name(struct config_reader *reader, const struct config_section *section,
		       bool is_pattern)
{
	const char *name = section->title;

	if (name[0] == '\0' || strpbrk(name, " /\t\n") || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0)
		config_complain(reader, section->place, "'%s' cannot be the name of an interface",
				name);
	else if (!is_pattern && strlen(name) >= IF_NAMESIZE)
		config_complain(reader, section->place,
				"'%s' is too long for the name of an interface, which has at most "
				"%d characters",
				name, IF_NAMESIZE - 1);
}

static bool is_join(const struct config_section *section)
{
	return strcmp(section->kind, "join-group") == 0;
}

/* Adds a static-group or join-group to its port, where there is room for it. */
static void read_static_group(struct config_reader *reader, const struct config_section *section,
			      struct port_config *port, struct static_group *groups)
{
	struct static_group *group = &groups[port->n_static_groups];
	struct port_config alone = *port;
	const char *problem;

	if (config_parse_group(reader, section->place, section->title, &group->group) < 0)
		return;
	for (uint32_t i = 0; i < port->n_static_groups; i++) {
		if (!addr_equal(&groups[i].group, &group->group))
			continue;
		config_complain(reader, section->place, "%s %s is there already", section->kind,
				section->title);
		return;
	}
	apply_settings(reader, section, group);
	/* The port's other settings are checked by now; with this group alone, it is to blame. */
	alone.static_groups = group;
	alone.n_static_groups = 1;
	problem = port_config_check(&alone);
	if (problem)
		config_complain(reader, section->place, "%s %s: %s", section->kind, section->title,
				problem);
	port->static_groups = groups;
	port->n_static_groups++;
}

static void *alloc_groups(struct config_reader *reader, struct config_place place, size_t n)
{
	void *groups = config_alloc(reader->arena, n * sizeof(struct static_group));

	if (!groups)
		config_complain(reader, place, "out of memory");
	return groups;
}

static size_t count_sections(const struct config_section *section, bool joins)
{
	size_t n = 0;

	for (; section; section = section->next)
		n += is_join(section) == joins;
	return n;
}

static void read_static_groups(struct config_reader *reader, const struct config_section *section,
			       struct port_config *port)
{
	size_t n = count_sections(section->sections, false);
	struct static_group *groups;

	if (n == 0)
		return;
	if (port->role == PORT_UPSTREAM) {
		config_complain(reader, section->place,
				"static-group is for downstream interfaces; to join on the "
				"upstream one use join-group");
		return;
	}
	groups = alloc_groups(reader, section->place, n);
	for (const struct config_section *s = section->sections; groups && s; s = s->next)
		if (!is_join(s))
			read_static_group(reader, s, port, groups);
}

static void read_interface(struct config_reader *reader, const struct config_section *section,
			   struct config_interface *interface)
{
	unsigned int errors_before = reader->n_errors;
	const char *problem;

	interface->name = section->title;
	interface->is_pattern = strpbrk(section->title, "*?[") != NULL;
	interface->file = section->place.file;
	interface->line = section->place.line;
	check_name(reader, section, interface->is_pattern);
	apply_settings(reader, section, interface);
	if (interface->is_pattern && interface->port.role == PORT_UPSTREAM)
		config_complain(reader, section->place,
				"the upstream interface must be named: a pattern could match "
				"several, and there is one at most");
	/* What could not be read would only be found wrong a second time. */
	problem = reader->n_errors == errors_before ? port_config_check(&interface->port) : NULL;
	if (problem)
		config_complain(reader, section->place, "interface %s: %s", section->title,
				problem);
	if (reader->n_errors == errors_before)
		read_static_groups(reader, section, &interface->port);
}

/* RFC 4605 section 3, P-3-ONE: one upstream interface; and each interface once. */
static void check_against_others(struct config_reader *reader, const struct config *config,
				 const struct config_interface *interface)
{
	struct config_place place = { interface->file, interface->line };

	for (size_t i = 0; i < config->n_interfaces; i++) {
		const struct config_interface *other = &config->interfaces[i];

		if (strcmp(other->name, interface->name) == 0)
			config_complain(reader, place,
					"interface %s has a section already at %s:%u", other->name,
					other->file, other->line);
		else if (other->port.role == PORT_UPSTREAM && interface->port.role == PORT_UPSTREAM)
			config_complain(reader, place,
					"interface %s is upstream already (%s:%u): there can be "
					"one only",
					other->name, other->file, other->line);
	}
}

static bool is_interface(const struct config_section *section)
{
	return section->kind && section->scope == CONFIG_INTERFACE;
}

static struct config_interface *find_upstream(const struct config *config)
{
	for (size_t i = 0; i < config->n_interfaces; i++)
		if (config->interfaces[i].port.role == PORT_UPSTREAM)
			return &config->interfaces[i];
	return NULL;
}

/* Groups are joined on the upstream interface, in whichever section the join-group stands. */
static void read_join_groups(struct config_reader *reader, const struct config_section *sections,
			     struct config *config)
{
	struct config_interface *upstream = find_upstream(config);
	struct static_group *groups = NULL;
	size_t n = 0;

	for (const struct config_section *s = sections; s; s = s->next)
		n += count_sections(s->sections, true);
	if (n > 0 && upstream)
		groups = alloc_groups(reader, sections->place, n);
	for (const struct config_section *s = sections; s; s = s->next) {
		for (const struct config_section *join = s->sections; join; join = join->next) {
			if (!is_join(join))
				continue;
			if (groups)
				read_static_group(reader, join, &upstream->port, groups);
			else if (!upstream)
				config_complain(reader, join->place,
						"join-group needs an upstream interface");
		}
	}
}

static void read_interfaces(struct config_reader *reader, const struct config_section *sections,
			    struct config *config, const struct config_interface *defaults)
{
	size_t n = 0;

	for (const struct config_section *s = sections; s; s = s->next)
		n += is_interface(s);
	if (n == 0) {
		config_complain(reader, sections->place,
				"no interface section, so there is nothing to do; add one such as "
				"interface eth1 { role = downstream }");
		return;
	}
	if (n >= ENGINE_MAX_PORTS) {
		config_complain(reader, sections->place,
				"%zu interface sections, but at most %d ports are possible", n,
				ENGINE_MAX_PORTS - 1);
		return;
	}
	config->interfaces = config_alloc(reader->arena, n * sizeof(*config->interfaces));
	if (!config->interfaces) {
		config_complain(reader, sections->place, "out of memory");
		return;
	}
	for (const struct config_section *s = sections; s; s = s->next) {
		struct config_interface *interface = &config->interfaces[config->n_interfaces];

		if (!is_interface(s))
			continue;
		*interface = *defaults;
		read_interface(reader, s, interface);
		check_against_others(reader, config, interface);
		config->n_interfaces++;
	}
	if (reader->n_errors == 0)
		read_join_groups(reader, sections, config);
}

/* --- The whole ---------------------------------------------------------------------------------
 */

/*
 * Limits of what packets of one port can bring about. One port alone cannot fill the maps: its
 * groups and sources need at most half of the usual 16384 routes.
 */
static struct config_interface default_interface(void)
{
	struct config_interface interface = {
		.xdp_mode = DATAPLANE_MODE_AUTO,
		.ttl_threshold = 1,
		.igmp_rate_limit = 1000,
		.fragment_rate_limit = 10000,
	};

	port_config_init(&interface.port);
	interface.port.max_groups = 4096;
	interface.port.max_group_sources = 1024;
	interface.port.max_sources = 4096;
	interface.port.max_hosts = 32768;
	return interface;
}

struct config *config_read(const char *path, config_error_fn error, void *arg)
{
	struct config_arena arena = { NULL };
	struct config_reader reader = {
		.arena = &arena, .error = error, .arg = arg, .options = options
	};
	struct config_interface defaults = default_interface();
	struct config *config = config_alloc(&arena, sizeof(*config));
	const struct config_section *sections;

	sections = config_tree_read(&reader, path);
	if (!config) {
		config_complain(&reader, (struct config_place){ path, 0 }, "out of memory");
	} else if (sections && !reader.no_memory) {
		apply_globals(&reader, sections, config, &defaults);
		/* What a syntax error hides must not be complained about as missing. */
		if (reader.n_errors == 0)
			read_interfaces(&reader, sections, config, &defaults);
	}
	if (!config || reader.n_errors > 0) {
		config_arena_free(&arena);
		return NULL;
	}
	config->memory = arena.chunks;
	return config;
}

void config_free(struct config *config)
{
	if (config) {
		struct config_arena arena = { config->memory };

		config_arena_free(&arena);
	}
}

void config_each_warning(const struct config *config, config_error_fn warn, void *arg)
{
	struct config_reader reader = { .error = warn, .arg = arg };

	for (size_t i = 0; i < config->n_interfaces; i++) {
		const struct config_interface *interface = &config->interfaces[i];
		const char *warning = port_config_warn(&interface->port);

		if (warning)
			config_complain(&reader,
					(struct config_place){ interface->file, interface->line },
					"interface %s: %s", interface->name, warning);
	}
}

const struct config_interface *config_find(const struct config *config, const char *ifname)
{
	for (size_t i = 0; i < config->n_interfaces; i++)
		if (strcmp(config->interfaces[i].name, ifname) == 0)
			return &config->interfaces[i];
	for (size_t i = 0; i < config->n_interfaces; i++)
		if (config->interfaces[i].is_pattern &&
		    fnmatch(config->interfaces[i].name, ifname, 0) == 0)
			return &config->interfaces[i];
	return NULL;
}
