/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The XDP programs and their maps: load or take over, attach, keep ports, routes and port sets,
 * read counters. The only part of the daemon that knows BPF.
 *
 * Life of the maps: dataplane_open() takes over what is pinned in the bpffs directory if its ABI
 * version is ours, else creates and pins it. A port whose interface already runs a program that
 * uses these maps (xdp-loader put it there) is used as it is and left as it is, unless a daemon put
 * it there and it is not that of this build: then it is replaced. One of an mcastd with other maps
 * is replaced later, by dataplane_take_over().
 */
#ifndef DATAPLANE_DATAPLANE_H
#define DATAPLANE_DATAPLANE_H

#include <net/if.h>

#include "forward/decide.h"
#include "forward/forward.h"
#include "mcastd/abi.h"
#include "rules/origin.h"

struct dataplane;

/* Whether the copies of one frame that arrives in generic mode have bytes of their own. */
enum dataplane_copies_kind {
	DATAPLANE_COPIES_UNKNOWN, /* treated as shared */
	DATAPLANE_COPIES_PRIVATE,
	DATAPLANE_COPIES_SHARED,
};

struct dataplane_copies {
	enum dataplane_copies_kind kind;
	char why[128]; /* what kept it from being known */
};

struct dataplane_options {
	const char *bpffs_dir; /* MCASTD_PIN_DIR */
	uint32_t max_routes;   /* 0: MCASTD_MAX_ROUTES; maps that are taken over keep their size */
	uint32_t max_sets;     /* 0: MCASTD_MAX_SETS; likewise */
	/* Taken for granted, for tests of what follows from it; UNKNOWN: it is tried. */
	enum dataplane_copies_kind copies;
};

enum dataplane_mode {
	DATAPLANE_MODE_AUTO,
	DATAPLANE_MODE_NATIVE,
	DATAPLANE_MODE_GENERIC,
};

struct dataplane_port {
	char name[IF_NAMESIZE];
	unsigned int ifindex;
	uint8_t mac[6];
	enum mcastd_side side;
	uint8_t ttl_threshold;
	uint32_t mtu;
	bool down;    /* nothing can leave it */
	bool generic; /* how dataplane_attach() has attached the program */
	bool drop_unknown;
	bool check_origin; /* only sources that live here; see dataplane_origins_set() */
	uint32_t vlan;	   /* 0: untagged */
	/* For dataplane_port_recall(): */
	bool no_native;	  /* the driver refused the program */
	bool no_transmit; /* natively it could not be transmitted to */
	bool refuses;	  /* natively it refused frames */
};

/* What is left of a port in maps that were taken over. */
struct dataplane_memory {
	uint32_t mtu; /* 0: there is no such port */
	bool generic, no_native, no_transmit, refuses;
};

/* Room for one message of what went wrong and what to do about it. */
#define DATAPLANE_ERROR_MAX 256
struct dataplane_error {
	char text[DATAPLANE_ERROR_MAX];
};

/*
 * All of these return 0 or -errno and on failure fill *error. -EPERM: not root; -EBUSY: another
 * daemon uses the directory;
 * -EPROTONOSUPPORT: maps of another ABI version that a loader pinned; -EOPNOTSUPP: the kernel lacks
 * something.
 * A failed call leaves nothing half done behind.
 */
int dataplane_open(struct dataplane **dataplane, const struct dataplane_options *options,
		   struct dataplane_error *error);
/*
 * keep: leave programs, maps and pins as they are, forwarding goes on. Otherwise empties the maps,
 * detaches what it attached and unpins what it pinned; programs that were there before stay, and
 * pass everything.
 */
void dataplane_close(struct dataplane *dataplane, bool keep);

/*
 * What was found about copies in generic mode. Unless they are private all data leaves with one
 * source MAC while some port is in generic mode, that of the first such port; and what arrives
 * there for several ports of which one has a VLAN tag is left to the daemon (MCASTD_PUNT_LARGE).
 */
const struct dataplane_copies *dataplane_copies(const struct dataplane *dataplane);
/* The source MAC of data that leaves by a port. */
const uint8_t *dataplane_source_mac(const struct dataplane *dataplane, unsigned int slot);

/*
 * Can this interface transmit frames that XDP redirects natively? Not only drivers differ: veth can
 * when its peer has XDP or GRO on, virtio-net, vmxnet3, i40e and ena while they have a program of
 * their own.
 */
enum dataplane_transmit {
	DATAPLANE_TRANSMIT_UNKNOWN, /* the kernel does not tell (before 6.3), or no such interface
				     */
	DATAPLANE_TRANSMIT_NEVER,   /* the driver has no XDP, or none as it is set up */
	DATAPLANE_TRANSMIT_NO,	    /* not as it is now */
	DATAPLANE_TRANSMIT_YES,
};
enum dataplane_transmit dataplane_transmit(unsigned int ifindex);

/*
 * A descriptor that becomes readable when the XDP features of some interface may have changed
 * (Linux 6.3 and later tell), or its number of queues, to be drained then. Returns -errno where the
 * kernel tells neither.
 */
