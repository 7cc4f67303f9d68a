/* SPDX-License-Identifier: BSD-2-Clause */
#include "mcastctl.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

static void usage(void)
{
	printf("usage: mcastctl [-j] [-u SOCKET] COMMAND...\n\n"
	       "  -j, --json           print one JSON object instead of a table\n"
	       "  -u, --socket PATH    the socket of mcastd, default " MCASTCTL_SOCKET "\n"
	       "  -V, --version        print the version of mcastctl\n"
	       "  -h, --help           print this\n\n"
	       "Commands, which may be abbreviated:\n");
	words_usage();
}

static int run(const char *path, bool json, int argc, const char **argv)
{
	json_t *answer;
	int status = words_expand(argc, argv);

	if (status)
		return status;
	if (strcmp(argv[0], "monitor") == 0)
		return monitor_run(path, json);
	if (strcmp(argv[0], "top") == 0)
		return top_run(path);
	if (strcmp(argv[0], "convert") == 0)
		return convert_run(argv[2]);
	status = client_request(path, argc, argv, &answer);
	if (status)
		return status;
	if (json) {
		json_dumpf(answer, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		status = show_answer(argc, argv, answer);
	}
	json_decref(answer);
	if (fflush(stdout) == EOF)
		return EX_IOERR;
	return status;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "socket", required_argument, NULL, 'u' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *path = MCASTCTL_SOCKET;
	bool json = false;
	int c;

	while ((c = getopt_long(argc, argv, "ju:Vh", options, NULL)) >= 0) {
		switch (c) {
		case 'j':
			json = true;
			break;
		case 'u':
			path = optarg;
			break;
		case 'V':
			printf("mcastctl %s\n", MCASTD_VERSION);
			return EX_OK;
		case 'h':
			usage();
			return EX_OK;
		default:
			fprintf(stderr, "mcastctl --help lists options and commands\n");
			return EX_USAGE;
		}
	}
	return run(path, json, argc - optind, (const char **)argv + optind);
}
