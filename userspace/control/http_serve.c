/* SPDX-License-Identifier: BSD-2-Clause */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/random.h>

#include "control/http_internal.h"
#include "control/metrics.h"
#include "platform/log.h"

/* A connection takes one request and lives a limited time, whatever comes or does not come. */
struct client {
	struct client *next;
	struct http_serve *serve;
	int fd;
	uint64_t expires;
	bool cut; /* too slow: shut down, libmicrohttpd will notice */
};

/* A request that waits for the daemon's answer; libmicrohttpd keeps it suspended. */
struct waiter {
	struct waiter *next;
	struct MHD_Connection *connection;
};

struct http_serve {
	struct loop *loop;
	struct MHD_Daemon *daemon;
	struct loop_fd *entry;
	struct http_status *status;
	struct client *oldest, *newest;
	struct waiter *waiters;
	int run_deadline, client_deadline;
	bool only_local;   /* listening on a loopback address */
	json_t *responses; /* by code */
	uint64_t cut;
};

struct page {
	const char *path;
	bool of_daemon; /* made from the daemon's state */
	enum MHD_Result (*answer)(struct http_serve *serve, struct MHD_Connection *connection);
};

/* --- Answers -----------------------------------------------------------------------------------
 */

static const struct header {
	const char *name, *value;
} common_headers[] = {
	{ MHD_HTTP_HEADER_CONNECTION, "close" }, { MHD_HTTP_HEADER_CACHE_CONTROL, "no-store" },
	{ "X-Content-Type-Options", "nosniff" }, { "X-Frame-Options", "DENY" },
	{ "Referrer-Policy", "no-referrer" },	 { "Cross-Origin-Resource-Policy", "same-origin" },
};

static const char strict_policy[] = "default-src 'none'; frame-ancestors 'none'";

