/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * (a) mcastd's programs with all checks and many routes, (b) the kernel's multicast routing with as
 * many, (c) a bare devmap broadcast, (d) the same after a read and a write of the header, (e) bare
 * with an empty program run for each copy.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/mroute.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "dataplane/dataplane.h"
#include "forward.h"

const char *const variant_names[VARIANTS] = { "mcastd", "ip_mroute", "bare", "touch", "empty" };

static struct {
	struct dataplane *dataplane;
	char bpffs[64];
	int mcastd_fd; /* the ingress program */
	int mroute_fd;
	int bare_fd[VARIANTS][PORTS_MAX + 1]; /* of (c) to (e), by fan-out */
} ways;

/* --- (a) mcastd --------------------------------------------------------------------------------
 */

static void set_mcastd_route(const char *group, unsigned int low, const uint16_t *slots, uint32_t n)
{
	struct forward_route route = { .out = { { slots, n }, { NULL, 0 } } };
	struct addr base;

	addr_parse(group, &base);
	route.group = addr_from_v4_host(addr_to_v4_host(&base) + low);
	if (dataplane_forward_ops.route_set(ways.dataplane, &route))
		die("route_set failed");
}

static void set_mcastd_port(unsigned int slot, const char *name, unsigned int ifindex,
			    const char *origin)
{
	struct dataplane_port port = { .ifindex = ifindex,
				       .side = slot == 1 ? MCASTD_SIDE_UPSTREAM
							 : MCASTD_SIDE_DOWNSTREAM,
				       .ttl_threshold = 1,
				       .mtu = 1500,
				       .check_origin = true };
	struct dataplane_error error = { "" };
	struct prefix prefix;
	enum dataplane_mode got;

	snprintf(port.name, sizeof(port.name), "%s", name);
	memcpy(port.mac, (uint8_t[]){ 2, 0, 0, 0, 1, (uint8_t)slot }, 6);
	if (dataplane_port_set(ways.dataplane, slot, &port, &error) ||
	    (slot == 1 &&
	     dataplane_attach(ways.dataplane, ifindex, DATAPLANE_MODE_NATIVE, &got, &error)))
		die("%s", error.text);
	prefix_parse(origin, &prefix);
	dataplane_origins_set(ways.dataplane, slot, &prefix, 1);
	prefix_parse("239.255.0.0/16", &prefix);
	dataplane_boundary_set(ways.dataplane, slot, &prefix, 1);
}

static void open_mcastd(void)
{
	struct dataplane_options dataplane = { .bpffs_dir = ways.bpffs,
					       .max_routes =
						       options.routes + options.groups + 4096 };
	struct dataplane_error error = { "" };
	char name[IF_NAMESIZE], origin[32];
	uint32_t id;

	snprintf(ways.bpffs, sizeof(ways.bpffs), "/sys/fs/bpf/mcastd-bench-%d", getpid());
	if (dataplane_open(&ways.dataplane, &dataplane, &error))
		die("%s", error.text);
	set_mcastd_port(1, "u", bed.upstream, "10.9.0.0/24");
	for (unsigned int i = 0; i < bed.n_ports; i++) {
		snprintf(name, sizeof(name), "d%u", i);
		snprintf(origin, sizeof(origin), "10.1.%u.0/24", i);
		set_mcastd_port(i + 2, name, bed.ports[i], origin);
	}
	for (unsigned int i = 0; bed.n_ports && i < options.routes; i++)
		set_mcastd_route("239.100.0.0", i, (uint16_t[]){ (uint16_t)(2 + i % bed.n_ports) },
				 1);
	if (options.with_set)
		set_mcastd_route("239.200.0.0", 0, (uint16_t[]){ 2, 3 }, 2);
	if (bpf_xdp_query_id((int)bed.upstream, 0, &id) || !id)
		die("no program on the upstream port");
	ways.mcastd_fd = bpf_prog_get_fd_by_id(id);
}

static void set_mcastd_fan_out(unsigned int fan_out)
{
	uint16_t slots[PORTS_MAX];

	for (unsigned int i = 0; i < fan_out; i++)
		slots[i] = (uint16_t)(2 + i);
	for (unsigned int i = 0; i < options.groups; i++)
		set_mcastd_route(GROUP, i, slots, fan_out);
}

/* --- (b) ip_mroute -----------------------------------------------------------------------------
 */

/* The kernel has at most 32 interfaces here, one of them the upstream. */
static unsigned int mroute_ports(void)
{
	return bed.n_ports < MAXVIFS - 1 ? bed.n_ports : MAXVIFS - 1;
}

