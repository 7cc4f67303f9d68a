/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames on the wire <-> messages of the engine. No state, no side effects. A frame is parsed whole
 * or refused with one reason; nothing that a frame says is believed before it has been checked
 * against the bytes that are there, whatever the XDP program promised.
 */
#ifndef WIRE_WIRE_H
#define WIRE_WIRE_H

#include <sys/types.h>

#include "membership/message.h"

/* The largest frame that is read or built: MTU 9000 and the link header. */
#define WIRE_FRAME_MAX 9018
/* Bytes in front of the IPv4 packet in an untagged frame. */
#define WIRE_LINK_HEADER 14

enum wire_verdict {
	WIRE_OK,
	WIRE_NOT_IGMP,	 /* not an IPv4 frame with protocol 2 */
	WIRE_BAD_HEADER, /* IPv4 version, IHL or total length that cannot be, a bad header checksum
			    or options, or a source route */
	WIRE_FRAGMENT,	 /* an IP fragment: never parsed */
	WIRE_TOO_SHORT,	 /* shorter than its type needs (R-2236-SHORT, R-7.1-QLEN) */
	WIRE_BAD_CHECKSUM, /* of the IGMP message (R-4.1.2-BAD) */
	WIRE_UNKNOWN_TYPE, /* R-4-UNK */
	WIRE_MALFORMED,	   /* counts that overrun the payload (R-4.1.8-N, R-4.2-REC) */
	WIRE_VERDICTS,
};
const char *wire_verdict_name(enum wire_verdict verdict); /* "bad-checksum", ... */

/* Storage for the records and sources of one parsed message; large, so keep one and reuse it. */
struct wire_buffer;
struct wire_buffer *wire_buffer_new(void);
void wire_buffer_free(struct wire_buffer *buffer);

/*
 * Parses an Ethernet frame that holds an IPv4 IGMP message: RFC 9776 sections 4 and 7.1, RFC 2236
 * section 2. The checksum covers the IP payload by the IP total length; what the link padded is
 * ignored, and so are octets behind the last record or source, reserved fields, auxiliary data and
 * extensions (RFC 9279). Record types, groups and sources are handed on as they are, duplicates
 * included: what they mean is the engine's affair. The group of a General Query is unspecified
 * (::, not 0.0.0.0).
 *
 * Frames of any length may come; a message too long for WIRE_FRAME_MAX is WIRE_MALFORMED. On
 * WIRE_OK *message points into buffer until the next call with it; otherwise its content means
 * nothing. No memory is allocated.
 */
enum wire_verdict wire_parse(const uint8_t *frame, size_t len, uint16_t vlan,
			     struct wire_buffer *buffer, struct message *message);

/*
 * Builds the Ethernet frame of a message: TTL 1, TOS 0xc0, Router Alert (R-4-TTL, R-4-TOS, R-4-RA),
 * destination MAC from the destination address. The message's own ttl and router_alert are not
 * looked at. Times become codes by wire_code_encode(), in a version 2 query tenths of a second from
 * 1 to 255; a QRV above 7 becomes 0. The message must fit one packet: whoever made it has split it.
 *
 * Returns the frame's length (without padding to the Ethernet minimum), -EMSGSIZE (longer than size
 * or WIRE_FRAME_MAX), or -EINVAL: an address that is not IPv4, no such type or version, or a
 * destination other than RFC 9776 sections 4.1.12 and 4.2.15 prescribe for it.
 */
ssize_t wire_build(const struct message *message, const uint8_t source_mac[static 6], uint16_t vlan,
		   uint8_t *frame, size_t size);

/* Max Resp Code and QQIC, RFC 9776 sections 4.1.1 and 4.1.7: the next lower representable value. */
uint8_t wire_code_encode(uint32_t value);
uint32_t wire_code_decode(uint8_t code);

#endif
