/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The link monitor and AF_XDP sockets, on a veth pair in a network namespace of their own. Skipped
 * without the right to make one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "platform/netlink.h"
#include "platform/xsk.h"

static struct netlink *netlink;
static bool may_unshare;

/* What netlink_read() told, as text: "+NAME" changed, "-NAME" gone, "!" overrun. */
static char told[65536];

static void note_change(void *arg, enum netlink_change change, const struct netlink_link *link)
{
	size_t len = strlen(told);

	(void)arg;
	snprintf(told + len, sizeof(told) - len, "%s%s ",
		 change == NETLINK_LINK	  ? "+"
		 : change == NETLINK_GONE ? "-"
					  : "!",
		 link ? link->name : "");
}

static void shell(const char *command)
{
	assert_int_equal(system(command), 0); /* NOLINT: fixed texts */
}

/* Runs the command, then reads what the kernel announced; one call reads a bounded part. */
static void change(const char *command)
{
	told[0] = '\0';
	shell(command);
	for (int i = 0; i < 32; i++)
		assert_int_equal(netlink_read(netlink), 0);
}

/* Carrier changes are announced with a delay. */
static void await_running(const struct netlink_link *link, bool running)
{
	struct pollfd ready = { .fd = netlink_fd(netlink), .events = POLLIN };

	for (int i = 0; i < 30 && link->running != running; i++) {
		poll(&ready, 1, 100);
		assert_int_equal(netlink_read(netlink), 0);
	}
	assert_int_equal(link->running, running);
}

#define NEEDS_NAMESPACE   \
	(void)state;      \
	if (!may_unshare) \
	skip()

static void test_pictures(void **state)
{
	const struct netlink_link *link;

	NEEDS_NAMESPACE;
	change("ip link add va address 02:00:00:00:00:0a type veth peer name vb");
	assert_string_equal(told, "+vb +va ");
	link = netlink_find(netlink, "va");
	assert_non_null(link);
	assert_ptr_equal(link, netlink_find_index(netlink, link->ifindex));
	assert_memory_equal(link->mac, ((uint8_t[]){ 2, 0, 0, 0, 0, 10 }), 6);
	assert_int_equal(link->mtu, 1500);
	assert_true(link->is_ethernet);
	assert_false(link->up);
	assert_false(link->running);
	assert_int_equal(link->n_addresses, 0);

	change("ip link set va up; ip link set vb up; ip link set va mtu 1400");
	assert_true(link->up);
	assert_int_equal(link->mtu, 1400);
	await_running(link, true);

	/* The flags that are kept on an interface, and who else wants the same does not count. */
	assert_false(link->all_multicast || link->promiscuous);
	change("ip link set va allmulticast on; ip link set va promisc on");
	assert_true(link->all_multicast && link->promiscuous);
	change("ip link set va allmulticast off; ip link set va promisc off");
	assert_false(link->all_multicast || link->promiscuous);

	/* Nothing new: nothing told. */
	change("ip link set va mtu 1400");
	assert_string_equal(told, "");
	change("ip link set vb down");
	await_running(link, false);
	assert_true(link->up);
	assert_non_null(strstr(told, "+va "));
	change("ip link set vb up");
	await_running(link, true);
	assert_false(netlink_find(netlink, "lo")->is_ethernet);
}

