// SPDX-License-Identifier: BSD-2-Clause
#include "igmp.h"

#include <errno.h>

#include "bytes.h"

#define IGMP_QUERY 0x11
#define IGMP_V1_REPORT 0x12
#define IGMP_V2_REPORT 0x16
#define IGMP_V2_LEAVE 0x17
#define IGMP_V3_REPORT 0x22

/* Versions 1 and 2, and the fixed part of a version 3 report. */
#define IGMP_SHORT_LEN 8
#define IGMP_V3_QUERY_LEN 12
#define IGMP_RECORD_LEN 8
#define IGMP_SOURCE_LEN 4

#define IGMP_QUERY_S 0x08
#define IGMP_QUERY_QRV 0x07

/* --- Codes ------------------------------------------------------------------------------------ */

/* 1 | exp (3 bits) | mant (4 bits) stands for (mant | 0x10) << (exp + 3). */
uint32_t wire_code_decode(uint8_t code)
{
	if (code < 128)
		return code;
	return (uint32_t)((code & 0x0f) | 0x10) << (((code >> 4) & 0x07) + 3);
}

uint8_t wire_code_encode(uint32_t value)
{
	unsigned int exp = 0;

	if (value < 128)
		return (uint8_t)value;
	if (value >= 31744)
		return 0xff;
	while (value >> (exp + 3) > 0x1f)
		exp++;
	return (uint8_t)(0x80 | exp << 4 | (value >> (exp + 3) & 0x0f));
}

/* --- Reading ---------------------------------------------------------------------------------- */

static const struct addr *sources_parse(const uint8_t *data, size_t n, struct addr *sources)
{
	for (size_t i = 0; i < n; i++)
		sources[i] = addr_from_v4(data + i * IGMP_SOURCE_LEN);
	return sources;
}

/* The group 0.0.0.0 of a General Query is the unspecified address, not an IPv4 one. */
static struct addr query_group_parse(const uint8_t *data)
{
	static const uint8_t none[4];
	struct addr group = { 0 };

	if (memcmp(data, none, sizeof(none)) != 0)
		group = addr_from_v4(data);
	return group;
}

/* RFC 9776 section 7.1: the version is told by the length and the Max Resp Code. */
static enum wire_verdict query_parse(const uint8_t *data, size_t len, struct wire_buffer *buffer,
				     struct message *message)
{
	struct message_query *query = &message->query;
	size_t n;

	*query = (struct message_query){ .group = query_group_parse(data + 4) };
	if (len == IGMP_SHORT_LEN) {
		query->version = data[1] ? 2 : 1;
		query->max_response_ms = data[1] * 100u;
		return WIRE_OK;
	}
	if (len < IGMP_V3_QUERY_LEN)
		return WIRE_TOO_SHORT;
	n = bytes_get_be16(data + 10);
	if (n * IGMP_SOURCE_LEN > len - IGMP_V3_QUERY_LEN)
		return WIRE_MALFORMED;
	query->version = 3;
	query->max_response_ms = wire_code_decode(data[1]) * 100;
	query->suppress = data[8] & IGMP_QUERY_S;
	query->qrv = data[8] & IGMP_QUERY_QRV;
	query->query_interval_ms = wire_code_decode(data[9]) * 1000;
	query->sources = sources_parse(data + IGMP_V3_QUERY_LEN, n, buffer->sources);
	query->n_sources = (uint32_t)n;
	return WIRE_OK;
}

static enum wire_verdict report_parse(const uint8_t *data, size_t len, struct wire_buffer *buffer,
				      struct message *message)
{
	struct addr *sources = buffer->sources;
	size_t n_records = bytes_get_be16(data + 6);
	size_t at = IGMP_SHORT_LEN;

