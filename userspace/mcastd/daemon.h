/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The wiring. Three things come in, and each goes one way:
 *
 *   a frame from an AF_XDP socket   packet.c: wire_parse() -> engine_receive() -> actions
 *   a change of a network interface port.c:   netlink -> ports_sync() -> dataplane, engine ->
 * actions a request, a new configuration  show.c, daemon.c
 *
 * and packet.c:daemon_perform() carries out all actions: messages out, routes into the data plane,
 * events to the log and to whoever monitors.
 */
#ifndef MCASTD_DAEMON_H
#define MCASTD_DAEMON_H

#include "control/config.h"
#include "control/http.h"
#include "control/server.h"
#include "dataplane/dataplane.h"
#include "mcastd/mode.h"
#include "forward/forward.h"
#include "platform/log.h"
#include "platform/loop.h"
#include "platform/netlink.h"
#include "platform/privilege.h"
#include "platform/xsk.h"
#include "wire/wire.h"

struct daemon;

enum port_state {
	PORT_ABSENT, /* no such interface */
	PORT_DOWN,   /* there, but administratively down or without carrier */
	PORT_UP,
	PORT_FAILED, /* .note says why; tried again */
};

struct port_queue {
	struct port *port;
	struct xsk *xsk;
	struct loop_fd *entry;
};

/* limit.c: one kind of frame of one port. */
struct port_limit {
	uint32_t read;	  /* of those that the program took, modulo 2^32 */
	uint32_t granted; /* up to here it may take more */
	uint64_t tokens, filled_at;
	uint32_t taken;	 /* by the program, at that time */
	int32_t missing; /* the fewest that were taken and not read, each time the rings were empty
			  */
};

/* Data packets of the slow way (slow.c), by what became of them at their port. */
struct port_slow {
	uint64_t packets, bytes; /* sent, each fragment counted; bytes with link headers */
	uint64_t fragmented;	 /* that left in fragments */
	uint64_t too_big;
	uint64_t ttl_threshold;
};

/* What has been seen of a port that does not send all it should. */
struct port_audit {
	uint64_t handed, sent, too_big, refused, incapable; /* as in the last round */
	unsigned int silent;	/* rounds that wanted something to leave and saw nothing */
	unsigned int fitting;	/* rounds since something was too large */
	unsigned int accepting; /* rounds since the driver refused something */
	unsigned int unable;	/* rounds in which it refused as having no XDP transmit */
	char silent_note[DATAPLANE_ERROR_MAX];
	char too_big_note[DATAPLANE_ERROR_MAX];
	char refused_note[DATAPLANE_ERROR_MAX];
};

/* What attaching has shown of a port's device, until that changes (port_mode.c). */
struct port_driver {
	unsigned int ifindex;
	uint32_t mtu;
	unsigned int n_queues; /* receive queues, with the program attached */
	bool was_down;
	bool grown;			    /* the MTU, and its driver is still to be asked */
	char mtu_note[DATAPLANE_ERROR_MAX]; /* what it answered, if that is no */
	bool works;			    /* native mode */
	bool refused;			    /* native mode, as is known but from attaching it */
	char note[DATAPLANE_ERROR_MAX];	    /* why native mode was refused */
	enum dataplane_transmit learned;    /* when it was attached natively */
	bool refuses;			    /* frames in native mode, see audit.c */
};

/* card.c: settings of the port's card. */
struct port_card {
	unsigned int ifindex; /* of which this is known */
	uint32_t held;	      /* enum card_setting: as the port needs it when we last looked */
	uint32_t refused;     /* by the driver, so not tried again */
	uint64_t lost;	      /* how often somebody else undid some */
	uint64_t failed;      /* how often some could not be set */
	uint64_t regained_at; /* when they were set again */
	bool contested;	      /* and undone again, at once */
	char note[DATAPLANE_ERROR_MAX];
};

