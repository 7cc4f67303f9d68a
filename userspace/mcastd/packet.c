// SPDX-License-Identifier: BSD-2-Clause
/* The way of an IGMP message: frame -> message -> engine -> actions -> frames and routes. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mcastd/daemon.h"

/*
 * A socket's turn: at most so many frames, and not for much longer than so many milliseconds,
 * whatever they bring about. Then others get theirs.
 */
#define TURN_FRAMES 64
#define TURN_MS 5

static void log_refused(struct port *port, struct log_limit *limit, const char *what,
			const struct message *message)
{
	char source[ADDR_TEXT_MAX], text[128];
	const struct log_about about = {
		.event = "igmp-dropped",
		.interface = port->name,
		.host = message ? addr_format(&message->source, source, sizeof(source)) : NULL,
	};
	unsigned int suppressed;

	if (!log_limit_pass(limit, loop_now(port->daemon->loop), &suppressed))
		return;
	snprintf(text, sizeof(text), "IGMP%s%s dropped: %s", about.host ? " from " : "",
		 about.host ? about.host : "", what);
	event_tell(port->daemon, LOG_LEVEL_INFO, &about, text, suppressed);
}

static void receive_frame(void *arg, const uint8_t *frame, size_t len)
{
	struct port *port = arg;
	struct daemon *daemon = port->daemon;
	enum receive_verdict verdict;
	enum wire_verdict parsed;
	struct message message;

	limit_read(port, frame, len);
	if (slow_forward(port, frame, len))
		return;
	parsed = wire_parse(frame, len, (uint16_t)port->applied.vlan, daemon->wire, &message);
	port->wire[parsed]++;
	if (parsed != WIRE_OK) {
		log_refused(port, &port->wire_limit, wire_verdict_name(parsed), NULL);
		return;
	}
	if (message.type == MESSAGE_QUERY)
		local_hear_query(port, &message, frame, len);
	verdict = engine_receive(daemon->engine, port->slot, &message, loop_now(daemon->loop),
				 &daemon->actions);
	if (verdict != RECEIVE_APPLIED && verdict != RECEIVE_NOT_OURS && verdict != RECEIVE_OWN &&
	    verdict != RECEIVE_BAD_GROUP)
		log_refused(port, &port->engine_limit, receive_verdict_name(verdict), &message);
	daemon_perform(daemon);
}

void port_receive(void *arg, uint32_t events)
{
	struct port_queue *queue = arg;
	struct loop *loop = queue->port->daemon->loop;
	uint64_t begin = loop_now(loop);

	(void)events;
	for (unsigned int n = 0; n < TURN_FRAMES && loop_now(loop) < begin + TURN_MS; n++) {
		if (!xsk_receive(queue->xsk, 1, receive_frame, queue->port))
			break;
		loop_update_now(loop);
	}
	limit_turn_done(queue->port);
}

static void port_send(struct port *port, const struct message *message)
{
	uint8_t frame[WIRE_FRAME_MAX];
	unsigned int suppressed;
	ssize_t len;
	int err;

	if (!port || !port->open)
		return;
	len = wire_build(message, port->applied.mac, (uint16_t)port->applied.vlan, frame,
			 sizeof(frame));
	err = len < 0 ? (int)len : xsk_send(port->queues[0].xsk, frame, (size_t)len);
	if (!err && message->type == MESSAGE_QUERY)
		local_hear_own_query(port, message);
	if (!err)
		return;
	port->send_failed++;
	if (log_limit_pass(&port->send_limit, loop_now(port->daemon->loop), &suppressed))
		log_warning("%s: an IGMP message could not be sent: %s (%u before it)", port->name,
			    strerror(-err), suppressed);
}

static void perform(struct daemon *daemon, const struct action *action)
{
	struct port *port = daemon->ports[action->port];

	switch (action->type) {
	case ACTION_SEND:
		port_send(port, &action->message);
		break;
	case ACTION_CHANGED:
		forward_update_group(daemon->forward, &action->group);
		break;
	case ACTION_PORT:
		forward_update_port(daemon->forward, action->port);
		break;
	case ACTION_EVENT:
		if (action->event.type == EVENT_GROUP_JOINED)
			local_check_soon(daemon);
		event_report(daemon, port, &action->event);
		break;
	}
}

/* Routes before messages: data flows while a report or query is still being written. */
void daemon_perform(struct daemon *daemon)
{
	struct actions *actions = &daemon->actions;
	unsigned int suppressed;

	for (size_t i = 0; i < actions->n; i++)
		if (actions->list[i].type == ACTION_CHANGED || actions->list[i].type == ACTION_PORT)
			perform(daemon, &actions->list[i]);
	for (size_t i = 0; i < actions->n; i++)
		if (actions->list[i].type != ACTION_CHANGED && actions->list[i].type != ACTION_PORT)
			perform(daemon, &actions->list[i]);
	if (actions->failed &&
	    log_limit_pass(&daemon->route_limit, loop_now(daemon->loop), &suppressed))
		log_error("out of memory: some changes are late, they are tried again");
	if (actions->failed)
		forward_update_all(daemon->forward);
	actions_clear(actions);
	loop_deadline_set(daemon->loop, daemon->engine_deadline,
			  engine_next_deadline(daemon->engine));
	/* The data plane's upkeep comes after everything that waits now. */
	loop_deadline_set(daemon->loop, daemon->maintain_deadline, loop_now(daemon->loop));
}
