// SPDX-License-Identifier: BSD-2-Clause
#include "wire.h"

#include <errno.h>
#include <stdlib.h>

#include "ethernet.h"
#include "igmp.h"
#include "ipv4.h"

_Static_assert(WIRE_LINK_HEADER == ETHERNET_HEADER_LEN, "wire_build() makes Ethernet frames");

const char *wire_verdict_name(enum wire_verdict verdict)
{
	static const char *const names[WIRE_VERDICTS] = {
		[WIRE_OK] = "ok",
		[WIRE_NOT_IGMP] = "not-igmp",
		[WIRE_BAD_HEADER] = "bad-header",
		[WIRE_FRAGMENT] = "fragment",
		[WIRE_TOO_SHORT] = "too-short",
		[WIRE_BAD_CHECKSUM] = "bad-checksum",
		[WIRE_UNKNOWN_TYPE] = "unknown-type",
		[WIRE_MALFORMED] = "malformed",
	};

	return verdict < WIRE_VERDICTS ? names[verdict] : "unknown";
}

struct wire_buffer *wire_buffer_new(void)
{
	return calloc(1, sizeof(struct wire_buffer));
}

void wire_buffer_free(struct wire_buffer *buffer)
{
	free(buffer);
}

enum wire_verdict wire_parse(const uint8_t *frame, size_t len, uint16_t vlan,
			     struct wire_buffer *buffer, struct message *message)
{
	struct ipv4_packet packet;
	uint16_t type;
	int link_len;

	link_len = ethernet_parse(frame, len, vlan, &type);
	if (link_len < 0 || type != ETHERNET_TYPE_IPV4)
		return WIRE_NOT_IGMP;
	if (ipv4_parse(frame + link_len, len - (size_t)link_len, &packet) < 0)
		return WIRE_BAD_HEADER;
	if (packet.protocol != IPV4_PROTOCOL_IGMP)
		return WIRE_NOT_IGMP;
	if (packet.fragment)
		return WIRE_FRAGMENT;
	message->source = addr_from_v4(packet.source);
	message->destination = addr_from_v4(packet.destination);
	message->ttl = packet.ttl;
	message->router_alert = packet.router_alert;
	return igmp_parse(packet.payload, packet.payload_len, buffer, message);
}

ssize_t wire_build(const struct message *message, const uint8_t source_mac[static 6], uint16_t vlan,
		   uint8_t *frame, size_t size)
{
	const size_t link = ETHERNET_HEADER_LEN + (vlan ? ETHERNET_TAG_LEN : 0);
	const size_t headers = link + IPV4_BUILT_LEN;
	const uint8_t *source = message->source.b + 12;
	const uint8_t *destination = message->destination.b + 12;
	struct addr prescribed;
	ssize_t len;

	if (size > WIRE_FRAME_MAX)
		size = WIRE_FRAME_MAX;
	if (size < headers)
		return -EMSGSIZE;
	/* A report may come from 0.0.0.0, which may be written as :: too (4.2.14). */
	if (!addr_is_v4(&message->source) && !addr_is_unspecified(&message->source))
		return -EINVAL;
	if (igmp_destination(message, &prescribed) || !addr_is_v4(&prescribed) ||
	    !addr_equal(&prescribed, &message->destination) || destination[0] >> 4 != 0xe)
		return -EINVAL;
	len = igmp_build(message, frame + headers, size - headers);
	if (len < 0)
		return len;
	ethernet_build(frame, destination, source_mac, vlan, ETHERNET_PRIORITY_CONTROL);
	ipv4_build(frame + link, source, destination, (size_t)len);
	return (ssize_t)headers + len;
}
