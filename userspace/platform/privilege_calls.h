/* SPDX-License-Identifier: BSD-2-Clause */
/* Short words for tables of struct privilege_call; for the files that have one. */
#ifndef PLATFORM_PRIVILEGE_CALLS_H
#define PLATFORM_PRIVILEGE_CALLS_H

#include <fcntl.h>
#include <seccomp.h>
#include <sys/mman.h>

#include "platform/privilege.h"

/* clang-format off */
#define CALL(name) { .number = SCMP_SYS(name) }
/* With these bits of an argument as given. */
#define CALL_MASKED(name, arg, mask_, value_) \
	{ .number = SCMP_SYS(name), .argument = (arg), .mask = (mask_), .value = (value_) }
/* clang-format on */
/* With this argument, an int. */
#define CALL_WITH(name, arg, value) CALL_MASKED(name, arg, 0xffffffff, value)

/* Memory, but none to execute. */
#define CALLS_OF_MEMORY                                                                           \
	CALL(brk), CALL(munmap), CALL(mremap), CALL(madvise), CALL_MASKED(mmap, 2, PROT_EXEC, 0), \
		CALL_MASKED(mmap2, 2, PROT_EXEC, 0), CALL_MASKED(mprotect, 2, PROT_EXEC, 0)

#endif
