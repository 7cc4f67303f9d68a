/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that runs out: the whole daemon is started once for each of its own allocations, which
 * fails. It either ends with a status of sysexits.h and leaves nothing behind, or it comes to
 * forward what is joined, stops what is left, and ends well; with SANITIZE=1 without a leak.
 *
 * Only calls from our own code fail (the linker's --wrap): what the libraries do then is theirs.
 * MCASTD_MEMORY_STEP=1 has every single one fail, else one in STEP does, others each time;
 * MCASTD_MEMORY_FIRST says which is the first.
 */
#include <stddef.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "../support/datagram.h"
#include "mcastd/daemon.h"

#define GROUP "239.1.1.1"
#define PORTS 3
#define STEP 20
#define PATIENCE_MS 15000 /* failed ports and routes are tried again every two seconds */

/* Of the daemon under test, in another process. */
static struct counted {
	unsigned int allocations;
	unsigned int fails_at;
	bool failed;
} * counted;
static bool armed;

static struct veth veth;
static char config_path[64], socket_path[64], notify_path[64], log_path[64];
static int notify_fd;

/* --- allocations that fail ---------------------------------------------------------------------
 */

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t n, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t n, size_t size);
char *__wrap_strdup(const char *text);

static bool no_memory(void)
{
	void *frames[9];

	if (!armed || ++counted->allocations != counted->fails_at)
		return false;
	counted->failed = true;
	/* For the log: addr2line -fe out/tests/bpf/memory tells what these are. */
	backtrace_symbols_fd(frames, backtrace(frames, 9), STDERR_FILENO);
	errno = ENOMEM;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return no_memory() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return no_memory() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return no_memory() ? NULL : __real_realloc(old, size);
}

void *__wrap_reallocarray(void *old, size_t n, size_t size)
{
	return no_memory() ? NULL : __real_reallocarray(old, n, size);
}

char *__wrap_strdup(const char *text)
{
	return no_memory() ? NULL : __real_strdup(text);
}

