/* SPDX-License-Identifier: BSD-2-Clause */
/* The source, live frames by BPF_PROG_RUN from CPU 0, and the counters of the sinks. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "forward.h"

#define DRAIN_MS 3 /* longer than any frame is under way */
#define STOP_MS 20 /* until the source is told again to stop */
#define CPUS_MAX 256
/*
 * BPF_PROG_RUN keeps a ring of as many free frames as it sends at a time. When more come back at a
 * time, the CPU that gives them back, which is the one that is measured, has to free them, and the
 * other one allocates new ones. That halves the rate, and goes on for as long as it likes. So: half
 * as much as may be under way.
 */
#define BATCH 128

static pthread_t generator;
static volatile bool generating;

uint16_t ip_checksum(const void *data, size_t length)
{
	const uint16_t *word = data;
	uint32_t sum = 0;

	for (; length; length -= 2)
		sum += *word++;
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~((sum & 0xffff) + (sum >> 16));
}

static unsigned int common_divisor(unsigned int a, unsigned int b)
{
	return b ? common_divisor(b, a % b) : a;
}

/* A step that comes to all of n, and far from where it was. */
static unsigned int step_through(unsigned int n)
{
	unsigned int step = n * 5 / 8;

	while (step > 1 && common_divisor(n, step) != 1)
		step--;
	return step;
}

void traffic_describe(unsigned int frame_length)
{
	struct bench_settings *settings = &bed.bpf->bss->settings;
	struct iphdr *ip = &settings->header;
	uint8_t group[4];

	*ip = (struct iphdr){
		.version = 4,
		.ihl = 5,
		.tot_len = htons((uint16_t)(frame_length - ETH_HLEN)),
		.ttl = 64,
		.protocol = IPPROTO_UDP,
		.saddr = inet_addr(SOURCE),
		.daddr = inet_addr(GROUP),
	};
	ip->check = ip_checksum(ip, sizeof(*ip));
	memcpy(group, &ip->daddr, 4);
	memcpy(settings->macs,
	       (uint8_t[]){ 1, 0, 0x5e, group[1] & 0x7f, group[2], group[3], 2, 0, 0, 0, 0, 1 },
	       12);
	settings->groups = options.groups;
	settings->group_step = step_through(options.groups);
	settings->batch = settings->interval_ns ? 1 : BATCH;
	settings->frame_length = frame_length;
	settings->telling_port = bed.sinks[0];
}

static void on_signal(int signal)
{
	(void)signal; /* only to interrupt BPF_PROG_RUN */
}

static void *generate(void *arg)
{
	static uint8_t frame[2048];
	const struct bench_settings *settings = &bed.bpf->bss->settings;
	uint32_t length = settings->frame_length + FRAME_SHIFT;
	struct xdp_md ctx = { .data_end = length, .ingress_ifindex = bed.source };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = length,
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = INT32_MAX,
		    .batch_size = settings->batch, .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
	int err = 0;

	(void)arg;
	pin_to_cpu(0, 0);
	bed_enter(NS_SOURCE);
	while (!err && generating) {
		bed.bpf->bss->source.turn = 0;
		err = bpf_prog_test_run_opts(bpf_program__fd(bed.bpf->progs.generate), &opts);
	}
	if (err && err != -EINTR)
		die("BPF_PROG_RUN: %s", strerror(-err));
	return NULL;
}

void traffic_start(unsigned int frame_length)
{
	sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = on_signal }, NULL);
	traffic_describe(frame_length);
	generating = true;
	if (pthread_create(&generator, NULL, generate, NULL))
		die("no thread");
	pin_to_cpu(0, 0);
}

void traffic_stop(void)
{
	struct timespec until;

	generating = false;
	/* Again and again: the first one may come just before the thread calls BPF_PROG_RUN. */
	do {
		pthread_kill(generator, SIGUSR1);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += STOP_MS * 1000000;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
	} while (pthread_timedjoin_np(generator, NULL, &until) == ETIMEDOUT);
}

void traffic_pause(bool paused)
{
	struct bench_bpf__bss *bss = bed.bpf->bss;

	if (!paused && bss->settings.window)
		bss->source.sent = bss->sinks.told;
	__atomic_store_n(&bss->settings.paused, paused, __ATOMIC_RELEASE);
	if (paused)
		usleep(DRAIN_MS * 1000);
}

uint64_t traffic_received(unsigned int port)
{
	uint64_t counts[CPUS_MAX], sum = 0;
	int cpus = libbpf_num_possible_cpus();

	if (cpus > CPUS_MAX ||
	    bpf_map_lookup_elem(bpf_map__fd(bed.bpf->maps.sunk), &bed.sinks[port], counts))
		die("cannot read the counters");
	for (int i = 0; i < cpus; i++)
		sum += counts[i];
	return sum;
}
