/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What becomes of a packet, and why: the same answer as the BPF programs give, from the rules, the
 * memberships and the routes as the data plane has them. Whoever shows or explains what is
 * forwarded, or forwards in the programs' place, asks here. tests/bpf/decide.c compares the two.
 */
#ifndef FORWARD_DECIDE_H
#define FORWARD_DECIDE_H

#include "forward/forward.h"
#include "forward/port_map.h"
#include "rules/origin.h"

/* A sound IPv4 packet in a frame to its group's MAC; IGMP is none. */
struct decide_packet {
	struct addr source, group;
	unsigned int arrival; /* the port */
	uint16_t vlan;	      /* of its tag, 0: none */
	uint8_t ttl;	      /* as it arrives */
	uint32_t length;      /* bytes of the IP packet */
	bool dont_fragment;
};

/* The origins that the data plane checks packets by, merged. */
struct decide_origins {
	const struct origin *list;
	uint32_t n;
};

enum decide_verdict {
	DECIDE_FORWARDED,
	DECIDE_PASSED, /* none of ours: not multicast, no port, another VLAN */
	DECIDE_LINK_LOCAL_GROUP,
	DECIDE_MARTIAN_SOURCE,
	DECIDE_LINK_LOCAL_SOURCE,
	DECIDE_TTL_EXPIRED,
	DECIDE_BOUNDARY,
	DECIDE_WRONG_PORT,
	DECIDE_NO_ROUTE,
	DECIDE_NO_MEMBER, /* its route leads nowhere from there */
};

/* By what it finds its ports. */
enum decide_way {
	DECIDE_BY_NOTHING,
	DECIDE_BY_DEFAULT, /* no route: what comes from a downstream goes to the upstream */
	DECIDE_BY_GROUP,   /* the (*,G) route */
	DECIDE_BY_SOURCE,  /* the (S,G) route */
};

struct decision {
	enum decide_verdict verdict;
	enum decide_way way;
	const struct origin *home;     /* NULL: the source is of no prefix */
	const struct prefix *boundary; /* that stopped it on arrival */
	bool by_set;		       /* its route leads to several ports, as one broadcast */
	bool by_daemon;		       /* which sends what the programs cannot */
	struct port_map out;	       /* where it is to go */
	struct port_map sent;	       /* of these, where it leaves */
	struct port_map fragmented;    /* of these, in fragments */
	struct port_map too_big;       /* of out: larger than the MTU, with DF */
	struct port_map below_ttl;     /* of out: its TTL is below the threshold */
};

void decide_packet(const struct forward *forward, const struct decide_origins *origins,
		   const struct decide_packet *packet, struct decision *decision);

enum decide_reason {
	/* It is to go there: */
	DECIDE_ASKED,	   /* somebody asked for this source */
	DECIDE_ANY_SOURCE, /* somebody joined the group from any source, and nobody refuses this */
	DECIDE_UPSTREAM,   /* what comes from a downstream always goes to the upstream */
	DECIDE_HELD,	   /* it did before a restart, and hosts have not had time to report */
	/* It is not: */
	DECIDE_ARRIVAL, /* it came from there */
	DECIDE_ABSENT,	/* the port is not open */
	DECIDE_BOUNDED,
	DECIDE_NOT_QUERIER,   /* another router is, and forwards there */
	DECIDE_NOBODY,	      /* nobody there has joined the group */
	DECIDE_OTHER_SOURCES, /* nobody there has asked for this source */
	DECIDE_BLOCKED,	      /* everybody there refuses this source */
	DECIDE_FROM_UPSTREAM, /* what comes from an upstream goes to none */
};

/* A port's part of a decision. */
struct decide_answer {
	enum decide_reason reason;
	bool wanted;	 /* the reason is one of the first kind */
	bool installed;	 /* the data plane knows: as wanted, and not otherwise */
	bool sent;	 /* it leaves there */
	bool fragmented; /* in fragments */
	bool too_big, below_ttl;
	const struct prefix *boundary; /* DECIDE_BOUNDED */
	bool is_member, is_listed;
	struct engine_membership_view membership; /* is_member */
	struct engine_source_view listing;	  /* is_listed: what it says of the source */
};

/* Why the packet that was decided on goes to a port or does not. */
void decide_port(const struct forward *forward, const struct decide_packet *packet,
		 const struct decision *decision, unsigned int port, struct decide_answer *answer);

/*
 * Where packets of a route go that arrive on a port (0: on the upstream, none in particular).
 * slots: room for ENGINE_MAX_PORTS. Returns how many.
 */
uint32_t decide_route(const struct forward *forward, const struct forward_route *route,
		      unsigned int arrival, uint16_t *slots);

#endif
