/* SPDX-License-Identifier: BSD-2-Clause */
/* General queries, election, the life of a non-querier, and what queries say: sections 1, 7, 8. */
#include "../support/sim_test.h"

#define SECOND 1000ull

static const struct addr all_systems = ADDR_V4(224, 0, 0, 1);
static const struct addr all_reporters = ADDR_V4(224, 0, 0, 22);

/* A port whose general queries are shown too; the startup query is not seen yet. */
static struct sim start_shown(const struct port_config *config)
{
	struct sim sim;

	sim_init(&sim);
	sim_port(&sim, 1, config);
	return sim;
}

static struct engine_port_view view_of(const struct sim *sim)
{
	struct engine_port_view view;

	assert_true(engine_port_view(sim->engine, 1, &view));
	return view;
}

static uint32_t querier_of(const struct sim *sim)
{
	struct engine_port_view view = view_of(sim);

	return addr_to_v4_host(&view.querier);
}

/* A General Query of a rival with address 10.0.1.last. */
static struct message rival(unsigned int last, uint8_t version, uint8_t qrv, uint32_t interval_s)
{
	return (struct message){ .type = MESSAGE_QUERY,
				 .source = ADDR_V4(10, 0, 1, (uint8_t)last),
				 .destination = all_systems,
				 .ttl = 1,
				 .query = { .version = version,
					    .group = addr_from_v4_host(0),
					    .max_response_ms = version > 1 ? 10000 : 0,
					    .qrv = qrv,
					    .query_interval_ms = interval_s * 1000 } };
}

/* R-8.6-START: startup count queries, a quarter of the interval apart, the first at once. */
static void test_startup(void **state)
{
	struct port_config config;
	struct sim sim;

	(void)state;
	port_config_init(&config);
	sim = start_shown(&config);
	check_script(&sim,
		     "q gen | +31.249 | q none | +0.001 | q gen | +124.999 | q none | +0.001 | "
		     "q gen | +125 | q gen");
	sim_fini(&sim);
	config.robustness = 3;
	config.query_interval_ms = 8000;
	config.query_response_interval_ms = 2000;
	sim = start_shown(&config);
	check_script(&sim, "q gen | +2 | q gen | +2 | q gen | +7.999 | q none | +0.001 | q gen");
	sim_fini(&sim);
}

/* R-6.1-PERIOD: no drift, however late the ticks. */
static void test_period(void **state)
{
	struct sim sim = start_shown(NULL);
	uint64_t start = sim.now;

	(void)state;
	for (int i = 0; i < 100; i++) {
		sim.now = engine_next_deadline(sim.engine) + 50;
		sim_advance(&sim, 0);
	}
	assert_true(sim.n_sent > 90);
	assert_in_range(sim.sent[sim.n_sent - 1].at - start, (sim.n_sent - 1) * 125 * SECOND,
			(sim.n_sent - 1) * 125 * SECOND + 50);
	sim_fini(&sim);
}

/* R-4.1.3-GA, R-4.1.5-S, R-4.1.12-DST, R-4.1-SRC, R-4.1.6-QRV, R-4.1.1-MRC, R-4.1.7-QQIC */
static void test_contents(void **state)
{
	struct port_config config = sim_config();
	const struct message *message;
	struct sim sim;

	(void)state;
	config.robustness = 7;
	sim = start_shown(&config);
	message = &sim.sent[0].message;
	assert_int_equal(message->type, MESSAGE_QUERY);
	assert_true(addr_is_unspecified(&message->query.group));
	assert_int_equal(message->query.n_sources, 0);
	assert_false(message->query.suppress);
	assert_true(addr_equal(&message->destination, &all_systems));
	assert_int_equal(addr_to_v4_host(&message->source), 0x0a000164);
	assert_int_equal(message->query.version, 3);
	assert_int_equal(message->query.qrv, 7);
	assert_int_equal(message->query.max_response_ms, 10000);
	assert_int_equal(message->query.query_interval_ms, 125000);
	sim_fini(&sim);
	config.robustness = 8;
	sim = start_shown(&config);
	assert_int_equal(sim.sent[0].message.query.qrv, 0);
	sim_fini(&sim);
}

