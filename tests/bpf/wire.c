/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames through real interfaces: what leaves each port, byte by byte, the same in both XDP modes.
 * IDs are those of docs/CONFORMANCE.md.
 */
#include <stddef.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../support/bed.h"

static struct bed bed;

struct way {
	enum dataplane_mode mode;
	enum dataplane_copies_kind copies; /* UNKNOWN: what this kernel does */
};

static void open_bed(void **state, unsigned int n)
{
	const struct way *way = *state;
	struct dataplane_options options = { .bpffs_dir = veth_bpffs(), .copies = way->copies };

	bed_init(&bed, n, &options);
	bed_ports(&bed, way->mode);
	if (way->mode == DATAPLANE_MODE_NATIVE)
		veth_poll_by_thread();
}

/* Where copies share their bytes all ports send with the MAC of the first one in generic mode. */
static const uint8_t *source_mac(unsigned int port)
{
	bool shared = bed.generic && dataplane_copies(bed.dp)->kind != DATAPLANE_COPIES_PRIVATE;

	return bed.veth.mac[shared ? 1 : port];
}

static void send_frame(unsigned int port, const struct veth_frame *frame)
{
	veth_send(&bed.veth, port, frame->bytes, frame->len);
}

static void expect(unsigned int port, const struct veth_frame *sent)
{
	struct veth_frame wanted, got;

	datagram_forwarded(sent, source_mac(port), &wanted);
	assert_memory_equal(dataplane_source_mac(bed.dp, port), source_mac(port), 6);
	if (!veth_receive(&bed.veth, port, &got, 2000))
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

static struct mcastd_port_stats stats_of(unsigned int slot)
{
	struct mcastd_port_stats stats;

	assert_int_equal(dataplane_port_stats(bed.dp, slot, &stats), 0);
	return stats;
}

/* D-TTL, D-MAC, P-4.2-NOBACK: each member gets its copy, with the right MAC, no one else. */
static void fan_out(void **state)
{
	struct veth_frame frame;

	open_bed(state, 5);
	BED_ROUTE(&bed, "0.0.0.0", "239.1.1.1", 2, 3, 4);
	BED_ROUTE(&bed, "0.0.0.0", "239.1.1.2", 5);
	for (size_t payload = 0; payload < 1500; payload += 368) {
		datagram_init(&frame, "192.0.2.1", "239.1.1.1", 8, payload, 1);
		send_frame(1, &frame);
		expect(2, &frame);
		expect(3, &frame);
		expect(4, &frame);
		send_frame(3, &frame);
		expect(2, &frame);
		expect(4, &frame);
		datagram_init(&frame, "192.0.2.1", "239.1.1.2", 255, payload, 1);
		send_frame(1, &frame);
		expect(5, &frame);
		send_frame(5, &frame);
	}
	expect_silence();
	assert_int_equal(stats_of(2).out_packets, 10);
	assert_int_equal(stats_of(3).out_packets, 5);
	assert_int_equal(stats_of(5).out_packets, 5);
	bed_fini(&bed);
}

/* D-OPT, D-FRAG: options and fragments arrive as they were sent. */
static void options_and_fragments(void **state)
{
	struct veth_frame frame;

	open_bed(state, 3);
	BED_ROUTE(&bed, "0.0.0.0", "239.1.1.1", 2, 3);
	datagram_init(&frame, "192.0.2.1", "239.1.1.1", 8, 100, 1);
	datagram_options(&frame, 24);
	send_frame(1, &frame);
	expect(2, &frame);
	expect(3, &frame);
	datagram_init(&frame, "192.0.2.1", "239.1.1.1", 8, 100, 1);
	frame.bytes[DATAGRAM_IP + 6] = 0x20;
	frame.bytes[DATAGRAM_IP + 7] = 0xb9;
	datagram_fix(&frame);
	send_frame(1, &frame);
	expect(2, &frame);
	expect(3, &frame);
	bed_fini(&bed);
}

/*
 * One flow goes to port 2 alone, another to ports 2 and 3, in one batch: the kernel runs one egress
 * program for all frames of a batch to one device, and each frame must still be right.
 */
static void mixed_batch(void **state)
{
	struct veth_frame frames[8];

	open_bed(state, 4);
	BED_ROUTE(&bed, "0.0.0.0", "239.2.1.1", 2);
	BED_ROUTE(&bed, "0.0.0.0", "239.2.1.2", 2, 3);
	for (unsigned int i = 0; i < 8; i++)
		datagram_init(&frames[i], "192.0.2.1", i % 2 ? "239.2.1.2" : "239.2.1.1", 8, 64,
			      (uint8_t)i);
	veth_send_batch(&bed.veth, 1, frames, 8);
	for (unsigned int i = 0; i < 8; i++)
		expect(2, &frames[i]);
	for (unsigned int i = 1; i < 8; i += 2)
		expect(3, &frames[i]);
	expect_silence();
	bed_fini(&bed);
}

static void limit_port(unsigned int slot, uint8_t ttl_threshold, uint32_t mtu)
{
	struct dataplane_port port = bed_port(&bed, slot);

	port.ttl_threshold = ttl_threshold;
	port.mtu = mtu;
	bed_port_set(&bed, slot, &port);
}

/* D-THRESH, D-MTU: what does not fit a port is not sent there, and counted; others get it. */
static void check_limits(const char *group, bool others)
{
	struct mcastd_port_stats before = stats_of(2), after;
	struct veth_frame frame;

	limit_port(2, 8, 128);
	datagram_init(&frame, "192.0.2.1", group, 8, 100, 1); /* TTL 7 when it leaves */
	send_frame(1, &frame);
	if (others)
		expect(3, &frame);
	datagram_init(&frame, "192.0.2.1", group, 9, 101, 1); /* 129 octets */
	send_frame(1, &frame); /* could be fragmented, but there is no daemon to do it */
	if (others)
		expect(3, &frame);
	frame.bytes[DATAGRAM_IP + 6] |= 0x40; /* must not be */
	datagram_fix(&frame);
	send_frame(1, &frame);
	if (others)
		expect(3, &frame);
	datagram_init(&frame, "192.0.2.1", group, 9, 100, 1);
	send_frame(1, &frame);
	expect(2, &frame);
	if (others)
		expect(3, &frame);
	expect_silence();
	after = stats_of(2);
	assert_int_equal(after.out_ttl_threshold - before.out_ttl_threshold, 1);
	assert_int_equal(after.out_too_big - before.out_too_big, 2);
	assert_int_equal(after.out_packets - before.out_packets, 1);
	assert_int_equal(after.out_bytes - before.out_bytes, 142);
}

static void limits(void **state)
{
	open_bed(state, 3);
	BED_ROUTE(&bed, "0.0.0.0", "239.1.1.1", 2);
	check_limits("239.1.1.1", false);
	BED_ROUTE(&bed, "0.0.0.0", "239.1.1.2", 2, 3);
	check_limits("239.1.1.1", false);
	check_limits("239.1.1.2", true);
	bed_fini(&bed);
}

/* A port leaves and comes back while routes name it: the others go on. */
static void port_leaves(void **state)
{
	struct dataplane_port port;
	struct veth_frame frame;

	open_bed(state, 4);
	port = bed_port(&bed, 3);
	BED_ROUTE(&bed, "0.0.0.0", "239.1.1.1", 2, 3, 4);
	datagram_init(&frame, "192.0.2.1", "239.1.1.1", 8, 100, 1);
	assert_int_equal(dataplane_port_del(bed.dp, 3), 0);
	send_frame(1, &frame);
	expect(2, &frame);
	expect(4, &frame);
	expect_silence();
	bed_port_set(&bed, 3, &port);
	send_frame(1, &frame);
	expect(2, &frame);
	expect(3, &frame);
	expect(4, &frame);
	bed_fini(&bed);
}

/* A numbered stream to ports 2 and 3 while other ports join and leave its group all the time. */
static void steady_member(void **state)
{
	struct veth_frame frame, got;
	unsigned int seen = 0;

	open_bed(state, 5);
	for (unsigned int i = 0; i < 2000; i++) {
		if (i % 4 == 0)
			BED_ROUTE(&bed, "0.0.0.0", "239.1.1.1", 2, 3);
		else if (i % 4 == 1)
			BED_ROUTE(&bed, "0.0.0.0", "239.1.1.1", 2, 3, 4);
		else if (i % 4 == 2)
			BED_ROUTE(&bed, "0.0.0.0", "239.1.1.1", 2, 3, 4, 5);
		else
			BED_ROUTE(&bed, "0.0.0.0", "239.1.1.1", 2, 3, 5);
		datagram_init(&frame, "192.0.2.1", "239.1.1.1", 8, 16, 0);
		frame.bytes[DATAGRAM_IP + 28] = (uint8_t)(i >> 8);
		frame.bytes[DATAGRAM_IP + 29] = (uint8_t)i;
		send_frame(1, &frame);
		/* Not faster than the queues on the way can take it. */
		for (; i % 64 == 63 && seen <= i && veth_receive(&bed.veth, 2, &got, 2000); seen++)
			assert_int_equal(got.bytes[DATAGRAM_IP + 28] << 8 |
						 got.bytes[DATAGRAM_IP + 29],
					 seen);
	}
	for (; seen < 2000 && veth_receive(&bed.veth, 2, &got, 2000); seen++)
		assert_int_equal(got.bytes[DATAGRAM_IP + 28] << 8 | got.bytes[DATAGRAM_IP + 29],
				 seen);
	assert_int_equal(veth_receive(&bed.veth, 2, &got, 50), 0);
	assert_int_equal(seen, 2000);
	bed_fini(&bed);
}

static uint32_t program_of(unsigned int port)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	assert_int_equal(bpf_xdp_query((int)bed.veth.ifindex[port], 0, &query), 0);
	return query.prog_id;
}

