// SPDX-License-Identifier: BSD-2-Clause
/* Reception and validation: docs/CONFORMANCE.md section 2, the codec's part. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../support/frame.h"
#include "wire/igmp.h"
#include "wire/wire.h"

#define G1 239, 1, 1, 1
#define G2 239, 1, 1, 2
#define S1 192, 0, 2, 1
#define S2 192, 0, 2, 2

static struct wire_buffer *buffer;
static struct frame frame;
static struct message message;

static int setup(void **state)
{
	(void)state;
	buffer = wire_buffer_new();
	return buffer ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	wire_buffer_free(buffer);
	return 0;
}

static enum wire_verdict parse(void)
{
	memset(&message, 0x5a, sizeof(message));
	return wire_parse(frame.bytes, frame.len, 0, buffer, &message);
}

static void assert_v4(const struct addr *addr, uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	const uint8_t bytes[16] = { [10] = 0xff, [11] = 0xff, a, b, c, d };

	assert_memory_equal(addr->b, bytes, sizeof(bytes));
}

static void frame_query_v3(uint8_t code, uint8_t flags, uint8_t qqic)
{
	frame_igmp(&frame, 0x11, code, 0, 0, G1, flags, qqic, 0, 0);
}

static void header_fields(void **state)
{
	(void)state;
	frame_igmp(&frame, 0x16, 0, 0, 0, G1);
	assert_int_equal(parse(), WIRE_OK);
	assert_v4(&message.source, 10, 0, 1, 10);
	assert_v4(&message.destination, 224, 0, 0, 22);
	assert_int_equal(message.ttl, 1);
	assert_false(message.router_alert);
	frame.bytes[FRAME_IP + 8] = 64;
	frame_fix_ip(&frame);
	assert_int_equal(parse(), WIRE_OK);
	assert_int_equal(message.ttl, 64);
}

/* R-4-TOSRX */
static void any_tos_is_read(void **state)
{
	(void)state;
	frame_igmp(&frame, 0x16, 0, 0, 0, G1);
	for (unsigned int tos = 0; tos < 256; tos++) {
		frame.bytes[FRAME_IP + 1] = (uint8_t)tos;
		frame_fix_ip(&frame);
		assert_int_equal(parse(), WIRE_OK);
	}
}

/* R-4.1.2-BAD: every single wrong bit of every kind of message is noticed */
static void wrong_checksum_is_refused(void **state)
{
	static const uint8_t types[] = { 0x11, 0x12, 0x16, 0x17, 0x22 };

	(void)state;
	for (size_t t = 0; t < sizeof(types); t++) {
		frame_igmp(&frame, types[t], 10, 0, 0, 0, 0, 0, 0, 2, 125, 0, 0);
		assert_int_equal(parse(), WIRE_OK);
		for (unsigned int bit = 8; bit < 12 * 8; bit++) {
			uint8_t *octet = frame_payload(&frame) + bit / 8;

			*octet ^= (uint8_t)(1 << bit % 8);
			assert_int_equal(parse(), WIRE_BAD_CHECKSUM);
			*octet ^= (uint8_t)(1 << bit % 8);
		}
	}
}

/* R-4.1.2-LEN: the link's padding is no part of the message */
static void link_padding_is_ignored(void **state)
{
	(void)state;
	frame_igmp(&frame, 0x16, 0, 0, 0, G1);
	frame_pad(&frame, 60);
	assert_int_equal(parse(), WIRE_OK);
	assert_int_equal(message.type, MESSAGE_V2_REPORT);
	frame_igmp(&frame, 0x11, 0, 0, 0, G1);
	frame_pad(&frame, 60);
	assert_int_equal(parse(), WIRE_OK);
	assert_int_equal(message.query.version, 1);
}

/* R-4.1.2-LEN: odd lengths */
static void checksum_of_an_odd_length(void **state)
{
	(void)state;
	frame_igmp(&frame, 0x16, 0, 0, 0, G1, 77);
	frame_pad(&frame, 60);
	assert_int_equal(parse(), WIRE_OK);
	frame_payload(&frame)[8]++;
	assert_int_equal(parse(), WIRE_BAD_CHECKSUM);
}