struct port {
	struct daemon *daemon;
	unsigned int slot;
	char name[IF_NAMESIZE];
	const struct config_interface *config;
	enum port_state state;
	char note[DATAPLANE_ERROR_MAX]; /* why it failed, or why generic mode */

	/* While it is open: */
	bool open;
	unsigned int ifindex;
	bool attached;		      /* the program, perhaps before it is open */
	enum dataplane_mode mode;     /* how it is attached */
	unsigned int attached_queues; /* receive queues there were then */
	struct dataplane_port applied;
	struct port_queue queues[MCASTD_MAX_QUEUES];
	unsigned int n_queues;
	struct addr address; /* unspecified: none */

	uint64_t wire[WIRE_VERDICTS]; /* frames that arrived, by how they parsed */
	uint64_t send_failed;
	struct port_slow slow;
	struct port_driver driver;
	uint64_t sent_told;   /* forwarded packets that have left, as far as they were told */
	uint64_t xdp_lost;    /* how often somebody else took the program off */
	uint64_t regained_at; /* when it was attached again */
	char lost_note[DATAPLANE_ERROR_MAX];
	char copies_note[96]; /* copies.c: "": data leaves with its own MAC */
	struct log_limit wire_limit, engine_limit, send_limit;
	struct log_limit local_general, local_specific; /* queries for the host's own stack */

	/* limit.c: */
	struct port_limit limits[MCASTD_PUNTS];
	unsigned int ring_frames; /* that may wait in the smallest AF_XDP ring */
	uint64_t grant_at, loss_check_at;
	uint64_t round_until;	/* frames that are missing then are lost */
	unsigned int empty;	/* how often the rings were found empty in this round */
	uint64_t undelivered;	/* frames that the program took and that never came */
	uint64_t igmp_vanished; /* of these, IGMP */
	struct log_limit vanished_limit;
	uint64_t lost, lost_before_flood;
	char flood_note[DATAPLANE_ERROR_MAX]; /* while IGMP is being lost */

	struct port_audit audit; /* audit.c */
	struct port_card card;	 /* card.c */
};

struct daemon_options {
	const char *config_path;
	const char *socket_path;
	const char *bpffs_dir;
	enum log_level log_level;
	bool to_syslog;
	enum privilege_filter filter;
	const char *http_program; /* for http_new(); NULL: no HTTP */
};

struct daemon {
	struct daemon_options options;
	struct config *config;
	char config_error[256]; /* the first one of the last file that was wrong */
	struct loop *loop;
	struct netlink *netlink;
	struct loop_fd *netlink_entry;
	int features_fd; /* dataplane_watch_open() */
	struct loop_fd *features_entry;
	struct dataplane *dataplane;
	struct engine *engine;
	struct forward *forward;
	struct server *server;
	struct http *http;
	struct local *local;
	struct audit *audit;
	struct watch *watch;
	struct wire_buffer *wire;
	struct actions actions;
	struct port *ports[MCASTD_MAX_PORTS]; /* by slot */
	int engine_deadline;
	int maintain_deadline;
	int limit_deadline;
	uint64_t limit_at;
	int takeover_deadline;
	int relearned_deadline;
	bool takeover_planned;
	bool addresses_changed;	    /* or may have, on any interface */
	bool told_own;		    /* that the router's addresses found no room */
	bool links_changed;	    /* netlink told of something that concerns a port */
	unsigned int ports_refused; /* attempts to add one since there was no room */
	bool ports_missing;	    /* memory ran out when one was to be added */
	uint64_t retry_at;	    /* when what failed is tried again; 0: nothing has */
	unsigned int copies_told;   /* slot of the port whose MAC all data has, 0: there is none */
	bool copies_tags_told;	    /* and that some port has another VLAN than it */
	size_t n_open_routes;	    /* that could not be applied */
	bool told_no_dispatcher;
	bool routes_stale; /* a port or its settings changed: compute all routes anew */
	uint64_t started;
	struct log_limit route_limit;
};

