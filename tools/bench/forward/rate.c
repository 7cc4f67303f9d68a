/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many packets a second come out complete on every port. The variants take turns in short
 * intervals, so that what disturbs the machine disturbs all alike; only the ratios within a round
 * are to be trusted.
 */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "forward.h"

#define SETTLE_MS 10
#define START_MS 50  /* until a new source runs evenly */
#define TURNS_MAX 50 /* that a poller may wait for a busy CPU */

static double now_s(void)
{
	struct timespec ts;

	if (options.cpu_time)
		return bed_poller_s();
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* The rate of the port that gets the fewest. */
static double measure(unsigned int fan_out)
{
	uint64_t before[PORTS_MAX], fewest = UINT64_MAX;
	double start, seconds;

	usleep(SETTLE_MS * 1000);
	start = now_s();
	for (unsigned int i = 0; i < fan_out; i++)
		before[i] = traffic_received(i);
	for (unsigned int turn = 0; turn < TURNS_MAX && !stopping; turn++) {
		usleep(options.interval_ms * 1000);
		if (!options.cpu_time || now_s() - start >= options.interval_ms / 2e3)
			break;
	}
	for (unsigned int i = 0; i < fan_out; i++) {
		uint64_t n = traffic_received(i) - before[i];

		fewest = n < fewest ? n : fewest;
	}
	seconds = now_s() - start;
	return seconds > 0 ? (double)fewest / seconds : 0;
}

/* Each begins in its turn: what follows what, and what is first, makes a difference. */
static void measure_variants(unsigned int size, unsigned int fan_out, unsigned int round)
{
	for (unsigned int i = 0; i < VARIANTS && !stopping; i++) {
		enum variant v = (round + i) % VARIANTS;

		if (!variant_can(v, fan_out))
			continue;
		traffic_pause(true);
		variant_use(v, fan_out);
		traffic_pause(false);
		printf("rate %s %u %u %.0f\n", variant_names[v], size, fan_out, measure(fan_out));
		fflush(stdout);
	}
}

void measure_rates(void)
{
	bed.bpf->bss->settings.window = options.window;
	for (unsigned int round = 0; round < options.rounds; round++) {
		for (unsigned int s = 0; s < options.n_sizes && !stopping; s++) {
			variant_use(MCASTD, 1);
			traffic_start(options.sizes[s]);
			usleep(START_MS * 1000);
			for (unsigned int f = 0; f < options.n_fan_outs && !stopping; f++)
				measure_variants(options.sizes[s], options.fan_outs[f], round);
			traffic_stop();
		}
	}
}
