/* SPDX-License-Identifier: BSD-2-Clause */
/* The groups that programs on this host have joined, as the kernel tells. */
#ifndef PLATFORM_LOCAL_H
#define PLATFORM_LOCAL_H

#include <stdbool.h>
#include <stdint.h>

/* One IPv4 group that a socket of this host has joined on an interface. Returns true to go on. */
typedef bool (*local_group_fn)(void *arg, unsigned int ifindex, const uint8_t group[4]);

/*
 * Tells of every IPv4 membership of the kernel's own in this network namespace, 224.0.0.1 among
 * them. Returns 0 or -errno.
 */
int local_each_group(local_group_fn fn, void *arg);

#endif
