/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/server.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#define ACCEPTS_PER_ROUND 16
#define PAUSE_MS 1000

enum client_state {
	CLIENT_ASKS,	 /* its line is not complete */
	CLIENT_GETS,	 /* the answer is on its way, then the connection ends unless it stays */
	CLIENT_MONITORS, /* gets events until it goes away */
};

struct client {
	struct client *prev, *next;
	struct server *server;
	struct loop_fd *entry;
	int fd;
	bool stays; /* adopted: asks again and again, and only what changes nothing */
	enum client_state state;
	uint64_t expires;
	char line[SERVER_LINE_MAX];
	size_t line_len, line_used; /* used: with the end of the line */
	char *out;		    /* what is still to be written: out[out_sent .. out_len) */
	size_t out_sent, out_len, out_size;
	uint64_t missed; /* events that did not fit */
};

struct server {
	struct loop *loop;
	struct loop_fd *entry;
	int fd;
	struct sockaddr_un address;
	dev_t dev; /* of the socket's file, so that only our own is removed */
	ino_t ino;
	server_request_fn request;
	void (*on_monitor)(void *arg);
	void *arg;
	struct client *oldest, *newest;
	unsigned int n_clients, n_monitors;
	size_t waiting; /* bytes of answers that are not written yet */
	int deadline;
	bool paused; /* out of descriptors: not accepting until the deadline */
};

/* --- Clients come and go -----------------------------------------------------------------------
 */

static size_t client_waiting(const struct client *client)
{
	return client->out_len - client->out_sent;
}

static void close_client(struct client *client)
{
	struct server *server = client->server;

	if (server->oldest == client)
		server->oldest = client->next;
	else
		client->prev->next = client->next;
	if (server->newest == client)
		server->newest = client->prev;
	else
		client->next->prev = client->prev;
	server->n_clients--;
	if (client->state == CLIENT_MONITORS)
		server->n_monitors--;
	else
		server->waiting -= client_waiting(client);
	loop_remove_fd(client->entry);
	close(client->fd);
	free(client->out);
	free(client);
}

/* The client that is served longest, other than this one; some are meant to stay. */
static struct client *find_oldest(const struct server *server, const struct client *but)
{
	struct client *client = server->oldest;

	// NOLINTNEXTLINE(clang-analyzer-unix.Malloc): close_client() takes it off the list
	while (client && (client == but || client->stays || client->state == CLIENT_MONITORS))
		client = client->next;
	return client;
}

static void set_expiry(struct client *client, uint32_t ms)
{
	struct server *server = client->server;
	uint64_t earliest = LOOP_NEVER;

	client->expires = loop_now(server->loop) + ms;
	for (const struct client *c = server->oldest; c; c = c->next)
		// NOLINTNEXTLINE(clang-analyzer-unix.Malloc): close_client() takes it off the list
		if (c->expires < earliest)
			earliest = c->expires;
	loop_deadline_set(server->loop, server->deadline, earliest);
}

static uint64_t expire_clients(void *arg, uint64_t now)
{
	struct server *server = arg;
	uint64_t earliest = LOOP_NEVER;
	struct client *next;

	if (server->paused) {
		server->paused = false;
		loop_change_fd(server->entry, EPOLLIN);
	}
	for (struct client *client = server->oldest; client; client = next) {
		next = client->next;
		if (client->expires <= now)
			close_client(client);
		else if (client->expires < earliest)
			earliest = client->expires;
	}
	return earliest;
}

/* --- Output ------------------------------------------------------------------------------------
 */

