/* SPDX-License-Identifier: BSD-2-Clause */
/* What is looked at and what is refused: the engine's part of CONFORMANCE section 2. */
#include "../support/sim_test.h"

static const struct addr group = ADDR_V4(239, 1, 1, 1);
static const struct message_record is_ex = { RECORD_IS_EX, ADDR_V4(239, 1, 1, 1), NULL, 0 };

static struct message v3_report(void)
{
	return (struct message){ .type = MESSAGE_REPORT,
				 .source = ADDR_V4(10, 0, 1, 10),
				 .destination = ADDR_V4(224, 0, 0, 22),
				 .ttl = 1,
				 .router_alert = true,
				 .report = { &is_ex, 1 } };
}

static struct message v2_message(enum message_type type)
{
	return (struct message){ .type = type,
				 .source = ADDR_V4(10, 0, 1, 10),
				 .destination = group,
				 .ttl = 1,
				 .router_alert = true,
				 .group = group };
}

static struct message general_query(void)
{
	return (struct message){
		.type = MESSAGE_QUERY,
		.source = ADDR_V4(10, 0, 1, 1),
		.destination = ADDR_V4(224, 0, 0, 1),
		.ttl = 1,
		.query = { .version = 3, .group = addr_from_v4_host(0), .max_response_ms = 10000 }
	};
}

static uint64_t total(const struct engine_counters *counters)
{
	uint64_t n = 0;

	for (int i = 0; i < RECEIVE_VERDICTS; i++)
		n += counters->received[i];
	return n;
}

/* Receives on a fresh port and checks the verdict, and that its counter moved and no other. */
static void expect(const struct port_config *config, const struct message *message,
		   enum receive_verdict verdict)
{
	struct sim sim = sim_start(config);
	const struct engine_counters *counters = engine_port_counters(sim.engine, 1);

	assert_int_equal(sim_receive(&sim, 1, message), verdict);
	assert_int_equal(counters->received[verdict], 1);
	assert_int_equal(total(counters), 1);
	if (verdict != RECEIVE_APPLIED)
		check_script(&sim, "= none | q none");
	else if (message->type != MESSAGE_QUERY && message->type != MESSAGE_V2_LEAVE)
		check_script(&sim, "= EXC:270");
	sim_fini(&sim);
}

static void expect_from(struct message message, struct addr source, enum receive_verdict verdict)
{
	message.source = source;
	expect(NULL, &message, verdict);
}

static void expect_to(struct message message, struct addr destination, enum receive_verdict verdict)
{
	message.destination = destination;
	expect(NULL, &message, verdict);
}

/* R-4-TTLRX, A-10 */
static void test_ttl(void **state)
{
	struct message message = v3_report();
	struct port_config config = sim_config();

	(void)state;
	message.ttl = 2;
	expect(NULL, &message, RECEIVE_BAD_TTL);
	message.ttl = 0;
	expect(NULL, &message, RECEIVE_BAD_TTL);
	config.accept_any_ttl = true;
	message.ttl = 64;
	expect(&config, &message, RECEIVE_APPLIED);
}

/* R-4-SRCBAD, R-OWN, R-4.2.14-ZERO */
static void test_sources(void **state)
{
	(void)state;
	expect_from(v3_report(), (struct addr)ADDR_V4(224, 1, 1, 1), RECEIVE_BAD_SOURCE);
	expect_from(v3_report(), (struct addr)ADDR_V4(255, 255, 255, 255), RECEIVE_BAD_SOURCE);
	expect_from(v3_report(), (struct addr)ADDR_V4(10, 0, 1, 255), RECEIVE_BAD_SOURCE);
	expect_from(v3_report(), (struct addr)ADDR_V4(127, 0, 0, 1), RECEIVE_BAD_SOURCE);
	expect_from(v3_report(), (struct addr)ADDR_V4(250, 0, 0, 1), RECEIVE_BAD_SOURCE);
	expect_from(v3_report(), (struct addr)ADDR_V4(10, 0, 1, 100), RECEIVE_OWN);
	expect_from(v3_report(), (struct addr)ADDR_V4(0, 0, 0, 0), RECEIVE_APPLIED);
	expect_from(general_query(), (struct addr)ADDR_V4(10, 0, 1, 100), RECEIVE_OWN);
	/* The link's own address is no host's, and would win every election. */
	expect_from(general_query(), (struct addr)ADDR_V4(10, 0, 1, 0), RECEIVE_BAD_SOURCE);
	expect_from(v3_report(), (struct addr)ADDR_V4(10, 0, 1, 0), RECEIVE_BAD_SOURCE);
}

