/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many packets a second come out complete on every port, of (a) mcastd's programs with all
 * checks and 10,000 routes, (b) the kernel's multicast routing, (c) a bare devmap broadcast, (d)
 * the same with an empty program run for each copy.
 *
 * Three namespaces: a source, the router, the sinks. CPU 0 sends live frames with BPF_PROG_RUN
 * without pause, more than can be forwarded; CPU 1 polls the router's upstream port and does all
 * else. The three take turns in short intervals, so that what disturbs the machine disturbs all
 * alike. Prints one line for each interval: variant, frame size, fan-out, packets per second.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/if_link.h>
#include <linux/mroute.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/bench.skel.h"
#include "dataplane/dataplane.h"

#define PORTS_MAX 64
#define SINKS 4096
#define SETTLE_MS 40
#define SOURCE "10.9.0.10"
#define GROUP "239.1.0.0"

enum variant {
	MCASTD,
	MROUTE,
	BARE,
	EMPTY,
	VARIANTS,
};

static const char *const variant_names[VARIANTS] = { "mcastd", "ip_mroute", "bare", "empty" };

static struct {
	char ns[3][32]; /* source, router, sinks */
	int ns_fd[3];
	char bpffs[64];
	unsigned int n_ports;
	unsigned int source, upstream, ports[PORTS_MAX], sinks[PORTS_MAX];
	struct bench_bpf *bpf;
	struct dataplane *dataplane;
	int mcastd_fd; /* the ingress program */
	int mroute_fd;
	int bare_fd[2][PORTS_MAX + 1]; /* without and with an egress program, by fan-out */
	pthread_t generator;
	bool generating;
	unsigned int frame;
	unsigned int n_routes;
	unsigned int groups; /* of the measured traffic */
	unsigned int interval_ms, rounds;
	bool with_set; /* a port set is in use beside */
	bool direct;   /* the programs alone */
	bool cpu_time; /* packets per second of CPU time, for a machine that is not idle */
	pid_t poller;
	const char *only; /* one variant */
} bench = {
	.interval_ms = 200,
	.rounds = 5,
	.n_routes = 10000,
	.groups = 1,
};

enum {
	NS_SOURCE,
	NS_ROUTER,
	NS_SINKS
};

static volatile sig_atomic_t stop;

static void clean_up(void)
{
	char command[128];

	if (bench.dataplane)
		dataplane_close(bench.dataplane, false);
	for (int i = 0; i < 3; i++) {
		snprintf(command, sizeof(command), "ip netns del %s 2>/dev/null", bench.ns[i]);
		if (bench.ns[i][0] && system(command))
			bench.ns[i][0] = 0;
	}
}

static void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
static void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static void run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void run(const char *format, ...)
{
	char command[256];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (system(command))
		die("failed: %s", command);
}

static void enter(int ns)
{
	if (setns(bench.ns_fd[ns], CLONE_NEWNET))
		die("setns: %s", strerror(errno));
}

static void pin_to_cpu(pid_t pid, int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	if (sched_setaffinity(pid, sizeof(cpus), &cpus))
		die("sched_setaffinity: %s", strerror(errno));
	/*
	 * What else runs on the machine shall take little of the time. Not in real time: that would
	 * keep the kernel's own threads from running, RCU above all.
	 */
	setpriority(PRIO_PROCESS, (id_t)pid, -20);
}

/* --- the network -------------------------------------------------------------------------------
 */

static void make_namespaces(void)
{
	static const char *const names[] = { "source", "router", "sinks" };
	char path[64];

	for (int i = 0; i < 3; i++) {
		snprintf(bench.ns[i], sizeof(bench.ns[i]), "mcastd-bench-%d-%s", getpid(),
			 names[i]);
		run("ip netns add %s", bench.ns[i]);
		snprintf(path, sizeof(path), "/run/netns/%s", bench.ns[i]);
		bench.ns_fd[i] = open(path, O_RDONLY | O_CLOEXEC);
		run("ip -n %s link set lo up", bench.ns[i]);
	}
}

