/* SPDX-License-Identifier: BSD-2-Clause */
/* An event loop one round at a time. */
#ifndef TESTS_SUPPORT_ROUNDS_H
#define TESTS_SUPPORT_ROUNDS_H

#include "platform/loop.h"

/* Serves what is ready now, so many times; aborts when the loop fails. */
void run_rounds(struct loop *loop, unsigned int n);

#endif