/* R-4-SRCBAD: of a link of two (RFC 3021), or of one, the last address is a host's. */
static void test_sources_of_small_links(void **state)
{
	static const struct {
		uint8_t len, host;
		enum receive_verdict verdict;
	} cases[] = {
		{ 96 + 30, 103, RECEIVE_BAD_SOURCE },
		{ 96 + 31, 101, RECEIVE_APPLIED },
		{ 96 + 32, 101, RECEIVE_FOREIGN_SOURCE }, /* another one's */
	};
	const struct addr own = ADDR_V4(10, 0, 1, 100);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct prefix subnet = { own, cases[i].len };
		struct port_link link = { .up = true,
					  .address = own,
					  .own = &own,
					  .n_own = 1,
					  .subnets = &subnet,
					  .n_subnets = 1 };
		struct port_config config = sim_config();
		struct message message = v3_report();
		struct sim sim;

		config.verify_source_subnet = true;
		sim = sim_start(&config);
		engine_port_link(sim.engine, 1, &link, sim.now, &sim.out);
		message.source.b[15] = cases[i].host;
		assert_int_equal(sim_receive(&sim, 1, &message), cases[i].verdict);
		sim_fini(&sim);
	}
}

/* R-4.2.14-ZERO also for records that change a state. */
static void test_zero_source(void **state)
{
	struct message message = v3_report();
	struct message_record record = is_ex;
	struct sim sim = sim_start(NULL);

	(void)state;
	message.source = addr_from_v4_host(0);
	message.report.records = &record;
	sim_receive(&sim, 1, &message);
	record.type = RECORD_TO_IN;
	assert_int_equal(sim_receive(&sim, 1, &message), RECEIVE_APPLIED);
	check_script(&sim, "q G | = EXC:2");
	sim_fini(&sim);
}

/* R-9.2-SRC */
static void test_subnet(void **state)
{
	struct port_config config = sim_config();
	struct message message = v3_report();

	(void)state;
	expect_from(v3_report(), (struct addr)ADDR_V4(10, 9, 9, 9), RECEIVE_APPLIED);
	config.verify_source_subnet = true;
	expect(&config, &message, RECEIVE_APPLIED);
	message.source = (struct addr)ADDR_V4(10, 9, 9, 9);
	expect(&config, &message, RECEIVE_FOREIGN_SOURCE);
	message.source = (struct addr)ADDR_V4(0, 0, 0, 0);
	expect(&config, &message, RECEIVE_APPLIED);
	message.source = (struct addr)ADDR_V4(169, 254, 9, 9);
	expect(&config, &message, RECEIVE_FOREIGN_SOURCE);
	config.allow_link_local_source = true;
	expect(&config, &message, RECEIVE_APPLIED);
}

