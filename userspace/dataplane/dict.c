/* SPDX-License-Identifier: BSD-2-Clause */
#include "dataplane/dict.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define BUCKETS_MIN 64

int dict_init(struct dict *dict)
{
	*dict = (struct dict){ .n_buckets = BUCKETS_MIN };
	dict->buckets = calloc(dict->n_buckets, sizeof(struct dict_node *));
	if (!dict->buckets)
		return -ENOMEM;
	if (getrandom(&dict->seed, sizeof(dict->seed), GRND_NONBLOCK) < 0)
		dict->seed = (uintptr_t)dict->buckets;
	return 0;
}

void dict_fini(struct dict *dict)
{
	free(dict->buckets);
	*dict = (struct dict){ 0 };
}

/* The finalizer of splitmix64: every bit of the input moves about half of the output. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

uint64_t dict_hash(const struct dict *dict, const void *key, size_t size)
{
	uint64_t hash = dict->seed ^ size;

	for (const uint8_t *p = key; size > 0;) {
		size_t n = size < 8 ? size : 8;
		uint64_t word = 0;

		memcpy(&word, p, n);
		hash = mix(hash ^ word) + dict->seed;
		p += n;
		size -= n;
	}
	return hash;
}

static struct dict_node *first_with(struct dict_node *node, uint64_t hash)
{
	while (node && node->hash != hash)
		node = node->next;
	return node;
}

struct dict_node *dict_find(const struct dict *dict, uint64_t hash)
{
	return first_with(dict->buckets[hash & (dict->n_buckets - 1)], hash);
}

struct dict_node *dict_find_next(const struct dict_node *node)
{
	return first_with(node->next, node->hash);
}

static void dict_grow(struct dict *dict)
{
	size_t n_buckets = dict->n_buckets * 2;
	struct dict_node **buckets = calloc(n_buckets, sizeof(struct dict_node *));

	if (!buckets)
		return;
	for (size_t i = 0; i < dict->n_buckets; i++) {
		struct dict_node *next;

		for (struct dict_node *node = dict->buckets[i]; node; node = next) {
			struct dict_node **to = &buckets[node->hash & (n_buckets - 1)];

			next = node->next;
			node->next = *to;
			*to = node;
		}
	}
	free(dict->buckets);
	dict->buckets = buckets;
	dict->n_buckets = n_buckets;
}

void dict_add(struct dict *dict, struct dict_node *node, uint64_t hash)
{
	struct dict_node **bucket;

	if (dict->n >= dict->n_buckets)
		dict_grow(dict);
	bucket = &dict->buckets[hash & (dict->n_buckets - 1)];
	node->hash = hash;
	node->next = *bucket;
	*bucket = node;
	dict->n++;
}

void dict_del(struct dict *dict, struct dict_node *node)
{
	struct dict_node **at = &dict->buckets[node->hash & (dict->n_buckets - 1)];

	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	dict->n--;
}

struct dict_node *dict_next(const struct dict *dict, const struct dict_node *node)
{
	size_t i = 0;

	if (node) {
		if (node->next)
			return node->next;
		i = (node->hash & (dict->n_buckets - 1)) + 1;
	}
	while (i < dict->n_buckets && !dict->buckets[i])
		i++;
	return i < dict->n_buckets ? dict->buckets[i] : NULL;
}
