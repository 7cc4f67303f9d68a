/* SPDX-License-Identifier: BSD-2-Clause */
#include "config_text.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char directory[64];
static char errors[16384];

const char *config_text_directory(void)
{
	if (!directory[0]) {
		strcpy(directory, "/tmp/mcastd-config-XXXXXX");
		if (!mkdtemp(directory))
			abort();
	}
	return directory;
}

void config_text_remove(void)
{
	DIR *dir = opendir(config_text_directory());
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(directory);
	directory[0] = '\0';
}

const char *config_text_write(const char *name, const char *text, size_t len)
{
	static char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", config_text_directory(), name);
	file = fopen(path, "we");
	if (!file || fwrite(text, 1, len, file) != len || fclose(file) != 0)
		abort();
	return path;
}

static void note_error(void *arg, const char *message)
{
	size_t len = strlen(errors), prefix = strlen(directory) + 1;

	(void)arg;
	if (strncmp(message, directory, prefix - 1) == 0)
		message += prefix;
	snprintf(errors + len, sizeof(errors) - len, "%s\n", message);
}

struct config *config_text_read(const char *text)
{
	const char *path = config_text_write("conf", text, strlen(text));

	errors[0] = '\0';
	return config_read(path, note_error, NULL);
}

const char *config_text_errors(void)
{
	return errors;
}
