/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A host part and the router above it, both ours, driven by a string of bytes. In a calm script
 * what is wanted changes: the router forwards what the host wants within 100 ms, and nothing else
 * after Last Member Query Time. In a stormy one packets get lost, queriers of all versions ask, the
 * link goes and comes: when it is quiet again both agree. Any bytes are a valid script.
 */
#ifndef TESTS_SUPPORT_PAIR_H
#define TESTS_SUPPORT_PAIR_H

#include <stddef.h>
#include <stdint.h>

/* Returns NULL, or what went wrong, in `problem`. */
const char *pair_run(const uint8_t *data, size_t size, char *problem, size_t room);

#endif
