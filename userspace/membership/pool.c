/* SPDX-License-Identifier: BSD-2-Clause */
#include "pool.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void pool_init(struct pool *pool, size_t size)
{
	*pool = (struct pool){ .size = size };
}

/* gcc tells by a macro, clang by a feature. */
#ifdef __SANITIZE_ADDRESS__
#define POOL_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_SANITIZED
#endif
#endif

#ifdef POOL_SANITIZED

/* The sanitizer watches objects that it has allocated itself. */
void pool_fini(struct pool *pool)
{
	(void)pool;
}

void *pool_take(struct pool *pool)
{
	return calloc(1, pool->size);
}

void pool_give(struct pool *pool, void *object)
{
	(void)pool;
	free(object);
}

#else

/* Slabs are aligned to their size, so that an object's address leads to its slab. */
#define SLAB_ALIGN 32768
/* A little less, so that the next slab's allocator header fits before the next boundary. */
#define SLAB_SIZE (SLAB_ALIGN - 64)

struct slab {
	struct slab *prev, *next; /* of the open ones */
	void *given;		  /* objects that came back, linked through their first bytes */
	uint32_t used;		  /* objects in use */
	uint32_t fresh;		  /* offset of the part that has never been used */
};

static void open_add(struct pool *pool, struct slab *slab)
{
	slab->prev = NULL;
	slab->next = pool->open;
	if (slab->next)
		slab->next->prev = slab;
	pool->open = slab;
}

static void open_remove(struct pool *pool, struct slab *slab)
{
	if (slab->prev)
		slab->prev->next = slab->next;
	else
		pool->open = slab->next;
	if (slab->next)
		slab->next->prev = slab->prev;
}

static bool slab_has_room(const struct pool *pool, const struct slab *slab)
{
	return slab->given || slab->fresh + pool->size <= SLAB_SIZE;
}

static struct slab *slab_open(struct pool *pool)
{
	struct slab *slab = pool->spare;

	pool->spare = NULL;
	if (!slab && posix_memalign((void **)&slab, SLAB_ALIGN, SLAB_SIZE))
		return NULL;
	*slab = (struct slab){ .fresh = sizeof(*slab) };
	open_add(pool, slab);
	return slab;
}

void pool_fini(struct pool *pool)
{
	free(pool->spare);
	pool->spare = NULL;
}

void *pool_take(struct pool *pool)
{
	struct slab *slab = pool->open ? pool->open : slab_open(pool);
	void *object;

	if (!slab)
		return NULL;
	object = slab->given;
	if (object) {
		memcpy(&slab->given, object, sizeof(slab->given));
	} else {
		object = (char *)slab + slab->fresh;
		slab->fresh += (uint32_t)pool->size;
	}
	slab->used++;
	if (!slab_has_room(pool, slab))
		open_remove(pool, slab);
	return memset(object, 0, pool->size);
}

void pool_give(struct pool *pool, void *object)
{
	struct slab *slab;

	if (!object)
		return;
	slab = (struct slab *)((char *)object - (uintptr_t)object % SLAB_ALIGN);
	if (!slab_has_room(pool, slab))
		open_add(pool, slab);
	memcpy(object, &slab->given, sizeof(slab->given));
	slab->given = object;
	if (--slab->used)
		return;
	open_remove(pool, slab);
	free(pool->spare);
	pool->spare = slab;
}

#endif
