/* SPDX-License-Identifier: BSD-2-Clause */
/* Chance that comes from a seed. */
#ifndef MEMBERSHIP_RANDOM_H
#define MEMBERSHIP_RANDOM_H

#include <stdint.h>

/* A random delay from (0, max_ms] in whole milliseconds, 1 if max_ms is 0. (splitmix64) */
static inline uint32_t random_ms(uint64_t *state, uint32_t max_ms)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	z ^= z >> 31;
	return max_ms ? 1 + (uint32_t)(z % max_ms) : 1;
}

#endif
