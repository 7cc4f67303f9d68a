/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the XDP programs and the daemon share: maps, keys, values, counters and their version.
 *
 * Addresses are byte arrays, so that `bpftool map dump` prints 239.1.1.1 as [239,1,1,1]. Everything
 * else is in host byte order. A port is known by its slot, a small number that the daemon gives it
 * for as long as it takes part; slot 0 means "not a port", route 0 means "no route".
 *
 * How the maps hang together, in the order in which the ingress program visits them:
 *
 *   mcastd_slots[ifindex] -> slot          mcastd_ports[slot]: MAC, side, TTL threshold, flags
 *   mcastd_limits[slot, kind]              has the daemon room for one more?
 *   mcastd_xsks[slot, queue] -> AF_XDP     IGMP ends here
 *   mcastd_boundaries{slot, group/n}, mcastd_origins{source/n} -> slot   may it come in here?
 *   mcastd_groups{group}  -> route index   mcastd_sources{source, group} -> route index
 *   mcastd_direct[hash]   -> route index   a short cut for most of the routes of these two
 *   mcastd_routes[index].out[side] -> an out word: nobody, one port, or a port set
 *   mcastd_sets[id] -> devmap hash {slot -> device}; one of them holds every port, for out words
 *   that name one port
 *
 * Counters beside them: mcastd_pstats[slot], mcastd_rstats[route index] (both per CPU) and
 * mcastd_unwanted{source, group, slot}. mcastd_abi carries the version.
 *
 * A membership change of a live route is one aligned 8-byte store to mcastd_routes[index].out.
 * Which slots a port set is made of never changes while a route refers to it.
 */
#ifndef MCASTD_ABI_H
#define MCASTD_ABI_H

#include <linux/types.h>

/*
 * Also the max_entries of the map mcastd_abi: a loader that finds maps pinned by another version
 * refuses them, and the daemon can read the version of maps that it did not create.
 *
 * A daemon takes over from one of another version by what is the same in all of them: the version
 * and flags of mcastd_abi, the program's name, mcastd_slots, and mcastd_xsks with its index.
 */
#ifndef MCASTD_ABI_VERSION
#define MCASTD_ABI_VERSION 4
#endif

#define MCASTD_PROGRAM "mcastd_ingress"

#define MCASTD_PIN_DIR "/sys/fs/bpf/mcastd"

/* Defaults; the daemon may load the maps larger and takes over pinned maps of any size. */
#define MCASTD_MAX_IFINDEX 65536 /* entries of mcastd_slots */
#define MCASTD_MAX_PORTS 512	 /* slots, slot 0 is not used */
#define MCASTD_MAX_QUEUES 64	 /* receive queues of one port */
#define MCASTD_MAX_ROUTES 16384	 /* route indexes, index 0 is not used */
#define MCASTD_MAX_SETS 16384	 /* port sets, with that of all ports */
#define MCASTD_MAX_UNWANTED 4096 /* flows without a route that are remembered */
#define MCASTD_MAX_PREFIXES 4096 /* of mcastd_origins, and of mcastd_boundaries */

/* The set of all ports, for out words that name one; those of routes begin at MCASTD_SET_FIRST. */
#define MCASTD_SET_ALL 0
#define MCASTD_SET_FIRST 1

/* Index of mcastd_xsks: the AF_XDP socket of one queue of one port. */
#define MCASTD_XSK_INDEX(slot, queue) ((slot)*MCASTD_MAX_QUEUES + (queue))

/* What a port hands to the daemon. Each kind has a limit of its own, so that none crowds out
 * another. */
enum mcastd_punt {
	MCASTD_PUNT_QUERY,  /* IGMP queries */
	MCASTD_PUNT_REPORT, /* all other IGMP */
	MCASTD_PUNT_LARGE,  /* data to be fragmented, or that a broadcast would spoil */
	MCASTD_PUNTS,
};

/*
 * The largest frame that an AF_XDP socket has room for: a page, less what the kernel keeps before
 * the frame. The program hands over none that is larger.
 */
#define MCASTD_PUNT_MAX 3840

#define MCASTD_IGMP_QUERY 0x11 /* type of the message, RFC 9776 section 4 */

/* Index of mcastd_limits. */
#define MCASTD_LIMIT_INDEX(slot, punt) ((slot)*MCASTD_PUNTS + (punt))

/*
 * Value of mcastd_limits: two counters of frames, modulo 2^32, for all queues of the port together.
 * The program takes frames up to what is granted; the daemon grants more as it reads them.
 */
struct mcastd_limit {
	__u32 granted; /* written by the daemon alone */
	__u32 taken;   /* written by the program alone */
};

/* Value of mcastd_abi, which has one readable element; 0 in maps that a loader created. */
enum mcastd_abi_flag {
	MCASTD_ABI_DAEMON = 1 << 0, /* created by the daemon, which unpins them in the end */
};

/*
 * The source MAC of IGMP frames that the daemon hands to the host's own stack. In generic mode they
 * pass the ingress program, which must not send them to the daemon again.
 */
#define MCASTD_HOST_MAC                       \
	{                                     \
		0x02, 'm', 'c', 'a', 's', 't' \
	}

