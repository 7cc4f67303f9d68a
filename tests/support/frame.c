// SPDX-License-Identifier: BSD-2-Clause
#include "frame.h"

#include <string.h>

uint16_t frame_checksum(const uint8_t *data, size_t len)
{
	unsigned long sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? data[i] : data[i] * 256ul;
	while (sum > 0xffff)
		sum = sum / 0x10000 + sum % 0x10000;
	return (uint16_t)~sum;
}

static size_t header_len(const struct frame *frame)
{
	return (frame->bytes[FRAME_IP] & 15) * 4u;
}

static size_t total_len(const struct frame *frame)
{
	return frame->bytes[FRAME_IP + 2] * 256u + frame->bytes[FRAME_IP + 3];
}

static void set_total_len(struct frame *frame, size_t len)
{
	frame->bytes[FRAME_IP + 2] = (uint8_t)(len / 256);
	frame->bytes[FRAME_IP + 3] = (uint8_t)len;
}

static void put_checksum(uint8_t *field, const uint8_t *data, size_t len)
{
	uint16_t sum;

	field[0] = field[1] = 0;
	sum = frame_checksum(data, len);
	field[0] = (uint8_t)(sum / 256);
	field[1] = (uint8_t)sum;
}

uint8_t *frame_payload(struct frame *frame)
{
	return frame->bytes + FRAME_IP + header_len(frame);
}

void frame_fix_ip(struct frame *frame)
{
	uint8_t *ip = frame->bytes + FRAME_IP;

	put_checksum(ip + 10, ip, header_len(frame));
}

void frame_fix_igmp(struct frame *frame)
{
	uint8_t *igmp = frame_payload(frame);
	size_t len = total_len(frame) - header_len(frame);

	if (len >= 4)
		put_checksum(igmp + 2, igmp, len);
}

void frame_init(struct frame *frame, const uint8_t *igmp, size_t len)
{
	static const uint8_t headers[] = {
		0x01, 0x00, 0x5e, 0x00, 0x00, 0x16, 0x02, 0, 0,	   0,  0, 1,
		0x08, 0x00, 0x45, 0xc0, 0,    0,    0,	  0, 0x40, 0,  1, 2,
		0,    0,    10,	  0,	1,    10,   224,  0, 0,	   22,
	};

	memcpy(frame->bytes, headers, sizeof(headers));
	memcpy(frame->bytes + sizeof(headers), igmp, len);
	frame->len = sizeof(headers) + len;
	set_total_len(frame, 20 + len);
	frame_fix_ip(frame);
	frame_fix_igmp(frame);
}

void frame_options(struct frame *frame, const uint8_t *options, size_t len)
{
	uint8_t *end = frame->bytes + FRAME_IP + 20;

	memmove(end + len, end, frame->len - FRAME_IP - 20);
	memcpy(end, options, len);
	frame->len += len;
	frame->bytes[FRAME_IP] = (uint8_t)(0x40 + (20 + len) / 4);
	set_total_len(frame, total_len(frame) + len);
	frame_fix_ip(frame);
}

void frame_pad(struct frame *frame, size_t to_len)
{
	memset(frame->bytes + frame->len, 0xa5, to_len - frame->len);
	frame->len = to_len;
}