/* R-4.1.10-RX */
static void octets_behind_a_query_are_ignored(void **state)
{
	(void)state;
	frame_igmp(&frame, 0x11, 100, 0, 0, 0, 0, 0, 0, 2, 125, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
		   10);
	assert_int_equal(parse(), WIRE_OK);
	assert_int_equal(message.query.version, 3);
	assert_int_equal(message.query.n_sources, 0);
	assert_int_equal(message.query.max_response_ms, 10000);
}

/* R-4.2.12-RX: ignored inside the checksum, refused outside of it */
static void octets_behind_a_report(void **state)
{
	(void)state;
	frame_igmp(&frame, 0x22, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0, G1, 9, 9, 9, 9, 9, 9);
	assert_int_equal(parse(), WIRE_OK);
	assert_int_equal(message.report.n_records, 1);
	assert_int_equal(message.report.records[0].type, RECORD_TO_EX);
	assert_v4(&message.report.records[0].group, G1);

	frame_igmp(&frame, 0x22, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0, G1);
	frame_pad(&frame, frame.len + 6);
	frame.bytes[FRAME_IP + 3] += 6;
	frame_fix_ip(&frame);
	assert_int_equal(parse(), WIRE_BAD_CHECKSUM);
}

/* R-4.2.11-RX: auxiliary data is counted in words of 4 octets */
static void auxiliary_data_is_skipped(void **state)
{
	(void)state;
	frame_igmp(&frame, 0x22, 0, 0, 0, 0, 0, 0, 2,	       /* two records */
		   5, 2, 0, 1, G1, S1, 1, 2, 3, 4, 5, 6, 7, 8, /* with auxiliary data */
		   6, 0, 0, 2, G2, S1, S2);
	assert_int_equal(parse(), WIRE_OK);
	assert_int_equal(message.report.n_records, 2);
	assert_int_equal(message.report.records[0].n_sources, 1);
	assert_v4(&message.report.records[0].sources[0], S1);
	assert_int_equal(message.report.records[1].type, RECORD_BLOCK);
	assert_v4(&message.report.records[1].group, G2);
	assert_int_equal(message.report.records[1].n_sources, 2);
	assert_v4(&message.report.records[1].sources[0], S1);
	assert_v4(&message.report.records[1].sources[1], S2);
}

/* R-2236-2.5 */
static void long_v1_v2_messages_are_read_as_8_octets(void **state)
{
	static const struct {
		uint8_t number;
		enum message_type type;
	} types[] = {
		{ 0x12, MESSAGE_V1_REPORT },
		{ 0x16, MESSAGE_V2_REPORT },
		{ 0x17, MESSAGE_V2_LEAVE },
	};
	static const size_t lengths[] = { 8, 9, 12, 16, 1408 };
	uint8_t octets[1408] = { 0, 0, 0, 0, G1, 1, 2, 3, 4 };

	(void)state;
	for (size_t t = 0; t < 3; t++) {
		octets[0] = types[t].number;
		for (size_t l = 0; l < 5; l++) {
			frame_init(&frame, octets, lengths[l]);
			assert_int_equal(parse(), WIRE_OK);
			assert_int_equal(message.type, types[t].type);
			assert_v4(&message.group, G1);
		}
	}
}

/* R-2236-SHORT, and the same for version 3 reports and an empty payload */
static void short_messages_are_refused(void **state)
{
	static const uint8_t types[] = { 0x11, 0x12, 0x16, 0x17, 0x22 };

	(void)state;
	for (size_t t = 0; t < sizeof(types); t++)
		for (size_t len = 0; len < 8; len++) {
			const uint8_t octets[8] = { types[t], 0, 0, 0, G1 };

			frame_init(&frame, octets, len);
			assert_int_equal(parse(), WIRE_TOO_SHORT);
			frame_pad(&frame, 60);
			assert_int_equal(parse(), WIRE_TOO_SHORT);
		}
}

/* R-7.1-QLEN */
static void query_lengths_9_to_11_are_refused(void **state)
{
	const uint8_t octets[12] = { 0x11, 100, 0, 0, 0, 0, 0, 0, 2, 125, 0, 0 };

	(void)state;
	for (size_t len = 8; len <= 12; len++) {
		frame_init(&frame, octets, len);
		assert_int_equal(parse(), len == 8 || len == 12 ? WIRE_OK : WIRE_TOO_SHORT);
	}
}

