/* SPDX-License-Identifier: BSD-2-Clause */
/* Log lines to standard error (with the time of day unless journald adds it) or to syslog. */
#ifndef PLATFORM_LOG_H
#define PLATFORM_LOG_H

#include <stdbool.h>

enum log_level {
	LOG_LEVEL_NONE,
	LOG_LEVEL_ERROR,   /* something asked for does not work; says what to do */
	LOG_LEVEL_WARNING, /* works, but not as meant */
	LOG_LEVEL_NOTICE,  /* start, stop, ports up and down, querier changes */
	LOG_LEVEL_INFO,	   /* memberships come and go */
	LOG_LEVEL_DEBUG,   /* every message */
};

void log_open(enum log_level level, bool to_syslog);
void log_set_level(enum log_level level);
/* Returns 0 or -EINVAL. */
int log_level_parse(const char *text, enum log_level *level);
void log_at(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_at(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...) log_at(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...) log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* For whatever a packet can trigger: a few lines at once, then one a second on average. */
struct log_limit {
	unsigned long long next_ms;
	unsigned int tokens;
	unsigned int suppressed;
};
/* True: write the line now; *suppressed is how many were left out since the last one. */
bool log_limit_pass(struct log_limit *limit, unsigned int *suppressed);

#endif
