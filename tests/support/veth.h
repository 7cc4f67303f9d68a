/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A network namespace of the test's own with pairs of interfaces: r1..rN are the router's, h1..hN
 * their far ends, where the test sends and receives raw frames.
 */
#ifndef SUPPORT_VETH_H
#define SUPPORT_VETH_H

#include <stddef.h>
#include <stdint.h>

#define VETH_MAX 64
#define VETH_FRAME_MAX 2048

struct veth_frame {
	uint8_t bytes[VETH_FRAME_MAX];
	size_t len;
};

struct veth {
	unsigned int n;
	unsigned int ifindex[VETH_MAX + 1]; /* of r1.. by number, 0 is not used */
	uint8_t mac[VETH_MAX + 1][6];	    /* of r1.. */
	int fd[VETH_MAX + 1];		    /* packet sockets on h1.. */
};

/*
 * Moves the calling process into a new namespace and makes n pairs; with_gro makes the far ends
 * able to take what XDP redirects natively. Fails the test when something cannot be done.
 */
void veth_init(struct veth *veth, unsigned int n, int with_gro);
/*
 * Has r1 polled by a thread of the kernel, which finds a whole batch where the softirq of each
 * transmission finds one frame. Needs a native program on r1.
 */
void veth_poll_by_thread(void);
void veth_fini(struct veth *veth);
/* Sends from h<port>: the frame arrives at r<port>. */
void veth_send(const struct veth *veth, unsigned int port, const void *frame, size_t len);
/* Sends several so that the router meets them in one batch. */
void veth_send_batch(const struct veth *veth, unsigned int port, const struct veth_frame *frames,
		     unsigned int n);
/* What arrived at h<port>: 1, or 0 when nothing comes within timeout_ms. */
int veth_receive(const struct veth *veth, unsigned int port, struct veth_frame *frame,
		 int timeout_ms);
/* Throws away what has arrived anywhere. */
void veth_drain(const struct veth *veth);

/* A directory on a BPF file system, of this process alone; mounts one if there is none. */
const char *veth_bpffs(void);

#endif