/* R-7.1-V */
static void query_version_by_length(void **state)
{
	(void)state;
	frame_igmp(&frame, 0x11, 0, 0, 0, 0, 0, 0, 0);
	assert_int_equal(parse(), WIRE_OK);
	assert_int_equal(message.type, MESSAGE_QUERY);
	assert_int_equal(message.query.version, 1);
	assert_int_equal(message.query.max_response_ms, 0);
	assert_true(addr_is_unspecified(&message.query.group));

	/* The code of version 2 is linear. */
	frame_igmp(&frame, 0x11, 0xff, 0, 0, G1);
	assert_int_equal(parse(), WIRE_OK);
	assert_int_equal(message.query.version, 2);
	assert_int_equal(message.query.max_response_ms, 25500);
	assert_int_equal(message.query.qrv, 0);
	assert_int_equal(message.query.query_interval_ms, 0);
	assert_int_equal(message.query.n_sources, 0);
	assert_v4(&message.query.group, G1);

	/* A version 2 query that was padded inside its IP length is one of version 3. */
	frame_igmp(&frame, 0x11, 100, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	assert_int_equal(parse(), WIRE_OK);
	assert_int_equal(message.query.version, 3);
	assert_int_equal(message.query.qrv, 0);
	assert_int_equal(message.query.query_interval_ms, 0);

	/* Version 3 may have a code of 0. */
	frame_query_v3(0, 0, 0);
	assert_int_equal(parse(), WIRE_OK);
	assert_int_equal(message.query.version, 3);
	assert_int_equal(message.query.max_response_ms, 0);
}

/* P-5.2-MRTF, R-4.1.7-FLOAT: what the codes above 127 mean */
static void query_codes_are_decoded(void **state)
{
	(void)state;
	frame_query_v3(0x80, 0x0a, 0x8f);
	assert_int_equal(parse(), WIRE_OK);
	assert_int_equal(message.query.max_response_ms, 12800);
	assert_int_equal(message.query.query_interval_ms, 248000);
	assert_true(message.query.suppress);
	assert_int_equal(message.query.qrv, 2);
	frame_query_v3(0xff, 0x07, 0xff);
	assert_int_equal(parse(), WIRE_OK);
	assert_int_equal(message.query.max_response_ms, 3174400);
	assert_int_equal(message.query.query_interval_ms, 31744000);
	assert_false(message.query.suppress);
	assert_int_equal(message.query.qrv, 7);
}

/* R-4.1.8-N: also a number whose product would wrap in 16 bits */
static void query_sources_that_overrun(void **state)
{
	(void)state;
	frame_igmp(&frame, 0x11, 100, 0, 0, G1, 2, 125, 0, 2, S1, S2);
	assert_int_equal(parse(), WIRE_OK);
	assert_int_equal(message.query.n_sources, 2);
	assert_v4(&message.query.sources[1], S2);
	frame_igmp(&frame, 0x11, 100, 0, 0, G1, 2, 125, 0, 3, S1, S2);
	assert_int_equal(parse(), WIRE_MALFORMED);
	frame_igmp(&frame, 0x11, 100, 0, 0, G1, 2, 125, 0, 2, S1, 192, 0, 2);
	assert_int_equal(parse(), WIRE_MALFORMED);
	frame_igmp(&frame, 0x11, 100, 0, 0, G1, 2, 125, 0x40, 0, S1);
	assert_int_equal(parse(), WIRE_MALFORMED);
	frame_igmp(&frame, 0x11, 100, 0, 0, G1, 2, 125, 0xff, 0xff, S1);
	assert_int_equal(parse(), WIRE_MALFORMED);
}

/* R-4.2-REC, A-9: the number of records, of sources or of auxiliary words is too big */
static void report_records_that_overrun(void **state)
{
	(void)state;
	frame_igmp(&frame, 0x22, 0, 0, 0, 0, 0, 0, 2, 5, 0, 0, 1, G1, S1);
	assert_int_equal(parse(), WIRE_MALFORMED);
	frame_igmp(&frame, 0x22, 0, 0, 0, 0, 0, 0xff, 0xff, 5, 0, 0, 1, G1, S1);
	assert_int_equal(parse(), WIRE_MALFORMED);
	frame_igmp(&frame, 0x22, 0, 0, 0, 0, 0, 0, 1, 5, 0, 0, 2, G1, S1);
	assert_int_equal(parse(), WIRE_MALFORMED);
	frame_igmp(&frame, 0x22, 0, 0, 0, 0, 0, 0, 1, 5, 0, 0x40, 0, G1, S1);
	assert_int_equal(parse(), WIRE_MALFORMED);
	frame_igmp(&frame, 0x22, 0, 0, 0, 0, 0, 0, 1, 5, 1, 0, 1, G1, S1);
	assert_int_equal(parse(), WIRE_MALFORMED);
	frame_igmp(&frame, 0x22, 0, 0, 0, 0, 0, 0, 1, 5, 255, 0, 0, G1, S1);
	assert_int_equal(parse(), WIRE_MALFORMED);
	/* A second record that is cut within its first 8 octets. */
	frame_igmp(&frame, 0x22, 0, 0, 0, 0, 0, 0, 2, 5, 0, 0, 1, G1, S1, 5, 0, 0, 0, 239, 1, 1);
	assert_int_equal(parse(), WIRE_MALFORMED);
	/* Auxiliary data that ends exactly with the packet. */
	frame_igmp(&frame, 0x22, 0, 0, 0, 0, 0, 0, 1, 5, 1, 0, 0, G1, 1, 2, 3, 4);
	assert_int_equal(parse(), WIRE_OK);
}

/* R-4.2-M0 */
static void report_without_records(void **state)
{
	(void)state;
	frame_igmp(&frame, 0x22, 0, 0, 0, 0, 0, 0, 0);
	assert_int_equal(parse(), WIRE_OK);
	assert_int_equal(message.type, MESSAGE_REPORT);
	assert_int_equal(message.report.n_records, 0);
}

/* R-4-UNK */
static void unknown_types(void **state)
{
	(void)state;
	for (unsigned int type = 0; type < 256; type++) {
		const uint8_t octets[12] = { (uint8_t)type };
		bool known = type == 0x11 || type == 0x12 || type == 0x16 || type == 0x17 ||
			     type == 0x22;

		frame_init(&frame, octets, sizeof(octets));
		assert_int_equal(parse(), known ? WIRE_OK : WIRE_UNKNOWN_TYPE);
		frame_init(&frame, octets, 4);
		assert_int_equal(parse(), known ? WIRE_TOO_SHORT : WIRE_UNKNOWN_TYPE);
	}
}

/* R-4.2.13-UNK, R-4.2-DUP, R-4.2.9-GRP, R-4.2.10-SRC: the engine sees all of it and decides */
static void records_are_handed_on_as_they_are(void **state)
{
	(void)state;
	frame_igmp(&frame, 0x22, 0, 0, 0, 0, 0, 0, 4, /* four records */
		   0, 0, 0, 0, G1, 255, 0, 0, 1, G1, 224, 0, 0, 5, 5, 0, 0, 2, G1, S1, S1, /* */
		   4, 0, 0, 0, 10, 0, 0, 1);
	assert_int_equal(parse(), WIRE_OK);
	assert_int_equal(message.report.n_records, 4);
	assert_int_equal(message.report.records[0].type, 0);
	assert_int_equal(message.report.records[1].type, 255);
	assert_v4(&message.report.records[1].sources[0], 224, 0, 0, 5);
	assert_int_equal(message.report.records[2].n_sources, 2);
	assert_v4(&message.report.records[2].sources[1], S1);
	assert_v4(&message.report.records[3].group, 10, 0, 0, 1);
}

/* R-4.2.1-IGN */
static void reserved_fields_are_ignored(void **state)
{
	(void)state;
	frame_igmp(&frame, 0x22, 0xff, 0, 0, 0xff, 0xff, 0, 1, 4, 0, 0, 0, G1);
	assert_int_equal(parse(), WIRE_OK);
	assert_int_equal(message.report.n_records, 1);
	frame_igmp(&frame, 0x16, 0xff, 0, 0, G1);
	assert_int_equal(parse(), WIRE_OK);
	frame_query_v3(100, 0xf2, 125);
	assert_int_equal(parse(), WIRE_OK);
	assert_int_equal(message.query.qrv, 2);
	assert_false(message.query.suppress);
}

/* R-9279-E: with extensions, sound or not, the message counts */
static void extensions_are_ignored(void **state)
{
	(void)state;
	/* A query with the E bit and an unknown extension of type 0x1234, 4 octets of value. */
	frame_igmp(&frame, 0x11, 100, 0, 0, 0, 0, 0, 0, 0x82, 125, 0, 0, 0x12, 0x34, 0, 4, 1, 2, 3,
		   4);
	assert_int_equal(parse(), WIRE_OK);
	assert_int_equal(message.query.qrv, 2);
	/* Its length runs over the end. */
	frame_igmp(&frame, 0x11, 100, 0, 0, 0, 0, 0, 0, 0x82, 125, 0, 0, 0x12, 0x34, 0xff, 0xff, 1);
	assert_int_equal(parse(), WIRE_OK);
	/* The same for a report. */
	frame_igmp(&frame, 0x22, 0, 0, 0, 0x80, 0, 0, 1, 4, 0, 0, 0, G1, 0x12, 0x34, 0xff, 0xff);
	assert_int_equal(parse(), WIRE_OK);
	assert_int_equal(message.report.n_records, 1);
}

/* R-IHL: 5 to 15, with and without Router Alert among the options */
static void every_header_length_is_read(void **state)
{
	static const uint8_t router_alert[] = { 0x94, 4, 0, 0 };

	(void)state;
	for (size_t words = 0; words <= 10; words++) {
		uint8_t options[40];

		memset(options, 1, sizeof(options));
		frame_igmp(&frame, 0x16, 0, 0, 0, G1);
		frame_options(&frame, options, words * 4);
		assert_int_equal(parse(), WIRE_OK);
		assert_v4(&message.group, G1);
		assert_false(message.router_alert);

		for (size_t at = 0; words && at <= words * 4 - 4; at++) {
			memset(options, 1, sizeof(options));
			memcpy(options + at, router_alert, 4);
			frame_igmp(&frame, 0x16, 0, 0, 0, G1);
			frame_options(&frame, options, words * 4);
			assert_int_equal(parse(), WIRE_OK);
			assert_true(message.router_alert);
			assert_v4(&message.group, G1);
		}
	}
}

/* R-9.2-RA: what counts as Router Alert: not behind the end of options, not with another value */
static void router_alert_is_told(void **state)
{
	(void)state;
	frame_igmp(&frame, 0x16, 0, 0, 0, G1);
	frame_options(&frame, (const uint8_t *)"\x00\x94\x04\x00\x00\x00\x00\x00", 8);
	assert_int_equal(parse(), WIRE_OK);
	assert_false(message.router_alert);
	frame_igmp(&frame, 0x16, 0, 0, 0, G1);
	frame_options(&frame, (const uint8_t *)"\x94\x04\x00\x01", 4);
	assert_int_equal(parse(), WIRE_OK);
	assert_false(message.router_alert);
	/* Inside another option's data it is none. */
	frame_igmp(&frame, 0x16, 0, 0, 0, G1);
	frame_options(&frame, (const uint8_t *)"\x44\x08\x94\x04\x00\x00\x00\x00", 8);
	assert_int_equal(parse(), WIRE_OK);
	assert_false(message.router_alert);
}

/* A source route: what is of one link has no way to choose. */
static void source_routes_are_refused(void **state)
{
	(void)state;
	frame_igmp(&frame, 0x16, 0, 0, 0, G1);
	frame_options(&frame, (const uint8_t *)"\x94\x04\x00\x00\x83\x07\x04\x0a\x00\x01\x01\x00",
		      12);
	assert_int_equal(parse(), WIRE_BAD_HEADER);
	frame_igmp(&frame, 0x16, 0, 0, 0, G1);
	frame_options(&frame, (const uint8_t *)"\x89\x03\x04\x00", 4);
	assert_int_equal(parse(), WIRE_BAD_HEADER);
	/* Where the way is only written down it has not been chosen. */
	frame_igmp(&frame, 0x16, 0, 0, 0, G1);
	frame_options(&frame, (const uint8_t *)"\x07\x07\x04\x00\x00\x00\x00\x00", 8);
	assert_int_equal(parse(), WIRE_OK);
}

/* R-IHL: options that make no sense */
static void broken_options_are_refused(void **state)
{
	static const char *const options[] = { "\x94\x00\x00\x00", "\x94\x01\x00\x00",
					       "\x94\x05\x00\x00", "\x01\x94\x04\x00",
					       "\x01\x01\x01\x94", "\x44\xff\x00\x00" };

	(void)state;
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		frame_igmp(&frame, 0x16, 0, 0, 0, G1);
		frame_options(&frame, (const uint8_t *)options[i], 4);
		assert_int_equal(parse(), WIRE_BAD_HEADER);
	}
}