static void make_links(unsigned int n)
{
	const char *router = bench.ns[NS_ROUTER];
	char name[IF_NAMESIZE];

	run("ip -n %s link add u type veth peer name s netns %s", router, bench.ns[NS_SOURCE]);
	run("ip -n %s link set u up", router);
	run("ip -n %s addr add 10.9.0.1/24 dev u", router);
	run("ip -n %s link set s up", bench.ns[NS_SOURCE]);
	for (unsigned int i = 0; i < n; i++) {
		run("ip -n %s link add d%u type veth peer name h%u netns %s", router, i, i,
		    bench.ns[NS_SINKS]);
		run("ip -n %s link set d%u up", router, i);
		run("ip -n %s addr add 10.1.%u.1/24 dev d%u", router, i, i);
		run("ip -n %s link set h%u up", bench.ns[NS_SINKS], i);
	}
	if (!n || n > PORTS_MAX)
		die("between 1 and %d ports", PORTS_MAX);
	bench.n_ports = n;
	enter(NS_SINKS);
	for (unsigned int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "h%u", i);
		bench.sinks[i] = if_nametoindex(name);
		if (bpf_xdp_attach((int)bench.sinks[i], bpf_program__fd(bench.bpf->progs.sink), 0,
				   NULL))
			die("%s: cannot attach the sink", name);
	}
	enter(NS_SOURCE);
	bench.source = if_nametoindex("s");
	enter(NS_ROUTER);
	for (unsigned int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "d%u", i);
		bench.ports[i] = if_nametoindex(name);
	}
	bench.upstream = if_nametoindex("u");
	/* NAPI on both ends of the upstream link, whatever program runs. */
	run("ethtool -K u gro on");
	enter(NS_SOURCE);
	run("ethtool -K s gro on");
	enter(NS_ROUTER);
	run("sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.u.rp_filter=0");
	run("ip netns exec %s sh -c 'echo 1 >/sys/class/net/u/threaded'", router);
}

/* The kernel's polling thread of the upstream port runs on CPU 1 alone. */
static void pin_poller(void)
{
	struct dirent *entry;
	DIR *proc = opendir("/proc");
	char path[300], comm[32] = "";
	FILE *file;

	if (!proc)
		die("/proc: %s", strerror(errno));
	while ((entry = readdir(proc))) {
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		file = atoi(entry->d_name) > 0 ? fopen(path, "re") : NULL;
		if (!file)
			continue;
		if (fgets(comm, sizeof(comm), file) && strncmp(comm, "napi/u-", 7) == 0) {
			bench.poller = atoi(entry->d_name);
			pin_to_cpu(bench.poller, 1);
		}
		fclose(file);
	}
	closedir(proc);
}

/* --- the source --------------------------------------------------------------------------------
 */

static uint16_t checksum(const void *data, size_t len)
{
	const uint16_t *word = data;
	uint32_t sum = 0;

	for (; len; len -= 2)
		sum += *word++;
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~((sum & 0xffff) + (sum >> 16));
}

static void fill_header(void)
{
	struct iphdr *ip = (struct iphdr *)&bench.bpf->bss->header;
	uint8_t *macs = bench.bpf->bss->macs;
	uint8_t group[4];

	*ip = (struct iphdr){
		.version = 4,
		.ihl = 5,
		.tot_len = htons((uint16_t)(bench.frame - ETH_HLEN)),
		.ttl = 64,
		.protocol = IPPROTO_UDP,
		.saddr = inet_addr(SOURCE),
		.daddr = inet_addr(GROUP),
	};
	ip->check = checksum(ip, sizeof(*ip));
	memcpy(group, &ip->daddr, 4);
	memcpy(macs, (uint8_t[]){ 1, 0, 0x5e, group[1] & 0x7f, group[2], group[3] }, 6);
	memcpy(macs + 6, (uint8_t[]){ 2, 0, 0, 0, 0, 1 }, 6);
	bench.bpf->bss->frame_length = bench.frame;
	bench.bpf->data->groups = bench.groups;
}

static void on_signal(int signal)
{
	(void)signal; /* only to interrupt BPF_PROG_RUN */
}

static void *generate(void *arg)
{
	static uint8_t frame[2048];
	struct xdp_md ctx = { .data_end = bench.frame, .ingress_ifindex = bench.source };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = bench.frame,
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = INT32_MAX,
		    .batch_size = 64, .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
	int err;

	(void)arg;
	pin_to_cpu(0, 0);
	enter(NS_SOURCE);
	frame[12] = 0x08;
	do
		err = bpf_prog_test_run_opts(bpf_program__fd(bench.bpf->progs.generate), &opts);
	while (!err && bench.generating);
	if (err && err != -EINTR)
		die("BPF_PROG_RUN: %s", strerror(-err));
	return NULL;
}