/* Writes what fits. Returns 0, also when some is left, or -errno: the client is gone. */
static int flush_client(struct client *client)
{
	bool progress = false;

	while (client_waiting(client) > 0) {
		ssize_t n = send(client->fd, client->out + client->out_sent, client_waiting(client),
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return -errno;
		if (n < 0)
			break;
		client->out_sent += (size_t)n;
		if (client->state == CLIENT_GETS)
			client->server->waiting -= (size_t)n;
		progress = true;
	}
	if (progress && client->state == CLIENT_GETS)
		set_expiry(client, SERVER_ANSWER_MS);
	return 0;
}

static int append(struct client *client, const char *text, size_t len)
{
	size_t waiting = client_waiting(client);

	if (client->out_sent > 0) {
		memmove(client->out, client->out + client->out_sent, waiting);
		client->out_len = waiting;
		client->out_sent = 0;
	}
	if (client->out_size < waiting + len) {
		char *grown = realloc(client->out, waiting + len);

		if (!grown)
			return -ENOMEM;
		client->out = grown;
		client->out_size = waiting + len;
	}
	if (len)
		memcpy(client->out + waiting, text, len);
	client->out_len += len;
	return 0;
}

/* Many unread answers must not fill the memory: the oldest go first, the newest may be large. */
static void limit_waiting(struct server *server, const struct client *newest)
{
	while (server->waiting > SERVER_ANSWERS_MAX) {
		struct client *client = find_oldest(server, newest);

		if (!client)
			return;
		close_client(client);
	}
}

/* The answer has been sent, or cannot be. The client may be gone afterwards. */
static void end_answer(struct client *client, bool sent)
{
	/* One that stays asks again when it has the answer; before, it would fill our memory. */
	if (!client->stays || !sent || client->line_len != client->line_used ||
	    loop_change_fd(client->entry, EPOLLIN) < 0) {
		close_client(client);
		return;
	}
	free(client->out);
	client->out = NULL;
	client->out_sent = client->out_len = client->out_size = 0;
	client->line_len = 0;
	client->state = CLIENT_ASKS;
	client->expires = LOOP_NEVER;
}

/* Sends the answer and ends it, at once if it fits. Takes the text over. */
static void answer_text(struct client *client, char *text)
{
	static const char no_memory[] = "{\"error\": \"out of memory\", \"status\": 71}";
	struct server *server = client->server;

	client->state = CLIENT_GETS;
	if (!text)
		text = strdup(no_memory);
	if (!text) {
		end_answer(client, false);
		return;
	}
	free(client->out);
	client->out = text;
	client->out_sent = 0;
	client->out_len = client->out_size = strlen(text) + 1;
	text[client->out_len - 1] = '\n'; /* instead of the closing zero */
	server->waiting += client->out_len;
	set_expiry(client, SERVER_ANSWER_MS);
	if (flush_client(client) < 0)
		end_answer(client, false);
	else if (client_waiting(client) == 0)
		end_answer(client, true);
	else if (loop_change_fd(client->entry, EPOLLOUT) < 0)
		end_answer(client, false);
	else
		limit_waiting(server, client);
}

static void answer(struct client *client, json_t *object)
{
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

	json_decref(object);
	answer_text(client, text);
}

/* --- Monitors ----------------------------------------------------------------------------------
 */

/* Returns 0 or -errno: the client is gone. */
static int send_event(struct client *client, const char *line, size_t len)
{
	char missed[64] = "";
	int n = 0;

	if (client->missed)
		n = snprintf(missed, sizeof(missed), "{\"event\":\"missed\",\"count\":%llu}\n",
			     (unsigned long long)client->missed);
	if (client_waiting(client) + (size_t)n + len > SERVER_MONITOR_BUFFER_MAX ||
	    append(client, missed, (size_t)n) < 0 || append(client, line, len) < 0) {
		client->missed++;
		return 0;
	}
	client->missed = 0;
	if (flush_client(client) < 0)
		return -EPIPE;
	return loop_change_fd(client->entry, client_waiting(client) ? EPOLLOUT : 0);
}

static void start_monitor(struct client *client)
{
	static const char first[] = "{\"event\":\"monitoring\"}\n";
	struct server *server = client->server;

	if (server->n_monitors == SERVER_MONITORS_MAX) {
		answer(client, server_error(EX_TEMPFAIL, "%d clients monitor already",
					    SERVER_MONITORS_MAX));
		return;
	}
	client->state = CLIENT_MONITORS;
	client->expires = LOOP_NEVER;
	if (server->n_monitors++ == 0 && server->on_monitor)
		server->on_monitor(server->arg);
	if (send_event(client, first, strlen(first)) < 0)
		close_client(client);
}

void server_publish(struct server *server, const json_t *event)
{
	char *line = json_dumps(event, JSON_COMPACT);
	size_t len = line ? strlen(line) : 0;
	struct client *next;

	for (struct client *client = server->oldest; client; client = next) {
		next = client->next;
		if (client->state != CLIENT_MONITORS)
			continue;
		if (!line) {
			client->missed++;
			continue;
		}
		line[len] = '\n'; /* the length is known, no zero needed */
		if (send_event(client, line, len + 1) < 0)
			close_client(client);
	}
	free(line);
}

bool server_has_monitors(const struct server *server)
{
	return server->n_monitors > 0;
}

void server_on_monitor(struct server *server, void (*fn)(void *arg))
{
	server->on_monitor = fn;
}

/* --- Requests ----------------------------------------------------------------------------------
 */

/* Cuts the line into words in place. Returns how many, -EINVAL: no text, -E2BIG: too many. */
static int split_words(char *line, size_t len, const char *words[SERVER_WORDS_MAX])
{
	int n = 0;

	for (size_t i = 0; i < len; i++) {
		bool first = i == 0 || line[i - 1] == '\0';

		if (line[i] == ' ' || line[i] == '\t' || line[i] == '\r') {
			line[i] = '\0';
			continue;
		}
		if (line[i] < ' ' || line[i] > '~')
			return -EINVAL;
		if (!first)
			continue;
		if (n == SERVER_WORDS_MAX)
			return -E2BIG;
		words[n++] = line + i;
	}
	line[len] = '\0';
	return n;
}

static bool changes_nothing(const char *word)
{
	return strcmp(word, "show") == 0 || strcmp(word, "explain") == 0;
}

/* The client may be gone afterwards. */
static void handle_line(struct client *client, size_t len)
{
	struct server *server = client->server;
	const char *words[SERVER_WORDS_MAX];
	int n = split_words(client->line, len, words);

	if (n == 0)
		answer(client, server_error(EX_USAGE, "no request; try show interfaces"));
	else if (n < 0)
		answer(client, server_error(EX_USAGE,
					    n == -E2BIG ? "more than %d words in a request"
							: "a request is one line of plain text",
					    SERVER_WORDS_MAX));
	else if (client->stays && !changes_nothing(words[0]))
		answer(client, server_error(EX_NOPERM, "only show and explain are allowed here"));
	else if (n == 1 && strcmp(words[0], "monitor") == 0)
		start_monitor(client);
	else
		answer(client, server->request(server->arg, n, words));
}

/* The client may be gone afterwards. */
static void read_request(struct client *client)
{
	size_t room = sizeof(client->line) - client->line_len;
	ssize_t n = recv(client->fd, client->line + client->line_len, room, MSG_DONTWAIT);
	const char *end;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0 || (n == 0 && client->line_len == 0)) {
		close_client(client);
		return;
	}
	end = memchr(client->line + client->line_len, '\n', (size_t)n);
	client->line_len += (size_t)n;
	client->line_used = end ? (size_t)(end - client->line) + 1 : client->line_len;
	if (end)
		handle_line(client, (size_t)(end - client->line));
	else if (client->line_len == sizeof(client->line))
		answer(client, server_error(EX_USAGE, "a request has at most %d bytes",
					    SERVER_LINE_MAX - 1));
	else if (n == 0)
		handle_line(client, client->line_len);
}

