/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IGMP frames made octet by octet, right or wrong on purpose. The sums are computed here anew, not
 * by the code under test.
 */
#ifndef SUPPORT_FRAME_H
#define SUPPORT_FRAME_H

#include <stddef.h>
#include <stdint.h>

#define FRAME_IP 14 /* where the IPv4 header starts */

struct frame {
	uint8_t bytes[16384];
	size_t len;
};

/* The sum of RFC 1071 over len octets. */
uint16_t frame_checksum(const uint8_t *data, size_t len);

/*
 * 10.0.1.10 to 224.0.0.22, TTL 1, no options, with this IP payload; all sums right: whatever stands
 * in octets 2 and 3 of the payload is replaced by its checksum.
 */
void frame_init(struct frame *frame, const uint8_t *igmp, size_t len);
#define frame_igmp(frame, ...)                              \
	frame_init(frame, (const uint8_t[]){ __VA_ARGS__ }, \
		   sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* Puts IP options (a multiple of 4 octets) in. */
void frame_options(struct frame *frame, const uint8_t *options, size_t len);
/* Adds octets of value 0xa5 behind the end of the IP packet. */
void frame_pad(struct frame *frame, size_t to_len);
/* Makes the IP header checksum right again after a change. */
void frame_fix_ip(struct frame *frame);
/* Makes the IGMP checksum right again after a change. */
void frame_fix_igmp(struct frame *frame);
/* The IP payload. */
uint8_t *frame_payload(struct frame *frame);

#endif
