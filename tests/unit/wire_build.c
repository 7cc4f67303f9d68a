// SPDX-License-Identifier: BSD-2-Clause
/* Transmission format: docs/CONFORMANCE.md section 1, the codec's part. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../support/frame.h"
#include "wire/igmp.h"
#include "wire/wire.h"

#define IP FRAME_IP
#define IGMP (FRAME_IP + 24)

static const uint8_t mac[6] = { 0x02, 0, 0, 0, 0, 0x64 };
static uint8_t frame[WIRE_FRAME_MAX];
static struct addr sources[3000];

static struct addr v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	return addr_from_v4((const uint8_t[]){ a, b, c, d });
}

static struct message message_of(enum message_type type)
{
	struct message message = { .type = type, .source = v4(10, 0, 1, 100) };

	return message;
}

static struct message query_of(uint8_t version, struct addr group)
{
	struct message message = message_of(MESSAGE_QUERY);

	message.query = (struct message_query){ .version = version,
						.group = group,
						.max_response_ms = 10000,
						.query_interval_ms = 125000,
						.qrv = 2 };
	return message;
}

static ssize_t build(struct message *message)
{
	memset(frame, 0xee, sizeof(frame));
	assert_int_equal(igmp_destination(message, &message->destination), 0);
	return wire_build(message, mac, 0, frame, sizeof(frame));
}

/* Every kind of message there is, one after the other; false at the end. */
static bool example(unsigned int i, struct message *message)
{
	static const enum message_type short_types[] = { MESSAGE_V1_REPORT, MESSAGE_V2_REPORT,
							 MESSAGE_V2_LEAVE };
	static struct message_record records[] = {
		{ .type = RECORD_IS_EX },
		{ .type = RECORD_ALLOW, .sources = sources, .n_sources = 3 },
		{ .type = RECORD_BLOCK, .sources = sources, .n_sources = 1 },
	};

	for (uint8_t s = 0; s < 3; s++) {
		sources[s] = v4(192, 0, 2, s);
		records[s].group = v4(239, 1, 1, s);
	}
	if (i < 3) {
		*message = query_of((uint8_t)(i + 1), (struct addr){ 0 });
	} else if (i < 5) {
		*message = query_of((uint8_t)(i - 1), v4(239, 129, 2, 3));
	} else if (i < 6) {
		*message = query_of(3, v4(239, 129, 2, 3));
		message->query.sources = sources;
		message->query.n_sources = 3;
		message->query.suppress = true;
	} else if (i < 9) {
		*message = message_of(short_types[i - 6]);
		message->group = v4(239, 129, 2, 3);
	} else if (i < 11) {
		*message = message_of(MESSAGE_REPORT);
		message->report = (struct message_report){ records, i == 9 ? 0 : 3 };
	} else {
		return false;
	}
	return true;
}

/* R-4-TTL, R-4-TOS, R-4-RA, D-CSUM: the header of every message that is sent */
static void headers(void **state)
{
	struct message message;
	unsigned int i;

	(void)state;
	for (i = 0; example(i, &message); i++) {
		ssize_t len = build(&message);

		assert_true(len > IGMP);
		assert_memory_equal(frame + 6, mac, 6);
		assert_memory_equal(frame + 12, "\x08\x00\x46\xc0", 4);
		assert_int_equal(frame[IP + 2] * 256 + frame[IP + 3], len - IP);
		assert_memory_equal(frame + IP + 4, "\x00\x00\x40\x00\x01\x02", 6);
		assert_int_equal(frame_checksum(frame + IP, 24), 0);
		assert_memory_equal(frame + IP + 12, "\x0a\x00\x01\x64", 4);
		assert_memory_equal(frame + IP + 20, "\x94\x04\x00\x00", 4);
	}
	assert_int_equal(i, 11);
}

