/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Objects of one size, cut from slabs: no allocator header on each, and the cost of taking and
 * giving back does not depend on how many there are (a general allocator tidies up now and then,
 * which with a million freed memberships takes tens of milliseconds). A slab without objects goes
 * back to the system.
 */
#ifndef MEMBERSHIP_POOL_H
#define MEMBERSHIP_POOL_H

#include <stddef.h>

struct slab;

struct pool {
	size_t size;	    /* of an object, a multiple of 8 */
	struct slab *open;  /* slabs with room */
	struct slab *spare; /* one without objects, kept for the next */
};

void pool_init(struct pool *pool, size_t size);
/* Frees the spare slab; the objects must have been given back. */
void pool_fini(struct pool *pool);
/* An object of zeros, or NULL when memory ran out. */
void *pool_take(struct pool *pool);
void pool_give(struct pool *pool, void *object);

#endif
