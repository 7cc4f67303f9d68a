/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Do the copies of one frame that arrives in generic mode share their bytes? Before Linux 7.1 the
 * kernel ran the egress program of each port on a clone of the packet (stable kernels have the
 * mending from 6.1.178 and 6.12.97 on), so that what it wrote for the last port was in every copy
 * that had not left yet.
 *
 * It is tried, with programs and a frame of our own, where nobody else is: on the loopback
 * interface of a new network namespace, which a thread enters and which ends with that thread. The
 * one interface takes both copies, and each is counted up by the egress program: two copies that
 * say 1 are private, else one was written to for the other.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/mcast_copies.skel.h"
#include "dataplane/internal.h"

#define LOOPBACK_IFINDEX 1 /* in every namespace */
#define LOOPBACK "lo"
#define COPIES 2
#define PROTOCOL 0x88b5 /* for experiments, IEEE 802 */
/* For a busy machine; both copies are there at once. */
#define PATIENCE_MS 1000

struct trial {
	int send_fd, write_fd, map_fd; /* the programs and the map of mcast_copies.bpf.c */
	struct dataplane_copies *result;
};

static void not_known(struct dataplane_copies *result, const char *what, int err)
{
	result->kind = DATAPLANE_COPIES_UNKNOWN;
	snprintf(result->why, sizeof(result->why), "%s: %s", what, strerror(err));
}

/* Returns a socket on the loopback interface, which is up then, or -errno. */
static int open_loopback(void)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET,
				       .sll_protocol = htons(PROTOCOL),
				       .sll_ifindex = LOOPBACK_IFINDEX };
	struct ifreq up = { .ifr_name = LOOPBACK, .ifr_flags = IFF_UP };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(PROTOCOL)), err;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, SIOCSIFFLAGS, &up) == 0 &&
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static int attach(const struct trial *trial)
{
	const struct mcastd_dev dev = { .ifindex = LOOPBACK_IFINDEX,
					.prog_fd = (uint32_t)trial->write_fd };
	int err = 0;

	for (uint32_t key = 0; key < COPIES && !err; key++)
		err = bpf_map_update_elem(trial->map_fd, &key, &dev, BPF_ANY);
	if (!err)
		err = bpf_xdp_attach(LOOPBACK_IFINDEX, trial->send_fd, XDP_FLAGS_SKB_MODE, NULL);
	return err;
}

/* How often a copy was written to, or -errno. */
static int receive(int fd)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	uint8_t frame[ETH_ZLEN] = { 0 };
	int n = poll(&readable, 1, PATIENCE_MS);

	if (n <= 0)
		return n ? -errno : -ETIMEDOUT;
	return recv(fd, frame, sizeof(frame), 0) <= ETH_HLEN ? -EIO : frame[ETH_HLEN];
}

static void compare_copies(int fd, struct dataplane_copies *result)
{
	uint8_t frame[ETH_ZLEN] = { [12] = PROTOCOL >> 8, [13] = PROTOCOL & 0xff };

	if (send(fd, frame, sizeof(frame), 0) < 0) {
		not_known(result, "no frame can be sent", errno);
		return;
	}
	result->kind = DATAPLANE_COPIES_PRIVATE;
	for (int i = 0; i < COPIES; i++) {
		int writers = receive(fd);

		if (writers < 0) {
			not_known(result, "no copy arrives", -writers);
			return;
		}
		if (writers != 1)
			result->kind = DATAPLANE_COPIES_SHARED;
	}
}

static void *run_trial(void *arg)
{
	const struct trial *trial = arg;
	int fd, err;

	if (unshare(CLONE_NEWNET)) {
		not_known(trial->result, "no network namespace for a trial", errno);
		return NULL;
	}
	fd = open_loopback();
	err = fd < 0 ? fd : attach(trial);
	if (err)
		not_known(trial->result, "no interface for a trial", -err);
	else
		compare_copies(fd, trial->result);
	if (fd >= 0)
		close(fd);
	return NULL;
}

void copies_try(struct dataplane_copies *result)
{
	struct mcast_copies_bpf *programs = mcast_copies_bpf__open_and_load();
	struct trial trial = { .result = result };
	pthread_t thread;
	int err;

	if (!programs) {
		not_known(result, "no programs for a trial", errno);
		return;
	}
	trial.send_fd = bpf_program__fd(programs->progs.copies_send);
	trial.write_fd = bpf_program__fd(programs->progs.copies_write);
	trial.map_fd = bpf_map__fd(programs->maps.copies);
	/* A namespace is entered by one thread; the others stay where they are. */
	err = pthread_create(&thread, NULL, run_trial, &trial);
	if (err)
		not_known(result, "no thread for a trial", err);
	else
		pthread_join(thread, NULL);
	mcast_copies_bpf__destroy(programs);
}
