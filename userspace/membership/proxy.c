// SPDX-License-Identifier: BSD-2-Clause
#include "proxy.h"

#include <errno.h>
#include <stdlib.h>

#include "event.h"
#include "host.h"
#include "state.h"

/* A list of addresses that grows. */
struct list {
	struct addr *addrs;
	uint32_t n, capacity;
	bool unsorted; /* or with repetitions */
};

static void list_clear(struct list *list)
{
	list->n = 0;
	list->unsorted = false;
}

static int list_add(struct list *list, const struct addr *addr)
{
	if (list->n == list->capacity) {
		uint32_t capacity = list->capacity ? 2 * list->capacity : 64;
		struct addr *addrs = realloc(list->addrs, capacity * sizeof(*addrs));

		if (!addrs)
			return -ENOMEM;
		list->addrs = addrs;
		list->capacity = capacity;
	}
	if (list->n && addr_cmp(&list->addrs[list->n - 1], addr) >= 0)
		list->unsorted = true;
	list->addrs[list->n++] = *addr;
	return 0;
}

static void list_sort(struct list *list)
{
	if (list->unsorted)
		list->n = addr_list_normalize(list->addrs, list->n);
	list->unsorted = false;
}

/* --- The merge, RFC 9776 section 3.2 ---------------------------------------------------------- */

/* What is known of one group while its memberships are being looked at. */
struct merge {
	enum filter_mode mode;
	bool excluded;	      /* a membership in EXCLUDE mode has been seen */
	struct list included; /* the sources of memberships in INCLUDE mode */
	struct list blocked;  /* in order: what all memberships in EXCLUDE mode block */
	struct list scratch;
	uint32_t effort; /* source records looked at */
	int err;
};

static void merge_fini(struct merge *merge)
{
	free(merge->included.addrs);
	free(merge->blocked.addrs);
	free(merge->scratch.addrs);
}

/* Keeps the addresses of a that b has (or has not); both in order. */
static void list_keep(struct list *a, const struct list *b, bool in_b)
{
	uint32_t kept = 0, j = 0;

	for (uint32_t i = 0; i < a->n; i++) {
		while (j < b->n && addr_cmp(&b->addrs[j], &a->addrs[i]) < 0)
			j++;
		if ((j < b->n && addr_equal(&b->addrs[j], &a->addrs[i])) == in_b)
			a->addrs[kept++] = a->addrs[i];
	}
	a->n = kept;
}

static bool collect_forwarded(const struct engine_source_view *view, void *arg)
{
	struct merge *merge = arg;

	merge->effort++;
	if (view->forwarding)
		merge->err = list_add(&merge->included, &view->source);
	return !merge->err;
}

/* Sources whose timers run are wanted: only the others count as blocked (RFC 4605 section 4.1). */
static bool collect_blocked(const struct engine_source_view *view, void *arg)
{
	struct merge *merge = arg;

	merge->effort++;
	if (!view->forwarding)
		merge->err = list_add(&merge->scratch, &view->source);
	return !merge->err;
}

static bool merge_membership(const struct engine_membership_view *view, void *arg)
{
	struct merge *merge = arg;

	if (view->mode == FILTER_INCLUDE) {
		engine_each_source(view, collect_forwarded, merge);
		return !merge->err;
	}
	if (merge->excluded && !merge->blocked.n)
		return true; /* all sources are wanted already */
	list_clear(&merge->scratch);
	engine_each_source(view, collect_blocked, merge);
	if (merge->excluded) {
		list_keep(&merge->blocked, &merge->scratch, true);
	} else {
		struct list blocked = merge->scratch;

		merge->scratch = merge->blocked;
		merge->blocked = blocked;
		merge->excluded = true;
	}
	return !merge->err;
}

static void merge_static(struct merge *merge, const struct static_entry *entry)
{
	if (!entry->n_sources) {
		merge->excluded = true;
		list_clear(&merge->blocked);
	}
	for (uint32_t i = 0; i < entry->n_sources && !merge->err; i++)
		merge->err = list_add(&merge->included, &entry->sources[i]);
}

