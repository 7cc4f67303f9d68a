/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ingress program on interfaces, by libxdp: beside other programs where the kernel can do that,
 * else alone. What is a program of ours is told by the maps it uses. One that an earlier build has
 * left on these maps is replaced by ours, one on other maps later: see takeover.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <xdp/libxdp.h>

#include "dataplane/internal.h"

static const enum xdp_attach_mode xdp_modes[] = {
	[DATAPLANE_MODE_NATIVE] = XDP_MODE_NATIVE,
	[DATAPLANE_MODE_GENERIC] = XDP_MODE_SKB,
};

/* What runs on an interface. */
struct found {
	uint32_t prog_id;  /* of our program, 0: it is not there */
	uint32_t other_id; /* of another mcastd's program, or of a second one of ours */
	enum dataplane_mode mode;
	bool foreign; /* a program that leaves no room for ours */
	bool dispatcher;
	char name[32]; /* of the foreign program */
};

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

/*
 * A program of mcastd alone on the interface, the usual case, without libxdp: each of its queries
 * leaves a descriptor open (1.3.1).
 */
static bool look_alone(const struct dataplane *dp, unsigned int ifindex, struct found *found)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	bool known;
	int fd;

	if (bpf_xdp_query((int)ifindex, 0, &query) || !query.prog_id)
		return true;
	fd = bpf_prog_get_fd_by_id(query.prog_id);
	if (fd < 0)
		return false;
	known = classify(dp, fd, found);
	close(fd);
	found->mode = query.attach_mode == XDP_ATTACHED_SKB ? DATAPLANE_MODE_GENERIC
							    : DATAPLANE_MODE_NATIVE;
	return known;
}

static void look(const struct dataplane *dp, unsigned int ifindex, struct found *found)
{
	struct xdp_program *program = NULL;
	struct xdp_multiprog *mp;

	memset(found, 0, sizeof(*found));
	if (look_alone(dp, ifindex, found))
		return;
	mp = xdp_multiprog__get_from_ifindex((int)ifindex);
	if (libxdp_get_error(mp))
		return;
	found->mode = xdp_multiprog__attach_mode(mp) == XDP_MODE_SKB ? DATAPLANE_MODE_GENERIC
								     : DATAPLANE_MODE_NATIVE;
	found->dispatcher = !xdp_multiprog__is_legacy(mp);
	if (found->dispatcher) {
		while ((program = xdp_multiprog__next_prog(program, mp)))
			classify(dp, xdp_program__fd(program), found);
	} else {
		program = xdp_multiprog__main_prog(mp);
		found->foreign = true;
		strncpy(found->name, xdp_program__name(program), sizeof(found->name) - 1);
	}
	xdp_multiprog__close(mp);
}

static const char *name_of(unsigned int ifindex, char *name)
{
	return if_indextoname(ifindex, name) ? name : "(no such interface)";
}

struct attachment *attach_find(const struct dataplane *dp, unsigned int ifindex)
{
	for (size_t i = 0; i < dp->n_attachments; i++)
		if (dp->attachments[i].ifindex == ifindex)
			return &dp->attachments[i];
	return NULL;
}

bool attach_is_ours(const struct dataplane *dp, unsigned int ifindex)
{
	const struct attachment *at = attach_find(dp, ifindex);

	return at && at->ours;
}

static uint32_t attach_flags(enum dataplane_mode mode)
{
	return mode == DATAPLANE_MODE_GENERIC ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE;
}

static int detach_alone(unsigned int ifindex, uint32_t prog_id, enum dataplane_mode mode)
{
	LIBBPF_OPTS(bpf_xdp_attach_opts, opts);
	int err;

	opts.old_prog_fd = bpf_prog_get_fd_by_id(prog_id);
	if (opts.old_prog_fd < 0)
		return opts.old_prog_fd;
	err = bpf_xdp_detach((int)ifindex, attach_flags(mode), &opts);
	close(opts.old_prog_fd);
	return err;
}

