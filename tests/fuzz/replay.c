// SPDX-License-Identifier: BSD-2-Clause
/*
 * A plain main for the fuzz targets: runs the target once on each file named, and on each file of
 * each directory named, in the order of their names. What a target finds wrong ends the process.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned int passed, failed;

static void fail(const char *path)
{
	fprintf(stderr, "%s: %s\n", path, strerror(errno));
	failed++;
}

static void replay_file(const char *path, size_t size)
{
	/* Of the exact size, so that the sanitizers see a read behind the end. */
	uint8_t *data = malloc(size ? size : 1);
	FILE *file = fopen(path, "rb");

	if (!data || !file || fread(data, 1, size, file) != size) {
		fail(path);
	} else {
		LLVMFuzzerTestOneInput(data, size);
		passed++;
	}
	if (file)
		fclose(file);
	free(data);
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void replay(const char *path)
{
	struct dirent **entries;
	struct stat st;
	int n;

	if (stat(path, &st)) {
		fail(path);
		return;
	}
	if (!S_ISDIR(st.st_mode)) {
		replay_file(path, (size_t)st.st_size);
		return;
	}
	n = scandir(path, &entries, is_visible, alphasort);
	if (n < 0) {
		fail(path);
		return;
	}
	for (int i = 0; i < n; i++) {
		char *name;

		if (asprintf(&name, "%s/%s", path, entries[i]->d_name) < 0)
			abort();
		replay(name);
		free(name);
		free(entries[i]);
	}
	free(entries);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	printf("%u passed, %u failed\n", passed, failed);
	return failed || !passed;
}
