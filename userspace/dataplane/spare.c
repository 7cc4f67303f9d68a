/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Maps for port sets in advance. Putting a map into mcastd_sets takes a grace period of the kernel,
 * some 10 ms, whether it is one map or many at a time. So empty maps are put there before they are
 * needed, in size classes (a broadcast visits every bucket of the map, hence each is as small as
 * its content allows). Making a set is then a few cheap insertions into a spare map.
 */
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "dataplane/internal.h"

#define LOW_WATER 16 /* spare and settled sets that should be there, in a class that is in use */

static const uint32_t first_pool[SET_CLASSES] = { 64, 64, 64, 32, 32 };

static uint32_t class_size(unsigned int class)
{
	return 2u << class;
}

unsigned int set_class_of(uint32_t n)
{
	unsigned int class = 0;

	while (class_size(class) < n)
		class ++;
	return class;
}

void set_list_append(struct set_list *list, struct port_set *set)
{
	set->next = NULL;
	set->prev = list->last;
	*(list->last ? &list->last->next : &list->first) = set;
	list->last = set;
	list->n++;
}

void set_list_remove(struct set_list *list, struct port_set *set)
{
	*(set->prev ? &set->prev->next : &list->first) = set->next;
	*(set->next ? &set->next->prev : &list->last) = set->prev;
	set->prev = set->next = NULL;
	list->n--;
}

static bool is_settled(const struct dataplane *dp, const struct port_set *set)
{
	return set->stamp <= dp->settled;
}

/* A set without content of this class out of the pool, or NULL. */
static struct port_set *take(struct dataplane *dp, unsigned int class)
{
	struct port_set *set = dp->spare[class].first;

	if (set) {
		set_list_remove(&dp->spare[class], set);
		return set;
	}
	set = dp->idle[class].first;
	if (!set || !is_settled(dp, set))
		return NULL;
	set_list_remove(&dp->idle[class], set);
	set_empty(dp, set);
	return set;
}

/* An element of mcastd_sets that may get another map: an unused one, else one of another class. */
static struct port_set *take_element(struct dataplane *dp, unsigned int for_class)
{
	unsigned int most = SET_CLASSES;

	while (dp->next_unused < dp->map_entries[MAP_SETS]) {
		struct port_set *set = &dp->sets[dp->next_unused++];

		if (set->fd < 0)
			return set;
	}
	for (unsigned int c = 0; c < SET_CLASSES; c++)
		if (c != for_class && dp->spare[c].n + dp->idle[c].n &&
		    (most == SET_CLASSES ||
		     dp->spare[c].n + dp->idle[c].n > dp->spare[most].n + dp->idle[most].n))
			most = c;
	return most == SET_CLASSES ? NULL : take(dp, most);
}

struct installation {
	int sets_fd, fd;
	uint32_t id;
	pthread_t thread;
	bool has_thread;
	int err;
};

static void *install_map(void *arg)
{
	struct installation *to = arg;

	to->err = bpf_map_update_elem(to->sets_fd, &to->id, &to->fd, BPF_ANY);
	return NULL;
}

/* bpf_map_update_batch() would do that too, but only since Linux 6.8. */
int spare_install(struct dataplane *dp, const uint32_t *ids, const int *fds, uint32_t n)
{
	struct installation all[SET_BATCH_MAX];
	int err = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct installation *one = &all[i];

		*one = (struct installation){
			.sets_fd = dp->map_fd[MAP_SETS],
			.fd = fds[i],
			.id = ids[i],
		};
		one->has_thread = n > 1 && !pthread_create(&one->thread, NULL, install_map, one);
		if (!one->has_thread)
			install_map(one);
	}
	for (uint32_t i = 0; i < n; i++) {
		if (all[i].has_thread)
			pthread_join(all[i].thread, NULL);
		if (all[i].err)
			err = all[i].err;
	}
	return err;
}

