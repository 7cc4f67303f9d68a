// SPDX-License-Identifier: BSD-2-Clause
/*
 * Any bytes over HTTP, cut into several writes of several clients, to the server as it runs in its
 * process: an ordinary request is answered afterwards, and what it asks the daemon are its own
 * questions, whatever a client has sent. The first byte of each piece says which client writes it
 * and how long it is. (What HTTP shows is fuzz_http's subject.)
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../support/rounds.h"
#include "control/http_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define N_CLIENTS 4
#define PATIENCE 1000

static struct loop *loop;
static struct http_serve *serve;
static struct sockaddr_un address = { .sun_family = AF_UNIX };
static struct loop_fd *daemon_entry;
static int daemon_fd;

/* The daemon that is asked: every question is one of `show`, and gets the same answer. */
static void answer_question(void *arg, uint32_t events)
{
	static const char answer[] = "{\"flows\": [], \"groups\": [], \"interfaces\": []}\n";
	char question[64] = "";
	ssize_t n = recv(daemon_fd, question, sizeof(question) - 1, MSG_DONTWAIT);

	(void)arg;
	(void)events;
	if (n <= 0 || strncmp(question, "show ", 5) != 0 ||
	    strchr(question, '\n') != question + n - 1)
		abort();
	if (send(daemon_fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL) != sizeof(answer) - 1)
		abort();
}

static void end(void)
{
	http_serve_free(serve);
	loop_remove_fd(daemon_entry);
	loop_free(loop);
	unlink(address.sun_path);
}

static void start(void)
{
	int pair[2], fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/mcastd-fuzz-%d.http", getpid());
	signal(SIGPIPE, SIG_IGN);
	loop = loop_new();
	if (!loop || fd < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 64) < 0)
		abort();
	daemon_fd = pair[1];
	serve = http_serve_new(loop, fd, pair[0]);
	daemon_entry = loop_add_fd(loop, daemon_fd, EPOLLIN, answer_question, NULL);
	if (!serve || !daemon_entry)
		abort();
	atexit(end);
}

static int connect_client(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		abort();
	return fd;
}

/* An ordinary client is served, whatever the others did. */
static void expect_answer(const char *request, const char *beginning)
{
	char answer[256] = "";
	size_t len = 0;
	int fd = connect_client();

	if (send(fd, request, strlen(request), MSG_NOSIGNAL) != (ssize_t)strlen(request))
		abort();
	for (int i = 0; i < PATIENCE && len < strlen(beginning); i++) {
		ssize_t n;

		run_rounds(loop, 1);
		n = recv(fd, answer + len, sizeof(answer) - 1 - len, 0);
		if (n < 0 && errno != EAGAIN)
			abort();
		len += n > 0 ? (size_t)n : 0;
	}
	if (strncmp(answer, beginning, strlen(beginning)) != 0)
		abort();
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fds[N_CLIENTS];

	if (!serve)
		start();
	for (int i = 0; i < N_CLIENTS; i++)
		fds[i] = connect_client();
	while (size > 0) {
		int client = data[0] % N_CLIENTS;
		size_t len = data[0] / N_CLIENTS * 16;

		if (len > size - 1)
			len = size - 1;
		/* It may have been disconnected already. */
		send(fds[client], data + 1, len, MSG_NOSIGNAL);
		data += len + 1;
		size -= len + 1;
		run_rounds(loop, 2);
	}
	for (int i = 0; i < N_CLIENTS; i++)
		shutdown(fds[i], SHUT_WR);
	expect_answer("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 200 OK\r\n");
	for (int i = 0; i < N_CLIENTS; i++)
		close(fds[i]);
	run_rounds(loop, 2);
	return 0;
}
