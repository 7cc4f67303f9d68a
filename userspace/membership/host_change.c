// SPDX-License-Identifier: BSD-2-Clause
/*
 * What has to be reported when the state of a group changes, RFC 9776 section 5.1: the filter mode,
 * or else the sources that came and went, each as many times as the Robustness Variable says.
 */
#include "host.h"

#include <errno.h>
#include <stdlib.h>

#include "host_state.h"

/* Goes through two sorted lists for the sources that only one of them has. */
struct difference {
	const struct addr *a, *b;
	uint32_t n_a, n_b; /* left */
};

static const struct addr *take_a(struct difference *d)
{
	d->n_a--;
	return d->a++;
}

static const struct addr *take_b(struct difference *d)
{
	d->n_b--;
	return d->b++;
}

static const struct addr *difference_next(struct difference *d)
{
	while (d->n_a && d->n_b) {
		int order = addr_cmp(d->a, d->b);

		if (order)
			return order < 0 ? take_a(d) : take_b(d);
		take_a(d);
		take_b(d);
	}
	if (d->n_a)
		return take_a(d);
	return d->n_b ? take_b(d) : NULL;
}

static uint32_t difference_count(struct difference d)
{
	uint32_t n = 0;

	while (difference_next(&d))
		n++;
	return n;
}

/* Merges new changes into those that are pending; n is how many there are in d. */
static struct source_change *changes_merge(const struct host_group *g, struct difference d,
					   uint32_t n, uint8_t left, uint32_t *n_merged)
{
	struct source_change *merged = malloc((g->n_changes + (size_t)n) * sizeof(*merged));
	const struct addr *source;
	uint32_t old = 0, to = 0;

	if (!merged)
		return NULL;
	while ((source = difference_next(&d))) {
		while (old < g->n_changes && addr_cmp(&g->changes[old].source, source) < 0)
			merged[to++] = g->changes[old++];
		if (old < g->n_changes && addr_equal(&g->changes[old].source, source))
			old++;
		merged[to++] = (struct source_change){ *source, left };
	}
	while (old < g->n_changes)
		merged[to++] = g->changes[old++];
	*n_merged = to;
	return merged;
}

static void take_changes(struct host_group *g, struct source_change *changes, uint32_t n)
{
	free(g->changes);
	g->changes = changes;
	g->n_changes = n;
}

int host_note_change(struct host *host, struct host_group *g, enum filter_mode mode,
		     const struct addr *sources, uint32_t n_sources)
{
	struct difference d = { g->sources, sources, g->n_sources, n_sources };
	bool joins = mode == FILTER_EXCLUDE || n_sources;
	struct source_change *merged;
	uint32_t n;

	if (host_version(host) < 3) {
		/* Only creation and deletion count (P-7.2.1-V2CHG), and one leave is enough. */
		if (joins != group_is_joined(g)) {
			g->mode_changes_left = joins ? host->port->robustness : 1;
			host_queue_change(host, g);
		}
		return 0;
	}
	if (mode != g->mode) {
		take_changes(g, NULL, 0);
		g->mode_changes_left = host->port->robustness;
	} else {
		n = difference_count(d);
		merged = changes_merge(g, d, n, host->port->robustness, &n);
		if (!merged)
			return -ENOMEM;
		take_changes(g, merged, n);
	}
	host_queue_change(host, g);
	return 0;
}

void host_announce(struct host *host, struct host_group *g)
{
	struct difference d = { .b = g->sources, .n_b = g->n_sources };
	struct source_change *changes;
	uint32_t n;

	if (g->mode == FILTER_EXCLUDE || host_version(host) < 3) {
		g->mode_changes_left = host->port->robustness;
	} else {
		changes = changes_merge(g, d, g->n_sources, host->port->robustness, &n);
		if (!changes)
			return; /* the next General Query will tell */
		take_changes(g, changes, n);
	}
	host_queue_change(host, g);
}
