/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "control/http_internal.h"
#include "platform/log.h"
#include "platform/privilege_calls.h"

#define NOBODY 65534

static int complain(const char *what)
{
	int error = errno ? errno : EPERM;

	log_error("HTTP: %s: %s", what, strerror(error));
	return -error;
}

/* Of all the users of a system, one that owns nothing. */
static int become_nobody(void)
{
	const struct passwd *user = getpwnam("mcastd");
	uid_t uid = NOBODY;
	gid_t gid = NOBODY;

	if (geteuid() != 0)
		return 0; /* somebody has taken care of it, say systemd's User= */
	if (!user || user->pw_uid == 0)
		user = getpwnam("nobody");
	if (user) {
		uid = user->pw_uid;
		gid = user->pw_gid;
	}
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return complain("cannot become an unprivileged user (CAP_SETUID, CAP_SETGID)");
	return 0;
}

static int drop_privileges(void)
{
	static const cap_value_t to_change_user[] = { CAP_SETUID, CAP_SETGID };
	int error = privilege_keep(to_change_user, 2);

	if (!error)
		error = become_nobody();
	if (!error)
		error = privilege_keep(NULL, 0);
	/* Nobody of the same user may look into it, and it leaves no core. */
	if (!error && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		error = complain("cannot become undumpable");
	return error;
}

static int limit_resources(void)
{
	static const struct {
		int resource;
		rlim_t limit;
	} limits[] = {
		{ RLIMIT_CORE, 0 },
		{ RLIMIT_MEMLOCK, 0 },
		{ RLIMIT_MSGQUEUE, 0 },
		/* Its own few, and one for each connection. */
		{ RLIMIT_NOFILE, HTTP_CONNECTIONS_MAX + 32 },
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
		{ RLIMIT_AS, 512 << 20 },
#endif
	};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct rlimit limit = { limits[i].limit, limits[i].limit };

		if (setrlimit(limits[i].resource, &limit) < 0)
			return complain("cannot lower a resource limit");
	}
	return 0;
}

/* Not one process or thread more, of whoever has this user. */
static int forbid_processes(void)
{
	const struct rlimit none = { 0, 0 };

	return setrlimit(RLIMIT_NPROC, &none) < 0 ? complain("cannot lower a resource limit") : 0;
}

/* It ends with its parent. After the change of user, which would undo this. */
static int follow_parent(void)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return complain("cannot follow the daemon into its end");
	return 0;
}

/* --- system calls --- */

/* What serving takes; nothing opens, connects, executes, or speaks to BPF. */
#define SERVING_CALLS                                                                              \
	CALL(accept4), CALL(recvfrom), CALL(recvmsg), CALL(sendto), CALL(sendmsg), CALL(shutdown), \
		CALL(setsockopt), CALL(getsockopt), CALL(getsockname), CALL(getpeername),          \
		CALL(read), CALL(write), CALL(writev), CALL(close), CALL(fcntl), CALL(fcntl64),    \
		CALL(epoll_ctl), CALL(epoll_wait), CALL(epoll_pwait), CALL(poll), CALL(ppoll),     \
		CALL(ppoll_time64), CALL(timerfd_settime), CALL(timerfd_settime64),                \
		CALL(clock_gettime), CALL(clock_gettime64), CALL(clock_getres),                    \
		CALL(clock_getres_time64), CALL(gettimeofday), CALL(time), CALL(sysinfo),          \
		CALL(getrandom), CALLS_OF_MEMORY, CALL(futex), CALL(futex_time64),                 \
		CALL(rt_sigreturn), CALL(rt_sigprocmask), CALL(getpid), CALL(gettid), CALL(exit),  \
		CALL(exit_group), CALL(restart_syscall)

static const struct privilege_call serving_calls[] = { SERVING_CALLS };

/* These and what it takes to start a process that serves, and to look after it. */
static const struct privilege_call starter_calls[] = {
	SERVING_CALLS,	     CALL(clone),	   CALL(fork),	    CALL(kill),
	CALL(pidfd_open),    CALL(waitid),	   CALL(wait4),	    CALL(set_robust_list),
	CALL(rt_sigaction),  CALL(dup2),	   CALL(dup3),	    CALL(close_range),
	CALL(epoll_create1), CALL(timerfd_create), CALL(eventfd2),  CALL(prctl),
	CALL(seccomp),	     CALL(setrlimit),	   CALL(prlimit64),
};

int http_sandbox_enter_starter(enum privilege_filter filter)
{
	int error = drop_privileges();

	if (!error)
		error = limit_resources();
	if (!error)
		error = follow_parent();
	if (!error)
		error = privilege_filter_load(filter, starter_calls,
					      sizeof(starter_calls) / sizeof(starter_calls[0]));
	return error;
}

int http_sandbox_enter(enum privilege_filter filter)
{
	int error = forbid_processes();

	if (!error)
		error = follow_parent();
	if (!error)
		error = privilege_filter_load(filter, serving_calls,
					      sizeof(serving_calls) / sizeof(serving_calls[0]));
	return error;
}
