/* SPDX-License-Identifier: BSD-2-Clause */
/* The slow way of data (mcastd/slow.c): which ports get a packet, and what they get. */
#include <errno.h>

#include "../support/daemon_sim_test.h"

#define G "239.1.1.1"
#define S "192.0.2.1"
#define S_OF_D1 "10.0.2.10"
#define LARGE 1000

static struct veth_frame packet(const char *source, uint8_t ttl)
{
	struct veth_frame frame;

	datagram_init(&frame, source, G, ttl, LARGE, 7);
	return frame;
}

static bool forward(struct daemon_sim *sim, unsigned int slot, const struct veth_frame *frame)
{
	return slow_forward(&sim->ports[slot], frame->bytes, frame->len);
}

static void join_all(struct daemon_sim *sim)
{
	for (unsigned int slot = SIM_D1; slot <= SIM_D3; slot++)
		daemon_sim_join(sim, slot, G);
}

/* One whole packet has left the port, as a router sends it; no other. */
static void expect_whole(const struct daemon_sim *sim, unsigned int slot,
			 const struct veth_frame *in)
{
	const struct veth_frame *got = NULL;
	struct veth_frame wanted;

	assert_int_equal(daemon_sim_sent(sim, slot, &got), 1);
	datagram_forwarded(in, SIM_MAC(slot), &wanted);
	assert_int_equal(got->len, wanted.len);
	assert_memory_equal(got->bytes, wanted.bytes, wanted.len);
}

/* D-MTU: whole where there is room, else in fragments; each counted. */
static void whole_or_in_fragments(void **state)
{
	struct daemon_sim *sim = *state;
	struct veth_frame frame = packet(S, 8);

	join_all(sim);
	sim->ports[SIM_D2].applied.mtu = 576;
	daemon_sim_apply(sim, SIM_D2);
	assert_true(forward(sim, SIM_UP, &frame));
	expect_whole(sim, SIM_D1, &frame);
	expect_whole(sim, SIM_D3, &frame);
	assert_int_equal(daemon_sim_sent(sim, SIM_D2, NULL), 2);
	assert_int_equal(sim->ports[SIM_D2].slow.fragmented, 1);
	assert_int_equal(sim->ports[SIM_D2].slow.packets, 2);
	assert_int_equal(sim->ports[SIM_D1].slow.fragmented, 0);
	assert_int_equal(sim->ports[SIM_D1].slow.bytes, frame.len);
	/* With DF it is left out where it does not fit. */
	daemon_sim_forget(sim);
	frame.bytes[DATAGRAM_IP + 6] = 0x40;
	datagram_fix(&frame);
	assert_true(forward(sim, SIM_UP, &frame));
	expect_whole(sim, SIM_D1, &frame);
	assert_int_equal(daemon_sim_sent(sim, SIM_D2, NULL), 0);
	assert_int_equal(sim->ports[SIM_D2].slow.too_big, 1);
}

/* D-THRESH, D-TTL: a threshold is held against the TTL that the packet leaves with. */
static void ttl_threshold(void **state)
{
	struct daemon_sim *sim = *state;
	struct veth_frame frame = packet(S, 8);

	join_all(sim);
	sim->ports[SIM_D1].applied.ttl_threshold = 7;
	sim->ports[SIM_D2].applied.ttl_threshold = 8;
	daemon_sim_apply(sim, SIM_D1);
	daemon_sim_apply(sim, SIM_D2);
	assert_true(forward(sim, SIM_UP, &frame));
	expect_whole(sim, SIM_D1, &frame);
	assert_int_equal(daemon_sim_sent(sim, SIM_D2, NULL), 0);
	expect_whole(sim, SIM_D3, &frame);
	assert_int_equal(sim->ports[SIM_D1].slow.ttl_threshold, 0);
	assert_int_equal(sim->ports[SIM_D2].slow.ttl_threshold, 1);
}

/* D-TTL1 */
static void ttl_1_ends(void **state)
{
	struct daemon_sim *sim = *state;
	struct veth_frame frame = packet(S, 1);

	join_all(sim);
	assert_false(forward(sim, SIM_UP, &frame));
	assert_int_equal(sim->n_sent, 0);
	frame = packet(S, 2);
	assert_true(forward(sim, SIM_UP, &frame));
	expect_whole(sim, SIM_D1, &frame);
}

/* P-4.2-NOBACK, P-4.2-UPALWAYS, P-4.2-CROSS */
static void never_back(void **state)
{
	struct daemon_sim *sim = *state;
	struct veth_frame frame = packet(S_OF_D1, 8);

	join_all(sim);
	assert_true(forward(sim, SIM_D1, &frame));
	assert_int_equal(daemon_sim_sent(sim, SIM_D1, NULL), 0);
	expect_whole(sim, SIM_UP, &frame);
	expect_whole(sim, SIM_D2, &frame);
	expect_whole(sim, SIM_D3, &frame);
}

/* P-4.2-UPALWAYS, P-4.2-UPQ: what nobody joined goes up from a downstream, and nowhere else. */
static void without_a_route(void **state)
{
	struct daemon_sim *sim = *state;
	struct veth_frame frame = packet(S_OF_D1, 8);

	assert_true(forward(sim, SIM_D1, &frame));
	expect_whole(sim, SIM_UP, &frame);
	assert_int_equal(sim->n_sent, 1);
	daemon_sim_forget(sim);
	frame = packet(S, 8);
	assert_true(forward(sim, SIM_UP, &frame));
	assert_int_equal(sim->n_sent, 0);
}

/* A port that is closed is left out; one that cannot send counts it, the others send. */
static void ports_in_trouble(void **state)
{
	struct daemon_sim *sim = *state;
	struct veth_frame frame = packet(S, 8);

	join_all(sim);
	sim->ports[SIM_D1].open = false;
	sim->send_error = -EAGAIN;
	assert_true(forward(sim, SIM_UP, &frame));
	assert_int_equal(daemon_sim_sent(sim, SIM_D1, NULL), 0);
	assert_int_equal(sim->ports[SIM_D2].send_failed, 1);
	assert_int_equal(sim->ports[SIM_D2].slow.packets, 0);
	expect_whole(sim, SIM_D3, &frame);
}

/* What is no such packet is for others: IGMP, what is not multicast, what is broken. */
static void for_others(void **state)
{
	struct daemon_sim *sim = *state;
	struct veth_frame frame = packet(S, 8);

	join_all(sim);
	frame.bytes[DATAGRAM_IP + 9] = 2;
	datagram_fix(&frame);
	assert_false(forward(sim, SIM_UP, &frame));
	frame = packet(S, 8);
	frame.bytes[DATAGRAM_IP + 16] = 10;
	datagram_fix(&frame);
	assert_false(forward(sim, SIM_UP, &frame));
	frame = packet(S, 8);
	frame.bytes[DATAGRAM_SUM] ^= 1;
	assert_false(forward(sim, SIM_UP, &frame));
	assert_int_equal(sim->n_sent, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DAEMON_TEST(whole_or_in_fragments),
		DAEMON_TEST(ttl_threshold),
		DAEMON_TEST(ttl_1_ends),
		DAEMON_TEST(never_back),
		DAEMON_TEST(without_a_route),
		DAEMON_TEST(ports_in_trouble),
		DAEMON_TEST(for_others),
	};

	return cmocka_run_group_tests_name("slow way", tests, NULL, NULL);
}
