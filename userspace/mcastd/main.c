// SPDX-License-Identifier: BSD-2-Clause
/* mcastd(8): options and exit status; everything else is in daemon.c. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "control/http.h"
#include "mcastd/daemon.h"

static const char usage[] =
	"usage: mcastd [-hstV] [-b DIR] [-f FILE] [-l LEVEL] [-S MODE] [-u PATH]\n"
	"  -b, --bpffs DIR        where maps and programs are pinned (" MCASTD_PIN_DIR ")\n"
	"  -f, --config FILE      configuration (/etc/mcastd.conf)\n"
	"  -h, --help             this text\n"
	"  -l, --log-level LEVEL  none, error, warning, notice (default), info or debug\n"
	"  -s, --syslog           log to syslog\n"
	"  -S, --seccomp MODE     system calls that it should not need: deny (default), kill or off\n"
	"  -t, --test             check the configuration and exit\n"
	"  -u, --socket PATH      control socket (/run/mcastd.sock)\n"
	"  -V, --version          version and exit\n";

static const struct option long_options[] = {
	{ "bpffs", required_argument, NULL, 'b' }, { "config", required_argument, NULL, 'f' },
	{ "help", no_argument, NULL, 'h' },	   { "log-level", required_argument, NULL, 'l' },
	{ "syslog", no_argument, NULL, 's' },	   { "seccomp", required_argument, NULL, 'S' },
	{ "test", no_argument, NULL, 't' },	   { "socket", required_argument, NULL, 'u' },
	{ "version", no_argument, NULL, 'V' },	   { NULL, 0, NULL, 0 },
};

static int usage_error(void)
{
	fputs(usage, stderr);
	return EX_USAGE;
}

static void print_error(void *arg, const char *message)
{
	(void)arg;
	fprintf(stderr, "%s\n", message);
}

static int test_config(const char *path)
{
	struct config *config = config_read(path, print_error, NULL);

	if (!config)
		return EX_CONFIG;
	config_each_warning(config, print_error, NULL);
	config_free(config);
	return EX_OK;
}

int main(int argc, char **argv)
{
	struct daemon_options options = {
		.config_path = "/etc/mcastd.conf",
		.socket_path = "/run/mcastd.sock",
		.bpffs_dir = MCASTD_PIN_DIR,
		.log_level = LOG_LEVEL_NOTICE,
		.http_program = "/proc/self/exe",
	};
	bool test = false;
	int opt;

	if (strcmp(argv[0], HTTP_PROCESS_NAME) == 0)
		return http_starter_main(argv[1]);
	while ((opt = getopt_long(argc, argv, "b:f:hl:sS:tu:V", long_options, NULL)) != -1) {
		switch (opt) {
		case 'b':
			options.bpffs_dir = optarg;
			break;
		case 'f':
			options.config_path = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return EX_OK;
		case 'l':
			if (log_level_parse(optarg, &options.log_level)) {
				fprintf(stderr, "mcastd: no such log level: %s\n", optarg);
				return usage_error();
			}
			break;
		case 's':
			options.to_syslog = true;
			break;
		case 'S':
			if (privilege_filter_parse(optarg, &options.filter)) {
				fprintf(stderr, "mcastd: --seccomp is deny, kill or off, not %s\n",
					optarg);
				return usage_error();
			}
			break;
		case 't':
			test = true;
			break;
		case 'u':
			options.socket_path = optarg;
			break;
		case 'V':
			printf("mcastd %s (ABI %d)\n", MCASTD_VERSION, MCASTD_ABI_VERSION);
			return EX_OK;
		default:
			return usage_error();
		}
	}
	if (optind != argc) {
		fprintf(stderr, "mcastd: unexpected argument: %s\n", argv[optind]);
		return usage_error();
	}
	return test ? test_config(options.config_path) : daemon_run(&options);
}
