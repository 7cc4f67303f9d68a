/* SPDX-License-Identifier: BSD-2-Clause */
/* The Ethernet header. */
#ifndef WIRE_ETHERNET_H
#define WIRE_ETHERNET_H

#include <stddef.h>
#include <stdint.h>

#define ETHERNET_HEADER_LEN 14
#define ETHERNET_TYPE_IPV4 0x0800

/* Reads the type of a frame. Returns the length of the header, or -EBADMSG: there is none. */
int ethernet_parse(const uint8_t *frame, size_t len, uint16_t *type);

/*
 * Writes ETHERNET_HEADER_LEN octets for an IPv4 packet to a multicast group: the low 23 bits of the
 * group behind 01:00:5e (RFC 1112 section 6.4).
 */
void ethernet_build(uint8_t *frame, const uint8_t group_v4[static 4],
		    const uint8_t source_mac[static 6]);

#endif