/* A driver that is asked again and has nothing against it: the same program, which goes on. */
static void asked_again(void **state)
{
	struct dataplane_error error = { "" };
	struct veth_frame frame;
	uint32_t before;

	open_bed(state, 3);
	BED_ROUTE(&bed, "0.0.0.0", "239.1.1.1", 2, 3);
	before = program_of(1);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(dataplane_ask_again(bed.dp, bed.veth.ifindex[1], &error), 0);
		assert_true(dataplane_attached(bed.dp, bed.veth.ifindex[1]));
		datagram_init(&frame, "192.0.2.1", "239.1.1.1", 8, 100, 1);
		send_frame(1, &frame);
		expect(2, &frame);
		expect(3, &frame);
	}
	if (before == program_of(3)) /* no dispatcher: one program for all */
		assert_int_equal(program_of(1), before);
	bed_fini(&bed);
}

/* D-MAC: one for all is that of the lowest slot in generic mode, and gone with the last of them. */
static void one_mac(void **state)
{
	struct dataplane_port port;
	struct veth_frame frame;

	open_bed(state, 4);
	BED_ROUTE(&bed, "0.0.0.0", "239.1.1.1", 3, 4);
	datagram_init(&frame, "192.0.2.1", "239.1.1.1", 8, 100, 1);
	assert_int_equal(dataplane_port_del(bed.dp, 1), 0);
	assert_memory_equal(dataplane_source_mac(bed.dp, 4), bed.veth.mac[2], 6);
	for (unsigned int slot = 2; slot <= 4; slot++) {
		port = bed_port(&bed, slot);
		port.generic = false;
		bed_port_set(&bed, slot, &port);
		assert_memory_equal(dataplane_source_mac(bed.dp, 2),
				    bed.veth.mac[slot < 4 ? slot + 1 : 2], 6);
	}
	assert_memory_equal(dataplane_source_mac(bed.dp, 4), bed.veth.mac[4], 6);
	bed_fini(&bed);
}

