// SPDX-License-Identifier: BSD-2-Clause
/* Frames of real hosts and routers are read as they were meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../support/captures.h"
#include "wire/wire.h"

struct expected {
	const char *name;
	enum wire_verdict verdict;
	uint32_t source; /* as a number */
	uint32_t destination;
	bool router_alert;
	enum message_type type;
	uint32_t group;	      /* of a query, a version 1 or 2 message, or the first record */
	uint32_t number;      /* a query's version, a report's number of records */
	uint32_t response_ms; /* of a query */
};

static const struct expected expectations[] = {
	{ "v1_query", WIRE_OK, 0x0a00c897, 0xe0000001, true, MESSAGE_QUERY, 0, 1, 0 },
	{ "v1_report", WIRE_OK, 0x0a00c8a3, 0xe00000fc, true, MESSAGE_V1_REPORT, 0xe00000fc, 0, 0 },
	/* R-9.2-SRC: an off-subnet reporter is the engine's affair */
	{ "v1_report_off_subnet", WIRE_OK, 0xc0a80103, 0xeffffffa, true, MESSAGE_V1_REPORT,
	  0xeffffffa, 0, 0 },
	/* R-9.2-RA, R-4-TOSRX, R-4.1.2-LEN */
	{ "v2_query", WIRE_OK, 0xc0a80102, 0xe0000001, false, MESSAGE_QUERY, 0, 2, 10000 },
	{ "v2_report", WIRE_OK, 0xc0a80140, 0xeffffffa, true, MESSAGE_V2_REPORT, 0xeffffffa, 0, 0 },
	{ "v2_leave", WIRE_OK, 0xc0a80bc9, 0xe0000002, true, MESSAGE_V2_LEAVE, 0xe1010103, 0, 0 },
	{ "v2_group_query", WIRE_OK, 0xc0a80102, 0xe1010103, false, MESSAGE_QUERY, 0xe1010103, 2,
	  1000 },
	{ "v3_query", WIRE_OK, 0xc0020002, 0xe0000001, true, MESSAGE_QUERY, 0, 3, 10000 },
	/* P-5.2-MRTF: 0xfe is 30 << 10 tenths */
	{ "v3_query_float", WIRE_OK, 0xc0020002, 0xe0000001, true, MESSAGE_QUERY, 0, 3, 3072000 },
	{ "v3_to_ex", WIRE_OK, 0xc0a80196, 0xe0000016, true, MESSAGE_REPORT, 0xeffffffa, 1, 0 },
	/* R-4.1.10-RX, R-4.2.12-RX */
	{ "v3_query_trailing", WIRE_OK, 0xc0a80001, 0xe0000001, true, MESSAGE_QUERY, 0, 3, 10000 },
	{ "v3_report_trailing", WIRE_OK, 0xc0a8001a, 0xe0000016, true, MESSAGE_REPORT, 0xe00000fb,
	  1, 0 },
	{ "v3_report_two", WIRE_OK, 0xc0a8006d, 0xe0000016, true, MESSAGE_REPORT, 0xeffffffa, 2,
	  0 },
	{ "v2_report_no_options", WIRE_OK, 0x0a000001, 0xef000001, false, MESSAGE_V2_REPORT,
	  0xef000001, 0, 0 },
	/* R-4.1.2-BAD */
	{ .name = "v2_bad_checksum", .verdict = WIRE_BAD_CHECKSUM },
	/* R-4-UNK */
	{ .name = "mtrace_query", .verdict = WIRE_UNKNOWN_TYPE },
	{ .name = "mtrace_response", .verdict = WIRE_UNKNOWN_TYPE },
	{ .name = "dvmrp_ask", .verdict = WIRE_UNKNOWN_TYPE },
	{ .name = "mdns", .verdict = WIRE_NOT_IGMP },
	{ .name = "mld_report", .verdict = WIRE_NOT_IGMP },
	{ .name = "vxlan", .verdict = WIRE_NOT_IGMP },
};

static void assert_message(const struct expected *e, const struct message *message)
{
	const struct addr *group = &message->group;

	assert_int_equal(message->type, e->type);
	assert_int_equal(addr_to_v4_host(&message->source), e->source);
	assert_int_equal(addr_to_v4_host(&message->destination), e->destination);
	assert_int_equal(message->router_alert, e->router_alert);
	assert_int_equal(message->ttl, 1);
	if (message->type == MESSAGE_QUERY) {
		group = &message->query.group;
		assert_int_equal(message->query.version, e->number);
		assert_int_equal(message->query.max_response_ms, e->response_ms);
		assert_int_equal(message->query.n_sources, 0);
		assert_int_equal(message->query.query_interval_ms, e->number == 3 ? 125000 : 0);
	} else if (message->type == MESSAGE_REPORT) {
		group = &message->report.records[0].group;
		assert_int_equal(message->report.n_records, e->number);
		assert_int_equal(message->report.records[0].n_sources, 0);
	}
	assert_int_equal(addr_to_v4_host(group), e->group);
}

/* R-9.2-RA, R-4-TOSRX, R-4.1.2-LEN, R-4.1.10-RX, R-4.2.12-RX, R-4.1.2-BAD, R-4-UNK, P-5.2-MRTF */
static void captures_are_read(void **state)
{
	struct wire_buffer *buffer = wire_buffer_new();

	(void)state;
	assert_non_null(buffer);
	for (size_t i = 0; i < sizeof(expectations) / sizeof(expectations[0]); i++) {
		const struct expected *e = &expectations[i];
		const struct capture *capture = capture_find(e->name);
		struct message message;

		assert_non_null(capture);
		print_message("%s\n", e->name);
		assert_int_equal(wire_parse((const uint8_t *)capture->bytes, capture->len, 0,
					    buffer, &message),
				 e->verdict);
		if (e->verdict == WIRE_OK)
			assert_message(e, &message);
	}
	wire_buffer_free(buffer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(captures_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