/* R-4.1-SRC: without an address nothing is sent; the first address starts the querier. */
static void test_no_address(void **state)
{
	struct port_config config = sim_config();
	struct port_link link = { .up = true, .address = addr_from_v4_host(0) };
	struct sim sim;

	(void)state;
	sim_init(&sim);
	engine_port_configure(sim.engine, 1, &config, sim.now, &sim.out);
	engine_port_link(sim.engine, 1, &link, sim.now, &sim.out);
	sim_advance(&sim, 500 * SECOND);
	check_script(&sim, "q none | IS_EX | TO_IN | q none | = EXC:270");
	sim_link(&sim, 1, true);
	check_script(&sim, "q gen | +125 | q gen");
	sim_fini(&sim);
}

/* R-6.6.2-LOSE, R-6.6.2-OQPI: silence for 255 s, then a query again. R-2236-INIT */
static void test_lose(void **state)
{
	struct sim sim = start_shown(NULL);

	(void)state;
	assert_true(view_of(&sim).is_querier);
	check_script(&sim, "q gen | +10 | low gen | +254.999 | q none");
	assert_false(view_of(&sim).is_querier);
	assert_int_equal(querier_of(&sim), 0x0a000101);
	check_script(&sim, "+0.001 | q gen | +125 | q gen");
	assert_true(view_of(&sim).is_querier);
	assert_int_equal(sim_count_events(&sim, EVENT_QUERIER_OTHER), 1);
	assert_int_equal(sim_count_events(&sim, EVENT_QUERIER_SELF), 2);
	sim_fini(&sim);
}

/* R-6.6.2-WIN: a higher address changes nothing. */
static void test_win(void **state)
{
	struct sim sim = start_shown(NULL);

	(void)state;
	check_script(&sim, "q gen | +10 | high gen | q none | +115 | q gen");
	assert_true(view_of(&sim).is_querier);
	sim_fini(&sim);
}

/* R-6.6.2-CMP: numbers, not text and not host order. */
static void test_compare(void **state)
{
	struct sim sim = start_shown(NULL);
	struct message message = rival(9, 3, 2, 125);

	(void)state;
	sim_receive(&sim, 1, &message);
	assert_false(view_of(&sim).is_querier);
	sim_fini(&sim);
	sim = start_shown(NULL);
	message = rival(101, 3, 2, 125);
	sim_receive(&sim, 1, &message);
	assert_true(view_of(&sim).is_querier);
	sim_fini(&sim);
}

/* R-6.6.2-GQONLY, A-3: a specific query does not elect. */
static void test_general_only(void **state)
{
	struct sim sim = start_shown(NULL);

	(void)state;
	check_script(&sim, "IS_EX | low G | low 1,2");
	assert_true(view_of(&sim).is_querier);
	check_script(&sim, "= EXC:270 | q gen | +125 | q gen");
	sim_fini(&sim);
}

/* R-6.6.2-RESET, R-6.6.2-NEXT */
static void test_reset_and_next(void **state)
{
	struct sim sim = start_shown(NULL);
	struct message next = rival(50, 3, 2, 125);

	(void)state;
	check_script(&sim, "q gen | low gen | +200 | low gen | +200 | high gen | +54.999 | q none");
	assert_false(view_of(&sim).is_querier);
	sim_receive(&sim, 1, &next); /* .1 is gone, .50 takes over */
	assert_int_equal(querier_of(&sim), 0x0a000132);
	check_script(&sim, "+254.999 | q none | +0.001 | q gen");
	sim_fini(&sim);
}