static int detach_program(unsigned int ifindex, uint32_t prog_id, enum dataplane_mode mode)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	struct xdp_program *program;
	int err;

	err = bpf_xdp_query((int)ifindex, 0, &query);
	if (err || !query.prog_id) /* the interface is gone */
		return err;
	if (query.prog_id == prog_id)
		return detach_alone(ifindex, prog_id, mode);
	program = xdp_program__from_id(prog_id);
	err = (int)libxdp_get_error(program);
	if (err)
		return err;
	err = xdp_program__detach(program, (int)ifindex, xdp_modes[mode], 0);
	xdp_program__close(program);
	return err;
}

/* --- attaching and replacing --- */

static int program_fd(const struct bpf_object *object)
{
	return bpf_program__fd(bpf_object__find_program_by_name(object, MCASTD_PROGRAM));
}

/* The program that interfaces share which have no dispatcher. Returns its descriptor or -errno. */
static int load_program(struct dataplane *dp)
{
	struct bpf_object *object;
	int err;

	if (dp->ingress)
		return program_fd(dp->ingress);
	err = dataplane_open_program(dp, &object);
	if (err)
		return err;
	err = bpf_object__load(object);
	if (err) {
		bpf_object__close(object);
		return err;
	}
	dp->ingress = object;
	return program_fd(object);
}

static int attach_alone(struct dataplane *dp, unsigned int ifindex, enum dataplane_mode mode)
{
	int fd = load_program(dp);

	if (fd < 0)
		return fd;
	return bpf_xdp_attach((int)ifindex, fd, attach_flags(mode) | XDP_FLAGS_UPDATE_IF_NOEXIST,
			      NULL);
}

/* A dispatcher needs a program of its own; if there is none the program serves others as well. */
static int attach_by_libxdp(struct dataplane *dp, unsigned int ifindex, enum dataplane_mode mode,
			    struct found *found)
{
	struct xdp_program *program;
	struct bpf_object *object;
	int err = dataplane_open_program(dp, &object);

	if (err)
		return err;
	program = xdp_program__from_bpf_obj(object, "xdp");
	err = (int)libxdp_get_error(program);
	if (!err) {
		err = xdp_program__attach(program, (int)ifindex, xdp_modes[mode], 0);
		xdp_program__close(program);
	}
	if (!err)
		look(dp, ifindex, found);
	dp->no_dispatcher = !err && !found->dispatcher;
	/* The object is ours to close, libxdp does not. */
	if (dp->no_dispatcher && !dp->ingress && program_fd(object) >= 0)
		dp->ingress = object;
	else
		bpf_object__close(object);
	return err;
}

static int attach_program(struct dataplane *dp, unsigned int ifindex, enum dataplane_mode mode,
			  struct found *found)
{
	int err;

	/* Once it is known that there is no dispatcher, without libxdp, as in look_alone(). */
	if (dp->no_dispatcher && !found->dispatcher) {
		err = attach_alone(dp, ifindex, mode);
		if (!err)
			look(dp, ifindex, found);
	} else {
		err = attach_by_libxdp(dp, ifindex, mode, found);
	}
	return err ? err : found->prog_id ? 0 : -EBUSY;
}

static int exchange_program(struct dataplane *dp, unsigned int ifindex, uint32_t old_id,
			    enum dataplane_mode mode)
{
	LIBBPF_OPTS(bpf_xdp_attach_opts, opts);
	int fd = load_program(dp), err;

	if (fd < 0)
		return fd;
	opts.old_prog_fd = bpf_prog_get_fd_by_id(old_id);
	if (opts.old_prog_fd < 0)
		return opts.old_prog_fd;
	err = bpf_xdp_attach((int)ifindex, fd, attach_flags(mode) | XDP_FLAGS_REPLACE, &opts);
	close(opts.old_prog_fd);
	return err;
}

/*
 * Puts our program in the place of an older one, so that no packet meets the interface without one:
 * alone in one step; in a dispatcher ours comes behind the other, which then goes.
 */
static int replace_program(struct dataplane *dp, unsigned int ifindex, uint32_t old_id,
			   struct found *found)
{
	enum dataplane_mode mode = found->mode;
	int err = 0;

