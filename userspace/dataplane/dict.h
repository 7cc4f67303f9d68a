/* SPDX-License-Identifier: BSD-2-Clause */
/* A hash table of nodes inside the caller's structures. It compares hashes; the caller keys. */
#ifndef DATAPLANE_DICT_H
#define DATAPLANE_DICT_H

#include <stddef.h>
#include <stdint.h>

struct dict_node {
	struct dict_node *next;
	uint64_t hash;
};

struct dict {
	struct dict_node **buckets;
	size_t n_buckets; /* a power of two */
	size_t n;
	uint64_t seed; /* so that nobody outside can choose keys that collide */
};

/* Returns 0 or -ENOMEM. */
int dict_init(struct dict *dict);
/* Frees the buckets; the nodes are the caller's. */
void dict_fini(struct dict *dict);
uint64_t dict_hash(const struct dict *dict, const void *key, size_t size);
/* The first node with this hash, and the one after it. */
struct dict_node *dict_find(const struct dict *dict, uint64_t hash);
struct dict_node *dict_find_next(const struct dict_node *node);
/* Cannot fail: a table that cannot grow becomes slower. */
void dict_add(struct dict *dict, struct dict_node *node, uint64_t hash);
void dict_del(struct dict *dict, struct dict_node *node);
/* All nodes, in no order: start with NULL. The node last returned may be deleted if `next` is
 * taken first. */
struct dict_node *dict_next(const struct dict *dict, const struct dict_node *node);

#define dict_entry(node, type, member) ((type *)((char *)(node)-offsetof(type, member)))

#endif