/* R-4.1-TYPE, R-4.1.2-CSUM */
static void types_and_checksums(void **state)
{
	static const uint8_t types[] = { 0x11, 0x11, 0x11, 0x11, 0x11, 0x11,
					 0x12, 0x16, 0x17, 0x22, 0x22 };
	struct message message;

	(void)state;
	for (unsigned int i = 0; example(i, &message); i++) {
		ssize_t len = build(&message);

		assert_int_equal(frame[IGMP], types[i]);
		assert_int_equal(frame_checksum(frame + IGMP, (size_t)len - IGMP), 0);
	}
}

/* R-4.1.12-DST, R-4.2.15-DST: the address, and the MAC from its low 23 bits (D-MAC) */
static void destinations(void **state)
{
	static const char group[] = "\x01\x00\x5e\x01\x02\x03\xef\x81\x02\x03";
	static const char all_systems[] = "\x01\x00\x5e\x00\x00\x01\xe0\x00\x00\x01";
	static const char all_routers[] = "\x01\x00\x5e\x00\x00\x02\xe0\x00\x00\x02";
	static const char v3_reports[] = "\x01\x00\x5e\x00\x00\x16\xe0\x00\x00\x16";
	static const char *const expected[] = { all_systems, all_systems, all_systems, group,
						group,	     group,	  group,       group,
						all_routers, v3_reports,  v3_reports };
	struct message message;

	(void)state;
	for (unsigned int i = 0; example(i, &message); i++) {
		build(&message);
		assert_memory_equal(frame, expected[i], 6);
		assert_memory_equal(frame + IP + 16, expected[i] + 6, 4);
	}
}

/* R-4.1.12-DST, R-4.2.15-DST: another destination is not sent to */
static void wrong_destinations_are_refused(void **state)
{
	struct message message;

	(void)state;
	for (unsigned int i = 0; example(i, &message); i++) {
		build(&message);
		message.destination = v4(10, 0, 1, 1);
		assert_int_equal(wire_build(&message, mac, 0, frame, sizeof(frame)), -EINVAL);
		message.destination = v4(224, 0, 0, 251);
		assert_int_equal(wire_build(&message, mac, 0, frame, sizeof(frame)), -EINVAL);
	}
	message = message_of(MESSAGE_V2_REPORT);
	message.group = v4(10, 1, 1, 1);
	assert_int_equal(build(&message), -EINVAL);
}

/* R-4.1.3-GA, R-4.1.4-FLAGS, R-4.1.10-TX: the octets of the three kinds of query */
static void query_octets(void **state)
{
	struct message message = query_of(3, (struct addr){ 0 });

	(void)state;
	assert_int_equal(build(&message), IGMP + 12);
	assert_memory_equal(frame + IGMP, "\x11\x64\xec\x1e\x00\x00\x00\x00\x02\x7d\x00\x00", 12);
	example(4, &message);
	assert_int_equal(build(&message), IGMP + 12);
	assert_memory_equal(frame + IGMP + 4, "\xef\x81\x02\x03\x02\x7d\x00\x00", 8);
	example(5, &message);
	assert_int_equal(build(&message), IGMP + 24);
	assert_memory_equal(frame + IGMP + 4,
			    "\xef\x81\x02\x03\x0a\x7d\x00\x03"
			    "\xc0\x00\x02\x00\xc0\x00\x02\x01\xc0\x00\x02\x02",
			    20);
	/* A general query may carry 0.0.0.0 in either notation. */
	message = query_of(3, v4(0, 0, 0, 0));
	assert_int_equal(build(&message), IGMP + 12);
	assert_memory_equal(frame + IP + 16, "\xe0\x00\x00\x01", 4);
}

