/* SPDX-License-Identifier: BSD-2-Clause */
/* Log lines, how many of them, and what the journal gets, over a real datagram socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "platform/journal.h"
#include "platform/log.h"

static void test_log_limit(void **state)
{
	struct log_limit limit = { 0 };
	unsigned int passed = 0, suppressed = 99;
	uint64_t now = 5000;

	(void)state;
	for (int i = 0; i < 100; i++)
		passed += log_limit_pass(&limit, now, &suppressed);
	assert_int_equal(passed, 5);
	assert_int_equal(suppressed, 0);
	/* One a second from then on, and it tells of the others. */
	assert_false(log_limit_pass(&limit, now + 999, &suppressed));
	assert_true(log_limit_pass(&limit, now + 1000, &suppressed));
	assert_int_equal(suppressed, 96);
	assert_false(log_limit_pass(&limit, now + 1001, &suppressed));
	/* After a rest the whole burst is there again, and of those before the first one tells. */
	now += 60000;
	assert_true(log_limit_pass(&limit, now, &suppressed));
	assert_int_equal(suppressed, 1);
	passed = 1;
	for (int i = 0; i < 100; i++)
		passed += log_limit_pass(&limit, now, &suppressed);
	assert_int_equal(passed, 5);
	assert_int_equal(suppressed, 0);
}

static void test_log_lines(void **state)
{
	char text[4096], long_text[2000];
	int fds[2], saved = dup(STDERR_FILENO);
	enum log_level level;
	ssize_t n;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	dup2(fds[1], STDERR_FILENO);
	log_open(LOG_LEVEL_NOTICE, false);
	log_info("hidden");
	log_notice("two\nlines %d", 7);
	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	log_error("%s", long_text);
	log_set_level(LOG_LEVEL_NONE);
	log_error("hidden");
	dup2(saved, STDERR_FILENO);
	n = read(fds[0], text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	assert_non_null(strstr(text, " notice: two lines 7\n"));
	assert_null(strstr(text, "hidden"));
	assert_true(strlen(strstr(text, " error: ")) == strlen(" error: ") + 1023 + 1);

	assert_int_equal(log_level_parse("debug", &level), 0);
	assert_int_equal(level, LOG_LEVEL_DEBUG);
	assert_true(log_level_parse("loud", &level) < 0);
	assert_true(log_level_parse("", &level) < 0);
	close(fds[0]);
	close(fds[1]);
	close(saved);
}

/* --- Journal -----------------------------------------------------------------------------------
 */

static char path[64];

static int listen_at_path(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(path, sizeof(path), "/tmp/mcastd-journal-%d", getpid());
	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* What a value of several lines says cannot be taken for a field. */
static void test_journal_fields(void **state)
{
	static const char wanted[] = "MESSAGE=one = 1\n"
				     "INTERFACE\n\x0f\0\0\0\0\0\0\0eth0\nPRIORITY=0\n"
				     "EMPTY=\n";
	static const struct journal_field fields[] = {
		{ "MESSAGE", "one = 1" },
		{ "GROUP", NULL },
		{ "INTERFACE", "eth0\nPRIORITY=0" },
		{ "EMPTY", "" },
	};
	char got[JOURNAL_ENTRY_MAX];
	int in = listen_at_path(), out = journal_open(path);

	(void)state;
	assert_true(out >= 0);
	assert_int_equal(journal_send(out, fields, sizeof(fields) / sizeof(fields[0])), 0);
	assert_int_equal(recv(in, got, sizeof(got), 0), sizeof(wanted) - 1);
	assert_memory_equal(got, wanted, sizeof(wanted) - 1);
	close(out);
	close(in);
	unlink(path);
}

static void test_journal_limits(void **state)
{
	static char value[JOURNAL_ENTRY_MAX];
	struct journal_field fields[] = { { "A", "b" }, { "MESSAGE", value } };
	int in = listen_at_path(), out = journal_open(path), error = 0;
	char got[JOURNAL_ENTRY_MAX];

	(void)state;
	/* "A=b\n" and "MESSAGE=...\n", with room for the length that a framed value would have. */
	memset(value, 'x', sizeof(value) - 4 - 7 - 8 - 2);
	assert_int_equal(journal_send(out, fields, 2), 0);
	assert_int_equal(recv(in, got, sizeof(got), 0), sizeof(value) - 4 - 7 - 8 - 2 + 13);
	value[strlen(value)] = 'x';
	assert_int_equal(journal_send(out, fields, 2), -EMSGSIZE);
	/* A journal that does not read holds nobody up. */
	for (int i = 0; i < 100000 && !error; i++)
		error = journal_send(out, fields, 1);
	assert_int_equal(error, -EAGAIN);
	close(in);
	assert_int_equal(journal_send(out, fields, 1), -ECONNREFUSED);
	close(out);
	unlink(path);
	assert_int_equal(journal_open(path), -ENOENT);
	assert_int_equal(journal_open("/tmp/a-path-that-is-longer-than-an-address-of-a-unix-socket"
				      "-can-be-because-it-has-only-108-bytes-of-room-for-it"),
			 -ENAMETOOLONG);
}

/* JOURNAL_STREAM is inherited: it counts only for the stream that it names. */
static void test_journal_stream(void **state)
{
	char stream[64];
	struct stat st;

	(void)state;
	unsetenv("JOURNAL_STREAM");
	assert_false(journal_is_stderr());
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	assert_true(journal_is_stderr());
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino + 1);
	setenv("JOURNAL_STREAM", stream, 1);
	assert_false(journal_is_stderr());
	setenv("JOURNAL_STREAM", "nonsense", 1);
	assert_false(journal_is_stderr());
	unsetenv("JOURNAL_STREAM");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_log_limit),      cmocka_unit_test(test_log_lines),
		cmocka_unit_test(test_journal_fields), cmocka_unit_test(test_journal_limits),
		cmocka_unit_test(test_journal_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
