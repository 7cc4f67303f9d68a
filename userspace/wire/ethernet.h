/* SPDX-License-Identifier: BSD-2-Clause */
/* The Ethernet header, with at most one VLAN tag (IEEE 802.1Q). */
#ifndef WIRE_ETHERNET_H
#define WIRE_ETHERNET_H

#include <stddef.h>
#include <stdint.h>

#define ETHERNET_HEADER_LEN 14
#define ETHERNET_TAG_LEN 4
#define ETHERNET_TYPE_VLAN 0x8100
#define ETHERNET_TYPE_IPV4 0x0800

/*
 * Reads the type of a frame that belongs to a VLAN (0: that has no tag). Returns the length of the
 * header, or -EBADMSG: too short, or of another VLAN.
 */
int ethernet_parse(const uint8_t *frame, size_t len, uint16_t vlan, uint16_t *type);

/* Priority of a frame, in its tag (IEEE 802.1Q): that of data, that of IGMP. */
#define ETHERNET_PRIORITY_DATA 0
#define ETHERNET_PRIORITY_CONTROL 6 /* internetwork control, as IGMP's IP precedence says */

/*
 * Writes the header of an IPv4 packet to a multicast group, at most ETHERNET_HEADER_LEN +
 * ETHERNET_TAG_LEN octets: the low 23 bits of the group behind 01:00:5e (RFC 1112 section 6.4), a
 * tag with this priority unless vlan is 0. Returns its length.
 */
size_t ethernet_build(uint8_t *frame, const uint8_t group_v4[static 4],
		      const uint8_t source_mac[static 6], uint16_t vlan, uint8_t priority);

#endif
