/* SPDX-License-Identifier: BSD-2-Clause */
#include "set.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_CAPACITY 2

/* The index of the first source of the block that is not below addr. */
static uint16_t lower_bound(const struct source_block *block, const struct addr *addr)
{
	uint16_t low = 0, high = block->n;

	while (low < high) {
		uint16_t mid = (uint16_t)((low + high) / 2);

		if (addr_cmp(&block->sources[mid].addr, addr) < 0)
			low = (uint16_t)(mid + 1);
		else
			high = mid;
	}
	return low;
}

/* The block where addr stands or would be added: the last that starts at or before it. */
static uint32_t block_index(const struct source_set *set, const struct addr *addr)
{
	uint32_t low = 1, high = set->n_blocks;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (addr_cmp(&source_set_block(set, mid)->sources[0].addr, addr) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low - 1;
}

struct source *source_set_find(const struct source_set *set, const struct addr *addr,
			       struct source_block **block)
{
	struct source_block *b;
	uint16_t i;

	if (!set->n_blocks)
		return NULL;
	b = source_set_block(set, block_index(set, addr));
	i = lower_bound(b, addr);
	if (i == b->n || !addr_equal(&b->sources[i].addr, addr))
		return NULL;
	if (block)
		*block = b;
	return &b->sources[i];
}

/* Gives a block another capacity; it moves. Returns NULL and leaves it when memory ran out. */
static struct source_block *block_resize(struct source_set *set, uint32_t index,
					 struct timers *timers, uint16_t capacity)
{
	struct source_block *block = source_set_block(set, index), *moved;

	moved = realloc(block, sizeof(*moved) + capacity * sizeof(struct source));
	if (!moved)
		return NULL;
	moved->capacity = capacity;
	if (set->n_blocks == 1)
		set->one = moved;
	else
		set->many[index] = moved;
	timer_moved(timers, &moved->timer);
	return moved;
}

/* Puts a block at `index`. Returns 0 or -ENOMEM. */
static int list_insert(struct source_set *set, uint32_t index, struct source_block *block)
{
	uint32_t n = set->n_blocks;
	struct source_block **many;

	if (n == 0) {
		set->one = block;
		set->n_blocks = 1;
		return 0;
	}
	many = realloc(n == 1 ? NULL : set->many, (n + 1) * sizeof(*many));
	if (!many)
		return -ENOMEM;
	if (n == 1)
		many[0] = set->one;
	memmove(many + index + 1, many + index, (n - index) * sizeof(*many));
	many[index] = block;
	set->many = many;
	set->n_blocks = n + 1;
	return 0;
}

/* Shortens the list to its first n blocks. */
static void list_shrink(struct source_set *set, uint32_t n)
{
	struct source_block **many = set->many;

	if (set->n_blocks > 1 && n <= 1) {
		set->one = n ? many[0] : NULL;
		free(many);
	}
	set->n_blocks = n;
}

/* Puts an empty block at `index`. */
static struct source_block *block_new(struct source_set *set, uint32_t index, struct timers *timers,
				      struct membership *owner, uint16_t capacity)
{
	struct source_block *block = malloc(sizeof(*block) + capacity * sizeof(struct source));

	if (!block)
		return NULL;
	if (timers_join(timers, &block->timer, TIMER_SOURCES))
		goto free_block;
	if (list_insert(set, index, block))
		goto leave_timers;
	block->n = 0;
	block->capacity = capacity;
	block->owner = owner;
	return block;

leave_timers:
	timers_leave(timers, &block->timer);
free_block:
	free(block);
	return NULL;
}

static void block_free(struct source_block *block, struct timers *timers)
{
	timers_leave(timers, &block->timer);
	free(block);
}

/* Moves the upper half of a full block into a new one behind it. */
static struct source_block *block_split(struct source_set *set, uint32_t index,
					struct timers *timers, struct membership *owner)
{
	struct source_block *low = source_set_block(set, index), *high;

	high = block_new(set, index + 1, timers, owner, SOURCE_BLOCK_MAX);
	if (!high)
		return NULL;
	high->n = low->n / 2;
	low->n = (uint16_t)(low->n - high->n);
	memcpy(high->sources, low->sources + low->n, high->n * sizeof(struct source));
	source_block_schedule(timers, high);
	return high;
}

/* A block with room for addr, NULL when memory ran out. */
static struct source_block *block_for(struct source_set *set, struct timers *timers,
				      struct membership *owner, const struct addr *addr)
{
	uint32_t index;
	struct source_block *block, *high;

	if (!set->n_blocks)
		return block_new(set, 0, timers, owner, FIRST_CAPACITY);
	index = block_index(set, addr);
	block = source_set_block(set, index);
	if (block->n < block->capacity)
		return block;
	if (block->capacity < SOURCE_BLOCK_MAX)
		return block_resize(set, index, timers, (uint16_t)(2 * block->capacity));
	/* Sources that come in order fill block after block instead of halving each. */
	if (index + 1 == set->n_blocks && addr_cmp(&block->sources[block->n - 1].addr, addr) < 0)
		return block_new(set, index + 1, timers, owner, FIRST_CAPACITY);
	high = block_split(set, index, timers, owner);
	if (!high)
		return NULL;
	return addr_cmp(addr, &high->sources[0].addr) < 0 ? block : high;
}

struct source *source_set_add(struct source_set *set, struct timers *timers,
			      struct membership *owner, const struct addr *addr,
			      struct source_block **block)
{
	struct source_block *b = block_for(set, timers, owner, addr);
	uint16_t i;

	if (!b)
		return NULL;
	i = lower_bound(b, addr);
	memmove(b->sources + i + 1, b->sources + i, (size_t)(b->n - i) * sizeof(struct source));
	b->sources[i] = (struct source){ .addr = *addr };
	b->n++;
	set->n++;
	*block = b;
	return &b->sources[i];
}

void source_set_timer(struct timers *timers, struct source_block *block, struct source *source,
		      uint64_t expires)
{
	bool later = source_is_running(source) && expires >= source->expires;

	source->expires = expires;
	/* A source that only moved away is found out when the block's timer fires. */
	if (expires && !later)
		timer_set(timers, &block->timer, expires);
}

void source_block_schedule(struct timers *timers, struct source_block *block)
{
	uint64_t first = UINT64_MAX;

	for (uint16_t i = 0; i < block->n; i++) {
		const struct source *source = &block->sources[i];

		if (source_is_running(source) && source->expires < first)
			first = source->expires;
	}
	if (first != UINT64_MAX)
		timer_set(timers, &block->timer, first);
}

static void block_filter(struct source_block *block, source_keep_fn keep, void *arg)
{
	uint16_t kept = 0;

	for (uint16_t i = 0; i < block->n; i++) {
		if (!keep(&block->sources[i], arg))
			continue;
		if (kept != i)
			block->sources[kept] = block->sources[i];
		kept++;
	}
	block->n = kept;
}

/* Gives memory back when most of a block is unused. */
static struct source_block *block_trim(struct source_block *block, struct timers *timers)
{
	uint16_t capacity = block->capacity / 2;
	struct source_block *moved;

	if (block->n > block->capacity / 4)
		return block;
	moved = realloc(block, sizeof(*block) + capacity * sizeof(struct source));
	if (!moved)
		return block;
	moved->capacity = capacity;
	timer_moved(timers, &moved->timer);
	return moved;
}

void source_set_filter(struct source_set *set, struct timers *timers, source_keep_fn keep,
		       void *arg)
{
	struct source_block **list = set->n_blocks == 1 ? &set->one : set->many;
	uint32_t kept = 0;

	set->n = 0;
	for (uint32_t i = 0; i < set->n_blocks; i++) {
		struct source_block *block = list[i];

		block_filter(block, keep, arg);
		set->n += block->n;
		if (block->n)
			list[kept++] = block_trim(block, timers);
		else
			block_free(block, timers);
	}
	list_shrink(set, kept);
}

bool source_set_filter_block(struct source_set *set, struct timers *timers,
			     struct source_block *block, source_keep_fn keep, void *arg)
{
	uint32_t index = block_index(set, &block->sources[0].addr);

	set->n -= block->n;
	block_filter(block, keep, arg);
	set->n += block->n;
	if (block->n)
		return true;
	block_free(block, timers);
	if (set->n_blocks > 1)
		memmove(set->many + index, set->many + index + 1,
			(set->n_blocks - index - 1) * sizeof(*set->many));
	list_shrink(set, set->n_blocks - 1);
	return false;
}

void source_set_fini(struct source_set *set, struct timers *timers)
{
	for (uint32_t i = 0; i < set->n_blocks; i++)
		block_free(source_set_block(set, i), timers);
	list_shrink(set, 0);
	*set = (struct source_set){ 0 };
}

static int compare(const void *a, const void *b)
{
	return addr_cmp(a, b);
}

uint32_t addr_list_normalize(struct addr *list, uint32_t n)
{
	uint32_t kept = 0;

	for (uint32_t i = 1; i < n; i++) {
		if (addr_cmp(&list[i - 1], &list[i]) > 0) {
			qsort(list, n, sizeof(*list), compare);
			break;
		}
	}
	for (uint32_t i = 0; i < n; i++) {
		if (kept == 0 || !addr_equal(&list[kept - 1], &list[i]))
			list[kept++] = list[i];
	}
	return kept;
}

bool addr_list_has(const struct addr *list, uint32_t n, const struct addr *addr)
{
	return n && bsearch(addr, list, n, sizeof(*list), compare);
}
