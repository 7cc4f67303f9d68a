/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control socket: a client sends one line of words ("show groups eth1"), gets one JSON object
 * on one line, and the connection ends. `monitor` keeps it open and gets one object per event.
 * Errors are {"error": "what and what to do", "status": sysexits number}.
 */
#ifndef CONTROL_SERVER_H
#define CONTROL_SERVER_H

#include <jansson.h>

#include "platform/loop.h"

struct server;

#define SERVER_WORDS_MAX 8
#define SERVER_LINE_MAX 512

/* Answers one request; never NULL. The words do not include quotes or escapes. */
typedef json_t *(*server_request_fn)(void *arg, int argc, const char *const *argv);

/*
 * Listens on a Unix socket with mode 0660, replacing one that nobody listens on any more.
 * Returns 0, -EADDRINUSE when another daemon answers there, or -errno.
 */
int server_open(struct server **server, struct loop *loop, const char *path,
		server_request_fn request, void *arg);
void server_close(struct server *server);
/* Sends an event to everyone who monitors; takes no reference. Slow readers miss events, counted.
 */
void server_publish(struct server *server, const json_t *event);
/* True when someone monitors: worth making events. */
bool server_has_monitors(const struct server *server);
json_t *server_error(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
