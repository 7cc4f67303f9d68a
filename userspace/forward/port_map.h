/* SPDX-License-Identifier: BSD-2-Clause */
/* A set of ports as bits, as many as the engine can have. */
#ifndef FORWARD_PORT_MAP_H
#define FORWARD_PORT_MAP_H

#include "membership/engine.h"

#define PORT_MAP_WORDS (ENGINE_MAX_PORTS / 64)

struct port_map {
	uint64_t w[PORT_MAP_WORDS];
};

static inline void port_map_set(struct port_map *map, unsigned int port)
{
	map->w[port / 64] |= 1ull << (port % 64);
}

static inline void port_map_clear(struct port_map *map, unsigned int port)
{
	map->w[port / 64] &= ~(1ull << (port % 64));
}

static inline bool port_map_has(const struct port_map *map, unsigned int port)
{
	return map->w[port / 64] >> (port % 64) & 1;
}

static inline bool port_map_equal(const struct port_map *a, const struct port_map *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static inline struct port_map port_map_union(const struct port_map *a, const struct port_map *b)
{
	struct port_map out;

	for (size_t i = 0; i < PORT_MAP_WORDS; i++)
		out.w[i] = a->w[i] | b->w[i];
	return out;
}

/* slots: room for ENGINE_MAX_PORTS. Returns how many. */
static inline uint32_t port_map_list(const struct port_map *map, uint16_t *slots)
{
	uint32_t n = 0;

	for (size_t i = 0; i < PORT_MAP_WORDS; i++)
		for (uint64_t w = map->w[i]; w; w &= w - 1)
			slots[n++] = (uint16_t)(i * 64 + (unsigned int)__builtin_ctzll(w));
	return n;
}

static inline uint32_t port_map_count(const struct port_map *map)
{
	uint32_t n = 0;

	for (size_t i = 0; i < PORT_MAP_WORDS; i++)
		n += (uint32_t)__builtin_popcountll(map->w[i]);
	return n;
}

static inline bool port_map_empty(const struct port_map *map)
{
	static const struct port_map none;

	return port_map_equal(map, &none);
}

#endif
