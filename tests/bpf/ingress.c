/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ingress program by BPF_PROG_TEST_RUN: bytes in, verdict and bytes out, one counter for each
 * frame. IDs are those of docs/CONFORMANCE.md.
 */
#include <stddef.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>

#include "../support/bed.h"
#include "platform/xsk.h"

#define UNCOUNTED (-1)

static struct bed bed;

/* A datagram that is forwarded to port 2 unless a case makes something else of it. */
static void data(struct veth_frame *f)
{
	datagram_init(f, "192.0.2.1", "239.1.1.1", 8, 32, 7);
}

static void patch(struct veth_frame *f, size_t at, uint8_t value)
{
	f->bytes[at] = value;
	datagram_fix(f);
}

static void address(struct veth_frame *f, uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	memcpy(f->bytes + DATAGRAM_IP + 12, (uint8_t[]){ a, b, c, d }, 4);
	datagram_fix(f);
}

static void group(struct veth_frame *f, const char *text)
{
	datagram_init(f, "192.0.2.1", text, 8, 32, 7);
}

static void arp(struct veth_frame *f)
{
	memset(f->bytes, 0xff, 6);
	f->bytes[13] = 0x06;
}

static void ipv6(struct veth_frame *f)
{
	memcpy(f->bytes, (uint8_t[]){ 0x33, 0x33, 0, 0, 0, 1 }, 6);
	memcpy(f->bytes + 12, (uint8_t[]){ 0x86, 0xdd, 0x60 }, 3);
}

static void unicast(struct veth_frame *f)
{
	f->bytes[0] = 0x02;
	memcpy(f->bytes + DATAGRAM_IP + 16, (uint8_t[]){ 10, 0, 0, 1 }, 4);
	datagram_fix(f);
}

static void broadcast(struct veth_frame *f)
{
	memset(f->bytes, 0xff, 6);
	memset(f->bytes + DATAGRAM_IP + 16, 0xff, 4);
	datagram_fix(f);
}

static void class_e(struct veth_frame *f)
{
	patch(f, DATAGRAM_IP + 16, 240);
}

static void header_cut(struct veth_frame *f)
{
	f->len = DATAGRAM_IP + 19;
}

static void igmp(struct veth_frame *f)
{
	group(f, "224.0.0.22");
	f->bytes[DATAGRAM_TTL] = 1;
	patch(f, DATAGRAM_IP + 9, 2);
}

static void igmp_unicast(struct veth_frame *f)
{
	unicast(f);
	patch(f, DATAGRAM_IP + 9, 2);
}

static void igmp_any_group(struct veth_frame *f)
{
	patch(f, DATAGRAM_IP + 9, 2);
}

static void igmp_options(struct veth_frame *f)
{
	igmp(f);
	datagram_options(f, 4);
}

static void igmp_all_options(struct veth_frame *f)
{
	igmp(f);
	datagram_options(f, 40);
}

static void igmp_first_fragment(struct veth_frame *f)
{
	igmp(f);
	patch(f, DATAGRAM_IP + 6, 0x20);
}

static void igmp_last_fragment(struct veth_frame *f)
{
	igmp(f);
	patch(f, DATAGRAM_IP + 7, 0x40);
}

static void link_local(struct veth_frame *f)
{
	group(f, "224.0.0.251");
}

static void link_local_ttl(struct veth_frame *f)
{
	group(f, "224.0.0.1");
	patch(f, DATAGRAM_TTL, 255);
}

static void internetwork(struct veth_frame *f)
{
	group(f, "224.0.1.1");
}

static void ttl_2(struct veth_frame *f)
{
	patch(f, DATAGRAM_TTL, 2);
}

static void ttl_1(struct veth_frame *f)
{
	patch(f, DATAGRAM_TTL, 1);
}

static void ttl_0(struct veth_frame *f)
{
	patch(f, DATAGRAM_TTL, 0);
}

static void source_0(struct veth_frame *f)
{
	address(f, 0, 1, 2, 3);
}

static void source_loopback(struct veth_frame *f)
{
	address(f, 127, 0, 0, 1);
}

static void source_multicast(struct veth_frame *f)
{
	address(f, 224, 1, 1, 1);
}

static void source_broadcast(struct veth_frame *f)
{
	address(f, 255, 255, 255, 255);
}

static void source_link_local(struct veth_frame *f)
{
	address(f, 169, 254, 3, 4);
}

static void source_below_martians(struct veth_frame *f)
{
	address(f, 223, 255, 255, 255);
}

static void bad_sum(struct veth_frame *f)
{
	f->bytes[DATAGRAM_SUM] ^= 0x40;
}

