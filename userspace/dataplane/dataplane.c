/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opening and closing: the pinned maps are created or taken over, the egress program is loaded,
 * what the maps hold is adopted.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/magic.h>
#include <linux/membarrier.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/mcast.skel.h"
#include "bpf/mcast_egress.skel.h"
#include "dataplane/internal.h"

/* Descriptors beside those of the port sets. */
#define OTHER_FILES 4096

static const char *const map_names[MAPS] = {
	[MAP_ABI] = "mcastd_abi",
	[MAP_SLOTS] = "mcastd_slots",
	[MAP_PORTS] = "mcastd_ports",
	[MAP_GROUPS] = "mcastd_groups",
	[MAP_SOURCES] = "mcastd_sources",
	[MAP_ROUTES] = "mcastd_routes",
	[MAP_SETS] = "mcastd_sets",
	[MAP_XSKS] = "mcastd_xsks",
	[MAP_PSTATS] = "mcastd_pstats",
	[MAP_RSTATS] = "mcastd_rstats",
	[MAP_DIRECT] = "mcastd_direct",
	[MAP_UNWANTED] = "mcastd_unwanted",
	[MAP_LIMITS] = "mcastd_limits",
	[MAP_ORIGINS] = "mcastd_origins",
	[MAP_BOUNDARIES] = "mcastd_boundaries",
};

/* The size that the options ask for, 0: the map's own. */
static uint32_t wanted_entries(const struct dataplane_options *options, enum map map)
{
	switch (map) {
	case MAP_GROUPS:
	case MAP_SOURCES:
	case MAP_ROUTES:
	case MAP_RSTATS:
		return options->max_routes;
	case MAP_SETS:
		return options->max_sets;
	default:
		return 0;
	}
}

int dataplane_fail(struct dataplane_error *error, int err, const char *format, ...)
{
	va_list args;

	if (error) {
		va_start(args, format);
		vsnprintf(error->text, sizeof(error->text), format, args);
		va_end(args);
	}
	return err;
}

void dataplane_settle(struct dataplane *dp)
{
	dp->settled = dp->stamp++;
	/*
	 * A grace period of RCU: every run of an XDP program that had begun is over, and so is the
	 * transmission it asked for. A kernel with isolated CPUs refuses; there we wait for longer
	 * than a program can run.
	 */
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) < 0)
		usleep(20 * 1000);
}

/* --- maps ---------------------------------------------------------------------------------------
 */

static void pin_path(const struct dataplane *dp, enum map map, char *path, size_t size)
{
	snprintf(path, size, "%s/%s", dp->dir, map_names[map]);
}

/* Returns the number of entries of a map that is pinned, 0: none is, or -errno. */
static int64_t pinned_entries(const struct dataplane *dp, enum map map)
{
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info);
	char path[256];
	int fd, err;

	pin_path(dp, map, path, sizeof(path));
	fd = bpf_obj_get(path);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	err = bpf_obj_get_info_by_fd(fd, &info, &size);
	close(fd);
	return err ? err : (int64_t)info.max_entries;
}

static int fail_errno(struct dataplane_error *error, int err, const char *what)
{
	char why[WORDS_MAX];

	if (err == -EPERM) /* why, the daemon knows */
		return dataplane_fail(error, err, "%s: not permitted", what);
	words_of(err, why);
	return dataplane_fail(error, err, "%s: %s", what, why);
}

/* The maps get the size of what is pinned, else the size asked for. */
static int size_maps(struct dataplane *dp, struct bpf_object *object,
		     const struct dataplane_options *options, bool *pinned)
{
	for (enum map m = 0; m < MAPS; m++) {
		struct bpf_map *map = bpf_object__find_map_by_name(object, map_names[m]);
		int64_t entries = pinned_entries(dp, m);
		int err;

		if (entries < 0)
			return (int)entries;
		pinned[m] = entries > 0;
		if (!entries)
			entries = wanted_entries(options, m);
		if (!entries)
			entries = bpf_map__max_entries(map);
		err = bpf_map__set_max_entries(map, (uint32_t)entries);
		if (err)
			return err;
		dp->map_entries[m] = (uint32_t)entries;
	}
	return 0;
}

