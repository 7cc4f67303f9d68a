// SPDX-License-Identifier: BSD-2-Clause
/*
 * The slow way of a data packet: larger than some port has room for, and free to be fragmented, or
 * arrived in generic mode; or one whose copies would spoil each other. The XDP program has checked
 * it and found that it goes somewhere; it comes here by the AF_XDP socket of its port. Each port
 * gets it whole or in fragments (RFC 1812 section 5.2.6) or not at all, by the same routes.
 */
#include <errno.h>
#include <string.h>

#include "mcastd/daemon.h"
#include "wire/ethernet.h"
#include "wire/fragment.h"
#include "wire/ipv4.h"

struct departure {
	struct port *port;
	const struct ipv4_packet *packet;
};

static void send_packet(void *arg, const uint8_t *packet, size_t len)
{
	const struct departure *departure = arg;
	struct port *port = departure->port;
	uint8_t frame[WIRE_FRAME_MAX];
	size_t header = ethernet_build(frame, departure->packet->destination,
				       dataplane_source_mac(port->daemon->dataplane, port->slot),
				       (uint16_t)port->applied.vlan, ETHERNET_PRIORITY_DATA);

	if (header + len > sizeof(frame))
		return;
	memcpy(frame + header, packet, len);
	if (xsk_send(port->queues[0].xsk, frame, header + len)) {
		port->send_failed++;
		return;
	}
	port->slow.packets++;
	port->slow.bytes += ETHERNET_HEADER_LEN + len; /* without a tag, as the programs count */
}

static void send_to(struct port *port, const struct ipv4_packet *packet, const uint8_t *bytes,
		    size_t len)
{
	struct departure departure = { port, packet };
	int n = fragment_forward(bytes, len, port->applied.mtu, send_packet, &departure);

	if (n > 1)
		port->slow.fragmented++;
	else if (n < 0)
		port->slow.too_big++;
}

/* The packet as decisions take it. False: it is no data that is forwarded. */
static bool describe(const struct port *arrival, const uint8_t *bytes, size_t len,
		     struct ipv4_packet *packet, struct decide_packet *described)
{
	if (ipv4_parse(bytes, len, packet) < 0 || packet->protocol == IPV4_PROTOCOL_IGMP)
		return false;
	*described = (struct decide_packet){
		.source = addr_from_v4(packet->source),
		.group = addr_from_v4(packet->destination),
		.arrival = arrival->slot,
		.vlan = (uint16_t)arrival->applied.vlan,
		.ttl = packet->ttl,
		.length = (uint32_t)(bytes[2] << 8 | bytes[3]),
		.dont_fragment = bytes[6] & 0x40,
	};
	return true;
}

/* The program has found ports for it; they may have gone since. */
static bool was_to_be_forwarded(enum decide_verdict verdict)
{
	return verdict == DECIDE_FORWARDED || verdict == DECIDE_NO_ROUTE ||
	       verdict == DECIDE_NO_MEMBER;
}

bool slow_forward(struct port *arrival, const uint8_t *frame, size_t len)
{
	struct daemon *daemon = arrival->daemon;
	struct decide_packet described;
	struct decision decision;
	struct ipv4_packet packet;
	const uint8_t *bytes;
	uint16_t type;
	int header = ethernet_parse(frame, len, (uint16_t)arrival->applied.vlan, &type);

	if (header < 0 || type != ETHERNET_TYPE_IPV4)
		return false;
	bytes = frame + header;
	if (!describe(arrival, bytes, len - (size_t)header, &packet, &described))
		return false;
	decide(daemon, &described, &decision);
	for (unsigned int slot = 1; slot < MCASTD_MAX_PORTS; slot++) {
		struct port *port = daemon->ports[slot];

		if (!port || !port->open)
			continue;
		if (port_map_has(&decision.sent, slot))
			send_to(port, &packet, bytes, described.length);
		port->slow.too_big += port_map_has(&decision.too_big, slot);
		port->slow.ttl_threshold += port_map_has(&decision.below_ttl, slot);
	}
	return was_to_be_forwarded(decision.verdict);
}