/* Many queriers in turn: routes are recomputed once, the operator is told at a limited rate. */
static void test_many_queriers(void **state)
{
	struct sim sim = start_shown(NULL);

	(void)state;
	sim_forget(&sim);
	for (unsigned int i = 0; i < 1000; i++) {
		struct message message = rival(1 + i % 90, 3, 2, 125);

		sim_receive(&sim, 1, &message);
	}
	assert_int_equal(sim.n_role, 1);
	assert_in_range(sim_count_events(&sim, EVENT_QUERIER_OTHER), 1, 10);
	check_script(&sim, "+255");
	assert_int_equal(sim.n_role, 2);
	sim_fini(&sim);
}

/* R-6.6.2-ZERO: 0.0.0.0 is no candidate; the member part answers it. */
static void test_zero(void **state)
{
	struct sim sim = start_shown(NULL);
	struct message message = rival(1, 3, 2, 125);

	(void)state;
	message.source = addr_from_v4_host(0);
	assert_int_equal(sim_receive(&sim, 1, &message), RECEIVE_APPLIED);
	assert_true(view_of(&sim).is_querier);
	sim_forget(&sim);
	sim_advance(&sim, 10 * SECOND);
	assert_int_equal(sim.n_sent, 1);
	assert_int_equal(sim.sent[0].message.type, MESSAGE_REPORT);
	sim_fini(&sim);
}

/* R-6.6.2-FOREIGN: told at a limited rate. */
static void test_foreign(void **state)
{
	struct sim sim = start_shown(NULL);
	struct message message = rival(1, 3, 2, 125);

	(void)state;
	message.source = (struct addr)ADDR_V4(9, 9, 9, 9);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(sim_receive(&sim, 1, &message), RECEIVE_FOREIGN_SOURCE);
	assert_true(view_of(&sim).is_querier);
	assert_in_range(sim_count_events(&sim, EVENT_FOREIGN_QUERIER), 1, 10);
	sim_fini(&sim);
}

/* R-6.6.2-OWNADDR */
static void test_own_address(void **state)
{
	struct sim sim = start_shown(NULL);
	struct message message = rival(100, 3, 2, 125);

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(sim_receive(&sim, 1, &message), RECEIVE_OWN);
	assert_true(view_of(&sim).is_querier);
	assert_in_range(sim_count_events(&sim, EVENT_DUPLICATE_ADDRESS), 1, 10);
	sim_fini(&sim);
}

/* R-6.6.2-VER, R-7.3.1-WARN: older versions elect too, and are told at a limited rate. */
static void test_versions_elect(void **state)
{
	(void)state;
	for (uint8_t version = 1; version <= 2; version++) {
		struct sim sim = start_shown(NULL);
		struct message message = rival(1, version, 0, 0);

		for (int i = 0; i < 1000; i++)
			sim_receive(&sim, 1, &message);
		assert_false(view_of(&sim).is_querier);
		assert_in_range(sim_count_events(&sim, EVENT_OLDER_QUERIER), 1, 10);
		assert_int_equal(view_of(&sim).version, 3); /* */
		sim_fini(&sim);
	}
}

/* R-6.6.2-OLDEST, A-1: only where it is switched on, and only as long as the older one is heard. */
static void test_oldest_version(void **state)
{
	struct port_config config = sim_config();
	struct message message = rival(200, 2, 0, 0);
	struct sim sim;

	(void)state;
	config.oldest_version = true;
	sim = start_shown(&config);
	sim_receive(&sim, 1, &message);
	assert_int_equal(view_of(&sim).version, 2);
	sim_forget(&sim);
	check_script(&sim, "+125 | q gen");
	assert_int_equal(sim.sent[sim.n_sent - 1].message.query.version, 2);
	check_script(&sim, "+125 | q gen | +5");
	assert_int_equal(view_of(&sim).version, 3);
	sim_fini(&sim);
}

/* R-2236-LMQ: what is being asked is asked to the end. */
static void test_finish_specific(void **state)
{
	struct sim sim = sim_start(NULL);

	(void)state;
	check_script(&sim,
		     "IS_EX | IS_IN 1 | +10 | TO_IN | q 1 G | +0.5 | low gen | +0.5 | q G 1 | "
		     "+1 | = none | +200 | q none");
	sim_fini(&sim);
}

