// SPDX-License-Identifier: BSD-2-Clause
#include "ipv4.h"

#include <errno.h>
#include <string.h>

#include "bytes.h"

#define IPV4_TOS_INTERNETWORK_CONTROL 0xc0
#define IPV4_DONT_FRAGMENT 0x4000
#define IPV4_FRAGMENT_BITS 0x3fff /* More Fragments and the offset */

#define OPTION_END 0
#define OPTION_NOP 1
#define OPTION_LOOSE_ROUTE 131
#define OPTION_STRICT_ROUTE 137
#define OPTION_ROUTER_ALERT 148

static const uint8_t router_alert_option[4] = { OPTION_ROUTER_ALERT, 4, 0, 0 };

/*
 * Returns 1 if Router Alert is among the options, 0 if not, -EBADMSG if they make no sense. A
 * source route makes none: what is of one link has no way to choose, and its destination is not the
 * true one.
 */
static int options_find_router_alert(const uint8_t *options, size_t len)
{
	size_t at = 0;
	int found = 0;

	while (at < len && options[at] != OPTION_END) {
		size_t left = len - at;

		if (options[at] == OPTION_NOP) {
			at++;
			continue;
		}
		if (left < 2 || options[at + 1] < 2 || options[at + 1] > left)
			return -EBADMSG;
		if (options[at] == OPTION_LOOSE_ROUTE || options[at] == OPTION_STRICT_ROUTE)
			return -EBADMSG;
		if (left >= 4 && memcmp(options + at, router_alert_option, 4) == 0)
			found = 1;
		at += options[at + 1];
	}
	return found;
}

int ipv4_parse(const uint8_t *data, size_t len, struct ipv4_packet *packet)
{
	size_t header_len, total_len;
	int router_alert;

	if (len < IPV4_HEADER_MIN || data[0] >> 4 != 4)
		return -EBADMSG;
	header_len = (size_t)(data[0] & 0x0f) * 4;
	total_len = bytes_get_be16(data + 2);
	if (header_len < IPV4_HEADER_MIN || header_len > total_len || total_len > len)
		return -EBADMSG;
	if (bytes_checksum(data, header_len) != 0)
		return -EBADMSG;
	router_alert =
		options_find_router_alert(data + IPV4_HEADER_MIN, header_len - IPV4_HEADER_MIN);
	if (router_alert < 0)
		return router_alert;

	packet->fragment = bytes_get_be16(data + 6) & IPV4_FRAGMENT_BITS;
	packet->router_alert = router_alert;
	packet->ttl = data[8];
	packet->protocol = data[9];
	memcpy(packet->source, data + 12, 4);
	memcpy(packet->destination, data + 16, 4);
	packet->payload = data + header_len;
	packet->payload_len = total_len - header_len;
	return (int)header_len;
}

void ipv4_build(uint8_t *data, const uint8_t source[static 4], const uint8_t destination[static 4],
		size_t payload_len)
{
	data[0] = 4 << 4 | IPV4_BUILT_LEN / 4;
	data[1] = IPV4_TOS_INTERNETWORK_CONTROL;
	bytes_put_be16(data + 2, (uint16_t)(IPV4_BUILT_LEN + payload_len));
	/* An atomic datagram needs no identification (RFC 6864 section 4.1). */
	bytes_put_be16(data + 4, 0);
	bytes_put_be16(data + 6, IPV4_DONT_FRAGMENT);
	data[8] = 1;
	data[9] = IPV4_PROTOCOL_IGMP;
	bytes_put_be16(data + 10, 0);
	memcpy(data + 12, source, 4);
	memcpy(data + 16, destination, 4);
	memcpy(data + IPV4_HEADER_MIN, router_alert_option, 4);
	bytes_put_be16(data + 10, bytes_checksum(data, IPV4_BUILT_LEN));
}
