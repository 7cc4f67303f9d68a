/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Log lines to standard error with the time of day, to syslog, or with fields to the journal, if
 * that is where standard error goes.
 */
#ifndef PLATFORM_LOG_H
#define PLATFORM_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_NONE,
	LOG_LEVEL_ERROR,   /* something asked for does not work; says what to do */
	LOG_LEVEL_WARNING, /* works, but not as meant */
	LOG_LEVEL_NOTICE,  /* start, stop, ports up and down, querier changes */
	LOG_LEVEL_INFO,	   /* memberships come and go */
	LOG_LEVEL_DEBUG,   /* every message */
};

/* Sends lines of this level and above to standard error, or to syslog as "mcastd". */
void log_open(enum log_level level, bool to_syslog);
void log_set_level(enum log_level level);
enum log_level log_get_level(void);
/* Returns 0 or -EINVAL. */
int log_level_parse(const char *text, enum log_level *level);
const char *log_level_name(enum log_level level);

/* Where in the program a line is written: the journal's CODE_FILE, CODE_LINE and CODE_FUNC. */
struct log_place {
	const char *file;
	int line;
	const char *function;
};
#define LOG_HERE (&(const struct log_place){ __FILE__, __LINE__, __func__ })

/* What a line is about, for the journal's fields EVENT, INTERFACE, ...; NULL: not known. */
struct log_about {
	const char *event; /* the names of `mcastctl monitor` */
	const char *interface, *group, *source, *host;
};

/*
 * Writes one line; control characters become spaces, more than 1023 bytes are cut. about may be
 * NULL. To be called by the names below.
 */
void log_write(enum log_level level, const struct log_place *place, const struct log_about *about,
	       const char *format, ...) __attribute__((format(printf, 4, 5)));

#define log_about(level, about, ...) log_write(level, LOG_HERE, about, __VA_ARGS__)
#define log_at(level, ...) log_write(level, LOG_HERE, NULL, __VA_ARGS__)
#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_at(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...) log_at(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...) log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* For whatever a packet can trigger: a few lines at once, then one a second on average. Zeroes. */
struct log_limit {
	uint64_t full_at_ms;
	unsigned int suppressed;
};
/*
 * now_ms: the caller's clock, loop_now(). True: write the line now; *suppressed is how many were
 * left out since the last one.
 */
bool log_limit_pass(struct log_limit *limit, uint64_t now_ms, unsigned int *suppressed);

#endif
