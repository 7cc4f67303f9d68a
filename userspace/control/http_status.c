/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "control/http_internal.h"
#include "platform/log.h"

#define TEXT(x) #x
#define NUMBER_TEXT(x) TEXT(x)
#define LIMIT " limit " NUMBER_TEXT(HTTP_ROWS_MAX)

/*
 * What is asked, one after the other: each answer is waited for before the next request, so that
 * the daemon can deal with packets in between.
 */
static const struct question {
	const char *name;
	const char *request;
} questions[] = {
	{ "version", "show version\n" },	{ "interfaces", "show interfaces\n" },
	{ "statistics", "show statistics\n" },	{ "flows", "show flows" LIMIT "\n" },
	{ "groups", "show groups" LIMIT "\n" }, { "upstream", "show upstream" LIMIT "\n" },
};

#define N_QUESTIONS (sizeof(questions) / sizeof(questions[0]))

struct http_status {
	struct loop *loop;
	int fd;
	struct loop_fd *entry;
	int deadline;
	http_status_fn fn;
	void *arg;
	bool asking;
	bool waited;	   /* somebody waits for the answer, until the deadline */
	size_t asked;	   /* index of the question that is open */
	uint64_t started;  /* when the first question was asked */
	uint64_t answered; /* when it was answered: all answers are younger */
	uint64_t taken;	   /* the same of `current` */
	json_t *next;	   /* being put together */
	json_t *current;
	char *line;
	size_t line_len, line_size;
};

/* The daemon is gone, or says what it never says: a new process will start from the beginning. */
static void give_up(struct http_status *status, const char *why)
{
	if (why)
		log_error("HTTP: %s", why);
	loop_stop(status->loop);
}

static void ask(struct http_status *status)
{
	const char *request = questions[status->asked].request;
	size_t len = strlen(request);

	/* It has read all that came before, so there is room. */
	if (send(status->fd, request, len, MSG_NOSIGNAL) != (ssize_t)len)
		give_up(status, errno == EPIPE ? NULL : "cannot ask the daemon");
}

static void finish(struct http_status *status)
{
	double duration = (double)(loop_now(status->loop) - status->started) / 1000;

	json_object_set_new(status->next, "time", json_real((double)status->answered / 1000));
	json_object_set_new(status->next, "http", json_pack("{s:f}", "duration", duration));
	json_decref(status->current);
	status->current = status->next;
	status->next = NULL;
	status->taken = status->answered;
	status->asking = false;
	status->waited = false;
	loop_deadline_set(status->loop, status->deadline, LOOP_NEVER);
	status->fn(status->arg);
}

static void take_line(struct http_status *status, const char *line, size_t len)
{
	json_t *answer = json_loadb(line, len, 0, NULL);

	if (!json_is_object(answer) || !status->asking) {
		json_decref(answer);
		give_up(status, "the daemon's answer makes no sense");
		return;
	}
	if (status->asked == 0)
		status->answered = loop_now(status->loop);
	json_object_set_new(status->next, questions[status->asked].name, answer);
	if (++status->asked < N_QUESTIONS)
		ask(status);
	else
		finish(status);
}

/* Room for more of the line. Returns 0, -ENOMEM or -E2BIG. */
static int make_room(struct http_status *status)
{
	size_t size = status->line_size ? 2 * status->line_size : 64 << 10;
	char *grown;

	if (status->line_len < status->line_size)
		return 0;
	if (size > HTTP_STATUS_LINE_MAX)
		return -E2BIG;
	grown = realloc(status->line, size);
	if (!grown)
		return -ENOMEM;
	status->line = grown;
	status->line_size = size;
	return 0;
}

static void daemon_ready(void *arg, uint32_t events)
{
	struct http_status *status = arg;
	int error = make_room(status);
	char *end;
	ssize_t n;

	(void)events;
	if (error) {
		give_up(status,
			error == -E2BIG ? "the daemon's answer is too long" : "out of memory");
		return;
	}
	n = recv(status->fd, status->line + status->line_len, status->line_size - status->line_len,
		 MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		give_up(status, NULL);
		return;
	}
	/* One answer to each question: nothing can follow the end of the line. */
	end = memchr(status->line + status->line_len, '\n', (size_t)n);
	status->line_len += (size_t)n;
	if (end) {
		size_t len = (size_t)(end - status->line);

		status->line_len = 0;
		take_line(status, status->line, len);
	}
}

/* The daemon is busy or stopped. Its answer is still waited for, but clients need not. */
static uint64_t too_late(void *arg, uint64_t now)
{
	struct http_status *status = arg;

	(void)now;
	status->waited = false;
	status->fn(status->arg);
	return LOOP_NEVER;
}

struct http_status *http_status_new(struct loop *loop, int fd, http_status_fn fn, void *arg)
{
	struct http_status *status = calloc(1, sizeof(*status));

	if (!status)
		return NULL;
	*status = (struct http_status){
		.loop = loop, .fd = fd, .fn = fn, .arg = arg, .deadline = -1
	};
	status->deadline = loop_add_deadline(loop, LOOP_NEVER, too_late, status);
	status->entry = loop_add_fd(loop, fd, EPOLLIN, daemon_ready, status);
	if (status->deadline < 0 || !status->entry) {
		http_status_free(status);
		return NULL;
	}
	return status;
}

void http_status_free(struct http_status *status)
{
	if (status->entry)
		loop_remove_fd(status->entry);
	if (status->deadline >= 0)
		loop_remove_deadline(status->loop, status->deadline);
	json_decref(status->next);
	json_decref(status->current);
	free(status->line);
	free(status);
}

bool http_status_refresh(struct http_status *status)
{
	uint64_t now = loop_now(status->loop);

	if (status->current && now - status->taken < HTTP_STATUS_AGE_MS)
		return true;
	if (!status->asking) {
		json_decref(status->next);
		status->next = json_object();
		status->asking = true;
		status->asked = 0;
		status->started = now;
		ask(status);
	}
	if (!status->waited) {
		status->waited = true;
		loop_deadline_set(status->loop, status->deadline, now + HTTP_STATUS_WAIT_MS);
	}
	return false;
}

json_t *http_status_get(const struct http_status *status)
{
	if (!status->current || loop_now(status->loop) - status->taken > HTTP_STATUS_WAIT_MS)
		return NULL;
	return status->current;
}
