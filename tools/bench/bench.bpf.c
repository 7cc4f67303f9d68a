/* SPDX-License-Identifier: GPL-2.0-only */
/* What the benchmark needs beside mcastd: a source, sinks, and the bare broadcast to compare with.
 */
#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bench.h"

char LICENSE[] SEC("license") = "GPL";

/* One CPU writes the one, another CPU the other: each is on lines of its own. */
struct bench_settings settings;
struct bench_source source;
struct bench_sinks sinks;
struct bench_arrived arrived;

/* Is there room for a batch of frames? */
static __always_inline bool window_open(void)
{
	__s64 under_way = source.sent - *(volatile __u64 *)&sinks.told;

	return !settings.window || under_way + settings.batch <= (__s64)settings.window;
}

static long turn(__u32 i, void *unused)
{
	(void)i;
	(void)unused;
	return *(volatile __u32 *)&settings.paused ||
	       (window_open() && (!settings.interval_ns || bpf_ktime_get_ns() >= source.next_ns));
}

/*
 * Waits for room, and for the time of the next frame. It does so before a batch, as frames only
 * leave when a batch is complete, and it waits here, because frames that the program refuses go
 * back to the pool just as those that the other CPU returns. If nothing has arrived all the time,
 * what was under way is lost.
 */
static __always_inline bool wait(void)
{
	__u64 told = *(volatile __u64 *)&sinks.told;

	if (bpf_loop(WAIT_TURNS, turn, NULL, 0) < WAIT_TURNS)
		return !*(volatile __u32 *)&settings.paused;
	if (told == *(volatile __u64 *)&sinks.told)
		source.sent = told;
	return false;
}

static __always_inline void set_time(struct bench_frame *frame)
{
	frame->sent_ns = bpf_ktime_get_ns();
	source.next_ns += settings.interval_ns;
	if (source.next_ns < frame->sent_ns)
		source.next_ns = frame->sent_ns;
}

static __always_inline void choose_group(struct bench_frame *frame)
{
	__u32 low = source.next_group, group = bpf_ntohl(settings.header.daddr) + low, sum;

	source.next_group += settings.group_step;
	if (source.next_group >= settings.groups)
		source.next_group -= settings.groups;
	/* The header comes with the checksum for low bits of 0. */
	frame->ip.daddr = bpf_htonl(group);
	sum = (__u16)~settings.header.check + (bpf_htonl(low) >> 16) + (bpf_htonl(low) & 0xffff);
	sum = (sum & 0xffff) + (sum >> 16);
	frame->ip.check = ~((sum & 0xffff) + (sum >> 16));
	frame->eth.h_dest[3] = group >> 16 & 0x7f;
	frame->eth.h_dest[4] = group >> 8;
	frame->eth.h_dest[5] = group;
}

SEC("xdp")
int generate(struct xdp_md *ctx)
{
	struct bench_frame *frame;

	if (bpf_xdp_adjust_head(ctx, FRAME_SHIFT))
		return XDP_DROP;
	frame = (void *)(long)ctx->data;
	if ((void *)(frame + 1) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	if (source.turn++ % settings.batch == 0)
		source.go = wait();
	if (!source.go)
		return XDP_DROP;
	__builtin_memcpy(&frame->eth, settings.macs, 12);
	frame->eth.h_proto = bpf_htons(ETH_P_IP);
	frame->ip = settings.header;
	if (settings.groups > 1)
		choose_group(frame);
	if (settings.interval_ns)
		set_time(frame);
	source.sent++;
	return XDP_TX;
}

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SINKS);
	__type(key, __u32);
	__type(value, __u64);
} sunk SEC(".maps");

/* How long frames were under way, from the source to the sink. */
__u64 latencies[BUCKETS];
__u64 latency_most_ns;

static __always_inline void take_time(const struct bench_frame *frame)
{
	__u64 ns = bpf_ktime_get_ns() - frame->sent_ns, bucket = ns / BUCKET_NS;

	barrier_var(bucket); /* the verifier needs to see this very value compared */
	if (bucket >= BUCKETS)
		bucket = BUCKETS - 1;
	__sync_fetch_and_add(&latencies[bucket], 1);
	if (ns > latency_most_ns)
		latency_most_ns = ns;
}

/* Counts frames that are as long as they were sent. */
SEC("xdp")
int sink(struct xdp_md *ctx)
{
	struct bench_frame *frame = (void *)(long)ctx->data;
	__u32 key = ctx->ingress_ifindex;
	__u64 *count;

	if (ctx->data_end - ctx->data != settings.frame_length)
		return XDP_DROP;
	count = bpf_map_lookup_elem(&sunk, &key);
	if (!count)
		return XDP_DROP;
	++*count;
	if (key == settings.telling_port && ++arrived.n % TELL_EVERY == 0)
		*(volatile __u64 *)&sinks.told = arrived.n;
	if (settings.interval_ns && (void *)(frame + 1) <= (void *)(long)ctx->data_end)
		take_time(frame);
	return XDP_DROP;
}

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__uint(value_size, 8);
} all SEC(".maps");

/* The limit of this way of replicating: nothing but the broadcast. */
SEC("xdp")
int bare(struct xdp_md *ctx)
{
	(void)ctx;
	return bpf_redirect_map(&all, 0, BPF_F_BROADCAST);
}

/* The same after what no router can leave out: it reads the header, and writes TTL and source MAC.
 */
static __always_inline bool touch_header(struct xdp_md *ctx)
{
	struct bench_frame *frame = (void *)(long)ctx->data;

	if ((void *)(frame + 1) > (void *)(long)ctx->data_end || frame->ip.ttl < 2)
		return false;
	__builtin_memcpy(frame->eth.h_source, settings.macs + 6, 6);
	frame->ip.ttl--;
	return true;
}

SEC("xdp")
int touch(struct xdp_md *ctx)
{
	return touch_header(ctx) ? bpf_redirect_map(&all, 0, BPF_F_BROADCAST) : XDP_DROP;
}

const volatile __u32 work_turns;

/* And after so many turns of additions, which need no memory. */
SEC("xdp")
int touch_and_work(struct xdp_md *ctx)
{
	__u64 a = 0, b = 0, c = 0, d = 0;

	if (!touch_header(ctx))
		return XDP_DROP;
	for (__u32 i = 0; i < work_turns && i < 64; i++) {
		/* 4 * 3 here; the loop itself is the rest. */
		asm volatile("%0 += 1; %1 += 1; %2 += 1; %3 += 1;"
			     "%0 += 1; %1 += 1; %2 += 1; %3 += 1;"
			     "%0 += 1; %1 += 1; %2 += 1; %3 += 1;"
			     : "+r"(a), "+r"(b), "+r"(c), "+r"(d));
	}
	return bpf_redirect_map(&all, 0, BPF_F_BROADCAST);
}

/* With it in the map: the limit where copies have to differ from port to port. */
SEC("xdp/devmap")
int empty(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

/* An empty program, for the cost of having one. */
SEC("xdp")
int nothing(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}
