/* SPDX-License-Identifier: BSD-2-Clause */
/* Forwarding an IPv4 packet in pieces, RFC 791 section 3.2. */
#ifndef WIRE_FRAGMENT_H
#define WIRE_FRAGMENT_H

#include <stddef.h>
#include <stdint.h>

/* Takes one whole IPv4 packet. */
typedef void (*fragment_fn)(void *arg, const uint8_t *packet, size_t len);

/*
 * Hands a packet to fn as a router passes it on: its TTL one less, whole if it fits `mtu` octets,
 * else in fragments. `packet` has passed ipv4_parse(), len is its total length, at most
 * FRAGMENT_PACKET_MAX. Returns how many packets fn got, -EMSGSIZE: it does not fit and must not be
 * fragmented, or -EINVAL: too long, TTL 0, or an MTU below 68.
 */
#define FRAGMENT_PACKET_MAX 9000
int fragment_forward(const uint8_t *packet, size_t len, size_t mtu, fragment_fn fn, void *arg);

#endif
