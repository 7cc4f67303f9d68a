/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of this folder share.
 *
 * Nothing that a packet may still be using is given another meaning: what becomes free (a route
 * index, a port set) is stamped with `stamp`, and may be used again when `settled` has passed the
 * stamp, which takes a grace period of the kernel (dataplane_settle()).
 */
#ifndef DATAPLANE_INTERNAL_H
#define DATAPLANE_INTERNAL_H

#include "dataplane/dataplane.h"
#include "membership/table.h"

struct bpf_object;
struct mcast_trace_bpf;

#define SET_CLASSES 9	/* 2, 4, ... 512 slots */
#define PROGRAM_MAPS 32 /* room for the maps of a program of any version */

enum map {
	MAP_ABI,
	MAP_SLOTS,
	MAP_PORTS,
	MAP_GROUPS,
	MAP_SOURCES,
	MAP_DIRECT,
	MAP_ROUTES,
	MAP_SETS,
	MAP_XSKS,
	MAP_LIMITS,
	MAP_PSTATS,
	MAP_RSTATS,
	MAP_UNWANTED,
	MAP_ORIGINS,
	MAP_BOUNDARIES,
	MAPS,
};

/* One element of the map mcastd_sets. */
struct port_set {
	struct table_node node;	      /* in set_table while it has content */
	struct port_set *prev, *next; /* in idle[] or spare[] of its class */
	int fd;			      /* of the inner map; -1: the element is empty */
	unsigned int class;
	uint32_t refs; /* out words that name it */
	uint32_t n;
	uint16_t *slots;
	uint64_t stamp; /* when refs became 0 */
};

struct set_list {
	struct port_set *first, *last;
	uint32_t n;
};

struct route {
	struct table_node node;
	uint8_t source[4]; /* 0.0.0.0: the entry of the group */
	uint8_t group[4];
	uint32_t index;
	uint32_t out[MCASTD_SIDES];
	uint32_t n_sources; /* of a group: (S,G) routes that need the entry */
	bool wanted;
	bool adopted;
};

/* One element of mcastd_origins or mcastd_boundaries. */
struct prefix_entry {
	uint8_t key[sizeof(struct mcastd_boundary_key)];
	uint32_t value;
};

/* One of these two maps, and what it is made of. */
struct prefix_map {
	enum map map;
	struct prefix_entry *entries; /* sorted by key */
	uint32_t n;
	struct {
		struct prefix *prefixes;
		uint32_t n;
	} of_slot[MCASTD_MAX_PORTS];
};

/* A route index that was given up. */
struct retired {
	uint32_t index;
	uint64_t stamp;
};

struct attachment {
	unsigned int ifindex;
	enum dataplane_mode mode;
	uint32_t prog_id;  /* 0: only the other one is there so far */
	uint32_t other_id; /* of another mcastd's program, see takeover.c; 0: none */
	bool ours;	   /* to be detached in the end */
};

/* Room for what the kernel and its libraries say of a failure. */
#define WORDS_MAX 128

/* What runs on an interface. */
struct found {
	uint32_t prog_id;  /* of our program, 0: it is not there */
	uint32_t other_id; /* of another mcastd's program, or of a second one of ours */
	enum dataplane_mode mode;
	bool foreign;	     /* a program that leaves no room for ours */
	uint32_t dispatcher; /* the id of libxdp's, in which programs run; 0: none */
	char name[32];	     /* of a program that is not ours */
};

/* What a dispatcher was found to run. */
struct sight {
	unsigned int ifindex;
	struct found found;
};

/* What a driver looks at when it refuses a program. */
struct device_state {
	uint32_t mtu;
	uint32_t features[2];
	uint32_t queues[3];
};

/* An interface that has not taken the program. */
struct refusal {
	unsigned int ifindex;
	enum dataplane_mode mode;
	uint32_t beside; /* the dispatcher that was there */
	int err;
	char why[WORDS_MAX];
	struct device_state state; /* it had */
};

struct dataplane {
	char *dir;
	int dir_fd;		       /* locked: one daemon a directory */
	bool ours;		       /* the maps are the daemon's, to be unpinned in the end */
	uint32_t other_abi;	       /* the version of maps that were pinned here, 0: ours */
	struct bpf_object *objects[2]; /* the maps, and the egress program */
	int map_fd[MAPS];
	uint32_t map_entries[MAPS];
	int egress_fd;
	int to_host_fd;
	struct mcast_trace_bpf *trace; /* what drivers refuse; NULL: not to be had */
	int trace_error;	       /* why not, -errno */
	unsigned int n_cpus;
	uint64_t hash_seed;
	struct dataplane_copies copies;

