/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The programs alone, run on live frames by BPF_PROG_RUN: no source, no queue before the router.
 * Nanoseconds a packet, the best of many short runs, which another load can hardly disturb.
 */
#include <errno.h>
#include <limits.h>
#include <net/ethernet.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "forward.h"

#define RUNS 50

static unsigned int run_live(int fd)
{
	static uint8_t frame[2048];
	const struct bench_settings *settings = &bed.bpf->bss->settings;
	struct xdp_md ctx = { .data_end = settings->frame_length, .ingress_ifindex = bed.upstream };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame,
		    .data_size_in = settings->frame_length, .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = 1024, .batch_size = 64,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
	struct iphdr *ip = (struct iphdr *)(frame + ETH_HLEN);

	memcpy(frame, settings->macs, sizeof(settings->macs));
	frame[12] = 0x08;
	memcpy(ip, &settings->header, sizeof(*ip));
	/* A frame may be used again up to 254 times in one run, and every time it loses one. */
	ip->ttl = 255;
	ip->check = 0;
	ip->check = ip_checksum(ip, sizeof(*ip));
	if (bpf_prog_test_run_opts(fd, &opts))
		die("BPF_PROG_RUN: %s", strerror(errno));
	return opts.duration;
}

/* A unicast packet, which passes: what the program costs traffic that is not ours. */
static unsigned int run_unicast(int fd)
{
	static uint8_t frame[64] = {
		2,  0, 0, 0, 0, 2,  2,	0, 0, 0,  0, 1, 0x08, 0x00, 0x45, 0, 0,
		50, 0, 0, 0, 0, 64, 17, 0, 0, 10, 9, 0, 10,   10,   1,	  0, 2
	};
	static uint8_t out[4096];
	struct xdp_md ctx = { .data_end = sizeof(frame), .ingress_ifindex = bed.upstream };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame),
		    .data_out = out, .data_size_out = sizeof(out), .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = 20000);

	if (bpf_prog_test_run_opts(fd, &opts) || opts.retval != XDP_PASS)
		die("BPF_PROG_RUN: %s", strerror(errno));
	return opts.duration;
}

static void improve(unsigned int *best, int fd, unsigned int (*run)(int fd))
{
	/* On the device it is in the kernel's table of programs that are called directly. */
	variant_attach(fd);
	for (int i = 0; i < RUNS; i++) {
		unsigned int ns = run(fd);

		*best = ns < *best ? ns : *best;
	}
}

static void measure_fan_out(unsigned int fan_out)
{
	unsigned int best[VARIANTS];

	memset(best, 0xff, sizeof(best));
	for (unsigned int round = 0; round < options.rounds && !stopping; round++)
		for (enum variant v = 0; v < VARIANTS; v++)
			if (v != MROUTE && variant_can(v, fan_out))
				improve(&best[v], variant_prepare(v, fan_out), run_live);
	for (enum variant v = 0; v < VARIANTS; v++)
		if (best[v] != UINT_MAX)
			printf("alone %s %u %u %u\n", variant_names[v],
			       bed.bpf->bss->settings.frame_length, fan_out, best[v]);
	fflush(stdout);
}

static void measure_unicast(void)
{
	unsigned int mcastd = UINT_MAX, nothing = UINT_MAX;

	for (unsigned int round = 0; round < options.rounds && !stopping; round++) {
		improve(&mcastd, variant_prepare(MCASTD, 1), run_unicast);
		improve(&nothing, bpf_program__fd(bed.bpf->progs.nothing), run_unicast);
	}
	printf("unicast mcastd 64 1 %u\nunicast nothing 64 1 %u\n", mcastd, nothing);
}

void measure_programs(void)
{
	traffic_describe(options.sizes[0]);
	pin_to_cpu(0, 1);
	for (unsigned int f = 0; f < options.n_fan_outs && !stopping; f++)
		measure_fan_out(options.fan_outs[f]);
	measure_unicast();
}