	if (!found->dispatcher) {
		err = exchange_program(dp, ifindex, old_id, mode);
	} else {
		if (!found->prog_id || found->prog_id == old_id)
			err = attach_by_libxdp(dp, ifindex, mode, found);
		if (!err)
			err = detach_program(ifindex, old_id, mode);
	}
	look(dp, ifindex, found);
	return err ? err : found->prog_id ? 0 : -EBUSY;
}

static int fail_foreign(unsigned int ifindex, const struct found *found,
			struct dataplane_error *error)
{
	char name[IF_NAMESIZE];

	return dataplane_fail(error, -EBUSY,
			      "%s already runs the XDP program %s, which leaves no room for "
			      "another: unload it (xdp-loader unload %s --all)",
			      name_of(ifindex, name), found->name, name_of(ifindex, name));
}

static int remember(struct dataplane *dp, unsigned int ifindex, const struct found *found,
		    bool ours)
{
	struct attachment *more =
		realloc(dp->attachments, (dp->n_attachments + 1) * sizeof(*dp->attachments));

	if (!more)
		return -ENOMEM;
	dp->attachments = more;
	more[dp->n_attachments++] = (struct attachment){
		.ifindex = ifindex,
		.mode = found->mode,
		.prog_id = found->prog_id,
		.other_id = found->other_id,
		.ours = ours,
	};
	return 0;
}

static int attach_new(struct dataplane *dp, unsigned int ifindex, enum dataplane_mode mode,
		      struct found *found, struct dataplane_error *error)
{
	char name[IF_NAMESIZE];
	int err = -EINVAL;

	if (mode != DATAPLANE_MODE_GENERIC)
		err = attach_program(dp, ifindex, DATAPLANE_MODE_NATIVE, found);
	if (err && mode == DATAPLANE_MODE_AUTO)
		dataplane_fail(error, err, "generic mode, because native mode is refused: %s%s",
			       strerror(-err),
			       err == -ERANGE ? " (too large an MTU, here or at a veth's peer?)"
					      : "");
	if (err && mode != DATAPLANE_MODE_NATIVE)
		err = attach_program(dp, ifindex, DATAPLANE_MODE_GENERIC, found);
	if (err == -EPERM)
		return dataplane_fail(error, err,
				      "%s: attaching the XDP program was refused: run as root, or "
				      "with the capabilities NET_ADMIN, NET_RAW and SYS_ADMIN",
				      name_of(ifindex, name));
	if (err)
		return dataplane_fail(error, err,
				      "%s: cannot attach the XDP program in %s mode: %s",
				      name_of(ifindex, name),
				      mode == DATAPLANE_MODE_NATIVE ? "native" : "generic",
				      strerror(-err));
	return 0;
}

/* An interface that was in another namespace for a while has brought our program back. */
static bool is_own_program(const struct dataplane *dp, uint32_t prog_id)
{
	struct bpf_prog_info info = { 0 };
	uint32_t size = sizeof(info);

	return dp->ingress && prog_id &&
	       bpf_obj_get_info_by_fd(program_fd(dp->ingress), &info, &size) == 0 &&
	       info.id == prog_id;
}

bool dataplane_attached(struct dataplane *dp, unsigned int ifindex)
{
	struct attachment *at = attach_find(dp, ifindex);
	struct found found;

	if (!at)
		return false;
	look(dp, ifindex, &found);
	if (found.mode == at->mode && (found.prog_id || (at->other_id && found.other_id))) {
		at->prog_id = found.prog_id; /* a dispatcher may have loaded it anew */
		return true;
	}
	*at = dp->attachments[--dp->n_attachments];
	return false;
}

/*
 * Our program is there, in some mode. If the daemon brought it, it is replaced by that of this
 * build, or taken away (found->prog_id 0) to be attached in the other mode.
 */
