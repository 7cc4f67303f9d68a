/* SPDX-License-Identifier: BSD-2-Clause */
#include "event.h"

/* A burst, and one more for each interval after it. */
struct event_rate {
	uint32_t burst;
	uint32_t interval_ms;
};

/* What follows memberships is worth seeing; what tells of trouble is worth seeing now and then. */
static const struct event_rate news = { 200, 10 }, trouble = { 3, 10000 };

static const struct event_rate *rate_of(enum event_type type)
{
	switch (type) {
	case EVENT_GROUP_JOINED:
	case EVENT_GROUP_LEFT:
	case EVENT_SOURCE_JOINED:
	case EVENT_SOURCE_LEFT:
		return &news;
	default:
		return &trouble;
	}
}

/* True if the event may be told now. */
static bool take_token(struct event_bucket *bucket, const struct event_rate *rate, uint64_t now)
{
	uint64_t fresh = (now - bucket->refilled) / rate->interval_ms;

	if (!bucket->refilled || fresh >= rate->burst - bucket->tokens) {
		bucket->tokens = rate->burst;
		bucket->refilled = now;
	} else {
		bucket->tokens += (uint32_t)fresh;
		bucket->refilled += fresh * rate->interval_ms;
	}
	if (!bucket->tokens) {
		bucket->suppressed++;
		return false;
	}
	bucket->tokens--;
	return true;
}

void event_emit(struct port *port, const struct event *event, uint64_t now, struct actions *out)
{
	struct event_bucket *bucket = &port->buckets[event->type];
	struct action *action;

	if (!take_token(bucket, rate_of(event->type), now))
		return;
	action = actions_add(out, ACTION_EVENT, port->number);
	if (!action)
		return;
	action->event = *event;
	action->event.suppressed = bucket->suppressed;
	bucket->suppressed = 0;
}
