// SPDX-License-Identifier: BSD-2-Clause
/*
 * Preloaded into mcastd: a kernel that refuses what REFUSE names.
 *
 *   xskmap   built without CONFIG_XDP_SOCKETS: it has no map of this type
 *   af_xdp   nor such sockets
 *   bpf      a filter of system calls, or a security module, forbids bpf()
 *
 * libbpf makes its calls by syscall() of the C library.
 */
#include <dlfcn.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static bool refuses(const char *what)
{
	const char *wanted = getenv("REFUSE");

	return wanted && strcmp(wanted, what) == 0;
}

static int fail(int error)
{
	errno = error;
	return -1;
}

/* The function of this name that ours stands before. */
static void find_next(const char *name, void *function)
{
	void *symbol = dlsym(RTLD_NEXT, name);

	memcpy(function, &symbol, sizeof(symbol));
}

long syscall(long number, ...)
{
	long (*next)(long, ...), args[6];
	va_list list;

	find_next("syscall", &next);
	va_start(list, number);
	for (int i = 0; i < 6; i++)
		args[i] = va_arg(list, long);
	va_end(list);
	if (number == SYS_bpf && refuses("bpf"))
		return fail(EPERM);
	if (number == SYS_bpf && args[0] == BPF_MAP_CREATE && refuses("xskmap") &&
	    *(const __u32 *)args[1] == BPF_MAP_TYPE_XSKMAP)
		return fail(EINVAL);
	return next(number, args[0], args[1], args[2], args[3], args[4], args[5]);
}

int socket(int domain, int type, int protocol)
{
	int (*next)(int, int, int);

	find_next("socket", &next);
	return domain == AF_XDP && refuses("af_xdp") ? fail(EAFNOSUPPORT)
						     : next(domain, type, protocol);
}