static void test_addresses(void **state)
{
	const struct netlink_link *link;

	NEEDS_NAMESPACE;
	link = netlink_find(netlink, "va");
	change("ip addr add 192.0.2.1/24 dev va");
	assert_string_equal(told, "+va ");
	change("ip addr add 192.0.2.2/24 dev va; ip addr add 198.51.100.1/30 dev va;"
	       "ip addr add 2001:db8::1/64 dev va");
	assert_int_equal(link->n_addresses, 3);
	assert_memory_equal(link->addresses[0].v4, ((uint8_t[]){ 192, 0, 2, 1 }), 4);
	assert_int_equal(link->addresses[0].prefix_len, 24);
	assert_false(link->addresses[0].secondary);
	assert_true(link->addresses[1].secondary);
	assert_int_equal(link->addresses[2].prefix_len, 30);

	/* The secondary one is promoted when the primary goes. */
	change("echo 1 > /proc/sys/net/ipv4/conf/va/promote_secondaries;"
	       "ip addr del 192.0.2.1/24 dev va");
	assert_int_equal(link->n_addresses, 2);
	for (size_t i = 0; i < link->n_addresses; i++)
		assert_false(link->addresses[i].secondary);
	/* The other end's address of a point-to-point pair is not ours. */
	change("ip addr flush dev va; ip addr add 192.0.2.1 peer 192.0.2.9 dev va");
	assert_int_equal(link->n_addresses, 1);
	assert_memory_equal(link->addresses[0].v4, ((uint8_t[]){ 192, 0, 2, 1 }), 4);
	assert_memory_equal(link->addresses[0].connected, ((uint8_t[]){ 192, 0, 2, 9 }), 4);
	assert_int_equal(link->addresses[0].prefix_len, 32);
	/* One address may have several. */
	change("ip addr add 192.0.2.1 peer 198.51.100.0/24 dev va");
	assert_int_equal(link->n_addresses, 2);
	change("ip addr del 192.0.2.1 peer 192.0.2.9 dev va");
	assert_int_equal(link->n_addresses, 1);
	assert_memory_equal(link->addresses[0].connected, ((uint8_t[]){ 198, 51, 100, 0 }), 4);
	assert_int_equal(link->addresses[0].prefix_len, 24);
}

static void test_rename_bridge_delete(void **state)
{
	unsigned int ifindex;

	NEEDS_NAMESPACE;
	ifindex = netlink_find(netlink, "va")->ifindex;
	change("ip link set va down; ip link set va name vc");
	assert_non_null(strstr(told, "-va "));
	assert_non_null(strstr(told, "+vc "));
	assert_null(netlink_find(netlink, "va"));
	assert_int_equal(netlink_find(netlink, "vc")->ifindex, ifindex);

	/* Taken out of a bridge is not deleted, though the kernel's message is named so. */
	if (system("ip link add br0 type bridge 2>/dev/null") == 0) {
		change("ip link set vc master br0");
		assert_int_equal(netlink_find(netlink, "vc")->master,
				 netlink_find(netlink, "br0")->ifindex);
		assert_true(netlink_find(netlink, "br0")->is_stacked);
		assert_false(netlink_find(netlink, "vc")->is_stacked);
		change("ip link set vc nomaster; ip link del br0");
		assert_non_null(netlink_find(netlink, "vc"));
		assert_int_equal(netlink_find(netlink, "vc")->master, 0);
	}
	change("ip link del vc");
	assert_non_null(strstr(told, "-vc "));
	assert_non_null(strstr(told, "-vb "));
	assert_null(netlink_find_index(netlink, ifindex));
}

/* More announcements than the buffer takes: the picture is right all the same. */
static void test_overrun(void **state)
{
	const struct netlink_link *link;

	NEEDS_NAMESPACE;
	change("ip link add va type veth peer name vb; ip link add vx type veth peer name vy;"
	       "ip addr add 192.0.2.1/24 dev va");
	change("(i=0; while [ $i -lt 4000 ]; do echo link set va mtu $((1000 + i % 300));"
	       "i=$((i + 1)); done; echo link set va mtu 1234; echo link del vx;"
	       "echo addr add 192.0.2.7/24 dev va) | ip -batch -");
	assert_non_null(strstr(told, "! "));
	assert_non_null(strstr(told, "-vx "));
	assert_null(netlink_find(netlink, "vy"));
	link = netlink_find(netlink, "va");
	assert_int_equal(link->mtu, 1234);
	assert_int_equal(link->n_addresses, 2);
	change("ip link set va mtu 1500");
	assert_string_equal(told, "+va ");
}

/* --- AF_XDP ------------------------------------------------------------------------------------
 */

