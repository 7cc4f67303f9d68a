// SPDX-License-Identifier: BSD-2-Clause
#include "fragment.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "bytes.h"
#include "ipv4.h"

/* The least that every link carries, RFC 791 section 3.2. */
#define MTU_MIN 68

#define DONT_FRAGMENT 0x4000
#define MORE_FRAGMENTS 0x2000
#define OFFSET 0x1fff /* in units of 8 octets */

#define OPTION_END 0
#define OPTION_NOP 1
#define OPTION_COPIED 0x80 /* belongs into every fragment */

/*
 * Writes the header of all fragments but the first: only the options that are to be copied, padded
 * to words. Returns its length.
 */
static size_t copy_header(uint8_t *to, const uint8_t *from, size_t header_len)
{
	size_t n = IPV4_HEADER_MIN;

	memcpy(to, from, IPV4_HEADER_MIN);
	for (size_t at = IPV4_HEADER_MIN; at < header_len && from[at] != OPTION_END;) {
		size_t len = from[at] == OPTION_NOP ? 1 : from[at + 1];

		if (from[at] & OPTION_COPIED) {
			memcpy(to + n, from + at, len);
			n += len;
		}
		at += len;
	}
	while (n % 4)
		to[n++] = OPTION_END;
	to[0] = (uint8_t)(4 << 4 | n / 4);
	return n;
}

/* Fills in what differs from fragment to fragment. */
static void finish_header(uint8_t *header, size_t header_len, size_t payload_len, uint16_t flags,
			  uint8_t ttl)
{
	bytes_put_be16(header + 2, (uint16_t)(header_len + payload_len));
	bytes_put_be16(header + 6, flags);
	header[8] = ttl;
	bytes_put_be16(header + 10, 0);
	bytes_put_be16(header + 10, bytes_checksum(header, header_len));
}

int fragment_forward(const uint8_t *packet, size_t len, size_t mtu, fragment_fn fn, void *arg)
{
	size_t first_len = (size_t)(packet[0] & 0x0f) * 4, header_len = first_len;
	uint16_t flags = bytes_get_be16(packet + 6);
	const uint8_t *payload = packet + first_len;
	size_t left = len - first_len;
	uint8_t out[FRAGMENT_PACKET_MAX];
	uint8_t ttl = packet[8];
	int n = 0;

	if (len > FRAGMENT_PACKET_MAX || mtu < MTU_MIN || ttl == 0)
		return -EINVAL;
	if (len > mtu && flags & DONT_FRAGMENT)
		return -EMSGSIZE;
	memcpy(out, packet, first_len);
	do {
		bool last = header_len + left <= mtu;
		size_t piece = last ? left : (mtu - header_len) & ~(size_t)7;
		uint16_t more = last ? flags & MORE_FRAGMENTS : MORE_FRAGMENTS;

		finish_header(out, header_len, piece,
			      (uint16_t)((flags & (OFFSET | DONT_FRAGMENT)) | more),
			      (uint8_t)(ttl - 1));
		memcpy(out + header_len, payload, piece);
		fn(arg, out, header_len + piece);
		n++;
		payload += piece;
		left -= piece;
		flags = (uint16_t)(flags + piece / 8);
		header_len = copy_header(out, packet, first_len);
	} while (left);
	return n;
}
