/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How mcastd, the kernel's multicast routing, and the bare broadcast that mcastd builds on, forward
 * the same traffic between the same interfaces: packets per second, latency, and what the programs
 * take alone. docs/BENCHMARKS.md tells how to read it.
 *
 * Three namespaces: a source, the router, the sinks. CPU 0 sends; CPU 1 polls the router's upstream
 * port and does all else.
 */
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "forward.h"

struct options options = {
	.sizes = { 64 },
	.n_sizes = 1,
	.fan_outs = { 1, 2, 4, 8, 16 },
	.n_fan_outs = 5,
	.rounds = 20,
	.interval_ms = 50,
	.routes = 10000,
	.groups = 1,
	.window = 256, /* what a veth can queue */
	.rate = 10000,
};

volatile sig_atomic_t stopping;

static unsigned int parse_list(const char *text, unsigned int *list, unsigned int max)
{
	unsigned int n = 0;
	char *end;

	while (n < max && *text) {
		list[n++] = (unsigned int)strtoul(text, &end, 10);
		if (end == text)
			die("not a list of numbers: %s", text);
		text = *end == ',' ? end + 1 : end;
	}
	return n;
}

static unsigned int parse_number(const char *text)
{
	unsigned int n = 0;

	if (!parse_list(text, &n, 1))
		die("not a number: %s", text);
	return n;
}

/* Returns what is to be measured. */
static void (*parse_options(int argc, char **argv))(void)
{
	void (*measure)(void) = measure_rates;
	int option;

	while ((option = getopt(argc, argv, "s:f:r:i:n:g:w:p:x:ecdlo:")) != -1) {
		switch (option) {
		case 's':
			options.n_sizes = parse_list(optarg, options.sizes, 8);
			break;
		case 'f':
			options.n_fan_outs = parse_list(optarg, options.fan_outs, 16);
			break;
		case 'r':
			options.rounds = parse_number(optarg);
			break;
		case 'i':
			options.interval_ms = parse_number(optarg);
			break;
		case 'n':
			options.routes = parse_number(optarg);
			break;
		case 'g':
			options.groups = parse_number(optarg);
			break;
		case 'w':
			options.window = parse_number(optarg);
			break;
		case 'p':
			options.rate = parse_number(optarg);
			break;
		case 'x':
			options.work = parse_number(optarg);
			break;
		case 'e':
			options.with_set = true;
			break;
		case 'c':
			options.cpu_time = true;
			break;
		case 'd':
			measure = measure_programs;
			break;
		case 'l':
			measure = measure_latencies;
			break;
		case 'o':
			options.only = optarg;
			break;
		default:
			die("usage: forward [-l | -d] [-s SIZES] [-f FAN-OUTS] [-r ROUNDS] "
			    "[-i INTERVAL-MS] [-n ROUTES] [-g GROUPS] [-w WINDOW] "
			    "[-p PACKETS-PER-SECOND] [-x INSTRUCTIONS] [-e] [-c] "
			    "[-o VARIANT,...]");
		}
	}
	return measure;
}

static unsigned int most_ports(void)
{
	unsigned int most = 2;

	for (unsigned int i = 0; i < options.n_fan_outs; i++)
		if (options.fan_outs[i] > most)
			most = options.fan_outs[i];
	return most < PORTS_MAX ? most : PORTS_MAX;
}

static void on_end(int signal)
{
	(void)signal;
	stopping = 1;
}

static void clean_up(void)
{
	variants_close();
	bed_close();
}

int main(int argc, char **argv)
{
	void (*measure)(void) = parse_options(argc, argv);

	signal(SIGINT, on_end);
	signal(SIGTERM, on_end);
	atexit(clean_up);
	bed_open(most_ports());
	variants_open();
	measure();
	return stopping ? 1 : 0;
}
