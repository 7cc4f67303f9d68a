/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames through real interfaces: what leaves each port, byte by byte, in either XDP mode. */
#include <stddef.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "../support/datagram.h"
#include "../support/veth.h"
#include "dataplane/dataplane.h"

struct bed {
	struct veth veth;
	struct dataplane *dp;
	enum dataplane_mode mode;
};

static struct bed bed;

static void open_bed(enum dataplane_mode mode, unsigned int n)
{
	struct dataplane_options options = { .bpffs_dir = veth_bpffs() };
	struct dataplane_error error = { "" };

	veth_init(&bed.veth, n, 1);
	bed.mode = mode;
	if (dataplane_open(&bed.dp, &options, &error))
		fail_msg("%s", error.text);
	for (unsigned int i = 1; i <= n; i++) {
		struct dataplane_port port = { .ifindex = bed.veth.ifindex[i],
					       .side = i == 1 ? MCASTD_SIDE_UPSTREAM
							      : MCASTD_SIDE_DOWNSTREAM,
					       .ttl_threshold = 1,
					       .mtu = 1500 };
		enum dataplane_mode got;

		snprintf(port.name, sizeof(port.name), "r%u", i);
		memcpy(port.mac, bed.veth.mac[i], 6);
		if (dataplane_attach(bed.dp, port.ifindex, mode, &got, &error))
			fail_msg("%s", error.text);
		assert_int_equal(got, mode);
		if (dataplane_port_set(bed.dp, i, &port, &error))
			fail_msg("%s", error.text);
	}
}

static void close_bed(void)
{
	dataplane_close(bed.dp, false);
	veth_fini(&bed.veth);
}

static void set_route(const char *source, const char *group, const uint16_t *slots, uint32_t n)
{
	struct forward_route route = {
		.out = { { slots, n }, { slots, n } },
	};

	assert_int_equal(addr_parse(group, &route.group), 0);
	assert_int_equal(addr_parse(source, &route.source), 0);
	assert_int_equal(dataplane_forward_ops.route_set(bed.dp, &route), 0);
}

#define ROUTE(source, group, ...)                                   \
	set_route(source, group, (const uint16_t[]){ __VA_ARGS__ }, \
		  sizeof((const uint16_t[]){ __VA_ARGS__ }) / sizeof(uint16_t))

static void expect(unsigned int port, const struct veth_frame *sent)
{
	struct veth_frame wanted, got;

	datagram_forwarded(sent, bed.veth.mac[port], &wanted);
	if (!veth_receive(&bed.veth, port, &got, 500))
		fail_msg("nothing left port %u", port);
	assert_int_equal(got.len, wanted.len);
	assert_memory_equal(got.bytes, wanted.bytes, wanted.len);
}

static void expect_silence(void)
{
	struct veth_frame got;

	for (unsigned int i = 1; i <= bed.veth.n; i++)
		if (veth_receive(&bed.veth, i, &got, i == 1 ? 50 : 0))
			fail_msg("unexpected frame out of port %u", i);
}

/* D-TTL, D-MAC, P-4.2-NOBACK: each member gets its copy, with its port's MAC, no one else. */
static void check_fan_out(void)
{
	struct veth_frame frame;

	ROUTE("0.0.0.0", "239.1.1.1", 2, 3, 4);
	datagram_init(&frame, "192.0.2.1", "239.1.1.1", 8, 100, 1);
	veth_send(&bed.veth, 1, frame.bytes, frame.len);
	expect(2, &frame);
	expect(3, &frame);
	expect(4, &frame);
	expect_silence();
	veth_send(&bed.veth, 3, frame.bytes, frame.len);
	expect(2, &frame);
	expect(4, &frame);
	expect_silence();
}

/*
 * One flow goes to port 2 alone, another to ports 2 and 3, in one batch: the kernel runs one egress
 * program for all frames of a batch to one device, and each frame must still be right.
 */
static void check_mixed_batch(void)
{
	struct veth_frame frames[8];

	ROUTE("0.0.0.0", "239.2.1.1", 2);
	ROUTE("0.0.0.0", "239.2.1.2", 2, 3);
	for (unsigned int i = 0; i < 8; i++)
		datagram_init(&frames[i], "192.0.2.1", i % 2 ? "239.2.1.2" : "239.2.1.1", 8, 64,
			      (uint8_t)i);
	veth_send_batch(&bed.veth, 1, frames, 8);
	for (unsigned int i = 0; i < 8; i++)
		expect(2, &frames[i]);
	for (unsigned int i = 1; i < 8; i += 2)
		expect(3, &frames[i]);
	expect_silence();
}

static void fan_out_native(void **state)
{
	(void)state;
	open_bed(DATAPLANE_MODE_NATIVE, 4);
	check_fan_out();
	close_bed();
}

static void fan_out_generic(void **state)
{
	(void)state;
	open_bed(DATAPLANE_MODE_GENERIC, 4);
	check_fan_out();
	close_bed();
}

static void mixed_batch_native(void **state)
{
	(void)state;
	open_bed(DATAPLANE_MODE_NATIVE, 4);
	check_mixed_batch();
	close_bed();
}

static void mixed_batch_generic(void **state)
{
	(void)state;
	open_bed(DATAPLANE_MODE_GENERIC, 4);
	check_mixed_batch();
	close_bed();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fan_out_native),
		cmocka_unit_test(fan_out_generic),
		cmocka_unit_test(mixed_batch_native),
		cmocka_unit_test(mixed_batch_generic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