#define XSK_INDEX 3

/* return bpf_redirect_map(&xsks, XSK_INDEX, XDP_PASS) */
static int load_redirect(int map_fd)
{
	const struct bpf_insn program[] = {
		{ .code = BPF_LD | BPF_IMM | BPF_DW,
		  .dst_reg = BPF_REG_1,
		  .src_reg = BPF_PSEUDO_MAP_FD,
		  .imm = map_fd },
		{ .code = 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = XSK_INDEX },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return bpf_prog_load(BPF_PROG_TYPE_XDP, "to_xsk", "GPL", program,
			     sizeof(program) / sizeof(program[0]), NULL);
}

static int open_packet(const char *name)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons(0x88b5) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(0x88b5));

	address.sll_ifindex = (int)netlink_find(netlink, name)->ifindex;
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void make_frame(uint8_t *frame, size_t len, unsigned int n)
{
	memset(frame, 0, len);
	memcpy(frame, (uint8_t[]){ 1, 0, 0x5e, 1, 1, 1, 2, 0, 0, 0, 0, 9, 0x88, 0xb5 }, 14);
	memcpy(frame + 14, &n, sizeof(n));
}

struct expected {
	unsigned int next;
	size_t len;
};

static void check_frame(void *arg, const uint8_t *frame, size_t len)
{
	struct expected *expected = arg;
	uint8_t wanted[2048];

	if (len < 14 || frame[12] != 0x88 || frame[13] != 0xb5)
		return; /* the kernel's own, IPv6 and the like */
	assert_int_equal(len, expected->len);
	make_frame(wanted, len, expected->next++);
	assert_memory_equal(frame, wanted, len);
}

/* Frames in both directions, many times as many as there are buffers. */
static void exchange(struct xsk *xsk, int packet_fd, size_t len)
{
	struct expected expected = { .len = len };
	struct xsk_counters before, after;
	uint8_t frame[2048], got[2048];

	xsk_read_counters(xsk, &before);
	for (unsigned int n = 0; n < 2000; n++) {
		struct pollfd ready = { .fd = xsk_fd(xsk), .events = POLLIN };

		make_frame(frame, len, n);
		assert_int_equal(send(packet_fd, frame, len, 0), (ssize_t)len);
		if (n % 50 == 49) {
			assert_int_equal(poll(&ready, 1, 1000), 1);
			for (int i = 0; i < 20 && expected.next <= n; i++) {
				xsk_receive(xsk, 64, check_frame, &expected);
				if (expected.next <= n)
					usleep(1000);
			}
			assert_int_equal(expected.next, n + 1);
		}
	}
	for (unsigned int n = 0; n < 2000; n++) {
		ssize_t size = -1;

		make_frame(frame, len, n);
		assert_int_equal(xsk_send(xsk, frame, len), 0);
		for (int i = 0; i < 100 && size < 0; i++) {
			size = recv(packet_fd, got, sizeof(got), 0);
			if (size < 0)
				usleep(1000);
		}
		assert_int_equal(size, (ssize_t)len);
		assert_memory_equal(got, frame, len);
	}
	xsk_read_counters(xsk, &after);
	assert_true(after.received - before.received >= 2000);
	assert_int_equal(after.sent - before.sent, 2000);
	assert_int_equal(after.send_failed, before.send_failed);
	assert_int_equal(after.dropped, 0);
}

/* What cannot be sent is not sent later, and there is room again afterwards. */
static void send_while_down(struct xsk *xsk, int packet_fd)
{
	uint8_t frame[5000] = { 0 };

	assert_int_equal(xsk_send(xsk, frame, sizeof(frame)), -EMSGSIZE);
	change("ip link set va down");
	make_frame(frame, 60, 7);
	for (int i = 0; i < 500; i++)
		assert_int_equal(xsk_send(xsk, frame, 60), -ENETDOWN);
	change("ip link set va up");
	usleep(20000);
	assert_int_equal(recv(packet_fd, frame, sizeof(frame), 0), -1);
}

