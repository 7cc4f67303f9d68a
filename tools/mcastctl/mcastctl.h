/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mcastctl: sends words to mcastd, shows the JSON object that comes back.
 *
 *   main     options, commands
 *   words    abbreviations of commands
 *   client   the control socket
 *   table    columns that fit the terminal
 *   show     one table for each answer
 *   monitor  events as they happen
 *   top      a live view; rates: how fast counters grow
 *   convert  igmpproxy.conf as mcastd.conf
 */
#ifndef MCASTCTL_H
#define MCASTCTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MCASTCTL_SOCKET "/run/mcastd.sock"
#define WORDS_MAX 8

/* --- words --- */

/*
 * Writes out the words of a command, in place: the first ones may be abbreviated as long as they
 * are unambiguous. Returns 0, or EX_USAGE after saying on standard error what is wrong.
 */
int words_expand(int argc, const char **argv);
void words_usage(void);

/* --- client --- */

/* All return 0 or an exit status after saying on standard error what is wrong. */
int client_connect(const char *path, int *fd);
int client_send(int fd, int argc, const char *const *argv);
/* Reads up to the end. *text is to be freed. */
int client_receive(int fd, char **text);
/* A whole request. *answer: to be released; the daemon's own errors are told and end in a status.
 */
int client_request(const char *path, int argc, const char *const *argv, json_t **answer);
/* Tells an {"error", "status"} object. Returns its status, 0 if it is none. */
int client_told_error(const json_t *answer);

/* --- table --- */

enum column_flag {
	COLUMN_RIGHT = 1 << 0,	/* numbers */
	COLUMN_SHRINK = 1 << 1, /* may be cut where space is short */
	COLUMN_WRAP = 1 << 2,	/* the last one: goes on in further lines, cut at spaces */
};

struct column {
	const char *title;
	unsigned int flags;
};

struct table;

/* The columns must outlive the table and end with a NULL title. Aborts when memory runs out. */
struct table *table_new(const struct column *columns);
/* Adds a row; NULL and "" are empty cells. The texts are copied. */
void table_row(struct table *table, const char *const *cells);
/* Prints it, at most `width` columns wide, and frees it. */
void table_print(struct table *table, unsigned int width);
/* The width of the terminal, 80 if standard output is none. */
unsigned int table_width(void);

/* --- show --- */

/* Room for what the format functions write. */
#define TEXT_MAX 64

/* "4m12s"; "-" for null or no number. */
const char *format_seconds(const json_t *seconds, char out[TEXT_MAX]);
/* Up to 99999 as it is, then 100k, 12.3M. */
const char *format_count(double count, char out[TEXT_MAX]);
/* A string, or "-". */
const char *json_text(const json_t *object, const char *key);
double json_num(const json_t *object, const char *key);

/* Prints the answer to these words as text. Returns an exit status. */
int show_answer(int argc, const char *const *argv, const json_t *answer);

/* --- monitor, top, convert: return an exit status --- */

int monitor_run(const char *path, bool json);
int top_run(const char *path);
/* Writes an igmpproxy.conf as mcastd.conf to standard output. */
int convert_run(const char *path);

#endif