static void unpin_maps(const struct dataplane *dp, const bool *keep)
{
	char path[256];

	for (enum map m = 0; m < MAPS; m++) {
		if (keep && keep[m])
			continue;
		pin_path(dp, m, path, sizeof(path));
		unlink(path);
	}
	rmdir(dp->dir);
}

/* Made by the daemon and not by a loader? */
static bool made_by_daemon(int abi_fd)
{
	uint32_t zero = 0, flags = 0;

	return bpf_map_lookup_elem(abi_fd, &zero, &flags) == 0 && flags & MCASTD_ABI_DAEMON;
}

static bool any_pin_missing(const struct dataplane *dp)
{
	for (enum map m = 0; m < MAPS; m++)
		if (pinned_entries(dp, m) == 0)
			return true;
	return false;
}

/* All pins, those that this version does not know included; not what no version gives up. */
static void remove_pins(const struct dataplane *dp)
{
	DIR *dir = opendir(dp->dir);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (strncmp(entry->d_name, "mcastd_", strlen("mcastd_")) == 0 &&
		    strcmp(entry->d_name, CARDS_MAP) != 0)
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
}

/*
 * Maps of a daemon that cannot be taken over lose their pins: another version's, and what one has
 * left that was killed while it made them. Programs that use them go on (see takeover.c).
 */
static int check_pins(struct dataplane *dp, struct dataplane_error *error)
{
	int64_t version = pinned_entries(dp, MAP_ABI);
	char path[256];
	bool daemons;
	int fd;

	if (version <= 0)
		return version ? fail_errno(error, (int)version, "reading the pinned maps") : 0;
	pin_path(dp, MAP_ABI, path, sizeof(path));
	fd = bpf_obj_get(path);
	daemons = fd >= 0 && made_by_daemon(fd);
	if (fd >= 0)
		close(fd);
	if (version != MCASTD_ABI_VERSION && !daemons)
		return dataplane_fail(error, -EPROTONOSUPPORT,
				      "the maps that a loader pinned in %s have ABI version %d, "
				      "this mcastd has %d: unload the programs (xdp-loader unload "
				      "IF --all) and remove %s",
				      dp->dir, (int)version, MCASTD_ABI_VERSION, dp->dir);
	if (version != MCASTD_ABI_VERSION)
		dp->other_abi = (uint32_t)version;
	if (dp->other_abi || (daemons && any_pin_missing(dp)))
		remove_pins(dp);
	return 0;
}

/* Before the other maps, so that whoever finds any of them can tell whose they are. */
static int create_abi_map(const struct dataplane *dp)
{
	uint32_t zero = 0, flags = MCASTD_ABI_DAEMON;
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, map_names[MAP_ABI], sizeof(zero), sizeof(flags),
				MCASTD_ABI_VERSION, NULL);
	char path[256];
	int err;

	if (fd < 0)
		return fd;
	pin_path(dp, MAP_ABI, path, sizeof(path));
	err = bpf_map_update_elem(fd, &zero, &flags, BPF_ANY);
	if (!err)
		err = bpf_obj_pin(fd, path);
	close(fd);
	return err;
}

static int fail_load(struct dataplane_error *error, int err, const char *what)
{
	static const struct {
		enum bpf_map_type type;
		const char *name;
	} needed[] = {
		{ BPF_MAP_TYPE_XSKMAP, "XSKMAP (AF_XDP)" },
		{ BPF_MAP_TYPE_DEVMAP_HASH, "DEVMAP_HASH" },
		{ BPF_MAP_TYPE_ARRAY_OF_MAPS, "ARRAY_OF_MAPS" },
		{ BPF_MAP_TYPE_LRU_HASH, "LRU_HASH" },
	};

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]) && err != -EPERM; i++)
		if (needed[i].type != BPF_MAP_TYPE_ARRAY_OF_MAPS &&
		    libbpf_probe_bpf_map_type(needed[i].type, NULL) == 0)
			return dataplane_fail(error, -EOPNOTSUPP,
					      "this kernel lacks BPF maps of type %s: Linux 5.15 "
					      "or later with XDP sockets is needed",
					      needed[i].name);
	return fail_errno(error, err, what);
}

