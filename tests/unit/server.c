/* SPDX-License-Identifier: BSD-2-Clause */
/* The control socket under good, slow, broken and very many clients. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/server.h"

static struct loop *loop;
static struct server *server;
static char path[64];
static unsigned int n_requests;
static size_t answer_size;

/* Echoes the words; "big" answers with answer_size bytes. */
static json_t *request(void *arg, int argc, const char *const *argv)
{
	json_t *words;

	(void)arg;
	n_requests++;
	if (strcmp(argv[0], "big") == 0) {
		char *text = calloc(1, answer_size + 1);
		json_t *object;

		assert_non_null(text);
		memset(text, 'x', answer_size);
		object = json_pack("{s:s}", "big", text);
		free(text);
		return object;
	}
	words = json_array();
	for (int i = 0; i < argc; i++)
		json_array_append_new(words, json_string(argv[i]));
	return json_pack("{s:o}", "words", words);
}

/* --- One round of the loop at a time -----------------------------------------------------------
 */

static int rounds_left;

static uint64_t stop_loop(void *arg, uint64_t now)
{
	if (rounds_left-- > 0)
		return now;
	loop_stop(arg);
	return LOOP_NEVER;
}

/* Runs the loop for a while, and some rounds more: on a busy machine the while may be one round. */
static void run_ms(uint64_t ms)
{
	int id = loop_add_deadline(loop, loop_now(loop) + ms, stop_loop, loop);

	assert_true(id >= 0);
	rounds_left = 8;
	assert_int_equal(loop_run(loop), 0);
	loop_remove_deadline(loop, id);
}

