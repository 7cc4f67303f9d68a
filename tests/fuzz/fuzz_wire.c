// SPDX-License-Identifier: BSD-2-Clause
/*
 * The codec: any octets are parsed or refused without harm, and what is parsed and can be built
 * again is parsed to the same message.
 */
#include <stdlib.h>

#include "wire/bytes.h"
#include "wire/igmp.h"
#include "wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static bool sources_equal(const struct addr *a, uint32_t n_a, const struct addr *b, uint32_t n_b)
{
	return n_a == n_b && (n_a == 0 || memcmp(a, b, n_a * sizeof(*a)) == 0);
}

static bool queries_equal(const struct message_query *a, const struct message_query *b)
{
	return a->version == b->version && addr_equal(&a->group, &b->group) &&
	       a->max_response_ms == b->max_response_ms && a->suppress == b->suppress &&
	       a->qrv == b->qrv && a->query_interval_ms == b->query_interval_ms &&
	       sources_equal(a->sources, a->n_sources, b->sources, b->n_sources);
}

static bool reports_equal(const struct message_report *a, const struct message_report *b)
{
	if (a->n_records != b->n_records)
		return false;
	for (uint32_t i = 0; i < a->n_records; i++) {
		const struct message_record *x = &a->records[i], *y = &b->records[i];

		if (x->type != y->type || !addr_equal(&x->group, &y->group) ||
		    !sources_equal(x->sources, x->n_sources, y->sources, y->n_sources))
			return false;
	}
	return true;
}

static bool messages_equal(const struct message *a, const struct message *b)
{
	if (a->type != b->type || !addr_equal(&a->source, &b->source))
		return false;
	if (a->type == MESSAGE_QUERY)
		return queries_equal(&a->query, &b->query);
	if (a->type == MESSAGE_REPORT)
		return reports_equal(&a->report, &b->report);
	return addr_equal(&a->group, &b->group);
}

static void parse_and_rebuild(const uint8_t *data, size_t size)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };
	static struct wire_buffer *first, *second;
	static uint8_t frame[WIRE_FRAME_MAX];
	struct message message, again;
	ssize_t len;

	if (!first) {
		first = wire_buffer_new();
		second = wire_buffer_new();
		check(first && second);
	}
	if (wire_parse(data, size, 0, first, &message) != WIRE_OK)
		return;
	check(igmp_destination(&message, &message.destination) == 0);
	len = wire_build(&message, mac, 0, frame, sizeof(frame));
	if (len < 0)
		return;
	check(wire_parse(frame, (size_t)len, 0, second, &again) == WIRE_OK);
	check(messages_equal(&message, &again));
	check(again.ttl == 1 && again.router_alert);
}

static void put_checksum(uint8_t *field, const uint8_t *data, size_t len)
{
	bytes_put_be16(field, 0);
	bytes_put_be16(field, bytes_checksum(data, len));
}

/* Makes both checksums right where they are within the frame: chance would not hit them. */
static void repair(uint8_t *frame, size_t size)
{
	uint8_t *ip = frame + WIRE_LINK_HEADER;
	size_t header_len, total_len;

	if (size < WIRE_LINK_HEADER + 20)
		return;
	header_len = (ip[0] & 15) * 4u;
	total_len = bytes_get_be16(ip + 2);
	if (header_len < 20 || total_len < header_len || total_len > size - WIRE_LINK_HEADER)
		return;
	put_checksum(ip + 10, ip, header_len);
	if (total_len - header_len >= 4)
		put_checksum(ip + header_len + 2, ip + header_len, total_len - header_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	check(copy);
	parse_and_rebuild(data, size);
	if (size)
		memcpy(copy, data, size);
	repair(copy, size);
	parse_and_rebuild(copy, size);
	free(copy);
	return 0;
}