/* R-4.2.15-V2DST, R-4.2.15-V3DST */
static void test_report_destinations(void **state)
{
	const struct addr own = ADDR_V4(10, 0, 1, 100), other = ADDR_V4(10, 0, 1, 99);

	(void)state;
	expect_to(v2_message(MESSAGE_V2_REPORT), group, RECEIVE_APPLIED);
	expect_to(v2_message(MESSAGE_V2_REPORT), own, RECEIVE_APPLIED);
	expect_to(v2_message(MESSAGE_V1_REPORT), own, RECEIVE_APPLIED);
	expect_to(v2_message(MESSAGE_V2_REPORT), (struct addr)ADDR_V4(224, 0, 0, 2),
		  RECEIVE_APPLIED);
	expect_to(v2_message(MESSAGE_V2_REPORT), other, RECEIVE_BAD_DESTINATION);
	expect_to(v3_report(), own, RECEIVE_APPLIED);
	expect_to(v3_report(), (struct addr)ADDR_V4(224, 0, 0, 1), RECEIVE_APPLIED);
	expect_to(v3_report(), other, RECEIVE_BAD_DESTINATION);
}

/* R-2236-LVDST */
static void test_leave_destinations(void **state)
{
	(void)state;
	expect_to(v2_message(MESSAGE_V2_LEAVE), (struct addr)ADDR_V4(224, 0, 0, 2),
		  RECEIVE_APPLIED);
	expect_to(v2_message(MESSAGE_V2_LEAVE), group, RECEIVE_APPLIED);
	expect_to(v2_message(MESSAGE_V2_LEAVE), (struct addr)ADDR_V4(10, 0, 1, 100),
		  RECEIVE_BAD_DESTINATION);
	expect_to(v2_message(MESSAGE_V2_LEAVE), (struct addr)ADDR_V4(239, 9, 9, 9),
		  RECEIVE_BAD_DESTINATION);
}

/* R-4.1.12-RX, R-9.1-GQDST */
static void test_query_destinations(void **state)
{
	struct message specific = general_query();

	(void)state;
	expect_to(general_query(), (struct addr)ADDR_V4(10, 0, 1, 100), RECEIVE_APPLIED);
	expect_to(general_query(), (struct addr)ADDR_V4(224, 0, 0, 1), RECEIVE_APPLIED);
	expect_to(general_query(), (struct addr)ADDR_V4(224, 0, 0, 2), RECEIVE_APPLIED);
	expect_to(general_query(), (struct addr)ADDR_V4(224, 0, 0, 22), RECEIVE_APPLIED);
	expect_to(general_query(), group, RECEIVE_BAD_DESTINATION);
	expect_to(general_query(), (struct addr)ADDR_V4(10, 0, 1, 99), RECEIVE_BAD_DESTINATION);
	specific.query.group = group;
	expect_to(specific, group, RECEIVE_APPLIED);
	specific.query.group = (struct addr)ADDR_V4(10, 1, 1, 1);
	expect_to(specific, (struct addr)ADDR_V4(224, 0, 0, 1), RECEIVE_BAD_GROUP);
}

/* RFC 9776 section 4.1.9: without a group there are no sources to ask for. It elects nobody either.
 */
static void test_query_of_sources_alone(void **state)
{
	const struct addr source = sim_source(1);
	struct message query = general_query();
	struct sim sim = sim_start(NULL);

	(void)state;
	query.query.sources = &source;
	query.query.n_sources = 1;
	expect(NULL, &query, RECEIVE_BAD_GROUP);
	check_script(&sim, "IS_EX");
	sim_receive(&sim, 1, &query);
	check_script(&sim, "+10 | TO_IN | q G | = EXC:2");
	sim_fini(&sim);
}

/* R-9.2-RA: with it set nothing passes without the option, whoever need not have it. */
static void test_router_alert(void **state)
{
	struct port_config config = sim_config();
	struct message v3 = v3_report(), v2 = v2_message(MESSAGE_V2_REPORT),
		       v1 = v2_message(MESSAGE_V1_REPORT), query = general_query();

	(void)state;
	v3.router_alert = v2.router_alert = v1.router_alert = query.router_alert = false;
	expect(NULL, &v3, RECEIVE_APPLIED);
	expect(NULL, &v2, RECEIVE_APPLIED);
	config.require_router_alert = true;
	expect(&config, &v3, RECEIVE_NO_ROUTER_ALERT);
	expect(&config, &v2, RECEIVE_NO_ROUTER_ALERT);
	expect(&config, &v1, RECEIVE_NO_ROUTER_ALERT);
	expect(&config, &query, RECEIVE_NO_ROUTER_ALERT);
}

