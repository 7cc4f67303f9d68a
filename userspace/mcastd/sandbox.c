// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the daemon may still do once everything is open and before the first packet is read: attach
 * programs, keep maps, speak to links and to its clients. Not: start a program, become another
 * user, write to a file, have memory that can be executed.
 *
 * A call that is missing below was never needed by any test, which run with PRIVILEGE_FILTER_KILL,
 * with the libraries of Debian 12, 13 and sid (make check-roots). Where these differ it says so.
 * In production it fails with EPERM instead: a C library or libbpf of another make may ask for
 * something new, and then one operation that says so is a lesser evil than no multicast routing.
 */
#include <asm/termbits.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/sockios.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "mcastd/daemon.h"
#include "platform/privilege_calls.h"

/* Headers may be older than the kernel: BPF_TOKEN_CREATE and BPF_COMMON_ATTRS. */
#define TOKEN_CREATE 36
#define COMMON_ATTRS (1 << 16)

/* A command of bpf(); libbpf from 1.8 on adds attributes to some, a place for the kernel's log. */
#define CALL_BPF(command) CALL_MASKED(bpf, 0, 0xffffffff & ~COMMON_ATTRS, command)

#define NO_WRITING (O_ACCMODE | O_CREAT | O_TRUNC)

/* The argument of clone() that holds the flags. */
#ifdef __s390__
#define CLONE_FLAGS 1
#else
#define CLONE_FLAGS 0
#endif

/* Of every pair of old and new, 32-bit and 64-bit calls the C library takes one. */
static const struct privilege_call allowed_calls[] = {
	/* The loop. */
	CALL(epoll_wait),
	CALL(epoll_pwait),
	CALL(epoll_ctl),
	CALL(timerfd_settime),
	CALL(timerfd_settime64),
	CALL(clock_gettime),
	CALL(clock_gettime64),
	CALL(gettimeofday),
	CALL(time),
	CALL(poll),
	CALL(ppoll),
	CALL(ppoll_time64),
	CALL(clock_nanosleep),
	CALL(clock_nanosleep_time64),
	CALL(nanosleep),
	CALL(restart_syscall),

	/* Sockets: clients, service manager, syslog; links and their cards, IGMP frames; HTTP. */
	CALL_WITH(socket, 0, AF_UNIX),
	CALL_WITH(socket, 0, AF_NETLINK),
	CALL_WITH(socket, 0, AF_XDP),
	CALL_WITH(socket, 0, AF_INET),
	CALL_WITH(socket, 0, AF_INET6),
	CALL_WITH(socketpair, 0, AF_UNIX),
	CALL(bind),
	CALL(listen),
	CALL(accept4),
	CALL(connect),
	CALL(shutdown),
	CALL(sendto),
	CALL(sendmsg),
	CALL(recvfrom),
	CALL(recvmsg),
	CALL(getsockname),
	CALL(getpeername),
	CALL(getsockopt),
	CALL(setsockopt),
	CALL_WITH(ioctl, 1, SIOCETHTOOL),
	CALL_WITH(ioctl, 1, SIOCGIFFLAGS), /* of a card: all multicast, promiscuous */
	CALL_WITH(ioctl, 1, SIOCGIFINDEX),
	CALL_WITH(ioctl, 1, SIOCGIFMTU), /* is it still the interface that refused the program? */
	CALL_WITH(ioctl, 1, SIOCGIFNAME),

	/* Maps and programs, also those of a dispatcher beside other programs. */
	CALL_BPF(BPF_MAP_CREATE),
	CALL_BPF(BPF_MAP_LOOKUP_ELEM),
	CALL_BPF(BPF_MAP_UPDATE_ELEM),
	CALL_BPF(BPF_MAP_DELETE_ELEM),
	CALL_BPF(BPF_MAP_GET_NEXT_KEY),
	CALL_BPF(BPF_MAP_LOOKUP_BATCH),
	CALL_BPF(BPF_MAP_UPDATE_BATCH),
	CALL_BPF(BPF_MAP_DELETE_BATCH),
	CALL_BPF(BPF_MAP_FREEZE),
	CALL_BPF(BPF_MAP_GET_FD_BY_ID),
	CALL_BPF(BPF_PROG_LOAD),
	CALL_BPF(BPF_PROG_TEST_RUN),
	CALL_BPF(BPF_PROG_BIND_MAP),
	CALL_BPF(BPF_PROG_GET_FD_BY_ID),
	CALL_BPF(BPF_OBJ_GET_INFO_BY_FD),
	CALL_BPF(BPF_OBJ_GET),
	CALL_BPF(BPF_OBJ_PIN),
	CALL_BPF(BPF_BTF_LOAD),
	CALL_BPF(BPF_BTF_GET_FD_BY_ID),
	CALL_BPF(BPF_LINK_CREATE),
	CALL_BPF(BPF_RAW_TRACEPOINT_OPEN),
	/*
	 * libbpf from 1.4 on asks with each object. Outside a user namespace the kernel always says
	 * no, and inside one it gives what whoever mounted the bpffs has delegated, so there is
	 * nothing to refuse; a refusal of ours would be a line in the audit log with each attach.
	 */
	CALL_BPF(TOKEN_CREATE),
	CALL(membarrier),
	CALL(memfd_create), /* libbpf from 1.4 on: a number for each map to be */
	CALL(uname),

	/* Files, to read: configuration, /proc/net/igmp, /sys, dispatcher, time zone. */
	CALL_MASKED(open, 1, NO_WRITING, O_RDONLY),
	CALL_MASKED(openat, 2, NO_WRITING, O_RDONLY),
	CALL(read),
	CALL(readv),
	CALL(pread64),
	CALL(lseek),
	CALL(_llseek),
	CALL(getdents64),
	CALL(stat),
	CALL(stat64),
	CALL(lstat),
	CALL(lstat64),
	CALL(fstat), /* glibc from 2.39 on; before, newfstatat */
	CALL(fstat64),
	CALL(newfstatat),
	CALL(fstatat64),
	CALL(statx),
	CALL(statfs),
	CALL(statfs64),
	CALL(access),
	CALL(faccessat),
	CALL(faccessat2),
	CALL(readlink),
	CALL(readlinkat),
	CALL(flock),
	/* Is it a terminal? libconfuse's scanner asks, from glibc 2.42 on by the second. */
	CALL_WITH(ioctl, 1, TCGETS),
#ifdef TCGETS2
	CALL_WITH(ioctl, 1, TCGETS2),
#endif

	/* Pins and the control socket come and go. */
	CALL(mkdir),
	CALL(mkdirat),
	CALL(rmdir),
	CALL(unlink),
	CALL(unlinkat),

	/* Descriptors, the log among them. */
	CALL(write),
	CALL(writev),
	CALL(close),
	CALL(fcntl),
	CALL(fcntl64),
	CALL(dup),
	CALL(dup2),
	CALL(dup3),

	CALLS_OF_MEMORY,

	/* Threads, which put many port sets into place at the same time; no processes. */
	CALL_MASKED(clone, CLONE_FLAGS, CLONE_THREAD, CLONE_THREAD),
	CALL(set_robust_list),
	CALL(rseq),
	CALL(futex),
	CALL(futex_time64),
	CALL(sched_yield),
	CALL(exit),

	/* The process itself: limits, chance, signals, its end. */
	CALL_WITH(prlimit64, 0, 0),
	CALL(getrlimit),
	CALL(ugetrlimit),
	CALL(sysinfo), /* glibc of Debian 12, to sort */
	CALL(getrandom),
	CALL(getpid),
	CALL(gettid),
	CALL(geteuid),
	CALL(rt_sigaction),
	CALL(rt_sigprocmask),
	CALL(rt_sigreturn),
	CALL(exit_group),
};

