/* SPDX-License-Identifier: BSD-2-Clause */
#include "model.h"

#define GMI 270000
#define OHPI 260000
#define OQPI 255000
#define LMQT 2000

enum {
	IS_IN = 1,
	IS_EX,
	TO_IN,
	TO_EX,
	ALLOW,
	BLOCK
};

static void set_timers(struct model_state *s, uint8_t which, uint64_t end)
{
	for (int i = 0; i < MODEL_SOURCES; i++) {
		if (which >> i & 1)
			s->timer[i] = end;
	}
}

static void lower_timers(struct model_state *s, uint8_t which, uint64_t end)
{
	for (int i = 0; i < MODEL_SOURCES; i++) {
		if (which >> i & 1 && s->timer[i] > end)
			s->timer[i] = end;
	}
}

static void lower_group(struct model_state *s, uint64_t end)
{
	if (s->exclude && s->group_timer > end)
		s->group_timer = end;
}

/* --- time --- */

/* Carries out what ends at `now`: tables 6 and 7, section 6.5. */
static void expire(struct model_state *s, uint64_t now)
{
	for (int i = 0; i < MODEL_SOURCES; i++) {
		uint8_t bit = (uint8_t)(1 << i);

		if (!(s->x & bit) || s->timer[i] > now)
			continue;
		s->x &= (uint8_t)~bit;
		if (s->exclude)
			s->y |= bit;
	}
	if (s->exclude && s->group_timer <= now) {
		s->exclude = false;
		s->y = 0;
	}
}

static uint64_t next_end(const struct model_state *s)
{
	uint64_t next = UINT64_MAX;

	for (int i = 0; i < MODEL_SOURCES; i++) {
		if (s->x >> i & 1 && s->timer[i] < next)
			next = s->timer[i];
	}
	if (s->exclude && s->group_timer < next)
		next = s->group_timer;
	return next;
}

void model_advance(struct model *model, uint64_t to)
{
	for (int port = 0; port < MODEL_PORTS; port++) {
		for (int group = 0; group < MODEL_GROUPS; group++) {
			struct model_state *s = &model->state[port][group];

			while (next_end(s) <= to)
				expire(s, next_end(s));
		}
		if (model->other_querier_until[port] <= to)
			model->other_querier_until[port] = 0;
	}
	model->now = to;
}

/* --- reports --- */

/* What table 9 asks for with "Send Q". */
struct questions {
	uint8_t sources;
	bool group;
};

/* State INCLUDE (A) */
static struct questions on_include(struct model_state *s, int type, uint8_t b, uint64_t now)
{
	struct questions q = { 0 };
	uint8_t a = s->x;

	switch (type) {
	case IS_IN:
	case ALLOW:
		s->x = a | b;
		set_timers(s, b, now + GMI);
		break;
	case TO_IN:
		s->x = a | b;
		set_timers(s, b, now + GMI);
		q.sources = a & (uint8_t)~b;
		break;
	case TO_EX:
		q.sources = a & b;
		/* fall through */
	case IS_EX:
		s->exclude = true;
		s->x = a & b;
		s->y = b & (uint8_t)~a;
		s->group_timer = now + GMI;
		break;
	case BLOCK:
		q.sources = a & b;
		break;
	}
	return q;
}

/* State EXCLUDE (X,Y) */
static struct questions on_exclude(struct model_state *s, int type, uint8_t a, uint64_t now)
{
	struct questions q = { 0 };
	uint8_t x = s->x, y = s->y, fresh = a & (uint8_t) ~(x | y);

	switch (type) {
	case TO_IN:
		q.sources = x & (uint8_t)~a;
		q.group = true;
		/* fall through */
	case IS_IN:
	case ALLOW:
		s->x = x | a;
		s->y = y & (uint8_t)~a;
		set_timers(s, a, now + GMI);
		break;
	case IS_EX:
		s->x = a & (uint8_t)~y;
		s->y = y & a;
		set_timers(s, fresh, now + GMI);
		s->group_timer = now + GMI;
		break;
	case TO_EX:
		s->x = a & (uint8_t)~y;
		s->y = y & a;
		set_timers(s, fresh, s->group_timer);
		q.sources = a & (uint8_t)~y;
		s->group_timer = now + GMI;
		break;
	case BLOCK:
		s->x = x | (a & (uint8_t)~y);
		set_timers(s, fresh, s->group_timer);
		q.sources = a & (uint8_t)~y;
		break;
	}
	return q;
}

/* Tables 13 and 14: false: ignored; may empty the list of sources. */
static bool compatible(const struct model_state *s, uint64_t now, int type, uint8_t *b)
{
	bool v1 = s->v1_until > now, v2 = s->v2_until > now;

	if ((v1 || v2) && type == BLOCK)
		return false;
	if (v1 && type == TO_IN)
		return false;
	if ((v1 || v2) && type == TO_EX)
		*b = 0;
	return true;
}

void model_report(struct model *model, int port, int group, int version, int type, uint8_t b)
{
	struct model_state *s = &model->state[port][group];
	bool querier = model->other_querier_until[port] == 0;
	uint64_t now = model->now;
	struct questions q;

	/* Version 1 and 2 are remembered with the group: nothing is remembered without one. */
	if (!s->exclude && !s->x)
		s->v1_until = s->v2_until = 0;
	if (version == 1)
		s->v1_until = now + OHPI;
	if (version == 2 && type == IS_EX)
		s->v2_until = now + OHPI;
	if (!compatible(s, now, type, &b))
		return;
	q = s->exclude ? on_exclude(s, type, b, now) : on_include(s, type, b, now);
	if (!querier)
		return;
	lower_timers(s, q.sources, now + LMQT);
	if (q.group)
		lower_group(s, now + LMQT);
}

/* --- queries --- */

void model_general_query(struct model *model, int port)
{
	model->other_querier_until[port] = model->now + OQPI;
}

void model_specific_query(struct model *model, int port, int group, bool suppress, uint8_t sources)
{
	struct model_state *s = &model->state[port][group];

	if (model->other_querier_until[port] == 0 || suppress)
		return;
	if (sources)
		lower_timers(s, sources & s->x, model->now + LMQT);
	else
		lower_group(s, model->now + LMQT);
}

/* --- table 7 --- */

bool model_wants(const struct model *model, int port, int group, int source)
{
	const struct model_state *s = &model->state[port][group];

	if (s->x >> source & 1)
		return true;
	if (s->y >> source & 1)
		return false;
	return s->exclude;
}