/* R-7.3.1-V2Q, R-7.3.1-V1Q: 8 octets, the time linear, within 1 to 255; none in version 1 */
static void older_queries(void **state)
{
	static const struct {
		uint32_t ms;
		uint8_t code;
	} codes[] = { { 10000, 100 }, { 25500, 255 }, { 12800, 128 }, { 30000, 255 },
		      { 1099, 10 },   { 0, 1 },	      { 50, 1 } };

	(void)state;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		struct message message = query_of(2, (struct addr){ 0 });

		message.query.max_response_ms = codes[i].ms;
		assert_int_equal(build(&message), IGMP + 8);
		assert_int_equal(frame[IGMP + 1], codes[i].code);
		message.query.version = 1;
		assert_int_equal(build(&message), IGMP + 8);
		assert_int_equal(frame[IGMP + 1], 0);
	}
}

/* R-4.1.6-QRV */
static void qrv(void **state)
{
	(void)state;
	for (unsigned int n = 0; n < 256; n++) {
		struct message message = query_of(3, (struct addr){ 0 });

		message.query.qrv = (uint8_t)n;
		build(&message);
		assert_int_equal(frame[IGMP + 8], n <= 7 ? n : 0);
	}
}

/* R-4.1.7-QQIC, R-4.1.1-MRC, R-4.1.1-LMQ: the next lower value that can be said */
static void codes(void **state)
{
	static const struct {
		uint32_t value;
		uint8_t code;
	} cases[] = { { 0, 0 },	       { 1, 1 },      { 100, 100 },    { 125, 0x7d },
		      { 127, 0x7f },   { 128, 0x80 }, { 130, 0x80 },   { 135, 0x80 },
		      { 136, 0x81 },   { 255, 0x8f }, { 256, 0x90 },   { 300, 0x92 },
		      { 303, 0x92 },   { 304, 0x93 }, { 31743, 0xfe }, { 31744, 0xff },
		      { 31745, 0xff }, { ~0u, 0xff } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(wire_code_encode(cases[i].value), cases[i].code);
	assert_true(wire_code_decode(wire_code_encode(3600)) <= 3600);
	for (uint32_t value = 0, code = 0; value <= 32000; value++) {
		while (code < 255 && wire_code_decode((uint8_t)(code + 1)) <= value)
			code++;
		assert_int_equal(wire_code_encode(value), code);
	}
}

/* R-4.1.7-FLOAT, P-5.2-MRTF: codes decode to (mant | 0x10) << (exp + 3) */
static void codes_are_decoded(void **state)
{
	(void)state;
	for (unsigned int code = 0; code < 256; code++) {
		uint32_t value = wire_code_decode((uint8_t)code);

		assert_int_equal(value,
				 code < 128 ? code
					    : ((code & 15) + 16) * (8u << ((code & 0x70) / 0x10)));
		assert_int_equal(wire_code_encode(value), code);
	}
}

/* R-4.1.1-MRC, R-4.1.1-LMQ, R-4.1.7-QQIC: times in a query that is sent */
static void query_times(void **state)
{
	struct message message = query_of(3, v4(239, 1, 1, 1));

	(void)state;
	message.query.max_response_ms = 12800;
	message.query.query_interval_ms = 130000;
	build(&message);
	assert_int_equal(frame[IGMP + 1], 0x80);
	assert_int_equal(frame[IGMP + 9], 0x80);
	message.query.max_response_ms = 30000;
	message.query.query_interval_ms = 128000;
	build(&message);
	assert_int_equal(frame[IGMP + 1], 0x92);
	assert_int_equal(frame[IGMP + 9], 0x80);
	message.query.max_response_ms = 12799;
	message.query.query_interval_ms = 40000000;
	build(&message);
	assert_int_equal(frame[IGMP + 1], 0x7f);
	assert_int_equal(frame[IGMP + 9], 0xff);
}

/* R-4.2.1-RES, R-4.2.11-AUX, R-4.2.12-TX: the octets of a report */
static void report_octets(void **state)
{
	struct message message;

	(void)state;
	example(10, &message);
	assert_int_equal(build(&message), IGMP + 8 + 8 + 20 + 12);
	assert_memory_equal(frame + IGMP + 4,
			    "\x00\x00\x00\x03"
			    "\x02\x00\x00\x00\xef\x01\x01\x00"
			    "\x05\x00\x00\x03\xef\x01\x01\x01"
			    "\xc0\x00\x02\x00\xc0\x00\x02\x01\xc0\x00\x02\x02"
			    "\x06\x00\x00\x01\xef\x01\x01\x02\xc0\x00\x02\x00",
			    44);
	assert_int_equal(frame[IGMP + 1], 0);
	example(7, &message);
	assert_int_equal(build(&message), IGMP + 8);
	assert_memory_equal(frame + IGMP + 4, "\xef\x81\x02\x03", 4);
	assert_int_equal(frame[IGMP + 1], 0);
}

/* R-4.2.14-SRC: 0.0.0.0 while there is no address */
static void reports_without_an_address(void **state)
{
	struct message message;

	(void)state;
	example(10, &message);
	message.source = (struct addr){ 0 };
	assert_true(build(&message) > 0);
	assert_memory_equal(frame + IP + 12, "\x00\x00\x00\x00", 4);
	assert_int_equal(frame_checksum(frame + IP, 24), 0);
}

/* R-4.1.8-MTU: 366 sources fill MTU 1500; one octet too little room is too little */
static void messages_that_do_not_fit(void **state)
{
	struct message message = query_of(3, v4(239, 1, 1, 1));

	(void)state;
	for (size_t i = 0; i < 3000; i++)
		sources[i] = v4(10, 9, (uint8_t)(i >> 8), (uint8_t)i);
	message.query.sources = sources;
	message.query.n_sources = 366;
	assert_int_equal(build(&message), 1500 + WIRE_LINK_HEADER);
	assert_int_equal(wire_build(&message, mac, 0, frame, 1513), -EMSGSIZE);
	message.query.n_sources = 2241;
	assert_int_equal(build(&message), 9000 + WIRE_LINK_HEADER);
	message.query.n_sources = 2243;
	assert_int_equal(build(&message), -EMSGSIZE);
	for (unsigned int i = 0; example(i, &message); i++) {
		ssize_t len = build(&message);

		for (ssize_t size = 0; size < len; size++)
			assert_int_equal(wire_build(&message, mac, 0, frame, (size_t)size),
					 -EMSGSIZE);
		assert_int_equal(wire_build(&message, mac, 0, frame, (size_t)len), len);
	}
}

/* Not IPv4, no such type, no such version: no frame */
static void what_cannot_be_said_is_refused(void **state)
{
	struct addr v6 = { .b = { 0xff, 0x0e, [15] = 1 } };
	struct message message;

	(void)state;
	example(5, &message);
	sources[1] = v6;
	assert_int_equal(build(&message), -EINVAL);
	example(10, &message);
	sources[1] = v6;
	assert_int_equal(build(&message), -EINVAL);
	example(7, &message);
	message.group = v6;
	assert_int_equal(build(&message), -EINVAL);
	example(2, &message);
	message.source = v6;
	assert_int_equal(build(&message), -EINVAL);
	example(2, &message);
	message.query.version = 4;
	assert_int_equal(build(&message), -EINVAL);
	message.type = (enum message_type)99;
	assert_int_equal(igmp_destination(&message, &message.destination), -EINVAL);
	assert_int_equal(wire_build(&message, mac, 0, frame, sizeof(frame)), -EINVAL);
}

/* What was built is read back as it was meant. */
static void round_trip(void **state)
{
	struct wire_buffer *buffer = wire_buffer_new();
	struct message message, got;

	(void)state;
	assert_non_null(buffer);
	for (unsigned int i = 0; example(i, &message); i++) {
		ssize_t len = build(&message);

		assert_int_equal(wire_parse(frame, (size_t)len, 0, buffer, &got), WIRE_OK);
		assert_int_equal(got.type, message.type);
		assert_true(addr_equal(&got.source, &message.source));
		assert_true(addr_equal(&got.destination, &message.destination));
		assert_int_equal(got.ttl, 1);
		assert_true(got.router_alert);
		if (message.type == MESSAGE_QUERY) {
			assert_int_equal(got.query.version, message.query.version);
			assert_true(addr_equal(&got.query.group, &message.query.group));
			assert_int_equal(got.query.n_sources, message.query.n_sources);
			assert_int_equal(got.query.suppress, message.query.suppress);
			assert_int_equal(got.query.max_response_ms,
					 message.query.version == 1 ? 0 : 10000);
			assert_int_equal(got.query.query_interval_ms,
					 message.query.version == 3 ? 125000 : 0);
			for (uint32_t s = 0; s < got.query.n_sources; s++)
				assert_true(addr_equal(&got.query.sources[s], &sources[s]));
		} else if (message.type == MESSAGE_REPORT) {
			assert_int_equal(got.report.n_records, message.report.n_records);
			for (uint32_t r = 0; r < got.report.n_records; r++) {
				const struct message_record *a = &got.report.records[r];
				const struct message_record *b = &message.report.records[r];

				assert_int_equal(a->type, b->type);
				assert_true(addr_equal(&a->group, &b->group));
				assert_int_equal(a->n_sources, b->n_sources);
				for (uint32_t s = 0; s < a->n_sources; s++)
					assert_true(addr_equal(&a->sources[s], &b->sources[s]));
			}
		} else {
			assert_true(addr_equal(&got.group, &message.group));
		}
	}
	wire_buffer_free(buffer);
}

/* D-VLAN: a tag is put in and read back, and only by who asks for that VLAN. */
static void vlan_tag(void **state)
{
	static const uint8_t tag[] = { 0x81, 0x00, 0xc0, 0x07, 0x08, 0x00 };
	struct wire_buffer *buffer = wire_buffer_new();
	struct message message, got;
	uint8_t tagged[WIRE_FRAME_MAX];
	ssize_t len, plain;

	(void)state;
	assert_non_null(buffer);
	assert_true(example(0, &message));
	plain = build(&message);
	len = wire_build(&message, mac, 7, tagged, sizeof(tagged));
	assert_int_equal(len, plain + 4);
	assert_memory_equal(tagged, frame, 12);
	assert_memory_equal(tagged + 12, tag, sizeof(tag));
	assert_memory_equal(tagged + 18, frame + 14, (size_t)plain - 14);
	assert_int_equal(wire_parse(tagged, (size_t)len, 7, buffer, &got), WIRE_OK);
	assert_int_equal(wire_parse(tagged, (size_t)len, 8, buffer, &got), WIRE_NOT_IGMP);
	assert_int_equal(wire_parse(tagged, (size_t)len, 0, buffer, &got), WIRE_NOT_IGMP);
	assert_int_equal(wire_parse(frame, (size_t)plain, 7, buffer, &got), WIRE_NOT_IGMP);
	/* The priority is the sender's, the VLAN is not. */
	tagged[14] = 0x20;
	assert_int_equal(wire_parse(tagged, (size_t)len, 7, buffer, &got), WIRE_OK);
	wire_buffer_free(buffer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vlan_tag),
		cmocka_unit_test(headers),
		cmocka_unit_test(types_and_checksums),
		cmocka_unit_test(destinations),
		cmocka_unit_test(wrong_destinations_are_refused),
		cmocka_unit_test(query_octets),
		cmocka_unit_test(older_queries),
		cmocka_unit_test(qrv),
		cmocka_unit_test(codes),
		cmocka_unit_test(codes_are_decoded),
		cmocka_unit_test(query_times),
		cmocka_unit_test(report_octets),
		cmocka_unit_test(reports_without_an_address),
		cmocka_unit_test(messages_that_do_not_fit),
		cmocka_unit_test(what_cannot_be_said_is_refused),
		cmocka_unit_test(round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