static void bad_sum_in_options(struct veth_frame *f)
{
	datagram_options(f, 8);
	f->bytes[DATAGRAM_IP + 21] ^= 0x01;
}

static void version_6(struct veth_frame *f)
{
	patch(f, DATAGRAM_IP, 0x65);
}

static void ihl_4(struct veth_frame *f)
{
	f->bytes[DATAGRAM_IP] = 0x44;
}

static void ihl_beyond_total(struct veth_frame *f)
{
	f->bytes[DATAGRAM_IP] = 0x4f;
	patch(f, DATAGRAM_IP + 3, 59);
}

static void total_beyond_frame(struct veth_frame *f)
{
	patch(f, DATAGRAM_IP + 3, (uint8_t)(f->bytes[DATAGRAM_IP + 3] + 1));
}

/* The id is such that adding the two halves of the sum of 32-bit words carries. */
static void sum_carries(struct veth_frame *f)
{
	uint8_t *ip = f->bytes + DATAGRAM_IP;
	uint32_t low = 0;

	memset(ip + 4, 0, 2);
	for (size_t at = 0; at < 20; at += 4)
		low += ip[at] | (uint32_t)ip[at + 1] << 8;
	low = 0xffff - (low & 0xffff);
	ip[4] = (uint8_t)low;
	patch(f, DATAGRAM_IP + 5, (uint8_t)(low >> 8));
}

static void padded(struct veth_frame *f)
{
	f->len += 9;
}

static void options(struct veth_frame *f)
{
	datagram_options(f, 4);
}

static void all_options(struct veth_frame *f)
{
	datagram_options(f, 40);
}

static void first_fragment(struct veth_frame *f)
{
	patch(f, DATAGRAM_IP + 6, 0x20);
}

static void last_fragment(struct veth_frame *f)
{
	patch(f, DATAGRAM_IP + 7, 0x20);
	f->bytes[DATAGRAM_IP + 9] = 17;
}

static void unicast_frame(struct veth_frame *f)
{
	memcpy(f->bytes, (uint8_t[]){ 0x02, 0, 0, 0, 0, 1 }, 6);
}

static void broadcast_frame(struct veth_frame *f)
{
	memset(f->bytes, 0xff, 6);
}

static void mac_of_other_group(struct veth_frame *f)
{
	f->bytes[5]++;
}

/* 224.129.1.1 has the MAC of 239.1.1.1, and no route. */
static void group_with_same_mac(struct veth_frame *f)
{
	group(f, "224.129.1.1");
}

static void no_route(struct veth_frame *f)
{
	group(f, "239.9.9.9");
}

static void only_arrival_wants_it(struct veth_frame *f)
{
	group(f, "239.1.1.2");
}

static void tagged(struct veth_frame *f)
{
	memmove(f->bytes + 16, f->bytes + 12, f->len - 12);
	memcpy(f->bytes + 12, (uint8_t[]){ 0x81, 0x00, 0x00, 0x05 }, 4);
	f->len += 4;
}

static void unchanged(struct veth_frame *f)
{
	(void)f;
}

struct test_case {
	const char *name;
	void (*make)(struct veth_frame *f);
	uint32_t action;
	int verdict;
};

