/* SPDX-License-Identifier: BSD-2-Clause */
/* IGMP messages of versions 1 to 3: RFC 9776 section 4, RFC 2236 section 2, RFC 1112 appendix I. */
#ifndef WIRE_IGMP_H
#define WIRE_IGMP_H

#include "wire.h"

/* What fits a packet of MTU 9000 (WIRE_FRAME_MAX); longer messages are refused. */
#define IGMP_LEN_MAX (WIRE_FRAME_MAX - WIRE_LINK_HEADER - 20)
/* A record takes at least 8 octets and a source 4, so that no message holds more than these. */
#define IGMP_RECORDS_MAX (IGMP_LEN_MAX / 8)
#define IGMP_SOURCES_MAX (IGMP_LEN_MAX / 4)

struct wire_buffer {
	struct message_record records[IGMP_RECORDS_MAX];
	struct addr sources[IGMP_SOURCES_MAX];
};

/*
 * Reads the payload of an IP packet, all of which the checksum covers. Sets the type and what
 * belongs to it, not what stands in the IP header. On WIRE_OK *message points into buffer.
 */
enum wire_verdict igmp_parse(const uint8_t *data, size_t len, struct wire_buffer *buffer,
			     struct message *message);

/* Writes a message. Returns its length, -EMSGSIZE or -EINVAL. */
ssize_t igmp_build(const struct message *message, uint8_t *data, size_t size);

/*
 * Where a message has to be sent, by RFC 9776 sections 4.1.12 and 4.2.15 and RFC 2236 section 9.
 * Returns 0 or -EINVAL (no such type).
 */
int igmp_destination(const struct message *message, struct addr *destination);

#endif
