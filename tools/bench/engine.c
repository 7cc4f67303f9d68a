/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How fast the membership engine is and how much memory it takes, alone on one CPU, from a thousand
 * to a million memberships: prints a table, with --json writes it to a file too.
 *
 * Times are CPU time of this thread, so that a busy machine does not show up as a slow call; bytes
 * are what malloc has handed out and what it needs to know about it.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "membership/engine.h"

#define PORTS 64
#define RECORDS 180 /* of a report that fills an Ethernet frame */
#define SOURCES 10
#define MTU_SOURCES 30 /* records with ten sources that fit */
#define MS 1000000ull

/* The calls of one phase. */
struct phase {
	const char *name;
	uint64_t records, calls;
	uint64_t total_ns, worst_ns;
};

struct bench {
	struct engine *engine;
	struct actions out;
	uint64_t now;
	uint64_t sent;
	size_t bytes; /* in use before the engine was made */
};

static FILE *json; /* NULL: nobody asked for it */
static bool json_first = true;

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000 * MS + (uint64_t)t.tv_nsec;
}

static size_t bytes_used(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static void account(struct phase *phase, uint64_t start, uint32_t records)
{
	uint64_t ns = cpu_ns() - start;

	phase->records += records;
	phase->calls++;
	phase->total_ns += ns;
	if (ns > phase->worst_ns)
		phase->worst_ns = ns;
}

/* --- driving --- */

static struct addr group_addr(uint32_t i)
{
	return addr_from_v4_host(0xe1000000 + i);
}

static void collect(struct bench *b)
{
	for (size_t i = 0; i < b->out.n; i++)
		b->sent += b->out.list[i].type == ACTION_SEND;
	actions_clear(&b->out);
}

static void add_port(struct bench *b, unsigned int port, const struct port_config *config)
{
	struct addr address = addr_from_v4_host(0x0a000064 + (port << 8));
	struct prefix subnet = { addr_from_v4_host(0x0a000000 + (port << 8)), 120 };
	struct port_link link = { .up = true,
				  .address = address,
				  .subnets = &subnet,
				  .n_subnets = 1,
				  .own = &address,
				  .n_own = 1 };

	if (!b->engine || engine_port_configure(b->engine, port, config, b->now, &b->out) ||
	    engine_port_link(b->engine, port, &link, b->now, &b->out)) {
		fprintf(stderr, "engine: out of memory\n");
		exit(1);
	}
	collect(b);
}

static void bench_start(struct bench *b, bool upstream)
{
	struct port_config config;

	*b = (struct bench){ .now = 1000, .bytes = bytes_used() };
	b->engine = engine_new(1);
	actions_init(&b->out);
	port_config_init(&config);
	for (unsigned int port = 1; port <= PORTS; port++)
		add_port(b, port, &config);
	config.role = PORT_UPSTREAM;
	if (upstream)
		add_port(b, PORTS + 1, &config);
}

static void bench_end(struct bench *b)
{
	engine_free(b->engine);
	actions_fini(&b->out);
	malloc_trim(0);
}

/* Memberships are dealt out to the ports in turn: membership i is group i on port i % PORTS. */
static void report(struct bench *b, struct phase *phase, unsigned int port,
		   const struct message_record *records, uint32_t n)
{
	struct message message = { .type = MESSAGE_REPORT,
				   .source = addr_from_v4_host(0x0a00000a + (port << 8)),
				   .destination = ADDR_V4(224, 0, 0, 22),
				   .ttl = 1,
				   .router_alert = true,
				   .report = { records, n } };
	uint64_t start = cpu_ns();

	engine_receive(b->engine, port, &message, b->now, &b->out);
	account(phase, start, n);
	collect(b);
}

static const struct addr *sources_of(uint32_t n_sources)
{
	static struct addr sources[SOURCES];

	for (uint32_t i = 0; i < n_sources; i++)
		sources[i] = addr_from_v4_host(0xc0000201 + i);
	return sources;
}

/* One record for each membership from first to last. */
static void wave(struct bench *b, struct phase *phase, uint32_t first, uint32_t last, uint8_t type,
		 uint32_t n_sources)
{
	static struct message_record records[RECORDS];
	uint32_t most = n_sources ? MTU_SOURCES : RECORDS;

	for (uint32_t base = first; base < last; base += PORTS * most) {
		for (unsigned int port = 0; port < PORTS; port++) {
			uint32_t n = 0;

			for (uint32_t i = base + port; i < last && n < most; i += PORTS)
				records[n++] =
					(struct message_record){ type, group_addr(i),
								 sources_of(n_sources), n_sources };
			if (n)
				report(b, phase, port + 1, records, n);
		}
	}
}

/* Lets time pass until `to`, as the daemon does: a call whenever something is due. */
static void pass(struct bench *b, struct phase *phase, uint64_t to)
{
	uint64_t next;

	while ((next = engine_next_deadline(b->engine)) <= to) {
		uint64_t start = cpu_ns();

		b->now = next > b->now ? next : b->now;
		engine_tick(b->engine, b->now, &b->out);
		account(phase, start, 0);
		collect(b);
	}
	b->now = to;
}

/* --- results --- */

static double per_second(const struct phase *phase)
{
	return phase->total_ns ? (double)phase->records * 1e9 / (double)phase->total_ns : 0;
}

static void show(uint32_t n, const struct phase *phase, double bytes)
{
	double mean_us = phase->calls ? (double)phase->total_ns / (double)phase->calls / 1000 : 0;
	double worst_us = (double)phase->worst_ns / 1000;

	if (json) {
		fprintf(json,
			"%s\n  {\"memberships\":%u,\"phase\":\"%s\",\"records\":%llu,"
			"\"records_per_second\":%.0f,\"calls\":%llu,\"call_mean_us\":%.2f,"
			"\"call_worst_us\":%.1f,\"bytes_per_membership\":%.1f}",
			json_first ? "" : ",", n, phase->name, (unsigned long long)phase->records,
			per_second(phase), (unsigned long long)phase->calls, mean_us, worst_us,
			bytes);
		json_first = false;
	}
	printf("%9u  %-22s", n, phase->name);
	if (phase->records)
		printf(" %11.2f M/s", per_second(phase) / 1e6);
	else
		printf(" %15s", "");
	printf(" %10llu %11.2f %11.1f", (unsigned long long)phase->calls, mean_us, worst_us);
	if (bytes > 0)
		printf(" %8.1f", bytes);
	printf("\n");
}

static double bytes_each(const struct bench *b, uint32_t n)
{
	return (double)(bytes_used() - b->bytes) / n;
}

/* --- scenarios --- */

/* n groups in EXCLUDE{}: join, refresh, churn of a tenth of them, expiry. */
static void run_plain(uint32_t n)
{
	struct phase join = { .name = "join" }, refresh = { .name = "refresh" },
		     idle = { .name = "tick, refreshed" }, leave = { .name = "churn: leave" },
		     again = { .name = "churn: join" }, ask = { .name = "churn: tick" },
		     expire = { .name = "tick, all expire" };
	uint32_t part = n / 10;
	struct bench b;
	double bytes;

	bench_start(&b, false);
	wave(&b, &join, 0, n, RECORD_IS_EX, 0);
	bytes = bytes_each(&b, n);
	show(n, &join, bytes);
	pass(&b, &idle, b.now + 125000);
	for (int i = 0; i < 3; i++) {
		wave(&b, &refresh, 0, n, RECORD_IS_EX, 0);
		pass(&b, &idle, b.now + 125000);
	}
	show(n, &refresh, 0);
	show(n, &idle, 0);
	for (uint32_t i = 0; i < 10; i++) {
		wave(&b, &leave, 0, part, RECORD_TO_IN, 0);
		pass(&b, &ask, b.now + 2000);
		wave(&b, &again, 0, part, RECORD_TO_EX, 0);
	}
	show(n, &leave, 0);
	show(n, &again, 0);
	show(n, &ask, 0);
	pass(&b, &expire, b.now + 270000);
	show(n, &expire, 0);
	bench_end(&b);
}

/* n groups of ten INCLUDE sources each: join, refresh, BLOCK of all, expiry. */
static void run_sources(uint32_t n)
{
	struct phase join = { .name = "10 sources: join" },
		     refresh = { .name = "10 sources: refresh" },
		     block = { .name = "10 sources: block" },
		     expire = { .name = "10 sources: tick" };
	struct bench b;
	double bytes;

	bench_start(&b, false);
	wave(&b, &join, 0, n, RECORD_IS_IN, SOURCES);
	bytes = bytes_each(&b, n);
	show(n, &join, bytes);
	for (int i = 0; i < 3; i++) {
		pass(&b, &expire, b.now + 125000);
		wave(&b, &refresh, 0, n, RECORD_IS_IN, SOURCES);
	}
	show(n, &refresh, 0);
	wave(&b, &block, 0, n, RECORD_BLOCK, SOURCES);
	show(n, &block, 0);
	pass(&b, &expire, b.now + 2000);
	show(n, &expire, 0);
	bench_end(&b);
}

/* One group whose n sources come one by one: nothing in it may be quadratic. */
static void run_one_group(uint32_t n)
{
	struct phase join = { .name = "one group: add sources" },
		     expire = { .name = "one group: expire" };
	struct bench b;

	bench_start(&b, false);
	for (uint32_t i = 0; i < n; i++) {
		/* An odd multiplier visits every source once, in no order. */
		struct addr source = addr_from_v4_host(0x0b000000 + (i * 2654435761u & 0xfffff));
		struct message_record record = { RECORD_ALLOW, group_addr(0), &source, 1 };

		b.now += i % 100 == 0;
		report(&b, &join, 1, &record, 1);
	}
	show(n, &join, bytes_each(&b, n));
	pass(&b, &expire, b.now + 271000);
	show(n, &expire, 0);
	bench_end(&b);
}

/* The same with an upstream port, where every join and leave is reported. */
static void run_upstream(uint32_t n)
{
	struct phase join = { .name = "upstream: join" }, refresh = { .name = "upstream: refresh" },
		     idle = { .name = "upstream: tick" };
	struct bench b;
	double bytes;

	bench_start(&b, true);
	wave(&b, &join, 0, n, RECORD_IS_EX, 0);
	bytes = bytes_each(&b, n);
	show(n, &join, bytes);
	pass(&b, &idle, b.now + 125000);
	wave(&b, &refresh, 0, n, RECORD_IS_EX, 0);
	show(n, &refresh, 0);
	pass(&b, &idle, b.now + 271000);
	show(n, &idle, 0);
	bench_end(&b);
}

int main(int argc, char **argv)
{
	uint32_t most = 1000000;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--json") && i + 1 < argc)
			json = fopen(argv[++i], "we");
		else if (atoi(argv[i]) > 0)
			most = (uint32_t)atoi(argv[i]);
		else
			return fprintf(stderr, "usage: engine [--json FILE] [MEMBERSHIPS]\n"), 64;
	}
	if (json)
		fprintf(json, "[");
	printf("%9s  %-22s %15s %10s %11s %11s %8s\n", "members", "phase", "records", "calls",
	       "mean us", "worst us", "bytes");
	for (uint32_t n = 1000; n <= most; n *= 10)
		run_plain(n);
	for (uint32_t n = 1000; n <= most / 10; n *= 10)
		run_sources(n);
	for (uint32_t n = 1000; n <= most / 10; n *= 10)
		run_one_group(n);
	for (uint32_t n = 1000; n <= most / 10; n *= 10)
		run_upstream(n);
	return json && (fprintf(json, "\n]\n") < 0 || fclose(json));
}
