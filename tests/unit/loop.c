/* SPDX-License-Identifier: BSD-2-Clause */
/* The event loop: deadlines in time, removal at any moment, signals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "platform/loop.h"

static struct loop *loop;

static uint64_t stop_loop(void *arg, uint64_t now)
{
	(void)arg;
	(void)now;
	loop_stop(loop);
	return LOOP_NEVER;
}

static void run_ms(uint64_t ms)
{
	int id = loop_add_deadline(loop, loop_now(loop) + ms, stop_loop, NULL);

	assert_true(id >= 0);
	assert_int_equal(loop_run(loop), 0);
	loop_remove_deadline(loop, id);
}

/* --- Deadlines ---------------------------------------------------------------------------------
 */

struct tick {
	uint64_t period_ms;
	unsigned int n;
	uint64_t last;
	int id;
};

static uint64_t tick(void *arg, uint64_t now)
{
	struct tick *t = arg;

	/* Never early, and at the time of the round. */
	assert_true(now >= t->last + t->period_ms);
	assert_int_equal(now, loop_now(loop));
	t->n++;
	t->last = now;
	return t->period_ms ? now + t->period_ms : now;
}

static void test_deadlines(void **state)
{
	struct tick fast = { .period_ms = 10 }, slow = { .period_ms = 35 }, never = { 0 };
	uint64_t start;

	(void)state;
	run_ms(1);
	start = loop_now(loop);
	fast.last = slow.last = start;
	fast.id = loop_add_deadline(loop, start + 10, tick, &fast);
	slow.id = loop_add_deadline(loop, start + 35, tick, &slow);
	never.id = loop_add_deadline(loop, LOOP_NEVER, tick, &never);
	/* At least once each, however busy the machine; never more often than asked. */
	run_ms(100);
	assert_in_range(fast.n, 1, 10);
	assert_in_range(slow.n, 1, 3);
	assert_int_equal(never.n, 0);

	/* Moved to now, and removed. */
	loop_deadline_set(loop, never.id, 0);
	never.period_ms = 1000;
	loop_remove_deadline(loop, fast.id);
	fast.n = 0;
	run_ms(20);
	assert_int_equal(never.n, 1);
	assert_int_equal(fast.n, 0);
	loop_remove_deadline(loop, slow.id);
	loop_remove_deadline(loop, never.id);
}

/* A deadline that is always due again leaves the descriptors and the others their turn. */
static void test_busy_deadline(void **state)
{
	struct tick busy = { .period_ms = 0 };

	(void)state;
	busy.id = loop_add_deadline(loop, 0, tick, &busy);
	run_ms(10);
	assert_true(busy.n > 0);
	loop_remove_deadline(loop, busy.id);
}

static void note_gap(void *arg, uint64_t gap_ms)
{
	uint64_t *gap = arg;

	assert_int_equal(*gap, 0); /* once */
	*gap = gap_ms;
}

/* Sleeps, as a process does that waits for events? */
static bool is_asleep(pid_t pid)
{
	char path[64], text[256] = "";
	const char *name_end;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "r");
	if (!file)
		return false;
	name_end = fgets(text, sizeof(text), file) ? strrchr(text, ')') : NULL;
	fclose(file);
	return name_end && strncmp(name_end, ") S", 3) == 0;
}

/* Stopped for a while: told once, with how late the round is; waiting for nothing is no gap. */
static void test_gap(void **state)
{
	/* The deadline that it is late for leaves the child time to begin. */
	const unsigned int deadline_ms = 1000, stopped_ms = deadline_ms + LOOP_GAP_MS + 300;
	pid_t self = getpid(), child;
	uint64_t gap = 0, began;

	(void)state;
	loop_on_gap(loop, note_gap, &gap);
	run_ms(LOOP_GAP_MS + 100);
	assert_int_equal(gap, 0);
	child = fork();
	if (child == 0) {
		while (!is_asleep(self))
			usleep(1000);
		kill(self, SIGSTOP);
		usleep(stopped_ms * 1000);
		kill(self, SIGCONT);
		_exit(0);
	}
	assert_true(child > 0);
	loop_update_now(loop);
	began = loop_now(loop);
	run_ms(deadline_ms);
	loop_update_now(loop);
	assert_in_range(gap, LOOP_GAP_MS, loop_now(loop) - began - deadline_ms);
	assert_int_equal(waitpid(child, NULL, 0), child);
	loop_on_gap(loop, NULL, NULL);
}

static uint64_t count_call(void *arg, uint64_t now)
{
	(void)now;
	++*(unsigned int *)arg;
	return LOOP_NEVER;
}

/* That something was due long ago, as after a round that took its time, is no gap. */
static void test_late_deadline_is_no_gap(void **state)
{
	unsigned int calls = 0;
	uint64_t gap = 0;
	int id;

	(void)state;
	run_ms(1);
	loop_on_gap(loop, note_gap, &gap);
	id = loop_add_deadline(loop, loop_now(loop) - 3 * LOOP_GAP_MS, count_call, &calls);
	run_ms(5);
	assert_int_equal(calls, 1);
	assert_int_equal(gap, 0);
	loop_remove_deadline(loop, id);
	loop_on_gap(loop, NULL, NULL);
}

