/* SPDX-License-Identifier: BSD-2-Clause */
#include "platform/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "platform/journal.h"

#define LOG_LINE_MAX 1024
#define LOG_BURST 5
#define LOG_REFILL_MS 1000

static const char *const level_names[] = {
	[LOG_LEVEL_NONE] = "none",     [LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_NOTICE] = "notice", [LOG_LEVEL_INFO] = "info",   [LOG_LEVEL_DEBUG] = "debug",
};

static const int level_priorities[] = {
	[LOG_LEVEL_ERROR] = LOG_ERR,	 [LOG_LEVEL_WARNING] = LOG_WARNING,
	[LOG_LEVEL_NOTICE] = LOG_NOTICE, [LOG_LEVEL_INFO] = LOG_INFO,
	[LOG_LEVEL_DEBUG] = LOG_DEBUG,
};

/* A process has one log, like one standard error: the only state of this module. */
static struct {
	enum log_level level;
	bool to_syslog;
	bool to_journal; /* standard error goes there */
	int journal_fd;	 /* -1: only as lines on standard error */
} log_state = { .level = LOG_LEVEL_NOTICE, .journal_fd = -1 };

void log_open(enum log_level level, bool to_syslog)
{
	log_state.level = level;
	log_state.to_syslog = to_syslog;
	log_state.to_journal = journal_is_stderr();
	if (log_state.journal_fd >= 0)
		close(log_state.journal_fd);
	log_state.journal_fd = log_state.to_journal ? journal_open(JOURNAL_SOCKET) : -1;
	if (to_syslog)
		openlog("mcastd", LOG_PID | LOG_NDELAY, LOG_DAEMON);
}

void log_set_level(enum log_level level)
{
	log_state.level = level;
}

enum log_level log_get_level(void)
{
	return log_state.level;
}

int log_level_parse(const char *text, enum log_level *level)
{
	for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
		if (strcmp(text, level_names[i]) == 0) {
			*level = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *log_level_name(enum log_level level)
{
	return level_names[level];
}

/* One write per line, so that lines of several processes do not mix. */
static void write_line(const char *prefix, const char *line)
{
	char text[LOG_LINE_MAX + 64];
	int len = snprintf(text, sizeof(text), "%s%s\n", prefix, line);
	ssize_t n = write(STDERR_FILENO, text, (size_t)len);

	(void)n; /* there is nowhere left to complain */
}

static void log_to_stderr(enum log_level level, const char *line)
{
	char prefix[48];

	if (log_state.to_journal) {
		/* sd-daemon(3): "<N>" tells journald the priority, the time it adds itself. */
		snprintf(prefix, sizeof(prefix), "<%d>", level_priorities[level]);
	} else {
		struct timespec ts;
		struct tm tm;
		size_t len;

		clock_gettime(CLOCK_REALTIME, &ts);
		localtime_r(&ts.tv_sec, &tm);
		len = strftime(prefix, sizeof(prefix), "%H:%M:%S", &tm);
		snprintf(prefix + len, sizeof(prefix) - len, ".%03ld %s: ", ts.tv_nsec / 1000000,
			 level_names[level]);
	}
	write_line(prefix, line);
}

/* Returns false when the line must go the way of all lines. */
static bool log_to_journal(enum log_level level, const struct log_place *place,
			   const struct log_about *about, const char *line)
{
	static const struct log_about nothing;
	char priority[4], number[12];

	if (log_state.journal_fd < 0)
		return false;
	if (!about)
		about = &nothing;
	snprintf(priority, sizeof(priority), "%d", level_priorities[level]);
	snprintf(number, sizeof(number), "%d", place->line);

	const struct journal_field fields[] = {
		{ "MESSAGE", line },
		{ "PRIORITY", priority },
		{ "SYSLOG_IDENTIFIER", "mcastd" },
		{ "CODE_FILE", place->file },
		{ "CODE_LINE", number },
		{ "CODE_FUNC", place->function },
		{ "EVENT", about->event },
		{ "INTERFACE", about->interface },
		{ "GROUP", about->group },
		{ "SOURCE", about->source },
		{ "HOST", about->host },
	};

	return journal_send(log_state.journal_fd, fields, sizeof(fields) / sizeof(fields[0])) == 0;
}

void log_write(enum log_level level, const struct log_place *place, const struct log_about *about,
	       const char *format, ...)
{
	char line[LOG_LINE_MAX];
	va_list ap;

	if (level == LOG_LEVEL_NONE || level > log_state.level)
		return;
	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	/* Names of interfaces and the like come from outside: one event stays one line. */
	for (char *p = line; *p; p++)
		if ((unsigned char)*p < ' ')
			*p = ' ';
	if (log_state.to_syslog)
		syslog(level_priorities[level], "%s", line);
	else if (!log_to_journal(level, place, about, line))
		log_to_stderr(level, line);
}

bool log_limit_pass(struct log_limit *limit, uint64_t now_ms, unsigned int *suppressed)
{
	if (now_ms >= limit->full_at_ms)
		limit->full_at_ms = now_ms;
	/* A bucket of LOG_BURST lines; full_at_ms is when the last one used is back in it. */
	if (limit->full_at_ms + LOG_REFILL_MS > now_ms + LOG_BURST * LOG_REFILL_MS) {
		limit->suppressed++;
		return false;
	}
	limit->full_at_ms += LOG_REFILL_MS;
	*suppressed = limit->suppressed;
	limit->suppressed = 0;
	return true;
}
