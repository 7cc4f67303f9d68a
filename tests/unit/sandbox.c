/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the daemon and its HTTP side may not do once they have entered their sandboxes. Each call is
 * tried in a process of its own, which must be killed for it, or see it fail, as was asked for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/http_internal.h"
#include "mcastd/daemon.h"

#define DONE 0	 /* exit status: the call was carried out, or failed for another reason */
#define DENIED 1 /* EPERM */
#define ABSENT 2 /* ENOSYS */
#define BROKEN 3

/* Of newer kernels than some headers are. */
#define TOKEN_CREATE 36
#define COMMON_ATTRS (1 << 16)

static char self[] = "/proc/self/exe";

/* A call of which only the number and some arguments matter. */
struct call {
	const char *name;
	long number, args[4];
};

static const struct call of_neither[] = {
	{ "execve", SYS_execve, { (long)self } },
	{ "fork", SYS_clone, { SIGCHLD } },
	{ "setuid", SYS_setuid, { 1 } },
	{ "capset", SYS_capset, { 0 } },
	{ "ptrace", SYS_ptrace, { 0 } },
	{ "kill", SYS_kill, { 1, 0 } },
	{ "tgkill", SYS_tgkill, { 1, 1, 0 } },
	{ "mount", SYS_mount, { 0 } },
	{ "unshare", SYS_unshare, { CLONE_NEWNS } },
	{ "setns", SYS_setns, { -1, 0 } },
	{ "chroot", SYS_chroot, { 0 } },
	{ "init_module", SYS_init_module, { 0 } },
	{ "kexec_load", SYS_kexec_load, { 0 } },
	{ "reboot", SYS_reboot, { 0 } },
	{ "perf_event_open", SYS_perf_event_open, { 0 } },
	{ "process_vm_writev", SYS_process_vm_writev, { 1 } },
	{ "userfaultfd", SYS_userfaultfd, { 0 } },
	{ "io_uring_setup", SYS_io_uring_setup, { 1 } },
	{ "keyctl", SYS_keyctl, { 0 } },
	{ "open for writing", SYS_openat, { AT_FDCWD, (long)self, O_RDWR } },
	{ "create", SYS_openat, { AT_FDCWD, (long)"/dev/null/x", O_CREAT, 0600 } },
	{ "chmod", SYS_fchmodat, { AT_FDCWD, (long)self, 0777 } },
	{ "chown", SYS_fchownat, { AT_FDCWD, (long)self, 0, 0 } },
	{ "rename", SYS_renameat2, { AT_FDCWD, (long)self, AT_FDCWD, (long)self } },
	{ "raw sockets of others", SYS_socket, { AF_VSOCK, SOCK_STREAM } },
	{ "socket(AF_ALG)", SYS_socket, { AF_ALG, SOCK_SEQPACKET } },
	{ "ioctl(TIOCSTI)", SYS_ioctl, { 0, TIOCSTI, 0 } },
	{ "executable memory", SYS_mmap, { 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE } },
	{ "memory made executable", SYS_mprotect, { 0, 4096, PROT_EXEC } },
	{ "bpf(PROG_ATTACH)", SYS_bpf, { BPF_PROG_ATTACH } },
	{ "bpf(PROG_GET_NEXT_ID)", SYS_bpf, { BPF_PROG_GET_NEXT_ID } },
	{ "bpf(TASK_FD_QUERY)", SYS_bpf, { BPF_TASK_FD_QUERY } },
	{ "bpf(LINK_UPDATE)", SYS_bpf, { BPF_LINK_UPDATE } },
	{ "bpf(LINK_UPDATE), common attributes", SYS_bpf, { BPF_LINK_UPDATE | COMMON_ATTRS } },
};