int dataplane_watch_open(void);
void dataplane_watch_drain(int fd);

/*
 * Attaches the ingress program to an interface (mode AUTO: native, else generic) without making it
 * a port yet: frames pass. *got says how it is attached. If a program of ours is there already in
 * that mode it is kept; AUTO tries native mode also where it is generic, unless somebody else has
 * attached it. *error also tells why AUTO has ended in generic mode.
 */
int dataplane_attach(struct dataplane *dataplane, unsigned int ifindex, enum dataplane_mode mode,
		     enum dataplane_mode *got, struct dataplane_error *error);
/* Has it refused this mode, and would not be asked again? */
bool dataplane_refused(struct dataplane *dataplane, unsigned int ifindex, enum dataplane_mode mode);
/* Interfaces to which nothing is attached are asked again, as at a start. */
void dataplane_reconsider(struct dataplane *dataplane);
/*
 * Why no other XDP program can run beside ours, in the words of kernel and libraries; NULL: it can,
 * as far as is known.
 */
const char *dataplane_no_dispatcher(const struct dataplane *dataplane);
/*
 * Is the program on the interface still as it was attached? Somebody else may have taken it off or
 * put another in its place: false, and it counts as not attached.
 */
bool dataplane_attached(struct dataplane *dataplane, unsigned int ifindex);
int dataplane_detach(struct dataplane *dataplane, unsigned int ifindex);
/*
 * Asks the driver whether it would still take the program natively, by attaching it anew, without a
 * gap. To be called when the MTU has grown: some drivers (virtio-net) look at it only then, and
 * drop the frames that are too large for one page. Returns 0, or -errno with the driver's reason in
 * *error when it would not: the program stays as it is, and dataplane_attach() in mode AUTO goes
 * over to generic mode. 0 as well where it cannot be asked: the program is not ours.
 */
int dataplane_ask_again(struct dataplane *dataplane, unsigned int ifindex,
			struct dataplane_error *error);

/*
 * Taking over from a daemon of another ABI version, or whose pins are gone. Where its program is
 * attached it stays, and goes on forwarding with the last state it was given, until
 * dataplane_take_over() puts ours in its place, on one interface at a time, since a dispatcher
 * takes its time; which is to be called when hosts have answered our queries. Returns 0, or -errno
 * with *error when it worked on no interface; that can be tried again.
 */
bool dataplane_runs_other(const struct dataplane *dataplane, unsigned int ifindex);
bool dataplane_wants_takeover(const struct dataplane *dataplane);
int dataplane_take_over(struct dataplane *dataplane, struct dataplane_error *error);
/*
 * Lets IGMP of this queue come to the socket while another program is attached there; without one
 * there is nothing to do. Returns 0 or -errno; -EEXIST: that program's daemon is still there.
 */
int dataplane_lend_socket(struct dataplane *dataplane, unsigned int ifindex, unsigned int queue,
			  int xsk_fd);
/* The version of the maps that had to be given up at dataplane_open(), 0: none had. */
uint32_t dataplane_other_abi(const struct dataplane *dataplane);

/*
 * What was changed on an interface for as long as it is a port (see platform/card.h), remembered
 * over the end of the daemon and over upgrades of any kind.
 */
struct dataplane_card {
	unsigned int ifindex;
	uint32_t settings;
	uint8_t mac[6]; /* by which an interface is known again that comes back with another index
			 */
	uint8_t reserved[2];
};
/* All that is remembered, in no order, until the next call that remembers. Returns how many. */
size_t dataplane_cards(const struct dataplane *dataplane, const struct dataplane_card **cards);
/* settings 0: forgets the interface. Returns 0, -E2BIG (too many), -ENOMEM or -errno. */
int dataplane_card_remember(struct dataplane *dataplane, const struct dataplane_card *card);

/*
 * Hands a frame to this host's own stack as if it had arrived on the interface. Its source MAC is
 * overwritten with MCASTD_HOST_MAC. Returns 0 or -errno; -EOPNOTSUPP: the kernel cannot (before
 * 5.18).
 */
int dataplane_inject(struct dataplane *dataplane, unsigned int ifindex, uint8_t *frame, size_t len);

/*
 * The slot that maps which were taken over have given this interface, 0 if none. A port that keeps
 * its slot over a restart keeps its traffic.
 */
unsigned int dataplane_port_slot(const struct dataplane *dataplane, unsigned int ifindex);
/* The other way round, 0 if the slot is free. */
unsigned int dataplane_port_ifindex(const struct dataplane *dataplane, unsigned int slot);
/* To be asked before the port is set. */
struct dataplane_memory dataplane_port_recall(const struct dataplane *dataplane, unsigned int slot);
/* Makes the interface a port of this slot (1..MCASTD_MAX_PORTS - 1), or changes its settings. */
int dataplane_port_set(struct dataplane *dataplane, unsigned int slot,
		       const struct dataplane_port *port, struct dataplane_error *error);
