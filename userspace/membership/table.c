/* SPDX-License-Identifier: BSD-2-Clause */
#include "table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 512 /* buckets, one page */

/* The finalizer of splitmix64: every bit of the input moves about half of the output. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

uint32_t table_hash(uint64_t seed, const void *key, size_t size)
{
	uint64_t hash = seed ^ size;

	for (const uint8_t *p = key; size > 0;) {
		size_t n = size < 8 ? size : 8;
		uint64_t word = 0;

		memcpy(&word, p, n);
		hash = mix(hash ^ word) + seed;
		p += n;
		size -= n;
	}
	return (uint32_t)(hash ^ hash >> 32);
}

static struct table_node **bucket_at(const struct table *table, uint32_t bucket)
{
	return &table->blocks[bucket / BLOCK][bucket % BLOCK];
}

/* The highest power of two not above n. */
static uint32_t power_below(uint32_t n)
{
	return 1u << (31 - __builtin_clz(n));
}

/* Buckets from n_buckets on do not exist yet; their nodes stand with their buddy, half way down. */
static uint32_t bucket_of(const struct table *table, uint32_t hash)
{
	uint32_t size = power_below(table->n_buckets), bucket = hash & (2 * size - 1);

	return bucket < table->n_buckets ? bucket : hash & (size - 1);
}

/* Makes room for one more block. */
static int add_block(struct table *table)
{
	uint32_t n = table->n_blocks;
	struct table_node ***blocks = table->blocks;

	/* The list has room for a power of two. */
	if ((n & (n - 1)) == 0) {
		blocks = realloc(blocks, (n ? 2 * (size_t)n : 1) * sizeof(*blocks));
		if (!blocks)
			return -ENOMEM;
		table->blocks = blocks;
	}
	blocks[n] = calloc(BLOCK, sizeof(*blocks[n]));
	if (!blocks[n])
		return -ENOMEM;
	table->n_blocks++;
	return 0;
}

static int table_start(struct table *table)
{
	int err = add_block(table);

	if (!err)
		table->n_buckets = BLOCK;
	return err;
}

/* Adds one bucket and gives it its share of its buddy's nodes. Without memory: longer chains. */
static void table_grow(struct table *table)
{
	uint32_t bucket = table->n_buckets;
	struct table_node **from, **to, *node;

	if (bucket == table->n_blocks * BLOCK && add_block(table))
		return;
	from = bucket_at(table, bucket - power_below(bucket));
	to = bucket_at(table, bucket);
	table->n_buckets++;
	while ((node = *from)) {
		if (bucket_of(table, node->hash) != bucket) {
			from = &node->next;
			continue;
		}
		*from = node->next;
		node->next = *to;
		*to = node;
	}
}

/* Gives the last bucket's nodes back to its buddy. */
static void table_shrink(struct table *table)
{
	uint32_t bucket = --table->n_buckets;
	struct table_node **to = bucket_at(table, bucket - power_below(bucket));

	while (*to)
		to = &(*to)->next;
	*to = *bucket_at(table, bucket);
	*bucket_at(table, bucket) = NULL;
	/* The list of blocks shrinks with its powers of two, so that add_block() finds room. */
	if (bucket == (table->n_blocks - 1) * BLOCK) {
		uint32_t n = --table->n_blocks;

		free(table->blocks[n]);
		if ((n & (n - 1)) == 0) {
			struct table_node ***blocks;

			blocks = realloc(table->blocks, n * sizeof(*blocks));
			table->blocks = blocks ? blocks : table->blocks;
		}
	}
}

int table_insert(struct table *table, struct table_node *node)
{
	struct table_node **head;

	if (!table->n_buckets) {
		int err = table_start(table);

		if (err)
			return err;
	}
	if (table->n_nodes >= table->n_buckets)
		table_grow(table);
	head = bucket_at(table, bucket_of(table, node->hash));
	node->next = *head;
	*head = node;
	table->n_nodes++;
	return 0;
}

void table_remove(struct table *table, struct table_node *node)
{
	struct table_node **at = bucket_at(table, bucket_of(table, node->hash));

	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	table->n_nodes--;
	/* Two at a time: below half full there are two buckets for each node that may still go. */
	for (int i = 0; i < 2; i++) {
		if (table->n_buckets > BLOCK && table->n_nodes < table->n_buckets / 2)
			table_shrink(table);
	}
}

void table_fini(struct table *table)
{
	for (uint32_t i = 0; i < table->n_blocks; i++)
		free(table->blocks[i]);
	free(table->blocks);
	*table = (struct table){ 0 };
}

static struct table_node *match(struct table_node *node, uint32_t hash)
{
	while (node && node->hash != hash)
		node = node->next;
	return node;
}

struct table_node *table_first(const struct table *table, uint32_t hash)
{
	if (!table->n_buckets)
		return NULL;
	return match(*bucket_at(table, bucket_of(table, hash)), hash);
}

struct table_node *table_next(const struct table_node *node)
{
	return match(node->next, node->hash);
}

void table_prefetch_bucket(const struct table *table, uint32_t hash)
{
	if (table->n_buckets)
		__builtin_prefetch(bucket_at(table, bucket_of(table, hash)));
}

void table_prefetch_node(const struct table *table, uint32_t hash)
{
	if (table->n_buckets)
		__builtin_prefetch(*bucket_at(table, bucket_of(table, hash)));
}

struct table_node *table_walk(const struct table *table, uint32_t *bucket,
			      const struct table_node *node)
{
	struct table_node *next = node ? node->next : NULL;

	/* Downwards: a table that shrinks moves the nodes of its last bucket to a lower one. */
	if (*bucket > table->n_buckets)
		*bucket = table->n_buckets;
	while (!next && *bucket > 0)
		next = *bucket_at(table, --*bucket);
	return next;
}
