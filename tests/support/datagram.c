/* SPDX-License-Identifier: BSD-2-Clause */
#include "datagram.h"

#include <arpa/inet.h>
#include <string.h>

#include "frame.h"

static size_t header_length(const struct veth_frame *frame)
{
	return (size_t)(frame->bytes[DATAGRAM_IP] & 0x0f) * 4;
}

static void put16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

void datagram_fix(struct veth_frame *frame)
{
	put16(frame->bytes + DATAGRAM_SUM, 0);
	put16(frame->bytes + DATAGRAM_SUM,
	      frame_checksum(frame->bytes + DATAGRAM_IP, header_length(frame)));
}

int datagram_sum_ok(const struct veth_frame *frame)
{
	return frame_checksum(frame->bytes + DATAGRAM_IP, header_length(frame)) == 0;
}

void datagram_init(struct veth_frame *frame, const char *source, const char *group, uint8_t ttl,
		   size_t payload, uint8_t seed)
{
	static const uint8_t head[] = {
		0x01, 0x00, 0x5e, 0, 0,	   0,	 0x02, 0, 0, 0,	 0, 0x99, 0x08, 0x00, /* Ethernet */
		0x45, 0xb8, 0,	  0, 0x12, 0x34, 0,    0, 0, 17, 0, 0,		      /* IPv4 */
	};
	uint8_t *ip = frame->bytes + DATAGRAM_IP, *udp = ip + 20;

	memset(frame, 0, sizeof(*frame));
	memcpy(frame->bytes, head, sizeof(head));
	put16(ip + 2, 20 + 8 + payload);
	ip[8] = ttl;
	inet_pton(AF_INET, source, ip + 12);
	inet_pton(AF_INET, group, ip + 16);
	frame->bytes[3] = ip[17] & 0x7f;
	frame->bytes[4] = ip[18];
	frame->bytes[5] = ip[19];
	put16(udp, 4000);
	put16(udp + 2, 5000);
	put16(udp + 4, 8 + payload);
	for (size_t i = 0; i < payload; i++)
		udp[8 + i] = (uint8_t)(seed + i);
	frame->len = DATAGRAM_IP + 20 + 8 + payload;
	datagram_fix(frame);
}

void datagram_options(struct veth_frame *frame, size_t n)
{
	static const uint8_t router_alert[] = { 0x94, 0x04, 0x00, 0x00 };
	uint8_t *ip = frame->bytes + DATAGRAM_IP, *options = ip + 20;

	memmove(options + n, options, frame->len - DATAGRAM_IP - 20);
	memset(options, 1, n);
	memcpy(options + n - 4, router_alert, 4);
	frame->len += n;
	ip[0] = (uint8_t)(0x45 + n / 4);
	put16(ip + 2, (size_t)(ip[2] << 8 | ip[3]) + n);
	datagram_fix(frame);
}

void datagram_forwarded(const struct veth_frame *in, const uint8_t *mac, struct veth_frame *out)
{
	*out = *in;
	out->bytes[DATAGRAM_TTL]--;
	datagram_fix(out);
	if (mac)
		memcpy(out->bytes + 6, mac, 6);
}