static void test_xsk(void **state)
{
	static const uint32_t modes[] = { XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE };
	int map_fd, program_fd, packet_fd, stack_fd;
	unsigned int ifindex;
	struct xsk *xsk = NULL;
	uint8_t frame[60], got[60];

	NEEDS_NAMESPACE;
	change("ip link del va 2>/dev/null; ip link add va type veth peer name vb;"
	       "ip link set va up; ip link set vb up");
	ifindex = netlink_find(netlink, "va")->ifindex;
	map_fd = bpf_map_create(BPF_MAP_TYPE_XSKMAP, "xsks", 4, 4, 8, NULL);
	program_fd = load_redirect(map_fd);
	assert_true(map_fd >= 0 && program_fd >= 0);
	packet_fd = open_packet("vb");

	assert_int_equal(xsk_open(&xsk, "va", 0, XSK_RX_MIN, map_fd, XSK_INDEX), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(bpf_xdp_attach((int)ifindex, program_fd, modes[i], NULL), 0);
		assert_int_equal(netlink_read(netlink), 0);
		assert_true(netlink_find(netlink, "va")->xdp_prog_id > 0);
		exchange(xsk, packet_fd, 60);
		exchange(xsk, packet_fd, 1514);
		send_while_down(xsk, packet_fd);
		exchange(xsk, packet_fd, 100);
		assert_int_equal(bpf_xdp_detach((int)ifindex, modes[i], NULL), 0);
	}
	/* Not in the map any more: frames go to the stack again. */
	assert_int_equal(bpf_xdp_attach((int)ifindex, program_fd, modes[1], NULL), 0);
	stack_fd = open_packet("va");
	make_frame(frame, sizeof(frame), 8);
	assert_int_equal(send(packet_fd, frame, sizeof(frame), 0), sizeof(frame));
	usleep(20000);
	assert_int_equal(recv(stack_fd, got, sizeof(got), 0), -1);
	xsk_close(xsk);
	assert_int_equal(send(packet_fd, frame, sizeof(frame), 0), sizeof(frame));
	usleep(20000);
	assert_int_equal(recv(stack_fd, got, sizeof(got), 0), sizeof(got));
	assert_memory_equal(got, frame, sizeof(got));
	assert_int_equal(bpf_xdp_detach((int)ifindex, modes[1], NULL), 0);
	close(stack_fd);
	close(packet_fd);
	close(program_fd);
	close(map_fd);
}

static void test_xsk_refused(void **state)
{
	struct xsk *xsk = NULL;
	int map_fd;

	NEEDS_NAMESPACE;
	map_fd = bpf_map_create(BPF_MAP_TYPE_XSKMAP, "xsks", 4, 4, 8, NULL);
	assert_int_equal(xsk_queue_count("va"), 1);
	assert_int_equal(xsk_queue_count("nonexistent"), 1);
	assert_true(xsk_open(&xsk, "nonexistent", 0, XSK_RX_MIN, map_fd, 0) < 0);
	assert_true(xsk_open(&xsk, "va", 5, XSK_RX_MIN, map_fd, 0) < 0);
	/* Not a place in the map: nothing is left open. */
	assert_true(xsk_open(&xsk, "va", 0, XSK_RX_MIN, map_fd, 99) < 0);
	assert_int_equal(xsk_open(&xsk, "va", 0, XSK_RX_MIN, map_fd, 0), 0);
	xsk_close(xsk);
	close(map_fd);
}

static int set_up(void **state)
{
	(void)state;
	may_unshare = unshare(CLONE_NEWNET) == 0;
	libbpf_set_print(NULL);
	return may_unshare ? netlink_open(&netlink, note_change, NULL) : 0;
}

static int tear_down(void **state)
{
	(void)state;
	netlink_close(netlink);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pictures),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_rename_bridge_delete),
		cmocka_unit_test(test_overrun),
		cmocka_unit_test(test_xsk),
		cmocka_unit_test(test_xsk_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