static const struct test_case cases[] = {
	{ "D-PASS ARP", arp, XDP_PASS, UNCOUNTED },
	{ "D-PASS IPv6", ipv6, XDP_PASS, UNCOUNTED },
	{ "D-PASS unicast", unicast, XDP_PASS, UNCOUNTED },
	{ "D-PASS broadcast", broadcast, XDP_PASS, UNCOUNTED },
	{ "R-BADDST 240/4", class_e, XDP_PASS, UNCOUNTED },
	{ "D-PASS cut header", header_cut, XDP_PASS, UNCOUNTED },
	{ "D-VLAN tag of no port", tagged, XDP_PASS, UNCOUNTED },
	{ "D-IGMP", igmp, XDP_REDIRECT, MCASTD_IGMP_PUNTED },
	{ "D-IGMP unicast", igmp_unicast, XDP_REDIRECT, MCASTD_IGMP_PUNTED },
	{ "D-IGMP to a group with a route", igmp_any_group, XDP_REDIRECT, MCASTD_IGMP_PUNTED },
	{ "R-IHL 6", igmp_options, XDP_REDIRECT, MCASTD_IGMP_PUNTED },
	{ "R-IHL 15", igmp_all_options, XDP_REDIRECT, MCASTD_IGMP_PUNTED },
	{ "R-FRAG first", igmp_first_fragment, XDP_PASS, MCASTD_IGMP_PASSED },
	{ "R-FRAG last", igmp_last_fragment, XDP_PASS, MCASTD_IGMP_PASSED },
	{ "R-LL-FWD", link_local, XDP_PASS, MCASTD_LINK_LOCAL_GROUP },
	{ "R-LL-FWD TTL 255", link_local_ttl, XDP_PASS, MCASTD_LINK_LOCAL_GROUP },
	{ "R-INET-FWD", internetwork, XDP_REDIRECT, MCASTD_FORWARDED },
	{ "D-TTL", unchanged, XDP_REDIRECT, MCASTD_FORWARDED },
	{ "D-TTL 2", ttl_2, XDP_REDIRECT, MCASTD_FORWARDED },
	{ "D-TTL1", ttl_1, XDP_PASS, MCASTD_TTL_EXPIRED },
	{ "D-TTL1 0", ttl_0, XDP_PASS, MCASTD_TTL_EXPIRED },
	{ "D-MARTIAN 0/8", source_0, XDP_DROP, MCASTD_MARTIAN_SOURCE },
	{ "D-MARTIAN 127/8", source_loopback, XDP_DROP, MCASTD_MARTIAN_SOURCE },
	{ "D-MARTIAN 224/4", source_multicast, XDP_DROP, MCASTD_MARTIAN_SOURCE },
	{ "D-MARTIAN broadcast", source_broadcast, XDP_DROP, MCASTD_MARTIAN_SOURCE },
	{ "D-MARTIAN not 223/8", source_below_martians, XDP_REDIRECT, MCASTD_FORWARDED },
	{ "D-LLSRC", source_link_local, XDP_PASS, MCASTD_LINK_LOCAL_SOURCE },
	{ "D-CSUM", bad_sum, XDP_DROP, MCASTD_BAD_CHECKSUM },
	{ "D-CSUM options", bad_sum_in_options, XDP_DROP, MCASTD_BAD_CHECKSUM },
	{ "D-CSUM version", version_6, XDP_DROP, MCASTD_BAD_HEADER },
	{ "D-CSUM IHL 4", ihl_4, XDP_DROP, MCASTD_BAD_HEADER },
	{ "D-CSUM IHL beyond total", ihl_beyond_total, XDP_DROP, MCASTD_BAD_HEADER },
	{ "D-CSUM total beyond frame", total_beyond_frame, XDP_DROP, MCASTD_BAD_HEADER },
	{ "D-CSUM carries", sum_carries, XDP_REDIRECT, MCASTD_FORWARDED },
	{ "D-CSUM padded frame", padded, XDP_REDIRECT, MCASTD_FORWARDED },
	{ "D-OPT", options, XDP_REDIRECT, MCASTD_FORWARDED },
	{ "D-OPT 40 octets", all_options, XDP_REDIRECT, MCASTD_FORWARDED },
	{ "D-FRAG first", first_fragment, XDP_REDIRECT, MCASTD_FORWARDED },
	{ "D-FRAG last", last_fragment, XDP_REDIRECT, MCASTD_FORWARDED },
	{ "D-L2UC unicast", unicast_frame, XDP_PASS, MCASTD_UNICAST_FRAME },
	{ "D-L2UC broadcast", broadcast_frame, XDP_PASS, MCASTD_UNICAST_FRAME },
	{ "D-MAC of another group", mac_of_other_group, XDP_PASS, MCASTD_UNICAST_FRAME },
	{ "D-MAC shared", group_with_same_mac, XDP_PASS, MCASTD_NO_ROUTE },
	{ "P-4.2-UPQ no route", no_route, XDP_PASS, MCASTD_NO_ROUTE },
	{ "P-4.2-NOBACK", only_arrival_wants_it, XDP_PASS, MCASTD_NO_MEMBER },
};

static void run_case(const struct test_case *c, const uint8_t *mac)
{
	struct veth_frame in, wanted;
	struct bed_run run;

	data(&in);
	c->make(&in);
	wanted = in;
	if (c->action == XDP_REDIRECT && c->verdict == MCASTD_FORWARDED)
		datagram_forwarded(&in, mac, &wanted);
	bed_run(&bed, 1, &in, &run);
	if (run.action != c->action || run.verdict != c->verdict ||
	    run.moved != (c->verdict == UNCOUNTED ? 0 : 1))
		fail_msg("%s: action %u verdict %d moved %u, wanted action %u verdict %d", c->name,
			 run.action, run.verdict, (unsigned int)run.moved, c->action, c->verdict);
	if (run.out.len != wanted.len || memcmp(run.out.bytes, wanted.bytes, wanted.len) != 0)
		fail_msg("%s: wrong bytes", c->name);
}