/* Which side of the router a frame arrives on; the index of mcastd_route.out. */
enum mcastd_side {
	MCASTD_SIDE_UPSTREAM = 0,
	MCASTD_SIDE_DOWNSTREAM = 1,
	MCASTD_SIDES = 2,
};

/*
 * An out word says where a frame goes: MCASTD_OUT_NONE, MCASTD_OUT_PORT | slot, or the id of a
 * port set. It is always written whole.
 */
#define MCASTD_OUT_NONE 0u
#define MCASTD_OUT_PORT 0x80000000u
#define MCASTD_OUT_EXCLUDE 0x40000000u /* the set may hold the port of arrival */
#define MCASTD_OUT_VALUE 0x3fffffffu   /* mask: the slot or the set id */

enum mcastd_port_flag {
	MCASTD_PORT_DROP_UNKNOWN = 1 << 0, /* unknown-multicast = drop */
	MCASTD_PORT_CHECK_ORIGIN = 1 << 1, /* look the source address up in mcastd_origins */
	MCASTD_PORT_BOUNDARY = 1 << 2,	   /* look the group up in mcastd_boundaries */
	MCASTD_PORT_EGRESS = 1 << 3,	   /* every frame to it must pass mcastd_egress */
	MCASTD_PORT_ATTACHED = 1 << 4,	   /* the daemon attached the program, and will detach it */
	MCASTD_PORT_GENERIC = 1 << 5,	   /* the program runs in generic mode */
	MCASTD_PORT_DOWN = 1 << 6,	   /* nothing can leave it: it is in no set */
	/* For the next daemon, what was seen of the driver: */
	MCASTD_PORT_NO_NATIVE = 1 << 7,	  /* it refused the program */
	MCASTD_PORT_NO_TRANSMIT = 1 << 8, /* natively it could not be transmitted to */
	MCASTD_PORT_REFUSES = 1 << 9,	  /* natively it refused frames */
	MCASTD_PORT_SHARES = 1 << 10,	  /* copies of what arrives here must not differ in tags */
};

/* Value of mcastd_ports. */
struct mcastd_port {
	__u32 ifindex; /* 0: the slot is free */
	__u8 mac[6];   /* source of data: the port's own, or one for all */
	__u8 side;     /* enum mcastd_side */
	__u8 ttl_threshold;
	__u32 flags;	   /* enum mcastd_port_flag */
	__u32 default_out; /* out word for data that no route matches, e.g. towards the upstream */
	__u32 mtu;	   /* bytes of IP packet that fit */
	__u16 vlan;	   /* 802.1Q id of its frames; 0: untagged */
	__u16 generation;  /* moves when an arrival check was changed */
	__u32 least_mtu;   /* of all ports: a larger packet may have to be fragmented */
};

/* Key of mcastd_groups; its value is a route index (__u32), never replaced, only added or removed.
 */
struct mcastd_group_key {
	__u8 group[4];
};

/* Key of mcastd_sources; laid out as the two addresses stand in the IPv4 header. */
struct mcastd_source_key {
	__u8 source[4];
	__u8 group[4];
};

/*
 * Entries of mcastd_direct, which may only ever lead to a route that bears the addresses asked. The
 * value is a route index, as __u64: an array has eight bytes for each element at least, and the
 * daemon writes to it as memory.
 */
#define MCASTD_DIRECT_BITS 18

/* Where the route of a group, or of a source (0: any) and a group, is looked for first. */
static inline __u32 mcastd_direct_index(__u32 source, __u32 group)
{
	return ((group ^ source * 0x85ebca6bu) * 0x9e3779b1u) >> (32 - MCASTD_DIRECT_BITS);
}

enum mcastd_route_flag {
	MCASTD_ROUTE_HAS_SOURCES = 1 << 0, /* entry of a group: look (S,G) up first */
	MCASTD_ROUTE_WANTED = 1 << 1,	   /* out[] holds; without it only a way to the sources */
};

/* Value of mcastd_routes. */
struct mcastd_route {
	__u32 out[MCASTD_SIDES]; /* by the side of arrival; stored as one 64-bit word */
	__u32 flags;		 /* enum mcastd_route_flag */
	__u8 source[4];		 /* 0.0.0.0: any source */
	__u8 group[4];
	__u32 reserved[3];
} __attribute__((aligned(8)));

/*
 * Value of mcastd_rstats, per CPU. The last packet's source and slot are also a memo: the next
 * packet from there needs no look-up of its origin as long as the port's generation is the same.
 */
struct mcastd_route_stats {
	__u64 packets;
	__u64 bytes;	    /* of IP packets */
	__u64 last_seen_ns; /* CLOCK_MONOTONIC, exact to a timer tick */
	__u16 last_slot;    /* where the last packet arrived */
	__u16 last_generation;
	__u8 last_source[4];
};

/*
 * Key of mcastd_origins: a source prefix; its value (__u32) is the slot of the port it lives
 * behind, MCASTD_ORIGIN_SHARED or MCASTD_ORIGIN_SELF.
 */
