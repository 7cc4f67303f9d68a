/* SPDX-License-Identifier: BSD-2-Clause */
#include "mcastctl.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

/* A word of the language: what may follow it is either one of more words, or arguments. */
struct word {
	const char *text;
	const struct word *next; /* the words that may follow; ends with a NULL text */
	int min_arguments, max_arguments;
	const char *usage; /* of the arguments */
	const char *help;
};

static const struct word show_words[] = {
	{ "interfaces", NULL, 0, 1, "[INTERFACE]", "ports, their addresses and queriers" },
	{ "groups", NULL, 0, 1, "[INTERFACE]", "what hosts have joined, with sources and timers" },
	{ "flows", NULL, 0, 1, "[INTERFACE]", "what is forwarded from where to where" },
	{ "upstream", NULL, 0, 1, "[INTERFACE]", "what is joined on the upstream interface" },
	{ "statistics", NULL, 0, 1, "[INTERFACE]", "counters of messages and packets" },
	{ "version", NULL, 0, 0, "", "versions of the daemon and of its BPF maps" },
	{ NULL, NULL, 0, 0, NULL, NULL },
};

static const struct word flush_words[] = {
	{ "groups", NULL, 0, 1, "[INTERFACE]", "forget what was learned, and ask the hosts again" },
	{ NULL, NULL, 0, 0, NULL, NULL },
};

static const struct word convert_words[] = {
	{ "igmpproxy", NULL, 1, 1, "FILE", "write an igmpproxy.conf as mcastd.conf" },
	{ NULL, NULL, 0, 0, NULL, NULL },
};

static const struct word first_words[] = {
	{ "show", show_words, 0, 0, NULL, NULL },
	{ "explain", NULL, 2, 3, "SOURCE GROUP [INTERFACE]", "why packets go where they go" },
	{ "monitor", NULL, 0, 0, "", "events as they happen" },
	{ "top", NULL, 0, 0, "", "live view of flows and interfaces" },
	{ "reload", NULL, 0, 0, "", "read the configuration again" },
	{ "log", NULL, 1, 1, "none|error|warning|notice|info|debug", "change the log level" },
	{ "flush", flush_words, 0, 0, NULL, NULL },
	{ "convert", convert_words, 0, 0, NULL, NULL },
	{ NULL, NULL, 0, 0, NULL, NULL },
};

static void list_words(const struct word *words, const char *prefix)
{
	const char *separator = "";

	for (; words->text; words++) {
		if (strncmp(words->text, prefix, strlen(prefix)) != 0)
			continue;
		fprintf(stderr, "%s%s", separator, words->text);
		separator = ", ";
	}
	fputc('\n', stderr);
}

/* The word that `text` is or begins; NULL after complaining. */
static const struct word *find_word(const struct word *words, const char *text)
{
	const struct word *found = NULL;
	unsigned int n = 0;

	for (const struct word *word = words; word->text; word++) {
		if (strcmp(word->text, text) == 0)
			return word;
		if (strncmp(word->text, text, strlen(text)) == 0) {
			found = word;
			n++;
		}
	}
	if (n == 1)
		return found;
	fprintf(stderr,
		n ? "mcastctl: '%s' is ambiguous: " : "mcastctl: '%s' is not one of: ", text);
	list_words(words, n ? text : "");
	return NULL;
}

int words_expand(int argc, const char **argv)
{
	const struct word *word, *words = first_words;
	int n = 0, n_arguments;

	do {
		if (n == argc) {
			fprintf(stderr,
				"mcastctl: a word is missing%s%s, one of: ", n ? " behind " : "",
				n ? argv[n - 1] : "");
			list_words(words, "");
			return EX_USAGE;
		}
		word = find_word(words, argv[n]);
		if (!word)
			return EX_USAGE;
		argv[n++] = word->text;
		words = word->next;
	} while (words);
	n_arguments = argc - n;
	if (n_arguments >= word->min_arguments && n_arguments <= word->max_arguments)
		return 0;
	fprintf(stderr, "usage: mcastctl");
	for (int i = 0; i < n; i++)
		fprintf(stderr, " %s", argv[i]);
	fprintf(stderr, " %s\n", word->usage);
	return EX_USAGE;
}

static void print_usage(const char *before, const struct word *words)
{
	for (; words->text; words++) {
		char line[64];

		if (words->next) {
			print_usage(words->text, words->next);
			continue;
		}
		snprintf(line, sizeof(line), "%s%s%s %s", before, *before ? " " : "", words->text,
			 words->usage);
		if (strlen(line) > 38)
			printf("  %s\n  %-38s %s\n", line, "", words->help);
		else
			printf("  %-38s %s\n", line, words->help);
	}
}

void words_usage(void)
{
	print_usage("", first_words);
}