/*
 * The least that works on every kernel so far. SYS_ADMIN is there for one purpose: to open a
 * program, map or BTF by its id, by which interfaces, dispatchers and maps of maps name them. It
 * takes in what CAP_BPF and CAP_PERFMON permit.
 */
static const cap_value_t kept_capabilities[] = {
	CAP_NET_ADMIN, /* programs on interfaces, device maps, XDP programs */
	CAP_NET_RAW,   /* AF_XDP sockets */
	CAP_SYS_ADMIN, /* see above */
	CAP_IPC_LOCK,  /* only where the limit of locked memory cannot be lifted */
};

#define KEPT (sizeof(kept_capabilities) / sizeof(kept_capabilities[0]))
#define NEEDED (KEPT - 1) /* always */

void daemon_why_not_permitted(char *text, size_t size)
{
	char missing[64];

	if (privilege_missing(kept_capabilities, NEEDED, missing, sizeof(missing)))
		snprintf(text, size,
			 "capabilities are missing (%s): run as root, in a container with "
			 "--cap-add for each",
			 missing);
	else if (privilege_in_user_namespace())
		snprintf(text, size,
			 "this is a user namespace (a rootless container), where the kernel "
			 "permits no BPF: run as root of the host");
	else
		snprintf(text, size,
			 "root may not do it here: look at the filter of system calls of a "
			 "container, at security modules and lockdown (dmesg)");
}

int daemon_check_capabilities(void)
{
	char text[256], missing[64];

	if (!privilege_missing(kept_capabilities, NEEDED, missing, sizeof(missing)))
		return 0;
	daemon_why_not_permitted(text, sizeof(text));
	log_error("not permitted: %s", text);
	return -EPERM;
}

/* The memory of AF_XDP sockets counts as locked without CAP_IPC_LOCK, see XSK_RX_MAX. */
static bool lift_memory_limit(void)
{
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };

	return setrlimit(RLIMIT_MEMLOCK, &unlimited) == 0;
}

int daemon_sandbox_enter(enum privilege_filter filter)
{
	int error = privilege_keep(kept_capabilities, lift_memory_limit() ? NEEDED : KEPT);

	if (!error)
		error = privilege_filter_load(filter, allowed_calls,
					      sizeof(allowed_calls) / sizeof(allowed_calls[0]));
	if (error)
		return error;
	if (!privilege_filter_works())
		log_warning("system calls are not filtered: this mcastd is built with sanitizers");
	else if (filter == PRIVILEGE_FILTER_OFF)
		log_warning("system calls are not filtered (--seccomp off)");
	return 0;
}