/* The programs look everything up again. */
static void port_forget(void)
{
	struct prefix prefix;

	assert_int_equal(prefix_parse("198.51.100.0/24", &prefix), 0);
	assert_int_equal(dataplane_origins_set(bed.dp, 1, &prefix, 1), 0);
	assert_int_equal(dataplane_origins_set(bed.dp, 1, NULL, 0), 0);
}

/* Each case the long way, and where the packet before it was a good one of the same addresses. */
static void run_cases(const uint8_t *mac)
{
	static const struct test_case good = { "good", unchanged, XDP_REDIRECT, MCASTD_FORWARDED };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		run_case(&cases[i], mac);
		run_case(&good, mac);
		run_case(&good, mac);
		run_case(&cases[i], mac);
		port_forget();
	}
}

static void routes(void)
{
	assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", "239.1.1.1", 2), 0);
	assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", "239.1.1.2", 1), 0);
	assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", "224.0.1.1", 2), 0);
	assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", "224.0.0.251", 2), 0);
}

/* The daemon has room for so many more frames of each kind from port 1. */
static void grant(uint32_t n)
{
	for (enum mcastd_punt punt = 0; punt < MCASTD_PUNTS; punt++)
		dataplane_grant(bed.dp, 1, punt, dataplane_punted(bed.dp, 1, punt) + n);
}

static void open_sockets(struct xsk **xsk)
{
	assert_int_equal(xsk_open(xsk, "r1", 0, XSK_RX_MIN, dataplane_xsks_fd(bed.dp),
				  MCASTD_XSK_INDEX(1, 0)),
			 0);
	grant(100);
}

/* To one port without any port set in use: this program writes the MAC. */
static void verdicts_of_one_port(void **state)
{
	struct xsk *xsk;

	(void)state;
	bed_init(&bed, 3, NULL);
	bed_ports(&bed, DATAPLANE_MODE_NATIVE);
	open_sockets(&xsk);
	routes();
	run_cases(bed.veth.mac[2]);
	xsk_close(xsk);
	bed_fini(&bed);
}

/* The same with a port set: the MAC is left to the egress program. */
static void verdicts_of_a_set(void **state)
{
	struct xsk *xsk;

	(void)state;
	bed_init(&bed, 3, NULL);
	bed_ports(&bed, DATAPLANE_MODE_NATIVE);
	open_sockets(&xsk);
	routes();
	assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", "239.1.1.1", 2, 3), 0);
	run_cases(NULL);
	xsk_close(xsk);
	bed_fini(&bed);
}

static void expect(unsigned int slot, void (*make)(struct veth_frame *), uint32_t action,
		   int verdict)
{
	struct veth_frame in;
	struct bed_run run;

	data(&in);
	make(&in);
	bed_run(&bed, slot, &in, &run);
	assert_int_equal(run.action, action);
	assert_int_equal(run.verdict, verdict);
	assert_int_equal(run.moved, verdict == UNCOUNTED ? 0 : 1);
}

/* Nobody listens: IGMP is the stack's, as it is without mcastd. */
static void igmp_without_daemon(void **state)
{
	(void)state;
	bed_init(&bed, 2, NULL);
	bed_ports(&bed, DATAPLANE_MODE_NATIVE);
	expect(1, igmp, XDP_PASS, MCASTD_IGMP_PASSED);
	bed_fini(&bed);
}

/* What still leads to a port that has gone is dropped and counted, with port sets and without. */
static void gone_port(void **state)
{
	struct dataplane_port port;

	(void)state;
	bed_init(&bed, 4, NULL);
	bed_ports(&bed, DATAPLANE_MODE_NATIVE);
	port = bed_port(&bed, 2);
	routes();
	for (int with_set = 0; with_set < 2; with_set++) {
		expect(1, unchanged, XDP_REDIRECT, MCASTD_FORWARDED);
		assert_int_equal(dataplane_port_del(bed.dp, 2), 0);
		expect(1, unchanged, XDP_DROP, MCASTD_REDIRECT_FAILED);
		expect(1, unchanged, XDP_DROP, MCASTD_REDIRECT_FAILED);
		bed_port_set(&bed, 2, &port);
		expect(1, unchanged, XDP_REDIRECT, MCASTD_FORWARDED);
		assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", "239.3.1.1", 3, 4), 0);
	}
	bed_fini(&bed);
}

static void query(struct veth_frame *f)
{
	igmp(f);
	f->bytes[DATAGRAM_IP + 20] = MCASTD_IGMP_QUERY;
}

