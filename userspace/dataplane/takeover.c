/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Taking over from an mcastd whose maps are not ours: its ABI version is another one, or its pins
 * are gone. Its program stays on the interface and forwards with the last state it was given, while
 * ours waits and learns: the AF_XDP sockets of the port stand in the maps of both, so that IGMP
 * comes to us. When hosts have had the time to answer our queries, ours takes its place.
 *
 * That other maps lead to sockets in the same way is all that is known of them (mcastd/abi.h). They
 * are found by way of the program, so it does not matter what is pinned where: whoever is killed in
 * the middle of this leaves what the next start, of any version, takes over again.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "dataplane/internal.h"

/* A map that a program uses, by its name. Returns its descriptor or -errno. */
static int map_of_program(uint32_t prog_id, const char *name)
{
	uint32_t ids[PROGRAM_MAPS] = { 0 };
	struct bpf_prog_info prog = { .nr_map_ids = PROGRAM_MAPS, .map_ids = (uintptr_t)ids };
	uint32_t size = sizeof(prog);
	int prog_fd = bpf_prog_get_fd_by_id(prog_id), err;

	if (prog_fd < 0)
		return prog_fd;
	err = bpf_obj_get_info_by_fd(prog_fd, &prog, &size);
	close(prog_fd);
	for (uint32_t i = 0; !err && i < prog.nr_map_ids && i < PROGRAM_MAPS; i++) {
		struct bpf_map_info map = { 0 };
		int fd = bpf_map_get_fd_by_id(ids[i]);

		if (fd < 0)
			return fd;
		size = sizeof(map);
		err = bpf_obj_get_info_by_fd(fd, &map, &size);
		if (!err && strcmp(map.name, name) == 0)
			return fd;
		close(fd);
	}
	return err ? err : -ENOENT;
}

/* The slot of an interface in the maps of another program, 0: none. Returns 0 or -errno. */
static int slot_elsewhere(uint32_t prog_id, uint32_t ifindex, uint32_t *slot)
{
	int fd = map_of_program(prog_id, "mcastd_slots"), err;

	*slot = 0;
	if (fd < 0)
		return fd;
	err = bpf_map_lookup_elem(fd, &ifindex, slot);
	close(fd);
	return err == -ENOENT ? 0 : err;
}

int dataplane_lend_socket(struct dataplane *dp, unsigned int ifindex, unsigned int queue,
			  int xsk_fd)
{
	struct attachment *at = attach_find(dp, ifindex);
	uint32_t slot, index;
	int err, fd;

	if (!at || !at->other_id)
		return 0;
	err = slot_elsewhere(at->other_id, ifindex, &slot);
	if (err)
		return err;
	if (slot) {
		fd = map_of_program(at->other_id, "mcastd_xsks");
		if (fd < 0)
			return fd;
		index = MCASTD_XSK_INDEX(slot, queue);
		err = bpf_map_update_elem(fd, &index, &xsk_fd, BPF_NOEXIST);
		close(fd);
	}
	/* Nobody else is there. */
	at->ours |= !err;
	return err;
}

bool dataplane_runs_other(const struct dataplane *dp, unsigned int ifindex)
{
	const struct attachment *at = attach_find(dp, ifindex);

	return at && at->other_id;
}

bool dataplane_wants_takeover(const struct dataplane *dp)
{
	for (size_t i = 0; i < dp->n_attachments; i++)
		if (dp->attachments[i].other_id)
			return true;
	return false;
}

int dataplane_take_over(struct dataplane *dp, struct dataplane_error *error)
{
	int err = 0;

	for (size_t i = 0; i < dp->n_attachments; i++) {
		if (!dp->attachments[i].other_id)
			continue;
		err = attach_replace_other(dp, &dp->attachments[i], error);
		if (!err)
			break;
	}
	return err;
}
