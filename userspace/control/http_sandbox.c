/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "control/http_internal.h"
#include "platform/log.h"

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

/* Also what another user, or a program run later, could get back. */
static int drop_capabilities(void)
{
	cap_t none;
	int error;

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	none = cap_init();
	error = none ? cap_set_proc(none) : -1;
	cap_free(none);
	if (error < 0)
		return complain("cannot give up capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return complain("no_new_privs");
	/* Nobody of the same user may look into it, and it leaves no core. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return complain("cannot become undumpable");
	return 0;
}

/* While there are capabilities: the bounding set can only be left with CAP_SETPCAP. */
static void drop_bounding_set(void)
{
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

static int limit_resources(void)
{
	static const struct {
		int resource;
		rlim_t limit;
	} limits[] = {
		{ RLIMIT_CORE, 0 },
		{ RLIMIT_NPROC, 0 },
		{ RLIMIT_MEMLOCK, 0 },
		{ RLIMIT_MSGQUEUE, 0 },
		/* Its own few, and one for each connection. */
		{ RLIMIT_NOFILE, HTTP_CONNECTIONS_MAX + 32 },
#ifndef __SANITIZE_ADDRESS__
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

#ifndef __SANITIZE_ADDRESS__
/* Everything that serving takes; nothing opens, connects, executes, or speaks to BPF. */
static const int allowed_calls[] = {
	SCMP_SYS(accept4),	 SCMP_SYS(recvfrom),	 SCMP_SYS(recvmsg),
	SCMP_SYS(sendto),	 SCMP_SYS(sendmsg),	 SCMP_SYS(shutdown),
	SCMP_SYS(setsockopt),	 SCMP_SYS(getsockopt),	 SCMP_SYS(getsockname),
	SCMP_SYS(getpeername),	 SCMP_SYS(read),	 SCMP_SYS(write),
	SCMP_SYS(writev),	 SCMP_SYS(close),	 SCMP_SYS(fcntl),
	SCMP_SYS(epoll_ctl),	 SCMP_SYS(epoll_wait),	 SCMP_SYS(epoll_pwait),
	SCMP_SYS(poll),		 SCMP_SYS(ppoll),	 SCMP_SYS(timerfd_settime),
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(gettimeofday),
	SCMP_SYS(time),		 SCMP_SYS(getrandom),	 SCMP_SYS(brk),
	SCMP_SYS(munmap),	 SCMP_SYS(mremap),	 SCMP_SYS(madvise),
	SCMP_SYS(futex),	 SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(getpid),	 SCMP_SYS(gettid),	 SCMP_SYS(tgkill),
	SCMP_SYS(exit),		 SCMP_SYS(exit_group),	 SCMP_SYS(restart_syscall),
};

/* What is not allowed fails with EPERM: a surprise costs a request, not the service. */
static int filter_calls(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int error = filter ? 0 : -ENOMEM;

	for (size_t i = 0; !error && i < sizeof(allowed_calls) / sizeof(allowed_calls[0]); i++)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed_calls[i], 0);
	/* Memory, but none to execute. */
	if (!error)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
					 SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (!error)
		error = seccomp_load(filter);
	seccomp_release(filter);
	if (error) {
		errno = -error;
		return complain("cannot filter system calls");
	}
	return 0;
}
#else
static int filter_calls(void)
{
	return 0;
}
#endif

int http_sandbox_enter(void)
{
	int error;

	drop_bounding_set();
	error = become_nobody();
	if (!error)
		error = drop_capabilities();
	if (!error)
		error = limit_resources();
	/* After the change of user, which clears it. */
	if (!error && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		error = complain("cannot follow the daemon into its end");
	if (!error)
		error = filter_calls();
	return error;
}