/* Takes the text over; NULL is out of memory, and ends the connection. */
static enum MHD_Result answer_text(struct http_serve *serve, struct MHD_Connection *connection,
				   unsigned int code, const char *type, const char *policy,
				   char *text, size_t len)
{
	struct MHD_Response *response =
		text ? MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE) : NULL;
	enum MHD_Result result;
	char code_text[16];

	if (!response) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(response, "Content-Security-Policy", policy);
	for (size_t i = 0; i < sizeof(common_headers) / sizeof(common_headers[0]); i++)
		MHD_add_response_header(response, common_headers[i].name, common_headers[i].value);
	if (code == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	snprintf(code_text, sizeof(code_text), "%u", code);
	json_object_set_new(serve->responses, code_text,
			    json_integer(1 + json_integer_value(json_object_get(serve->responses,
										code_text))));
	result = MHD_queue_response(connection, code, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result answer_line(struct http_serve *serve, struct MHD_Connection *connection,
				   unsigned int code, const char *line)
{
	return answer_text(serve, connection, code, "text/plain; charset=utf-8", strict_policy,
			   strdup(line), strlen(line));
}

static enum MHD_Result answer_page(struct http_serve *serve, struct MHD_Connection *connection)
{
	static const char hex[] = "0123456789abcdef";
	char nonce[HTTP_NONCE_LEN + 1] = "", policy[512];
	unsigned char random[HTTP_NONCE_LEN / 2];
	size_t len = 0;
	char *page;

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return MHD_NO;
	for (size_t i = 0; i < sizeof(random); i++) {
		nonce[2 * i] = hex[random[i] >> 4];
		nonce[2 * i + 1] = hex[random[i] & 15];
	}
	snprintf(policy, sizeof(policy),
		 "default-src 'none'; script-src 'nonce-%s'; style-src 'nonce-%s'; "
		 "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
		 "frame-ancestors 'none'",
		 nonce, nonce);
	page = http_page_render(nonce, &len);
	return answer_text(serve, connection, MHD_HTTP_OK, "text/html; charset=utf-8", policy, page,
			   len);
}

static enum MHD_Result answer_health(struct http_serve *serve, struct MHD_Connection *connection)
{
	return answer_line(serve, connection, MHD_HTTP_OK, "ok\n");
}

static enum MHD_Result answer_status(struct http_serve *serve, struct MHD_Connection *connection)
{
	char *text =
		json_dumps(http_status_get(serve->status), JSON_COMPACT | JSON_REAL_PRECISION(15));

	return answer_text(serve, connection, MHD_HTTP_OK, "application/json", strict_policy, text,
			   text ? strlen(text) : 0);
}

static enum MHD_Result answer_metrics(struct http_serve *serve, struct MHD_Connection *connection)
{
	json_t *status = http_status_get(serve->status);
	json_t *own = json_object_get(status, "http");
	size_t len = 0;
	char *text;

	json_object_set(own, "responses", serve->responses);
	json_object_set_new(own, "cut", json_integer((json_int_t)serve->cut));
	text = metrics_render(status, &len);
	return answer_text(serve, connection, MHD_HTTP_OK, METRICS_CONTENT_TYPE, strict_policy,
			   text, len);
}

static const struct page pages[] = {
	{ "/", false, answer_page },
	{ "/metrics", true, answer_metrics },
	{ "/api/status", true, answer_status },
	{ "/healthz", true, answer_health },
};

static const struct page *find_page(const char *path)
{
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		if (strcmp(path, pages[i].path) == 0)
			return &pages[i];
	return NULL;
}

/* --- Requests ----------------------------------------------------------------------------------
 */

/*
 * "localhost" or an address, with or without a port. A web page from elsewhere can have its own
 * name resolve to a loopback address, to have a browser on this host fetch what we serve for it;
 * the name it then asks for gives it away.
 */
static bool is_local_name(const char *host)
{
	size_t len = strcspn(host, ":");
	unsigned char address[sizeof(struct in6_addr)];
	char name[INET_ADDRSTRLEN];

	if (host[0] == '[' || (len == 9 && strncasecmp(host, "localhost", len) == 0))
		return true;
	if (len >= sizeof(name))
		return false;
	memcpy(name, host, len);
	name[len] = '\0';
	return inet_pton(AF_INET, name, address) == 1;
}

static bool is_host_allowed(const struct http_serve *serve, struct MHD_Connection *connection)
{
	const char *host =
		MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);

	return !serve->only_local || !host || is_local_name(host);
}

/* Returns false when the answer need not be waited for. */
static bool wait_for_daemon(struct http_serve *serve, struct MHD_Connection *connection)
{
	struct waiter *waiter;

	if (http_status_refresh(serve->status))
		return false;
	waiter = malloc(sizeof(*waiter));
	if (!waiter)
		return false;
	*waiter = (struct waiter){ serve->waiters, connection };
	serve->waiters = waiter;
	MHD_suspend_connection(connection);
	return true;
}

/*
 * libmicrohttpd calls this when the headers are complete, and once more for a request that had to
 * wait. What may follow the headers is not looked at: the connection ends after the answer.
 */
static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *upload_data,
			      size_t *upload_len, void **request_state)
{
	static char waited; /* its address tells the second call */
	struct http_serve *serve = arg;
	const struct page *page = find_page(url);

	(void)version;
	(void)upload_data;
	(void)upload_len;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return answer_line(serve, connection, MHD_HTTP_METHOD_NOT_ALLOWED,
				   "Everything here is read with GET.\n");
	if (!is_host_allowed(serve, connection))
		return answer_line(serve, connection, MHD_HTTP_MISDIRECTED_REQUEST,
				   "Ask for localhost or an address: the server listens on this "
				   "host alone.\n");
	if (!page)
		return answer_line(serve, connection, MHD_HTTP_NOT_FOUND,
				   "Not here. There are /, /metrics, /api/status and /healthz.\n");
	if (page->of_daemon && !*request_state) {
		*request_state = &waited;
		if (wait_for_daemon(serve, connection))
			return MHD_YES;
	}
	if (page->of_daemon && !http_status_get(serve->status))
		return answer_line(serve, connection, MHD_HTTP_SERVICE_UNAVAILABLE,
				   "The daemon does not answer.\n");
	return page->answer(serve, connection);
}

/* --- The loop ----------------------------------------------------------------------------------
 */

static void run(struct http_serve *serve)
{
	MHD_UNSIGNED_LONG_LONG wait_ms;

	MHD_run(serve->daemon);
	if (MHD_get_timeout(serve->daemon, &wait_ms) == MHD_YES)
		loop_deadline_set(serve->loop, serve->run_deadline,
				  loop_now(serve->loop) + wait_ms);
}

static void sockets_ready(void *arg, uint32_t events)
{
	(void)events;
	run(arg);
}

static uint64_t run_due(void *arg, uint64_t now)
{
	(void)now;
	run(arg);
	return LOOP_NEVER;
}

static void status_done(void *arg)
{
	struct http_serve *serve = arg;

	while (serve->waiters) {
		struct waiter *waiter = serve->waiters;

		serve->waiters = waiter->next;
		MHD_resume_connection(waiter->connection);
		free(waiter);
	}
	/* Not from here: we may be inside of it, when the daemon could not be asked. */
	loop_deadline_set(serve->loop, serve->run_deadline, loop_now(serve->loop));
}

/* --- Connections -------------------------------------------------------------------------------
 */