static uint64_t remove_itself(void *arg, uint64_t now)
{
	struct tick *t = arg;

	t->n++;
	loop_remove_deadline(loop, t->id);
	/* The place is free for another one, which must not inherit our answer. */
	t->id = loop_add_deadline(loop, LOOP_NEVER, stop_loop, NULL);
	return now;
}

static void test_deadline_removes_itself(void **state)
{
	struct tick t = { 0 };

	(void)state;
	t.id = loop_add_deadline(loop, 0, remove_itself, &t);
	run_ms(5);
	assert_int_equal(t.n, 1);
	loop_remove_deadline(loop, t.id);
}

/* --- Descriptors -------------------------------------------------------------------------------
 */

struct reader {
	int fds[2];
	struct loop_fd *entry;
	struct reader *other;
	unsigned int n;
};

static void read_and_remove_both(void *arg, uint32_t events)
{
	struct reader *r = arg;

	assert_true(events & EPOLLIN);
	r->n++;
	loop_remove_fd(r->entry);
	loop_remove_fd(r->other->entry);
}

/* Two are ready in one round; the first removes both: the second is not called any more. */
static void test_remove_in_callback(void **state)
{
	struct reader a = { .n = 0 }, b = { .n = 0 };

	(void)state;
	a.other = &b;
	b.other = &a;
	assert_int_equal(pipe(a.fds), 0);
	assert_int_equal(pipe(b.fds), 0);
	a.entry = loop_add_fd(loop, a.fds[0], EPOLLIN, read_and_remove_both, &a);
	b.entry = loop_add_fd(loop, b.fds[0], EPOLLIN, read_and_remove_both, &b);
	assert_int_equal(write(a.fds[1], "x", 1), 1);
	assert_int_equal(write(b.fds[1], "x", 1), 1);
	run_ms(5);
	assert_int_equal(a.n + b.n, 1);
	close(a.fds[0]);
	close(a.fds[1]);
	close(b.fds[0]);
	close(b.fds[1]);
}

static void count_ready(void *arg, uint32_t events)
{
	(void)events;
	++*(unsigned int *)arg;
}

static void test_change_events(void **state)
{
	unsigned int n = 0;
	struct loop_fd *entry;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	entry = loop_add_fd(loop, fds[0], 0, count_ready, &n);
	run_ms(5);
	assert_int_equal(n, 0);
	assert_int_equal(loop_change_fd(entry, EPOLLIN), 0);
	run_ms(5);
	assert_true(n > 0);
	loop_remove_fd(entry);
	assert_null(loop_add_fd(loop, -1, EPOLLIN, count_ready, &n));
	close(fds[0]);
	close(fds[1]);
}

/* --- Signals -----------------------------------------------------------------------------------
 */

static void on_signal(void *arg, int signal)
{
	*(int *)arg = signal;
}

static void test_signals(void **state)
{
	sigset_t signals;
	int got = 0;

	(void)state;
	sigemptyset(&signals);
	sigaddset(&signals, SIGHUP);
	assert_int_equal(loop_catch_signals(loop, &signals, on_signal, &got), 0);
	kill(getpid(), SIGHUP);
	run_ms(5);
	assert_int_equal(got, SIGHUP);
	sigaddset(&signals, SIGUSR1);
	assert_int_equal(loop_catch_signals(loop, &signals, on_signal, &got), 0);
	kill(getpid(), SIGUSR1);
	run_ms(5);
	assert_int_equal(got, SIGUSR1);
}

struct crowd {
	unsigned int calls, calls_before, most;
};

static void on_crowd(void *arg, uint32_t events)
{
	struct crowd *crowd = arg;

	(void)events;
	crowd->calls++;
}

static uint64_t count_crowd(void *arg, uint64_t now)
{
	struct crowd *crowd = arg;

	if (crowd->calls - crowd->calls_before > crowd->most)
		crowd->most = crowd->calls - crowd->calls_before;
	crowd->calls_before = crowd->calls;
	return now;
}

/* However many descriptors are ready at all times: deadlines are looked at in between. */
static void test_crowd(void **state)
{
	struct loop_fd *entries[100];
	struct crowd crowd = { 0 };
	int fds[100], id;

	(void)state;
	for (int i = 0; i < 100; i++) {
		fds[i] = eventfd(1, EFD_CLOEXEC);
		entries[i] = loop_add_fd(loop, fds[i], EPOLLIN, on_crowd, &crowd);
		assert_non_null(entries[i]);
	}
	id = loop_add_deadline(loop, 0, count_crowd, &crowd);
	run_ms(20);
	assert_true(crowd.calls > 200);
	assert_in_range(crowd.most, 1, 8);
	loop_remove_deadline(loop, id);
	for (int i = 0; i < 100; i++) {
		loop_remove_fd(entries[i]);
		close(fds[i]);
	}
}

static int set_up(void **state)
{
	(void)state;
	loop = loop_new();
	return loop ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	loop_free(loop);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deadlines),
		cmocka_unit_test(test_busy_deadline),
		cmocka_unit_test(test_gap),
		cmocka_unit_test(test_late_deadline_is_no_gap),
		cmocka_unit_test(test_deadline_removes_itself),
		cmocka_unit_test(test_remove_in_callback),
		cmocka_unit_test(test_change_events),
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_crowd),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
