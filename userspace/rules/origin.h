/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where sources live: behind the port whose subnets or altnet hold the longest prefix of their
 * address. A source that is of no prefix lives beyond the upstream. It is a guard against loops and
 * spoofed sources (RFC 4605 section 5). The router's own
 * addresses live behind no port.
 */
#ifndef RULES_ORIGIN_H
#define RULES_ORIGIN_H

#include "base/addr.h"

/* A prefix of sources, and the port behind which they live. */
struct origin {
	struct prefix prefix; /* no bits behind its length */
	uint32_t slot;	      /* or one of: */
};

#define ORIGIN_SHARED 0u	/* behind several ports */
#define ORIGIN_SELF 0xffffffffu /* an address of the router itself, whatever ports say of it */

/*
 * Brings a list of what all ports say into order, shorter prefixes first, each prefix once; one
 * that several ports claim becomes shared. Returns how many are left.
 */
uint32_t origin_merge(struct origin *origins, uint32_t n);
/* What is known of a source's home, from a merged list: the longest prefix, or NULL. */
const struct origin *origin_find(const struct origin *origins, uint32_t n,
				 const struct addr *source);

/* A port on which a packet may arrive, or behind which a source lives. */
struct origin_port {
	uint32_t slot;
	bool upstream;
};

/*
 * May a packet of a source with this home (NULL: of no prefix) come in by that port? By a
 * downstream port only what lives behind it; by the upstream whatever lives behind no downstream.
 * home_is_upstream: of the port of the home, if there is one.
 */
bool origin_admits(const struct origin *home, bool home_is_upstream, struct origin_port arrival);

#endif