/* Of these the daemon needs some, what serves HTTP none. */
static const struct call of_daemon[] = {
	{ "bpf(MAP_LOOKUP_ELEM)", SYS_bpf, { BPF_MAP_LOOKUP_ELEM } },
	{ "bpf(OBJ_GET)", SYS_bpf, { BPF_OBJ_GET } },
	{ "bpf(MAP_GET_FD_BY_ID)", SYS_bpf, { BPF_MAP_GET_FD_BY_ID } },
	{ "bpf(PROG_LOAD)", SYS_bpf, { BPF_PROG_LOAD } },
	{ "bpf(PROG_LOAD), common attributes", SYS_bpf, { BPF_PROG_LOAD | COMMON_ATTRS } },
	{ "bpf(TOKEN_CREATE)", SYS_bpf, { TOKEN_CREATE } },
	{ "open", SYS_openat, { AT_FDCWD, (long)self, O_RDONLY } },
	{ "socket(AF_NETLINK)", SYS_socket, { AF_NETLINK, SOCK_RAW } },
	{ "socket(AF_INET)", SYS_socket, { AF_INET, SOCK_STREAM } },
	{ "connect", SYS_connect, { -1 } },
	{ "bind", SYS_bind, { -1 } },
	{ "thread", SYS_clone, { CLONE_THREAD } },
	{ "unlink", SYS_unlinkat, { AT_FDCWD, (long)"/dev/null/x" } },
	{ "dup", SYS_dup, { -1 } },
};

typedef int (*sandbox_fn)(enum privilege_filter filter);

static int enter_http(enum privilege_filter filter)
{
	int error = http_sandbox_enter_starter(filter);

	return error ? error : http_sandbox_enter(filter);
}

static int status_of(long result)
{
	if (result >= 0)
		return DONE;
	return errno == EPERM ? DENIED : errno == ENOSYS ? ABSENT : DONE;
}

/* Waits for the process; returns its exit status, or 128 and the signal. */
static int end_of(pid_t pid)
{
	int status;

	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int try_call(sandbox_fn enter, enum privilege_filter filter, const struct call *call)
{
	pid_t pid = fork();

	if (pid)
		return end_of(pid);
	log_open(LOG_LEVEL_ERROR, false);
	if (enter(filter))
		_exit(BROKEN);
	errno = 0;
	_exit(status_of(syscall(call->number, call->args[0], call->args[1], call->args[2],
				call->args[3], 0, 0)));
}

static void assert_none(sandbox_fn enter, const struct call *calls, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int killed = try_call(enter, PRIVILEGE_FILTER_KILL, &calls[i]);
		int denied = try_call(enter, PRIVILEGE_FILTER_DENY, &calls[i]);

		if (killed != 128 + SIGSYS || denied != DENIED)
			fail_msg("%s: %d, %d", calls[i].name, killed, denied);
	}
}

static void skip_if_unfiltered(void)
{
	if (!privilege_filter_works())
		skip();
}

static void test_daemon_may_not(void **state)
{
	(void)state;
	skip_if_unfiltered();
	assert_none(daemon_sandbox_enter, of_neither, sizeof(of_neither) / sizeof(of_neither[0]));
}

static void test_http_may_not(void **state)
{
	(void)state;
	skip_if_unfiltered();
	assert_none(enter_http, of_neither, sizeof(of_neither) / sizeof(of_neither[0]));
	assert_none(enter_http, of_daemon, sizeof(of_daemon) / sizeof(of_daemon[0]));
}

static void test_daemon_may(void **state)
{
	(void)state;
	skip_if_unfiltered();
	/* They fail, for they make no sense, but not for want of permission by the filter. */
	for (size_t i = 0; i < sizeof(of_daemon) / sizeof(of_daemon[0]); i++) {
		int end = try_call(daemon_sandbox_enter, PRIVILEGE_FILTER_KILL, &of_daemon[i]);

		if (end > ABSENT)
			fail_msg("%s: %d", of_daemon[i].name, end);
	}
}