/* R-4.2-M0, R-4.2.13-UNK, R-4.2.9-GRP: the rest of the report counts. */
static void test_records(void **state)
{
	const struct message_record records[] = {
		{ 0, ADDR_V4(239, 1, 1, 1), NULL, 0 },
		{ 7, ADDR_V4(239, 1, 1, 1), NULL, 0 },
		{ 255, ADDR_V4(239, 1, 1, 1), NULL, 0 },
		{ RECORD_IS_EX, ADDR_V4(10, 1, 1, 1), NULL, 0 },
		{ RECORD_IS_EX, ADDR_V4(239, 1, 1, 1), NULL, 0 },
	};
	struct sim sim = sim_start(NULL);

	(void)state;
	assert_int_equal(sim_records(&sim, 1, sim_host(1, 1), NULL, 0), RECEIVE_APPLIED);
	check_script(&sim, "= none");
	assert_int_equal(sim_records(&sim, 1, sim_host(1, 1), records, 3), RECEIVE_APPLIED);
	check_script(&sim, "= none");
	assert_int_equal(sim_records(&sim, 1, sim_host(1, 1), records + 3, 1), RECEIVE_BAD_GROUP);
	assert_int_equal(sim_records(&sim, 1, sim_host(1, 1), records, 5), RECEIVE_APPLIED);
	check_script(&sim, "= EXC:270");
	sim_fini(&sim);
}

/* L-COUNT: of a report it is told what fared most worth telling, whichever record that was. */
static void test_worst_record(void **state)
{
	const struct message_record records[] = {
		{ RECORD_IS_EX, ADDR_V4(239, 1, 1, 1), NULL, 0 },
		{ RECORD_IS_EX, ADDR_V4(239, 1, 1, 2), NULL, 0 }, /* one too many */
		{ RECORD_IS_EX, ADDR_V4(239, 1, 1, 1), NULL, 0 },
	};
	struct port_config config = sim_config();
	struct sim sim;

	(void)state;
	config.max_groups = 1;
	sim = sim_start(&config);
	assert_int_equal(sim_records(&sim, 1, sim_host(1, 1), records, 2), RECEIVE_LIMIT);
	check_script(&sim, "+10 | = EXC:260");
	assert_int_equal(sim_records(&sim, 1, sim_host(1, 1), records + 1, 2), RECEIVE_LIMIT);
	check_script(&sim, "= EXC:270");
	sim_fini(&sim);
}

/* R-4.2.10-SRC, R-4.2-DUP */
static void test_record_sources(void **state)
{
	const struct addr sources[] = { ADDR_V4(192, 0, 2, 2), ADDR_V4(0, 0, 0, 0),
					ADDR_V4(127, 0, 0, 1), ADDR_V4(192, 0, 2, 1),
					ADDR_V4(224, 1, 1, 1), ADDR_V4(240, 0, 0, 1),
					ADDR_V4(192, 0, 2, 2), ADDR_V4(255, 255, 255, 255) };
	struct sim sim = sim_start(NULL);

	(void)state;
	sim_record(&sim, 1, sim_host(1, 1), RECORD_ALLOW, group, sources, 8);
	check_script(&sim, "= INC 1:270 2:270");
	sim_fini(&sim);
}

/* R-4.2-DUP: several records of one group in order, as in a change of sources (4.2.13). */
static void test_record_order(void **state)
{
	const struct addr s1 = sim_source(1), s2 = sim_source(2);
	const struct message_record records[] = { { RECORD_ALLOW, ADDR_V4(239, 1, 1, 1), &s2, 1 },
						  { RECORD_BLOCK, ADDR_V4(239, 1, 1, 1), &s1, 1 } };
	struct sim sim = sim_start(NULL);

	(void)state;
	check_script(&sim, "IS_IN 1 | +10");
	sim_records(&sim, 1, sim_host(1, 1), records, 2);
	check_script(&sim, "= INC 1:2 2:270 | q 1");
	sim_fini(&sim);
}

