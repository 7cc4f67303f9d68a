/* SPDX-License-Identifier: BSD-2-Clause */
#include "bed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

static void die(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s\n", what, why);
	exit(1);
}

void bed_init(struct bed *bed, unsigned int n, const struct dataplane_options *options)
{
	struct dataplane_options defaults = { .bpffs_dir = veth_bpffs() };
	struct dataplane_error error = { "" };

	memset(bed, 0, sizeof(*bed));
	veth_init(&bed->veth, n, 1);
	if (dataplane_open(&bed->dp, options ? options : &defaults, &error))
		die("dataplane_open", error.text);
}

void bed_fini(struct bed *bed)
{
	dataplane_close(bed->dp, false);
	veth_fini(&bed->veth);
}

struct dataplane_port bed_port(const struct bed *bed, unsigned int slot)
{
	struct dataplane_port port = {
		.ifindex = bed->veth.ifindex[slot],
		.side = slot == 1 ? MCASTD_SIDE_UPSTREAM : MCASTD_SIDE_DOWNSTREAM,
		.ttl_threshold = 1,
		.mtu = BED_MTU,
		.generic = bed->generic,
	};

	snprintf(port.name, sizeof(port.name), "r%u", slot);
	memcpy(port.mac, bed->veth.mac[slot], 6);
	return port;
}

void bed_port_set(struct bed *bed, unsigned int slot, const struct dataplane_port *port)
{
	struct dataplane_error error = { "" };

	if (dataplane_port_set(bed->dp, slot, port, &error))
		die("dataplane_port_set", error.text);
}

void bed_ports(struct bed *bed, enum dataplane_mode mode)
{
	struct dataplane_error error = { "" };

	bed->generic = mode == DATAPLANE_MODE_GENERIC;
	for (unsigned int i = 1; i <= bed->veth.n; i++) {
		struct dataplane_port port = bed_port(bed, i);
		enum dataplane_mode got;

		if (dataplane_attach(bed->dp, port.ifindex, mode, &got, &error) || got != mode)
			die("dataplane_attach", error.text);
		bed_port_set(bed, i, &port);
	}
}

static void parse(const char *text, struct addr *addr)
{
	if (addr_parse(text, addr))
		die(text, "not an address");
}

int bed_route(struct bed *bed, const char *source, const char *group, const uint16_t *slots,
	      uint32_t n)
{
	struct forward_route route = { .out = { { slots, n }, { slots, n } } };

	parse(source, &route.source);
	parse(group, &route.group);
	return dataplane_forward_ops.route_set(bed->dp, &route);
}

int bed_unroute(struct bed *bed, const char *source, const char *group)
{
	struct addr s, g;

	parse(source, &s);
	parse(group, &g);
	return dataplane_forward_ops.route_del(bed->dp, &g, &s);
}

static int program_of(const struct bed *bed, unsigned int slot)
{
	unsigned int ifindex = bed->veth.ifindex[slot];
	uint32_t id = 0;
	int fd;

	if (bpf_xdp_query_id((int)ifindex, 0, &id) || !id)
		die("bpf_xdp_query_id", "no program");
	fd = bpf_prog_get_fd_by_id(id);
	if (fd < 0)
		die("bpf_prog_get_fd_by_id", strerror(-fd));
	return fd;
}

void bed_run(struct bed *bed, unsigned int slot, const struct veth_frame *in, struct bed_run *run)
{
	struct xdp_md ctx = { .data_end = (uint32_t)in->len,
			      .ingress_ifindex = bed->veth.ifindex[slot] };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in->bytes,
		    .data_size_in = (uint32_t)in->len, .data_out = run->out.bytes,
		    .data_size_out = sizeof(run->out.bytes), .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = 1);
	struct mcastd_port_stats before, after;
	int fd = program_of(bed, slot), err;

	dataplane_port_stats(bed->dp, slot, &before);
	err = bpf_prog_test_run_opts(fd, &opts);
	if (err)
		die("BPF_PROG_TEST_RUN", strerror(-err));
	close(fd);
	dataplane_port_stats(bed->dp, slot, &after);
	run->action = opts.retval;
	run->out.len = opts.data_size_out;
	run->moved = 0;
	run->verdict = -1;
	for (int i = 0; i < MCASTD_VERDICTS; i++) {
		run->moved += after.verdict[i] - before.verdict[i];
		if (after.verdict[i] != before.verdict[i])
			run->verdict = i;
	}
}