static void client_ready(void *arg, uint32_t events)
{
	struct client *client = arg;

	if (events & (EPOLLERR | EPOLLHUP) && client->state == CLIENT_MONITORS) {
		close_client(client);
		return;
	}
	if (client->state == CLIENT_ASKS) {
		read_request(client);
		return;
	}
	if (flush_client(client) < 0) {
		close_client(client);
		return;
	}
	if (client->state == CLIENT_GETS && client_waiting(client) == 0) {
		end_answer(client, true);
		return;
	}
	if (client->state == CLIENT_MONITORS && client_waiting(client) == 0)
		loop_change_fd(client->entry, 0);
}

/* Takes the descriptor over. NULL: closed it, no memory. */
static struct client *add_client(struct server *server, int fd)
{
	struct client *client;

	if (server->n_clients >= SERVER_CLIENTS_MAX + SERVER_MONITORS_MAX)
		close_client(find_oldest(server, NULL));
	client = calloc(1, sizeof(*client));
	if (client)
		client->entry = loop_add_fd(server->loop, fd, EPOLLIN, client_ready, client);
	if (!client || !client->entry) {
		free(client);
		close(fd);
		return NULL;
	}
	client->server = server;
	client->fd = fd;
	client->prev = server->newest;
	if (server->newest)
		server->newest->next = client;
	else
		server->oldest = client;
	server->newest = client;
	server->n_clients++;
	set_expiry(client, SERVER_REQUEST_MS);
	return client;
}

