/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hash table of the engine, of the routes and of the data plane: nodes that live in their
 * owners. It grows and shrinks by one bucket at a time (linear hashing), and its buckets stand in
 * blocks, so that no single insertion pays for all the others. It compares hashes; keys are the
 * owner's to compare.
 */
#ifndef MEMBERSHIP_TABLE_H
#define MEMBERSHIP_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct table_node {
	struct table_node *next;
	uint32_t hash;
	uint32_t n; /* the owner's: fills what would be padding */
};

struct table {
	struct table_node ***blocks;
	uint32_t n_blocks;
	uint32_t n_buckets;
	uint32_t n_nodes;
};

#define table_entry(node, type, member) ((type *)((char *)(node)-offsetof(type, member)))

/* A hash of bytes that nobody outside can foresee who does not know the seed. */
uint32_t table_hash(uint64_t seed, const void *key, size_t size);

/*
 * Returns 0 or -ENOMEM, which is possible only for the first node; a table of zeros is a valid
 * empty table. The hash stands in the node.
 */
int table_insert(struct table *table, struct table_node *node);
void table_remove(struct table *table, struct table_node *node);
/* Frees the buckets; the nodes are the caller's. */
void table_fini(struct table *table);

/* The first and the following nodes with a hash value. */
struct table_node *table_first(const struct table *table, uint32_t hash);
struct table_node *table_next(const struct table_node *node);
/* Ask for the bucket, and later for its first node, some time ahead of table_first(). */
void table_prefetch_bucket(const struct table *table, uint32_t hash);
void table_prefetch_node(const struct table *table, uint32_t hash);

#define TABLE_START UINT32_MAX

/*
 * All nodes: *bucket starts as TABLE_START, node as NULL. Nodes may be removed on the way, the one
 * at hand after the next one was asked for; some of those that stay may then come up twice.
 */
struct table_node *table_walk(const struct table *table, uint32_t *bucket,
			      const struct table_node *node);

#endif
