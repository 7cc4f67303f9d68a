/* SPDX-License-Identifier: BSD-2-Clause */
/* The daemon's side: the listening socket, and the process that serves it kept alive. */
#include "control/http.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/http_internal.h"
#include "platform/log.h"

#define RETRY_MIN_MS 1000
#define RETRY_MAX_MS 60000
#define END_MS 1000	    /* how long the process may take to end */
#define LIVED_WELL_MS 60000 /* after that, a failure is the first one again */

struct http {
	struct loop *loop;
	struct server *server;
	int starter_fd; /* -1: it could not be started, or has ended */
	struct loop_fd *entry;
	int deadline;  /* the next attempt */
	char *address; /* as configured; NULL: off */
	int listen_fd; /* -1: not yet, or off */
	bool running;
	uint32_t number; /* of the process, of those that were started */
	int channel_fd;	 /* our end of its connection to the server, to shut it down */
	uint64_t started;
	uint64_t retry_ms; /* how long to wait after the next failure */
	uint64_t restarts;
	int told; /* the error that was logged last, so that it is logged once */
};

static int complain_once(struct http *http, int error)
{
	if (error != http->told)
		log_error("HTTP: cannot serve %s: %s%s", http->address, strerror(-error),
			  http->starter_fd < 0 ? "; mcastd must be started anew for that"
					       : "; trying again");
	http->told = error;
	return error;
}

/* --- The process -------------------------------------------------------------------------------
 */

static void forget_process(struct http *http)
{
	if (http->channel_fd >= 0)
		close(http->channel_fd);
	http->channel_fd = -1;
	http->running = false;
}

static void retry_later(struct http *http)
{
	loop_deadline_set(http->loop, http->deadline, loop_now(http->loop) + http->retry_ms);
	http->retry_ms *= 2;
	if (http->retry_ms > RETRY_MAX_MS)
		http->retry_ms = RETRY_MAX_MS;
}

/* With descriptors it starts the process, without it ends it. Returns 0 or -errno. */
static int order(const struct http *http, const int *fds, size_t n)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))] = { 0 };
	struct http_order text = { .number = http->number };
	struct iovec part = { &text, sizeof(text) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	if (http->starter_fd < 0)
		return -EPIPE;
	if (n) {
		struct cmsghdr *cmsg = (void *)control;

		message.msg_control = control;
		message.msg_controllen = CMSG_SPACE(n * sizeof(int));
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, n * sizeof(int));
	}
	/* Whatever has become of the starter, we do not wait for it. */
	return sendmsg(http->starter_fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

static void lose_starter(struct http *http)
{
	log_error("HTTP: the process that starts it has ended; mcastd must be started anew for it");
	loop_remove_fd(http->entry);
	close(http->starter_fd);
	http->entry = NULL;
	http->starter_fd = -1;
	forget_process(http);
}

/* Returns true when the news is of the process that there is, or of the starter's end. */
static bool read_news(struct http *http, struct http_end *end)
{
	ssize_t n = recv(http->starter_fd, end, sizeof(*end), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n != sizeof(*end)) {
		lose_starter(http);
		return true;
	}
	return http->running && end->number == http->number;
}

static void starter_ready(void *arg, uint32_t events)
{
	struct http *http = arg;
	struct http_end end;

	(void)events;
	if (!read_news(http, &end) || http->starter_fd < 0)
		return;
	forget_process(http);
	http->restarts++;
	if (loop_now(http->loop) - http->started > LIVED_WELL_MS)
		http->retry_ms = RETRY_MIN_MS;
	if (end.error)
		complain_once(http, end.error);
	else
		log_warning("HTTP: the process that serves it ended with %s %d; starting it again "
			    "in %u s",
			    end.code == CLD_EXITED ? "status" : "signal", end.status,
			    (unsigned int)(http->retry_ms / 1000));
	retry_later(http);
}

static void end_process(struct http *http)
{
	struct pollfd wait = { .fd = http->starter_fd, .events = POLLIN };
	struct http_end end;
	bool ended = false;

	if (!http->running)
		return;
	order(http, NULL, 0);
	shutdown(http->channel_fd, SHUT_RDWR);
	while (!ended && http->starter_fd >= 0 && poll(&wait, 1, END_MS) > 0)
		ended = read_news(http, &end);
	if (!ended)
		log_warning("HTTP: the process that served it does not end");
	forget_process(http);
}

static int start_process(struct http *http)
{
	int pair[2], fds[2], error;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -errno;
	http->number++;
	fds[0] = pair[1];
	fds[1] = http->listen_fd;
	error = order(http, fds, 2);
	close(pair[1]);
	if (error) {
		close(pair[0]);
		return error;
	}
	http->running = true;
	http->started = loop_now(http->loop);
	http->channel_fd = fcntl(pair[0], F_DUPFD_CLOEXEC, 0);
	error = http->channel_fd < 0 ? -errno : 0;
	if (error)
		close(pair[0]);
	else
		error = server_adopt(http->server, pair[0]);
	if (error)
		end_process(http);
	return error;
}

/* --- The listening socket ----------------------------------------------------------------------
 */

/* Returns a descriptor or -errno. */
static int listen_at(const struct http_address *address)
{
	static const int on = 1;
	int fd = socket(address->socket.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)&address->socket, address->len) == 0 &&
	    listen(fd, HTTP_CONNECTIONS_MAX) == 0)
		return fd;
	error = -errno;
	close(fd);
	return error;
}

