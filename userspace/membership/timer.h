/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Deadlines of all that can expire, in one heap. It is lazy: an owner whose deadline moved away
 * leaves its timer alone, is woken too early once, and then sets the timer to the real deadline.
 * Refreshing a million memberships thus touches no heap entry.
 */
#ifndef MEMBERSHIP_TIMER_H
#define MEMBERSHIP_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum timer_kind {
	TIMER_PORT,
	TIMER_MEMBERSHIP,
	TIMER_SOURCES,
	TIMER_HOST,
};

/* Lives in its owner, which the kind tells. */
struct timer {
	uint32_t slot; /* place in the heap plus one; 0: not set */
	uint8_t kind;
};

struct timer_entry {
	uint64_t deadline;
	struct timer *timer;
};

struct timers {
	struct timer_entry **chunks; /* the heap's array in pieces, so that it never moves */
	uint32_t n_chunks;
	uint32_t n;	 /* timers set */
	uint32_t n_room; /* timers that may be set: timers_join() less timers_leave() */
};

void timers_fini(struct timers *timers);
/* Makes room for one more timer, so that setting it cannot fail. Returns 0 or -ENOMEM. */
int timers_join(struct timers *timers, struct timer *timer, enum timer_kind kind);
/* Stops the timer and gives its room back. */
void timers_leave(struct timers *timers, struct timer *timer);

/* Makes sure that the timer fires at `deadline` or before. */
void timer_set(struct timers *timers, struct timer *timer, uint64_t deadline);
void timer_stop(struct timers *timers, struct timer *timer);
/* The owner has moved in memory. */
void timer_moved(struct timers *timers, struct timer *timer);
/* Takes the first timer whose deadline is not after `now` out of the heap; NULL: none. */
struct timer *timers_take(struct timers *timers, uint64_t now);
/* The first deadline, UINT64_MAX: none. */
uint64_t timers_next(const struct timers *timers);

#endif
