/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The data plane with many routes: 100,000 over 64 ports. Memory, the time to load them, changes
 * per second, and what the program takes for a packet as the number of routes grows.
 *
 * The routes are like those of an access network: most groups have viewers on one port, some on a
 * few neighbouring ones, and the popular ones go to one of some hundred line-ups of many ports.
 *
 * The time of the program is the kernel's own (BPF_ENABLE_STATS), taken around each run. Each size
 * is measured in turn with a reference, the packets of one route only, so that the ratio of the two
 * does not depend on what else the machine does.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <jansson.h>

#include "../../tests/support/bed.h"

#define PORTS 64
#define LINE_UPS 300
#define CHANGES_A_ROUND 64 /* as many IGMP messages as the daemon takes in one go */
#define PACKETS 20000	   /* of each kind in one measurement */
#define ROUNDS 5
#define CHURN_SECONDS 5
#define OPEN_CHANGES 500

static struct bed bed;
static uint64_t random_state = 1;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* xorshift64*: the same routes and changes in every run. */
static uint32_t random_below(uint32_t limit)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (uint32_t)((random_state * 0x2545f4914f6cdd1dull >> 33) % limit);
}

/* --- routes --- */

struct ports {
	uint64_t map; /* bit n: port n + 1 */
};

static struct ports line_ups[LINE_UPS];

static void make_line_ups(void)
{
	for (unsigned int i = 0; i < LINE_UPS; i++)
		for (unsigned int n = 4 + random_below(44); n > 0; n--)
			line_ups[i].map |= 2ull << random_below(PORTS - 1);
}

/* Seven in ten on one port, two on two to four neighbours, one on a line-up. */
static struct ports choose_ports(void)
{
	uint32_t kind = random_below(10), first = 1 + random_below(PORTS - 1);
	struct ports ports = { 1ull << first };

	if (kind == 9)
		return line_ups[random_below(LINE_UPS)];
	for (uint32_t n = kind >= 7 ? 1 + random_below(3) : 0; n > 0; n--)
		ports.map |= 1ull << (1 + (first + n * 7) % (PORTS - 1));
	return ports;
}

static uint32_t list_ports(uint64_t map, uint16_t *slots)
{
	uint32_t n = 0;

	for (; map; map &= map - 1)
		slots[n++] = (uint16_t)(__builtin_ctzll(map) + 1);
	return n;
}

static struct addr group_of(uint32_t number)
{
	uint32_t low = number + 0x010000;
	const uint8_t group[4] = { 239, (uint8_t)(low >> 16), (uint8_t)(low >> 8), (uint8_t)low };

	return addr_from_v4(group);
}

/* As forward/ gives them: from a downstream port also to the upstream, which is port 1. */
static void set_route(uint32_t number, struct ports ports)
{
	uint16_t down[PORTS], both[PORTS];
	struct forward_route route = { .group = group_of(number) };
	int err;

	route.out[FORWARD_FROM_UPSTREAM] =
		(struct forward_ports){ down, list_ports(ports.map, down) };
	route.out[FORWARD_FROM_DOWNSTREAM] =
		(struct forward_ports){ both, list_ports(ports.map | 1, both) };
	err = dataplane_forward_ops.route_set(bed.dp, &route);
	if (err) {
		fprintf(stderr, "route %u: %s\n", number, strerror(-err));
		exit(1);
	}
}

static void del_route(uint32_t number)
{
	static const struct addr any;
	struct addr group = group_of(number);

	if (dataplane_forward_ops.route_del(bed.dp, &group, &any)) {
		fprintf(stderr, "route %u: cannot be removed\n", number);
		exit(1);
	}
}

static void maintain(void)
{
	dataplane_maintain(bed.dp, now_ns() / 1000000);
}

/* --- memory --- */

/* What the kernel accounts to all BPF maps this process holds, and how many they are. */
static uint64_t map_bytes(uint32_t *n_maps)
{
	uint64_t sum = 0;
	char path[64], line[128];

	*n_maps = 0;
	for (int fd = 0; fd < 65536; fd++) {
		uint64_t bytes = 0;
		bool is_map = false;
		FILE *file;

		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
		file = fopen(path, "re");
		if (!file)
			continue;
		while (fgets(line, sizeof(line), file)) {
			is_map |= strncmp(line, "map_type:", 9) == 0;
			if (strncmp(line, "memlock:", 8) == 0)
				bytes = strtoull(line + 8, NULL, 10);
		}
		fclose(file);
		if (is_map) {
			sum += bytes;
			++*n_maps;
		}
	}
	return sum;
}