	for (size_t i = 0; i < n_records; i++) {
		const uint8_t *p = data + at;
		size_t n, aux_len;

		if (len - at < IGMP_RECORD_LEN)
			return WIRE_MALFORMED;
		aux_len = (size_t)p[1] * 4;
		n = bytes_get_be16(p + 2);
		at += IGMP_RECORD_LEN;
		if (n * IGMP_SOURCE_LEN + aux_len > len - at)
			return WIRE_MALFORMED;
		at += n * IGMP_SOURCE_LEN + aux_len;
		buffer->records[i] = (struct message_record){
			.type = p[0],
			.group = addr_from_v4(p + 4),
			.sources = sources_parse(p + IGMP_RECORD_LEN, n, sources),
			.n_sources = (uint32_t)n,
		};
		sources += n;
	}
	message->report = (struct message_report){ buffer->records, (uint32_t)n_records };
	return WIRE_OK;
}

static enum wire_verdict group_parse(const uint8_t *data, size_t len, struct wire_buffer *buffer,
				     struct message *message)
{
	(void)len; /* octets behind the eighth are ignored, RFC 2236 section 2.5 */
	(void)buffer;
	message->group = addr_from_v4(data + 4);
	return WIRE_OK;
}

static const struct igmp_type {
	uint8_t number;
	enum message_type type;
	enum wire_verdict (*parse)(const uint8_t *data, size_t len, struct wire_buffer *buffer,
				   struct message *message);
} igmp_types[] = {
	{ IGMP_QUERY, MESSAGE_QUERY, query_parse },
	{ IGMP_V3_REPORT, MESSAGE_REPORT, report_parse },
	{ IGMP_V2_REPORT, MESSAGE_V2_REPORT, group_parse },
	{ IGMP_V2_LEAVE, MESSAGE_V2_LEAVE, group_parse },
	{ IGMP_V1_REPORT, MESSAGE_V1_REPORT, group_parse },
};
#define N_IGMP_TYPES (sizeof(igmp_types) / sizeof(igmp_types[0]))

enum wire_verdict igmp_parse(const uint8_t *data, size_t len, struct wire_buffer *buffer,
			     struct message *message)
{
	const struct igmp_type *type = igmp_types;

	if (len == 0)
		return WIRE_TOO_SHORT;
	while (type->number != data[0])
		if (++type == igmp_types + N_IGMP_TYPES)
			return WIRE_UNKNOWN_TYPE;
	if (len < IGMP_SHORT_LEN)
		return WIRE_TOO_SHORT;
	if (len > IGMP_LEN_MAX)
		return WIRE_MALFORMED;
	if (bytes_checksum(data, len) != 0)
		return WIRE_BAD_CHECKSUM;
	message->type = type->type;
	return type->parse(data, len, buffer, message);
}

/* --- Writing ---------------------------------------------------------------------------------- */

/* Writes an IPv4 address; the unspecified one as 0.0.0.0. Returns 0 or -EINVAL. */
static int addr_build(const struct addr *addr, uint8_t *data)
{
	if (!addr_is_v4(addr) && !addr_is_unspecified(addr))
		return -EINVAL;
	memcpy(data, addr->b + 12, 4);
	return 0;
}

static int sources_build(const struct addr *sources, uint32_t n, uint8_t *data)
{
	for (uint32_t i = 0; i < n; i++)
		if (addr_build(&sources[i], data + (size_t)i * IGMP_SOURCE_LEN))
			return -EINVAL;
	return 0;
}

static ssize_t query_build(const struct message_query *query, uint8_t *data, size_t size)
{
	size_t len = IGMP_SHORT_LEN;
	uint32_t max_response_ds = query->max_response_ms / 100;

	if (query->version == 3)
		len = IGMP_V3_QUERY_LEN + (size_t)query->n_sources * IGMP_SOURCE_LEN;
	if (len > size || query->n_sources > UINT16_MAX)
		return -EMSGSIZE;
	if (query->version < 1 || query->version > 3 || addr_build(&query->group, data + 4))
		return -EINVAL;
	data[0] = IGMP_QUERY;
	if (query->version == 1) {
		data[1] = 0;
	} else if (query->version == 2) {
		/* 0 would make it a version 1 query. */
		data[1] = max_response_ds > 255 ? 255 : max_response_ds ? max_response_ds : 1;
	} else {
		data[1] = wire_code_encode(max_response_ds);
		data[8] = (query->suppress ? IGMP_QUERY_S : 0) |
			  (query->qrv <= IGMP_QUERY_QRV ? query->qrv : 0);
		data[9] = wire_code_encode(query->query_interval_ms / 1000);
		bytes_put_be16(data + 10, (uint16_t)query->n_sources);
		if (sources_build(query->sources, query->n_sources, data + IGMP_V3_QUERY_LEN))
			return -EINVAL;
	}
	return (ssize_t)len;
}