	struct bpf_object *ingress;    /* loaded for interfaces without dispatcher; NULL: not yet */
	char no_dispatcher[WORDS_MAX]; /* why there is none, as attaching showed; empty: unknown */
	struct attachment *attachments;
	size_t n_attachments;
	struct refusal *refusals;
	size_t n_refusals;
	struct sight *sights;
	size_t n_sights;

	int cards_fd; /* what is changed on interfaces, see card.c */
	struct dataplane_card *cards;
	size_t n_cards;

	struct mcastd_port *ports;   /* mapped */
	struct mcastd_route *routes; /* mapped */
	uint64_t *direct;	     /* mapped */
	struct mcastd_limit *limits; /* mapped */

	/* Of the interfaces; the map has that of data. */
	uint8_t own_macs[MCASTD_MAX_PORTS][6];

	struct prefix_map origins, boundaries;
	struct prefix *own; /* the router's addresses, sources that live behind no port */
	uint32_t n_own;
	struct origin *homes; /* what the origins map was made of; see origin.h */
	uint32_t n_homes;

	struct table route_table;
	uint32_t *free_indexes;
	uint32_t n_free_indexes;
	struct retired *retired; /* ring */
	uint32_t retired_first, n_retired;

	struct port_set *sets;
	struct table set_table;
	uint32_t sets_of[SET_CLASSES];	    /* how many there are */
	struct set_list spare[SET_CLASSES]; /* without content, to be used at once */
	struct set_list idle[SET_CLASSES];  /* with content that no out word names, oldest first */
	uint32_t next_unused;		    /* elements from here on hold no map yet */
	bool egress_everywhere;		    /* see port_run_egress() */

	uint64_t stamp, settled;
	uint64_t maintain_at_ms;
};