/* R-NQ-NOQ, R-NQ-LEAVE, A-4: whatever arrives, no query and no shorter timer. */
static void test_silent(void **state)
{
	struct sim sim = sim_start(NULL);

	(void)state;
	sim.general_queries_shown = true;
	check_script(&sim,
		     "low gen | IS_EX | +10 | LEAVE | TO_IN | BLOCK 1 | TO_EX 2 | V2 | LEAVE | "
		     "q none | +100 | q none | = EXC:170");
	sim_fini(&sim);
}

/* R-NQ-STATE: the takeover leaves no gap. */
static void test_takeover(void **state)
{
	struct sim sim = sim_start(NULL);

	(void)state;
	check_script(&sim,
		     "low gen | IS_EX | +125 | low gen | IS_EX | +125 | low gen | IS_EX | +254 | "
		     "f 1 | +1 | f 1 | IS_EX | = EXC:270");
	assert_true(view_of(&sim).is_querier);
	sim_fini(&sim);
}

/* R-NQ-LMQT, A-8: the time that the query gives, as often as LMQC; version 2 has no S flag. */
static void test_non_querier_lmqt(void **state)
{
	struct sim sim = sim_start(NULL);
	struct message message = rival(1, 3, 3, 125);

	(void)state;
	check_script(&sim, "low gen | IS_EX | low G v2 | = EXC:2");
	sim_receive(&sim, 1, &message); /* RV 3 now: LMQC 3 */
	message.destination = message.query.group = sim.group;
	message.query.max_response_ms = 1500;
	check_script(&sim, "IS_EX | = EXC:395");
	sim_receive(&sim, 1, &message);
	check_script(&sim, "= EXC:4.5");
	/* No Max Resp Time at all is not "at once". */
	check_script(&sim, "IS_EX");
	message.query.max_response_ms = 0;
	sim_receive(&sim, 1, &message);
	check_script(&sim, "= EXC:3");
	sim_fini(&sim);
}

/* Table 10: a query of version 1 asks for every group, whatever it has in the place of one. */
static void test_version_1_lowers_nothing(void **state)
{
	struct sim sim = sim_start(NULL);
	struct message message = rival(1, 1, 0, 0);

	(void)state;
	check_script(&sim, "low gen | IS_EX 1 | IS_IN 2 | = EXC:270 /1 2:270");
	message.query.group = sim.group;
	assert_int_equal(sim_receive(&sim, 1, &message), RECEIVE_APPLIED);
	check_script(&sim, "= EXC:270 /1 2:270");
	message.query.version = 2;
	assert_int_equal(sim_receive(&sim, 1, &message), RECEIVE_APPLIED);
	check_script(&sim, "= EXC:2 /1 2:270");
	sim_fini(&sim);
}

/* R-4.1.6-ADOPT, R-4.1.7-ADOPT, R-4.1.6-ZERO, R-ADOPT-BACK, R-8-VAR */
static void test_adopt(void **state)
{
	struct sim sim = start_shown(NULL);
	struct message message = rival(1, 3, 5, 20);

	(void)state;
	sim_receive(&sim, 1, &message);
	assert_int_equal(view_of(&sim).robustness, 5);
	assert_int_equal(view_of(&sim).query_interval_ms, 20000);
	check_script(&sim, "IS_EX | = EXC:120 | q gen | +104.999 | q none | +0.001 | q gen");
	assert_int_equal(view_of(&sim).robustness, 2);
	assert_int_equal(view_of(&sim).query_interval_ms, 125000);
	assert_int_equal(sim.sent[sim.n_sent - 1].message.query.qrv, 2);
	assert_int_equal(sim.sent[sim.n_sent - 1].message.query.query_interval_ms, 125000);
	message = rival(1, 3, 0, 0);
	sim_receive(&sim, 1, &message);
	assert_int_equal(view_of(&sim).robustness, 2);
	assert_int_equal(view_of(&sim).query_interval_ms, 125000);
	check_script(&sim, "IS_EX | = EXC:270");
	sim_fini(&sim);
}

