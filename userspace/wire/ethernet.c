// SPDX-License-Identifier: BSD-2-Clause
#include "ethernet.h"

#include <errno.h>
#include <string.h>

#include "bytes.h"

int ethernet_parse(const uint8_t *frame, size_t len, uint16_t *type)
{
	if (len < ETHERNET_HEADER_LEN)
		return -EBADMSG;
	*type = bytes_get_be16(frame + 12);
	return ETHERNET_HEADER_LEN;
}

void ethernet_build(uint8_t *frame, const uint8_t group_v4[static 4],
		    const uint8_t source_mac[static 6])
{
	frame[0] = 0x01;
	frame[1] = 0x00;
	frame[2] = 0x5e;
	frame[3] = group_v4[1] & 0x7f;
	frame[4] = group_v4[2];
	frame[5] = group_v4[3];
	memcpy(frame + 6, source_mac, 6);
	bytes_put_be16(frame + 12, ETHERNET_TYPE_IPV4);
}
