/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What runs on an interface. A program of ours is told by the maps it uses, another mcastd's by its
 * name.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <xdp/libxdp.h>

#include "dataplane/internal.h"

#define DISPATCHER "xdp_dispatcher" /* libxdp's program that runs others */

/* Whose program is it? Returns false if it is none of mcastd. */
static bool classify(const struct dataplane *dp, int prog_fd, struct found *found)
{
	uint32_t ids[PROGRAM_MAPS] = { 0 };
	struct bpf_prog_info info = { .nr_map_ids = PROGRAM_MAPS, .map_ids = (uintptr_t)ids };
	struct bpf_map_info slots = { 0 };
	uint32_t size = sizeof(info), slots_size = sizeof(slots);

	if (prog_fd < 0 || bpf_obj_get_info_by_fd(prog_fd, &info, &size) ||
	    bpf_obj_get_info_by_fd(dp->map_fd[MAP_SLOTS], &slots, &slots_size))
		return false;
	for (uint32_t i = 0; i < info.nr_map_ids && i < PROGRAM_MAPS; i++) {
		if (ids[i] != slots.id)
			continue;
		if (found->prog_id) /* the first of two was to be replaced by the second */
			found->other_id = found->prog_id;
		found->prog_id = info.id;
		return true;
	}
	if (strcmp(info.name, MCASTD_PROGRAM) != 0)
		return false;
	found->other_id = info.id;
	return true;
}

static void name_it(struct found *found, const char *name)
{
	if (!found->name[0])
		strncpy(found->name, name, sizeof(found->name) - 1);
}

/*
 * The one program that the interface runs. Without libxdp, each of whose queries leaves a
 * descriptor open (1.3.1). Returns false if it may be libxdp's dispatcher, of this id.
 */
static bool look_alone(const struct dataplane *dp, unsigned int ifindex, struct found *found,
		       uint32_t *prog_id)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	struct bpf_prog_info info = { 0 };
	uint32_t size = sizeof(info);
	int fd;

	if (bpf_xdp_query((int)ifindex, 0, &query) || !query.prog_id)
		return true;
	*prog_id = query.prog_id;
	found->mode = query.attach_mode == XDP_ATTACHED_SKB ? DATAPLANE_MODE_GENERIC
							    : DATAPLANE_MODE_NATIVE;
	fd = bpf_prog_get_fd_by_id(query.prog_id);
	if (fd >= 0)
		bpf_obj_get_info_by_fd(fd, &info, &size);
	found->foreign = !classify(dp, fd, found);
	if (fd >= 0)
		close(fd);
	if (found->foreign)
		name_it(found, info.name[0] ? info.name : "(no name)");
	return strcmp(info.name, DISPATCHER) != 0;
}

/* What libxdp's dispatcher runs. */
static void look_into(const struct dataplane *dp, unsigned int ifindex, struct found *found)
{
	struct xdp_multiprog *mp = xdp_multiprog__get_from_ifindex((int)ifindex);
	struct xdp_program *program = NULL;

	if (libxdp_get_error(mp))
		return;
	if (!xdp_multiprog__is_legacy(mp)) {
		found->dispatcher = xdp_program__id(xdp_multiprog__main_prog(mp));
		found->foreign = false;
		found->name[0] = '\0';
		while ((program = xdp_multiprog__next_prog(program, mp)))
			if (!classify(dp, xdp_program__fd(program), found))
				name_it(found, xdp_program__name(program));
	}
	xdp_multiprog__close(mp);
}

static struct sight *sight_of(struct dataplane *dp, unsigned int ifindex)
{
	struct sight *more;

	for (size_t i = 0; i < dp->n_sights; i++)
		if (dp->sights[i].ifindex == ifindex)
			return &dp->sights[i];
	more = realloc(dp->sights, (dp->n_sights + 1) * sizeof(*more));
	if (!more)
		return NULL;
	dp->sights = more;
	more += dp->n_sights++;
	*more = (struct sight){ .ifindex = ifindex };
	return more;
}

/* A dispatcher is never changed, but replaced by another: one look into each is enough. */
void look(struct dataplane *dp, unsigned int ifindex, struct found *found)
{
	struct sight *sight;
	uint32_t prog_id;

	memset(found, 0, sizeof(*found));
	if (look_alone(dp, ifindex, found, &prog_id))
		return;
	sight = sight_of(dp, ifindex);
	if (sight && sight->found.dispatcher == prog_id) {
		*found = sight->found;
		return;
	}
	look_into(dp, ifindex, found);
	if (sight)
		sight->found = *found;
}
