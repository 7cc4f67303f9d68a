// SPDX-License-Identifier: BSD-2-Clause
#include "platform/privilege.h"

#include <ctype.h>
#include <errno.h>
#include <linux/securebits.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "platform/log.h"

/* Being root, or becoming another user, gives no capability; nothing keeps or raises one. */
#define SECUREBITS_LOCKED                                                                        \
	(SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |                         \
	 SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE | \
	 SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)

static int complain(const char *what)
{
	int error = errno ? errno : EPERM;

	log_error("cannot %s: %s", what, strerror(error));
	return -error;
}

/* --- capabilities --- */

static bool has(cap_t caps, cap_value_t cap, cap_flag_t set)
{
	cap_flag_value_t value = CAP_CLEAR;

	return cap_get_flag(caps, cap, set, &value) == 0 && value == CAP_SET;
}

/* "NET_ADMIN" of "cap_net_admin". */
static size_t append_name(char *names, size_t at, size_t size, cap_value_t cap)
{
	char *name = cap_to_name(cap);
	const char *from = name && strncmp(name, "cap_", 4) == 0 ? name + 4 : "?";

	if (at && at + 1 < size)
		names[at++] = ',';
	for (; *from && at + 1 < size; from++)
		names[at++] = (char)toupper((unsigned char)*from);
	names[at] = '\0';
	cap_free(name);
	return at;
}

size_t privilege_missing(const cap_value_t *caps, size_t n, char *names, size_t size)
{
	cap_t has_now = cap_get_proc();
	size_t missing = 0, at = 0;

	names[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		if (has_now && has(has_now, caps[i], CAP_EFFECTIVE))
			continue;
		at = append_name(names, at, size, caps[i]);
		missing++;
	}
	cap_free(has_now);
	return missing;
}

/* The first one, of the host, is that which maps all users to themselves. */
bool privilege_in_user_namespace(void)
{
	FILE *map = fopen("/proc/self/uid_map", "re");
	unsigned long inside, outside, count;
	bool first;

	if (!map)
		return false;
	first = fscanf(map, "%lu %lu %lu", &inside, &outside, &count) == 3 && inside == 0 &&
		outside == 0 && count == UINT32_MAX;
	fclose(map);
	return !first;
}

static int set_both(cap_t caps, cap_value_t cap)
{
	if (cap_set_flag(caps, CAP_PERMITTED, 1, &cap, CAP_SET) < 0)
		return -1;
	return cap_set_flag(caps, CAP_EFFECTIVE, 1, &cap, CAP_SET);
}

/* What a program that is started, or another user, could get back. */
static int close_ways_back(void)
{
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return complain("empty the bounding set of capabilities");
	if (prctl(PR_SET_SECUREBITS, SECUREBITS_LOCKED, 0, 0, 0) < 0)
		return complain("lock the securebits");
	return 0;
}

static int keep_of(cap_t had, const cap_value_t *caps, size_t n)
{
	cap_t kept = cap_init();
	int error = kept ? 0 : -1;

	for (size_t i = 0; !error && i < n; i++)
		if (has(had, caps[i], CAP_PERMITTED))
			error = set_both(kept, caps[i]);
	if (!error)
		error = cap_set_proc(kept);
	if (error)
		error = complain("give up capabilities");
	cap_free(kept);
	return error;
}

int privilege_keep(const cap_value_t *caps, size_t n)
{
	cap_t had = cap_get_proc();
	int error = 0;

	if (!had)
		return complain("read the capabilities");
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (has(had, CAP_SETPCAP, CAP_PERMITTED))
		error = close_ways_back();
	if (!error)
		error = keep_of(had, caps, n);
	cap_free(had);
	if (!error && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		error = complain("set no_new_privs");
	return error;
}

/* --- system calls --- */

static const char *const filter_names[] = {
	[PRIVILEGE_FILTER_DENY] = "deny",
	[PRIVILEGE_FILTER_KILL] = "kill",
	[PRIVILEGE_FILTER_OFF] = "off",
};

int privilege_filter_parse(const char *text, enum privilege_filter *filter)
{
	for (size_t i = 0; i < sizeof(filter_names) / sizeof(filter_names[0]); i++) {
		if (strcmp(text, filter_names[i]) == 0) {
			*filter = (enum privilege_filter)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *privilege_filter_name(enum privilege_filter filter)
{
	return filter_names[filter];
}

bool privilege_filter_works(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return false;
#else
	return true;
#endif
}

static int allow(scmp_filter_ctx filter, const struct privilege_call *call)
{
	struct scmp_arg_cmp test = { call->argument, SCMP_CMP_MASKED_EQ, call->mask, call->value };

	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call->number, call->mask ? 1 : 0,
				      &test);
}

int privilege_filter_load(enum privilege_filter mode, const struct privilege_call *calls, size_t n)
{
	scmp_filter_ctx filter;
	int error;

	if (mode == PRIVILEGE_FILTER_OFF || !privilege_filter_works())
		return 0;
	filter = seccomp_init(mode == PRIVILEGE_FILTER_KILL ? SCMP_ACT_KILL_PROCESS
							    : SCMP_ACT_ERRNO(EPERM));
	error = filter ? seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1) : -ENOMEM;
	/* A tree instead of a list of comparisons. */
	if (!error)
		error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	/* Its flags are in memory, where a filter cannot look. The C library takes clone() then. */
	if (!error)
		error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	for (size_t i = 0; !error && i < n; i++)
		error = allow(filter, &calls[i]);
	if (!error)
		error = seccomp_load(filter);
	seccomp_release(filter);
	if (error) {
		errno = -error;
		return complain("filter system calls");
	}
	return 0;
}
