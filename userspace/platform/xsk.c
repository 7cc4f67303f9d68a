/* SPDX-License-Identifier: BSD-2-Clause */
#include "platform/xsk.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xdp/xsk.h>

/*
 * One page for each frame, so that a frame of any MTU fits that XDP can take. The first ones are
 * for transmission.
 */
#define XSK_TX_FRAMES 64
#define XSK_FRAME_SIZE 4096
#define XSK_BUSY_MAX_US 64000

struct xsk {
	struct xsk_socket *socket;
	struct xsk_umem *umem;
	uint8_t *area;
	size_t area_size;
	unsigned int rx_frames;
	struct xsk_ring_prod fill;
	struct xsk_ring_cons completion;
	struct xsk_ring_cons rx;
	struct xsk_ring_prod tx;
	uint64_t tx_free[XSK_TX_FRAMES];
	unsigned int n_tx_free;
	int xsks_fd;
	uint32_t index;
	bool in_map;
	struct xsk_counters counters;
};

static void fill_with(struct xsk *xsk, const uint64_t *addresses, unsigned int n)
{
	uint32_t at;

	/* The ring has room for every frame there is. */
	if (xsk_ring_prod__reserve(&xsk->fill, n, &at) != n)
		return;
	for (unsigned int i = 0; i < n; i++)
		*xsk_ring_prod__fill_addr(&xsk->fill, at + i) = addresses[i];
	xsk_ring_prod__submit(&xsk->fill, n);
}

static void share_out_frames(struct xsk *xsk)
{
	for (unsigned int i = 0; i < XSK_TX_FRAMES; i++)
		xsk->tx_free[i] = (uint64_t)i * XSK_FRAME_SIZE;
	xsk->n_tx_free = XSK_TX_FRAMES;
	for (unsigned int i = XSK_TX_FRAMES; i < XSK_TX_FRAMES + xsk->rx_frames; i++) {
		uint64_t address = (uint64_t)i * XSK_FRAME_SIZE;

		fill_with(xsk, &address, 1);
	}
}

static void close_socket(struct xsk *xsk)
{
	if (xsk->socket)
		xsk_socket__delete(xsk->socket);
	if (xsk->umem)
		xsk_umem__delete(xsk->umem);
	if (xsk->area)
		munmap(xsk->area, xsk->area_size);
	xsk->socket = NULL;
	xsk->umem = NULL;
	xsk->area = NULL;
}

