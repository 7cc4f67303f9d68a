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
	int deadline;  /* the next attempt */
	char *address; /* as configured; NULL: off */
	int listen_fd; /* -1: not yet, or off */
	pid_t pid;     /* 0: not running */
	int pid_fd;
	int channel_fd; /* our end of its connection to the server, to shut it down */
	struct loop_fd *entry;
	uint64_t started;
	uint64_t retry_ms; /* how long to wait after the next failure */
	uint64_t restarts;
	int told; /* the error that was logged last, so that it is logged once */
};

/* --- The process -------------------------------------------------------------------------------
 */

static void forget_process(struct http *http)
{
	if (http->entry)
		loop_remove_fd(http->entry);
	if (http->pid_fd >= 0)
		close(http->pid_fd);
	if (http->channel_fd >= 0)
		close(http->channel_fd);
	http->entry = NULL;
	http->pid_fd = http->channel_fd = -1;
	http->pid = 0;
}

static void end_process(struct http *http)
{
	struct pollfd end = { .fd = http->pid_fd, .events = POLLIN };

	if (!http->pid)
		return;
	/*
	 * It has nothing to tidy up. Without CAP_KILL, as it is another user's, it still ends with
	 * its connection, unless something has gone wrong with it; and with us.
	 */
	kill(http->pid, SIGKILL);
	shutdown(http->channel_fd, SHUT_RDWR);
	if (http->pid_fd >= 0)
		poll(&end, 1, END_MS);
	if (waitpid(http->pid, NULL, WNOHANG) != http->pid)
		log_warning("HTTP: the process %d that served it does not end", http->pid);
	forget_process(http);
}

static void retry_later(struct http *http)
{
	loop_deadline_set(http->loop, http->deadline, loop_now(http->loop) + http->retry_ms);
	http->retry_ms *= 2;
	if (http->retry_ms > RETRY_MAX_MS)
		http->retry_ms = RETRY_MAX_MS;
}

static void process_ended(void *arg, uint32_t events)
{
	struct http *http = arg;
	siginfo_t info = { 0 };

	(void)events;
	if (waitid(P_PIDFD, (id_t)http->pid_fd, &info, WEXITED | WNOHANG) < 0 || !info.si_pid)
		return;
	forget_process(http);
	http->restarts++;
	if (loop_now(http->loop) - http->started > LIVED_WELL_MS)
		http->retry_ms = RETRY_MIN_MS;
	log_warning("HTTP: the process that serves it ended with %s %d; starting it again in %u s",
		    info.si_code == CLD_EXITED ? "status" : "signal", info.si_status,
		    (unsigned int)(http->retry_ms / 1000));
	retry_later(http);
}

/* A copy with a number above those it will have in the process, so that none is overwritten. */
static int move_up(int fd)
{
	int moved = fcntl(fd, F_DUPFD_CLOEXEC, HTTP_FDS);

	close(fd);
	return moved;
}

/* The program anew, with descriptors 0 to 4 and no others. */
static int spawn(const struct http *http, int daemon_fd, pid_t *pid)
{
	char *argv[] = { (char[]){ HTTP_PROCESS_NAME }, NULL };
	char *envp[] = { NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int error;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attributes);
	error = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	if (!error)
		error = posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
	if (!error)
		error = posix_spawn_file_actions_adddup2(&files, daemon_fd, HTTP_DAEMON_FD);
	if (!error)
		error = posix_spawn_file_actions_adddup2(&files, http->listen_fd, HTTP_LISTEN_FD);
	if (!error)
		error = posix_spawn_file_actions_addclosefrom_np(&files, HTTP_FDS);
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
		error = posix_spawn(pid, "/proc/self/exe", &files, &attributes, argv, envp);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	return -error;
}

static int watch_process(struct http *http)
{
	http->pid_fd = pidfd_open(http->pid, 0);
	if (http->pid_fd >= 0)
		http->entry = loop_add_fd(http->loop, http->pid_fd, EPOLLIN, process_ended, http);
	if (http->entry)
		return 0;
	return -errno;
}

static int start_process(struct http *http)
{
	int pair[2], error;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -errno;
	pair[1] = move_up(pair[1]);
	error = pair[1] < 0 ? -errno : spawn(http, pair[1], &http->pid);
	if (pair[1] >= 0)
		close(pair[1]);
	if (error) {
		http->pid = 0;
		close(pair[0]);
		return error;
	}
	http->started = loop_now(http->loop);
	http->channel_fd = fcntl(pair[0], F_DUPFD_CLOEXEC, 0);
	error = http->channel_fd < 0 ? -errno : 0;
	if (error)
		close(pair[0]);
	else
		error = server_adopt(http->server, pair[0]);
	if (!error)
		error = watch_process(http);
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
	fd = move_up(fd);
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
	if (!http->address || http->pid)
		return LOOP_NEVER;
	if (http->listen_fd < 0)
		error = open_socket(http);
	if (!error)
		error = start_process(http);
	if (!error)
		return LOOP_NEVER;
	if (error != http->told)
		log_error("HTTP: cannot serve %s: %s; trying again", http->address,
			  strerror(-error));
	http->told = error;
	retry_later(http);
	return LOOP_NEVER;
}

/* --- Life --------------------------------------------------------------------------------------
 */

struct http *http_new(struct loop *loop, struct server *server)
{
	struct http *http = calloc(1, sizeof(*http));

	if (!http)
		return NULL;
	*http = (struct http){
		.loop = loop, .server = server, .listen_fd = -1, .pid_fd = -1, .channel_fd = -1
	};
	http->deadline = loop_add_deadline(loop, LOOP_NEVER, start_due, http);
	if (http->deadline < 0) {
		free(http);
		return NULL;
	}
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
			 http->pid ? "serving" : "waiting", "restarts", (json_int_t)http->restarts);
}

void http_free(struct http *http)
{
	if (!http)
		return;
	stop(http);
	loop_remove_deadline(http->loop, http->deadline);
	free(http);
}
