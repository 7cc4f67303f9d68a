/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * This program's own allocators, which return nothing whenever the test's memory_fails() says so.
 * To be included by one file. Not with AddressSanitizer, which has allocators of its own.
 */
#ifndef SUPPORT_FAILING_MEMORY_H
#define SUPPORT_FAILING_MEMORY_H

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

/* The test's. It is asked before each allocation. */
static bool memory_fails(void);

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t align, size_t size);

static bool no_memory(void)
{
	if (!memory_fails())
		return false;
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	return no_memory() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return no_memory() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
	return no_memory() ? NULL : __libc_realloc(old, size);
}

int posix_memalign(void **memory, size_t align, size_t size)
{
	void *got = no_memory() ? NULL : __libc_memalign(align, size);

	if (!got)
		return ENOMEM;
	*memory = got;
	return 0;
}

#endif
