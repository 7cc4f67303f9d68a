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
	int n;

	if (packet->ttl - 1 < port->applied.ttl_threshold) {
		port->slow.ttl_threshold++;
		return;
	}
	n = fragment_forward(bytes, len, port->applied.mtu, send_packet, &departure);
	if (n > 1)
		port->slow.fragmented++;
	else if (n < 0)
		port->slow.too_big++;
}

/* The ports of the packet's route, or where it goes without one. */
static uint32_t find_ports(const struct port *arrival, const struct ipv4_packet *packet,
			   uint16_t slots[ENGINE_MAX_PORTS])
{
	const struct forward *forward = arrival->daemon->forward;
	enum forward_side side = arrival->config->port.role == PORT_UPSTREAM
					 ? FORWARD_FROM_UPSTREAM
					 : FORWARD_FROM_DOWNSTREAM;
	struct addr group = addr_from_v4(packet->destination);
	struct addr source = addr_from_v4(packet->source);
	uint32_t n;

	if (forward_find(forward, &group, &source, side, slots, &n))
		return n;
	return forward_default(forward, &group, side, slots);
}

bool slow_forward(struct port *arrival, const uint8_t *frame, size_t len)
{
	uint16_t slots[ENGINE_MAX_PORTS], type;
	struct ipv4_packet packet;
	const uint8_t *bytes;
	uint32_t n;
	int header = ethernet_parse(frame, len, (uint16_t)arrival->applied.vlan, &type);

	if (header < 0 || type != ETHERNET_TYPE_IPV4)
		return false;
	bytes = frame + header;
	if (ipv4_parse(bytes, len - (size_t)header, &packet) < 0 ||
	    packet.protocol == IPV4_PROTOCOL_IGMP || packet.destination[0] >> 4 != 0xe ||
	    packet.ttl <= 1)
		return false;
	n = find_ports(arrival, &packet, slots);
	for (uint32_t i = 0; i < n; i++) {
		struct port *port = arrival->daemon->ports[slots[i]];

		if (port && port != arrival && port->open)
			send_to(port, &packet, bytes, (size_t)(bytes[2] << 8 | bytes[3]));
	}
	return true;
}
