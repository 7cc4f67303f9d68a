// SPDX-License-Identifier: BSD-2-Clause
/*
 * A port opens, follows its interface and closes: the settings of its card, the XDP program, and an
 * AF_XDP socket for each receive queue.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "mcastd/daemon.h"

/* How soon after the program was attached again it must not be gone again. */
#define REGAIN_MS 2000

/* --- sockets --- */

/* Closes sockets until there is one for each of the first n receive queues. */
static void close_queues(struct port *port, unsigned int n)
{
	while (port->n_queues > n) {
		struct port_queue *queue = &port->queues[--port->n_queues];

		loop_remove_fd(queue->entry);
		xsk_close(queue->xsk);
	}
}

/* One receive queue: its socket in our map, and in that of another mcastd's program. */
static int open_queue(struct port *port, unsigned int number, unsigned int rx_frames)
{
	struct dataplane *dataplane = port->daemon->dataplane;
	struct port_queue *queue = &port->queues[number];
	int err = xsk_open(&queue->xsk, port->name, number, rx_frames, dataplane_xsks_fd(dataplane),
			   MCASTD_XSK_INDEX(port->slot, number));

	if (err)
		return err;
	err = dataplane_lend_socket(dataplane, port->ifindex, number, xsk_fd(queue->xsk));
	if (err)
		goto fail;
	queue->port = port;
	queue->entry =
		loop_add_fd(port->daemon->loop, xsk_fd(queue->xsk), EPOLLIN, port_receive, queue);
	if (queue->entry)
		return 0;
	err = -errno;
fail:
	xsk_close(queue->xsk);
	return err;
}

/* Many queues share out what one would have: what arrives at once comes by several of them. */
static unsigned int rx_frames_of(unsigned int n_queues)
{
	unsigned int frames = XSK_RX_MAX;

	while (frames > XSK_RX_MIN && frames * n_queues > 4 * XSK_RX_MAX)
		frames /= 2;
	return frames;
}

static unsigned int smallest_ring(const struct port *port)
{
	unsigned int frames = XSK_RX_MAX;

	for (unsigned int i = 0; i < port->n_queues; i++)
		if (xsk_rx_frames(port->queues[i].xsk) < frames)
			frames = xsk_rx_frames(port->queues[i].xsk);
	return frames;
}

/* What stands in the way of an AF_XDP socket, and what to do. */
static const char *socket_reason(int err)
{
	switch (err) {
	case -ENOBUFS:
		return "too little memory may be locked: raise the limit (ulimit -l unlimited, "
		       "--ulimit memlock=-1:-1, LimitMEMLOCK=infinity)";
	case -EAFNOSUPPORT:
		return "this kernel is built without them (CONFIG_XDP_SOCKETS)";
	default:
		return strerror(-err);
	}
}

/* As many sockets as the interface has receive queues now. */
static int sync_queues(struct port *port, struct dataplane_error *error)
{
	unsigned int n = xsk_queue_count(port->name);

	if (n > MCASTD_MAX_QUEUES) {
		snprintf(error->text, sizeof(error->text),
			 "%u receive queues are more than %d; set fewer with ethtool -L", n,
			 MCASTD_MAX_QUEUES);
		return -E2BIG;
	}
	close_queues(port, n);
	for (; port->n_queues < n; port->n_queues++) {
		int err = open_queue(port, port->n_queues, rx_frames_of(n));

		if ((err == -EBUSY || err == -EEXIST) &&
		    dataplane_runs_other(port->daemon->dataplane, port->ifindex)) {
			snprintf(error->text, sizeof(error->text),
				 "another mcastd uses it, with other maps: stop that one");
			return err;
		}
		if (err) {
			snprintf(error->text, sizeof(error->text),
				 "no AF_XDP socket on receive queue %u: %s", port->n_queues,
				 socket_reason(err));
			return err;
		}
	}
	port->ring_frames = smallest_ring(port);
	return 0;
}

/* --- the program --- */

/* Native mode was wanted, and generic mode it is. */
static void remember_fallback(struct port *port, const struct dataplane_error *error)
{
	struct port_driver *driver = &port->driver;

	driver->refused =
		!dataplane_refused(port->daemon->dataplane, port->ifindex, DATAPLANE_MODE_NATIVE);
	snprintf(driver->note, sizeof(driver->note), "%s",
		 error->text[0] ? error->text : "generic mode, as its program was loaded");
}

