/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Giving up what a process will not need any more. Both ways are one-way: nothing that is given up
 * comes back, not by a change of user, and not by starting a program. Call them while the process
 * has one thread; what fails is logged.
 */
#ifndef PLATFORM_PRIVILEGE_H
#define PLATFORM_PRIVILEGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/capability.h>

/*
 * Keeps those capabilities of the list that the process has, effective at once. All others go, the
 * bounding, ambient and inheritable sets are emptied, the securebits locked, no_new_privs set.
 * Without CAP_SETPCAP the bounding set and the securebits stay as they are: no_new_privs alone
 * keeps them from mattering. Returns 0 or -errno.
 */
int privilege_keep(const cap_value_t *caps, size_t n);

/*
 * Writes the names of those capabilities of the list that are not in effect, as "NET_RAW,BPF".
 * Returns how many these are.
 */
size_t privilege_missing(const cap_value_t *caps, size_t n, char *names, size_t size);

/* Do the capabilities belong to a user namespace? The kernel permits less with these. */
bool privilege_in_user_namespace(void);

/*
 * Writes the names of those capabilities of the list that are not in effect, as "NET_RAW,BPF", and
 * returns how many these are.
 */
size_t privilege_missing(const cap_value_t *caps, size_t n, char *names, size_t size);

/* Are the capabilities those of a user namespace, with which the kernel permits less? */
bool privilege_in_user_namespace(void);

/* What happens to a system call that is not allowed. */
enum privilege_filter {
	PRIVILEGE_FILTER_DENY, /* it fails with EPERM, and the kernel's audit log tells its number
				*/
	PRIVILEGE_FILTER_KILL, /* it ends the process with SIGSYS */
	PRIVILEGE_FILTER_OFF,  /* it is carried out: there is no filter */
};

/* "deny", "kill", "off". Returns 0 or -EINVAL. */
int privilege_filter_parse(const char *text, enum privilege_filter *filter);
const char *privilege_filter_name(enum privilege_filter filter);

/*
 * A system call that is allowed; with a mask only while (arguments[argument] & mask) == value.
 * Several entries for one call allow whatever one of them allows.
 */
struct privilege_call {
	int number; /* SCMP_SYS(name): also one that this architecture does not have */
	unsigned int argument;
	uint64_t mask, value;
};

/*
 * Allows these calls and no others, to this process and all it starts. Filters add up: a second
 * one takes away only. A program built with sanitizers makes calls of its own: there it does
 * nothing, as with PRIVILEGE_FILTER_OFF, and privilege_filter_works() says so. Returns 0 or -errno.
 */
int privilege_filter_load(enum privilege_filter filter, const struct privilege_call *calls,
			  size_t n);
bool privilege_filter_works(void);

#endif
