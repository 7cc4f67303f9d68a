/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the programs of the benchmark share with it. */
#ifndef BENCH_H
#define BENCH_H

#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/types.h>
#include <linux/udp.h>

#define SINKS 4096	  /* interface indexes of sinks */
#define TELL_EVERY 16	  /* a sink tells the source so often how many frames it has got */
#define WAIT_TURNS 100000 /* of the source, a few milliseconds */

/*
 * BPF_PROG_RUN has frames start in the middle of a cache line, network cards at the beginning of
 * one: so many bytes further on.
 */
#define FRAME_SHIFT 16

/* Smallest frame: what is sent, 64 bytes. */
struct bench_frame {
	struct ethhdr eth;
	struct iphdr ip;
	struct udphdr udp;
	__u64 sent_ns; /* CLOCK_MONOTONIC */
} __attribute__((packed, aligned(2)));

#define WORK_STEPS 16 /* instructions of one turn of work */

#define BUCKETS 8192 /* of latencies; the last one: and longer */
#define BUCKET_NS 128

#define LINE __attribute__((aligned(128)))

struct bench_settings {
	struct iphdr header; /* recycled frames keep what was written to them on their way */
	__u8 macs[12];
	__u32 groups;	    /* to go through; low bits of the address */
	__u32 group_step;   /* from one to the next, so that neighbours do not follow each other */
	__u32 paused;	    /* nothing is sent while this is set */
	__u32 batch;	    /* frames that leave together */
	__u32 window;	    /* frames that may be under way at a time; 0: no limit */
	__u64 interval_ns;  /* between frames, which then bear the time; 0: no pause */
	__u32 telling_port; /* interface index of the sink that tells */
	__u32 frame_length;
} LINE;

struct bench_source {
	__u64 sent;
	__u64 next_ns;
	__u32 turn; /* of this run */
	__u32 go;   /* this batch is sent */
	__u32 next_group;
} LINE;

struct bench_sinks {
	__u64 told; /* frames that came to telling_port, from time to time */
} LINE;

struct bench_arrived {
	__u64 n; /* the same, exactly; whatever CPU they came on */
} LINE;

#endif
