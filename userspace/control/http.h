/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Metrics and the status page over HTTP, served by a process of its own so that who talks to it
 * cannot reach the daemon, BPF or the network: an unprivileged user, no capabilities, no
 * descriptors but the listening socket and a connection to the control server over which it may
 * only show and explain.
 *
 * It is the child of another process, the starter, which is this program started anew (fork and
 * exec), so that nothing of the daemon's memory is in them, mapped BPF arrays least of all. The
 * starter has given up everything but to start that one child, again and again. So the daemon
 * itself needs neither capabilities nor system calls to start programs and to change users. It
 * keeps the listening socket: connections wait while the process is started again.
 */
#ifndef CONTROL_HTTP_H
#define CONTROL_HTTP_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "control/server.h"
#include "platform/loop.h"
#include "platform/privilege.h"

/* argv[0] by which main() knows that it is to be the starter: it calls http_starter_main(). */
#define HTTP_PROCESS_NAME "mcastd-http"

struct http_address {
	struct sockaddr_storage socket;
	socklen_t len;
};

/*
 * Reads "ADDRESS:PORT", "[ADDRESS]:PORT" or "PORT" (on 127.0.0.1); addresses are numeric.
 * Returns 0 or -EINVAL.
 */
int http_address_parse(const char *text, struct http_address *address);
/* Only this host can reach it. */
bool http_address_is_loopback(const struct http_address *address);

struct http;

/*
 * Starts the starter, which takes privileges that may be given up afterwards. No HTTP until
 * http_listen(); loop and server must outlive it. program: the path of one whose main() knows
 * HTTP_PROCESS_NAME, no other; NULL: there is no starter, and no HTTP. Returns NULL when memory
 * ran out; a starter that cannot be had is logged, and told again by http_listen().
 */
struct http *http_new(struct loop *loop, struct server *server, const char *program,
		      enum privilege_filter filter);
/*
 * Serves at this address, which http_address_parse() accepts, from now on; NULL: nowhere. The same
 * address as before changes nothing. What does not work is logged and tried again.
 */
void http_listen(struct http *http, const char *address);
/* {"listen", "state", "restarts"}, or NULL when it is off. */
json_t *http_describe(const struct http *http);
void http_free(struct http *http);

/* The starter, and from it the process itself; filter by its name. Returns its exit status. */
int http_starter_main(const char *filter);

#endif