/* R-IHL: below 5, beyond the total length; the total length beyond the frame; the version */
static void impossible_headers_are_refused(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
	} changes[] = {
		{ 0, 0x40 }, { 0, 0x44 }, { 0, 0x4f },		    /* IHL */
		{ 0, 0x05 }, { 0, 0x55 }, { 0, 0x65 },		    /* version */
		{ 3, 0 },    { 3, 19 },	  { 3, 29 },   { 2, 0xff }, /* total length, 28 is right */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		frame_igmp(&frame, 0x16, 0, 0, 0, G1);
		frame.bytes[FRAME_IP + changes[i].at] = changes[i].value;
		frame_fix_ip(&frame);
		assert_int_equal(parse(), WIRE_BAD_HEADER);
	}
	/* A sum that is wrong by one bit. */
	frame_igmp(&frame, 0x16, 0, 0, 0, G1);
	frame.bytes[FRAME_IP + 8] ^= 2;
	assert_int_equal(parse(), WIRE_BAD_HEADER);
}

/* R-FRAG */
static void fragments_are_refused(void **state)
{
	static const struct {
		uint8_t flags, offset;
		enum wire_verdict verdict;
	} cases[] = {
		{ 0x20, 0, WIRE_FRAGMENT }, { 0x10, 0, WIRE_FRAGMENT },
		{ 0x00, 1, WIRE_FRAGMENT }, { 0x1f, 0xff, WIRE_FRAGMENT },
		{ 0x60, 0, WIRE_FRAGMENT }, { 0x40, 0, WIRE_OK },
		{ 0x00, 0, WIRE_OK },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		frame_igmp(&frame, 0x16, 0, 0, 0, G1);
		frame.bytes[FRAME_IP + 6] = cases[i].flags;
		frame.bytes[FRAME_IP + 7] = cases[i].offset;
		frame_fix_ip(&frame);
		assert_int_equal(parse(), cases[i].verdict);
	}
}

