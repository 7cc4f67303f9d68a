/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ingress program on interfaces: by libxdp's dispatcher, beside other programs, where that can
 * be done, else alone. A program of ours that an earlier build has left on these maps is replaced
 * by ours, one on other maps later: see takeover.c.
 *
 * The first interface shows whether the dispatcher can be had. If libxdp fails where attaching
 * alone succeeds, whatever its reason, it is not asked again, and all interfaces share one program,
 * which stays loaded.
 */
#include <errno.h>
#include <stdio.h>
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

static int attach_alone(struct dataplane *dp, unsigned int ifindex, enum dataplane_mode mode,
			struct found *found)
{
	int fd = load_program(dp), err;

	if (fd < 0)
		return fd;
	err = bpf_xdp_attach((int)ifindex, fd, attach_flags(mode) | XDP_FLAGS_UPDATE_IF_NOEXIST,
			     NULL);
	if (!err)
		look(dp, ifindex, found);
	return err;
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
	/* The object is ours to close, libxdp does not. */
	if (!err && !found->dispatcher && !dp->ingress && program_fd(object) >= 0)
		dp->ingress = object;
	else
		bpf_object__close(object);
	return err;
}

/* By libxdp, or alone if it has none: then it is known that there is no dispatcher. */
static int attach_first(struct dataplane *dp, unsigned int ifindex, enum dataplane_mode mode,
			struct found *found)
{
	int err = attach_by_libxdp(dp, ifindex, mode, found);
	char why[WORDS_MAX];

	if (!err && found->dispatcher)
		return 0;
	words_of(err, why);
	if (err) {
		words_forget();
		err = attach_alone(dp, ifindex, mode, found);
	}
	if (!err)
		memcpy(dp->no_dispatcher, why, sizeof(why));
	return err;
}

static int attach_program(struct dataplane *dp, unsigned int ifindex, enum dataplane_mode mode,
			  struct found *found)
{
	int err;

	words_forget();
	if (found->dispatcher) /* others are in there already */
		err = attach_by_libxdp(dp, ifindex, mode, found);
	else if (dp->no_dispatcher[0])
		err = attach_alone(dp, ifindex, mode, found);
	else
		err = attach_first(dp, ifindex, mode, found);
	return err ? err : found->prog_id ? 0 : -EBUSY;
}

const char *dataplane_no_dispatcher(const struct dataplane *dp)
{
	return dp->no_dispatcher[0] ? dp->no_dispatcher : NULL;
}

/* In one step. fd: of the new program, or -errno, which is returned. */
static int exchange_program(unsigned int ifindex, uint32_t old_id, int fd, enum dataplane_mode mode)
{
	LIBBPF_OPTS(bpf_xdp_attach_opts, opts);
	int err;

	if (fd < 0)
		return fd;
	opts.old_prog_fd = bpf_prog_get_fd_by_id(old_id);
	if (opts.old_prog_fd < 0)
		return opts.old_prog_fd;
	err = bpf_xdp_attach((int)ifindex, fd, attach_flags(mode) | XDP_FLAGS_REPLACE, &opts);
	close(opts.old_prog_fd);
	return err;
}

static int fail_replace(int err, struct dataplane_error *error)
{
	char why[WORDS_MAX];

	words_of(err, why);
	return dataplane_fail(error, err, "cannot replace its XDP program: %s", why);
}

/*
 * Puts our program in the place of an older one, so that no packet meets the interface without one:
 * alone in one step; in a dispatcher ours comes behind the other, which then goes.
 */
static int replace_program(struct dataplane *dp, unsigned int ifindex, uint32_t old_id,
			   struct found *found, struct dataplane_error *error)
{
	enum dataplane_mode mode = found->mode;
	int err = 0;

	words_forget();
	if (!found->dispatcher) {
		err = exchange_program(ifindex, old_id, load_program(dp), mode);
	} else {
		if (!found->prog_id || found->prog_id == old_id)
			err = attach_by_libxdp(dp, ifindex, mode, found);
		if (!err)
			err = detach_program(ifindex, old_id, mode);
	}
	look(dp, ifindex, found);
	if (!err && !found->prog_id)
		err = -EBUSY;
	return err ? fail_replace(err, error) : 0;
}

static int fail_foreign(unsigned int ifindex, const struct found *found, const char *why,
			struct dataplane_error *error)
{
	char name[IF_NAMESIZE];