struct mcastd_origin_key {
	__u32 prefix_length; /* 0..32 */
	__u8 source[4];
};

#define MCASTD_ORIGIN_SHARED 0u	       /* behind more than one port */
#define MCASTD_ORIGIN_SELF 0xffffffffu /* an address of the router: it comes in by no port */

/*
 * Key of mcastd_boundaries: groups that do not cross a port (RFC 2365 section 5); the value
 * (__u32) is of no meaning. Slot 0: groups that data without a route does not leave for.
 */
struct mcastd_boundary_key {
	__u32 prefix_length; /* 32 for the slot, and 0..32 for the group */
	__u32 slot;
	__u8 group[4];
};

/* What became of a frame; each multicast or IGMP frame that reaches a port moves exactly one. */
enum mcastd_verdict {
	MCASTD_FORWARDED,	  /* sent to an out word */
	MCASTD_IGMP_PUNTED,	  /* IGMP, to the daemon */
	MCASTD_IGMP_PASSED,	  /* IGMP, no daemon there: to the stack */
	MCASTD_LINK_LOCAL_GROUP,  /* 224.0.0.0/24 and 232.0.0.0, to the stack */
	MCASTD_NO_ROUTE,	  /* nobody asked: PASS, or DROP by the port's flag */
	MCASTD_NO_MEMBER,	  /* a route, but it leads nowhere from here: as above */
	MCASTD_TTL_EXPIRED,	  /* TTL 0 or 1: to the stack, for members on the router itself */
	MCASTD_WRONG_PORT,	  /* the source does not live behind this port: dropped */
	MCASTD_BOUNDARY,	  /* the group does not cross this port: dropped */
	MCASTD_MARTIAN_SOURCE,	  /* 0/8, 127/8, 224/3: dropped */
	MCASTD_LINK_LOCAL_SOURCE, /* 169.254/16: to the stack */
	MCASTD_BAD_HEADER,	  /* version, IHL or a length that cannot be: dropped */
	MCASTD_BAD_CHECKSUM,	  /* of the IPv4 header: dropped */
	MCASTD_UNICAST_FRAME,	  /* the destination MAC is not the group's: to the stack */
	MCASTD_REDIRECT_FAILED,	  /* the port or set is not there, or no daemon: dropped */
	MCASTD_IGMP_LIMITED,	  /* IGMP, more or larger than the daemon can take: dropped */
	MCASTD_VERDICTS,
};

/* Value of mcastd_pstats, per CPU. */
struct mcastd_port_stats {
	__u64 out_packets;		/* frames handed to this port's driver */
	__u64 out_bytes;		/* their bytes, link header included */
	__u64 tick;			/* the clock, read once a tick: jiffies when it was read */
	__u64 now_ns;			/* CLOCK_MONOTONIC then */
	__u64 in_bytes;			/* of the forwarded IP packets */
	__u64 verdict[MCASTD_VERDICTS]; /* frames that arrived, by what became of them */
	__u64 out_ttl_threshold;	/* not sent: TTL below the port's threshold */
	__u64 out_too_big;		/* not sent: larger than the port's MTU, with DF set */
	__u64 large_limited; /* not given to the daemon (MCASTD_PUNT_LARGE): too many or large */
	__u64 out_refused;   /* of out_packets: the driver did not take them */
	__u64 kept_back;     /* by mcastd_egress, since out_refused was looked after */
};

/* What is known of frames that a port's driver did not take; per CPU. */
struct mcastd_refusal {
	__u64 incapable; /* ENXIO or EOPNOTSUPP: the driver cannot transmit as it is */
	__u64 last_ns;	 /* CLOCK_MONOTONIC */
	__u32 err;	 /* of the last one, errno; 0: it took fewer than it was given */
	__u32 reserved;
};

/* Key of mcastd_unwanted: data that arrived and was not forwarded, for `mcastctl` to explain. */
struct mcastd_unwanted_key {
	__u8 source[4];
	__u8 group[4];
	__u32 slot;
};

struct mcastd_unwanted {
	__u64 packets;
	__u64 bytes;
	__u64 last_seen_ns;
	__u32 verdict; /* of the last one: no route, or what of it can be mended */
	__u32 reserved;
};

/* Value of a devmap: what the kernel calls struct bpf_devmap_val. */
struct mcastd_dev {
	__u32 ifindex;
	__u32 prog_fd; /* reads back as the program's id */
};

_Static_assert(sizeof(struct mcastd_port) == 32, "a port is 32 bytes");
_Static_assert(sizeof(struct mcastd_limit) == 8, "a limit is 8 bytes");
_Static_assert(sizeof(struct mcastd_route) == 32, "a route is 32 bytes");
_Static_assert(sizeof(struct mcastd_route_stats) == 32, "route counters are 32 bytes");
_Static_assert(sizeof(struct mcastd_unwanted_key) == 12, "no padding in a key");
_Static_assert(sizeof(struct mcastd_origin_key) == 8, "no padding in a key");
_Static_assert(sizeof(struct mcastd_boundary_key) == 12, "no padding in a key");
_Static_assert(sizeof(struct mcastd_dev) == 8, "as struct bpf_devmap_val");

#endif