static uint64_t heap_bytes(void)
{
	unsigned long long size, resident = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (file && fscanf(file, "%llu %llu", &size, &resident) != 2)
		resident = 0;
	if (file)
		fclose(file);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* --- packets --- */

struct program {
	int fd;
	uint64_t run_ns, runs;
};

static void program_open(struct program *program)
{
	uint32_t id = 0;

	if (bpf_enable_stats(BPF_STATS_RUN_TIME) < 0 ||
	    bpf_xdp_query_id((int)bed.veth.ifindex[1], 0, &id)) {
		perror("BPF_ENABLE_STATS");
		exit(1);
	}
	program->fd = bpf_prog_get_fd_by_id(id);
}

/* Nanoseconds per run since the last call. */
static double program_cost(struct program *program)
{
	struct bpf_prog_info info = { 0 };
	uint32_t size = sizeof(info);
	double cost;

	if (bpf_obj_get_info_by_fd(program->fd, &info, &size)) {
		perror("BPF_OBJ_GET_INFO_BY_FD");
		exit(1);
	}
	cost = (double)(info.run_time_ns - program->run_ns) /
	       (double)(info.run_cnt - program->runs + !(info.run_cnt - program->runs));
	program->run_ns = info.run_time_ns;
	program->runs = info.run_cnt;
	return cost;
}

/* One packet of the group through the program, up to where the kernel would copy it. */
static void run_packet(const struct program *program, struct veth_frame *frame, uint32_t number)
{
	struct xdp_md ctx = { .data_end = (uint32_t)frame->len,
			      .ingress_ifindex = bed.veth.ifindex[1] };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame->bytes,
		    .data_size_in = (uint32_t)frame->len, .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = 1);
	struct addr group = group_of(number);

	memcpy(frame->bytes + DATAGRAM_IP + 16, group.b + 12, 4);
	frame->bytes[3] = group.b[13] & 0x7f;
	frame->bytes[4] = group.b[14];
	frame->bytes[5] = group.b[15];
	datagram_fix(frame);
	if (bpf_prog_test_run_opts(program->fd, &opts) || opts.retval != 4 /* XDP_REDIRECT */) {
		fprintf(stderr, "group %u: action %u: not forwarded\n", number, opts.retval);
		exit(1);
	}
}

static double cpu_us(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

struct cost {
	double all_ns, one_ns; /* packets of all routes in turn; of one */
	double ratio;	       /* all the medians of the rounds */
};

static struct cost measure_packets(struct program *program, uint32_t n)
{
	double all[ROUNDS], one[ROUNDS], ratio[ROUNDS];
	struct veth_frame frame;

	datagram_init(&frame, "192.0.2.1", "239.1.0.0", 64, 22, 0);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		program_cost(program);
		for (uint32_t i = 0; i < PACKETS; i++)
			run_packet(program, &frame, random_below(n));
		all[round] = program_cost(program);
		for (uint32_t i = 0; i < PACKETS; i++)
			run_packet(program, &frame, 0 * random_below(n));
		one[round] = program_cost(program);
		ratio[round] = all[round] / one[round];
	}
	qsort(all, ROUNDS, sizeof(double), compare_doubles);
	qsort(one, ROUNDS, sizeof(double), compare_doubles);
	qsort(ratio, ROUNDS, sizeof(double), compare_doubles);
	return (struct cost){ all[ROUNDS / 2], one[ROUNDS / 2], ratio[ROUNDS / 2] };
}

/* --- churn --- */

struct churn {
	double per_second;
	double cpu_us; /* of CPU time for one change */
	double p99_us, max_us;
};

/* Each step changes some route; steps come in rounds, as the daemon makes them. */
static struct churn measure_churn(void (*step)(uint32_t n), uint32_t n)
{
	static double took[1 << 20];
	uint64_t begin = now_ns(), end = begin + CHURN_SECONDS * 1000000000ull, last = begin;
	struct churn churn = { .cpu_us = -cpu_us() };
	size_t kept = 0, steps = 0;

	while (last < end) {
		for (unsigned int i = 0; i < CHANGES_A_ROUND; i++) {
			uint64_t before = now_ns();

			step(n);
			last = now_ns();
			took[kept++ % (1 << 20)] = (double)(last - before) / 1000;
			steps++;
		}
		maintain();
	}
	churn.cpu_us = (churn.cpu_us + cpu_us()) / (double)steps;
	kept = kept < 1 << 20 ? kept : 1 << 20;
	qsort(took, kept, sizeof(double), compare_doubles);
	churn.per_second = (double)steps * 1e9 / (double)(now_ns() - begin);
	churn.p99_us = took[kept * 99 / 100];
	churn.max_us = took[kept - 1];
	return churn;
}

static struct ports *state; /* of each route */

/* A membership that was changed and will be changed back, so that the routes stay what they are. */
struct change {
	uint32_t number;
	uint64_t bit;
};

static void change_membership(struct change change)
{
	if (state[change.number].map == change.bit) /* its last port: no route without one here */
		return;
	state[change.number].map ^= change.bit;
	set_route(change.number, state[change.number]);
}

/* Any port joins or leaves any group; a second later it is as before. */
static void step_membership(uint32_t n)
{
	static struct change open[OPEN_CHANGES];
	static uint64_t count;
	struct change *change = &open[count++ % OPEN_CHANGES];

	if (change->bit) {
		change_membership(*change);
		change->bit = 0;
	} else {
		change->number = random_below(n);
		change->bit = 2ull << random_below(PORTS - 1);
		change_membership(*change);
	}
}