/* Another object than the first uses the maps of the first. */
int dataplane_reuse_maps(const struct dataplane *dp, struct bpf_object *object)
{
	int err = 0;

	for (enum map m = 0; m < MAPS && !err; m++) {
		struct bpf_map *map = bpf_object__find_map_by_name(object, map_names[m]);

		err = bpf_map__set_pin_path(map, NULL);
		if (!err)
			err = bpf_map__reuse_fd(map, dp->map_fd[m]);
	}
	return err;
}

int dataplane_open_program(const struct dataplane *dp, struct bpf_object **object)
{
	size_t size;
	const void *image = mcast_bpf__elf_bytes(&size);
	int err;

	*object = bpf_object__open_mem(image, size, NULL);
	if (!*object)
		return -errno;
	err = dataplane_reuse_maps(dp, *object);
	if (err)
		bpf_object__close(*object);
	return err;
}

bool dataplane_same_program(int fd, uint32_t id)
{
	struct bpf_prog_info one = { 0 }, other = { 0 };
	uint32_t size = sizeof(one);
	int other_fd = bpf_prog_get_fd_by_id(id), err;

	if (other_fd < 0)
		return false;
	err = bpf_obj_get_info_by_fd(fd, &one, &size);
	size = sizeof(other);
	if (!err)
		err = bpf_obj_get_info_by_fd(other_fd, &other, &size);
	close(other_fd);
	return !err && memcmp(one.tag, other.tag, sizeof(one.tag)) == 0;
}

/* Creates the maps or takes them over, without a program: that is loaded when it is attached. */
static int load_maps(struct dataplane *dp, const struct dataplane_options *options, bool *pinned,
		     struct dataplane_error *error)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .pin_root_path = dp->dir);
	size_t size;
	const void *image = mcast_bpf__elf_bytes(&size);
	struct bpf_object *object = bpf_object__open_mem(image, size, &opts);
	int err;

	if (!object)
		return fail_errno(error, -errno, "opening the BPF programs");
	dp->objects[0] = object;
	bpf_program__set_autoload(bpf_object__find_program_by_name(object, MCASTD_PROGRAM), false);
	err = size_maps(dp, object, options, pinned);
	if (err)
		return fail_errno(error, err, "reading the pinned maps");
	err = pinned[MAP_ABI] ? 0 : create_abi_map(dp);
	if (!err)
		err = bpf_object__load(object);
	if (err)
		return fail_load(error, err, "creating the BPF maps");
	for (enum map m = 0; m < MAPS; m++)
		dp->map_fd[m] = bpf_object__find_map_fd_by_name(object, map_names[m]);
	return 0;
}

static int load_egress(struct dataplane *dp, struct dataplane_error *error)
{
	size_t size;
	const void *image = mcast_egress_bpf__elf_bytes(&size);
	struct bpf_object *object;
	int err;

	words_forget();
	object = bpf_object__open_mem(image, size, NULL);
	if (!object)
		return fail_errno(error, -errno, "opening the BPF programs");
	dp->objects[1] = object;
	err = dataplane_reuse_maps(dp, object);
	if (!err)
		err = bpf_object__load(object);
	if (err)
		return fail_load(error, err, "loading the egress program");
	dp->egress_fd = bpf_program__fd(bpf_object__find_program_by_name(object, "mcastd_egress"));
	dp->to_host_fd =
		bpf_program__fd(bpf_object__find_program_by_name(object, "mcastd_to_host"));
	return 0;
}

static size_t mapped_size(size_t entries, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (entries * size + page - 1) / page * page;
}

static void *map_memory(struct dataplane *dp, enum map map, size_t size)
{
	void *memory = mmap(NULL, mapped_size(dp->map_entries[map], size), PROT_READ | PROT_WRITE,
			    MAP_SHARED, dp->map_fd[map], 0);

	return memory == MAP_FAILED ? NULL : memory;
}

/* --- open ---------------------------------------------------------------------------------------
 */

/* Counters have a part for each. */
static int count_cpus(struct dataplane *dp, struct dataplane_error *error)
{
	int n = libbpf_num_possible_cpus();

	if (n <= 0)
		return dataplane_fail(error, -ENOENT,
				      "the number of CPUs cannot be read: mount sysfs (mount -t "
				      "sysfs sysfs /sys)");
	dp->n_cpus = (unsigned int)n;
	return 0;
}

