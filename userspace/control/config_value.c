/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/config_internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/*
 * Reads a decimal number with at most `decimals` digits behind the point as an integer of that many
 * decimals: "31.25" with 3 is 31250. Returns 0, -EINVAL or -ERANGE.
 */
static int parse_decimal(const char *text, unsigned int decimals, uint32_t *number)
{
	uint64_t n = 0;
	unsigned int left = decimals;
	bool behind_point = false;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	for (; *text; text++) {
		if (*text == '.' && !behind_point && decimals && isdigit((unsigned char)text[1])) {
			behind_point = true;
			continue;
		}
		if (!isdigit((unsigned char)*text) || (behind_point && left-- == 0))
			return -EINVAL;
		n = n * 10 + (uint64_t)(*text - '0');
		if (n > UINT32_MAX)
			return -ERANGE;
	}
	while (left--) {
		n *= 10;
		if (n > UINT32_MAX)
			return -ERANGE;
	}
	*number = (uint32_t)n;
	return 0;
}

void config_apply_time(struct config_reader *reader, const struct config_setting *setting, void *to)
{
	const struct config_option *option = setting->option;
	const struct config_value *value = &setting->values[0];
	uint32_t ms;

	if (parse_decimal(value->text, 3, &ms) < 0 || ms < option->min || ms > option->max)
		config_complain(
			reader, value->place,
			"%s = %s: expected seconds from %.10g to %.10g, with up to 3 decimals",
			option->name, value->text, option->min / 1e3, option->max / 1e3);
	else
		*(uint32_t *)to = ms;
}

/* Returns 0, or -EINVAL after complaining. */
static int read_number(struct config_reader *reader, const struct config_setting *setting,
		       uint32_t *number)
{
	const struct config_option *option = setting->option;
	const struct config_value *value = &setting->values[0];

	if (parse_decimal(value->text, 0, number) == 0 && *number >= option->min &&
	    *number <= option->max)
		return 0;
	config_complain(reader, value->place, "%s = %s: expected a number from %u to %u",
			option->name, value->text, option->min, option->max);
	return -EINVAL;
}

void config_apply_u8(struct config_reader *reader, const struct config_setting *setting, void *to)
{
	uint32_t number;

	if (read_number(reader, setting, &number) == 0)
		*(uint8_t *)to = (uint8_t)number;
}

void config_apply_u32(struct config_reader *reader, const struct config_setting *setting, void *to)
{
	uint32_t number;

	if (read_number(reader, setting, &number) == 0)
		*(uint32_t *)to = number;
}

void config_apply_bool(struct config_reader *reader, const struct config_setting *setting, void *to)
{
	static const char *const words[][2] = { { "false", "true" },
						{ "no", "yes" },
						{ "off", "on" } };
	const struct config_value *value = &setting->values[0];

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		for (int truth = 0; truth < 2; truth++) {
			if (strcasecmp(value->text, words[i][truth]) == 0) {
				*(bool *)to = truth;
				return;
			}
		}
	}
	config_complain(reader, value->place, "%s = %s: expected true or false",
			setting->option->name, value->text);
}

/* Returns the index of the word, or -EINVAL after complaining. */
static int read_choice(struct config_reader *reader, const struct config_setting *setting)
{
	const char *const *words = setting->option->words;
	const struct config_value *value = &setting->values[0];
	char list[128] = "";

	for (int i = 0; words[i]; i++) {
		size_t len = strlen(list);

		if (strcmp(words[i], value->text) == 0)
			return i;
		snprintf(list + len, sizeof(list) - len, "%s%s",
			 i == 0		? ""
			 : words[i + 1] ? ", "
					: " or ",
			 words[i]);
	}
	config_complain(reader, value->place, "%s = %s: expected %s", setting->option->name,
			value->text, list);
	return -EINVAL;
}

void config_apply_choice(struct config_reader *reader, const struct config_setting *setting,
			 void *to)
{
	int choice = read_choice(reader, setting);

	if (choice >= 0)
		*(unsigned int *)to = (unsigned int)choice;
}

void config_apply_switch(struct config_reader *reader, const struct config_setting *setting,
			 void *to)
{
	int choice = read_choice(reader, setting);

	if (choice >= 0)
		*(bool *)to = choice == 1;
}

/* --- Addresses ---------------------------------------------------------------------------------
 */

static bool is_group_prefix(const struct prefix *prefix)
{
	return prefix->len >= 96 + 4 && addr_is_multicast(&prefix->addr);
}

