/* SPDX-License-Identifier: BSD-2-Clause */
#include "table.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_BITS 3
#define FIRST (1u << FIRST_BITS)

/* Segment of a bucket: 0 for the first eight, then one per power of two. */
static unsigned int segment_of(uint32_t bucket)
{
	return bucket < FIRST ? 0 : 32 - FIRST_BITS - (unsigned int)__builtin_clz(bucket);
}

static uint32_t segment_start(unsigned int segment)
{
	return segment ? FIRST << (segment - 1) : 0;
}

static uint32_t segment_size(unsigned int segment)
{
	return segment ? FIRST << (segment - 1) : FIRST;
}

static struct table_node **bucket_at(const struct table *table, uint32_t bucket)
{
	unsigned int segment = segment_of(bucket);

	return &table->segments[segment][bucket - segment_start(segment)];
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

static int table_start(struct table *table)
{
	table->segments[0] = calloc(FIRST, sizeof(*table->segments[0]));
	if (!table->segments[0])
		return -ENOMEM;
	table->n_buckets = FIRST;
	return 0;
}

/* Adds one bucket and gives it its share of its buddy's nodes. Without memory: longer chains. */
static void table_grow(struct table *table)
{
	uint32_t bucket = table->n_buckets;
	unsigned int segment = segment_of(bucket);
	struct table_node **from, **to, *node;

	if (segment >= TABLE_SEGMENTS)
		return;
	if (!table->segments[segment]) {
		table->segments[segment] =
			calloc(segment_size(segment), sizeof(*table->segments[segment]));
		if (!table->segments[segment])
			return;
	}
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
	unsigned int segment = segment_of(bucket);
	struct table_node **to = bucket_at(table, bucket - power_below(bucket));

	while (*to)
		to = &(*to)->next;
	*to = *bucket_at(table, bucket);
	*bucket_at(table, bucket) = NULL;
	if (bucket == segment_start(segment)) {
		free(table->segments[segment]);
		table->segments[segment] = NULL;
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
	if (table->n_buckets > FIRST && table->n_nodes < table->n_buckets / 2)
		table_shrink(table);
}

void table_fini(struct table *table)
{
	for (unsigned int i = 0; i < TABLE_SEGMENTS; i++)
		free(table->segments[i]);
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

void table_prefetch(const struct table *table, uint32_t hash)
{
	if (table->n_buckets)
		__builtin_prefetch(bucket_at(table, bucket_of(table, hash)));
}

struct table_node *table_walk(const struct table *table, uint32_t *bucket,
			      const struct table_node *node)
{
	struct table_node *next = node ? node->next : NULL;

	while (!next && *bucket < table->n_buckets)
		next = *bucket_at(table, (*bucket)++);
	return next;
}
