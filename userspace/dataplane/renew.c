/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Port sets that an earlier build has left, with its egress program: each gets a new map under the
 * same id, so that nothing that leads to it changes. A set that finds no memory stays as it is.
 */
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "dataplane/internal.h"

/* Do the devices of an adopted set run another egress program than that of this build? */
static bool is_stale(const struct dataplane *dp, const struct port_set *set)
{
	struct mcastd_dev dev;
	uint32_t slot;

	return set->fd >= 0 && bpf_map_get_next_key(set->fd, NULL, &slot) == 0 &&
	       bpf_map_lookup_elem(set->fd, &slot, &dev) == 0 &&
	       !dataplane_same_program(dp->egress_fd, dev.prog_fd);
}

/* A map of the same devices with our egress program. Returns its descriptor or -errno. */
static int renewed_map(const struct dataplane *dp, const struct port_set *set)
{
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info), slot, *last = NULL;
	struct mcastd_dev dev;
	int err = bpf_obj_get_info_by_fd(set->fd, &info, &size), fd;

	if (err)
		return err;
	fd = bpf_map_create(BPF_MAP_TYPE_DEVMAP_HASH, info.name, sizeof(slot), sizeof(dev),
			    info.max_entries, NULL);
	for (; fd >= 0 && bpf_map_get_next_key(set->fd, last, &slot) == 0; last = &slot) {
		if (bpf_map_lookup_elem(set->fd, &slot, &dev))
			continue;
		dev.prog_fd = (uint32_t)dp->egress_fd;
		/* Fails where the interface has just vanished: its port will go. */
		bpf_map_update_elem(fd, &slot, &dev, BPF_ANY);
	}
	return fd;
}

int set_renew_all(struct dataplane *dp)
{
	uint32_t id = MCASTD_SET_ALL, ids[SET_BATCH_MAX], n;
	int fds[SET_BATCH_MAX], err;

	do {
		for (n = 0; id < dp->map_entries[MAP_SETS] && n < SET_BATCH_MAX; id++) {
			if (!is_stale(dp, &dp->sets[id]))
				continue;
			fds[n] = renewed_map(dp, &dp->sets[id]);
			if (fds[n] >= 0)
				ids[n++] = id;
		}
		err = n ? spare_install(dp, ids, fds, n) : 0;
		for (uint32_t i = 0; i < n; i++) {
			close(err ? fds[i] : dp->sets[ids[i]].fd);
			if (!err)
				dp->sets[ids[i]].fd = fds[i];
		}
	} while (n == SET_BATCH_MAX && !err);
	return err;
}
