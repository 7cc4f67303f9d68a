/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Group membership messages as the engine sees them, whatever the protocol on the wire: IGMP is
 * turned into these by userspace/wire/igmp.c. Pointers refer to storage of whoever made the
 * message.
 */
#ifndef MEMBERSHIP_MESSAGE_H
#define MEMBERSHIP_MESSAGE_H

#include "base/addr.h"

enum message_type {
	MESSAGE_QUERY,	   /* any version */
	MESSAGE_REPORT,	   /* version 3: a list of records */
	MESSAGE_V1_REPORT, /* one group */
	MESSAGE_V2_REPORT, /* one group */
	MESSAGE_V2_LEAVE,  /* one group */
};

/* RFC 9776 section 4.2.13; the numbers are those on the wire, others are possible and ignored. */
enum record_type {
	RECORD_IS_IN = 1,
	RECORD_IS_EX = 2,
	RECORD_TO_IN = 3,
	RECORD_TO_EX = 4,
	RECORD_ALLOW = 5,
	RECORD_BLOCK = 6,
};

struct message_record {
	uint8_t type; /* enum record_type */
	struct addr group;
	const struct addr *sources;
	uint32_t n_sources;
};

struct message_query {
	uint8_t version;	    /* 1, 2 or 3, RFC 9776 section 7.1 */
	struct addr group;	    /* unspecified: a General Query */
	uint32_t max_response_ms;   /* 0 in a version 1 query */
	bool suppress;		    /* the S flag */
	uint8_t qrv;		    /* 0..7; 0: not told */
	uint32_t query_interval_ms; /* from QQIC; 0: not told */
	const struct addr *sources;
	uint32_t n_sources;
};

struct message_report {
	const struct message_record *records;
	uint32_t n_records;
};

struct message {
	enum message_type type;
	/* From the IP header. The engine sets the source when it sends, and the destination. */
	struct addr source;
	struct addr destination;
	uint8_t ttl;
	bool router_alert;
	union {
		struct message_query query;
		struct message_report report;
		struct addr group; /* MESSAGE_V1_REPORT, _V2_REPORT, _V2_LEAVE */
	};
};

#endif
