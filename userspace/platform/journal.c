/* SPDX-License-Identifier: BSD-2-Clause */
#include "platform/journal.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LENGTH_SIZE 8 /* of a value, little-endian */

bool journal_is_stderr(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

int journal_open(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, error;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	error = -errno;
	close(fd);
	return error;
}

/* "NAME=value\n", or with its length before a value of several lines: nobody can add fields. */
static size_t put_field(char *out, const struct journal_field *field)
{
	size_t name_len = strlen(field->name), len = strlen(field->value), n = name_len;
	bool framed = strchr(field->value, '\n') != NULL;

	memcpy(out, field->name, name_len);
	out[n++] = framed ? '\n' : '=';
	for (int i = 0; framed && i < LENGTH_SIZE; i++)
		out[n++] = (char)((uint64_t)len >> 8 * i & 0xff);
	memcpy(out + n, field->value, len);
	n += len;
	out[n++] = '\n';
	return n;
}

int journal_send(int fd, const struct journal_field *fields, size_t n)
{
	char entry[JOURNAL_ENTRY_MAX];
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		if (!fields[i].value)
			continue;
		if (strlen(fields[i].name) + strlen(fields[i].value) + LENGTH_SIZE + 2 >
		    sizeof(entry) - len)
			return -EMSGSIZE;
		len += put_field(entry + len, &fields[i]);
	}
	return send(fd, entry, len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}
