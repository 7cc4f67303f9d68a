/* SPDX-License-Identifier: BSD-2-Clause */
/* Rates from counters that are asked for again and again. */
#ifndef MCASTCTL_RATES_H
#define MCASTCTL_RATES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct rates;

struct rates *rates_new(void);
void rates_free(struct rates *rates);
/* Begins a round at this time; what is not asked for in a round is forgotten in the next. */
void rates_begin(struct rates *rates, double now_s);
/*
 * How much the counter of this name has grown each second since the last round; 0 in the first
 * round of a counter, and when it has become smaller.
 */
double rates_of(struct rates *rates, const char *name, double counter);

#endif