static void start_generator(unsigned int frame)
{
	bench.frame = frame;
	fill_header();
	bench.generating = true;
	if (pthread_create(&bench.generator, NULL, generate, NULL))
		die("no thread");
}

static void stop_generator(void)
{
	bench.generating = false;
	pthread_kill(bench.generator, SIGUSR1);
	pthread_join(bench.generator, NULL);
}

/* --- (a) mcastd --------------------------------------------------------------------------------
 */

static void set_mcastd_route(const char *group, unsigned int low, const uint16_t *slots, uint32_t n)
{
	struct forward_route route = { .out = { { slots, n }, { NULL, 0 } } };
	struct addr base;

	addr_parse(group, &base);
	route.group = addr_from_v4_host(addr_to_v4_host(&base) + low);
	if (dataplane_forward_ops.route_set(bench.dataplane, &route))
		die("route_set failed");
}

static void set_mcastd_port(unsigned int slot, const char *name, unsigned int ifindex,
			    const char *origin)
{
	struct dataplane_port port = { .ifindex = ifindex,
				       .side = slot == 1 ? MCASTD_SIDE_UPSTREAM
							 : MCASTD_SIDE_DOWNSTREAM,
				       .ttl_threshold = 1,
				       .mtu = 1500,
				       .check_origin = true };
	struct dataplane_error error = { "" };
	struct prefix prefix;
	enum dataplane_mode got;

	snprintf(port.name, sizeof(port.name), "%s", name);
	memcpy(port.mac, (uint8_t[]){ 2, 0, 0, 0, 1, (uint8_t)slot }, 6);
	if (dataplane_port_set(bench.dataplane, slot, &port, &error) ||
	    (slot == 1 &&
	     dataplane_attach(bench.dataplane, ifindex, DATAPLANE_MODE_NATIVE, &got, &error)))
		die("%s", error.text);
	prefix_parse(origin, &prefix);
	dataplane_origins_set(bench.dataplane, slot, &prefix, 1);
	prefix_parse("239.255.0.0/16", &prefix);
	dataplane_boundary_set(bench.dataplane, slot, &prefix, 1);
}

static void open_mcastd(void)
{
	struct dataplane_options options = { .bpffs_dir = bench.bpffs,
					     .max_routes = 2 * bench.n_routes + 4096 };
	struct dataplane_error error = { "" };
	char name[IF_NAMESIZE], origin[32];
	uint32_t id;

	snprintf(bench.bpffs, sizeof(bench.bpffs), "/sys/fs/bpf/mcastd-bench-%d", getpid());
	if (dataplane_open(&bench.dataplane, &options, &error))
		die("%s", error.text);
	set_mcastd_port(1, "u", bench.upstream, "10.9.0.0/24");
	for (unsigned int i = 0; i < bench.n_ports; i++) {
		snprintf(name, sizeof(name), "d%u", i);
		snprintf(origin, sizeof(origin), "10.1.%u.0/24", i);
		set_mcastd_port(i + 2, name, bench.ports[i], origin);
	}
	for (unsigned int i = 0; bench.n_ports && i < bench.n_routes; i++)
		set_mcastd_route("239.100.0.0", i,
				 (uint16_t[]){ (uint16_t)(2 + i % bench.n_ports) }, 1);
	if (bench.with_set)
		set_mcastd_route("239.200.0.0", 0, (uint16_t[]){ 2, 3 }, 2);
	if (bpf_xdp_query_id((int)bench.upstream, 0, &id) || !id)
		die("no program on the upstream port");
	bench.mcastd_fd = bpf_prog_get_fd_by_id(id);
}

static void set_mcastd_fan_out(unsigned int fan_out)
{
	uint16_t slots[PORTS_MAX];

	for (unsigned int i = 0; i < fan_out; i++)
		slots[i] = (uint16_t)(2 + i);
	for (unsigned int i = 0; i < bench.groups; i++)
		set_mcastd_route(GROUP, i, slots, fan_out);
}

/* --- (b) ip_mroute -----------------------------------------------------------------------------
 */