static void add_vif(unsigned int vif, unsigned int ifindex)
{
	struct vifctl control = { .vifc_vifi = (vifi_t)vif,
				  .vifc_flags = VIFF_USE_IFINDEX,
				  .vifc_threshold = 1,
				  .vifc_lcl_ifindex = (int)ifindex };

	if (setsockopt(ways.mroute_fd, IPPROTO_IP, MRT_ADD_VIF, &control, sizeof(control)))
		die("MRT_ADD_VIF: %s", strerror(errno));
}

static void set_mfc(const char *group, unsigned int low, unsigned int first, unsigned int n)
{
	struct mfcctl mfc = { .mfcc_parent = 0 };

	mfc.mfcc_origin.s_addr = inet_addr(SOURCE);
	mfc.mfcc_mcastgrp.s_addr = htonl(ntohl(inet_addr(group)) + low);
	for (unsigned int i = 0; i < n && first + i < MAXVIFS; i++)
		mfc.mfcc_ttls[first + i] = 1;
	if (setsockopt(ways.mroute_fd, IPPROTO_IP, MRT_ADD_MFC, &mfc, sizeof(mfc)))
		die("MRT_ADD_MFC: %s", strerror(errno));
}

static void open_mroute(void)
{
	int one = 1;

	ways.mroute_fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_IGMP);
	if (ways.mroute_fd < 0 ||
	    setsockopt(ways.mroute_fd, IPPROTO_IP, MRT_INIT, &one, sizeof(one)))
		die("MRT_INIT: %s", strerror(errno));
	add_vif(0, bed.upstream);
	for (unsigned int i = 0; i < mroute_ports(); i++)
		add_vif(i + 1, bed.ports[i]);
	for (unsigned int i = 0; mroute_ports() && i < options.routes; i++)
		set_mfc("239.100.0.0", i, 1 + i % mroute_ports(), 1);
}

/* --- (c) to (e) bare broadcast -------------------------------------------------------------------
 */

static struct bpf_program *program_of(struct bench_bpf *bpf, enum variant variant)
{
	if (variant != TOUCH)
		return bpf->progs.bare;
	return options.work ? bpf->progs.touch_and_work : bpf->progs.touch;
}

static int open_bare(enum variant variant, unsigned int fan_out)
{
	struct bench_bpf *bpf = bench_bpf__open();
	int fd;

	if (!bpf)
		die("cannot open the bare program");
	bpf_map__set_max_entries(bpf->maps.all, fan_out);
	bpf->rodata->work_turns = options.work / WORK_STEPS;
	if (bench_bpf__load(bpf))
		die("cannot load the bare program");
	for (uint32_t i = 0; i < fan_out; i++) {
		struct mcastd_dev dev = {
			.ifindex = bed.ports[i],
			.prog_fd =
				variant == EMPTY ? (uint32_t)bpf_program__fd(bpf->progs.empty) : 0,
		};

		if (bpf_map_update_elem(bpf_map__fd(bpf->maps.all), &i, &dev, BPF_ANY))
			die("cannot fill the bare map");
	}
	fd = dup(bpf_program__fd(program_of(bpf, variant)));
	bench_bpf__destroy(bpf);
	return fd;
}

/* --- all ---------------------------------------------------------------------------------------
 */

void variants_open(void)
{
	open_mcastd();
	open_mroute();
}

void variants_close(void)
{
	if (ways.dataplane)
		dataplane_close(ways.dataplane, false);
}

bool variant_can(enum variant variant, unsigned int fan_out)
{
	if (options.only && !strstr(options.only, variant_names[variant]))
		return false;
	return variant != MROUTE || fan_out <= mroute_ports();
}

int variant_prepare(enum variant variant, unsigned int fan_out)
{
	switch (variant) {
	case MCASTD:
		set_mcastd_fan_out(fan_out);
		return ways.mcastd_fd;
	case MROUTE:
		for (unsigned int i = 0; i < options.groups; i++)
			set_mfc(GROUP, i, 1, fan_out);
		return -1;
	default:
		if (!ways.bare_fd[variant][fan_out])
			ways.bare_fd[variant][fan_out] = open_bare(variant, fan_out);
		return ways.bare_fd[variant][fan_out];
	}
}

void variant_attach(int fd)
{
	if (bpf_xdp_attach((int)bed.upstream, fd, XDP_FLAGS_DRV_MODE, NULL))
		die("cannot change the program");
}

void variant_use(enum variant variant, unsigned int fan_out)
{
	variant_attach(variant_prepare(variant, fan_out));
	bed_pin_poller();
}