/* Its flags cannot be looked at: the C library has to take clone(). */
static void test_clone3_is_absent(void **state)
{
	const struct call clone3 = { "clone3", SYS_clone3, { 0, 0 } };

	(void)state;
	skip_if_unfiltered();
	assert_int_equal(try_call(daemon_sandbox_enter, PRIVILEGE_FILTER_KILL, &clone3), ABSENT);
	assert_int_equal(try_call(enter_http, PRIVILEGE_FILTER_KILL, &clone3), ABSENT);
}

static void test_off_filters_nothing(void **state)
{
	const struct call unshare = { "unshare", SYS_unshare, { 0 } };

	(void)state;
	assert_int_equal(try_call(daemon_sandbox_enter, PRIVILEGE_FILTER_OFF, &unshare), DONE);
}

static void *work(void *arg)
{
	free(malloc(1 << 20));
	return arg;
}

/* What the C library does for a thread, for memory of all sizes, and for a file. */
static int do_ordinary_things(void)
{
	char *block = malloc(64 << 20), text[16];
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	FILE *file = fopen("/proc/self/net/igmp", "re");
	pthread_t threads[64];
	void *result;

	if (!block || fd < 0 || read(fd, text, sizeof(text)) <= 0 || !file)
		return BROKEN;
	memset(block, 1, 64 << 20);
	for (size_t i = 0; i < 64; i++)
		if (pthread_create(&threads[i], NULL, work, block))
			return BROKEN;
	for (size_t i = 0; i < 64; i++)
		if (pthread_join(threads[i], &result) || result != block)
			return BROKEN;
	free(block);
	usleep(1000);
	fclose(file);
	close(fd);
	return DONE;
}

static void test_ordinary_things_work(void **state)
{
	pid_t pid;

	(void)state;
	pid = fork();
	if (pid == 0)
		_exit(daemon_sandbox_enter(PRIVILEGE_FILTER_KILL) ? BROKEN : do_ordinary_things());
	assert_int_equal(end_of(pid), DONE);
}

static void test_missing_capabilities(void **state)
{
	const cap_value_t caps[] = { CAP_NET_ADMIN, CAP_SYS_ADMIN };
	char names[32];
	pid_t pid;

	(void)state;
	pid = fork();
	if (pid == 0) {
		bool same = !privilege_keep(NULL, 0) &&
			    privilege_missing(caps, 2, names, sizeof(names)) == 2 &&
			    strcmp(names, "NET_ADMIN,SYS_ADMIN") == 0;

		same = same && privilege_missing(caps, 2, names, 6) == 2 &&
		       strcmp(names, "NET_A") == 0;
		_exit(same && privilege_missing(caps, 0, names, 6) == 0 ? DONE : BROKEN);
	}
	assert_int_equal(end_of(pid), DONE);
}

static void test_user_namespace(void **state)
{
	pid_t pid;
	int end;

	(void)state;
	pid = fork();
	if (pid == 0) {
		if (privilege_in_user_namespace() || unshare(CLONE_NEWUSER))
			_exit(ABSENT);
		_exit(privilege_in_user_namespace() ? DONE : BROKEN);
	}
	end = end_of(pid);
	if (end == ABSENT)
		skip(); /* in one already, or none can be made */
	assert_int_equal(end, DONE);
}

static void test_names(void **state)
{
	enum privilege_filter filter;

	(void)state;
	for (int i = PRIVILEGE_FILTER_DENY; i <= PRIVILEGE_FILTER_OFF; i++) {
		const char *name = privilege_filter_name((enum privilege_filter)i);

		assert_int_equal(privilege_filter_parse(name, &filter), 0);
		assert_int_equal(filter, i);
	}
	assert_int_equal(privilege_filter_parse("on", &filter), -EINVAL);
	assert_int_equal(privilege_filter_parse("", &filter), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_daemon_may_not),
		cmocka_unit_test(test_http_may_not),
		cmocka_unit_test(test_daemon_may),
		cmocka_unit_test(test_clone3_is_absent),
		cmocka_unit_test(test_off_filters_nothing),
		cmocka_unit_test(test_ordinary_things_work),
		cmocka_unit_test(test_missing_capabilities),
		cmocka_unit_test(test_user_namespace),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