static void add_vif(unsigned int vif, unsigned int ifindex)
{
	struct vifctl control = { .vifc_vifi = (vifi_t)vif,
				  .vifc_flags = VIFF_USE_IFINDEX,
				  .vifc_threshold = 1,
				  .vifc_lcl_ifindex = (int)ifindex };

	if (setsockopt(bench.mroute_fd, IPPROTO_IP, MRT_ADD_VIF, &control, sizeof(control)))
		die("MRT_ADD_VIF: %s", strerror(errno));
}

static void set_mfc(const char *group, unsigned int low, unsigned int first, unsigned int n)
{
	struct mfcctl mfc = { .mfcc_parent = 0 };

	mfc.mfcc_origin.s_addr = inet_addr(SOURCE);
	mfc.mfcc_mcastgrp.s_addr = htonl(ntohl(inet_addr(group)) + low);
	for (unsigned int i = 0; i < n && first + i < MAXVIFS; i++)
		mfc.mfcc_ttls[first + i] = 1;
	if (setsockopt(bench.mroute_fd, IPPROTO_IP, MRT_ADD_MFC, &mfc, sizeof(mfc)))
		die("MRT_ADD_MFC: %s", strerror(errno));
}

/* The kernel has at most 32 interfaces here, one of them the upstream. */
static unsigned int mroute_ports(void)
{
	return bench.n_ports < MAXVIFS - 1 ? bench.n_ports : MAXVIFS - 1;
}

static void open_mroute(void)
{
	int one = 1;

	bench.mroute_fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_IGMP);
	if (bench.mroute_fd < 0 ||
	    setsockopt(bench.mroute_fd, IPPROTO_IP, MRT_INIT, &one, sizeof(one)))
		die("MRT_INIT: %s", strerror(errno));
	add_vif(0, bench.upstream);
	for (unsigned int i = 0; i < mroute_ports(); i++)
		add_vif(i + 1, bench.ports[i]);
	for (unsigned int i = 0; mroute_ports() && i < bench.n_routes; i++)
		set_mfc("239.100.0.0", i, 1 + i % mroute_ports(), 1);
}

/* --- (c), (d) bare broadcast
 * ------------------------------------------------------------------------
 */

static int open_bare(unsigned int fan_out, bool egress)
{
	struct bench_bpf *bpf = bench_bpf__open();
	int fd;

	if (!bpf)
		die("cannot open the bare program");
	bpf_map__set_max_entries(bpf->maps.all, fan_out);
	if (bench_bpf__load(bpf))
		die("cannot load the bare program");
	for (uint32_t i = 0; i < fan_out; i++) {
		struct mcastd_dev dev = {
			.ifindex = bench.ports[i],
			.prog_fd = egress ? (uint32_t)bpf_program__fd(bpf->progs.empty) : 0,
		};

		if (bpf_map_update_elem(bpf_map__fd(bpf->maps.all), &i, &dev, BPF_ANY))
			die("cannot fill the bare map");
	}
	fd = dup(bpf_program__fd(bpf->progs.bare));
	bench_bpf__destroy(bpf);
	return fd;
}

/* --- measuring ---------------------------------------------------------------------------------
 */

/* Makes the routes and gives the program for the upstream port, -1: none. */
static int prepare(enum variant variant, unsigned int fan_out)
{
	bool egress = variant == EMPTY;

	switch (variant) {
	case MCASTD:
		set_mcastd_fan_out(fan_out);
		return bench.mcastd_fd;
	case MROUTE:
		for (unsigned int i = 0; i < bench.groups; i++)
			set_mfc(GROUP, i, 1, fan_out);
		return -1;
	default:
		if (!bench.bare_fd[egress][fan_out])
			bench.bare_fd[egress][fan_out] = open_bare(fan_out, egress);
		return bench.bare_fd[egress][fan_out];
	}
}

static void use(enum variant variant, unsigned int fan_out)
{
	if (bpf_xdp_attach((int)bench.upstream, prepare(variant, fan_out), XDP_FLAGS_DRV_MODE,
			   NULL))
		die("cannot change the program");
	pin_poller();
}

static uint64_t read_sink(unsigned int port)
{
	uint64_t counts[256], sum = 0;
	int cpus = libbpf_num_possible_cpus();

	if (cpus > 256 ||
	    bpf_map_lookup_elem(bpf_map__fd(bench.bpf->maps.sunk), &bench.sinks[port], counts))
		die("cannot read the counters");
	for (int i = 0; i < cpus; i++)
		sum += counts[i];
	return sum;
}