/* The file system of a directory, or of its parent, if that is what there is. */
static int stat_existing(const char *dir, struct statfs *fs)
{
	char *copy;
	int err;

	if (statfs(dir, fs) == 0)
		return 0;
	copy = strdup(dir);
	err = copy ? statfs(dirname(copy), fs) : -1;
	free(copy);
	return err;
}

static int open_dir(struct dataplane *dp, struct dataplane_error *error)
{
	int made = mkdir(dp->dir, 0700) ? errno : 0;
	struct statfs fs;

	if (stat_existing(dp->dir, &fs) || (uint32_t)fs.f_type != BPF_FS_MAGIC) {
		if (!made)
			rmdir(dp->dir);
		return dataplane_fail(error, -ENOENT,
				      "%s is not on a BPF file system: mount one (mount -t bpf bpf "
				      "/sys/fs/bpf), or give another directory (--bpffs)",
				      dp->dir);
	}
	if (fs.f_flags & ST_RDONLY)
		return dataplane_fail(error, -EROFS,
				      "%s is on a BPF file system that may only be read: a "
				      "container needs it writable (-v /sys/fs/bpf:/sys/fs/bpf), a "
				      "service without ProtectKernelTunables=",
				      dp->dir);
	if (made && made != EEXIST)
		return dataplane_fail(error, -made, "%s: the directory cannot be made: %s", dp->dir,
				      strerror(made));
	dp->dir_fd = open(dp->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dp->dir_fd >= 0 && flock(dp->dir_fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK)
		return dataplane_fail(error, -EBUSY,
				      "%s is in use by another mcastd: stop it, or give another "
				      "directory (--bpffs)",
				      dp->dir);
	return 0;
}

/* One descriptor for each port set: the limit of open files must leave room for them. */
static void raise_file_limit(uint32_t sets)
{
	struct rlimit limit;
	rlim_t wanted = (rlim_t)sets + OTHER_FILES;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* What loading does not show: a kernel too old to broadcast would drop what goes to a port set. */
static int check_broadcast(const struct dataplane *dp, struct dataplane_error *error)
{
	uint8_t frame[64] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = 1);
	int err = bpf_prog_test_run_opts(bpf_program__fd(
						 bpf_object__find_program_by_name(dp->objects[1],
										  "mcastd_probe")),
					 &opts);

	if (err)
		return fail_errno(error, err, "trying the BPF programs");
	if (opts.retval != XDP_REDIRECT)
		return dataplane_fail(error, -EOPNOTSUPP,
				      "this kernel cannot send a frame to several ports "
				      "(BPF_F_BROADCAST): Linux 5.15 or later is needed");
	return 0;
}

/* Reads what the maps hold, and makes the structures that mirror them. */
static int open_state(struct dataplane *dp, struct dataplane_error *error)
{
	int err;

	dp->ours = made_by_daemon(dp->map_fd[MAP_ABI]);
	dp->ports = map_memory(dp, MAP_PORTS, sizeof(struct mcastd_port));
	dp->routes = map_memory(dp, MAP_ROUTES, sizeof(struct mcastd_route));
	dp->direct = map_memory(dp, MAP_DIRECT, sizeof(*dp->direct));
	dp->limits = map_memory(dp, MAP_LIMITS, sizeof(struct mcastd_limit));
	if (!dp->ports || !dp->routes || !dp->direct || !dp->limits)
		return fail_errno(error, -errno, "mapping the BPF maps into memory");
	raise_file_limit(dp->map_entries[MAP_SETS]);
	err = set_open(dp);
	if (!err)
		err = prefix_maps_open(dp);
	if (!err)
		err = port_adopt(dp);
	if (!err)
		err = route_open(dp);
	if (!err)
		err = set_adopt_done(dp);
	return err ? fail_errno(error, err, "reading the BPF maps") : 0;
}

static void free_dataplane(struct dataplane *dp)
{
	xmit_close(dp);
	route_close(dp);
	prefix_maps_close(dp);
	set_close(dp);
	card_close(dp);
	if (dp->ports)
		munmap(dp->ports, mapped_size(dp->map_entries[MAP_PORTS], sizeof(*dp->ports)));
	if (dp->direct)
		munmap(dp->direct, mapped_size(dp->map_entries[MAP_DIRECT], sizeof(*dp->direct)));
	if (dp->limits)
		munmap(dp->limits, mapped_size(dp->map_entries[MAP_LIMITS], sizeof(*dp->limits)));
	if (dp->routes)
		munmap(dp->routes, mapped_size(dp->map_entries[MAP_ROUTES], sizeof(*dp->routes)));
	for (size_t i = 0; i < 2; i++)
		bpf_object__close(dp->objects[i]);
	if (dp->dir_fd >= 0)
		close(dp->dir_fd);
	free(dp->dir);
	free(dp);
}

int dataplane_open(struct dataplane **dataplane, const struct dataplane_options *options,
		   struct dataplane_error *error)
{
	struct dataplane *dp = calloc(1, sizeof(*dp));
	bool pinned[MAPS] = { false };
	int err;

	*dataplane = NULL;
	if (dp)
		dp->dir = strdup(options->bpffs_dir ? options->bpffs_dir : MCASTD_PIN_DIR);
	if (!dp || !dp->dir) {
		free(dp);
		return dataplane_fail(error, -ENOMEM, "out of memory");
	}
	dp->stamp = 1;
	dp->dir_fd = -1;
	dp->cards_fd = -1;
	if (getrandom(&dp->hash_seed, sizeof(dp->hash_seed), GRND_NONBLOCK) < 0)
		dp->hash_seed = (uintptr_t)dp;
	words_listen();

	err = count_cpus(dp, error);
	if (!err)
		err = open_dir(dp, error);
	if (!err)
		err = check_pins(dp, error);
	if (err) {
		rmdir(dp->dir);
		free_dataplane(dp);
		return err;
	}
	err = card_open(dp);
	if (err)
		fail_errno(error, err, "the map of card settings");
	if (!err)
		err = load_maps(dp, options, pinned, error);
	if (!err)
		err = load_egress(dp, error);
	dp->copies.kind = options->copies;
	if (!err && options->copies == DATAPLANE_COPIES_UNKNOWN)
		copies_try(&dp->copies);
	if (!err)
		err = open_state(dp, error);
	if (!err)
		err = check_broadcast(dp, error);
	if (!err)
		dp->trace_error = xmit_open(dp);
	if (err) {
		card_unpin(dp);
		unpin_maps(dp, pinned);
		free_dataplane(dp);
		return err;
	}
	*dataplane = dp;
	return 0;
}

void dataplane_close(struct dataplane *dp, bool keep)
{
	if (!dp)
		return;
	if (!keep)
		port_clear(dp);
	attach_close(dp, keep);
	if (!keep) {
		card_unpin(dp);
		route_clear(dp);
		if (dp->ours)
			unpin_maps(dp, NULL);
	}
	free_dataplane(dp);
}

uint32_t dataplane_other_abi(const struct dataplane *dp)
{
	return dp->other_abi;
}

const struct dataplane_copies *dataplane_copies(const struct dataplane *dp)
{
	return &dp->copies;
}

int dataplane_xsks_fd(const struct dataplane *dp)
{
	return dp->map_fd[MAP_XSKS];
}

/* --- maintenance --------------------------------------------------------------------------------
 */

/* Waiting for the kernel takes some 10 ms: not more than a tenth of the time. */
#define MAINTAIN_INTERVAL_MS 100

uint64_t dataplane_maintain(struct dataplane *dp, uint64_t now_ms)
{
	if (!spare_wants_work(dp) && !route_wants_work(dp))
		return UINT64_MAX;
	if (now_ms < dp->maintain_at_ms)
		return dp->maintain_at_ms;
	dp->maintain_at_ms = now_ms + MAINTAIN_INTERVAL_MS;
	spare_maintain(dp);
	if (spare_wants_work(dp) || route_wants_work(dp))
		dataplane_settle(dp);
	return spare_wants_work(dp) || route_wants_work(dp) ? dp->maintain_at_ms : UINT64_MAX;
}