static ssize_t record_build(const struct message_record *record, uint8_t *data, size_t size)
{
	size_t len = IGMP_RECORD_LEN + (size_t)record->n_sources * IGMP_SOURCE_LEN;

	if (len > size || record->n_sources > UINT16_MAX)
		return -EMSGSIZE;
	data[0] = record->type;
	data[1] = 0;
	bytes_put_be16(data + 2, (uint16_t)record->n_sources);
	if (addr_build(&record->group, data + 4) ||
	    sources_build(record->sources, record->n_sources, data + IGMP_RECORD_LEN))
		return -EINVAL;
	return (ssize_t)len;
}

static ssize_t report_build(const struct message_report *report, uint8_t *data, size_t size)
{
	size_t at = IGMP_SHORT_LEN;

	if (at > size || report->n_records > UINT16_MAX)
		return -EMSGSIZE;
	data[0] = IGMP_V3_REPORT;
	data[1] = 0;
	bytes_put_be16(data + 4, 0);
	bytes_put_be16(data + 6, (uint16_t)report->n_records);
	for (uint32_t i = 0; i < report->n_records; i++) {
		ssize_t len = record_build(&report->records[i], data + at, size - at);

		if (len < 0)
			return len;
		at += (size_t)len;
	}
	return (ssize_t)at;
}

static ssize_t group_build(uint8_t type, const struct addr *group, uint8_t *data, size_t size)
{
	if (IGMP_SHORT_LEN > size)
		return -EMSGSIZE;
	data[0] = type;
	data[1] = 0;
	return addr_build(group, data + 4) ? -EINVAL : IGMP_SHORT_LEN;
}

static ssize_t body_build(const struct message *message, uint8_t *data, size_t size)
{
	switch (message->type) {
	case MESSAGE_QUERY:
		return query_build(&message->query, data, size);
	case MESSAGE_REPORT:
		return report_build(&message->report, data, size);
	case MESSAGE_V1_REPORT:
		return group_build(IGMP_V1_REPORT, &message->group, data, size);
	case MESSAGE_V2_REPORT:
		return group_build(IGMP_V2_REPORT, &message->group, data, size);
	case MESSAGE_V2_LEAVE:
		return group_build(IGMP_V2_LEAVE, &message->group, data, size);
	}
	return -EINVAL;
}

ssize_t igmp_build(const struct message *message, uint8_t *data, size_t size)
{
	ssize_t len = body_build(message, data, size);

	if (len < 0)
		return len;
	bytes_put_be16(data + 2, 0);
	bytes_put_be16(data + 2, bytes_checksum(data, (size_t)len));
	return len;
}

int igmp_destination(const struct message *message, struct addr *destination)
{
	switch (message->type) {
	case MESSAGE_QUERY:
		*destination = addr_is_unspecified(&message->query.group)
				       ? addr_from_v4_host(0xe0000001)
				       : message->query.group;
		return 0;
	case MESSAGE_REPORT:
		*destination = addr_from_v4_host(0xe0000016);
		return 0;
	case MESSAGE_V1_REPORT:
	case MESSAGE_V2_REPORT:
		*destination = message->group;
		return 0;
	case MESSAGE_V2_LEAVE:
		*destination = addr_from_v4_host(0xe0000002);
		return 0;
	}
	return -EINVAL;
}
