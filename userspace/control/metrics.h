/* SPDX-License-Identifier: BSD-2-Clause */
/* What the daemon tells as JSON, as Prometheus text (exposition format 0.0.4). Pure. */
#ifndef CONTROL_METRICS_H
#define CONTROL_METRICS_H

#include <jansson.h>

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/*
 * status: one object per `show` request, under its name: version, interfaces, statistics, flows,
 * groups, upstream; "http" with what the server counts itself. What is not there or not of the
 * expected kind makes no sample. The number of series is bounded by the number of interfaces and
 * by how many flows the status holds: mcastd_flows_omitted tells how many it does not.
 *
 * Returns the text, to be freed, and its length; NULL when memory ran out.
 */
char *metrics_render(const json_t *status, size_t *len);

#endif
