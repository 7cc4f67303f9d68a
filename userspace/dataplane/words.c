/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What libbpf and libxdp say while they work, of which the most telling line is kept: the kernel's
 * own reason, where it gave one.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>
#include <xdp/libxdp.h>

#include "dataplane/internal.h"

/* The least telling first. */
enum rank {
	RANK_NONE,
	RANK_LIBRARY,  /* the first thing that failed; what follows are consequences */
	RANK_VERIFIER, /* why the program was refused */
	RANK_DRIVER,   /* why the interface did not take it */
};

/* The daemon's one thread alone loads and attaches. */
static char line[WORDS_MAX];
static enum rank line_rank;

/* Of a text that is len bytes long, without white space at its ends. */
static void keep(enum rank rank, const char *text, size_t len)
{
	while (len && strchr(" \t\n", *text)) {
		text++;
		len--;
	}
	while (len && strchr(" \t\n", text[len - 1]))
		len--;
	if (rank <= line_rank || !len)
		return;
	line_rank = rank;
	snprintf(line, sizeof(line), "%.*s", (int)(len < sizeof(line) ? len : sizeof(line)), text);
}

/* What the verifier says when it has done its work, whatever came of it. */
static bool is_summary(const char *text)
{
	static const char *const summaries[] = {
		"processed ", "verification time ", "stack depth ", "-- END ", "\n",
	};

	for (size_t i = 0; i < sizeof(summaries) / sizeof(summaries[0]); i++)
		if (strncmp(text, summaries[i], strlen(summaries[i])) == 0)
			return true;
	return *text == '\0';
}

/* The last line of a verifier's log that tells something. */
static void keep_verdict(const char *log)
{
	const char *last = NULL, *next;

	for (; log; log = next ? next + 1 : NULL) {
		next = strchr(log, '\n');
		if (!is_summary(log))
			last = log;
	}
	if (last)
		keep(RANK_VERIFIER, last, strcspn(last, "\n"));
}

static void listen_to(const char *text)
{
	static const char begin[] = "-- BEGIN PROG LOAD LOG --\n", of_driver[] = "error message: ";
	const char *found = strstr(text, begin);

	if (found) {
		keep_verdict(found + strlen(begin));
		return;
	}
	found = strstr(text, of_driver);
	if (found) {
		found += strlen(of_driver);
		keep(RANK_DRIVER, found, strcspn(found, "\n"));
		return;
	}
	found = strstr(text, ": ");
	text = found ? found + 2 : text; /* behind the library's name */
	keep(RANK_LIBRARY, text, strcspn(text, "\n"));
}

__attribute__((format(printf, 1, 0))) static int hear(const char *format, va_list args)
{
	char *text;

	if (vasprintf(&text, format, args) < 0)
		return 0;
	listen_to(text);
	free(text);
	return 0;
}

static int hear_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_WARN ? hear(format, args) : 0;
}

static int hear_libxdp(enum libxdp_print_level level, const char *format, va_list args)
{
	return level == LIBXDP_WARN ? hear(format, args) : 0;
}

void words_listen(void)
{
	libbpf_set_print(hear_libbpf);
	libxdp_set_print(hear_libxdp);
	words_forget();
}

void words_forget(void)
{
	line[0] = '\0';
	line_rank = RANK_NONE;
}

void words_of(int err, char *text)
{
	const char *reason = err ? strerror(-err) : "no reason was given";

	if (!err && line[0])
		snprintf(text, WORDS_MAX, "%s", line);
	else if (!line[0])
		snprintf(text, WORDS_MAX, "%s", reason);
	else if (strstr(line, reason))
		snprintf(text, WORDS_MAX, "%s", line);
	else
		snprintf(text, WORDS_MAX, "%s: %.*s", reason,
			 (int)(WORDS_MAX - strlen(reason) - sizeof(": ")), line);
}