/* daemon.c: life of the daemon. Returns an exit status of sysexits.h. */
int daemon_run(const struct daemon_options *options);
/*
 * Reads the configuration again and applies what differs. Returns 0, or -EINVAL with the old kept
 * and config_error filled.
 */
int daemon_reload(struct daemon *daemon);
/* Where another mcastd's program forwards, ours follows it once hosts have answered our queries. */
void daemon_plan_takeover(struct daemon *daemon);

/*
 * open.c: a port's program and sockets. These return 0 or -errno and then tell why in *error;
 * port_close() undoes whatever was reached.
 */
int port_open(struct port *port, const struct netlink_link *link, enum dataplane_mode mode,
	      struct dataplane_error *error);
/* Attaches the program, or changes its mode. */
int port_attach(struct port *port, enum dataplane_mode mode, struct dataplane_error *error);
/* What may have become of the interface of an open port since. */
int port_follow(struct port *port, const struct netlink_link *link, enum dataplane_mode mode,
		struct dataplane_error *error);
void port_close(struct port *port);
/* Lets go of the port while the data plane goes on forwarding. */
void port_forget(struct port *port);

/*
 * card.c: settings of the cards, so that frames reach the program. To be called before it is
 * attached, and to follow what becomes of them. Returns 0, or -errno with *error.
 */
int port_card_sync(struct port *port, const struct netlink_link *link,
		   struct dataplane_error *error);
/* enum card_setting: what was changed for the port. */
uint32_t port_card_changes(const struct port *port);
/* Undoes what was changed on interfaces that are no port now. ending: no port comes back. */
void cards_restore(struct daemon *daemon, bool ending);

/*
 * port_mode.c: chooses the mode of every port, after attaching where only that can tell. choices
 * has MCASTD_MAX_PORTS elements, by slot.
 */
void port_mode_choose(struct daemon *daemon, struct mode_choice *choices);
/* Why it is as it is, and what to do; NULL: as it should be. May use note to say it. */
const char *port_mode_note(const struct port *port, const struct mode_choice *choice,
			   struct dataplane_error *note);
/* Has the driver refused native mode? */
bool port_mode_is_refused(const struct port *port);
/* What its driver refused is tried again. */
void port_mode_forget(struct port *port);

/* port.c: makes ports what the configuration and the kernel's interfaces say. */
void ports_sync(struct daemon *daemon);
/* keep: leave what the data plane does as it is (on-exit = keep). */
void ports_close(struct daemon *daemon, bool keep);
struct port *port_find(const struct daemon *daemon, const char *name);
const char *port_state_name(enum port_state state);
const char *port_mode_name(enum dataplane_mode mode);
/*
 * The port's counters with those of the slow way, since it was opened; out_packets without what the
 * driver refused. Returns 0 or -errno.
 */
int port_stats(struct port *port, struct mcastd_port_stats *stats);
/* What is not as it could be, in words, or NULL. */
const char *port_note(const struct port *port);

/* packet.c: frames in, actions out. */
void port_receive(void *arg, uint32_t events); /* arg: struct port_queue */
/* Carries out daemon->actions, empties the list and moves the engine's deadline. */
void daemon_perform(struct daemon *daemon);

/* limit.c: how much of what arrives on a port reaches the daemon. Returns 0 or -errno. */
int limit_open(struct daemon *daemon);
/* To be called before the sockets of a port are opened. */
void limit_port_open(struct port *port);
/* A frame was read; after some of them, limit_turn_done() makes room for others. */
void limit_read(struct port *port, const uint8_t *frame, size_t len);
void limit_turn_done(struct port *port);
/* These are the port's counters now: has IGMP been lost? */
void limit_audit(struct port *port, const struct mcastd_port_stats *stats);
/* Until when some port's hosts may have told something that was lost; in the past: none's. */
uint64_t limit_held_until(const struct daemon *daemon);