/* Merges all there is of the group; the result is in *list. */
static int merge_group(struct merge *merge, const struct engine *engine, const struct port *port,
		       const struct addr *group, const struct list **list)
{
	const struct static_entry *entry = settings_find_static(&port->settings, group);

	merge->excluded = false;
	merge->err = 0;
	merge->effort = 0;
	list_clear(&merge->included);
	list_clear(&merge->blocked);
	engine_each_of_group(engine, group, merge_membership, merge);
	if (entry)
		merge_static(merge, entry);
	list_sort(&merge->included);
	if (merge->excluded)
		list_keep(&merge->blocked, &merge->included, false);
	merge->mode = merge->excluded ? FILTER_EXCLUDE : FILTER_INCLUDE;
	*list = merge->excluded ? &merge->blocked : &merge->included;
	return merge->err;
}

/* --- Upstream --------------------------------------------------------------------------------- */

static void tell_no_memory(struct port *port, const struct addr *group, uint64_t now,
			   struct actions *out)
{
	struct event event = { .type = EVENT_NO_MEMORY, .group = *group };

	event_emit(port, &event, now, out);
	host_plan_retry(port->host, now);
}

static void update_group(struct merge *merge, const struct engine *engine, struct port *port,
			 const struct addr *group, uint64_t now, struct actions *out)
{
	const struct list *list;
	int err = merge_group(merge, engine, port, group, &list);

	if (!err)
		err = host_set(port->host, group, merge->mode, list->addrs, list->n);
	host_note_merge(port->host, group, merge->effort, now);
	if (err)
		tell_no_memory(port, group, now, out);
}

void proxy_update(struct engine *engine, size_t first_action, uint64_t now, struct actions *out)
{
	size_t end = out->n;
	struct merge merge = { 0 };

	for (unsigned int i = 1, left = engine->n_upstream; left && end > first_action; i++) {
		struct port *port = engine->ports[i];
		struct addr last = { 0 };

		if (!port || !port->host)
			continue;
		left--;
		for (size_t a = first_action; a < end; a++) {
			const struct addr group = out->list[a].group;

			/* One report may have changed a group many times in a row. */
			if (out->list[a].type != ACTION_CHANGED || addr_equal(&group, &last))
				continue;
			last = group;
			if (!host_defer(port->host, &group, now))
				update_group(&merge, engine, port, &group, now, out);
		}
		host_flush(port->host, now, out);
	}
	merge_fini(&merge);
}

void proxy_update_deferred(struct engine *engine, unsigned int number, uint64_t now,
			   struct actions *out)
{
	struct port *port = engine->ports[number];
	struct merge merge = { 0 };
	struct addr group;

	if (host_take_retry(port->host, now))
		proxy_update_port(engine, number, now, out);
	while (host_take_deferred(port->host, &group))
		update_group(&merge, engine, port, &group, now, out);
	host_flush(port->host, now, out);
	merge_fini(&merge);
}

struct groups {
	struct list list;
	int err;
};

static bool collect_joined(const struct engine_upstream_view *view, void *arg)
{
	struct groups *groups = arg;

	groups->err = list_add(&groups->list, &view->group);
	return !groups->err;
}

static bool collect_wanted(const struct engine_membership_view *view, void *arg)
{
	struct groups *groups = arg;

	groups->err = list_add(&groups->list, &view->group);
	return !groups->err;
}

void proxy_update_port(struct engine *engine, unsigned int number, uint64_t now,
		       struct actions *out)
{
	struct port *port = engine->ports[number];
	struct groups groups = { 0 };
	struct merge merge = { 0 };

	host_each(port->host, collect_joined, &groups);
	if (!groups.err)
		engine_each_membership(engine, 0, collect_wanted, &groups);
	for (uint32_t i = 0; i < port->settings.n_statics && !groups.err; i++)
		groups.err = list_add(&groups.list, &port->settings.statics[i].group);
	if (groups.err)
		tell_no_memory(port, &(struct addr){ 0 }, now, out);
	list_sort(&groups.list);
	for (uint32_t i = 0; i < groups.list.n; i++)
		update_group(&merge, engine, port, &groups.list.addrs[i], now, out);
	host_flush(port->host, now, out);
	merge_fini(&merge);
	free(groups.list.addrs);
}