	return dataplane_fail(error, -EBUSY,
			      "already runs the XDP program %s, %s: unload it (xdp-loader unload "
			      "%s --all)",
			      found->name, why, name_of(ifindex, name));
}

static int fail_alone(unsigned int ifindex, const struct found *found,
		      struct dataplane_error *error)
{
	return fail_foreign(ifindex, found, "which leaves no room for another", error);
}

/* It is in a dispatcher, which has not taken ours. */
static int fail_beside(unsigned int ifindex, const struct found *found, const char *reason,
		       struct dataplane_error *error)
{
	char why[WORDS_MAX + 32];

	snprintf(why, sizeof(why), "and ours cannot run beside it (%s)", reason);
	return fail_foreign(ifindex, found, why, error);
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

/* In one mode, unless the interface has refused that before. Returns 0 or -errno, as asked->err. */
static int attach_in_mode(struct dataplane *dp, struct refusal *asked, struct found *found)
{
	const struct refusal *before = refusal_find(dp, asked->ifindex, asked->mode);

	if (before && before->beside == asked->beside) {
		*asked = *before;
		return asked->err;
	}
	if (asked->mode == DATAPLANE_MODE_NATIVE &&
	    hazard_in_native_mode(dp, asked->ifindex, asked->why)) {
		asked->err = -EOPNOTSUPP;
	} else {
		asked->err = attach_program(dp, asked->ifindex, asked->mode, found);
		if (!asked->err)
			return 0;
		words_of(asked->err, asked->why);
	}
	asked->state = refusal_state(asked->ifindex);
	if (!refusal_is_passing(asked->err))
		refusal_remember(dp, asked);
	return asked->err;
}

static int fail_attach(int err, const char *native, const char *generic,
		       struct dataplane_error *error)
{
	if (err == -EPERM)
		return dataplane_fail(error, err,
				      "attaching the XDP program was refused (%s): run as root, or "
				      "with the capabilities NET_ADMIN, NET_RAW and SYS_ADMIN",
				      native[0] ? native : generic);
	if (native[0] && generic[0])
		return dataplane_fail(error, err,
				      "cannot attach the XDP program, in native mode: %s; in "
				      "generic mode: %s",
				      native, generic);
	return dataplane_fail(error, err, "cannot attach the XDP program in %s mode: %s",
			      native[0] ? "native" : "generic", native[0] ? native : generic);
}

/* Why AUTO has ended in generic mode. */
static void tell_fallback(const char *why, struct dataplane_error *error)
{
	dataplane_fail(error, 0, "generic mode, because native mode is refused: %s", why);
}

static int attach_new(struct dataplane *dp, unsigned int ifindex, enum dataplane_mode mode,
		      struct found *found, struct dataplane_error *error)
{
	struct refusal native = { ifindex, DATAPLANE_MODE_NATIVE, .beside = found->dispatcher };
	struct refusal generic = { ifindex, DATAPLANE_MODE_GENERIC, .beside = found->dispatcher };
	int err = -EINVAL;

	if (mode != DATAPLANE_MODE_GENERIC)
		err = attach_in_mode(dp, &native, found);
	if (err && mode != DATAPLANE_MODE_NATIVE)
		err = attach_in_mode(dp, &generic, found);
	if (err && found->name[0])
		return fail_beside(ifindex, found, native.err ? native.why : generic.why, error);
	if (err)
		return fail_attach(err, native.why, generic.why, error);
	if (native.err) {
		/*
		 * With the state it had: generic mode turns LRO off, and if that was the reason
		 * native mode is to be had now.
		 */
		refusal_remember(dp, &native);
		tell_fallback(native.why, error);
	}
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
	int fd;

