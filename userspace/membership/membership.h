/* SPDX-License-Identifier: BSD-2-Clause */
/* Memberships: finding, beginning, changing and ending them. */
#ifndef MEMBERSHIP_MEMBERSHIP_H
#define MEMBERSHIP_MEMBERSHIP_H

#include "state.h"

/* One change of one membership: a record, an expiry or a decision of the operator. */
struct change {
	struct port *port;
	struct membership *m;
	const struct addr *a; /* the record's sources, sorted; tables 8 and 9 call them A or B */
	uint32_t n_a;
	struct addr host; /* who reported */
	uint64_t now;
	struct actions *out;
	uint32_t refused; /* sources left out: max-group-sources, max-sources */
	bool opened;	  /* the membership began with this change */
	bool changed;	  /* what the port wants of the group is different now */
	bool reschedule;  /* something is due earlier than before */
	bool no_memory;
};

struct group *group_find(const struct engine *engine, const struct addr *addr);
/* The memberships of a group, group->node.n of them. */
struct membership **group_members(struct group *group);

struct membership *membership_find(const struct engine *engine, const struct port *port,
				   const struct addr *group);
/* Begins an empty membership; NULL when memory ran out. */
struct membership *membership_open(struct port *port, const struct addr *group, uint64_t now);
/* The part for rare things, made when first asked for; NULL when memory ran out. */
struct membership_extra *membership_extra(struct membership *m);
/* Starts the group timer anew: the filter mode is EXCLUDE from now on. */
void membership_set_group_timer(struct change *c, uint64_t expires);
/* Ends the membership if nothing is left of it, tells if it changed. The last step of a change. */
void membership_commit(struct change *c);
/* Ends what hosts asked for; the static part stays. */
void membership_drop(struct membership *m, uint64_t now, struct actions *out);

/* The oldest version among the group's members, section 7.3.2. */
uint8_t membership_version(const struct membership *m, uint64_t now);

/* The timers of a membership and of a source block have fired. */
void membership_tick(struct membership *m, uint64_t now, struct actions *out);
void membership_sources_tick(struct source_block *block, uint64_t now, struct actions *out);
/* The group timer has ended, section 6.5. */
void membership_group_timeout(struct change *c);
/* Ends a source timer now. In INCLUDE mode membership_forget_stopped() must follow. */
void membership_stop_source(struct change *c, struct source *source);
/* Removes the sources whose timers do not run. */
void membership_forget_stopped(struct change *c);

/*
 * Attaches the static groups of the port's settings; they replace those of earlier settings.
 * Returns 0 or -ENOMEM.
 */
int membership_attach_statics(struct port *port, uint64_t now, struct actions *out);
/* Detaches the static groups of these settings that have not been replaced. */
void membership_detach_statics(struct port *port, const struct settings *settings, uint64_t now,
			       struct actions *out);

#endif