/* The slot is free again: taken out of every set first. */
int dataplane_port_del(struct dataplane *dataplane, unsigned int slot);
/* Where data goes that arrives on this port and finds no route; slots may be empty. */
int dataplane_port_default(struct dataplane *dataplane, unsigned int slot,
			   const struct forward_ports *ports);
/*
 * The source prefixes that live behind a port (its subnets, and what else is routed there), all of
 * them at once. On a downstream port with check_origin only they may come in; on an upstream port
 * with check_origin everything but what lives behind a downstream port. The lists go with the port.
 * -ENOSPC: too many.
 */
int dataplane_origins_set(struct dataplane *dataplane, unsigned int slot,
			  const struct prefix *prefixes, uint32_t n);
/*
 * The addresses of the router itself, all of them at once: as sources they come in nowhere,
 * whatever the lists of ports say. -ENOSPC: too many, and what was set before stays.
 */
int dataplane_own_set(struct dataplane *dataplane, const struct prefix *own, uint32_t n);
/* Where sources live as the programs have been told, merged; valid until a list is set again. */
const struct origin *dataplane_origins(const struct dataplane *dataplane, uint32_t *n);
/*
 * The groups that do not cross a port (rules/boundary.h), all of them at once: they do not come in,
 * and do not leave by default through an upstream port. Routes are made so that they do not go
 * there.
 */
int dataplane_boundary_set(struct dataplane *dataplane, unsigned int slot,
			   const struct prefix *prefixes, uint32_t n);
/* The map that takes the AF_XDP sockets; index with MCASTD_XSK_INDEX(). */
int dataplane_xsks_fd(const struct dataplane *dataplane);
/*
 * How many frames of a kind the program of a port has handed to AF_XDP sockets since the maps were
 * made, modulo 2^32, and until which count it may go on. Plain loads and stores.
 */
uint32_t dataplane_punted(const struct dataplane *dataplane, unsigned int slot,
			  enum mcastd_punt punt);
void dataplane_grant(struct dataplane *dataplane, unsigned int slot, enum mcastd_punt punt,
		     uint32_t until);

/*
 * Routes: the ops of forward.h. ctx is the struct dataplane. -ENOSPC: no room for another route;
 * -EXFULL: none for another port set.
 */
extern const struct forward_ops dataplane_forward_ops;

/* Tells of the routes that were taken over and not set since. fn returns true to go on. */
typedef bool (*dataplane_adopted_fn)(const struct forward_route *route, void *arg);
void dataplane_each_adopted(const struct dataplane *dataplane, dataplane_adopted_fn fn, void *arg);

/*
 * Routes that were taken over and not set since: they go on forwarding until this call, which the
 * daemon makes when every host had its time to report. Returns how many were removed.
 */
size_t dataplane_drop_adopted(struct dataplane *dataplane);

/*
 * Work that must not hold up a route change: prepares port sets in advance, makes room that was
 * given up usable again. To be called after each round of the event loop; costs nothing when there
 * is nothing to do, else up to some 20 ms. Returns when to call at the latest (ms), UINT64_MAX: no
 * need.
 */
uint64_t dataplane_maintain(struct dataplane *dataplane, uint64_t now_ms);

/* Counters, summed over CPUs. Return 0 or -errno (-ENOENT: no such route). */
int dataplane_route_stats(struct dataplane *dataplane, const struct addr *group,
			  const struct addr *source, struct mcastd_route_stats *stats);
int dataplane_port_stats(struct dataplane *dataplane, unsigned int slot,
			 struct mcastd_port_stats *stats);
/* Frames that a port's driver did not take, since dataplane_open(). */
struct dataplane_xmit {
	uint64_t incapable; /* because it cannot transmit XDP frames as it is (ENXIO, EOPNOTSUPP) */
	int err; /* of the last one, errno; 0: none, or it took fewer than it was given */
};
/*
 * All of them are counted in mcastd_port_stats.out_refused, as long as the kernel lets us see them
 * (tracepoints with BTF, which kernels of distributions have). Returns 0, or -errno where it does
 * not.
 */
int dataplane_xmit(struct dataplane *dataplane, unsigned int slot, struct dataplane_xmit *xmit);
/*
 * Sets wanted[slot] for the ports that were to be sent a packet since then (CLOCK_MONOTONIC): some
 * route with them among its ports had its last packet later, from another port. wanted has
 * MCASTD_MAX_PORTS elements. Returns 0 or -errno.
 */
int dataplane_wanted_since(struct dataplane *dataplane, uint64_t since_ns, bool *wanted);
typedef bool (*dataplane_unwanted_fn)(const struct mcastd_unwanted_key *key,
				      const struct mcastd_unwanted *value, void *arg);
int dataplane_each_unwanted(struct dataplane *dataplane, dataplane_unwanted_fn fn, void *arg);

/* The counter that a packet moves of which is decided so; MCASTD_VERDICTS: none. */
enum mcastd_verdict dataplane_verdict(enum decide_verdict verdict);
/* Names of the verdicts for counters and messages: "forwarded", "ttl-expired", ... */
const char *dataplane_verdict_name(enum mcastd_verdict verdict);

#endif