	if (other_mode && !ours)
		return dataplane_fail(error, -EBUSY,
				      "already runs the program of mcastd, in the other mode: "
				      "unload it (xdp-loader unload %s --all)",
				      name_of(ifindex, name));
	if (other_mode) {
		detach_program(ifindex, found->prog_id, found->mode);
		look(dp, ifindex, found);
		return 0;
	}
	if (!ours)
		return 0;
	words_forget();
	fd = load_program(dp);
	if (fd < 0)
		return fail_replace(fd, error);
	if (dataplane_same_program(fd, found->prog_id))
		return 0;
	return replace_program(dp, ifindex, found->prog_id, found, error);
}

/* --- asking again --- */

/* A second program takes the place of the first, and gives it back. */
static int ask_alone(struct dataplane *dp, unsigned int ifindex, const struct found *found)
{
	struct bpf_prog_info info = { 0 };
	uint32_t size = sizeof(info);
	struct bpf_object *object;
	int err = dataplane_open_program(dp, &object);

	if (err)
		return err;
	err = bpf_object__load(object);
	if (!err)
		err = bpf_obj_get_info_by_fd(program_fd(object), &info, &size);
	if (!err)
		err = exchange_program(ifindex, found->prog_id, program_fd(object), found->mode);
	if (!err)
		exchange_program(ifindex, info.id, load_program(dp), found->mode);
	bpf_object__close(object);
	return err;
}

/* libxdp makes a new dispatcher for whatever comes or goes: a second program comes, and the first
 * goes. */
static int ask_dispatcher(struct dataplane *dp, unsigned int ifindex, const struct found *found)
{
	struct found both;
	int err = attach_by_libxdp(dp, ifindex, found->mode, &both);

	return err ? err : detach_program(ifindex, found->prog_id, found->mode);
}

int dataplane_ask_again(struct dataplane *dp, unsigned int ifindex, struct dataplane_error *error)
{
	struct attachment *at = attach_find(dp, ifindex);
	struct refusal native = { .ifindex = ifindex, .mode = DATAPLANE_MODE_NATIVE };
	struct found found;

	if (!at || !at->ours || at->other_id || at->mode != DATAPLANE_MODE_NATIVE)
		return 0;
	look(dp, ifindex, &found);
	if (found.prog_id != at->prog_id || found.other_id || found.mode != at->mode)
		return 0;
	words_forget();
	native.beside = found.dispatcher;
	native.err = found.dispatcher ? ask_dispatcher(dp, ifindex, &found)
				      : ask_alone(dp, ifindex, &found);
	words_of(native.err, native.why);
	native.state = refusal_state(ifindex);
	look(dp, ifindex, &found);
	at->prog_id = found.prog_id;
	if (!native.err || refusal_is_passing(native.err))
		return 0;
	refusal_remember(dp, &native);
	return dataplane_fail(error, native.err, "%s", native.why);
}

/* It is attached already in a mode that will do. */
static bool stays_attached(struct dataplane *dp, const struct attachment *at,
			   enum dataplane_mode mode, struct dataplane_error *error)
{
	const struct refusal *refusal;

	if (at->other_id || mode == at->mode)
		return true;
	if (mode != DATAPLANE_MODE_AUTO)
		return false;
	if (!at->ours)
		return true;
	refusal = refusal_find(dp, at->ifindex, DATAPLANE_MODE_NATIVE);
	if (refusal)
		tell_fallback(refusal->why, error);
	return (at->mode == DATAPLANE_MODE_GENERIC) == (refusal != NULL);
}

int dataplane_attach(struct dataplane *dp, unsigned int ifindex, enum dataplane_mode mode,
		     enum dataplane_mode *got, struct dataplane_error *error)
{
	struct attachment *at = attach_find(dp, ifindex);
	unsigned int slot = dataplane_port_slot(dp, ifindex);
	bool ours = slot && dp->ports[slot].flags & MCASTD_PORT_ATTACHED;
	struct found found;
	int err = 0;

	if (at && stays_attached(dp, at, mode, error)) {
		*got = at->mode;
		return 0;
	}
	if (at) {
		/* Natively, and the driver would not take it any more: dataplane_ask_again(). */
		if (mode == DATAPLANE_MODE_AUTO && at->mode == DATAPLANE_MODE_NATIVE)
			mode = DATAPLANE_MODE_GENERIC;
		ours = at->ours;
		*at = dp->attachments[--dp->n_attachments];
	}
	look(dp, ifindex, &found);
	if (found.foreign)
		return fail_alone(ifindex, &found, error);
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
	struct dataplane_error why;
	char name[IF_NAMESIZE];
	struct found found;
	int err = 0;

	look(dp, at->ifindex, &found);
	if (found.foreign)
		err = fail_alone(at->ifindex, &found, &why);
	else if (found.other_id)
		err = replace_program(dp, at->ifindex, found.other_id, &found, &why);
	else if (!found.prog_id)
		err = attach_new(dp, at->ifindex, at->mode, &found, &why);
	if (err)
		return dataplane_fail(error, err, "%s: %s", name_of(at->ifindex, name), why.text);
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
	free(dp->refusals);
	free(dp->sights);
	bpf_object__close(dp->ingress);
}
