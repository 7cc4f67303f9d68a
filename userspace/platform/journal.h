/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * journald's native protocol: one datagram of fields for each entry, so that `journalctl
 * INTERFACE=eth1` finds it.
 *
 * Written out here and not taken from libsystemd: the daemon also runs where there is no systemd,
 * the protocol is a few lines and its stability is promised (systemd.io/JOURNAL_NATIVE_PROTOCOL),
 * and the library would bring its compression and crypto libraries into a privileged process.
 */
#ifndef PLATFORM_JOURNAL_H
#define PLATFORM_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define JOURNAL_ENTRY_MAX 4096

struct journal_field {
	const char *name;  /* capitals, digits and underscores */
	const char *value; /* any text; NULL: the field is left out */
};

/*
 * True while standard error is the stream that journald reads. systemd.exec(5): JOURNAL_STREAM
 * names its device and inode; it is inherited, so it may be that of another process.
 */
bool journal_is_stderr(void);
/* Returns a descriptor for journal_send(), or -errno. */
int journal_open(const char *path);
/* Never waits. Returns 0, -EMSGSIZE: more than JOURNAL_ENTRY_MAX bytes, or -errno. */
int journal_send(int fd, const struct journal_field *fields, size_t n);

#endif
