// SPDX-License-Identifier: BSD-2-Clause
/* Events of the engine and of ports: one log line each, and one JSON object for monitors. */
#include <stdio.h>

#include "mcastd/daemon.h"

/*
 * How an event is told. The text is a sentence behind "INTERFACE: " in which %g, %s, %h and %v
 * stand for the group, the source, the host and the IGMP version.
 */
static const struct event_kind {
	const char *name;
	enum log_level level;
	const char *text;
} kinds[EVENT_TYPES] = {
	[EVENT_GROUP_JOINED] = { "group-joined", LOG_LEVEL_INFO, "%h joined %g" },
	[EVENT_GROUP_LEFT] = { "group-left", LOG_LEVEL_INFO, "nobody is left in %g" },
	[EVENT_SOURCE_JOINED] = { "source-joined", LOG_LEVEL_INFO, "%h joined %g from %s" },
	[EVENT_SOURCE_LEFT] = { "source-left", LOG_LEVEL_INFO, "nobody wants %g from %s any more" },
	[EVENT_QUERIER_SELF] = { "querier-self", LOG_LEVEL_NOTICE, "we are the querier" },
	[EVENT_QUERIER_OTHER] = { "querier-other", LOG_LEVEL_NOTICE,
				  "%h is the querier; not forwarding to this link unless "
				  "forward-as-non-querier is set" },
	[EVENT_OLDER_QUERIER] = { "older-querier", LOG_LEVEL_WARNING,
				  "%h sends IGMPv%v queries; every querier of a link should speak "
				  "the same version" },
	[EVENT_OLDER_HOST] = { "older-host", LOG_LEVEL_INFO,
			       "%h speaks IGMPv%v for %g: source filters of others do not count" },
	[EVENT_DUPLICATE_ADDRESS] = { "duplicate-address", LOG_LEVEL_WARNING,
				      "a query came from our own address %h: is it in use twice?" },
	[EVENT_FOREIGN_QUERIER] = { "foreign-querier", LOG_LEVEL_WARNING,
				    "a query came from %h, which is not of this link's subnets; "
				    "it does not become the querier" },
	[EVENT_LIMIT_GROUPS] = { "limit-groups", LOG_LEVEL_WARNING,
				 "%g of %h ignored: max-groups is reached" },
	[EVENT_LIMIT_SOURCES] = { "limit-sources", LOG_LEVEL_WARNING,
				  "sources of %g of %h ignored: max-group-sources or max-sources is reached" },
	[EVENT_LIMIT_HOSTS] = { "limit-hosts", LOG_LEVEL_WARNING,
				"%h is not tracked: max-hosts is reached" },
	[EVENT_LIMIT_RESPONSES] = { "limit-responses", LOG_LEVEL_WARNING,
				    "too many source-specific queries are waiting for an answer" },
	[EVENT_NO_MEMORY] = { "no-memory", LOG_LEVEL_ERROR, "out of memory; state kept as it was" },
};

static void event_text(const struct event *event, char *out, size_t size)
{
	char addr[ADDR_TEXT_MAX];
	size_t n = 0;

	for (const char *p = kinds[event->type].text; *p && n + 1 < size; p++) {
		int len = 0;

		if (*p != '%') {
			out[n++] = *p;
			continue;
		}
		switch (*++p) {
		case 'g':
			len = snprintf(out + n, size - n, "%s",
				       addr_format(&event->group, addr, sizeof(addr)));
			break;
		case 's':
			len = snprintf(out + n, size - n, "%s",
				       addr_format(&event->source, addr, sizeof(addr)));
			break;
		case 'h':
			len = snprintf(out + n, size - n, "%s",
				       addr_is_unspecified(&event->host)
					       ? "a host"
					       : addr_format(&event->host, addr, sizeof(addr)));
			break;
		case 'v':
			len = snprintf(out + n, size - n, "%u", event->version);
			break;
		}
		n += (size_t)len;
	}
	out[n < size ? n : size - 1] = '\0';
}

/* NULL for none. */
static const char *addr_text(const struct addr *addr, char text[ADDR_TEXT_MAX])
{
	return addr_is_unspecified(addr) ? NULL : addr_format(addr, text, ADDR_TEXT_MAX);
}

void event_publish(struct daemon *daemon, const struct log_about *about, const char *text,
		   json_t *more)
{
	/* Seconds since the daemon started, as the other times in JSON. */
	double time = (double)(loop_now(daemon->loop) - daemon->started) / 1000;
	json_t *object = json_pack("{s:s, s:s, s:s, s:f}", "event", about->event, "interface",
				   about->interface, "text", text, "time", time);

	if (about->group)
		json_object_set_new(object, "group-address", json_string(about->group));
	if (about->source)
		json_object_set_new(object, "source-address", json_string(about->source));
	if (about->host)
		json_object_set_new(object, "host", json_string(about->host));
	if (more)
		json_object_update(object, more);
	server_publish(daemon->server, object);
	json_decref(object);
	json_decref(more);
}

void event_tell(struct daemon *daemon, enum log_level level, const struct log_about *about,
		const char *text, unsigned int suppressed)
{
	if (suppressed)
		log_about(level, about, "%s: %s (and %u more)", about->interface, text, suppressed);
	else
		log_about(level, about, "%s: %s", about->interface, text);
	/* The server is there between start and stop. */
	if (daemon->server && server_has_monitors(daemon->server))
		event_publish(daemon, about, text, NULL);
}

void event_report(struct daemon *daemon, const struct port *port, const struct event *event)
{
	const struct event_kind *kind = &kinds[event->type];
	char group[ADDR_TEXT_MAX], source[ADDR_TEXT_MAX], host[ADDR_TEXT_MAX], text[256];
	const struct log_about about = {
		.event = kind->name,
		.interface = port ? port->name : "?",
		.group = addr_text(&event->group, group),
		.source = addr_text(&event->source, source),
		.host = addr_text(&event->host, host),
	};

	event_text(event, text, sizeof(text));
	event_tell(daemon, kind->level, &about, text, event->suppressed);
}

void event_port(struct daemon *daemon, const struct port *port, enum log_level level,
		const char *name, const char *text)
{
	const struct log_about about = { .event = name, .interface = port->name };

	event_tell(daemon, level, &about, text, 0);
}
