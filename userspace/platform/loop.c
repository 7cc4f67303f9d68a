/* SPDX-License-Identifier: BSD-2-Clause */
#include "platform/loop.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* Few descriptors in a round, so that deadlines are looked at in between. */
#define LOOP_EVENTS_MAX 8

struct loop_fd {
	struct loop *loop;
	struct loop_fd *next_dead;
	int fd;
	bool dead; /* removed in this round: its events are skipped, then it is freed */
	loop_fd_fn fn;
	void *arg;
};

struct loop_deadline {
	uint64_t at;
	loop_deadline_fn fn; /* NULL: a free place */
	void *arg;
};

struct loop {
	int epoll_fd;
	int timer_fd;
	int signal_fd; /* -1: no signals caught */
	struct loop_fd *timer;
	struct loop_fd *signal;
	struct loop_fd *dead;
	struct loop_deadline *deadlines;
	int n_deadlines;
	uint64_t armed; /* what the timer is set to */
	uint64_t now;
	bool stop;
	loop_signal_fn signal_fn;
	void *signal_arg;
	loop_gap_fn gap_fn;
	void *gap_arg;
};

static uint64_t clock_read_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void timer_ready(void *arg, uint32_t events)
{
	struct loop *loop = arg;
	uint64_t expirations;
	ssize_t n = read(loop->timer_fd, &expirations, sizeof(expirations));

	(void)events;
	(void)n; /* EAGAIN when the timer was set anew after it had woken us */
	loop->armed = LOOP_NEVER;
}

struct loop *loop_new(void)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return NULL;
	loop->signal_fd = -1;
	loop->armed = LOOP_NEVER;
	loop->now = clock_read_ms();
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (loop->epoll_fd >= 0 && loop->timer_fd >= 0)
		loop->timer = loop_add_fd(loop, loop->timer_fd, EPOLLIN, timer_ready, loop);
	if (!loop->timer) {
		int error = errno;

		loop_free(loop);
		errno = error;
		return NULL;
	}
	return loop;
}

static void free_dead(struct loop *loop)
{
	while (loop->dead) {
		struct loop_fd *entry = loop->dead;

		loop->dead = entry->next_dead;
		free(entry);
	}
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	if (loop->signal)
		loop_remove_fd(loop->signal);
	if (loop->timer)
		loop_remove_fd(loop->timer);
	if (loop->signal_fd >= 0)
		close(loop->signal_fd);
	if (loop->timer_fd >= 0)
		close(loop->timer_fd);
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	free_dead(loop);
	free(loop->deadlines);
	free(loop);
}

struct loop_fd *loop_add_fd(struct loop *loop, int fd, uint32_t events, loop_fd_fn fn, void *arg)
{
	struct loop_fd *entry = calloc(1, sizeof(*entry));
	struct epoll_event event = { .events = events, .data.ptr = entry };

	if (!entry)
		return NULL;
	*entry = (struct loop_fd){ .loop = loop, .fd = fd, .fn = fn, .arg = arg };
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		free(entry);
		return NULL;
	}
	return entry;
}

int loop_change_fd(struct loop_fd *entry, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = entry };

	return epoll_ctl(entry->loop->epoll_fd, EPOLL_CTL_MOD, entry->fd, &event) < 0 ? -errno : 0;
}

void loop_remove_fd(struct loop_fd *entry)
{
	struct loop *loop = entry->loop;

	if (entry->dead)
		return;
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, entry->fd, NULL);
	entry->dead = true;
	entry->next_dead = loop->dead;
	loop->dead = entry;
}

static void signal_ready(void *arg, uint32_t events)
{
	struct loop *loop = arg;
	struct signalfd_siginfo info;

	(void)events;
	while (read(loop->signal_fd, &info, sizeof(info)) == sizeof(info))
		loop->signal_fn(loop->signal_arg, (int)info.ssi_signo);
}