/* R-6.4.1-SPLIT, R-4.2-MAX: 600 sources in two reports, in either order. */
static void test_split(void **state)
{
	(void)state;
	for (int first = 0; first < 2; first++) {
		struct sim sim = sim_start(NULL);

		check_script(&sim,
			     first ? "IS_IN 301-600 | IS_IN 1-300" : "IS_IN 1-300 | IS_IN 301-600");
		for (unsigned int i = 1; i <= 600; i++) {
			struct addr source = sim_source(i);

			assert_true(engine_wants(sim.engine, 1, &group, &source));
		}
		check_script(&sim, "f !601 | +200 | IS_IN 1-300 | +70 | f 1 300 !301 !600");
		sim_fini(&sim);
	}
}

/* R-4.2-MAX: 1121 groups in one report. */
static void test_many_records(void **state)
{
	static struct message_record records[1121];
	struct sim sim = sim_start(NULL);
	struct engine_port_view view;

	(void)state;
	for (uint32_t i = 0; i < 1121; i++)
		records[i] = (struct message_record){ RECORD_IS_EX,
						      addr_from_v4_host(0xef010000 + i), NULL, 0 };
	sim_records(&sim, 1, sim_host(1, 1), records, 1121);
	assert_true(engine_port_view(sim.engine, 1, &view));
	assert_int_equal(view.n_groups, 1121);
	sim_fini(&sim);
}

/* R-3.2-NOFILT: a membership that filters sources does not filter messages. */
static void test_no_filter(void **state)
{
	struct sim sim = sim_start(NULL);
	struct message message = v3_report();
	const struct addr host = ADDR_V4(10, 0, 1, 10);

	(void)state;
	sim_record(&sim, 1, host, RECORD_IS_EX, group, &host, 1);
	message.destination = group;
	assert_int_equal(sim_receive(&sim, 1, &message), RECEIVE_APPLIED);
	sim_fini(&sim);
}

/* L-COUNT: by kind as well. */
static void test_counters(void **state)
{
	struct sim sim = sim_start(NULL);
	const struct engine_counters *counters = engine_port_counters(sim.engine, 1);

	(void)state;
	check_script(&sim, "IS_EX | V2 | LEAVE | high gen | +1");
	assert_int_equal(counters->reports_received, 2);
	assert_int_equal(counters->leaves_received, 1);
	assert_int_equal(counters->queries_received, 1);
	assert_int_equal(counters->queries_sent, 3); /* one at the start, two for the leave */
	assert_int_equal(total(counters), 4);
	sim_fini(&sim);
}

static void test_nobody(void **state)
{
	struct sim sim = sim_start(NULL);
	struct message message = v3_report();

	(void)state;
	assert_int_equal(sim_receive(&sim, 2, &message), RECEIVE_NOT_OURS);
	assert_int_equal(sim_receive(&sim, ENGINE_MAX_PORTS, &message), RECEIVE_NOT_OURS);
	assert_int_equal(sim_receive(&sim, 0, &message), RECEIVE_NOT_OURS);
	sim_fini(&sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ttl),
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_sources_of_small_links),
		cmocka_unit_test(test_zero_source),
		cmocka_unit_test(test_subnet),
		cmocka_unit_test(test_report_destinations),
		cmocka_unit_test(test_leave_destinations),
		cmocka_unit_test(test_query_destinations),
		cmocka_unit_test(test_query_of_sources_alone),
		cmocka_unit_test(test_router_alert),
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_worst_record),
		cmocka_unit_test(test_record_sources),
		cmocka_unit_test(test_record_order),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_many_records),
		cmocka_unit_test(test_no_filter),
		cmocka_unit_test(test_counters),
		cmocka_unit_test(test_nobody),
	};

	return cmocka_run_group_tests_name("receive", tests, NULL, NULL);
}
