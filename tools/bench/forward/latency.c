/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long a copy is under way, from the source to the sink, in a stream of constant rate. The
 * source writes the time into each frame just before it sends it, each sink takes it out.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "forward.h"

#define SETTLE_MS 10

static volatile bool done;

/* Of all rounds. */
struct distribution {
	uint64_t buckets[BUCKETS], most_ns;
	uint64_t copies, sent;
};

static void take(struct distribution *of, unsigned int fan_out)
{
	const struct bench_bpf__bss *bss = bed.bpf->bss;
	uint64_t sent;

	traffic_pause(true);
	memset(bed.bpf->bss->latencies, 0, sizeof(bss->latencies));
	bed.bpf->bss->latency_most_ns = 0;
	sent = bss->source.sent;
	traffic_pause(false);
	usleep(options.interval_ms * 1000);
	traffic_pause(true);
	of->sent += (bss->source.sent - sent) * fan_out;
	for (unsigned int i = 0; i < BUCKETS; i++) {
		of->buckets[i] += bss->latencies[i];
		of->copies += bss->latencies[i];
	}
	if (bss->latency_most_ns > of->most_ns)
		of->most_ns = bss->latency_most_ns;
	traffic_pause(false);
}

/*
 * Keeps CPU 1 from halting, in the time that nobody else wants: how long a halted virtual CPU takes
 * to wake up is the hypervisor's business, and would be most of the latency.
 */
static void *stay_awake(void *arg)
{
	struct sched_param none = { 0 };

	(void)arg;
	pin_to_cpu(0, 1);
	if (sched_setscheduler(0, SCHED_IDLE, &none))
		die("sched_setscheduler: %s", strerror(errno));
	while (!done)
		__asm__ volatile("" ::: "memory");
	return NULL;
}

/* Microseconds that this share of the copies did not exceed. */
static double percentile(const struct distribution *of, double share)
{
	uint64_t n = 0;
	unsigned int i = 0;

	while (i < BUCKETS - 1 && (double)(n += of->buckets[i]) < share * (double)of->copies)
		i++;
	return (i + 1) * BUCKET_NS / 1e3;
}

static void print(enum variant v, unsigned int fan_out, const struct distribution *of)
{
	/* On a busy machine a copy may come so late that it counts for the next interval. */
	uint64_t lost = of->sent > of->copies ? of->sent - of->copies : 0;

	printf("latency %s %u %u %.1f %.1f %.1f %.1f %.1f %llu %llu\n", variant_names[v],
	       options.sizes[0], fan_out, percentile(of, 0.5), percentile(of, 0.9),
	       percentile(of, 0.99), percentile(of, 0.999), (double)of->most_ns / 1e3,
	       (unsigned long long)of->copies, (unsigned long long)lost);
}

void measure_latencies(void)
{
	struct distribution *all = calloc((size_t)VARIANTS * options.n_fan_outs, sizeof(*all));

	pthread_t awake;

	if (!all)
		die("no memory");
	bed.bpf->bss->settings.interval_ns = 1000000000 / options.rate;
	variant_use(MCASTD, 1);
	if (pthread_create(&awake, NULL, stay_awake, NULL))
		die("no thread");
	traffic_start(options.sizes[0]);
	for (unsigned int round = 0; round < options.rounds && !stopping; round++) {
		for (unsigned int f = 0; f < options.n_fan_outs; f++) {
			for (enum variant v = 0; v < VARIANTS && !stopping; v++) {
				if (!variant_can(v, options.fan_outs[f]))
					continue;
				variant_use(v, options.fan_outs[f]);
				usleep(SETTLE_MS * 1000);
				take(&all[f * VARIANTS + v], options.fan_outs[f]);
			}
		}
	}
	traffic_stop();
	done = true;
	pthread_join(awake, NULL);
	for (unsigned int f = 0; f < options.n_fan_outs; f++)
		for (enum variant v = 0; v < VARIANTS; v++)
			if (all[f * VARIANTS + v].copies)
				print(v, options.fan_outs[f], &all[f * VARIANTS + v]);
	free(all);
}