int loop_catch_signals(struct loop *loop, const sigset_t *signals, loop_signal_fn fn, void *arg)
{
	int fd;

	if (sigprocmask(SIG_BLOCK, signals, NULL) < 0)
		return -errno;
	fd = signalfd(loop->signal_fd, signals, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	loop->signal_fd = fd;
	loop->signal_fn = fn;
	loop->signal_arg = arg;
	if (!loop->signal)
		loop->signal = loop_add_fd(loop, fd, EPOLLIN, signal_ready, loop);
	return loop->signal ? 0 : -errno;
}

int loop_add_deadline(struct loop *loop, uint64_t at, loop_deadline_fn fn, void *arg)
{
	struct loop_deadline *grown;
	int id = 0;

	while (id < loop->n_deadlines && loop->deadlines[id].fn)
		id++;
	if (id == loop->n_deadlines) {
		grown = reallocarray(loop->deadlines, (size_t)id + 1, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		loop->deadlines = grown;
		loop->n_deadlines++;
	}
	loop->deadlines[id] = (struct loop_deadline){ .at = at, .fn = fn, .arg = arg };
	return id;
}

void loop_deadline_set(struct loop *loop, int id, uint64_t at)
{
	loop->deadlines[id].at = at;
}

void loop_remove_deadline(struct loop *loop, int id)
{
	loop->deadlines[id] = (struct loop_deadline){ .at = LOOP_NEVER };
}

uint64_t loop_now(const struct loop *loop)
{
	return loop->now;
}

void loop_update_now(struct loop *loop)
{
	loop->now = clock_read_ms();
}

/* Each deadline at most once a round, so that none can keep the descriptors waiting. */
static void run_deadlines(struct loop *loop)
{
	for (int id = 0; id < loop->n_deadlines && !loop->stop; id++) {
		struct loop_deadline due = loop->deadlines[id];
		uint64_t next;

		if (!due.fn || due.at > loop->now)
			continue;
		loop->deadlines[id].at = LOOP_NEVER;
		next = due.fn(due.arg, loop->now);
		/*
		 * It may have removed itself, added others (the array moved) or moved itself by
		 * loop_deadline_set(): the earlier of both wins.
		 */
		if (loop->deadlines[id].fn == due.fn && next < loop->deadlines[id].at)
			loop->deadlines[id].at = next;
	}
}

static int arm_timer(struct loop *loop)
{
	struct itimerspec spec = { 0 };
	uint64_t first = LOOP_NEVER;

	for (int id = 0; id < loop->n_deadlines; id++)
		if (loop->deadlines[id].fn && loop->deadlines[id].at < first)
			first = loop->deadlines[id].at;
	if (first == loop->armed)
		return 0;
	if (first != LOOP_NEVER) {
		spec.it_value.tv_sec = (time_t)(first / 1000);
		spec.it_value.tv_nsec = (long)(first % 1000) * 1000000;
		if (first == 0)
			spec.it_value.tv_nsec = 1; /* all zeroes would disarm it */
	}
	if (timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL) < 0)
		return -errno;
	loop->armed = first;
	return 0;
}

void loop_on_gap(struct loop *loop, loop_gap_fn fn, void *arg)
{
	loop->gap_fn = fn;
	loop->gap_arg = arg;
}

/* Reads the clock after a wait that should have ended when `armed` came, if not before. */
static void wake_up(struct loop *loop, uint64_t armed)
{
	uint64_t due = armed > loop->now ? armed : loop->now;

	loop->now = clock_read_ms();
	if (loop->gap_fn && due < loop->now && loop->now - due >= LOOP_GAP_MS)
		loop->gap_fn(loop->gap_arg, loop->now - due);
}

int loop_run(struct loop *loop)
{
	loop->stop = false;
	loop_update_now(loop); /* what was done before is no gap */
	while (!loop->stop) {
		struct epoll_event events[LOOP_EVENTS_MAX];
		int error = arm_timer(loop);
		int n;

		if (error)
			return error;
		n = epoll_wait(loop->epoll_fd, events, LOOP_EVENTS_MAX, -1);
		if (n < 0 && errno != EINTR)
			return -errno;
		wake_up(loop, loop->armed);
		for (int i = 0; i < n; i++) {
			struct loop_fd *entry = events[i].data.ptr;

			if (!entry->dead)
				entry->fn(entry->arg, events[i].events);
		}
		run_deadlines(loop);
		free_dead(loop);
	}
	return 0;
}

void loop_stop(struct loop *loop)
{
	loop->stop = true;
}
