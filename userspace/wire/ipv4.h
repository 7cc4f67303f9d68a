/* SPDX-License-Identifier: BSD-2-Clause */
/* The IPv4 header (RFC 791) with the Router Alert option (RFC 2113). */
#ifndef WIRE_IPV4_H
#define WIRE_IPV4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IPV4_PROTOCOL_IGMP 2
/* Of the headers that ipv4_build() makes: 20 octets and Router Alert. */
#define IPV4_BUILT_LEN 24
#define IPV4_HEADER_MIN 20

struct ipv4_packet {
	uint8_t source[4];
	uint8_t destination[4];
	uint8_t ttl;
	uint8_t protocol;
	bool fragment;
	bool router_alert;
	const uint8_t *payload;
	size_t payload_len; /* by the total length: what the link padded is left out */
};

/*
 * Reads and checks a header: version, IHL, total length against len, header checksum, options.
 * Returns the length of the header, or -EBADMSG.
 */
int ipv4_parse(const uint8_t *data, size_t len, struct ipv4_packet *packet);

/*
 * Writes the IPV4_BUILT_LEN octets in front of an IGMP message: TTL 1, TOS 0xc0, Router Alert
 * (RFC 9776 section 4), Don't Fragment. payload_len: at most 65535 - IPV4_BUILT_LEN.
 */
void ipv4_build(uint8_t *data, const uint8_t source[static 4], const uint8_t destination[static 4],
		size_t payload_len);

#endif
