/* SPDX-License-Identifier: BSD-2-Clause */
#include "platform/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

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
	bool to_journal;
} log_state = { .level = LOG_LEVEL_NOTICE };

/*
 * systemd.exec(5): JOURNAL_STREAM names the device and inode of the stream that journald reads. It
 * is inherited, so it counts only while standard error is that stream.
 */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

void log_open(enum log_level level, bool to_syslog)
{
	log_state.level = level;
	log_state.to_syslog = to_syslog;
	log_state.to_journal = stderr_is_journal();
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

void log_at(enum log_level level, const char *format, ...)
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
	else
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