static void frame_big_report(size_t n_records)
{
	static uint8_t octets[16000];

	memset(octets, 0, sizeof(octets));
	octets[0] = 0x22;
	octets[6] = (uint8_t)(n_records >> 8);
	octets[7] = (uint8_t)n_records;
	for (size_t i = 0; i < n_records; i++) {
		const uint8_t record[8] = { 4, 0, 0, 0, 239, 1, (uint8_t)(i >> 8), (uint8_t)i };

		memcpy(octets + 8 + i * 8, record, 8);
	}
	frame_init(&frame, octets, 8 + n_records * 8);
}

/* R-4.2-MAX, R-FRAG: reports that fill a packet, up to MTU 9000; more is refused whole */
static void full_reports(void **state)
{
	static const size_t counts[] = { 183, 374, 1121 };
	uint8_t sources[8 + 8 + 365 * 4] = { 0x22, 0, 0, 0, 0, 0, 0, 1, 1, 0, 1, 109, G1 };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		frame_big_report(counts[i]);
		assert_int_equal(parse(), WIRE_OK);
		assert_int_equal(message.report.n_records, counts[i]);
		assert_v4(&message.report.records[counts[i] - 1].group, 239, 1,
			  (uint8_t)((counts[i] - 1) >> 8), (uint8_t)(counts[i] - 1));
	}
	frame_big_report(1900);
	assert_int_equal(parse(), WIRE_MALFORMED);

	for (size_t i = 0; i < 365; i++)
		memcpy(sources + 16 + 4 * i,
		       (const uint8_t[]){ 192, 0, (uint8_t)(i >> 8), (uint8_t)i }, 4);
	frame_init(&frame, sources, sizeof(sources));
	assert_int_equal(parse(), WIRE_OK);
	assert_int_equal(message.report.records[0].n_sources, 365);
	assert_v4(&message.report.records[0].sources[364], 192, 0, 1, 108);
}