static void query_with_options(struct veth_frame *f)
{
	igmp_options(f);
	f->bytes[DATAGRAM_IP + 24] = MCASTD_IGMP_QUERY;
}

static void cut_before_the_type(struct veth_frame *f)
{
	igmp(f);
	f->len = DATAGRAM_IP + 20;
}

static void larger_than_some_mtu(struct veth_frame *f)
{
	datagram_init(f, "192.0.2.1", "239.1.1.1", 8, 1000, 7);
}

static uint32_t punted(enum mcastd_punt punt)
{
	return dataplane_punted(bed.dp, 1, punt);
}

/*
 * L-RATE: what the daemon has no room for is dropped and counted, each kind by itself: reports do
 * not take the place of queries, nor large data that of either, which goes on where it fits.
 */
static void limits(void **state)
{
	struct dataplane_port narrow;
	struct mcastd_port_stats stats;
	struct xsk *xsk;

	(void)state;
	bed_init(&bed, 3, NULL);
	bed_ports(&bed, DATAPLANE_MODE_NATIVE);
	narrow = bed_port(&bed, 3);
	narrow.mtu = 576;
	bed_port_set(&bed, 3, &narrow);
	open_sockets(&xsk);
	routes();
	grant(0);
	expect(1, igmp, XDP_DROP, MCASTD_IGMP_LIMITED);
	grant(2);
	for (unsigned int i = 0; i < 2; i++) {
		expect(1, i ? cut_before_the_type : igmp, XDP_REDIRECT, MCASTD_IGMP_PUNTED);
		expect(1, i ? query_with_options : query, XDP_REDIRECT, MCASTD_IGMP_PUNTED);
		expect(1, larger_than_some_mtu, XDP_REDIRECT, MCASTD_FORWARDED);
	}
	assert_int_equal(punted(MCASTD_PUNT_REPORT), 2);
	assert_int_equal(punted(MCASTD_PUNT_QUERY), 2);
	assert_int_equal(punted(MCASTD_PUNT_LARGE), 2);
	expect(1, igmp, XDP_DROP, MCASTD_IGMP_LIMITED);
	expect(1, query, XDP_DROP, MCASTD_IGMP_LIMITED);
	expect(1, larger_than_some_mtu, XDP_REDIRECT, MCASTD_FORWARDED);
	assert_int_equal(dataplane_port_stats(bed.dp, 1, &stats), 0);
	assert_int_equal(stats.large_limited, 1);
	/* What was dropped takes no place; a fragment and a port without a daemon need none. */
	assert_int_equal(punted(MCASTD_PUNT_REPORT), 2);
	grant(1);
	expect(1, igmp, XDP_REDIRECT, MCASTD_IGMP_PUNTED);
	expect(1, igmp_first_fragment, XDP_PASS, MCASTD_IGMP_PASSED);
	expect(2, igmp, XDP_PASS, MCASTD_IGMP_PASSED);
	/* The counts go round. */
	dataplane_grant(bed.dp, 1, MCASTD_PUNT_REPORT, punted(MCASTD_PUNT_REPORT) - 1);
	expect(1, igmp, XDP_DROP, MCASTD_IGMP_LIMITED);
	xsk_close(xsk);
	expect(1, igmp, XDP_PASS, MCASTD_IGMP_PASSED);
	bed_fini(&bed);
}

static void must_not_be_fragmented(struct veth_frame *f)
{
	larger_than_some_mtu(f);
	patch(f, DATAGRAM_IP + 6, 0x40);
}

static uint64_t too_big(unsigned int slot)
{
	struct mcastd_port_stats stats;

	assert_int_equal(dataplane_port_stats(bed.dp, slot, &stats), 0);
	return stats.out_too_big;
}

/* D-MTU: each member that has no room for it counts it, the port that it came from does not. */
static void too_large_for_members(void **state)
{
	(void)state;
	bed_init(&bed, 4, NULL);
	bed_ports(&bed, DATAPLANE_MODE_NATIVE);
	assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", "239.1.1.1", 2, 3, 4), 0);
	for (unsigned int slot = 3; slot <= 4; slot++) {
		struct dataplane_port port = bed_port(&bed, slot);

		port.mtu = 576;
		bed_port_set(&bed, slot, &port);
	}
	expect(3, must_not_be_fragmented, XDP_REDIRECT, MCASTD_FORWARDED);
	assert_int_equal(too_big(2), 0);
	assert_int_equal(too_big(3), 0);
	assert_int_equal(too_big(4), 1);
	expect(1, must_not_be_fragmented, XDP_REDIRECT, MCASTD_FORWARDED);
	assert_int_equal(too_big(3), 1);
	assert_int_equal(too_big(4), 2);
	bed_fini(&bed);
}

