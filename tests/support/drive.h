/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Drives an engine by a string of bytes: reports, queries and time steps, and compares it with the
 * model after each step; or, with settings the model does not know, checks what must always hold.
 * Any bytes are a valid script.
 */
#ifndef TESTS_SUPPORT_DRIVE_H
#define TESTS_SUPPORT_DRIVE_H

#include <stddef.h>
#include <stdint.h>

/* Returns NULL, or what went wrong, in `problem`. *steps counts the steps made. */
const char *drive_against_model(const uint8_t *data, size_t size, char *problem, size_t room,
				uint64_t *steps);
const char *drive_with_limits(const uint8_t *data, size_t size, char *problem, size_t room,
			      uint64_t *steps);

#endif
