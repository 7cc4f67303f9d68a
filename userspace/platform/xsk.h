/* SPDX-License-Identifier: BSD-2-Clause */
/* AF_XDP sockets: one per receive queue of a port, copy mode, need_wakeup, no busy loop. */
#ifndef PLATFORM_XSK_H
#define PLATFORM_XSK_H

#include <stddef.h>
#include <stdint.h>

struct xsk;

/* How many frames may wait to be read: powers of two. Each is a page of locked memory. */
#define XSK_RX_MIN 256
#define XSK_RX_MAX 1024

typedef void (*xsk_frame_fn)(void *arg, const uint8_t *frame, size_t len);

/*
 * Opens a socket on one queue of an interface and puts it into the map xsks_fd at `index`. Does not
 * load a program. rx_frames: XSK_RX_MIN to XSK_RX_MAX; it may become fewer where so much memory
 * cannot be locked. Returns 0, -EBUSY when another process uses the queue (after trying for an
 * eighth of a second) or -errno.
 */
int xsk_open(struct xsk **xsk, const char *ifname, unsigned int queue, unsigned int rx_frames,
	     int xsks_fd, uint32_t index);
/* Takes it out of the map first. */
void xsk_close(struct xsk *xsk);
/* Readable when frames wait. When its interface is deleted it falls silent: close it then. */
int xsk_fd(const struct xsk *xsk);
/* Hands each received frame (at most `budget`) to fn, then gives the buffers back. Returns how
 * many. */
unsigned int xsk_receive(struct xsk *xsk, unsigned int budget, xsk_frame_fn fn, void *arg);
/*
 * Copies the frame into the transmit ring and sends it, on the transmit queue of the same number:
 * use queue 0, which every interface has. Returns 0, -ENOBUFS (ring full), -EMSGSIZE, -ENETDOWN or
 * -errno.
 */
int xsk_send(struct xsk *xsk, const uint8_t *frame, size_t len);

/* How many frames may wait to be read, and how many do. */
unsigned int xsk_rx_frames(const struct xsk *xsk);
unsigned int xsk_waiting(const struct xsk *xsk);

struct xsk_counters {
	uint64_t received, sent, send_failed;
	uint64_t dropped; /* by the kernel: receive ring full, no buffer */
};
void xsk_read_counters(const struct xsk *xsk, struct xsk_counters *counters);

/* How many receive queues the interface has (ethtool channels); at least 1. */
unsigned int xsk_queue_count(const char *ifname);

#endif
