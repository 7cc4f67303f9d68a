// SPDX-License-Identifier: BSD-2-Clause
/* Frames for the host's own stack: BPF_PROG_RUN with live frames, as if a driver had them. */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include "dataplane/internal.h"

int dataplane_inject(struct dataplane *dp, unsigned int ifindex, uint8_t *frame, size_t len)
{
	static const uint8_t host_mac[] = MCASTD_HOST_MAC;
	struct xdp_md ctx = { .data_end = (uint32_t)len, .ingress_ifindex = ifindex };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = (uint32_t)len,
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = 1, .batch_size = 1,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
	int err;

	memcpy(frame + 6, host_mac, sizeof(host_mac));
	err = bpf_prog_test_run_opts(dp->to_host_fd, &opts);
	return err == -EINVAL ? -EOPNOTSUPP : err;
}