/* port.c: what becomes of a packet (forward/decide.h), by what the data plane has been told. */
void decide(const struct daemon *daemon, const struct decide_packet *packet,
	    struct decision *decision);

/* fit.c: can the interface be a port? */
bool fit_is_port(const struct netlink_link *link);
/* Why not, and what to write instead. master: the interface it belongs to; NULL: none, unknown. */
void fit_tell(const struct netlink_link *link, const struct netlink_link *master, char *text,
	      size_t size);
/* The section that makes it a port, NULL: none. Patterns pass over what cannot be one. */
const struct config_interface *fit_section(const struct daemon *daemon,
					   const struct netlink_link *link);

/* port.c: is the source an address of the router? */
bool is_own_source(const struct daemon *daemon, const struct addr *source);
/* port.c: tells the data plane of the router's addresses, those of all interfaces. */
void own_sources_sync(struct daemon *daemon);

/*
 * slow.c: forwards a data packet that the XDP program could not, because it may have to be
 * fragmented. Returns false when the frame is no such packet.
 */
bool slow_forward(struct port *arrival, const uint8_t *frame, size_t len);

/* copies.c: tells of the MAC with which data leaves, after ports have changed. */
void copies_tell(struct daemon *daemon);

/* local.c: the programs on the router itself. Returns 0 or -errno. */
int local_open(struct daemon *daemon);
void local_close(struct daemon *daemon);
/* A query was taken off the wire: the kernel's own IGMP hears it too. */
void local_hear_query(struct port *port, const struct message *message, const uint8_t *frame,
		      size_t len);
/* We have sent a query: the kernel's own IGMP answers it like any neighbour's. */
void local_hear_own_query(struct port *port, const struct message *message);
/* Something was joined: has a program on this host joined it as well? */
void local_check_soon(struct daemon *daemon);
/* A port on which a program of this host has joined the group, or NULL. Asks the kernel. */
const struct port *local_joined_on(const struct daemon *daemon, const struct addr *group);

/* audit.c: ports that the kernel leaves out without a word. Returns 0 or -errno. */
int audit_open(struct daemon *daemon);
void audit_close(struct daemon *daemon);
/* From now on what becomes of packets for the port is watched. */
void audit_port_open(struct port *port);

/*
 * sandbox.c: gives up all privileges but those that ports need which come later. Returns 0 or
 * -errno, after telling.
 */
int daemon_sandbox_enter(enum privilege_filter filter);

/* Why the kernel does not permit what the daemon does, and what to do: a part of a sentence. */
void daemon_why_not_permitted(char *text, size_t size);

/* Are the capabilities there without which nothing works? Returns 0 or -EPERM, after telling. */
int daemon_check_capabilities(void);

/* event.c: an engine event as a log line and for monitors. */
void event_report(struct daemon *daemon, const struct port *port, const struct event *event);
/* The same for what the daemon itself sees; name as in "link-up", text for the log. */
void event_port(struct daemon *daemon, const struct port *port, enum log_level level,
		const char *name, const char *text);
/* The same for anything: a log line, and an object for monitors. suppressed: how many before it. */
void event_tell(struct daemon *daemon, enum log_level level, const struct log_about *about,
		const char *text, unsigned int suppressed);
/* For monitors alone. more: further keys, taken over; NULL: none. */
void event_publish(struct daemon *daemon, const struct log_about *about, const char *text,
		   json_t *more);

/* watch.c: flows and drops as events, while someone monitors. Returns 0 or -errno. */
int watch_open(struct daemon *daemon);
void watch_close(struct daemon *daemon);

/* show.c: answers a request of the control socket. */
json_t *daemon_request(void *arg, int argc, const char *const *argv);
/* explain.c: why a packet would or would not go out of each port. */
json_t *explain_request(struct daemon *daemon, int argc, const char *const *argv);

#endif
