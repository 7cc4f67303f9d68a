/* SPDX-License-Identifier: BSD-2-Clause */
/* What the service manager is told, sd_notify(3); nothing happens without NOTIFY_SOCKET. */
#ifndef CONTROL_NOTIFY_H
#define CONTROL_NOTIFY_H

#include <stdint.h>

/* Sends assignments, one a line: "READY=1\nSTATUS=...". Returns 0 or -errno; may be ignored. */
int notify_send(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* RELOADING=1 with the time, as Type=notify-reload wants it; READY=1 ends it. */
void notify_reloading(void);
/* How often to send WATCHDOG=1 in ms, half of what systemd asks for; 0: not asked for. */
uint32_t notify_watchdog_ms(void);

#endif
