/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The process that serves HTTP, one thread around one event loop, and the one that starts it:
 *
 *   http_starter   starts the process when the daemon says so, ends it, tells of its end
 *   http_process   the process: the loop
 *   http_serve     libmicrohttpd: connections, requests, answers, limits
 *   http_status    asks the daemon for its state, at most about once a second for all clients
 *   http_sandbox   what both may still do: next to nothing
 *   http_page      the status page, status.html inside the program
 *   metrics        the state as Prometheus text
 */
#ifndef CONTROL_HTTP_INTERNAL_H
#define CONTROL_HTTP_INTERNAL_H

#include "control/http.h"

/* The only descriptors it gets, besides /dev/null as 0 and 1 and the log as 2. */
#define HTTP_DAEMON_FD 3 /* the connection to the control server */
#define HTTP_LISTEN_FD 4
#define HTTP_FDS 5

/* The starter's, besides the same three. */
#define HTTP_STARTER_FD 3
#define HTTP_STARTER_FDS 4

/*
 * What goes between daemon and starter, one packet each. With the two descriptors above: start the
 * process; without: end it. The starter answers when it has ended, or could not be started.
 */
struct http_order {
	uint32_t number; /* of the start that is meant */
};

struct http_end {
	uint32_t number;
	int error;  /* 0, or -errno: it was not started */
	int code;   /* CLD_EXITED, or CLD_KILLED and the like */
	int status; /* its exit status, or the signal */
};

#define HTTP_CONNECTIONS_MAX 64
#define HTTP_CONNECTIONS_PER_HOST_MAX 32
#define HTTP_CONNECTION_MS 15000	  /* the whole life of a connection: it takes one request */
#define HTTP_CONNECTION_MEMORY (16 << 10) /* for the request and the headers of the answer */

#define HTTP_ROWS_MAX 1000	 /* of flows, groups, ... that are asked for; the rest is counted */
#define HTTP_STATUS_AGE_MS 900	 /* younger than this it is not asked for again */
#define HTTP_STATUS_WAIT_MS 5000 /* then a client hears that the daemon does not answer */
#define HTTP_STATUS_LINE_MAX (16 << 20) /* of one answer of the daemon */

/*
 * Gives up everything, first what starting processes that serve does not need, then, in such a
 * process, what serving over the two sockets does not need. A failure is logged and returned as
 * -errno, and the process must end. The program's own sanitizers, where it is built with them,
 * cannot live with the system call filter and the limit of memory: left out there.
 */
int http_sandbox_enter_starter(enum privilege_filter filter);
int http_sandbox_enter(enum privilege_filter filter);

/* Serves until the daemon closes its end of the connection. Does not return. */
_Noreturn void http_process_run(enum privilege_filter filter);

/* --- http_status --- */

struct http_status;

/* Called when the daemon has answered, or has not in time. */
typedef void (*http_status_fn)(void *arg);

/* fd is not taken over. When its peer is gone, the loop is stopped. Returns NULL on failure. */
struct http_status *http_status_new(struct loop *loop, int fd, http_status_fn fn, void *arg);
void http_status_free(struct http_status *status);
/* True: http_status_get() is young enough. False: the daemon is being asked, fn will be called. */
bool http_status_refresh(struct http_status *status);
/*
 * What the daemon told last, borrowed; NULL when that was too long ago. One object per request of
 * `mcastctl show`, under its name; "time" is when, in seconds of a monotonic clock.
 */
json_t *http_status_get(const struct http_status *status);

/* --- http_serve --- */

struct http_serve;

/* listen_fd: listening already. Returns NULL on failure. */
struct http_serve *http_serve_new(struct loop *loop, int listen_fd, int daemon_fd);
void http_serve_free(struct http_serve *serve);

/* --- http_page --- */

#define HTTP_NONCE_LEN 32

/*
 * The status page with this nonce (HTTP_NONCE_LEN characters) on its script and its style sheet.
 * Returns memory to be freed, and its length; NULL when memory ran out.
 */
char *http_page_render(const char *nonce, size_t *len);

#endif