/*
 * An IPv4 prefix that groups or sources can match; "any" is all of them. Returns 0, or -EINVAL
 * after complaining.
 */
static int parse_prefix(struct config_reader *reader, const struct config_option *option,
			struct config_place place, const char *text, enum config_kind kind,
			struct prefix *prefix)
{
	const char *slash = strchr(text, '/');
	bool everything;

	if (prefix_parse(strcmp(text, "any") == 0 ? "0.0.0.0/0" : text, prefix) < 0 ||
	    !addr_is_v4(&prefix->addr) || prefix->len < 96) {
		config_complain(reader, place, "%s: %s is not an IPv4 prefix such as %s%s",
				option->name, text,
				kind == CONFIG_GROUPS ? "239.1.0.0/16" : "192.0.2.0/24",
				slash ? ", or has bits set behind its length" : "");
		return -EINVAL;
	}
	everything = prefix->len < 96 + 4;
	if (!everything && is_group_prefix(prefix) != (kind == CONFIG_GROUPS)) {
		config_complain(reader, place, "%s: %s holds no %s", option->name, text,
				kind == CONFIG_GROUPS ? "multicast groups (224.0.0.0/4)"
						      : "source addresses, only groups");
		return -EINVAL;
	}
	return 0;
}

static void *alloc_list(struct config_reader *reader, const struct config_setting *setting,
			size_t size)
{
	void *list = config_alloc(reader->arena, (setting->n_values + 1) * size);

	if (!list)
		config_complain(reader, setting->place, "out of memory");
	return list;
}

const struct prefix *config_parse_prefixes(struct config_reader *reader,
					   const struct config_setting *setting,
					   enum config_kind kind, uint32_t *n)
{
	struct prefix *list = alloc_list(reader, setting, sizeof(*list));

	*n = 0;
	for (size_t i = 0; list && i < setting->n_values; i++) {
		const struct config_value *value = &setting->values[i];

		if (parse_prefix(reader, setting->option, value->place, value->text, kind,
				 &list[*n]) == 0)
			++*n;
	}
	return list;
}

static int parse_rule(struct config_reader *reader, const struct config_setting *setting,
		      const struct config_value *value, enum config_kind kind,
		      struct policy_rule *rule)
{
	char verb[8], prefix[32];
	int end = 0;

	if (sscanf(value->text, "%7s %31s %n", verb, prefix, &end) != 2 ||
	    value->text[end] != '\0' ||
	    (strcmp(verb, "permit") != 0 && strcmp(verb, "deny") != 0)) {
		config_complain(
			reader, value->place,
			"%s: \"%s\" is not of the form \"permit PREFIX\" or \"deny PREFIX\"",
			setting->option->name, value->text);
		return -EINVAL;
	}
	rule->permit = verb[0] == 'p';
	return parse_prefix(reader, setting->option, value->place, prefix, kind, &rule->prefix);
}

struct policy config_parse_policy(struct config_reader *reader,
				  const struct config_setting *setting, enum config_kind kind)
{
	struct policy_rule *rules = alloc_list(reader, setting, sizeof(*rules));
	uint32_t n = 0;

	for (size_t i = 0; rules && i < setting->n_values; i++)
		if (parse_rule(reader, setting, &setting->values[i], kind, &rules[n]) == 0)
			n++;
	return (struct policy){ .rules = rules, .n_rules = n };
}

const struct addr *config_parse_sources(struct config_reader *reader,
					const struct config_setting *setting, uint32_t *n)
{
	struct addr *list = alloc_list(reader, setting, sizeof(*list));

	*n = 0;
	for (size_t i = 0; list && i < setting->n_values; i++) {
		const struct config_value *value = &setting->values[i];

		if (addr_parse(value->text, &list[*n]) == 0 && addr_is_v4(&list[*n]) &&
		    addr_is_unicast_source(&list[*n]))
			++*n;
		else
			config_complain(reader, value->place,
					"%s: %s is not an IPv4 unicast address",
					setting->option->name, value->text);
	}
	return list;
}

int config_parse_group(struct config_reader *reader, struct config_place place, const char *text,
		       struct addr *group)
{
	if (addr_parse(text, group) == 0 && addr_is_v4(group) && addr_is_multicast(group))
		return 0;
	config_complain(reader, place, "%s is not an IPv4 multicast group such as 239.1.1.1", text);
	return -EINVAL;
}