/* An interface that runs the program and is not a port: everything passes, nothing counts. */
static void not_a_port(void **state)
{
	(void)state;
	bed_init(&bed, 2, NULL);
	bed_ports(&bed, DATAPLANE_MODE_NATIVE);
	routes();
	assert_int_equal(dataplane_port_del(bed.dp, 1), 0);
	expect(1, unchanged, XDP_PASS, UNCOUNTED);
	expect(1, igmp, XDP_PASS, UNCOUNTED);
	bed_fini(&bed);
}

/* unknown-multicast = drop */
static void drop_unknown(void **state)
{
	struct dataplane_port port;

	(void)state;
	bed_init(&bed, 2, NULL);
	bed_ports(&bed, DATAPLANE_MODE_NATIVE);
	routes();
	port = bed_port(&bed, 1);
	port.drop_unknown = true;
	bed_port_set(&bed, 1, &port);
	expect(1, no_route, XDP_DROP, MCASTD_NO_ROUTE);
	expect(1, only_arrival_wants_it, XDP_DROP, MCASTD_NO_MEMBER);
	expect(1, link_local, XDP_PASS, MCASTD_LINK_LOCAL_GROUP);
	expect(1, ttl_1, XDP_PASS, MCASTD_TTL_EXPIRED);
	expect(1, unicast_frame, XDP_PASS, MCASTD_UNICAST_FRAME);
	expect(1, unchanged, XDP_REDIRECT, MCASTD_FORWARDED);
	bed_fini(&bed);
}

/* P-4.2-UPALWAYS: without any route, from a downstream port to the upstream. */
static void default_out(void **state)
{
	const uint16_t upstream[] = { 1 };
	const struct forward_ports ports = { upstream, 1 };

	(void)state;
	bed_init(&bed, 3, NULL);
	bed_ports(&bed, DATAPLANE_MODE_NATIVE);
	routes();
	assert_int_equal(dataplane_port_default(bed.dp, 3, &ports), 0);
	expect(3, no_route, XDP_REDIRECT, MCASTD_FORWARDED);
	expect(1, no_route, XDP_PASS, MCASTD_NO_ROUTE);
	/* A group that is there only because of its sources is no route for another source. */
	assert_int_equal(BED_ROUTE(&bed, "192.0.2.77", "239.9.9.9", 2), 0);
	expect(3, no_route, XDP_REDIRECT, MCASTD_FORWARDED);
	assert_int_equal(bed_unroute(&bed, "192.0.2.77", "239.9.9.9"), 0);
	expect(3, no_route, XDP_REDIRECT, MCASTD_FORWARDED);
	bed_fini(&bed);
}

/* P-4.2-SRC: the (S,G) route decides before the (*,G) route, also when it leads nowhere. */
static void sources_first(void **state)
{
	(void)state;
	bed_init(&bed, 2, NULL);
	bed_ports(&bed, DATAPLANE_MODE_NATIVE);
	assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", "239.1.1.1", 2), 0);
	assert_int_equal(bed_route(&bed, "192.0.2.1", "239.1.1.1", NULL, 0), 0);
	expect(1, unchanged, XDP_PASS, MCASTD_NO_MEMBER);
	expect(1, source_below_martians, XDP_REDIRECT, MCASTD_FORWARDED);
	assert_int_equal(bed_unroute(&bed, "0.0.0.0", "239.1.1.1"), 0);
	expect(1, source_below_martians, XDP_PASS, MCASTD_NO_ROUTE);
	assert_int_equal(BED_ROUTE(&bed, "192.0.2.1", "239.1.1.1", 2), 0);
	expect(1, unchanged, XDP_REDIRECT, MCASTD_FORWARDED);
	assert_int_equal(bed_unroute(&bed, "192.0.2.1", "239.1.1.1"), 0);
	expect(1, unchanged, XDP_PASS, MCASTD_NO_ROUTE);
	bed_fini(&bed);
}

