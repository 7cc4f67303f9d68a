/* SPDX-License-Identifier: BSD-2-Clause */
#include "action.h"

#include <stdlib.h>

#define CHUNK_SIZE 65536

/* A piece of the arena; the pieces form a list, the one being filled first. */
struct action_chunk {
	struct action_chunk *next;
	size_t used, size;
	_Alignas(max_align_t) uint8_t bytes[];
};

void actions_init(struct actions *actions)
{
	*actions = (struct actions){ 0 };
}

/* Frees the arena but for one chunk of usual size, which the next call will need. */
static void arena_trim(struct actions *actions)
{
	struct action_chunk *chunk = actions->arena, *next, *kept = NULL;

	for (; chunk; chunk = next) {
		next = chunk->next;
		if (!kept && chunk->size == CHUNK_SIZE)
			kept = chunk;
		else
			free(chunk);
	}
	if (kept) {
		kept->used = 0;
		kept->next = NULL;
	}
	actions->arena = kept;
}

void actions_clear(struct actions *actions)
{
	arena_trim(actions);
	actions->n = 0;
	actions->failed = false;
}

void actions_fini(struct actions *actions)
{
	arena_trim(actions);
	free(actions->arena);
	free(actions->list);
	actions_init(actions);
}

struct action *actions_add(struct actions *actions, enum action_type type, unsigned int port)
{
	struct action *action;

	if (actions->n == actions->capacity) {
		size_t capacity = actions->capacity ? 2 * actions->capacity : 64;
		struct action *list = realloc(actions->list, capacity * sizeof(*list));

		if (!list) {
			actions->failed = true;
			return NULL;
		}
		actions->list = list;
		actions->capacity = capacity;
	}
	action = &actions->list[actions->n++];
	*action = (struct action){ .type = type, .port = port };
	return action;
}

void *actions_alloc(struct actions *actions, size_t size)
{
	struct action_chunk *chunk = actions->arena;
	const size_t align = _Alignof(max_align_t);

	size = (size + align - 1) / align * align;
	if (!chunk || chunk->size - chunk->used < size) {
		size_t room = size > CHUNK_SIZE ? size : CHUNK_SIZE;

		chunk = malloc(sizeof(*chunk) + room);
		if (!chunk) {
			actions->failed = true;
			return NULL;
		}
		*chunk = (struct action_chunk){ .next = actions->arena, .size = room };
		actions->arena = chunk;
	}
	chunk->used += size;
	return chunk->bytes + chunk->used - size;
}