static int map_area(struct xsk *xsk)
{
	xsk->area_size = (size_t)(XSK_TX_FRAMES + xsk->rx_frames) * XSK_FRAME_SIZE;
	xsk->area = mmap(NULL, xsk->area_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	if (xsk->area != MAP_FAILED)
		return 0;
	xsk->area = NULL;
	return -errno;
}

static int open_socket(struct xsk *xsk, const char *ifname, unsigned int queue)
{
	const struct xsk_umem_config umem_config = {
		.fill_size = xsk->rx_frames,
		.comp_size = XSK_TX_FRAMES,
		.frame_size = XSK_FRAME_SIZE,
	};
	const struct xsk_socket_config socket_config = {
		.rx_size = xsk->rx_frames,
		.tx_size = XSK_TX_FRAMES,
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = XDP_COPY | XDP_USE_NEED_WAKEUP,
	};
	int error = map_area(xsk);

	if (!error)
		error = xsk_umem__create(&xsk->umem, xsk->area, xsk->area_size, &xsk->fill,
					 &xsk->completion, &umem_config);
	if (!error)
		error = xsk_socket__create(&xsk->socket, ifname, queue, xsk->umem, &xsk->rx,
					   &xsk->tx, &socket_config);
	if (error)
		close_socket(xsk);
	return error;
}

/*
 * The kernel frees the queue of a closed socket a little later, from a work queue. Whoever closes
 * and opens a port, or starts anew, would find it busy.
 */
static int open_socket_patiently(struct xsk *xsk, const char *ifname, unsigned int queue)
{
	int error = open_socket(xsk, ifname, queue);

	for (unsigned int us = 500; error == -EBUSY && us <= XSK_BUSY_MAX_US; us *= 2) {
		usleep(us);
		error = open_socket(xsk, ifname, queue);
	}
	return error;
}

/* As many frames as may be locked (RLIMIT_MEMLOCK, where CAP_IPC_LOCK is not there either). */
static int open_socket_as_large_as_may_be(struct xsk *xsk, const char *ifname, unsigned int queue)
{
	int error = open_socket_patiently(xsk, ifname, queue);

	while ((error == -ENOBUFS || error == -ENOMEM) && xsk->rx_frames > XSK_RX_MIN) {
		xsk->rx_frames /= 2;
		error = open_socket_patiently(xsk, ifname, queue);
	}
	return error;
}

int xsk_open(struct xsk **xsk_out, const char *ifname, unsigned int queue, unsigned int rx_frames,
	     int xsks_fd, uint32_t index)
{
	struct xsk *xsk = calloc(1, sizeof(*xsk));
	int error, fd;

	if (!xsk)
		return -ENOMEM;
	xsk->xsks_fd = xsks_fd;
	xsk->index = index;
	xsk->rx_frames = rx_frames;
	error = open_socket_as_large_as_may_be(xsk, ifname, queue);
	if (error)
		goto fail;
	share_out_frames(xsk);
	fd = xsk_socket__fd(xsk->socket);
	if (bpf_map_update_elem(xsks_fd, &index, &fd, BPF_ANY) < 0) {
		error = -errno;
		goto fail;
	}
	xsk->in_map = true;
	*xsk_out = xsk;
	return 0;
fail:
	xsk_close(xsk);
	return error;
}

void xsk_close(struct xsk *xsk)
{
	if (!xsk)
		return;
	if (xsk->in_map)
		bpf_map_delete_elem(xsk->xsks_fd, &xsk->index);
	close_socket(xsk);
	free(xsk);
}

int xsk_fd(const struct xsk *xsk)
{
	return xsk_socket__fd(xsk->socket);
}

unsigned int xsk_receive(struct xsk *xsk, unsigned int budget, xsk_frame_fn fn, void *arg)
{
	unsigned int done = 0;

	while (done < budget) {
		const struct xdp_desc *desc;
		uint64_t address;
		uint32_t at;

		if (xsk_ring_cons__peek(&xsk->rx, 1, &at) == 0)
			break;
		desc = xsk_ring_cons__rx_desc(&xsk->rx, at);
		/* The frame starts behind headroom; the fill ring takes the start of the page. */
		address = desc->addr - desc->addr % XSK_FRAME_SIZE;
		fn(arg, xsk_umem__get_data(xsk->area, desc->addr), desc->len);
		xsk_ring_cons__release(&xsk->rx, 1);
		fill_with(xsk, &address, 1);
		done++;
	}
	xsk->counters.received += done;
	/* The driver ran dry and waits to be told of new buffers. */
	if (done && xsk_ring_prod__needs_wakeup(&xsk->fill))
		recvfrom(xsk_fd(xsk), NULL, 0, MSG_DONTWAIT, NULL, NULL);
	return done;
}

unsigned int xsk_rx_frames(const struct xsk *xsk)
{
	return xsk->rx_frames;
}

unsigned int xsk_waiting(const struct xsk *xsk)
{
	return __atomic_load_n(xsk->rx.producer, __ATOMIC_ACQUIRE) -
	       __atomic_load_n(xsk->rx.consumer, __ATOMIC_RELAXED);
}

static void reap_completions(struct xsk *xsk)
{
	uint32_t at = 0;
	unsigned int n = xsk_ring_cons__peek(&xsk->completion, XSK_TX_FRAMES, &at);

	for (unsigned int i = 0; i < n; i++)
		xsk->tx_free[xsk->n_tx_free++] =
			*xsk_ring_cons__comp_addr(&xsk->completion, at + i);
	xsk_ring_cons__release(&xsk->completion, n);
}

/*
 * In copy mode the kernel sends from within this call. It gives up for the moment with EAGAIN,
 * EBUSY or ENOBUFS; what is left in the ring goes out with the next call.
 */
static int kick_transmit(struct xsk *xsk)
{
	if (sendto(xsk_fd(xsk), NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0 || errno == EAGAIN ||
	    errno == EBUSY || errno == ENOBUFS)
		return 0;
	return -errno;
}

/*
 * Takes the newest frame back, so that it does not go out stale when the interface comes up. Safe
 * because in copy mode the kernel looks at the ring only within our own system calls.
 */
static void retract_frame(struct xsk *xsk, uint64_t address)
{
	xsk->tx.cached_prod--;
	__atomic_store_n(xsk->tx.producer, xsk->tx.cached_prod, __ATOMIC_RELEASE);
	xsk->tx_free[xsk->n_tx_free++] = address;
}

int xsk_send(struct xsk *xsk, const uint8_t *frame, size_t len)
{
	struct xdp_desc *desc;
	uint64_t address;
	uint32_t at;
	int error;

	if (len > XSK_FRAME_SIZE) {
		xsk->counters.send_failed++;
		return -EMSGSIZE;
	}
	reap_completions(xsk);
	if (xsk->n_tx_free == 0) {
		kick_transmit(xsk);
		reap_completions(xsk);
	}
	if (xsk->n_tx_free == 0 || xsk_ring_prod__reserve(&xsk->tx, 1, &at) == 0) {
		xsk->counters.send_failed++;
		return -ENOBUFS;
	}
	address = xsk->tx_free[--xsk->n_tx_free];
	memcpy(xsk_umem__get_data(xsk->area, address), frame, len);
	desc = xsk_ring_prod__tx_desc(&xsk->tx, at);
	*desc = (struct xdp_desc){ .addr = address, .len = (uint32_t)len };
	xsk_ring_prod__submit(&xsk->tx, 1);
	error = kick_transmit(xsk);
	if (error) {
		retract_frame(xsk, address);
		xsk->counters.send_failed++;
	} else {
		xsk->counters.sent++;
	}
	return error;
}

void xsk_read_counters(const struct xsk *xsk, struct xsk_counters *counters)
{
	struct xdp_statistics statistics = { 0 };
	socklen_t len = sizeof(statistics);

	*counters = xsk->counters;
	if (getsockopt(xsk_fd(xsk), SOL_XDP, XDP_STATISTICS, &statistics, &len) == 0)
		counters->dropped = statistics.rx_dropped + statistics.rx_ring_full;
}

/* Is sysfs that of our network namespace? It need not be, and may know another such interface. */
static bool is_in_sysfs(const char *ifname)
{
	char path[64 + IF_NAMESIZE];
	unsigned int ifindex = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/class/net/%s/ifindex", ifname);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (fscanf(file, "%u", &ifindex) != 1)
		ifindex = 0;
	fclose(file);
	return ifindex && ifindex == if_nametoindex(ifname);
}

/* Drivers that cannot tell their channels still have one directory for each queue in sysfs. */
static unsigned int count_sysfs_queues(const char *ifname)
{
	char path[64 + IF_NAMESIZE];
	struct dirent *entry;
	unsigned int n = 0;
	DIR *dir;

	if (!is_in_sysfs(ifname))
		return 0;
	snprintf(path, sizeof(path), "/sys/class/net/%s/queues", ifname);
	dir = opendir(path);
	if (!dir)
		return 0;
	while ((entry = readdir(dir)))
		n += strncmp(entry->d_name, "rx-", 3) == 0;
	closedir(dir);
	return n;
}

unsigned int xsk_queue_count(const char *ifname)
{
	struct ethtool_channels channels = { .cmd = ETHTOOL_GCHANNELS };
	struct ifreq request = { .ifr_data = (void *)&channels };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	unsigned int n;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", ifname);
	if (fd >= 0 && ioctl(fd, SIOCETHTOOL, &request) == 0)
		n = channels.rx_count + channels.combined_count;
	else
		n = count_sysfs_queues(ifname);
	if (fd >= 0)
		close(fd);
	return n ? n : 1;
}