int port_attach(struct port *port, enum dataplane_mode mode, struct dataplane_error *error)
{
	enum dataplane_mode before = port->mode;
	bool was_attached = port->attached;
	int err;

	if (mode == DATAPLANE_MODE_AUTO && port->driver.refused)
		mode = DATAPLANE_MODE_GENERIC;
	error->text[0] = '\0';
	err = dataplane_attach(port->daemon->dataplane, port->ifindex, mode, &port->mode, error);
	port->attached = !err;
	if (err)
		return err;
	if (mode == DATAPLANE_MODE_AUTO && port->mode == DATAPLANE_MODE_GENERIC &&
	    !dataplane_runs_other(port->daemon->dataplane, port->ifindex))
		remember_fallback(port, error);
	error->text[0] = '\0';
	if (!was_attached || before != port->mode)
		port->attached_queues = port->driver.n_queues = xsk_queue_count(port->name);
	return 0;
}

/*
 * Somebody else has taken the program off, or has put another in its place. What was taken off is
 * attached again, at once, and the port goes on as it was; if that happens again within REGAIN_MS
 * the port fails, so that two programs that want the interface do not race. Another program is
 * never pushed aside: the port fails for as long as it is there.
 */
static int regain_program(struct port *port, enum dataplane_mode mode,
			  struct dataplane_error *error)
{
	uint64_t now = loop_now(port->daemon->loop), before = port->regained_at;
	int err;

	port->xdp_lost++;
	port->regained_at = now;
	if (before && now - before < REGAIN_MS) {
		snprintf(error->text, sizeof(error->text),
			 "its XDP program is taken off again and again: which program does that? "
			 "tried again every few seconds");
		return -EAGAIN;
	}
	port->attached = false;
	err = port_attach(port, mode, error);
	if (err)
		return err;
	memset(&port->applied, 0, sizeof(port->applied)); /* whose program it is may differ */
	snprintf(port->lost_note, sizeof(port->lost_note),
		 "its XDP program was taken off by somebody else; attached again (%llu times)",
		 (unsigned long long)port->xdp_lost);
	event_port(port->daemon, port, LOG_LEVEL_WARNING, "xdp-lost", port->lost_note);
	return 0;
}

/* --- open, follow, close --- */

int port_open(struct port *port, const struct netlink_link *link, enum dataplane_mode mode,
	      struct dataplane_error *error)
{
	struct daemon *daemon = port->daemon;
	int err;

	port->ifindex = link->ifindex;
	daemon->routes_stale = true;
	port->open = true; /* port_close() undoes whatever was reached */
	err = port_card_sync(port, link, error);
	if (!err)
		err = port_attach(port, mode, error);
	if (err)
		return err;
	limit_port_open(port);
	audit_port_open(port);
	return sync_queues(port, error);
}

/* Some drivers (veth) run no program on queues that are added until one is attached anew. */
static int renew_program(struct port *port, enum dataplane_mode mode, struct dataplane_error *error)
{
	if (xsk_queue_count(port->name) <= port->attached_queues)
		return 0;
	dataplane_detach(port->daemon->dataplane, port->ifindex);
	port->attached = false;
	return port_attach(port, mode, error);
}

int port_follow(struct port *port, const struct netlink_link *link, enum dataplane_mode mode,
		struct dataplane_error *error)
{
	int err = port_card_sync(port, link, error);

	if (err)
		return err;
	if (dataplane_attached(port->daemon->dataplane, port->ifindex))
		err = port_attach(port, mode, error);
	else
		err = regain_program(port, mode, error);
	if (!err)
		err = renew_program(port, mode, error);
	return err ? err : sync_queues(port, error);
}

void port_close(struct port *port)
{
	struct daemon *daemon = port->daemon;

	if (!port->open)
		return;
	forward_port_set(daemon->forward, port->slot, &(struct forward_port){ 0 });
	engine_port_remove(daemon->engine, port->slot, loop_now(daemon->loop), &daemon->actions);
	daemon_perform(daemon); /* sends the leaves of an upstream port, takes routes off others */
	if (port->applied.side == MCASTD_SIDE_UPSTREAM)
		forward_update_all(daemon->forward);
	dataplane_port_del(daemon->dataplane, port->slot);
	close_queues(port, 0);
	/* If the interface is gone there is nothing to detach from, but something to forget. */
	dataplane_detach(daemon->dataplane, port->ifindex);
	port->open = port->attached = false;
	port->ifindex = 0;
	memset(&port->applied, 0, sizeof(port->applied));
	memset(&port->audit, 0, sizeof(port->audit));
}

void port_forget(struct port *port)
{
	close_queues(port, 0);
	port->daemon->ports[port->slot] = NULL;
	free(port);
}
