/* SPDX-License-Identifier: BSD-2-Clause */
#include "mcastctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sysexits.h>
#include <time.h>

static void print_time(void)
{
	time_t now = time(NULL);
	char text[16];
	struct tm tm;

	localtime_r(&now, &tm);
	strftime(text, sizeof(text), "%H:%M:%S", &tm);
	printf("%s ", text);
}

/* "10:15:02 eth1: 192.0.2.10 joined 239.1.1.1", or the name of the event and what belongs to it. */
static void print_event(json_t *event)
{
	const char *interface = json_string_value(json_object_get(event, "interface"));
	const char *text = json_string_value(json_object_get(event, "text"));
	const char *key;
	json_t *value;

	print_time();
	if (interface)
		printf("%s: ", interface);
	if (text) {
		printf("%s\n", text);
		return;
	}
	printf("%s", json_text(event, "event"));
	json_object_foreach (event, key, value) {
		if (strcmp(key, "event") == 0 || strcmp(key, "interface") == 0 ||
		    strcmp(key, "time") == 0)
			continue;
		if (json_is_string(value))
			printf(" %s=%s", key, json_string_value(value));
		else if (json_is_number(value))
			printf(" %s=%.0f", key, json_number_value(value));
	}
	putchar('\n');
}

/* Returns 0 or an exit status. */
static int handle_line(const char *line, bool json)
{
	json_t *event = json_loads(line, 0, NULL);
	int status = client_told_error(event);

	if (!status && json)
		fputs(line, stdout);
	else if (!status && event)
		print_event(event);
	json_decref(event);
	return status;
}

int monitor_run(const char *path, bool json)
{
	static const char *const words[] = { "monitor" };
	const struct timeval forever = { 0 };
	char *line = NULL;
	size_t size = 0;
	FILE *in;
	int fd, status = client_connect(path, &fd);

	if (status)
		return status;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &forever, sizeof(forever));
	status = client_send(fd, 1, words);
	in = fdopen(fd, "r");
	while (!status && in && getline(&line, &size, in) > 0) {
		status = handle_line(line, json);
		/* Whoever reads the other end of a pipe may have left. */
		if (fflush(stdout) == EOF)
			break;
	}
	free(line);
	if (in)
		fclose(in);
	if (!status && !ferror(stdout)) {
		fprintf(stderr, "mcastctl: mcastd has ended the connection\n");
		status = EX_UNAVAILABLE;
	}
	return status;
}