/* R-4.1.7-ADOPT: the querier itself does not adopt. */
static void test_querier_keeps(void **state)
{
	struct sim sim = start_shown(NULL);
	struct message message = rival(200, 3, 7, 3);

	(void)state;
	sim_receive(&sim, 1, &message);
	assert_int_equal(view_of(&sim).robustness, 2);
	assert_int_equal(view_of(&sim).query_interval_ms, 125000);
	sim_fini(&sim);
}

/* R-ADOPT-BOUND: the most that a query can say. */
static void test_adopt_bound(void **state)
{
	struct sim sim = start_shown(NULL);
	struct message message = rival(1, 3, 7, 31744);

	(void)state;
	sim_receive(&sim, 1, &message);
	check_script(&sim, "q gen | IS_EX | = EXC:222228 | +222212 | q none | +1 | q gen");
	sim_fini(&sim);
}

/* R-6-MCAST22: IS_EX{} for 224.0.0.22 after a delay in (0, MRT], spread, once. */
static void test_member_part(void **state)
{
	uint64_t least = UINT64_MAX, most = 0;
	struct sim sim = start_shown(NULL);

	(void)state;
	for (int i = 0; i < 50; i++) {
		const struct message *message;
		uint64_t asked = sim.now;

		sim_forget(&sim);
		check_script(&sim, "low gen | low gen | +10");
		assert_int_equal(sim.n_sent, 1);
		message = &sim.sent[0].message;
		assert_in_range(sim.sent[0].at - asked, 1, 10000);
		least = sim.sent[0].at - asked < least ? sim.sent[0].at - asked : least;
		most = sim.sent[0].at - asked > most ? sim.sent[0].at - asked : most;
		assert_int_equal(message->type, MESSAGE_REPORT);
		assert_true(addr_equal(&message->destination, &all_reporters));
		assert_int_equal(message->report.n_records, 1);
		assert_int_equal(message->report.records[0].type, RECORD_IS_EX);
		assert_true(addr_equal(&message->report.records[0].group, &all_reporters));
	}
	assert_true(most - least > 3000);
	sim_fini(&sim);
}

/* R-6-MCAST22: further queries do not put off an answer that is pending. */
static void test_member_part_pending(void **state)
{
	struct sim sim = start_shown(NULL);

	(void)state;
	for (int i = 0; i < 20; i++) {
		sim_forget(&sim);
		for (int n = 0; n < 20; n++)
			check_script(&sim, "low gen | +0.5");
		assert_true(sim.n_sent >= 1);
	}
	sim_fini(&sim);
}

/* R-LINK: down forgets, up starts anew; another address moves the queries. */
static void test_link(void **state)
{
	struct sim sim = start_shown(NULL);
	struct addr address = ADDR_V4(10, 0, 1, 7);
	struct port_link link = { .up = true, .address = address };

	(void)state;
	check_script(&sim, "q gen | IS_EX | = EXC:270");
	sim_link(&sim, 1, false);
	check_script(&sim, "= none | f !1 | +300 | q none | IS_EX | = none");
	assert_int_equal(sim.verdict, RECEIVE_NOT_OURS);
	sim_link(&sim, 1, true);
	check_script(&sim, "q gen | IS_EX | low gen");
	assert_false(view_of(&sim).is_querier);
	engine_port_link(sim.engine, 1, &link, sim.now, &sim.out);
	sim_advance(&sim, 0);
	assert_true(view_of(&sim).is_querier);
	check_script(&sim, "q gen | = EXC:270");
	assert_true(addr_equal(&sim.sent[sim.n_sent - 1].message.source, &address));
	sim_fini(&sim);
}

