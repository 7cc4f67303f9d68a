// SPDX-License-Identifier: BSD-2-Clause
/*
 * Memory that runs out while a change is carried upstream: each allocation fails in turn. What is
 * wanted downstream is joined a little later, without another report.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../support/host_sim.h"

#ifndef __SANITIZE_ADDRESS__ /* which has a malloc() of its own */

#include "../support/failing_memory.h"

static bool armed;
static unsigned int until_failure;
static unsigned int failures;

static bool memory_fails(void)
{
	if (!armed || until_failure--)
		return false;
	armed = false;
	failures++;
	return true;
}

static bool count_sources(const struct engine_upstream_view *view, void *arg)
{
	*(uint32_t *)arg += view->n_sources;
	return true;
}

static bool count_wanted(const struct engine_membership_view *view, void *arg)
{
	*(uint32_t *)arg += view->n_sources;
	return true;
}

/* One report with a number of sources for group 1, the n-th allocation within it fails. */
static void report(struct host_sim *t, uint8_t type, unsigned int first, unsigned int last,
		   unsigned int n)
{
	struct addr sources[400], group = host_sim_group(1);
	struct message_record record = { type, group, sources, 0 };
	struct message message = { .type = MESSAGE_REPORT,
				   .source = sim_host(1, 1),
				   .destination = addr_from_v4_host(0xe0000016),
				   .ttl = 1,
				   .report = { &record, 1 } };

	for (unsigned int i = first; i <= last; i++)
		sources[record.n_sources++] = sim_source(i);
	until_failure = n;
	armed = true;
	engine_receive(t->sim.engine, 1, &message, t->sim.now, &t->sim.out);
	armed = false;
	sim_collect(&t->sim);
}

static void assert_same(const struct host_sim *t, const char *when, unsigned int n)
{
	struct addr group = host_sim_group(1);
	uint32_t wanted = 0, joined = 0;

	engine_each_of_group(t->sim.engine, &group, count_wanted, &wanted);
	engine_each_upstream(t->sim.engine, UPSTREAM, count_sources, &joined);
	if (wanted != joined)
		fail_msg("%s, allocation %u: %u wanted, %u joined", when, n, wanted, joined);
}

static void every_allocation_fails(void **state)
{
	unsigned int before;

	(void)state;
	for (unsigned int n = 0; n < 60; n++) {
		struct host_sim t;

		before = failures;
		host_sim_init(&t, NULL);
		sim_port(&t.sim, 1, NULL);
		report(&t, RECORD_IS_IN, 1, 90, n);
		host_sim_pass(&t, 1100);
		assert_same(&t, "join", n);
		report(&t, RECORD_ALLOW, 100, 199, n);
		host_sim_pass(&t, 1100);
		assert_same(&t, "more", n);
		host_sim_fini(&t);
		if (failures == before) {
			print_message("%u allocations\n", n);
			assert_true(n > 5);
			return;
		}
	}
	fail_msg("allocations without end");
}

#else

static void every_allocation_fails(void **state)
{
	(void)state;
	skip();
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation_fails),
	};

	return cmocka_run_group_tests_name("proxy without memory", tests, NULL, NULL);
}