static void give_tag(unsigned int slot, uint16_t vlan)
{
	struct dataplane_port port = bed_port(&bed, slot);

	port.vlan = vlan;
	bed_port_set(&bed, slot, &port);
}

/* Nothing leaves, and it is counted: only the daemon could, and there is none. */
static void expect_kept(const struct veth_frame *frame)
{
	struct mcastd_port_stats before = stats_of(1), after;

	for (unsigned int i = 0; i < 2; i++) /* the long way and the short one */
		send_frame(1, frame);
	expect_silence();
	after = stats_of(1);
	assert_int_equal(after.verdict[MCASTD_REDIRECT_FAILED] -
				 before.verdict[MCASTD_REDIRECT_FAILED],
			 2);
}

static void expect_tagged(unsigned int port, const struct veth_frame *sent)
{
	struct veth_frame wanted, got;

	datagram_forwarded(sent, source_mac(port), &wanted);
	assert_true(veth_receive(&bed.veth, port, &got, 2000));
	assert_int_equal(got.len, wanted.len + 4);
	assert_memory_equal(got.bytes, wanted.bytes, 12);
	assert_memory_equal(got.bytes + 12, "\x81\x00\x00\x07", 4);
	assert_memory_equal(got.bytes + 16, wanted.bytes + 12, wanted.len - 12);
}