/* Adds so many spare sets of each class, or as many as there is room for. */
static int grow(struct dataplane *dp, const uint32_t *wanted)
{
	uint32_t ids[SET_BATCH_MAX], n = 0;
	unsigned int classes[SET_BATCH_MAX];
	int fds[SET_BATCH_MAX], err = 0;

	for (unsigned int c = 0; c < SET_CLASSES; c++) {
		for (uint32_t i = 0; i < wanted[c] && n < SET_BATCH_MAX; i++) {
			struct port_set *set = take_element(dp, c);

			if (!set)
				break;
			ids[n] = set_id(dp, set);
			classes[n] = c;
			n++;
		}
	}
	for (uint32_t i = 0; i < n; i++) {
		fds[i] = bpf_map_create(BPF_MAP_TYPE_DEVMAP_HASH, "mcastd_set", sizeof(uint32_t),
					sizeof(struct mcastd_dev), class_size(classes[i]), NULL);
		if (fds[i] < 0)
			err = fds[i];
	}
	if (n && !err)
		err = spare_install(dp, ids, fds, n);
	for (uint32_t i = 0; i < n; i++) {
		struct port_set *set = &dp->sets[ids[i]];

		if (err) {
			if (fds[i] >= 0)
				close(fds[i]);
			if (set->fd >= 0)
				set_list_append(&dp->spare[set->class], set);
			continue;
		}
		if (set->fd >= 0) {
			close(set->fd);
			dp->sets_of[set->class]--;
		}
		set->fd = fds[i];
		set->class = classes[i];
		dp->sets_of[set->class]++;
		set_list_append(&dp->spare[set->class], set);
	}
	return err ? err : n ? 0 : -ENOSPC;
}

/* A class grows by as much as it has, so that steady demand is met in few steps. */
static int grow_class(struct dataplane *dp, unsigned int class)
{
	uint32_t wanted[SET_CLASSES] = { 0 }, n = dp->sets_of[class];

	wanted[class] = n < LOW_WATER ? LOW_WATER : n > SET_BATCH_MAX ? SET_BATCH_MAX : n;
	return grow(dp, wanted);
}

static bool has_unsettled(const struct dataplane *dp)
{
	for (unsigned int c = 0; c < SET_CLASSES; c++)
		if (dp->idle[c].last && !is_settled(dp, dp->idle[c].last))
			return true;
	return false;
}

struct port_set *spare_get(struct dataplane *dp, unsigned int class)
{
	struct port_set *set = take(dp, class);

	/* The rest is for bursts that dataplane_maintain() could not foresee, and for full maps. */
	if (!set && grow_class(dp, class) == 0)
		set = take(dp, class);
	if (!set && has_unsettled(dp)) {
		dataplane_settle(dp);
		set = take(dp, class);
		if (!set && grow_class(dp, class) == 0)
			set = take(dp, class);
	}
	/* A map that is too large works too, only slower. */
	for (unsigned int c = class + 1; !set && c < SET_CLASSES; c++)
		set = take(dp, c);
	return set;
}

static bool class_is_low(const struct dataplane *dp, unsigned int class)
{
	uint32_t n = dp->spare[class].n;
	const struct port_set *set = dp->idle[class].first;

	for (; n < LOW_WATER && set && is_settled(dp, set); set = set->next)
		n++;
	return n < LOW_WATER && dp->sets_of[class];
}

static bool can_grow(const struct dataplane *dp)
{
	return dp->next_unused < dp->map_entries[MAP_SETS];
}

bool spare_wants_work(const struct dataplane *dp)
{
	for (unsigned int c = 0; c < SET_CLASSES; c++) {
		const struct set_list *idle = &dp->idle[c];

		if (class_is_low(dp, c) &&
		    (can_grow(dp) || (idle->last && !is_settled(dp, idle->last))))
			return true;
	}
	return false;
}

void spare_maintain(struct dataplane *dp)
{
	/* Idle sets that have settled may be enough; the caller sees to that. */
	for (unsigned int c = 0; c < SET_CLASSES; c++)
		if (class_is_low(dp, c) && can_grow(dp) &&
		    dp->spare[c].n + dp->idle[c].n < LOW_WATER)
			grow_class(dp, c);
}

void spare_fill(struct dataplane *dp)
{
	uint32_t wanted[SET_CLASSES];

	for (unsigned int c = 0; c < SET_CLASSES; c++)
		wanted[c] = first_pool[c] > dp->spare[c].n ? first_pool[c] - dp->spare[c].n : 0;
	grow(dp, wanted);
}