/* Some viewers zap among the groups that everybody has. */
static void step_popular(uint32_t n)
{
	change_membership(
		(struct change){ random_below(n < 500 ? n : 500), 2ull << random_below(4) });
}

/* A route goes, another comes. */
static void step_replace(uint32_t n)
{
	uint32_t number = random_below(n);

	del_route(number);
	set_route(number, state[number]);
}

/* --- report --- */

static json_t *churn_json(const char *name, const struct churn *churn)
{
	printf("  %-34s %9.0f per second, %6.1f us of CPU each, p99 %6.1f us, longest %7.1f ms\n",
	       name, churn->per_second, churn->cpu_us, churn->p99_us, churn->max_us / 1000);
	return json_pack("{s:s, s:f, s:f, s:f, s:f}", "name", name, "per_second", churn->per_second,
			 "cpu_us", churn->cpu_us, "p99_us", churn->p99_us, "max_us", churn->max_us);
}

static json_t *run_churns(uint32_t n)
{
	static const struct {
		const char *name;
		void (*step)(uint32_t n);
	} kinds[] = {
		{ "viewers zap among 500 groups", step_popular },
		{ "routes removed and added", step_replace },
		{ "any port in or out of any group", step_membership },
	};
	json_t *rows = json_array();

	printf("changes with %u routes loaded:\n", n);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct churn churn = measure_churn(kinds[i].step, n);

		json_array_append_new(rows, churn_json(kinds[i].name, &churn));
	}
	return rows;
}

/* Loads the routes and stops at each power of ten to measure packets. Returns the seconds. */
static double load_routes(uint32_t n, struct program *program, json_t *rows)
{
	uint64_t spent = 0, begin = now_ns();
	uint32_t stop = 1;

	printf("the program, for a packet (ns): of any route, of one route, ratio\n");
	for (uint32_t i = 0; i < n; i++) {
		state[i] = choose_ports();
		set_route(i, state[i]);
		if (i % CHANGES_A_ROUND == 0)
			maintain();
		if (i + 1 == stop || i + 1 == n) {
			struct cost cost;

			spent += now_ns() - begin;
			cost = measure_packets(program, i + 1);
			printf("  %8u routes %8.1f %8.1f %6.2f\n", i + 1, cost.all_ns, cost.one_ns,
			       cost.ratio);
			json_array_append_new(rows, json_pack("{s:i, s:f, s:f, s:f}", "routes",
							      (int)(i + 1), "any_ns", cost.all_ns,
							      "one_ns", cost.one_ns, "ratio",
							      cost.ratio));
			stop *= 10;
			begin = now_ns();
		}
	}
	return (double)spent / 1e9;
}

static json_t *run(uint32_t n)
{
	struct dataplane_options options = { .bpffs_dir = veth_bpffs(), .max_routes = n + 1024 };
	json_t *packets = json_array(), *result;
	uint64_t heap, maps_before, maps_after;
	struct program program = { 0 };
	uint32_t n_before, n_after;
	double seconds;

	bed_init(&bed, PORTS, &options);
	bed_ports(&bed, DATAPLANE_MODE_NATIVE);
	program_open(&program);
	state = calloc(n, sizeof(*state));
	heap = heap_bytes();
	maps_before = map_bytes(&n_before);
	make_line_ups();
	seconds = load_routes(n, &program, packets);
	maps_after = map_bytes(&n_after);
	printf("%u routes over %d ports: loaded in %.2f s (%.0f per second)\n", n, PORTS, seconds,
	       n / seconds);
	printf("memory: BPF maps %.1f MB before, %.1f MB after (%u more maps), daemon's own %.1f "
	       "MB more\n",
	       (double)maps_before / 1e6, (double)maps_after / 1e6, n_after - n_before,
	       (double)(heap_bytes() - heap) / 1e6);
	result = json_pack("{s:i, s:i, s:f, s:I, s:I, s:i, s:I, s:o, s:o}", "routes", (int)n,
			   "ports", PORTS, "load_s", seconds, "map_bytes_before",
			   (json_int_t)maps_before, "map_bytes_after", (json_int_t)maps_after,
			   "maps_added", (int)(n_after - n_before), "heap_bytes",
			   (json_int_t)(heap_bytes() - heap), "packets", packets, "churn",
			   run_churns(n));
	close(program.fd);
	bed_fini(&bed);
	free(state);
	return result;
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = { { "json", required_argument, NULL, 'j' },
						      { "routes", required_argument, NULL, 'n' },
						      { 0 } };
	const char *path = NULL;
	uint32_t n = 100000;
	json_t *result;
	int c, status = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((c = getopt_long(argc, argv, "j:n:", long_options, NULL)) != -1) {
		if (c == 'j') {
			path = optarg;
		} else if (c == 'n') {
			n = (uint32_t)strtoul(optarg, NULL, 10);
		} else {
			fprintf(stderr, "usage: routes [--routes N] [--json FILE]\n");
			return 64;
		}
	}
	result = run(n);
	if (path && json_dump_file(result, path, JSON_INDENT(1)))
		status = 1;
	json_decref(result);
	return status;
}