/* D-TTL: the checksum stays right for every TTL and for sums next to 0x0000 and 0xffff. */
static void checksum_update(void **state)
{
	struct veth_frame in, wanted;
	struct bed_run run;

	(void)state;
	bed_init(&bed, 2, NULL);
	bed_ports(&bed, DATAPLANE_MODE_NATIVE);
	routes();
	for (unsigned int ttl = 2; ttl < 256; ttl++) {
		for (unsigned int sum = 0; sum < 8; sum++) {
			unsigned int id;

			data(&in);
			in.bytes[DATAGRAM_TTL] = (uint8_t)ttl;
			memset(in.bytes + DATAGRAM_IP + 4, 0, 2);
			datagram_fix(&in);
			/* The id that makes the checksum 0xfffe, 0xffff, 0x0000, 0x00ff, ... */
			id = (unsigned int)(in.bytes[DATAGRAM_SUM] << 8 |
					    in.bytes[DATAGRAM_SUM + 1]);
			id = (id + 0x10000 - (sum * 0x55 + 0xfffe)) & 0xffff;
			in.bytes[DATAGRAM_IP + 4] = (uint8_t)(id >> 8);
			in.bytes[DATAGRAM_IP + 5] = (uint8_t)id;
			datagram_fix(&in);
			datagram_forwarded(&in, bed.veth.mac[2], &wanted);
			bed_run(&bed, 1, &in, &run);
			assert_int_equal(run.action, XDP_REDIRECT);
			assert_true(datagram_sum_ok(&run.out));
			assert_memory_equal(run.out.bytes, wanted.bytes, wanted.len);
		}
	}
	bed_fini(&bed);
}

static void origins(unsigned int slot, const char *text)
{
	struct prefix prefix;

	assert_int_equal(prefix_parse(text, &prefix), 0);
	assert_int_equal(dataplane_origins_set(bed.dp, slot, &prefix, 1), 0);
}

static void boundary(unsigned int slot, const char *text)
{
	struct prefix prefix;

	assert_int_equal(prefix_parse(text, &prefix), 0);
	assert_int_equal(dataplane_boundary_set(bed.dp, slot, &prefix, 1), 0);
}

static void check_origin(unsigned int slot)
{
	struct dataplane_port port = bed_port(&bed, slot);

	port.check_origin = true;
	bed_port_set(&bed, slot, &port);
}

static void source_of_port_2(struct veth_frame *f)
{
	address(f, 10, 0, 2, 5);
}

static void source_of_port_3(struct veth_frame *f)
{
	address(f, 10, 0, 3, 5);
}

/* P-5-LOOP: a source lives behind one port. The second packet of a flow is checked by the memo. */
static void wrong_port(void **state)
{
	(void)state;
	bed_init(&bed, 4, NULL);
	bed_ports(&bed, DATAPLANE_MODE_NATIVE);
	assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", "239.1.1.1", 4), 0);
	for (unsigned int slot = 1; slot <= 3; slot++)
		check_origin(slot);
	origins(2, "10.0.2.0/24");
	origins(3, "10.0.3.0/24");
	for (int twice = 0; twice < 2; twice++) {
		expect(1, unchanged, XDP_REDIRECT, MCASTD_FORWARDED);
		expect(1, source_of_port_2, XDP_DROP, MCASTD_WRONG_PORT);
		expect(2, source_of_port_2, XDP_REDIRECT, MCASTD_FORWARDED);
		expect(2, source_of_port_2, XDP_REDIRECT, MCASTD_FORWARDED);
		expect(3, source_of_port_2, XDP_DROP, MCASTD_WRONG_PORT);
		expect(2, source_of_port_3, XDP_DROP, MCASTD_WRONG_PORT);
		expect(2, unchanged, XDP_DROP, MCASTD_WRONG_PORT);
		expect(3, source_of_port_3, XDP_REDIRECT, MCASTD_FORWARDED);
	}
	/* A change counts at once, also for the flow that was accepted last. */
	origins(3, "10.0.4.0/24");
	expect(3, source_of_port_3, XDP_DROP, MCASTD_WRONG_PORT);
	expect(1, source_of_port_3, XDP_REDIRECT, MCASTD_FORWARDED);
	/* The same prefix behind two ports. */
	origins(3, "10.0.2.0/24");
	expect(3, source_of_port_2, XDP_REDIRECT, MCASTD_FORWARDED);
	expect(2, source_of_port_2, XDP_REDIRECT, MCASTD_FORWARDED);
	assert_int_equal(dataplane_origins_set(bed.dp, 3, NULL, 0), 0);
	expect(3, source_of_port_2, XDP_DROP, MCASTD_WRONG_PORT);
	expect(2, source_of_port_2, XDP_REDIRECT, MCASTD_FORWARDED);
	bed_fini(&bed);
}