/* R-6-ONEIF: of two ports on one link the lower address asks, the other stays silent. */
static void test_two_ports_one_link(void **state)
{
	struct sim sim = start_shown(NULL);
	struct engine_port_view view;
	struct port_config config = sim_config();
	struct addr address = ADDR_V4(10, 0, 1, 101);
	struct prefix subnet = PREFIX_V4(10, 0, 1, 0, 24);
	struct port_link link = {
		.up = true, .address = address, .subnets = &subnet, .n_subnets = 1
	};

	(void)state;
	engine_port_configure(sim.engine, 2, &config, sim.now, &sim.out);
	engine_port_link(sim.engine, 2, &link, sim.now, &sim.out);
	sim_receive(&sim, 2, &sim.sent[0].message); /* port 1's startup query */
	assert_true(engine_port_view(sim.engine, 2, &view));
	assert_false(view.is_querier);
	assert_true(view_of(&sim).is_querier);
	sim_fini(&sim);
}

/* R-7.3.1-V2Q, R-7.3.1-V1Q, R-7.3.1-CFG */
static void test_configured_versions(void **state)
{
	struct port_config config = sim_config();
	struct sim sim;

	(void)state;
	config.version = 2;
	config.query_response_interval_ms = 25500;
	sim = start_shown(&config);
	assert_int_equal(sim.sent[0].message.query.version, 2);
	assert_int_equal(sim.sent[0].message.query.max_response_ms, 25500);
	check_script(&sim, "q gen | V2 | +10 | LEAVE | q G | +2 | = none");
	assert_int_equal(sim.sent[1].message.query.version, 2);
	sim_fini(&sim);
	config.version = 1;
	sim = start_shown(&config);
	assert_int_equal(sim.sent[0].message.query.version, 1);
	assert_int_equal(sim.sent[0].message.query.max_response_ms, 0);
	check_script(&sim, "q gen | V1 | +10 | LEAVE | q none | = EXC:291");
	sim_fini(&sim);
	port_config_init(&config);
	assert_int_equal(config.version, 3);
}

/* R-8-VAR: RV 3, QI 10, QRI 4 make GMI 38, OHPI 34, OQPI 32. A-2: GMI has twice QRI. */
static void test_variables(void **state)
{
	struct port_config config = sim_config();
	struct sim sim;

	(void)state;
	config.robustness = 3;
	config.query_interval_ms = 10000;
	config.query_response_interval_ms = 4000;
	sim = start_shown(&config);
	check_script(&sim, "IS_EX | = EXC:38 | low gen");
	assert_int_equal(view_of(&sim).querier_expires - sim.now, 2 * 125000 + 2000);
	sim_fini(&sim);
	sim = start_shown(&config);
	struct message message = rival(1, 3, 3, 10);

	sim_receive(&sim, 1, &message);
	assert_int_equal(view_of(&sim).querier_expires - sim.now, 32000);
	sim_fini(&sim);
	sim = sim_start(&config);
	check_script(&sim, "V2 | +33.999 | BLOCK 1 | = EXC:4.001 | +0.001 | BLOCK 1 | = EXC:4 1:3");
	sim_fini(&sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_startup),
		cmocka_unit_test(test_period),
		cmocka_unit_test(test_contents),
		cmocka_unit_test(test_no_address),
		cmocka_unit_test(test_lose),
		cmocka_unit_test(test_win),
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_general_only),
		cmocka_unit_test(test_reset_and_next),
		cmocka_unit_test(test_many_queriers),
		cmocka_unit_test(test_zero),
		cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_own_address),
		cmocka_unit_test(test_versions_elect),
		cmocka_unit_test(test_oldest_version),
		cmocka_unit_test(test_finish_specific),
		cmocka_unit_test(test_silent),
		cmocka_unit_test(test_takeover),
		cmocka_unit_test(test_non_querier_lmqt),
		cmocka_unit_test(test_version_1_lowers_nothing),
		cmocka_unit_test(test_adopt),
		cmocka_unit_test(test_querier_keeps),
		cmocka_unit_test(test_adopt_bound),
		cmocka_unit_test(test_member_part),
		cmocka_unit_test(test_member_part_pending),
		cmocka_unit_test(test_link),
		cmocka_unit_test(test_two_ports_one_link),
		cmocka_unit_test(test_configured_versions),
		cmocka_unit_test(test_variables),
	};

	return cmocka_run_group_tests_name("querier", tests, NULL, NULL);
}
