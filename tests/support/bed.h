/* SPDX-License-Identifier: BSD-2-Clause */
/* A data plane with ports on the interfaces of a veth.h: r1 is the upstream. */
#ifndef SUPPORT_BED_H
#define SUPPORT_BED_H

#include "datagram.h"
#include "dataplane/dataplane.h"
#include "veth.h"

#define BED_MTU 1500

struct bed {
	struct veth veth;
	struct dataplane *dp;
	bool generic; /* how bed_ports() has attached */
};

/* n pairs in a namespace of their own, the data plane open, no port yet. Ends the test on errors.
 */
void bed_init(struct bed *bed, unsigned int n, const struct dataplane_options *options);
/* Attaches r1..rn in this mode and makes them the ports 1..n. */
void bed_ports(struct bed *bed, enum dataplane_mode mode);
void bed_fini(struct bed *bed);
/* The settings of a port, to be changed and given to bed_port_set(). */
struct dataplane_port bed_port(const struct bed *bed, unsigned int slot);
void bed_port_set(struct bed *bed, unsigned int slot, const struct dataplane_port *port);

/* The route of one group and source ("0.0.0.0": any), from both sides. Returns what route_set
 * returns. */
int bed_route(struct bed *bed, const char *source, const char *group, const uint16_t *slots,
	      uint32_t n);
int bed_unroute(struct bed *bed, const char *source, const char *group);
#define BED_ROUTE(bed, source, group, ...)                               \
	bed_route(bed, source, group, (const uint16_t[]){ __VA_ARGS__ }, \
		  sizeof((const uint16_t[]){ __VA_ARGS__ }) / sizeof(uint16_t))

/* One packet through the program of r<slot>, on its queue 0, without sending it. */
struct bed_run {
	uint32_t action;
	struct veth_frame out;
	uint64_t moved; /* by how much the verdicts of the port moved in all */
	int verdict;	/* which one moved, -1: none */
};
void bed_run(struct bed *bed, unsigned int slot, const struct veth_frame *in, struct bed_run *run);

#endif
