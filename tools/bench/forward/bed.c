/* SPDX-License-Identifier: BSD-2-Clause */
/* The network of the benchmark: namespaces, veth pairs, the thread that polls the upstream port. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "forward.h"

struct bed bed;

static struct {
	char name[32];
	int fd;
} spaces[NAMESPACES];

static pid_t poller;
static int poller_clock;

void die(const char *format, ...)
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

void bed_enter(enum namespace ns)
{
	if (setns(spaces[ns].fd, CLONE_NEWNET))
		die("setns: %s", strerror(errno));
}

void pin_to_cpu(pid_t pid, int cpu)
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

static void make_namespaces(void)
{
	static const char *const names[] = { "source", "router", "sinks" };
	char path[128];

	for (int i = 0; i < NAMESPACES; i++) {
		snprintf(spaces[i].name, sizeof(spaces[i].name), "mcastd-bench-%d-%s", getpid(),
			 names[i]);
		run("ip netns add %s", spaces[i].name);
		snprintf(path, sizeof(path), "/run/netns/%s", spaces[i].name);
		spaces[i].fd = open(path, O_RDONLY | O_CLOEXEC);
		run("ip -n %s link set lo up", spaces[i].name);
	}
}

static void make_upstream(void)
{
	const char *source = spaces[NS_SOURCE].name, *router = spaces[NS_ROUTER].name;

	run("ip -n %s link add u type veth peer name s netns %s", router, source);
	run("ip -n %s link set u up", router);
	run("ip -n %s addr add 10.9.0.1/24 dev u", router);
	run("ip -n %s link set s up", source);
	bed_enter(NS_SOURCE);
	bed.source = if_nametoindex("s");
	/* NAPI on both ends, whatever program runs. */
	run("ethtool -K s gro on");
	bed_enter(NS_ROUTER);
	bed.upstream = if_nametoindex("u");
	run("ethtool -K u gro on");
	run("sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.u.rp_filter=0");
	run("ip netns exec %s sh -c 'echo 1 >/sys/class/net/u/threaded'", router);
}

static void make_port(unsigned int i)
{
	const char *router = spaces[NS_ROUTER].name, *sinks = spaces[NS_SINKS].name;
	char name[IF_NAMESIZE];

	run("ip -n %s link add d%u type veth peer name h%u netns %s", router, i, i, sinks);
	run("ip -n %s link set d%u up", router, i);
	run("ip -n %s addr add 10.1.%u.1/24 dev d%u", router, i, i);
	run("ip -n %s link set h%u up", sinks, i);
	snprintf(name, sizeof(name), "d%u", i);
	bed_enter(NS_ROUTER);
	bed.ports[i] = if_nametoindex(name);
	snprintf(name, sizeof(name), "h%u", i);
	bed_enter(NS_SINKS);
	bed.sinks[i] = if_nametoindex(name);
	if (bpf_xdp_attach((int)bed.sinks[i], bpf_program__fd(bed.bpf->progs.sink), 0, NULL))
		die("%s: cannot attach the sink", name);
}

void bed_open(unsigned int n_ports)
{
	if (!n_ports || n_ports > PORTS_MAX)
		die("between 1 and %d ports", PORTS_MAX);
	bed.bpf = bench_bpf__open_and_load();
	if (!bed.bpf)
		die("cannot load the programs of the benchmark: run as root");
	make_namespaces();
	make_upstream();
	for (unsigned int i = 0; i < n_ports; i++)
		make_port(i);
	bed.n_ports = n_ports;
	bed_enter(NS_ROUTER);
}

void bed_close(void)
{
	char command[160];

	for (int i = 0; i < NAMESPACES; i++) {
		snprintf(command, sizeof(command), "ip netns del %s 2>/dev/null", spaces[i].name);
		if (spaces[i].name[0] && system(command))
			spaces[i].name[0] = 0;
	}
}

/* Is this the thread that polls the upstream port? There is one in the namespace of a benchmark. */
static bool is_poller(pid_t pid)
{
	char path[64], comm[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (!fgets(comm, sizeof(comm), file))
		comm[0] = 0;
	fclose(file);
	return strncmp(comm, "napi/u-", 7) == 0;
}

void bed_pin_poller(void)
{
	struct perf_event_attr clock = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(clock),
		.config = PERF_COUNT_SW_TASK_CLOCK,
	};
	struct dirent *entry;
	DIR *proc;

	if (poller && is_poller(poller))
		return;
	poller = 0;
	proc = opendir("/proc");
	while (proc && (entry = readdir(proc))) {
		pid_t pid = atoi(entry->d_name);

		/* The last one there is: another benchmark may be running. */
		if (pid > poller && is_poller(pid))
			poller = pid;
	}
	if (proc)
		closedir(proc);
	if (!poller)
		die("no thread polls the upstream port: threaded NAPI is missing");
	pin_to_cpu(poller, 1);
	if (poller_clock > 0)
		close(poller_clock);
	poller_clock =
		(int)syscall(SYS_perf_event_open, &clock, poller, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (poller_clock < 0)
		die("perf_event_open: %s", strerror(errno));
}

double bed_poller_s(void)
{
	uint64_t ns;

	/* Unlike /proc/PID/schedstat it is exact while the thread runs. */
	if (read(poller_clock, &ns, sizeof(ns)) != sizeof(ns))
		die("the poller's CPU time: %s", strerror(errno));
	return (double)ns / 1e9;
}
