/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * In which mode each port runs. That is one decision for all of them: a frame is copied in the mode
 * of the port it arrives on, and natively it reaches only ports whose drivers transmit XDP frames.
 * So either every port can be reached natively, or all run in generic mode, which reaches any.
 *
 * Pure: facts in, choices out.
 */
#ifndef MCASTD_MODE_H
#define MCASTD_MODE_H

#include "dataplane/dataplane.h"

/* What attaching natively has shown of a device. */
enum mode_native {
	MODE_UNTRIED,
	MODE_WORKS,
	MODE_REFUSED,
};

/* What is known of a port. */
struct mode_port {
	bool there;   /* an Ethernet interface that is up: frames may be sent to it */
	bool carrier; /* what a driver can do for good counts without, lest all follow a cable */
	bool waiting; /* not there, or nothing can be attached now: not to be tried */
	bool bond;
	enum dataplane_mode configured;
	enum mode_native native;
	bool attached; /* natively, at this moment */
	/*
	 * What the kernel says of its driver now, and what it said when it was attached natively
	 * last (UNKNOWN: it was not): many drivers transmit only while they have a program.
	 */
	enum dataplane_transmit transmit, learned;
	bool refuses; /* natively it refused frames, whatever is said of it */
};

enum mode_reason {
	MODE_AS_WANTED,
	MODE_AS_CONFIGURED, /* generic, for this port alone */
	MODE_FELL_BACK,	    /* generic, for this port alone: native mode was refused */
	/* Why a port cannot be reached natively, and so runs in generic mode with all others: */
	MODE_NO_BOND,	    /* a bond runs native programs as on its members */
	MODE_NO_DRIVER,	    /* its driver knows nothing of XDP */
	MODE_NO_PROGRAM,    /* its driver refused the program, and does not transmit without */
	MODE_NO_TRANSMIT,   /* its driver does not transmit, even with the program */
	MODE_NO_ACCEPTANCE, /* its driver refused frames */
	MODE_NO_PERMISSION, /* generic by configuration, and its driver needs a native program */
	MODE_NO_KNOWLEDGE,  /* generic by configuration, and the kernel does not tell */
	MODE_REASONS,
};

struct mode_choice {
	enum dataplane_mode mode;
	enum mode_reason reason; /* of the port, or of that which causes it */
	unsigned int cause;	 /* its index; the port's own where it concerns it alone */
	/*
	 * To be attached now, in this mode, and then asked again: others depend on what that shows,
	 * or it is time.
	 */
	bool try;
};

/* Decides for n ports. */
void mode_choose(const struct mode_port *ports, unsigned int n, struct mode_choice *choices);

#endif
