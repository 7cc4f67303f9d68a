/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Addresses of either family in 16 bytes: IPv6 as it is, IPv4 as ::ffff:a.b.c.d (RFC 4291 2.5.5.2).
 * The bytes stand in network order, so that comparing them as bytes compares the numbers.
 */
#ifndef BASE_ADDR_H
#define BASE_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct addr {
	union {
		uint8_t b[16];
		uint64_t q[2];
	};
};

/* Room for an address as text, and for "address/length". */
#define ADDR_TEXT_MAX 46
#define PREFIX_TEXT_MAX 50

struct prefix {
	struct addr addr;
	uint8_t len; /* of 128 bits: an IPv4 /24 is 120 */
};

/* Initialisers: ADDR_V4(224, 0, 0, 1), PREFIX_V4(224, 0, 0, 0, 4). */
#define ADDR_V4(b0, b1, b2, b3)                                                          \
	{                                                                                \
		{                                                                        \
			{                                                                \
				0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, b0, b1, b2, b3 \
			}                                                                \
		}                                                                        \
	}
#define PREFIX_V4(b0, b1, b2, b3, bits)              \
	{                                            \
		ADDR_V4(b0, b1, b2, b3), 96 + (bits) \
	}

static inline struct addr addr_from_v4(const uint8_t v4[static 4])
{
	struct addr a = { .b = { [10] = 0xff, [11] = 0xff } };

	memcpy(a.b + 12, v4, 4);
	return a;
}

/* host: the address as a number, 0xc0000201 for 192.0.2.1. */
static inline struct addr addr_from_v4_host(uint32_t host)
{
	uint8_t v4[4] = { (uint8_t)(host >> 24), (uint8_t)(host >> 16), (uint8_t)(host >> 8),
			  (uint8_t)host };

	return addr_from_v4(v4);
}

static inline uint32_t addr_to_v4_host(const struct addr *a)
{
	return (uint32_t)a->b[12] << 24 | (uint32_t)a->b[13] << 16 | (uint32_t)a->b[14] << 8 |
	       a->b[15];
}

static inline bool addr_is_v4(const struct addr *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(a->b, mapped, sizeof(mapped)) == 0;
}

static inline int addr_cmp(const struct addr *a, const struct addr *b)
{
	return memcmp(a->b, b->b, sizeof(a->b));
}

static inline bool addr_equal(const struct addr *a, const struct addr *b)
{
	return a->q[0] == b->q[0] && a->q[1] == b->q[1];
}

/* True for :: and for 0.0.0.0, "no address". */
bool addr_is_unspecified(const struct addr *a);
bool addr_is_multicast(const struct addr *a);
/* A source that can be asked for: not 0/8, 127/8, 224/3, ::, ::1 or ff00::/8. */
bool addr_is_unicast_source(const struct addr *a);
bool prefix_contains(const struct prefix *p, const struct addr *a);

/* Writes the address as text; returns buf. size: at least ADDR_TEXT_MAX. */
const char *addr_format(const struct addr *a, char *buf, size_t size);
const char *prefix_format(const struct prefix *p, char *buf, size_t size);
/* Parses "192.0.2.1" or "2001:db8::1". Returns 0 or -EINVAL. */
int addr_parse(const char *text, struct addr *a);
/*
 * Parses "192.0.2.0/24"; without a length the whole address. Bits behind the length must be zero.
 * Returns 0 or -EINVAL.
 */
int prefix_parse(const char *text, struct prefix *p);

#endif