/* D-VLAN: ports with tags among others; what would spoil the copies is not broadcast. */
static void tags(void **state)
{
	struct veth_frame mixed, alike, single;

	open_bed(state, 5);
	give_tag(2, 7);
	BED_ROUTE(&bed, "0.0.0.0", "239.1.1.1", 2, 3);
	BED_ROUTE(&bed, "0.0.0.0", "239.1.1.2", 3, 4);
	BED_ROUTE(&bed, "0.0.0.0", "239.1.1.3", 2);
	datagram_init(&mixed, "192.0.2.1", "239.1.1.1", 8, 100, 1);
	datagram_init(&alike, "192.0.2.1", "239.1.1.2", 8, 100, 1);
	datagram_init(&single, "192.0.2.1", "239.1.1.3", 8, 100, 1);
	for (unsigned int i = 0; i < 2; i++) {
		if (dataplane_copies(bed.dp)->kind == DATAPLANE_COPIES_PRIVATE) {
			send_frame(1, &mixed);
			expect_tagged(2, &mixed);
			expect(3, &mixed);
		} else {
			expect_kept(&mixed);
		}
		send_frame(1, &alike);
		expect(3, &alike);
		expect(4, &alike);
		send_frame(1, &single);
		expect_tagged(2, &single);
	}
	give_tag(2, 0);
	send_frame(1, &mixed);
	expect(2, &mixed);
	expect(3, &mixed);
	bed_fini(&bed);
}

static struct way native = { .mode = DATAPLANE_MODE_NATIVE },
		  generic = { .mode = DATAPLANE_MODE_GENERIC },
		  shared = { DATAPLANE_MODE_GENERIC, DATAPLANE_COPIES_SHARED };

#define GENERIC(f)                                    \
	{ #f ", generic", f, NULL, NULL, &generic },  \
	{                                             \
#f ", shared", f, NULL, NULL, &shared \
	}
#define EVERY_WAY(f) { #f ", native", f, NULL, NULL, &native }, GENERIC(f)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EVERY_WAY(fan_out),
		EVERY_WAY(options_and_fragments),
		EVERY_WAY(mixed_batch),
		EVERY_WAY(limits),
		EVERY_WAY(port_leaves),
		EVERY_WAY(steady_member),
		EVERY_WAY(asked_again),
		GENERIC(tags),
		{ "one_mac", one_mac, NULL, NULL, &shared },
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
