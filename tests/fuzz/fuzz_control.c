/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes on the control socket, cut into several writes of several clients: the words that
 * arrive are within the limits, and an ordinary request is answered afterwards. The first byte of
 * each piece says which client writes it and how long it is.
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../support/rounds.h"
#include "control/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define N_CLIENTS 4

static struct loop *loop;
static struct server *server;
static struct sockaddr_un address = { .sun_family = AF_UNIX };

static json_t *request(void *arg, int argc, const char *const *argv)
{
	(void)arg;
	if (argc < 1 || argc > SERVER_WORDS_MAX)
		abort();
	for (int i = 0; i < argc; i++) {
		size_t len = strlen(argv[i]);

		if (len == 0 || len >= SERVER_LINE_MAX)
			abort();
		for (size_t j = 0; j < len; j++)
			if (argv[i][j] <= ' ' || argv[i][j] > '~')
				abort();
	}
	return json_pack("{s:s}", "first", argv[0]);
}

/* The socket's file must not stay behind. */
static void end(void)
{
	server_close(server);
	loop_free(loop);
}

static void start(void)
{
	snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/mcastd-fuzz-%d.sock", getpid());
	signal(SIGPIPE, SIG_IGN);
	loop = loop_new();
	if (!loop || server_open(&server, loop, address.sun_path, request, NULL) != 0)
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
static void expect_answer(void)
{
	static const char expected[] = "{\"first\":\"show\"}\n";
	char answer[64] = "";
	int fd = connect_client();
	ssize_t n = -1;

	if (send(fd, "show groups\n", 12, MSG_NOSIGNAL) != 12)
		abort();
	for (int i = 0; i < 100 && n <= 0; i++) {
		run_rounds(loop, 1);
		n = recv(fd, answer, sizeof(answer) - 1, 0);
		if (n < 0 && errno != EAGAIN)
			abort();
	}
	if (strcmp(answer, expected) != 0)
		abort();
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *event = json_pack("{s:s}", "event", "test");
	int fds[N_CLIENTS];

	if (!server)
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
		if (data[0] & 0x80)
			shutdown(fds[client], SHUT_WR);
		data += len + 1;
		size -= len + 1;
		run_rounds(loop, 1);
		server_publish(server, event);
	}
	expect_answer();
	for (int i = 0; i < N_CLIENTS; i++)
		close(fds[i]);
	run_rounds(loop, 1);
	json_decref(event);
	return 0;
}
