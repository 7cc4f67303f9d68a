/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any text as a configuration file: it is read or refused, at least one message tells why, every
 * port of what is read passes the engine's own check, and a good file can be read afterwards.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "control/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SIZE_MAX_TRIED 65536

static unsigned int n_errors;

static void note_error(void *arg, const char *message)
{
	const char *expected = arg;

	if (strncmp(message, expected, strlen(expected)) != 0)
		abort();
	n_errors++;
}

static struct config *read_text(const uint8_t *data, size_t size)
{
	struct config *config;
	char path[64];
	int fd = memfd_create("config", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n_errors = 0;
	config = config_read(path, note_error, path);
	close(fd);
	if ((config == NULL) != (n_errors > 0))
		abort();
	return config;
}

static void check_config(const struct config *config)
{
	for (size_t i = 0; i < config->n_interfaces; i++) {
		const struct config_interface *interface = &config->interfaces[i];

		if (port_config_check(&interface->port) || !interface->name || !interface->file ||
		    interface->line == 0 || interface->ttl_threshold == 0 || interface->vlan > 4094)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t good[] = "# a comment\ninterface eth1 { role = upstream }\n";
	uint8_t *text = malloc(size + 1), *at = text;
	struct config *config;

	if (!text || size > SIZE_MAX_TRIED) {
		free(text);
		return 0;
	}
	memcpy(text, data, size);
	/* Not the files of this machine. */
	while ((at = memmem(at, size - (size_t)(at - text), "include", 7)))
		*at = 'x';
	config = read_text(text, size);
	free(text);
	if (config)
		check_config(config);
	config_free(config);

	config = read_text(good, sizeof(good) - 1);
	if (!config || config->n_interfaces != 1 || config->interfaces[0].line != 2)
		abort();
	config_free(config);
	return 0;
}
