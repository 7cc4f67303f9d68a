/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The event loop: file descriptors, signals and one deadline. It is the only reader of the clock;
 * `now` is read once per wake-up, so that everything done in one round happens at one time.
 */
#ifndef PLATFORM_LOOP_H
#define PLATFORM_LOOP_H

#include <stdint.h>
#include <signal.h>

#define LOOP_NEVER UINT64_MAX

struct loop;
struct loop_fd;

typedef void (*loop_fd_fn)(void *arg, uint32_t events); /* EPOLLIN, EPOLLOUT, ... */
typedef void (*loop_signal_fn)(void *arg, int signal);
typedef void (*loop_gap_fn)(void *arg, uint64_t gap_ms);
/* Called at or after the deadline; returns the next one (ms of loop_now()) or LOOP_NEVER. */
typedef uint64_t (*loop_deadline_fn)(void *arg, uint64_t now);

/* Returns NULL on failure, errno set. */
struct loop *loop_new(void);
/* Closes its own descriptors; signals stay blocked. Entries must have been removed before. */
void loop_free(struct loop *loop);

/* Returns NULL on failure, errno set. The caller keeps the descriptor and closes it after removal.
 */
struct loop_fd *loop_add_fd(struct loop *loop, int fd, uint32_t events, loop_fd_fn fn, void *arg);
int loop_change_fd(struct loop_fd *entry, uint32_t events);
/* Safe inside any callback, also the entry's own. */
void loop_remove_fd(struct loop_fd *entry);

/*
 * Blocks these signals for the process and delivers them here; a second call replaces the first.
 * Returns 0 or -errno.
 */
int loop_catch_signals(struct loop *loop, const sigset_t *signals, loop_signal_fn fn, void *arg);

/*
 * Calls fn once at or after `at`; its return value is when to call it again, at most once a round,
 * and loop_deadline_set() moves it at any time (inside fn the earlier of both holds). Returns an
 * id or -errno.
 */
int loop_add_deadline(struct loop *loop, uint64_t at, loop_deadline_fn fn, void *arg);
void loop_deadline_set(struct loop *loop, int id, uint64_t at);
void loop_remove_deadline(struct loop *loop, int id);

/*
 * Calls fn before anything else of a round that begins LOOP_GAP_MS late or later: the process was
 * stopped, or had no CPU. gap_ms: since when a deadline was due, or the last round began.
 */
#define LOOP_GAP_MS 2000
void loop_on_gap(struct loop *loop, loop_gap_fn fn, void *arg);

/* CLOCK_MONOTONIC in ms, read at the start of this round. */
uint64_t loop_now(const struct loop *loop);
/* Reads the clock again, after something that took long. */
void loop_update_now(struct loop *loop);
/* Runs until loop_stop(). Returns 0 or -errno. */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

#endif
