/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mcastctl convert igmpproxy FILE: igmpproxy.conf as mcastd.conf. Its lines are words; "phyint"
 * begins an interface, to which the lines behind it belong. What has no equal becomes a comment.
 */
#include "mcastctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define LINE_WORDS_MAX 16
#define LISTS_MAX 256

struct convert {
	FILE *out; /* interface sections; the lines for the top are printed at once */
	bool in_section, is_upstream;
	char *altnets[LISTS_MAX], *whitelists[LISTS_MAX], *blacklists[LISTS_MAX];
	unsigned int n_altnets, n_whitelists, n_blacklists;
	bool any_disabled, takes_all, failed;
};

static unsigned int split_line(char *line, char *words[LINE_WORDS_MAX])
{
	unsigned int n = 0;

	line[strcspn(line, "#\r\n")] = '\0';
	for (char *word = strtok(line, " \t"); word && n < LINE_WORDS_MAX;
	     word = strtok(NULL, " \t"))
		words[n++] = word;
	return n;
}

/* Appends to a list in braces: "before item", ... */
static void print_items(FILE *out, const char **separator, const char *before, char **items,
			unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		fprintf(out, "%s \"%s%s\"", *separator, before, items[i]);
		*separator = ",";
	}
}

static void print_altnets(struct convert *convert)
{
	const char *separator = "";

	fprintf(convert->out, "    altnet = {");
	print_items(convert->out, &separator, "", convert->altnets, convert->n_altnets);
	fprintf(convert->out, " }\n");
}

/* What is black is not white; with a white list all others are black. */
static void print_policy(struct convert *convert)
{
	const char *separator = "";

	fprintf(convert->out, "    group-policy = {");
	print_items(convert->out, &separator, "deny ", convert->blacklists, convert->n_blacklists);
	print_items(convert->out, &separator, "permit ", convert->whitelists,
		    convert->n_whitelists);
	fprintf(convert->out, "%s }\n", convert->n_whitelists ? ", \"deny any\"" : "");
}

static void free_list(char **items, unsigned int *n)
{
	while (*n > 0)
		free(items[--*n]);
}

static void end_section(struct convert *convert)
{
	if (!convert->in_section)
		return;
	/* Upstream, mcastd takes every source that does not live behind another interface. */
	if (convert->n_altnets && convert->is_upstream)
		fprintf(convert->out, "    # altnet: not needed upstream, all sources that do not "
				      "belong elsewhere are taken\n");
	else if (convert->n_altnets)
		print_altnets(convert);
	if (convert->n_whitelists || convert->n_blacklists)
		print_policy(convert);
	fprintf(convert->out, "}\n");
	free_list(convert->altnets, &convert->n_altnets);
	free_list(convert->whitelists, &convert->n_whitelists);
	free_list(convert->blacklists, &convert->n_blacklists);
	convert->in_section = false;
}

/* phyint NAME upstream|downstream|disabled [ratelimit N] [threshold N] */
static void begin_section(struct convert *convert, char **words, unsigned int n)
{
	const char *role = n > 2 ? words[2] : "";

	end_section(convert);
	if (strcmp(role, "disabled") == 0) {
		fprintf(convert->out, "# %s is disabled: it has no section\n", words[1]);
		convert->any_disabled = true;
		return;
	}
	if (n < 3 || (strcmp(role, "upstream") != 0 && strcmp(role, "downstream") != 0)) {
		fprintf(convert->out, "# not understood: phyint %s %s\n", n > 1 ? words[1] : "",
			role);
		convert->failed = true;
		return;
	}
	convert->in_section = true;
	convert->is_upstream = role[0] == 'u';
	fprintf(convert->out, "interface \"%s\" {\n    role = %s\n", words[1], role);
	for (unsigned int i = 3; i + 1 < n; i += 2) {
		if (strcmp(words[i], "threshold") == 0)
			fprintf(convert->out, "    ttl-threshold = %s\n", words[i + 1]);
		else if (strcmp(words[i], "ratelimit") != 0 || strcmp(words[i + 1], "0") != 0)
			fprintf(convert->out, "    # %s %s: has no equal\n", words[i],
				words[i + 1]);
	}
}

/* A prefix without a length is one address. */
static void add_prefix(struct convert *convert, char **list, unsigned int *n, const char *prefix)
{
	if (!convert->in_section) {
		fprintf(convert->out, "# belongs to no interface: %s\n", prefix);
		return;
	}
	if (*n < LISTS_MAX)
		list[*n] = strdup(prefix);
	if (*n == LISTS_MAX || !list[*n])
		convert->failed = true;
	else
		++*n;
}

static void convert_line(struct convert *convert, char **words, unsigned int n)
{
	if (n >= 2 && strcmp(words[0], "phyint") == 0) {
		begin_section(convert, words, n);
	} else if (n == 2 && strcmp(words[0], "altnet") == 0) {
		add_prefix(convert, convert->altnets, &convert->n_altnets, words[1]);
	} else if (n == 2 && strcmp(words[0], "whitelist") == 0) {
		add_prefix(convert, convert->whitelists, &convert->n_whitelists, words[1]);
	} else if (n == 2 && strcmp(words[0], "blacklist") == 0) {
		add_prefix(convert, convert->blacklists, &convert->n_blacklists, words[1]);
	} else if (strcmp(words[0], "quickleave") == 0) {
		printf("# quickleave: mcastd leaves upstream as soon as nobody is left downstream; "
		       "to stop a\n# stream at the first leave there, write immediate-leave = "
		       "true\n");
	} else if (strcmp(words[0], "defaultdown") == 0) {
		end_section(convert);
		fprintf(convert->out, "interface \"*\" { role = downstream }\n");
		convert->takes_all = true;
	} else {
		printf("# has no equal:");
		for (unsigned int i = 0; i < n; i++)
			printf(" %s", words[i]);
		printf("\n");
	}
}

int convert_run(const char *path)
{
	struct convert convert = { .failed = false };
	char *line = NULL, *sections = NULL, *words[LINE_WORDS_MAX];
	size_t size = 0, sections_size = 0;
	FILE *in = fopen(path, "re");

	if (!in) {
		fprintf(stderr, "mcastctl: %s: %s\n", path, strerror(errno));
		return EX_NOINPUT;
	}
	convert.out = open_memstream(&sections, &sections_size);
	if (!convert.out)
		abort();
	printf("# From %s, igmpproxy's; check it with mcastd -t -f FILE.\n", path);
	while (getline(&line, &size, in) > 0) {
		unsigned int n = split_line(line, words);

		if (n)
			convert_line(&convert, words, n);
	}
	end_section(&convert);
	if (convert.any_disabled && convert.takes_all) {
		fprintf(convert.out,
			"# not the same: this takes disabled interfaces, too; name those "
			"you want instead of \"*\"\n");
		convert.failed = true;
	}
	fclose(convert.out);
	fputs(sections, stdout);
	free(sections);
	free(line);
	fclose(in);
	if (convert.failed)
		fprintf(stderr, "mcastctl: %s: not all of it was understood, see the comments\n",
			path);
	return convert.failed ? EX_DATAERR : EX_OK;
}
