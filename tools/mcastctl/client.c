/* SPDX-License-Identifier: BSD-2-Clause */
#include "mcastctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#define ANSWER_TIMEOUT_S 10
#define REQUEST_MAX 512 /* with the end of the line; the daemon takes no more */

int client_connect(const char *path, int *fd_out)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval timeout = { .tv_sec = ANSWER_TIMEOUT_S };
	int fd, error;

	if (strlen(path) >= sizeof(address.sun_path)) {
		fprintf(stderr, "mcastctl: %s: too long for a socket\n", path);
		return EX_USAGE;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		fprintf(stderr, "mcastctl: socket: %s\n", strerror(errno));
		return EX_OSERR;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
		*fd_out = fd;
		return 0;
	}
	error = errno;
	close(fd);
	if (error == EACCES || error == EPERM) {
		fprintf(stderr,
			"mcastctl: %s: permission denied; only root and the socket's group may "
			"talk to mcastd\n",
			path);
		return EX_NOPERM;
	}
	fprintf(stderr,
		"mcastctl: no mcastd answers at %s (%s); is it running? -u names another "
		"socket\n",
		path, strerror(error));
	return EX_UNAVAILABLE;
}

int client_send(int fd, int argc, const char *const *argv)
{
	char line[REQUEST_MAX];
	size_t len = 0;

	for (int i = 0; i < argc; i++) {
		int n = snprintf(line + len, sizeof(line) - len, "%s%c", argv[i],
				 i + 1 < argc ? ' ' : '\n');

		/* A blank within a word would make it two. */
		if (n < 0 || (size_t)n >= sizeof(line) - len || strpbrk(argv[i], " \t\r\n") ||
		    !*argv[i]) {
			fprintf(stderr, "mcastctl: '%.40s': not a name\n", argv[i]);
			return EX_USAGE;
		}
		len += (size_t)n;
	}
	if (send(fd, line, len, MSG_NOSIGNAL) != (ssize_t)len) {
		fprintf(stderr, "mcastctl: mcastd does not listen: %s\n", strerror(errno));
		return EX_UNAVAILABLE;
	}
	return 0;
}

int client_receive(int fd, char **text_out)
{
	size_t len = 0, size = 65536;
	char *text = malloc(size);
	ssize_t n = 1;

	while (text && n != 0) {
		n = recv(fd, text + len, size - len - 1, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			fprintf(stderr, "mcastctl: mcastd does not answer: %s\n",
				errno == EAGAIN ? "timed out" : strerror(errno));
			free(text);
			return EX_UNAVAILABLE;
		}
		len += (size_t)n;
		if (len + 1 == size) {
			char *grown = realloc(text, size *= 2);

			if (!grown)
				free(text);
			text = grown;
		}
	}
	if (!text) {
		fprintf(stderr, "mcastctl: out of memory\n");
		return EX_OSERR;
	}
	text[len] = '\0';
	*text_out = text;
	return 0;
}

int client_told_error(const json_t *answer)
{
	const char *error = json_string_value(json_object_get(answer, "error"));
	int status = (int)json_integer_value(json_object_get(answer, "status"));

	if (!error)
		return 0;
	fprintf(stderr, "mcastctl: %s\n", error);
	return status > 0 && status < 256 ? status : EX_SOFTWARE;
}

int client_request(const char *path, int argc, const char *const *argv, json_t **answer)
{
	char *text = NULL;
	int fd, status = client_connect(path, &fd);

	if (status)
		return status;
	status = client_send(fd, argc, argv);
	if (!status)
		status = client_receive(fd, &text);
	close(fd);
	if (status)
		return status;
	*answer = json_loads(text, 0, NULL);
	free(text);
	if (!json_is_object(*answer)) {
		fprintf(stderr, "mcastctl: mcastd ended the connection without an answer\n");
		json_decref(*answer);
		return EX_UNAVAILABLE;
	}
	status = client_told_error(*answer);
	if (status)
		json_decref(*answer);
	return status;
}