static int connect_client(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	strcpy(address.sun_path, path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* What is there to read, as text; *ended tells of the end of the connection. */
static const char *hear(int fd, bool *ended)
{
	static char text[4096];
	size_t len = 0;
	ssize_t n;

	while ((n = recv(fd, text + len, sizeof(text) - 1 - len, MSG_DONTWAIT)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	*ended = n == 0 || (n < 0 && errno != EAGAIN);
	return text;
}

/* Runs the loop until the connection has ended, at most some 20 s; returns what was heard. */
static const char *hear_all(int fd, bool *ended)
{
	struct pollfd end = { .fd = fd, .events = POLLRDHUP };

	for (int i = 0; i < 2000 && poll(&end, 1, 0) == 0; i++)
		run_ms(10);
	return hear(fd, ended);
}

static void expect_answer(const char *line, const char *answer)
{
	int fd = connect_client();
	bool ended;

	assert_true(fd >= 0);
	say(fd, line);
	assert_string_equal(hear_all(fd, &ended), answer);
	assert_true(ended);
	close(fd);
}

/* --- Tests -------------------------------------------------------------------------------------
 */

static void test_words(void **state)
{
	(void)state;
	expect_answer("show groups eth1\n", "{\"words\":[\"show\",\"groups\",\"eth1\"]}\n");
	expect_answer(" \t a  b\r\n", "{\"words\":[\"a\",\"b\"]}\n");
	expect_answer("1 2 3 4 5 6 7 8\nmore\n",
		      "{\"words\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\"]}\n");
}

static void test_line_in_pieces(void **state)
{
	int fd = connect_client();
	bool ended;

	(void)state;
	for (const char *p = "show x"; *p; p++) {
		say(fd, (char[]){ *p, '\0' });
		run_ms(1);
		assert_string_equal(hear(fd, &ended), "");
		assert_false(ended);
	}
	/* The end of what the client sends ends the line, too. */
	shutdown(fd, SHUT_WR);
	run_ms(2);
	assert_string_equal(hear(fd, &ended), "{\"words\":[\"show\",\"x\"]}\n");
	assert_true(ended);
	close(fd);
}

static void test_bad_requests(void **state)
{
	char line[SERVER_LINE_MAX + 200];
	unsigned int before = n_requests;

	(void)state;
	expect_answer("\n", "{\"error\":\"no request; try show interfaces\",\"status\":64}\n");
	expect_answer("1 2 3 4 5 6 7 8 9\n",
		      "{\"error\":\"more than 8 words in a request\",\"status\":64}\n");
	expect_answer("show \x01\n",
		      "{\"error\":\"a request is one line of plain text\",\"status\":64}\n");
	expect_answer("\xff\xfe\xfd\n",
		      "{\"error\":\"a request is one line of plain text\",\"status\":64}\n");
	memset(line, 'a', sizeof(line));
	line[sizeof(line) - 1] = '\0';
	expect_answer(line, "{\"error\":\"a request has at most 511 bytes\",\"status\":64}\n");
	/* The longest that is allowed. */
	line[SERVER_LINE_MAX - 1] = '\n';
	line[SERVER_LINE_MAX] = '\0';
	expect_answer("a\n", "{\"words\":[\"a\"]}\n");
	assert_int_equal(n_requests, before + 1);
}

static void test_longest_line(void **state)
{
	char line[SERVER_LINE_MAX + 1];
	bool ended;
	int fd = connect_client();

	(void)state;
	memset(line, 'a', SERVER_LINE_MAX);
	line[SERVER_LINE_MAX - 1] = '\n';
	line[SERVER_LINE_MAX] = '\0';
	say(fd, line);
	run_ms(2);
	assert_int_equal(strlen(hear(fd, &ended)), strlen("{\"words\":[\"\"]}\n") + 511);
	close(fd);
}

static void test_client_gone(void **state)
{
	unsigned int before = n_requests;
	int fd;

	(void)state;
	/* Without a word. */
	fd = connect_client();
	close(fd);
	/* In the middle of a line: nobody is there to answer, but nothing breaks. */
	fd = connect_client();
	say(fd, "show");
	close(fd);
	/* Before the answer, which is too large to be written at once. */
	answer_size = 4 << 20;
	fd = connect_client();
	say(fd, "big\n");
	run_ms(2);
	close(fd);
	run_ms(2);
	assert_int_equal(n_requests, before + 2);
	expect_answer("a\n", "{\"words\":[\"a\"]}\n");
}

/* An answer of several megabytes comes whole, however slowly it is read. */
static void test_large_answer(void **state)
{
	static char piece[65536];
	size_t total = 0;
	int fd = connect_client();
	ssize_t n = 1;

	(void)state;
	answer_size = 3000000;
	say(fd, "big\n");
	while (n != 0) {
		run_ms(1);
		n = recv(fd, piece, sizeof(piece), MSG_DONTWAIT);
		assert_true(n >= 0 || errno == EAGAIN);
		if (n > 0)
			total += (size_t)n;
	}
	assert_int_equal(total, 3000000 + strlen("{\"big\":\"\"}\n"));
	close(fd);
}

/* Answers that nobody reads: the oldest are given up when they are too much together. */
static void test_unread_answers(void **state)
{
	enum {
		N = 12
	};
	int fds[N];

	(void)state;
	answer_size = SERVER_ANSWERS_MAX / 8;
	for (int i = 0; i < N; i++) {
		fds[i] = connect_client();
		say(fds[i], "big\n");
		run_ms(2);
	}
	for (int i = 0; i < N; i++) {
		size_t total = 0;
		ssize_t n;

		do {
			static char piece[1 << 20];

			n = recv(fds[i], piece, sizeof(piece), MSG_DONTWAIT);
			total += n > 0 ? (size_t)n : 0;
			if (n < 0)
				run_ms(1);
		} while (n > 0 || (n < 0 && errno == EAGAIN));
		if (i < 2)
			assert_true(total < answer_size);
		if (i >= N - 6)
			assert_true(total > answer_size);
		close(fds[i]);
	}
	expect_answer("a\n", "{\"words\":[\"a\"]}\n");
}

/* A thousand clients that say nothing cost the others nothing. */
static void test_thousand_idle_clients(void **state)
{
	enum {
		N = 1000
	};
	static int fds[N];
	unsigned int left = 0;
	bool ended;

	(void)state;
	for (int i = 0; i < N; i++) {
		while ((fds[i] = connect_client()) < 0)
			run_ms(1);
		if (i % 2)
			say(fds[i], "sho");
	}
	expect_answer("a\n", "{\"words\":[\"a\"]}\n");
	run_ms(20);
	for (int i = 0; i < N; i++) {
		hear(fds[i], &ended);
		left += !ended;
		close(fds[i]);
	}
	assert_true(left > 0);
	assert_true(left <= SERVER_CLIENTS_MAX + SERVER_MONITORS_MAX);
	run_ms(5);
}

/* A thousand that all want an answer get it. */
static void test_thousand_requests(void **state)
{
	enum {
		N = 1000
	};
	static int fds[N];
	bool ended;

	(void)state;
	for (int i = 0; i < N; i++) {
		while ((fds[i] = connect_client()) < 0)
			run_ms(1);
		say(fds[i], "a\n");
	}
	for (int i = 0; i < N; i++) {
		assert_string_equal(hear_all(fds[i], &ended), "{\"words\":[\"a\"]}\n");
		assert_true(ended);
		close(fds[i]);
	}
}

static void test_time_out(void **state)
{
	uint64_t begin = loop_now(loop);
	int fd = connect_client();
	bool ended;

	(void)state;
	say(fd, "show");
	run_ms(SERVER_REQUEST_MS / 10);
	hear(fd, &ended);
	assert_false(ended);
	assert_string_equal(hear_all(fd, &ended), "");
	assert_true(ended);
	assert_true(loop_now(loop) - begin >= SERVER_REQUEST_MS);
	close(fd);
}

static void publish(int n)
{
	json_t *event = json_pack("{s:s, s:i}", "event", "test", "n", n);

	server_publish(server, event);
	json_decref(event);
}

static void test_monitor(void **state)
{
	int fds[2];
	bool ended;

	(void)state;
	assert_false(server_has_monitors(server));
	publish(0);
	for (int i = 0; i < 2; i++) {
		fds[i] = connect_client();
		say(fds[i], "monitor\n");
	}
	run_ms(2);
	assert_true(server_has_monitors(server));
	publish(1);
	publish(2);
	for (int i = 0; i < 2; i++) {
		assert_string_equal(hear(fds[i], &ended), "{\"event\":\"monitoring\"}\n"
							  "{\"event\":\"test\",\"n\":1}\n"
							  "{\"event\":\"test\",\"n\":2}\n");
		assert_false(ended);
	}
	close(fds[0]);
	run_ms(2);
	assert_true(server_has_monitors(server));
	publish(3);
	assert_string_equal(hear(fds[1], &ended), "{\"event\":\"test\",\"n\":3}\n");
	close(fds[1]);
	run_ms(2);
	assert_false(server_has_monitors(server));
}

/* Who does not read misses events in one piece, and is told how many. */
static void test_slow_monitor(void **state)
{
	enum {
		N = 40000
	};
	int fd = connect_client(), next = 0;
	unsigned long long missed = 0;
	static char text[4 << 20];
	size_t len = 0;
	bool ended = false;

	(void)state;
	say(fd, "monitor\n");
	run_ms(2);
	for (int i = 0; i < N; i++)
		publish(i);
	while (!ended) {
		ssize_t n = recv(fd, text + len, sizeof(text) - 1 - len, MSG_DONTWAIT);

		if (n > 0)
			len += (size_t)n;
		else
			ended = true;
		run_ms(1);
	}
	publish(N);
	len += (size_t)recv(fd, text + len, sizeof(text) - 1 - len, MSG_DONTWAIT);
	text[len] = '\0';
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		int n;

		if (sscanf(line, "{\"event\":\"missed\",\"count\":%llu}", &missed) == 1) {
			next += (int)missed;
		} else if (sscanf(line, "{\"event\":\"test\",\"n\":%d}", &n) == 1) {
			assert_int_equal(n, next);
			next++;
		}
	}
	assert_int_equal(next, N + 1);
	assert_true(missed > 0);
	close(fd);
	run_ms(2);
}

static void test_too_many_monitors(void **state)
{
	int fds[SERVER_MONITORS_MAX];

	(void)state;
	for (int i = 0; i < SERVER_MONITORS_MAX; i++) {
		fds[i] = connect_client();
		say(fds[i], "monitor\n");
		run_ms(1);
	}
	expect_answer("monitor\n", "{\"error\":\"32 clients monitor already\",\"status\":75}\n");
	expect_answer("a\n", "{\"words\":[\"a\"]}\n");
	for (int i = 0; i < SERVER_MONITORS_MAX; i++)
		close(fds[i]);
	run_ms(2);
	assert_false(server_has_monitors(server));
}

/* Whoever comes too many: those who monitor stay, however long they have been there. */
static void test_monitor_in_a_crowd(void **state)
{
	enum {
		CROWD = SERVER_CLIENTS_MAX + SERVER_MONITORS_MAX + 20
	};
	int fds[CROWD], monitor = connect_client();
	bool ended;

	(void)state;
	say(monitor, "monitor\n");
	run_ms(2);
	for (int i = 0; i < CROWD; i++) {
		fds[i] = connect_client();
		run_ms(1);
	}
	publish(1);
	assert_string_equal(hear(monitor, &ended),
			    "{\"event\":\"monitoring\"}\n{\"event\":\"test\",\"n\":1}\n");
	assert_false(ended);
	/* It is the oldest of the others that had to go. */
	hear(fds[0], &ended);
	assert_true(ended);
	hear(fds[CROWD - 1], &ended);
	assert_false(ended);
	for (int i = 0; i < CROWD; i++)
		close(fds[i]);
	close(monitor);
	run_ms(2);
}

/* Without descriptors the server waits instead of spinning, and recovers. */
static void test_no_descriptors(void **state)
{
	struct rlimit old, none;
	int fd = connect_client();
	bool ended;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	none.rlim_cur = 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	say(fd, "a\n");
	run_ms(50);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_string_equal(hear(fd, &ended), "");
	assert_string_equal(hear_all(fd, &ended), "{\"words\":[\"a\"]}\n");
	close(fd);
}

static void test_socket_file(void **state)
{
	struct server *second;
	struct stat st;
	int fd;

	(void)state;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	/* Somebody answers there: not replaced. */
	assert_int_equal(server_open(&second, loop, path, request, NULL), -EADDRINUSE);
	assert_int_equal(access(path, F_OK), 0);
	server_close(server);
	assert_int_equal(access(path, F_OK), -1);

	/* A left-over of a daemon that was killed: replaced. */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	assert_int_equal(server_open(&server, loop, path, request, NULL), 0);
	expect_answer("a\n", "{\"words\":[\"a\"]}\n");
	server_close(server);

	/* Something else: left alone. */
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(server_open(&second, loop, path, request, NULL), -ENOTSOCK);
	assert_int_equal(access(path, F_OK), 0);
	unlink(path);
	assert_int_equal(server_open(&second, loop, "/nonexistent/sock", request, NULL), -ENOENT);
	assert_int_equal(server_open(&server, loop, path, request, NULL), 0);
}

static int set_up(void **state)
{
	struct rlimit files = { 4096, 4096 };

	(void)state;
	setrlimit(RLIMIT_NOFILE, &files);
	snprintf(path, sizeof(path), "/tmp/mcastd-server-%d.sock", getpid());
	loop = loop_new();
	return loop ? server_open(&server, loop, path, request, NULL) : -1;
}

static int tear_down(void **state)
{
	(void)state;
	server_close(server);
	loop_free(loop);
	return access(path, F_OK) == 0 ? -1 : 0;
}

/* The process that serves HTTP: many requests on one connection, and none that changes anything. */
static void test_adopted(void **state)
{
	static const char refused[] =
		"{\"error\":\"only show and explain are allowed here\",\"status\":77}\n";
	static const char *const forbidden[] = { "reload\n",  "flush groups\n", "log debug\n",
						 "monitor\n", "sho groups\n",	"big\n" };
	unsigned int before = n_requests;
	int pair[2];
	bool ended;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	assert_int_equal(server_adopt(server, pair[1]), 0);
	for (int i = 0; i < 3; i++) {
		say(pair[0], "show x\n");
		run_ms(2);
		assert_string_equal(hear(pair[0], &ended), "{\"words\":[\"show\",\"x\"]}\n");
		assert_false(ended);
	}
	for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++) {
		say(pair[0], forbidden[i]);
		run_ms(2);
		assert_string_equal(hear(pair[0], &ended), refused);
		assert_false(ended);
	}
	assert_int_equal(n_requests, before + 3);
	/* It may be silent for as long as it likes, and is not disconnected for others. */
	expect_answer("a\n", "{\"words\":[\"a\"]}\n");
	run_ms(SERVER_REQUEST_MS + 200);
	say(pair[0], "explain y\n");
	run_ms(2);
	assert_string_equal(hear(pair[0], &ended), "{\"words\":[\"explain\",\"y\"]}\n");
	/* Who asks on without waiting for answers is not served. */
	say(pair[0], "show 1\nshow 2\n");
	run_ms(2);
	assert_string_equal(hear(pair[0], &ended), "{\"words\":[\"show\",\"1\"]}\n");
	assert_true(ended);
	close(pair[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_line_in_pieces),
		cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_longest_line),
		cmocka_unit_test(test_client_gone),
		cmocka_unit_test(test_large_answer),
		cmocka_unit_test(test_unread_answers),
		cmocka_unit_test(test_thousand_idle_clients),
		cmocka_unit_test(test_thousand_requests),
		cmocka_unit_test(test_time_out),
		cmocka_unit_test(test_adopted),
		cmocka_unit_test(test_monitor),
		cmocka_unit_test(test_slow_monitor),
		cmocka_unit_test(test_too_many_monitors),
		cmocka_unit_test(test_monitor_in_a_crowd),
		cmocka_unit_test(test_no_descriptors),
		cmocka_unit_test(test_socket_file),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
