/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of the forwarding benchmark: the network, the traffic, the variants, what is measured.
 */
#ifndef BENCH_FORWARD_H
#define BENCH_FORWARD_H

#include <linux/types.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../bench.h"
#include "bpf/bench.skel.h"

#define PORTS_MAX 64
#define SOURCE "10.9.0.10"
#define GROUP "239.1.0.0"

enum namespace {
	NS_SOURCE,
	NS_ROUTER,
	NS_SINKS,
	NAMESPACES,
};

struct options {
	unsigned int sizes[8], n_sizes;
	unsigned int fan_outs[16], n_fan_outs;
	unsigned int rounds, interval_ms;
	unsigned int routes; /* loaded beside those of the traffic */
	unsigned int groups; /* of the traffic */
	unsigned int window; /* frames under way at a time */
	unsigned int rate;   /* of the stream whose latency is measured, packets per second */
	bool with_set;	     /* a port set is in use beside */
	bool cpu_time;	     /* packets per second of CPU time, for a machine that is not idle */
	unsigned int work;   /* instructions that touch goes through in addition */
	const char *only;    /* these variants */
};

extern struct options options;
/* Set by SIGINT and SIGTERM. */
extern volatile sig_atomic_t stopping;

/* bed.c: three namespaces, a source, the router with n ports, and a sink behind each. */
struct bed {
	unsigned int n_ports;
	unsigned int source, upstream, ports[PORTS_MAX], sinks[PORTS_MAX]; /* interface indexes */
	struct bench_bpf *bpf;
};

extern struct bed bed;
void bed_open(unsigned int n_ports);
void bed_close(void);
void bed_enter(enum namespace ns);
/* Finds the thread that polls the upstream port, and gives it CPU 1. */
void bed_pin_poller(void);
/* Seconds that it ran, with the softirqs that ran inside. */
double bed_poller_s(void);
/* The calling thread (0), or another one. */
void pin_to_cpu(pid_t pid, int cpu);
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* traffic.c: what the source sends, and what the sinks have got. */
void traffic_describe(unsigned int frame_length);
/* From CPU 0, without end. */
void traffic_start(unsigned int frame_length);
void traffic_stop(void);
/*
 * Keeps the source from sending; what is under way has come out when it returns. Or lets it send;
 * what was sent before and has not come out is lost.
 */
void traffic_pause(bool paused);
/* Frames that came out of a port, 0 the first, complete. */
uint64_t traffic_received(unsigned int port);
uint16_t ip_checksum(const void *data, size_t length);

/* variants.c: ways to replicate. */
enum variant {
	MCASTD,
	MROUTE,
	BARE,
	TOUCH,
	EMPTY,
	VARIANTS,
};

extern const char *const variant_names[VARIANTS];
void variants_open(void);
void variants_close(void);
/* Is it to be measured, and does it reach so many ports? */
bool variant_can(enum variant variant, unsigned int fan_out);
/* Makes the routes and gives the program for the upstream port, -1: none. */
int variant_prepare(enum variant variant, unsigned int fan_out);
/* From now on packets take this way. */
void variant_use(enum variant variant, unsigned int fan_out);
/* The same with any program. */
void variant_attach(int fd);

/* rate.c, latency.c, alone.c: each prints a line for what it measured. */
void measure_rates(void);
void measure_latencies(void);
void measure_programs(void);

#endif
