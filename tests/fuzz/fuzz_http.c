// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the HTTP side makes of text: http-listen is read or refused, and whatever JSON the daemon
 * may tell becomes lines of metrics, each complete. (What comes over HTTP: fuzz_request.)
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/http.h"
#include "control/metrics.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void check_address(const uint8_t *data, size_t size)
{
	struct http_address address;
	char *text = malloc(size + 1);

	if (!text)
		return;
	memcpy(text, data, size);
	text[size] = '\0';
	if (http_address_parse(text, &address) == 0) {
		check(address.len > 0 && address.len <= sizeof(address.socket));
		http_address_is_loopback(&address);
	}
	free(text);
}

/* "# ..." or "name... value": no line is empty, and label values do not break any. */
static void check_lines(const char *text, size_t len)
{
	const char *line = text;

	while (line < text + len) {
		const char *end = memchr(line, '\n', (size_t)(text + len - line));

		check(end && end > line);
		check(*line == '#' || strncmp(line, "mcastd_", 7) == 0);
		line = end + 1;
	}
}

static void check_metrics(const uint8_t *data, size_t size)
{
	json_t *status = json_loadb((const char *)data, size, 0, NULL);
	size_t len = 0;
	char *text;

	if (!status)
		return;
	text = metrics_render(status, &len);
	check(text && len > 0);
	check_lines(text, len);
	free(text);
	json_decref(status);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 128)
		check_address(data, size);
	check_metrics(data, size);
	return 0;
}
