/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A pass over the text before libconfuse sees it. libconfuse 3.3 counts lines wrongly behind a
 * comment, takes the end of the file for the end of all open sections, silently drops '*' and '+'
 * outside of quotes ("interface eth*" would mean eth), and loses memory in a malformed argument
 * list. This pass knows just enough of its lexical rules to rule these out.
 */
#include "control/config_internal.h"

#include <errno.h>
#include <string.h>

#define SCAN_DEPTH_MAX 8

struct scan {
	struct config_reader *reader;
	const char *file;
	char *at;
	char *end;
	unsigned int line;
	char open[SCAN_DEPTH_MAX]; /* brackets that wait for their other half */
	unsigned int open_line[SCAN_DEPTH_MAX];
	unsigned int depth;
	unsigned int n_arguments; /* words since '(' */
};

static int fail(struct scan *scan, unsigned int line, const char *message)
{
	config_complain(scan->reader, (struct config_place){ scan->file, line }, "%s", message);
	return -EBADMSG;
}

static void skip_to(struct scan *scan, const char *to)
{
	while (scan->at < to)
		if (*scan->at++ == '\n')
			scan->line++;
}

static void blank_to(struct scan *scan, const char *to)
{
	for (; scan->at < to; scan->at++) {
		if (*scan->at == '\n')
			scan->line++;
		else
			*scan->at = ' ';
	}
}

static const char *find_char(const struct scan *scan, const char *from, char c)
{
	return from < scan->end ? memchr(from, c, (size_t)(scan->end - from)) : NULL;
}

static void blank_line_comment(struct scan *scan)
{
	const char *to = find_char(scan, scan->at, '\n');

	blank_to(scan, to ? to : scan->end);
}

static int blank_block_comment(struct scan *scan)
{
	const char *to = memmem(scan->at + 2, (size_t)(scan->end - scan->at - 2), "*/", 2);

	if (!to)
		return fail(scan, scan->line, "this comment is never closed: */ is missing");
	blank_to(scan, to + 2);
	return 0;
}

/* "${NAME}": libconfuse puts an environment variable there; NAME may hold quotes. */
static const char *end_of_variable(const struct scan *scan, const char *at)
{
	const char *end;

	if (at + 1 >= scan->end || at[0] != '$' || at[1] != '{')
		return NULL;
	end = find_char(scan, at, '}');
	return end ? end + 1 : NULL;
}

static int skip_string(struct scan *scan)
{
	char quote = *scan->at;
	const char *at = scan->at + 1;

	while (at < scan->end && *at != quote) {
		const char *variable = quote == '"' ? end_of_variable(scan, at) : NULL;

		if (variable)
			at = variable;
		else
			at += *at == '\\' && at + 1 < scan->end ? 2 : 1;
	}
	if (at >= scan->end)
		return fail(scan, scan->line, "this string is never closed: a quote is missing");
	skip_to(scan, at + 1);
	return 0;
}

static bool is_word_char(char c)
{
	return !strchr(" #\"'\t\n\r={}()+,*", c);
}

static void skip_word(struct scan *scan)
{
	const char *variable = end_of_variable(scan, scan->at);

	if (variable)
		skip_to(scan, variable);
	else
		while (scan->at < scan->end && is_word_char(*scan->at))
			scan->at++;
}

static bool in_arguments(const struct scan *scan)
{
	return scan->depth && scan->open[scan->depth - 1] == '(';
}

static int scan_bracket(struct scan *scan)
{
	char c = *scan->at++;

	if (c == '{' || c == '(') {
		if (scan->depth == SCAN_DEPTH_MAX)
			return fail(scan, scan->line, "brackets are nested too deeply");
		scan->open[scan->depth] = c;
		scan->open_line[scan->depth++] = scan->line;
		scan->n_arguments = 0;
		return 0;
	}
	if (scan->depth == 0 || scan->open[scan->depth - 1] != (c == '}' ? '{' : '('))
		return fail(scan, scan->line,
			    c == '}' ? "unexpected '}': nothing is open here"
				     : "unexpected ')': nothing is open here");
	if (c == ')' && scan->n_arguments != 1)
		return fail(scan, scan->line, "one quoted name or pattern must stand in ( )");
	scan->depth--;
	return 0;
}

/* One token, comment or blank. */
static int scan_token(struct scan *scan)
{
	char c = *scan->at;
	char next = scan->at + 1 < scan->end ? scan->at[1] : '\0';

	if (c == '#' || (c == '/' && next == '/')) {
		blank_line_comment(scan);
		return 0;
	}
	if (c == '/' && next == '*')
		return blank_block_comment(scan);
	if (strchr("{}()", c))
		return in_arguments(scan) && c != ')' ? fail(scan, scan->line, "')' is missing")
						      : scan_bracket(scan);
	if (strchr(" \t\r\n", c)) {
		skip_to(scan, scan->at + 1);
		return 0;
	}
	if (c == '*' || (c == '+' && next != '='))
		return fail(scan, scan->line,
			    "'*' and '+' must stand in quotes, as in interface \"eth*\"");
	if (strchr("=,+", c)) {
		skip_to(scan, scan->at + 1);
		return in_arguments(scan) ? fail(scan, scan->line, "')' is missing") : 0;
	}
	scan->n_arguments++;
	if (c == '"' || c == '\'')
		return skip_string(scan);
	skip_word(scan);
	return 0;
}

int config_scan(struct config_reader *reader, const char *file, char *text, size_t len)
{
	struct scan scan = {
		.reader = reader, .file = file, .at = text, .end = text + len, .line = 1
	};
	const char *zero = memchr(text, '\0', len);

	if (zero) {
		skip_to(&scan, zero);
		return fail(&scan, scan.line, "a zero byte: this is not a text file");
	}
	while (scan.at < scan.end) {
		int error = scan_token(&scan);

		if (error)
			return error;
	}
	if (scan.depth)
		return fail(&scan, scan.open_line[scan.depth - 1],
			    in_arguments(&scan) ? "this '(' is never closed"
						: "this '{' is never closed");
	return 0;
}