static uint64_t cut_clients(void *arg, uint64_t now)
{
	struct http_serve *serve = arg;

	for (struct client *client = serve->oldest; client; client = client->next) {
		if (client->expires > now)
			return client->expires;
		if (client->cut)
			continue;
		client->cut = true;
		serve->cut++;
		shutdown(client->fd, SHUT_RDWR);
	}
	/* Those that are left are on their way out; who comes from now on has this long. */
	return serve->oldest ? now + HTTP_CONNECTION_MS : LOOP_NEVER;
}

static void *client_new(struct http_serve *serve, int fd)
{
	struct client *client = calloc(1, sizeof(*client));

	if (!client) {
		shutdown(fd, SHUT_RDWR);
		return NULL;
	}
	client->serve = serve;
	client->fd = fd;
	client->expires = loop_now(serve->loop) + HTTP_CONNECTION_MS;
	if (serve->newest)
		serve->newest->next = client;
	else
		loop_deadline_set(serve->loop, serve->client_deadline, client->expires);
	if (!serve->oldest)
		serve->oldest = client;
	serve->newest = client;
	return client;
}

static void client_free(struct http_serve *serve, struct client *client)
{
	struct client **at = &serve->oldest, *before = NULL;

	while (*at != client) {
		before = *at;
		at = &before->next;
	}
	*at = client->next;
	if (serve->newest == client)
		serve->newest = before;
	free(client);
}

static void connection_changed(void *arg, struct MHD_Connection *connection, void **socket_state,
			       enum MHD_ConnectionNotificationCode what)
{
	struct http_serve *serve = arg;

	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		const union MHD_ConnectionInfo *info =
			MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

		*socket_state = client_new(serve, info->connect_fd);
	} else if (*socket_state) {
		client_free(serve, *socket_state);
		*socket_state = NULL;
	}
}

/* --- Start and end -----------------------------------------------------------------------------
 */

static bool is_listening_locally(int fd)
{
	struct http_address address = { .len = sizeof(address.socket) };

	return getsockname(fd, (struct sockaddr *)&address.socket, &address.len) == 0 &&
	       http_address_is_loopback(&address);
}

/* No path of ours needs escapes, and an escaped zero would end one early. */
static size_t leave_escaped(void *arg, struct MHD_Connection *connection, char *text)
{
	(void)arg;
	(void)connection;
	return strlen(text);
}

static int start_daemon(struct http_serve *serve, int listen_fd)
{
	const union MHD_DaemonInfo *info;

	serve->daemon =
		MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, handle,
				 serve, MHD_OPTION_LISTEN_SOCKET, listen_fd,
				 MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL,
				 MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_CONNECTION_LIMIT,
				 (unsigned int)HTTP_CONNECTIONS_MAX,
				 MHD_OPTION_PER_IP_CONNECTION_LIMIT,
				 (unsigned int)HTTP_CONNECTIONS_PER_HOST_MAX,
				 MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_CONNECTION_MEMORY,
				 MHD_OPTION_NOTIFY_CONNECTION, connection_changed, serve,
				 MHD_OPTION_END);
	if (!serve->daemon)
		return -1;
	info = MHD_get_daemon_info(serve->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info)
		return -1;
	serve->entry = loop_add_fd(serve->loop, info->epoll_fd, EPOLLIN, sockets_ready, serve);
	return serve->entry ? 0 : -1;
}

struct http_serve *http_serve_new(struct loop *loop, int listen_fd, int daemon_fd)
{
	struct http_serve *serve = calloc(1, sizeof(*serve));

	if (!serve)
		return NULL;
	serve->loop = loop;
	serve->only_local = is_listening_locally(listen_fd);
	serve->responses = json_object();
	serve->run_deadline = loop_add_deadline(loop, LOOP_NEVER, run_due, serve);
	serve->client_deadline = loop_add_deadline(loop, LOOP_NEVER, cut_clients, serve);
	serve->status = http_status_new(loop, daemon_fd, status_done, serve);
	if (!serve->responses || serve->run_deadline < 0 || serve->client_deadline < 0 ||
	    !serve->status || start_daemon(serve, listen_fd) < 0) {
		http_serve_free(serve);
		return NULL;
	}
	return serve;
}

void http_serve_free(struct http_serve *serve)
{
	if (serve->status)
		status_done(serve); /* libmicrohttpd wants no connection suspended at its end */
	if (serve->entry)
		loop_remove_fd(serve->entry);
	if (serve->daemon)
		MHD_stop_daemon(serve->daemon);
	if (serve->status)
		http_status_free(serve->status);
	if (serve->run_deadline >= 0)
		loop_remove_deadline(serve->loop, serve->run_deadline);
	if (serve->client_deadline >= 0)
		loop_remove_deadline(serve->loop, serve->client_deadline);
	json_decref(serve->responses);
	free(serve);
}
