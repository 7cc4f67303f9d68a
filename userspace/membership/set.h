/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The source records of one membership, RFC 9776 section 6.2.3, in the order of their addresses.
 * They stand in blocks of at most SOURCE_BLOCK_MAX: adding one moves a bounded number of others,
 * and each block has one timer, so that an expiry looks at a bounded number too.
 */
#ifndef MEMBERSHIP_SET_H
#define MEMBERSHIP_SET_H

#include "base/addr.h"
#include "timer.h"

#define SOURCE_BLOCK_MAX 64

struct membership;

struct source {
	struct addr addr;
	uint64_t expires;     /* the source timer; 0: not running, the source is blocked (Y) */
	uint64_t since;	      /* when it was first asked for */
	uint32_t queried_ms;  /* low bits of the time of the last query, if `queried` */
	uint8_t queries_left; /* retransmission state, section 6.6.3.2 */
	bool queried;
};

struct source_block {
	struct timer timer; /* TIMER_SOURCES: at or before the first expiry in the block */
	uint16_t n, capacity;
	struct membership *owner;
	struct source sources[];
};

struct source_set {
	union {
		struct source_block *one;   /* n_blocks == 1 */
		struct source_block **many; /* n_blocks > 1 */
	};
	uint32_t n_blocks;
	uint32_t n; /* sources */
};

static inline struct source_block *source_set_block(const struct source_set *set, uint32_t i)
{
	return set->n_blocks == 1 ? set->one : set->many[i];
}

static inline bool source_is_running(const struct source *source)
{
	return source->expires != 0;
}

/* Returns the source and its block, or NULL. */
struct source *source_set_find(const struct source_set *set, const struct addr *addr,
			       struct source_block **block);
/*
 * Adds a source that is not there, its timer not running. Pointers to other sources become
 * invalid. Returns the source and its block, or NULL when memory ran out.
 */
struct source *source_set_add(struct source_set *set, struct timers *timers,
			      struct membership *owner, const struct addr *addr,
			      struct source_block **block);
/* Sets a source's timer. */
void source_set_timer(struct timers *timers, struct source_block *block, struct source *source,
		      uint64_t expires);
/* Lowers or raises the timer of a block to the first expiry in it. */
void source_block_schedule(struct timers *timers, struct source_block *block);

/* Removes the sources for which keep() says false. Calls it for all in order of address. */
typedef bool (*source_keep_fn)(struct source *source, void *arg);
void source_set_filter(struct source_set *set, struct timers *timers, source_keep_fn keep,
		       void *arg);
/* The same for the sources of one block. True if the block is still there. */
bool source_set_filter_block(struct source_set *set, struct timers *timers,
			     struct source_block *block, source_keep_fn keep, void *arg);
void source_set_fini(struct source_set *set, struct timers *timers);

/* Iteration in order of address: for (it = { set }; (s = source_next(&it));) */
struct source_iter {
	const struct source_set *set;
	uint32_t block, i;
};

static inline struct source *source_next(struct source_iter *it)
{
	while (it->block < it->set->n_blocks) {
		struct source_block *block = source_set_block(it->set, it->block);

		if (it->i < block->n)
			return &block->sources[it->i++];
		it->block++;
		it->i = 0;
	}
	return NULL;
}

/* The block of the source that source_next() has just returned. */
static inline struct source_block *source_iter_block(const struct source_iter *it)
{
	return source_set_block(it->set, it->block);
}

/* Sorts and removes repetitions; returns how many are left. */
uint32_t addr_list_normalize(struct addr *list, uint32_t n);
/* Whether a sorted list has an address. */
bool addr_list_has(const struct addr *list, uint32_t n, const struct addr *addr);

#endif
