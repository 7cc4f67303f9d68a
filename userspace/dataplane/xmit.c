/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What drivers refuse to transmit: programs on two tracepoints of the kernel, as long as the daemon
 * runs (bpf/mcast_trace.bpf.c). Where tracepoints or the kernel's types (BTF) are missing, or are
 * not permitted, all else works without.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/mcast_trace.skel.h"
#include "dataplane/internal.h"

int xmit_open(struct dataplane *dp)
{
	struct stat space;
	int err;

	if (stat("/proc/self/ns/net", &space))
		return -errno;
	dp->trace = mcast_trace_bpf__open();
	if (!dp->trace)
		return -errno;
	dp->trace->rodata->netns = (uint32_t)space.st_ino;
	err = dataplane_reuse_maps(dp, dp->trace->obj);
	if (!err)
		err = mcast_trace_bpf__load(dp->trace);
	if (!err)
		err = mcast_trace_bpf__attach(dp->trace);
	if (err)
		xmit_close(dp);
	return err;
}

void xmit_close(struct dataplane *dp)
{
	mcast_trace_bpf__destroy(dp->trace);
	dp->trace = NULL;
}

int dataplane_xmit(struct dataplane *dp, unsigned int slot, struct dataplane_xmit *xmit)
{
	struct mcastd_refusal *cpus, *last;
	int err;

	*xmit = (struct dataplane_xmit){ 0 };
	if (!dp->trace)
		return dp->trace_error;
	last = cpus = calloc(dp->n_cpus, sizeof(*cpus));
	if (!cpus)
		return -ENOMEM;
	err = bpf_map_lookup_elem(bpf_map__fd(dp->trace->maps.mcastd_refusals), &slot, cpus);
	for (unsigned int i = 0; i < dp->n_cpus && !err; i++) {
		xmit->incapable += cpus[i].incapable;
		if (cpus[i].last_ns > last->last_ns)
			last = &cpus[i];
	}
	xmit->err = (int)last->err;
	free(cpus);
	return err;
}
