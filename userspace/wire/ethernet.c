// SPDX-License-Identifier: BSD-2-Clause
#include "ethernet.h"

#include <errno.h>
#include <string.h>

#include "bytes.h"

/* The part of the tag that says which VLAN; the rest is priority. */
#define VLAN_ID 0x0fff
#define PRIORITY_SHIFT 13

int ethernet_parse(const uint8_t *frame, size_t len, uint16_t vlan, uint16_t *type)
{
	size_t header = ETHERNET_HEADER_LEN + (vlan ? ETHERNET_TAG_LEN : 0);

	if (len < header)
		return -EBADMSG;
	if (vlan && (bytes_get_be16(frame + 12) != ETHERNET_TYPE_VLAN ||
		     (bytes_get_be16(frame + 14) & VLAN_ID) != vlan))
		return -EBADMSG;
	*type = bytes_get_be16(frame + header - 2);
	return (int)header;
}

size_t ethernet_build(uint8_t *frame, const uint8_t group_v4[static 4],
		      const uint8_t source_mac[static 6], uint16_t vlan, uint8_t priority)
{
	size_t header = ETHERNET_HEADER_LEN + (vlan ? ETHERNET_TAG_LEN : 0);

	frame[0] = 0x01;
	frame[1] = 0x00;
	frame[2] = 0x5e;
	frame[3] = group_v4[1] & 0x7f;
	frame[4] = group_v4[2];
	frame[5] = group_v4[3];
	memcpy(frame + 6, source_mac, 6);
	if (vlan) {
		bytes_put_be16(frame + 12, ETHERNET_TYPE_VLAN);
		bytes_put_be16(frame + 14, (uint16_t)(priority << PRIORITY_SHIFT | vlan));
	}
	bytes_put_be16(frame + header - 2, ETHERNET_TYPE_IPV4);
	return header;
}