static void other_frames_are_not_igmp(void **state)
{
	(void)state;
	frame_igmp(&frame, 0x16, 0, 0, 0, G1);
	frame.bytes[FRAME_IP + 9] = 17;
	frame_fix_ip(&frame);
	assert_int_equal(parse(), WIRE_NOT_IGMP);
	frame_igmp(&frame, 0x16, 0, 0, 0, G1);
	frame.bytes[12] = 0x86;
	frame.bytes[13] = 0xdd;
	assert_int_equal(parse(), WIRE_NOT_IGMP);
}

/* R-IHL: cut at every octet, nothing is read behind the end (the sanitizers watch) */
static void frames_cut_anywhere_are_refused(void **state)
{
	(void)state;
	frame_igmp(&frame, 0x22, 0, 0, 0, 0, 0, 0, 1, 5, 0, 0, 1, G1, S1);
	frame_options(&frame, (const uint8_t *)"\x94\x04\x00\x00", 4);
	for (size_t len = 0; len < frame.len; len++) {
		uint8_t *copy = test_malloc(len + 1);

		memcpy(copy, frame.bytes, len);
		assert_int_not_equal(wire_parse(copy, len, 0, buffer, &message), WIRE_OK);
		test_free(copy);
	}
	assert_int_equal(parse(), WIRE_OK);
}