/* R-SCOPE-BI: groups inside a boundary neither come in, nor leave by default. */
static void boundaries(void **state)
{
	const uint16_t upstream[] = { 1 };
	const struct forward_ports ports = { upstream, 1 };

	(void)state;
	bed_init(&bed, 3, NULL);
	bed_ports(&bed, DATAPLANE_MODE_NATIVE);
	assert_int_equal(dataplane_port_default(bed.dp, 3, &ports), 0);
	assert_int_equal(BED_ROUTE(&bed, "0.0.0.0", "239.1.1.1", 2), 0);
	expect(1, unchanged, XDP_REDIRECT, MCASTD_FORWARDED);
	boundary(1, "239.1.0.0/16");
	expect(1, unchanged, XDP_DROP, MCASTD_BOUNDARY);
	expect(1, no_route, XDP_PASS, MCASTD_NO_ROUTE);
	expect(3, unchanged, XDP_REDIRECT, MCASTD_FORWARDED);
	expect(3, no_route, XDP_REDIRECT, MCASTD_FORWARDED);
	boundary(1, "239.9.0.0/16");
	expect(1, unchanged, XDP_REDIRECT, MCASTD_FORWARDED);
	expect(1, unchanged, XDP_REDIRECT, MCASTD_FORWARDED);
	expect(1, no_route, XDP_DROP, MCASTD_BOUNDARY);
	expect(3, no_route, XDP_PASS, MCASTD_NO_ROUTE);
	assert_int_equal(dataplane_boundary_set(bed.dp, 1, NULL, 0), 0);
	expect(1, no_route, XDP_PASS, MCASTD_NO_ROUTE);
	expect(3, no_route, XDP_REDIRECT, MCASTD_FORWARDED);
	bed_fini(&bed);
}

static bool find_flow(const struct mcastd_unwanted_key *key, const struct mcastd_unwanted *value,
		      void *arg)
{
	struct mcastd_unwanted *found = arg;

	if (memcmp(key->group, (uint8_t[]){ 239, 9, 9, 9 }, 4) == 0 &&
	    memcmp(key->source, (uint8_t[]){ 192, 0, 2, 1 }, 4) == 0 && key->slot == 1)
		*found = *value;
	return true;
}

/* D-STATS: counters equal what was injected. */
static void counters(void **state)
{
	struct mcastd_unwanted unwanted = { 0 };
	struct mcastd_route_stats route;
	struct mcastd_port_stats in, out;
	struct addr g, any, s;

	(void)state;
	bed_init(&bed, 2, NULL);
	bed_ports(&bed, DATAPLANE_MODE_NATIVE);
	routes();
	for (int i = 0; i < 5; i++)
		expect(1, unchanged, XDP_REDIRECT, MCASTD_FORWARDED);
	for (int i = 0; i < 3; i++)
		expect(1, no_route, XDP_PASS, MCASTD_NO_ROUTE);
	addr_parse("239.1.1.1", &g);
	addr_parse("0.0.0.0", &any);
	addr_parse("192.0.2.1", &s);
	assert_int_equal(dataplane_route_stats(bed.dp, &g, &s, &route), -ENOENT);
	assert_int_equal(dataplane_route_stats(bed.dp, &g, &any, &route), 0);
	assert_int_equal(route.packets, 5);
	assert_int_equal(route.bytes, 5 * 60);
	assert_int_equal(route.last_slot, 1);
	assert_memory_equal(route.last_source, s.b + 12, 4);
	assert_true(route.last_seen_ns > 0);
	assert_int_equal(dataplane_port_stats(bed.dp, 1, &in), 0);
	assert_int_equal(in.verdict[MCASTD_FORWARDED], 5);
	assert_int_equal(in.in_bytes, 5 * 60);
	assert_int_equal(dataplane_port_stats(bed.dp, 2, &out), 0);
	assert_int_equal(out.out_packets, 5);
	assert_int_equal(out.out_bytes, 5 * 74);
	dataplane_each_unwanted(bed.dp, find_flow, &unwanted);
	assert_int_equal(unwanted.packets, 3);
	assert_int_equal(unwanted.bytes, 3 * 60);
	/* A route that is made anew starts at 0. */
	assert_int_equal(bed_unroute(&bed, "0.0.0.0", "239.1.1.1"), 0);
	routes();
	assert_int_equal(dataplane_route_stats(bed.dp, &g, &any, &route), 0);
	assert_int_equal(route.packets, 0);
	bed_fini(&bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verdicts_of_one_port),
		cmocka_unit_test(verdicts_of_a_set),
		cmocka_unit_test(igmp_without_daemon),
		cmocka_unit_test(limits),
		cmocka_unit_test(too_large_for_members),
		cmocka_unit_test(not_a_port),
		cmocka_unit_test(drop_unknown),
		cmocka_unit_test(default_out),
		cmocka_unit_test(sources_first),
		cmocka_unit_test(checksum_update),
		cmocka_unit_test(counters),
		cmocka_unit_test(wrong_port),
		cmocka_unit_test(boundaries),
		cmocka_unit_test(gone_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