static int adopt_program(struct dataplane *dp, unsigned int ifindex, enum dataplane_mode mode,
			 bool ours, struct found *found, struct dataplane_error *error)
{
	bool other_mode = mode == DATAPLANE_MODE_AUTO
				  ? ours && found->mode == DATAPLANE_MODE_GENERIC
				  : mode != found->mode;
	char name[IF_NAMESIZE];
	int fd, err = 0;

	if (other_mode && !ours)
		return dataplane_fail(error, -EBUSY,
				      "%s already runs the program of mcastd, in the other mode: "
				      "unload it (xdp-loader unload %s --all)",
				      name_of(ifindex, name), name_of(ifindex, name));
	if (other_mode) {
		detach_program(ifindex, found->prog_id, found->mode);
		found->prog_id = 0;
	} else if (ours) {
		fd = load_program(dp);
		err = fd < 0 ? fd : 0;
		if (!err && !dataplane_same_program(fd, found->prog_id))
			err = replace_program(dp, ifindex, found->prog_id, found);
	}
	return err ? dataplane_fail(error, err, "%s: cannot replace its XDP program: %s",
				    name_of(ifindex, name), strerror(-err))
		   : 0;
}

int dataplane_attach(struct dataplane *dp, unsigned int ifindex, enum dataplane_mode mode,
		     enum dataplane_mode *got, struct dataplane_error *error)
{
	struct attachment *at = attach_find(dp, ifindex);
	unsigned int slot = dataplane_port_slot(dp, ifindex);
	bool ours = slot && dp->ports[slot].flags & MCASTD_PORT_ATTACHED;
	struct found found;
	int err = 0;

	if (at && (at->other_id || mode == at->mode ||
		   (mode == DATAPLANE_MODE_AUTO && at->mode == DATAPLANE_MODE_NATIVE))) {
		*got = at->mode;
		return 0;
	}
	if (at) {
		ours = at->ours;
		*at = dp->attachments[--dp->n_attachments];
	}
	look(dp, ifindex, &found);
	if (found.foreign)
		return fail_foreign(ifindex, &found, error);
	ours = ours || is_own_program(dp, found.prog_id);
	if (found.prog_id && !found.other_id)
		err = adopt_program(dp, ifindex, mode, ours, &found, error);
	if (!err && !found.prog_id && !found.other_id) {
		err = attach_new(dp, ifindex, mode, &found, error);
		ours = true;
	}
	if (err)
		return err;
	err = remember(dp, ifindex, &found, ours);
	if (err) {
		if (ours)
			detach_program(ifindex, found.prog_id, found.mode);
		return dataplane_fail(error, err, "out of memory");
	}
	*got = found.mode;
	return 0;
}

int attach_replace_other(struct dataplane *dp, struct attachment *at, struct dataplane_error *error)
{
	char name[IF_NAMESIZE];
	struct found found;
	int err = 0;

	look(dp, at->ifindex, &found);
	if (found.foreign)
		return fail_foreign(at->ifindex, &found, error);
	if (found.other_id)
		err = replace_program(dp, at->ifindex, found.other_id, &found);
	else if (!found.prog_id)
		err = attach_program(dp, at->ifindex, at->mode, &found);
	if (err)
		return dataplane_fail(error, err, "%s: cannot replace its XDP program: %s",
				      name_of(at->ifindex, name), strerror(-err));
	at->prog_id = found.prog_id;
	at->other_id = 0;
	return 0;
}

int dataplane_detach(struct dataplane *dp, unsigned int ifindex)
{
	struct attachment *at = attach_find(dp, ifindex);
	int err = 0;

	if (!at)
		return -ENOENT;
	if (at->ours && at->other_id)
		err = detach_program(ifindex, at->other_id, at->mode);
	if (at->ours && at->prog_id)
		err = detach_program(ifindex, at->prog_id, at->mode);
	*at = dp->attachments[--dp->n_attachments];
	return err;
}

void attach_close(struct dataplane *dp, bool keep)
{
	while (dp->n_attachments && !keep)
		dataplane_detach(dp, dp->attachments[0].ifindex);
	free(dp->attachments);
	bpf_object__close(dp->ingress);
}