static void verdicts_have_names(void **state)
{
	(void)state;
	for (int v = 0; v < WIRE_VERDICTS; v++)
		for (int w = 0; w < v; w++)
			assert_string_not_equal(wire_verdict_name((enum wire_verdict)v),
						wire_verdict_name((enum wire_verdict)w));
	assert_string_equal(wire_verdict_name(WIRE_BAD_CHECKSUM), "bad-checksum");
	assert_string_equal(wire_verdict_name(WIRE_TOO_SHORT), "too-short");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_fields),
		cmocka_unit_test(any_tos_is_read),
		cmocka_unit_test(wrong_checksum_is_refused),
		cmocka_unit_test(link_padding_is_ignored),
		cmocka_unit_test(checksum_of_an_odd_length),
		cmocka_unit_test(octets_behind_a_query_are_ignored),
		cmocka_unit_test(octets_behind_a_report),
		cmocka_unit_test(auxiliary_data_is_skipped),
		cmocka_unit_test(long_v1_v2_messages_are_read_as_8_octets),
		cmocka_unit_test(short_messages_are_refused),
		cmocka_unit_test(query_lengths_9_to_11_are_refused),
		cmocka_unit_test(query_version_by_length),
		cmocka_unit_test(query_codes_are_decoded),
		cmocka_unit_test(query_sources_that_overrun),
		cmocka_unit_test(report_records_that_overrun),
		cmocka_unit_test(report_without_records),
		cmocka_unit_test(unknown_types),
		cmocka_unit_test(records_are_handed_on_as_they_are),
		cmocka_unit_test(reserved_fields_are_ignored),
		cmocka_unit_test(extensions_are_ignored),
		cmocka_unit_test(every_header_length_is_read),
		cmocka_unit_test(router_alert_is_told),
		cmocka_unit_test(source_routes_are_refused),
		cmocka_unit_test(broken_options_are_refused),
		cmocka_unit_test(impossible_headers_are_refused),
		cmocka_unit_test(fragments_are_refused),
		cmocka_unit_test(full_reports),
		cmocka_unit_test(other_frames_are_not_igmp),
		cmocka_unit_test(frames_cut_anywhere_are_refused),
		cmocka_unit_test(verdicts_have_names),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
