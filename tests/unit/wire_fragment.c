// SPDX-License-Identifier: BSD-2-Clause
/* D-MTU: fragments of a forwarded packet, RFC 791 section 3.2. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/bytes.h"
#include "wire/fragment.h"
#include "wire/ipv4.h"

#define PACKETS_MAX 16

static struct {
	uint8_t bytes[PACKETS_MAX][FRAGMENT_PACKET_MAX];
	size_t len[PACKETS_MAX];
	int n;
} got;

static uint8_t packet[FRAGMENT_PACKET_MAX];

static void keep(void *arg, const uint8_t *bytes, size_t len)
{
	(void)arg;
	assert_true(got.n < PACKETS_MAX);
	memcpy(got.bytes[got.n], bytes, len);
	got.len[got.n++] = len;
}

/* Options: a copied one (148) and one that is not (7). */
static const uint8_t options[12] = { 148, 4, 0, 0, 7, 7, 4, 0, 0, 0, 0, 0 };

static void make(size_t len, size_t options_len, uint16_t flags)
{
	size_t header = 20 + options_len;

	for (size_t i = 0; i < len; i++)
		packet[i] = (uint8_t)(i * 7 + i / 256);
	memset(packet, 0, header);
	packet[0] = (uint8_t)(0x40 | header / 4);
	bytes_put_be16(packet + 2, (uint16_t)len);
	bytes_put_be16(packet + 4, 0x1234);
	bytes_put_be16(packet + 6, flags);
	packet[8] = 9;
	packet[9] = 17;
	memcpy(packet + 12, (const uint8_t[]){ 192, 0, 2, 1, 239, 1, 1, 1 }, 8);
	memcpy(packet + 20, options, options_len);
	bytes_put_be16(packet + 10, bytes_checksum(packet, header));
	got.n = 0;
}

/* Puts the fragments together again, checking each, and compares with the packet's payload. */
static void check_whole(size_t len, size_t header, size_t mtu, unsigned int base, bool more)
{
	size_t at = 0;

	for (int i = 0; i < got.n; i++) {
		const uint8_t *p = got.bytes[i];
		size_t h = (size_t)(p[0] & 15) * 4;
		uint16_t flags = bytes_get_be16(p + 6);
		struct ipv4_packet parsed;

		assert_true(got.len[i] <= mtu);
		assert_int_equal(bytes_get_be16(p + 2), got.len[i]);
		assert_int_equal(bytes_checksum(p, h), 0);
		assert_true(ipv4_parse(p, got.len[i], &parsed) >= 0);
		assert_int_equal(p[8], 8);
		assert_int_equal(bytes_get_be16(p + 4), 0x1234);
		assert_memory_equal(p + 12, packet + 12, 8);
		assert_int_equal((flags & 0x1fff) * 8, base + at);
		assert_int_equal(!!(flags & 0x2000), more || i < got.n - 1);
		assert_memory_equal(p + h, packet + header + at, got.len[i] - h);
		at += got.len[i] - h;
	}
	assert_int_equal(at, len - header);
}

/* What fits goes whole, only its TTL and checksum are other than before. */
static void fits(void **state)
{
	(void)state;
	make(1500, 0, 0x4000);
	assert_int_equal(fragment_forward(packet, 1500, 1500, keep, NULL), 1);
	assert_int_equal(bytes_get_be16(got.bytes[0] + 6), 0x4000);
	got.n = 1;
	bytes_put_be16(got.bytes[0] + 6, 0);
	packet[8] = 8;
	assert_memory_equal(got.bytes[0] + 12, packet + 12, 1488);
}

static void pieces(void **state)
{
	(void)state;
	for (size_t mtu = 576; mtu < 584; mtu++) {
		make(1499, 0, 0);
		assert_int_equal(fragment_forward(packet, 1499, mtu, keep, NULL), 3);
		check_whole(1499, 20, mtu, 0, false);
	}
	make(9000, 0, 0);
	assert_int_equal(fragment_forward(packet, 9000, 1500, keep, NULL), 7);
	check_whole(9000, 20, 1500, 0, false);
}

/* A fragment is cut again: offsets go on, and its last piece says that more follows. */
static void fragments_of_a_fragment(void **state)
{
	(void)state;
	make(1500, 0, 0x2000 | 185);
	assert_int_equal(fragment_forward(packet, 1500, 1000, keep, NULL), 2);
	check_whole(1500, 20, 1000, 185 * 8, true);
}

/* All options in the first, only those to be copied in the others. */
static void with_options(void **state)
{
	(void)state;
	make(1500, 12, 0);
	assert_int_equal(fragment_forward(packet, 1500, 800, keep, NULL), 2);
	check_whole(1500, 32, 800, 0, false);
	assert_int_equal(got.bytes[0][0], 0x48);
	assert_int_equal(got.bytes[1][0], 0x46);
	assert_memory_equal(got.bytes[1] + 20, options, 4);
}

static void refused(void **state)
{
	(void)state;
	make(1500, 0, 0x4000);
	assert_int_equal(fragment_forward(packet, 1500, 1499, keep, NULL), -EMSGSIZE);
	make(1500, 0, 0);
	assert_int_equal(fragment_forward(packet, 1500, 67, keep, NULL), -EINVAL);
	packet[8] = 0;
	assert_int_equal(fragment_forward(packet, 1500, 1000, keep, NULL), -EINVAL);
	assert_int_equal(got.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fits),
		cmocka_unit_test(pieces),
		cmocka_unit_test(fragments_of_a_fragment),
		cmocka_unit_test(with_options),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
