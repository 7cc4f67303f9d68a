/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RFC 9776 tables 5 to 10, 13 and 14 a second time, as simple as can be: sets are bits, state is an
 * array, every step looks at everything. Written from the RFC, not from the engine, which is
 * compared with it. Values of section 8 are the defaults.
 */
#ifndef TESTS_SUPPORT_MODEL_H
#define TESTS_SUPPORT_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#define MODEL_PORTS 3
#define MODEL_GROUPS 3
#define MODEL_SOURCES 8

struct model_state {
	bool exclude;
	uint64_t group_timer; /* when it ends */
	uint8_t x, y;	      /* sources with and without a running timer; A of INCLUDE is x */
	uint64_t timer[MODEL_SOURCES];
	uint64_t v1_until, v2_until; /* Older Host Present */
};

struct model {
	uint64_t now;
	struct model_state state[MODEL_PORTS][MODEL_GROUPS];
	uint64_t other_querier_until[MODEL_PORTS]; /* 0: we are the querier */
};

/* Lets time pass. */
void model_advance(struct model *model, uint64_t to);
/* A record, type as on the wire, b its sources; a v2 report is IS_EX of version 2 and so on. */
void model_report(struct model *model, int port, int group, int version, int type, uint8_t b);
/* A General Query of a router with a lower address. */
void model_general_query(struct model *model, int port);
/* A specific query of that router; sources 0: Q(G). */
void model_specific_query(struct model *model, int port, int group, bool suppress, uint8_t sources);
bool model_wants(const struct model *model, int port, int group, int source);

#endif