/* dataplane.c */
int dataplane_fail(struct dataplane_error *error, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Waits until no packet uses what was given up before. */
void dataplane_settle(struct dataplane *dp);

/* Makes another object use the maps of dp. Returns 0 or -errno. */
int dataplane_reuse_maps(const struct dataplane *dp, struct bpf_object *object);
/* Opens, without loading it, the ingress program on the maps of dp. Returns 0 or -errno. */
int dataplane_open_program(const struct dataplane *dp, struct bpf_object **object);
/* Is the program with this id made of the same instructions as that one? */
bool dataplane_same_program(int fd, uint32_t id);

/* copies.c: finds it out by trying. */
void copies_try(struct dataplane_copies *result);

/* words.c: from now on the libraries are quiet, and what they would say is kept. */
void words_listen(void);
/* Before a call whose failure is to be told. */
void words_forget(void);
/* An error (0: words alone) and the most telling words there were since; text has WORDS_MAX bytes.
 */
void words_of(int err, char *text);

/* look.c */
void look(struct dataplane *dp, unsigned int ifindex, struct found *found);

/* refusal.c: NULL: the interface has not refused the mode, or it has changed since. */
const struct refusal *refusal_find(struct dataplane *dp, unsigned int ifindex,
				   enum dataplane_mode mode);
struct device_state refusal_state(unsigned int ifindex);
/* With the state that the interface had. */
void refusal_remember(struct dataplane *dp, const struct refusal *what);
/* May the next attempt end otherwise although the interface is the same? */
bool refusal_is_passing(int err);

/*
 * hazard.c: is there a fault of the kernel that forbids native mode? why has WORDS_MAX bytes.
 */
bool hazard_in_native_mode(const struct dataplane *dp, unsigned int ifindex, char *why);

/* xmit.c: without it the data plane works, and knows less. Returns 0 or -errno. */
int xmit_open(struct dataplane *dp);
void xmit_close(struct dataplane *dp);

/* attach.c */
bool attach_is_ours(const struct dataplane *dp, unsigned int ifindex);
struct attachment *attach_find(const struct dataplane *dp, unsigned int ifindex);
/* Puts our program in the place of the other one. Returns 0 or -errno with *error filled. */
int attach_replace_other(struct dataplane *dp, struct attachment *at,
			 struct dataplane_error *error);
void attach_close(struct dataplane *dp, bool keep);

/* card.c */
#define CARDS_MAP "mcastd_cards"
int card_open(struct dataplane *dp);
void card_close(struct dataplane *dp);
/* Unless something is remembered. */
void card_unpin(const struct dataplane *dp);

/* port.c */
int port_adopt(struct dataplane *dp);
void port_clear(struct dataplane *dp);
/*
 * From now on every frame to any port passes the egress program, which alone gives and takes tags.
 * The kernel runs the program of the first frame of a batch for all frames to one device: a port
 * set, or a port with a tag, can only be used when the frames that go to one port alone bring the
 * same program. As long as there is neither they do without. Waits for the kernel the first time.
 */
void port_run_egress(struct dataplane *dp);

/* prefix.c */
int prefix_maps_open(struct dataplane *dp);
void prefix_maps_close(struct dataplane *dp);
/* The slot has become a port, another one or none: what is made of its lists may change. */
int prefix_maps_update(struct dataplane *dp);
/* Does any group stop at this port? */
bool prefix_has_boundary(const struct dataplane *dp, unsigned int slot);
/* Forgets the lists of a slot. */
void prefix_maps_drop(struct dataplane *dp, unsigned int slot);
/* The programs look everything up again instead of trusting what they remember. */
void port_new_generation(struct dataplane *dp);

/* set.c: out words and the sets behind them */
int set_open(struct dataplane *dp);
void set_close(struct dataplane *dp);
/* Gives the out word of packets from one side to these slots, and a reference to its set. */
int out_acquire(struct dataplane *dp, enum mcastd_side side, const struct forward_ports *ports,
		uint32_t *out);
/* Is it the id of a set that contains the slot? */
bool out_has(const struct dataplane *dp, uint32_t out, uint32_t slot);
void out_release(struct dataplane *dp, uint32_t out);
/* Sets wanted[slot] for every port that the out word leads to. */
void out_mark(const struct dataplane *dp, uint32_t out, bool *wanted);
/* The slots that an out word stands for; *single: storage for one. */
struct forward_ports out_ports(const struct dataplane *dp, uint32_t out, uint16_t *single);
/* A reference for an out word found in maps that were taken over; false: it cannot be. */
bool out_adopt(struct dataplane *dp, uint32_t out);
/* The sets without reference lose their content; the pool is filled. */
int set_adopt_done(struct dataplane *dp);
/* Puts the slot's device into all sets that contain the slot, or takes it out. */
int set_add_device(struct dataplane *dp, uint32_t slot);
void set_del_device(struct dataplane *dp, uint32_t slot);
/* Takes a set's content, which is in no list then. */
void set_empty(struct dataplane *dp, struct port_set *set);

/* spare.c: maps for sets */
static inline uint32_t set_id(const struct dataplane *dp, const struct port_set *set)
{
	return (uint32_t)(set - dp->sets);
}

/* The class of sets of n slots. */
unsigned int set_class_of(uint32_t n);
void set_list_append(struct set_list *list, struct port_set *set);
void set_list_remove(struct set_list *list, struct port_set *set);
/* A set without content of this class, or a larger one; NULL: mcastd_sets is full. */
struct port_set *spare_get(struct dataplane *dp, unsigned int class);
/* As many of each class as there are at the start. */
void spare_fill(struct dataplane *dp);
/*
 * Puts maps into mcastd_sets, n <= SET_BATCH_MAX, all at the same time, so that they wait for the
 * same grace periods. Returns 0 or -errno.
 */
#define SET_BATCH_MAX 256
int spare_install(struct dataplane *dp, const uint32_t *ids, const int *fds, uint32_t n);
bool spare_wants_work(const struct dataplane *dp);
void spare_maintain(struct dataplane *dp);

/* renew.c: adopted sets whose egress program is not that of this build get it. */
int set_renew_all(struct dataplane *dp);

/* route.c */
int route_open(struct dataplane *dp);
void route_clear(struct dataplane *dp);
/* Out words of sets with this slot leave out the port of arrival, whatever side it is on. */
void route_exclude_arrival(struct dataplane *dp, uint32_t slot);
void route_close(struct dataplane *dp);
bool route_wants_work(const struct dataplane *dp);

#endif
