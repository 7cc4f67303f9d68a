/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

#include "control/http_internal.h"
#include "platform/log.h"

/*
 * Ends when the daemon closes its end of the connection, by being killed with it at the latest.
 * _exit(): what libraries may want to do at the end is not allowed any more.
 */
_Noreturn void http_process_run(enum privilege_filter filter)
{
	struct loop *loop;

	prctl(PR_SET_NAME, HTTP_PROCESS_NAME, 0, 0, 0);
	signal(SIGPIPE, SIG_IGN);
	loop = loop_new();
	if (!loop || !http_serve_new(loop, HTTP_LISTEN_FD, HTTP_DAEMON_FD)) {
		log_error("HTTP: cannot start: %s", strerror(errno));
		_exit(EX_OSERR);
	}
	if (http_sandbox_enter(filter) < 0)
		_exit(EX_NOPERM);
	_exit(loop_run(loop) < 0 ? EX_OSERR : EX_OK);
}