/* Seconds that the poller ran, with the softirqs that ran inside. */
static double poller_s(void)
{
	char path[64];
	unsigned long long ns = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", bench.poller);
	file = fopen(path, "re");
	if (!file || fscanf(file, "%llu", &ns) != 1)
		die("%s: %s", path, strerror(errno));
	fclose(file);
	return (double)ns / 1e9;
}

static double now_s(void)
{
	struct timespec ts;

	if (bench.cpu_time)
		return poller_s();
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Packets per second that came out on every port: the rate of the port with the fewest. */
static double measure(unsigned int fan_out)
{
	uint64_t before[PORTS_MAX], fewest = UINT64_MAX;
	double start;

	usleep(SETTLE_MS * 1000);
	start = now_s();
	for (unsigned int i = 0; i < fan_out; i++)
		before[i] = read_sink(i);
	do
		usleep(bench.interval_ms * 1000);
	while (bench.cpu_time && now_s() - start < bench.interval_ms / 2e3);
	for (unsigned int i = 0; i < fan_out; i++) {
		uint64_t n = read_sink(i) - before[i];

		fewest = n < fewest ? n : fewest;
	}
	return (double)fewest / (now_s() - start);
}

static void measure_all(const unsigned int *sizes, size_t n_sizes, const unsigned int *fan_outs,
			size_t n_fan_outs)
{
	for (size_t s = 0; s < n_sizes; s++) {
		use(MCASTD, 1);
		start_generator(sizes[s]);
		pin_to_cpu(0, 0);
		for (unsigned int round = 0; round < bench.rounds; round++) {
			for (size_t f = 0; f < n_fan_outs; f++) {
				for (int v = 0; v < VARIANTS; v++) {
					if (bench.only && strcmp(bench.only, variant_names[v]) != 0)
						continue;
					if (stop)
						break;
					if (v == MROUTE && fan_outs[f] > mroute_ports())
						continue;
					use((enum variant)v, fan_outs[f]);
					printf("%s %u %u %.0f\n", variant_names[v], sizes[s],
					       fan_outs[f], measure(fan_outs[f]));
					fflush(stdout);
				}
			}
		}
		stop_generator();
	}
}

/*
 * The programs alone, run on live frames by BPF_PROG_RUN: no source, no queue before the router.
 * Nanoseconds a packet, the best of many short runs, which another load can hardly disturb.
 */
static unsigned int measure_direct(int fd)
{
	static uint8_t frame[2048];
	struct xdp_md ctx = { .data_end = bench.frame, .ingress_ifindex = bench.upstream };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = bench.frame,
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = 2048, .batch_size = 64,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
	struct iphdr *ip = (struct iphdr *)(frame + ETH_HLEN);

	memcpy(frame, bench.bpf->bss->macs, 12);
	frame[12] = 0x08;
	memcpy(ip, &bench.bpf->bss->header, sizeof(*ip));
	/* A frame may be used again up to 254 times in one run, and every time it loses one. */
	ip->ttl = 255;
	ip->check = 0;
	ip->check = checksum(ip, sizeof(*ip));
	if (bpf_prog_test_run_opts(fd, &opts))
		die("BPF_PROG_RUN: %s", strerror(errno));
	return opts.duration;
}

static unsigned int best_direct(int fd, unsigned int (*measure_one)(int fd))
{
	unsigned int best = UINT32_MAX;

	/* On the device it is in the kernel's table of programs that are called directly. */
	if (bpf_xdp_attach((int)bench.upstream, fd, XDP_FLAGS_DRV_MODE, NULL))
		die("cannot change the program");
	for (int i = 0; i < 10; i++) {
		unsigned int ns = measure_one(fd);

		best = ns < best ? ns : best;
	}
	return best;
}

/* A unicast packet, which passes: what the program costs traffic that is not ours. */
static unsigned int measure_unicast(int fd)
{
	static uint8_t frame[64] = {
		2,  0, 0, 0, 0, 2,  2,	0, 0, 0,  0, 1, 0x08, 0x00, 0x45, 0, 0,
		50, 0, 0, 0, 0, 64, 17, 0, 0, 10, 9, 0, 10,   10,   1,	  0, 2
	};
	static uint8_t out[4096];
	struct xdp_md ctx = { .data_end = sizeof(frame), .ingress_ifindex = bench.upstream };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame),
		    .data_out = out, .data_size_out = sizeof(out), .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = 20000);

	if (bpf_prog_test_run_opts(fd, &opts) || opts.retval != XDP_PASS)
		die("BPF_PROG_RUN: %s", strerror(errno));
	return opts.duration;
}

