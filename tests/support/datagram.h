/* SPDX-License-Identifier: BSD-2-Clause */
/* Multicast UDP datagrams in Ethernet frames, right unless a test makes them wrong. */
#ifndef SUPPORT_DATAGRAM_H
#define SUPPORT_DATAGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "veth.h"

#define DATAGRAM_IP 14 /* where the IPv4 header starts */
#define DATAGRAM_TTL (DATAGRAM_IP + 8)
#define DATAGRAM_SUM (DATAGRAM_IP + 10)

/* source and group as text; payload: bytes of UDP payload, each numbered from `seed` on. */
void datagram_init(struct veth_frame *frame, const char *source, const char *group, uint8_t ttl,
		   size_t payload, uint8_t seed);
/* Puts n bytes of IP options in (a multiple of 4), of NOPs and a Router Alert where it fits. */
void datagram_options(struct veth_frame *frame, size_t n);
/* Makes the header checksum right after a change. */
void datagram_fix(struct veth_frame *frame);
/* Is the header checksum right? Computed over the bytes as they are. */
int datagram_sum_ok(const struct veth_frame *frame);
/* The frame as it must leave a port: TTL one less, checksum computed anew, this source MAC. */
void datagram_forwarded(const struct veth_frame *in, const uint8_t *mac, struct veth_frame *out);

#endif