static int open_socket(struct http *http)
{
	struct http_address address;
	int fd = http_address_parse(http->address, &address);

	if (!fd)
		fd = listen_at(&address);
	if (fd < 0)
		return fd;
	http->listen_fd = fd;
	http->told = 0;
	http->retry_ms = RETRY_MIN_MS;
	log_notice("HTTP: listening on %s%s", http->address,
		   http_address_is_loopback(&address)
			   ? ""
			   : ", which is not a loopback address: there is no password on it");
	return 0;
}

static uint64_t start_due(void *arg, uint64_t now)
{
	struct http *http = arg;
	int error = 0;

	(void)now;
	if (!http->address || http->running)
		return LOOP_NEVER;
	if (http->starter_fd < 0) {
		complain_once(http, -EPIPE);
		return LOOP_NEVER;
	}
	if (http->listen_fd < 0)
		error = open_socket(http);
	if (!error)
		error = start_process(http);
	if (error) {
		complain_once(http, error);
		retry_later(http);
	}
	return LOOP_NEVER;
}

/* --- Life --------------------------------------------------------------------------------------
 */

/* The program, with descriptors 0 to 3 and no others. Returns 0 or -errno. */
static int spawn(const char *program, int fd, enum privilege_filter filter)
{
	char mode[8];
	char *argv[] = { (char[]){ HTTP_PROCESS_NAME }, mode, NULL };
	char *envp[] = { NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int error;
	pid_t pid;

	snprintf(mode, sizeof(mode), "%s", privilege_filter_name(filter));
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attributes);
	error = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	if (!error)
		error = posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
	if (!error)
		error = posix_spawn_file_actions_adddup2(&files, fd, HTTP_STARTER_FD);
	if (!error)
		error = posix_spawn_file_actions_addclosefrom_np(&files, HTTP_STARTER_FDS);
	/* A session of its own: Ctrl-C is for the daemon, which ends it. */
	if (!error)
		error = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID |
								      POSIX_SPAWN_SETSIGMASK |
								      POSIX_SPAWN_SETSIGDEF);
	if (!error)
		error = posix_spawnattr_setsigmask(&attributes, &none);
	if (!error)
		error = posix_spawnattr_setsigdefault(&attributes, &all);
	if (!error)
		error = posix_spawn(&pid, program, &files, &attributes, argv, envp);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	return -error;
}

static int open_starter(struct http *http, const char *program, enum privilege_filter filter)
{
	int pair[2], theirs, error;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	/* Above the numbers that the starter gets, so that none is overwritten. */
	theirs = fcntl(pair[1], F_DUPFD_CLOEXEC, HTTP_STARTER_FDS);
	close(pair[1]);
	error = theirs < 0 ? -errno : spawn(program, theirs, filter);
	if (theirs >= 0)
		close(theirs);
	if (!error) {
		http->entry = loop_add_fd(http->loop, pair[0], EPOLLIN, starter_ready, http);
		error = http->entry ? 0 : -errno;
	}
	if (error)
		close(pair[0]);
	else
		http->starter_fd = pair[0];
	return error;
}

struct http *http_new(struct loop *loop, struct server *server, const char *program,
		      enum privilege_filter filter)
{
	struct http *http = calloc(1, sizeof(*http));
	int error;

	if (!http)
		return NULL;
	*http = (struct http){
		.loop = loop, .server = server, .starter_fd = -1, .listen_fd = -1, .channel_fd = -1
	};
	http->deadline = loop_add_deadline(loop, LOOP_NEVER, start_due, http);
	if (http->deadline < 0) {
		free(http);
		return NULL;
	}
	error = program ? open_starter(http, program, filter) : 0;
	if (error)
		log_error("HTTP: cannot start the process that starts it: %s", strerror(-error));
	return http;
}

static void stop(struct http *http)
{
	end_process(http);
	if (http->listen_fd >= 0)
		close(http->listen_fd);
	http->listen_fd = -1;
	free(http->address);
	http->address = NULL;
}

void http_listen(struct http *http, const char *address)
{
	if (address && http->address && strcmp(address, http->address) == 0)
		return;
	if (http->address)
		log_notice("HTTP: no longer listening on %s", http->address);
	stop(http);
	http->told = 0;
	http->retry_ms = RETRY_MIN_MS;
	http->address = address ? strdup(address) : NULL;
	start_due(http, loop_now(http->loop));
}

json_t *http_describe(const struct http *http)
{
	if (!http->address)
		return NULL;
	return json_pack("{s:s, s:s, s:I}", "listen", http->address, "state",
			 http->running ? "serving" : "waiting", "restarts",
			 (json_int_t)http->restarts);
}

void http_free(struct http *http)
{
	if (!http)
		return;
	stop(http);
	loop_remove_deadline(http->loop, http->deadline);
	if (http->entry)
		loop_remove_fd(http->entry);
	if (http->starter_fd >= 0)
		close(http->starter_fd);
	free(http);
}