/* --- the daemon --------------------------------------------------------------------------------
 */

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void run_daemon(void)
{
	const struct daemon_options options = { .config_path = config_path,
						.socket_path = socket_path,
						.bpffs_dir = veth_bpffs(),
						.log_level = LOG_LEVEL_DEBUG,
						.filter = PRIVILEGE_FILTER_OFF };
	static const int crashes[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS };
	int status, fd = open(log_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	/* A crash ends it, instead of being caught by cmocka. */
	for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
		signal(crashes[i], SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(fd, STDERR_FILENO);
	setenv("NOTIFY_SOCKET", notify_path, 1);
	armed = true;
	status = daemon_run(&options);
	armed = false;
	exit(status);
}

static void fail_with_log(const char *what)
{
	static char text[16384];
	int fd = open(log_path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	close(fd);
	fail_msg("allocation %u: %s; its log:\n%s", counted->fails_at, what, text);
}

/* The exit status, or -1 while it runs. */
static int ended(pid_t daemon, int flags)
{
	int status;

	if (waitpid(daemon, &status, flags) != daemon)
		return -1;
	if (!WIFEXITED(status))
		fail_with_log("ended by a signal");
	return WEXITSTATUS(status);
}

/* True when it is ready; false: it has ended, with this status. */
static bool wait_ready(pid_t daemon, int *status)
{
	uint64_t end = now_ms() + PATIENCE_MS;
	char text[512];
	ssize_t n;

	while (now_ms() < end) {
		struct pollfd ready = { .fd = notify_fd, .events = POLLIN };

		poll(&ready, 1, 10);
		n = recv(notify_fd, text, sizeof(text) - 1, MSG_DONTWAIT);
		text[n > 0 ? n : 0] = '\0';
		if (strstr(text, "READY=1"))
			return true;
		*status = ended(daemon, WNOHANG);
		if (*status >= 0)
			return false;
	}
	fail_with_log("neither ready nor ended");
	return false;
}

static void check_nothing_left(void)
{
	uint32_t id;

	for (unsigned int i = 1; i <= PORTS; i++) {
		id = 0;
		if (bpf_xdp_query_id((int)veth.ifindex[i], 0, &id) || id)
			fail_with_log("left a program behind");
	}
	if (access(veth_bpffs(), F_OK) == 0)
		fail_with_log("left its maps behind");
	if (access(socket_path, F_OK) == 0)
		fail_with_log("left its socket behind");
}

/* --- its hosts ---------------------------------------------------------------------------------
 */

static void send_report(unsigned int port, enum record_type type)
{
	static const uint8_t mac[] = { 2, 0, 0, 0, 0, 9 };
	struct message_record record = { .type = (uint8_t)type };
	struct message message = { .type = MESSAGE_REPORT,
				   .source = addr_from_v4(
					   (const uint8_t[]){ 10, 0, (uint8_t)port, 9 }),
				   .destination = addr_from_v4_host(0xe0000016),
				   .report = { &record, 1 } };
	uint8_t frame[256];
	ssize_t len;

	addr_parse(GROUP, &record.group);
	len = wire_build(&message, mac, 0, frame, sizeof(frame));
	assert_true(len > 0);
	veth_send(&veth, port, frame, (size_t)len);
}

/* One datagram from the upstream: a bit for each port that it comes out of. */
static unsigned int send_data(uint8_t number)
{
	struct veth_frame sent, frame;
	unsigned int ports = 0;

	datagram_init(&sent, "192.0.2.1", GROUP, 8, 32, number);
	veth_send(&veth, 1, sent.bytes, sent.len);
	for (unsigned int i = 2; i <= PORTS; i++)
		while (veth_receive(&veth, i, &frame, i == 2 ? 5 : 1))
			if (frame.len == sent.len &&
			    memcmp(frame.bytes + DATAGRAM_IP + 12, sent.bytes + DATAGRAM_IP + 12,
				   sent.len - DATAGRAM_IP - 12) == 0)
				ports |= 1u << i;
	return ports;
}

/* A host says it, as often as it must, until data comes out of these ports and no others. */
static void wait_ports(unsigned int host, enum record_type type, unsigned int wanted)
{
	uint64_t end = now_ms() + PATIENCE_MS;
	uint8_t number = 0;

	while (now_ms() < end) {
		send_report(host, type);
		usleep(2000);
		if (send_data(++number) == wanted && send_data(++number) == wanted)
			return;
	}
	fail_with_log("does not forward as it should");
}

/* A client that asks again when it got no answer. */
static void ask(const char *what)
{
	char command[128];

	snprintf(command, sizeof(command), "out/mcastctl -u %s show %s >/dev/null 2>&1",
		 socket_path, what);
	for (unsigned int i = 0; i < 3; i++)
		if (system(command) == 0)
			return;
	fail_with_log("does not answer");
}

/* --- tests -------------------------------------------------------------------------------------
 */

static void check_early_end(int status)
{
	char text[64];

	if (counted->failed &&
	    (status == EX_OSERR || status == EX_CONFIG || status == EX_UNAVAILABLE))
		return;
	snprintf(text, sizeof(text), "ended early with status %d", status);
	fail_with_log(text);
}

/* Returns how many allocations there were. */
static unsigned int run_once(unsigned int fails_at)
{
	int status = -1;
	pid_t daemon;

	*counted = (struct counted){ .fails_at = fails_at };
	fflush(NULL);
	daemon = fork();
	assert_true(daemon >= 0);
	if (daemon == 0)
		run_daemon();
	if (wait_ready(daemon, &status)) {
		wait_ports(2, RECORD_TO_EX, 1 << 2);
		wait_ports(3, RECORD_TO_EX, 1 << 2 | 1 << 3);
		ask("groups");
		ask("flows");
		wait_ports(2, RECORD_TO_IN, 1 << 3);
		wait_ports(3, RECORD_TO_IN, 0);
		kill(daemon, SIGTERM);
		if (ended(daemon, 0) != EX_OK)
			fail_with_log("did not end well");
	} else {
		check_early_end(status);
	}
	check_nothing_left();
	while (recv(notify_fd, &status, sizeof(status), MSG_DONTWAIT) > 0)
		;
	return counted->allocations;
}

static unsigned int number_of(const char *variable, unsigned int otherwise)
{
	const char *text = getenv(variable);

	return text ? (unsigned int)strtoul(text, NULL, 10) : otherwise;
}

static void every_allocation(void **state)
{
	unsigned int step = number_of("MCASTD_MEMORY_STEP", STEP);
	unsigned int first = number_of("MCASTD_MEMORY_FIRST", 1 + (unsigned int)time(NULL) % step);
	unsigned int n = run_once(0);

	(void)state;
	assert_true(n > 100);
	for (unsigned int i = first; i <= n; i += step)
		run_once(i);
	print_message("%u allocations\n", n);
}

static void name(char *path, const char *suffix)
{
	snprintf(path, sizeof(config_path), "/tmp/mcastd-memory-%d.%s", getpid(), suffix);
}

static int set_up(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char command[128];
	FILE *file;

	(void)state;
	name(config_path, "conf");
	name(socket_path, "sock");
	name(notify_path, "notify");
	name(log_path, "log");
	veth_init(&veth, PORTS, 1);
	file = fopen(config_path, "we");
	fprintf(file, "max-routes = 64\nmax-port-sets = 16\nimmediate-leave = true\n");
	for (unsigned int i = 1; i <= PORTS; i++) {
		snprintf(command, sizeof(command), "ip address add 10.0.%u.1/24 dev r%u", i, i);
		if (system(command))
			return -1;
		fprintf(file, "interface r%u { role = %s }\n", i,
			i == 1 ? "upstream" : "downstream");
	}
	fclose(file);
	counted = mmap(NULL, sizeof(*counted), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", notify_path);
	return counted == MAP_FAILED ||
	       bind(notify_fd, (const struct sockaddr *)&address, sizeof(address));
}

static int tear_down(void **state)
{
	(void)state;
	close(notify_fd);
	munmap(counted, sizeof(*counted));
	unlink(config_path);
	unlink(notify_path);
	unlink(log_path);
	veth_fini(&veth);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_allocation, set_up, tear_down),
	};

	/* The daemon starts this program anew to be the one that starts what serves HTTP. */
	if (argc == 2 && strcmp(argv[0], HTTP_PROCESS_NAME) == 0)
		return http_starter_main(argv[1]);
	if (argc != 1)
		return EX_USAGE;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
