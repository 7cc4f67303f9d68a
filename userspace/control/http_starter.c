// SPDX-License-Identifier: BSD-2-Clause
/*
 * The starter: waits for an order of the daemon, and for the end of the process that it has
 * started. There is at most one. It ends with the daemon, and takes the process with it.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "control/http_internal.h"
#include "platform/log.h"

#define ORDER_FDS 2 /* HTTP_DAEMON_FD, HTTP_LISTEN_FD */

struct starter {
	enum privilege_filter filter;
	uint32_t number; /* of the process */
	pid_t pid;	 /* 0: there is none */
	int pid_fd;
};

static void tell(uint32_t number, int error, const siginfo_t *info)
{
	struct http_end end = { .number = number, .error = error };

	if (info) {
		end.code = info->si_code;
		end.status = info->si_status;
	}
	/* Nobody there: the next look at the socket says so, too. */
	send(HTTP_STARTER_FD, &end, sizeof(end), MSG_NOSIGNAL);
}

/* --- the process --- */

/* In the new process. Both descriptors were received, and so are above HTTP_DAEMON_FD. */
static _Noreturn void become_process(const struct starter *starter, const int fds[ORDER_FDS])
{
	if (dup2(fds[0], HTTP_DAEMON_FD) < 0 || dup2(fds[1], HTTP_LISTEN_FD) < 0 ||
	    close_range(HTTP_FDS, ~0U, 0) < 0) {
		log_error("HTTP: cannot start: %s", strerror(errno));
		_exit(EX_OSERR);
	}
	http_process_run(starter->filter);
}

static int start(struct starter *starter, const int fds[ORDER_FDS])
{
	int error;

	if (starter->pid)
		return -EBUSY;
	starter->pid = fork();
	if (starter->pid == 0)
		become_process(starter, fds);
	if (starter->pid > 0)
		starter->pid_fd = pidfd_open(starter->pid, 0);
	if (starter->pid > 0 && starter->pid_fd >= 0)
		return 0;
	error = -errno;
	if (starter->pid > 0) {
		kill(starter->pid, SIGKILL);
		waitpid(starter->pid, NULL, 0);
	}
	starter->pid = 0;
	return error;
}

static void process_ended(struct starter *starter)
{
	siginfo_t info = { 0 };

	if (waitid(P_PID, (id_t)starter->pid, &info, WEXITED | WNOHANG) < 0 || !info.si_pid)
		return;
	close(starter->pid_fd);
	starter->pid = 0;
	starter->pid_fd = -1;
	tell(starter->number, 0, &info);
}

/* --- orders --- */

/* Returns how many descriptors came with the order, or -1: the daemon is gone. */
static int receive(struct http_order *order, int fds[ORDER_FDS])
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(ORDER_FDS * sizeof(int))];
	struct iovec part = { order, sizeof(*order) };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	const struct cmsghdr *cmsg;

	if (recvmsg(HTTP_STARTER_FD, &message, MSG_CMSG_CLOEXEC) != sizeof(*order))
		return -1;
	cmsg = CMSG_FIRSTHDR(&message);
	if (!cmsg || cmsg->cmsg_len != CMSG_LEN(ORDER_FDS * sizeof(int)))
		return 0;
	memcpy(fds, CMSG_DATA(cmsg), ORDER_FDS * sizeof(int));
	return ORDER_FDS;
}

/* Returns false when there will be no more. */
static bool take_order(struct starter *starter)
{
	struct http_order order = { 0 };
	int fds[ORDER_FDS], n = receive(&order, fds), error;

	if (n < 0)
		return false;
	if (n == 0) {
		/* It has nothing to tidy up. */
		if (starter->pid && order.number == starter->number)
			kill(starter->pid, SIGKILL);
		return true;
	}
	error = start(starter, fds);
	for (int i = 0; i < ORDER_FDS; i++)
		close(fds[i]);
	if (error)
		tell(order.number, error, NULL);
	else
		starter->number = order.number;
	return true;
}

int http_starter_main(const char *filter)
{
	struct starter starter = { .pid_fd = -1 };
	bool more = true;

	log_open(LOG_LEVEL_WARNING, false);
	prctl(PR_SET_NAME, "mcastd-starter", 0, 0, 0);
	/* A service manager tells all processes to end; these do with the daemon. */
	signal(SIGTERM, SIG_IGN);
	/* These read files, once, which the process may not. */
	json_object_seed(0);
	tzset();
	if (!filter || privilege_filter_parse(filter, &starter.filter) < 0)
		return EX_USAGE;
	if (http_sandbox_enter_starter(starter.filter) < 0)
		return EX_NOPERM;
	while (more) {
		struct pollfd waits[] = { { .fd = HTTP_STARTER_FD, .events = POLLIN },
					  { .fd = starter.pid_fd, .events = POLLIN } };

		if (poll(waits, 2, -1) < 0)
			continue;
		if (waits[1].revents)
			process_ended(&starter);
		if (waits[0].revents)
			more = take_order(&starter);
	}
	_exit(EX_OK);
}
