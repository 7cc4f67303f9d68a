/* SPDX-License-Identifier: BSD-2-Clause */
#include "veth.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/magic.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void run(const char *format, ...)
{
	char command[256];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (system(command) != 0) {
		fprintf(stderr, "failed: %s\n", command);
		exit(1);
	}
}

static void read_mac(const char *name, uint8_t *mac)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { 0 };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &ifr) < 0)
		die(name);
	memcpy(mac, ifr.ifr_hwaddr.sa_data, 6);
	close(fd);
}

/* The socket takes only what arrives, not what it sends. */
static int open_packet_socket(const char *name)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET,
				       .sll_protocol = htons(ETH_P_ALL),
				       .sll_ifindex = (int)if_nametoindex(name) };
	struct packet_mreq promiscuous = { .mr_ifindex = address.sll_ifindex,
					   .mr_type = PACKET_MR_PROMISC };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)), one = 1,
	    room = 8 << 20;

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof(promiscuous)))
		die(name);
	return fd;
}

static void quiet(void)
{
	int fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, "1", 1) != 1)
		die("disable_ipv6");
	close(fd);
}

void veth_init(struct veth *veth, unsigned int n, int with_gro)
{
	char name[IF_NAMESIZE];

	memset(veth, 0, sizeof(*veth));
	veth->n = n;
	if (unshare(CLONE_NEWNET) < 0)
		die("unshare");
	quiet();
	for (unsigned int i = 1; i <= n; i++) {
		run("ip link add r%u type veth peer name h%u", i, i);
		run("ip link set r%u up && ip link set h%u up", i, i);
		if (with_gro)
			run("ethtool -K h%u gro on", i);
		snprintf(name, sizeof(name), "r%u", i);
		veth->ifindex[i] = if_nametoindex(name);
		read_mac(name, veth->mac[i]);
		snprintf(name, sizeof(name), "h%u", i);
		veth->fd[i] = open_packet_socket(name);
	}
}

void veth_poll_by_thread(void)
{
	char dir[64];

	/* It takes a sysfs of this namespace. */
	snprintf(dir, sizeof(dir), "/tmp/mcastd-test-%d", getpid());
	if (mkdir(dir, 0700) < 0 || mount("sysfs", dir, "sysfs", 0, NULL) < 0)
		die("sysfs");
	run("echo 1 >%s/class/net/r1/threaded", dir);
	if (umount2(dir, MNT_DETACH) < 0 || rmdir(dir) < 0)
		die("umount");
}

void veth_fini(struct veth *veth)
{
	for (unsigned int i = 1; i <= veth->n; i++) {
		close(veth->fd[i]);
		run("ip link del r%u", i);
	}
}

void veth_send(const struct veth *veth, unsigned int port, const void *frame, size_t len)
{
	if (send(veth->fd[port], frame, len, 0) != (ssize_t)len)
		die("send");
}

void veth_send_batch(const struct veth *veth, unsigned int port, const struct veth_frame *frames,
		     unsigned int n)
{
	struct mmsghdr messages[64] = { 0 };
	struct iovec iov[64];

	for (unsigned int i = 0; i < n; i++) {
		iov[i] = (struct iovec){ (void *)frames[i].bytes, frames[i].len };
		messages[i].msg_hdr.msg_iov = &iov[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	if (sendmmsg(veth->fd[port], messages, n, 0) != (int)n)
		die("sendmmsg");
}

/* The kernel has taken a tag out before the socket gets the frame: it is put in again. */
static void put_tag(struct veth_frame *frame, struct msghdr *message)
{
	const uint8_t proto[2] = { ETH_P_8021Q >> 8, ETH_P_8021Q & 0xff };
	struct cmsghdr *control = CMSG_FIRSTHDR(message);
	struct tpacket_auxdata data;

	if (!control || control->cmsg_level != SOL_PACKET || control->cmsg_type != PACKET_AUXDATA)
		return;
	memcpy(&data, CMSG_DATA(control), sizeof(data));
	if (!(data.tp_status & TP_STATUS_VLAN_VALID))
		return;
	memmove(frame->bytes + 16, frame->bytes + 12, frame->len - 12);
	memcpy(frame->bytes + 12, proto, 2);
	frame->bytes[14] = (uint8_t)(data.tp_vlan_tci >> 8);
	frame->bytes[15] = (uint8_t)data.tp_vlan_tci;
	frame->len += 4;
}

int veth_receive(const struct veth *veth, unsigned int port, struct veth_frame *frame,
		 int timeout_ms)
{
	struct pollfd ready = { .fd = veth->fd[port], .events = POLLIN };
	char control[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	struct iovec iov = { frame->bytes, sizeof(frame->bytes) - 4 };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	ssize_t n;

	if (poll(&ready, 1, timeout_ms) <= 0)
		return 0;
	n = recvmsg(veth->fd[port], &message, MSG_DONTWAIT);
	if (n < 0)
		die("recvmsg");
	frame->len = (size_t)n;
	put_tag(frame, &message);
	return 1;
}

void veth_drain(const struct veth *veth)
{
	struct veth_frame frame;

	for (unsigned int i = 1; i <= veth->n; i++)
		while (veth_receive(veth, i, &frame, i == 1 ? 20 : 0))
			;
}

const char *veth_bpffs(void)
{
	static char dir[64];
	struct statfs fs;

	if (statfs("/sys/fs/bpf", &fs) < 0)
		die("/sys/fs/bpf");
	if ((uint32_t)fs.f_type != BPF_FS_MAGIC && mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL) < 0)
		die("mounting /sys/fs/bpf");
	snprintf(dir, sizeof(dir), "/sys/fs/bpf/mcastd-test-%d", getpid());
	return dir;
}
