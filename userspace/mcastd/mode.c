/* SPDX-License-Identifier: BSD-2-Clause */
#include "mcastd/mode.h"

/* Why frames cannot be sent to the port natively; MODE_AS_WANTED: they can, or it is to be tried.
 */
static enum mode_reason why_unreachable(const struct mode_port *port)
{
	bool generic = port->configured == DATAPLANE_MODE_GENERIC;

	/* It fails, so nothing is sent to it. */
	if (port->configured == DATAPLANE_MODE_NATIVE && port->native == MODE_REFUSED)
		return MODE_AS_WANTED;
	if (port->bond)
		return MODE_NO_BOND;
	if (port->refuses)
		return MODE_NO_ACCEPTANCE;
	if (port->transmit == DATAPLANE_TRANSMIT_YES)
		return MODE_AS_WANTED;
	if (port->transmit == DATAPLANE_TRANSMIT_NEVER)
		return MODE_NO_DRIVER;
	if (generic)
		return port->transmit == DATAPLANE_TRANSMIT_NO ? MODE_NO_PERMISSION
							       : MODE_NO_KNOWLEDGE;
	if (port->native == MODE_REFUSED)
		return MODE_NO_PROGRAM;
	if (port->transmit == DATAPLANE_TRANSMIT_UNKNOWN)
		return MODE_AS_WANTED;
	/* Of a veth the other end is still to come, perhaps. */
	if (port->carrier && (port->attached || port->learned == DATAPLANE_TRANSMIT_NO))
		return MODE_NO_TRANSMIT;
	return MODE_AS_WANTED;
}

/* Does any port want native mode? Else nothing is to be decided. */
static bool native_wanted(const struct mode_port *ports, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		if (ports[i].there && ports[i].configured != DATAPLANE_MODE_GENERIC)
			return true;
	return false;
}

/* The first port that cannot be reached natively, n if all can. */
static unsigned int find_cause(const struct mode_port *ports, unsigned int n)
{
	unsigned int i = native_wanted(ports, n) ? 0 : n;

	while (i < n && (!ports[i].there || why_unreachable(&ports[i]) == MODE_AS_WANTED))
		i++;
	return i;
}

static enum mode_reason own_reason(const struct mode_port *port)
{
	if (port->configured == DATAPLANE_MODE_GENERIC)
		return MODE_AS_CONFIGURED;
	if (port->configured == DATAPLANE_MODE_AUTO && port->native == MODE_REFUSED)
		return MODE_FELL_BACK;
	return MODE_AS_WANTED;
}

/* cause: n if there is none. */
static void choose(const struct mode_port *ports, unsigned int n, unsigned int cause,
		   unsigned int i, struct mode_choice *choice)
{
	const struct mode_port *port = &ports[i];
	enum mode_reason own = why_unreachable(port);

	*choice = (struct mode_choice){ port->configured, own_reason(port), i, false };
	if (port->bond && port->configured == DATAPLANE_MODE_AUTO)
		choice->mode = DATAPLANE_MODE_GENERIC;
	if (cause == n)
		return;
	/* "native" asks that the driver takes the program, whatever is needed for others. */
	if (port->configured == DATAPLANE_MODE_NATIVE && port->native != MODE_WORKS)
		return;
	choice->mode = DATAPLANE_MODE_GENERIC;
	choice->cause = port->there && own != MODE_AS_WANTED ? i : cause;
	choice->reason = why_unreachable(&ports[choice->cause]);
}

/* The mode is not what the port has, and attaching can succeed. */
static bool is_due(const struct mode_port *port, const struct mode_choice *choice)
{
	return choice->mode != DATAPLANE_MODE_GENERIC && !port->attached && !port->waiting &&
	       port->native != MODE_REFUSED;
}

/* What it can do shows only when it is attached. */
static bool is_open(const struct mode_port *port)
{
	return port->native == MODE_UNTRIED || (port->transmit == DATAPLANE_TRANSMIT_NO &&
						port->learned == DATAPLANE_TRANSMIT_UNKNOWN);
}

/* Ports of which nothing new is expected wait for what the others show. */
static void choose_tries(const struct mode_port *ports, unsigned int n, struct mode_choice *choices)
{
	bool any_open = false;

	for (unsigned int i = 0; i < n; i++)
		any_open |= is_due(&ports[i], &choices[i]) && is_open(&ports[i]);
	for (unsigned int i = 0; i < n; i++)
		choices[i].try =
			is_due(&ports[i], &choices[i]) && (!any_open || is_open(&ports[i]));
}

void mode_choose(const struct mode_port *ports, unsigned int n, struct mode_choice *choices)
{
	unsigned int cause = find_cause(ports, n);

	for (unsigned int i = 0; i < n; i++)
		choose(ports, n, cause, i, &choices[i]);
	choose_tries(ports, n, choices);
}