int server_adopt(struct server *server, int fd)
{
	struct client *client = add_client(server, fd);

	if (!client)
		return -ENOMEM;
	client->stays = true;
	client->expires = LOOP_NEVER;
	return 0;
}

/* Out of descriptors. The waiting connection would wake us at once again: make room, or pause. */
static void pause_accepting(struct server *server)
{
	struct client *client = find_oldest(server, NULL);

	if (client) {
		close_client(client);
		return;
	}
	server->paused = true;
	loop_change_fd(server->entry, 0);
	loop_deadline_set(server->loop, server->deadline, loop_now(server->loop) + PAUSE_MS);
}

static void accept_clients(void *arg, uint32_t events)
{
	struct server *server = arg;

	(void)events;
	for (int i = 0; i < ACCEPTS_PER_ROUND; i++) {
		int fd = accept4(server->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			add_client(server, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			pause_accepting(server);
		return;
	}
}

/* --- The socket --------------------------------------------------------------------------------
 */

/* Removes a socket that nobody listens on any more. Returns 0 when the path is free now. */
static int clear_path(const struct sockaddr_un *address)
{
	struct stat st;
	int fd, error = 0;

	if (lstat(address->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
		error = -EADDRINUSE; /* EAGAIN: too busy to take us */
	else if (errno != ECONNREFUSED && errno != ENOENT)
		error = -errno;
	close(fd);
	if (!error && unlink(address->sun_path) < 0 && errno != ENOENT)
		error = -errno;
	return error;
}

static int listen_at(struct server *server, const char *path)
{
	struct stat st;
	mode_t mask;
	int error;

	if (strlen(path) >= sizeof(server->address.sun_path))
		return -ENAMETOOLONG;
	server->address.sun_family = AF_UNIX;
	memcpy(server->address.sun_path, path, strlen(path) + 1);
	error = clear_path(&server->address);
	if (error)
		return error;
	server->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (server->fd < 0)
		return -errno;
	/* The file has its mode from the first moment on. */
	mask = umask(0117);
	error = bind(server->fd, (struct sockaddr *)&server->address, sizeof(server->address));
	umask(mask);
	if (error < 0)
		return -errno;
	if (stat(path, &st) < 0)
		return -errno;
	server->dev = st.st_dev;
	server->ino = st.st_ino;
	return listen(server->fd, SOMAXCONN) < 0 ? -errno : 0;
}

int server_open(struct server **server_out, struct loop *loop, const char *path,
		server_request_fn request, void *arg)
{
	struct server *server = calloc(1, sizeof(*server));
	int error;

	if (!server)
		return -ENOMEM;
	*server = (struct server){
		.loop = loop, .fd = -1, .request = request, .arg = arg, .deadline = -1
	};
	error = listen_at(server, path);
	if (!error) {
		server->deadline = loop_add_deadline(loop, LOOP_NEVER, expire_clients, server);
		if (server->deadline < 0)
			error = server->deadline;
	}
	if (!error) {
		server->entry = loop_add_fd(loop, server->fd, EPOLLIN, accept_clients, server);
		if (!server->entry)
			error = -errno;
	}
	if (error) {
		server_close(server);
		return error;
	}
	*server_out = server;
	return 0;
}

void server_close(struct server *server)
{
	struct stat st;

	if (!server)
		return;
	while (server->oldest)
		// NOLINTNEXTLINE(clang-analyzer-unix.Malloc): close_client() takes it off the list
		close_client(server->oldest);
	if (server->deadline >= 0)
		loop_remove_deadline(server->loop, server->deadline);
	if (server->entry)
		loop_remove_fd(server->entry);
	if (server->fd >= 0)
		close(server->fd);
	/* ino 0: not ours (yet). Somebody may have replaced it, too. */
	if (server->ino && lstat(server->address.sun_path, &st) == 0 && st.st_dev == server->dev &&
	    st.st_ino == server->ino)
		unlink(server->address.sun_path);
	free(server);
}

json_t *server_error(int status, const char *format, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	return json_pack("{s:s, s:i}", "error", text, "status", status);
}
