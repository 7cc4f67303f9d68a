/* SPDX-License-Identifier: BSD-2-Clause */
#include "timer.h"

#include <errno.h>
#include <stdlib.h>

#define CHUNK 1024 /* entries */
#define ARITY 4	   /* shallower than a binary heap, and siblings share a cache line */

static struct timer_entry *entry(const struct timers *timers, uint32_t i)
{
	return &timers->chunks[i / CHUNK][i % CHUNK];
}

static void place(struct timers *timers, uint32_t i, struct timer_entry e)
{
	*entry(timers, i) = e;
	e.timer->slot = i + 1;
}

static void sift_up(struct timers *timers, uint32_t i, struct timer_entry e)
{
	while (i > 0) {
		uint32_t parent = (i - 1) / ARITY;

		if (entry(timers, parent)->deadline <= e.deadline)
			break;
		place(timers, i, *entry(timers, parent));
		i = parent;
	}
	place(timers, i, e);
}

static void sift_down(struct timers *timers, uint32_t i, struct timer_entry e)
{
	for (;;) {
		uint32_t first = i * ARITY + 1, best = first;

		if (first >= timers->n)
			break;
		for (uint32_t c = first + 1; c < first + ARITY && c < timers->n; c++) {
			if (entry(timers, c)->deadline < entry(timers, best)->deadline)
				best = c;
		}
		if (entry(timers, best)->deadline >= e.deadline)
			break;
		place(timers, i, *entry(timers, best));
		i = best;
	}
	place(timers, i, e);
}

void timers_fini(struct timers *timers)
{
	for (uint32_t i = 0; i < timers->n_chunks; i++)
		free(timers->chunks[i]);
	free(timers->chunks);
	*timers = (struct timers){ 0 };
}

static int add_chunk(struct timers *timers)
{
	struct timer_entry **chunks;

	chunks = realloc(timers->chunks, (timers->n_chunks + 1) * sizeof(struct timer_entry *));
	if (!chunks)
		return -ENOMEM;
	timers->chunks = chunks;
	chunks[timers->n_chunks] = malloc(CHUNK * sizeof(struct timer_entry));
	if (!chunks[timers->n_chunks])
		return -ENOMEM;
	timers->n_chunks++;
	return 0;
}

int timers_join(struct timers *timers, struct timer *timer, enum timer_kind kind)
{
	if (timers->n_room == timers->n_chunks * CHUNK) {
		int err = add_chunk(timers);

		if (err)
			return err;
	}
	timers->n_room++;
	*timer = (struct timer){ .kind = (uint8_t)kind };
	return 0;
}

void timers_leave(struct timers *timers, struct timer *timer)
{
	timer_stop(timers, timer);
	timers->n_room--;
	/* One spare chunk stays, or joining and leaving at the edge would allocate each time. */
	if (timers->n_room + 2 * CHUNK <= timers->n_chunks * CHUNK)
		free(timers->chunks[--timers->n_chunks]);
}

void timer_set(struct timers *timers, struct timer *timer, uint64_t deadline)
{
	struct timer_entry e = { .deadline = deadline, .timer = timer };

	if (!timer->slot)
		sift_up(timers, timers->n++, e);
	else if (deadline < entry(timers, timer->slot - 1)->deadline)
		sift_up(timers, timer->slot - 1, e);
}

void timer_stop(struct timers *timers, struct timer *timer)
{
	uint32_t i = timer->slot - 1;
	struct timer_entry last;

	if (!timer->slot)
		return;
	timer->slot = 0;
	last = *entry(timers, --timers->n);
	if (i == timers->n)
		return;
	if (i > 0 && last.deadline < entry(timers, (i - 1) / ARITY)->deadline)
		sift_up(timers, i, last);
	else
		sift_down(timers, i, last);
}

void timer_moved(struct timers *timers, struct timer *timer)
{
	if (timer->slot)
		entry(timers, timer->slot - 1)->timer = timer;
}

struct timer *timers_take(struct timers *timers, uint64_t now)
{
	struct timer *timer;

	if (timers_next(timers) > now)
		return NULL;
	timer = entry(timers, 0)->timer;
	timer_stop(timers, timer);
	return timer;
}

uint64_t timers_next(const struct timers *timers)
{
	return timers->n ? entry(timers, 0)->deadline : UINT64_MAX;
}