static unsigned int least(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

static void measure_all_direct(const unsigned int *fan_outs, size_t n_fan_outs)
{
	unsigned int mcastd = UINT32_MAX, nothing = UINT32_MAX;

	fill_header();
	pin_to_cpu(0, 1);
	for (size_t f = 0; f < n_fan_outs; f++) {
		unsigned int best[VARIANTS];

		memset(best, 0xff, sizeof(best));
		for (unsigned int round = 0; round < bench.rounds && !stop; round++)
			for (int v = 0; v < VARIANTS; v++)
				if (v != MROUTE)
					best[v] =
						least(best[v], best_direct(prepare((enum variant)v,
										   fan_outs[f]),
									   measure_direct));
		for (int v = 0; v < VARIANTS; v++)
			if (v != MROUTE)
				printf("%s %u %u %u\n", variant_names[v], bench.frame, fan_outs[f],
				       best[v]);
		fflush(stdout);
	}
	for (unsigned int round = 0; round < bench.rounds; round++) {
		mcastd = least(mcastd, best_direct(bench.mcastd_fd, measure_unicast));
		nothing = least(nothing, best_direct(bpf_program__fd(bench.bpf->progs.nothing),
						     measure_unicast));
	}
	printf("unicast 64 0 %u\nunicast-empty 64 0 %u\n", mcastd, nothing);
}

static size_t parse_list(const char *text, unsigned int *list, size_t max)
{
	size_t n = 0;
	char *end;

	while (n < max && *text) {
		list[n++] = (unsigned int)strtoul(text, &end, 10);
		if (end == text)
			die("not a list of numbers: %s", text);
		text = *end == ',' ? end + 1 : end;
	}
	return n;
}

static void on_end(int signal)
{
	(void)signal;
	stop = 1;
}

int main(int argc, char **argv)
{
	unsigned int sizes[8] = { 64 }, fan_outs[16] = { 1, 2, 4, 8, 16 }, most = 0;
	size_t n_sizes = 1, n_fan_outs = 5;
	int option;

	while ((option = getopt(argc, argv, "s:f:r:i:n:g:ecdo:")) != -1) {
		if (option == 's')
			n_sizes = parse_list(optarg, sizes, 8);
		else if (option == 'f')
			n_fan_outs = parse_list(optarg, fan_outs, 16);
		else if (option == 'r')
			bench.rounds = (unsigned int)atoi(optarg);
		else if (option == 'i')
			bench.interval_ms = (unsigned int)atoi(optarg);
		else if (option == 'n')
			bench.n_routes = (unsigned int)atoi(optarg);
		else if (option == 'g')
			bench.groups = (unsigned int)atoi(optarg);
		else if (option == 'e')
			bench.with_set = true;
		else if (option == 'c')
			bench.cpu_time = true;
		else if (option == 'd')
			bench.direct = true;
		else if (option == 'o')
			bench.only = optarg;
		else
			die("usage: forward [-s SIZES] [-f FAN-OUTS] [-r ROUNDS] [-i INTERVAL-MS] "
			    "[-n ROUTES] [-g GROUPS] [-e] [-c] [-d] [-o VARIANT]");
	}
	for (size_t i = 0; i < n_fan_outs; i++)
		most = fan_outs[i] > most ? fan_outs[i] : most;
	if (most < 2 || most > PORTS_MAX)
		most = most < 2 ? 2 : PORTS_MAX;
	signal(SIGINT, on_end);
	signal(SIGTERM, on_end);
	sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = on_signal }, NULL);
	atexit(clean_up);
	bench.bpf = bench_bpf__open_and_load();
	if (!bench.bpf)
		die("cannot load the programs of the benchmark: run as root");
	make_namespaces();
	make_links(most);
	open_mcastd();
	open_mroute();
	bench.frame = sizes[0];
	if (bench.direct)
		measure_all_direct(fan_outs, n_fan_outs);
	else
		measure_all(sizes, n_sizes, fan_outs, n_fan_outs);
	return stop ? 1 : 0;
}
