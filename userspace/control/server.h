/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control socket: a client sends one line of words ("show groups eth1"), gets one JSON object
 * on one line, and the connection ends. `monitor` keeps it open and gets one object per event,
 * the first being {"event": "monitoring"}. Errors are {"error": "what and what to do", "status":
 * sysexits number}.
 *
 * Nothing here waits for a client, and all of them together take a bounded amount of memory: the
 * limits below. Who is over them is disconnected, the oldest first.
 */
#ifndef CONTROL_SERVER_H
#define CONTROL_SERVER_H

#include <jansson.h>
#include <stdbool.h>

#include "platform/loop.h"

struct server;

#define SERVER_WORDS_MAX 8
#define SERVER_LINE_MAX 512
#define SERVER_CLIENTS_MAX 256
#define SERVER_MONITORS_MAX 32
#define SERVER_REQUEST_MS 5000	      /* to send the whole line */
#define SERVER_ANSWER_MS 30000	      /* to read the next piece of the answer */
#define SERVER_ANSWERS_MAX (64 << 20) /* bytes that wait for all clients; one may exceed it */
#define SERVER_MONITOR_BUFFER_MAX (256 << 10) /* bytes that wait for one monitor */

/* Answers one request; the server releases what it returns. NULL only when memory ran out. */
typedef json_t *(*server_request_fn)(void *arg, int argc, const char *const *argv);

/*
 * Listens on a Unix socket with mode 0660, replacing one that nobody listens on any more.
 * Returns 0, -EADDRINUSE when another daemon answers there, -ENOTSOCK when something else than a
 * socket is there, or -errno.
 */
int server_open(struct server **server, struct loop *loop, const char *path,
		server_request_fn request, void *arg);
/* Disconnects everyone and removes the socket. */
void server_close(struct server *server);
/*
 * Takes over a connected stream socket whose peer may stay and ask many times, one request after
 * the answer to the last, but only to show and explain. Returns 0, or -ENOMEM with it closed.
 */
int server_adopt(struct server *server, int fd);
/*
 * Sends an event to everyone who monitors; takes no reference. Who reads too slowly misses events
 * and is told how many: {"event": "missed", "count": N}.
 */
void server_publish(struct server *server, const json_t *event);
/* True when someone monitors: worth making events. */
bool server_has_monitors(const struct server *server);
/* fn is called with the server's arg when someone begins to monitor and nobody did before. */
void server_on_monitor(struct server *server, void (*fn)(void *arg));
json_t *server_error(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
