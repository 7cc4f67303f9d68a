# SPDX-License-Identifier: BSD-2-Clause
#
#   make            build everything into out/
#   make demo       see it work (installs what it needs; root)
#   make check      run every test (installs what it needs; root)
#
# Everything else: make help. Variables: SANITIZE=1 builds into out/asan with ASan and UBSan,
# SANITIZE=thread into out/tsan with TSan, FUZZ_SECONDS is how long make fuzz takes for each fuzzer,
# PREFIX and DESTDIR for install, V=1 shows the commands.

VERSION := $(shell sed -n 's/^\#\# \[\([0-9][^]]*\)\].*/\1/p' CHANGELOG.md | head -1)
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc

CC = gcc
CLANG = clang
BPFTOOL = $(firstword $(wildcard /usr/sbin/bpftool /sbin/bpftool) bpftool)
PYTEST = /usr/bin/python3 -m pytest
Q = $(if $(V),,@)

ifeq ($(SANITIZE),thread)
OUT = out/tsan
SAN_FLAGS = -fsanitize=thread -fno-omit-frame-pointer -O1
else ifdef SANITIZE
OUT = out/asan
SAN_FLAGS = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -O1
else
OUT = out
SAN_FLAGS = -O2
endif

# Other builds: to upgrade to, for tests/netns/test_restart.py, of another ABI version, and of the
# same with other instructions in the BPF programs; and, for tests/netns/test_copies.py, one that
# takes the copies of generic mode for shared.
GEN = out
ifdef VARIANT
OUT = out/$(VARIANT)
GEN = $(OUT)
VARIANT_FLAGS = $(if $(filter other-abi,$(VARIANT)),-DMCASTD_ABI_VERSION=999) \
	$(if $(filter shared-copies,$(VARIANT)),-DMCASTD_COPIES_SHARED)
VARIANT_BPF = $(if $(filter other-program,$(VARIANT)),-mcpu=v2)
endif
VARIANTS = other-abi other-program shared-copies

PACKAGES := $(shell sed -n 's/^\([a-z0-9][^ ]*\).*/\1/p' tools/packages.txt)
PACKAGES_VM := $(shell sed -n 's/^\([a-z0-9][^ ]*\).*/\1/p' tools/packages-vm.txt)

WARN = -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wvla -Wwrite-strings -Wformat=2 -Wno-format-nonliteral
CPPFLAGS = -D_GNU_SOURCE -DMCASTD_VERSION='"$(VERSION)"' -DMCASTD_LIBDIR='"$(PREFIX)/lib/mcastd"' \
	-Iinclude -Iuserspace -I$(GEN) -MMD -MP $(VARIANT_FLAGS)
CFLAGS = -std=gnu11 -g $(SAN_FLAGS) -fstack-protector-strong $(WARN)
LDFLAGS = $(filter -fsanitize=%,$(SAN_FLAGS))
DAEMON_LIBS = -lxdp -lbpf -lelf -lz -lmnl -lconfuse -ljansson -lmicrohttpd -lcap -lseccomp
CTL_LIBS = -ljansson -lncursesw -ltinfo
TEST_LIBS = -lcmocka

BPF_CFLAGS = -O2 -g -Wall -Wextra -Werror -mcpu=v3 -target bpf -Iinclude -Ibpf \
	-I/usr/include/$(shell uname -m)-linux-gnu -MMD -MP $(VARIANT_FLAGS) $(VARIANT_BPF)

# The pure part: one library for the daemon, the unit tests, the fuzzers and the benchmarks.
CORE_SRC := $(wildcard userspace/base/*.c userspace/rules/*.c userspace/membership/*.c \
	userspace/wire/*.c userspace/forward/*.c)
# The rest of the daemon but its main.
SYS_SRC := $(wildcard userspace/dataplane/*.c userspace/platform/*.c userspace/control/*.c) \
	$(filter-out %/main.c,$(wildcard userspace/mcastd/*.c))
CTL_SRC := $(wildcard tools/mcastctl/*.c)
SUPPORT_SRC := $(wildcard tests/support/*.c)
UNIT := $(patsubst tests/unit/%.c,$(OUT)/tests/unit/%,$(wildcard tests/unit/*.c))
BPFTEST := $(patsubst tests/bpf/%.c,$(OUT)/tests/bpf/%,$(wildcard tests/bpf/*.c))
BENCH_FORWARD := $(wildcard tools/bench/forward/*.c)
BENCH_SRC := $(filter-out %.bpf.c,$(wildcard tools/bench/*.c)) $(BENCH_FORWARD)
BENCH := $(patsubst tools/bench/%.c,$(OUT)/bench/%,$(filter-out $(BENCH_FORWARD),$(BENCH_SRC))) \
	$(OUT)/bench/forward
FUZZ := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
BPF_SKEL := $(patsubst %,$(GEN)/bpf/%.skel.h,mcast mcast_egress mcast_copies mcast_trace)

comma := ,
obj = $(patsubst %.c,$(OUT)/obj/%.o,$(1))

all: $(GEN)/bpf/mcast.bpf.o $(OUT)/mcastd $(OUT)/mcastctl

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

# --- build -------------------------------------------------------------------------------------

$(OUT)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC   $<")
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(GEN)/bpf/%.bpf.o: bpf/%.bpf.c
	@mkdir -p $(@D)
	$(if $(Q),@echo "  BPF  $<")
	$(Q)$(CLANG) $(BPF_CFLAGS) -c -o $@ $<

# The benchmark has a program of its own.
$(GEN)/bpf/%.bpf.o: tools/bench/%.bpf.c
	@mkdir -p $(@D)
	$(if $(Q),@echo "  BPF  $<")
	$(Q)$(CLANG) $(BPF_CFLAGS) -c -o $@ $<

$(GEN)/bpf/%.skel.h: $(GEN)/bpf/%.bpf.o
	$(Q){ echo '/* NOLINTBEGIN: generated */' && $(BPFTOOL) gen skeleton $< name $(notdir $*)_bpf && \
		echo '/* NOLINTEND */'; } > $@.tmp && mv $@.tmp $@

# Sources that include a skeleton need it first.
$(call obj,$(SYS_SRC) $(wildcard tests/bpf/*.c)): | $(BPF_SKEL)
$(call obj,$(BENCH_SRC)): | $(BPF_SKEL) out/bpf/bench.skel.h

# The status page is part of the program.
$(OUT)/obj/userspace/control/http_page.o: userspace/control/status.html

$(OUT)/libcore.a: $(call obj,$(CORE_SRC))
	$(Q)rm -f $@; ar rcs $@ $^
$(OUT)/libsys.a: $(call obj,$(SYS_SRC))
	$(Q)rm -f $@; ar rcs $@ $^
$(OUT)/libsupport.a: $(call obj,$(SUPPORT_SRC))
	$(Q)rm -f $@; ar rcs $@ $^

$(OUT)/mcastd: $(OUT)/obj/userspace/mcastd/main.o $(OUT)/libsys.a $(OUT)/libcore.a
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(DAEMON_LIBS)
$(OUT)/mcastctl: $(call obj,$(CTL_SRC))
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(CTL_LIBS)
$(OUT)/tests/unit/%: $(OUT)/obj/tests/unit/%.o $(OUT)/libsupport.a $(OUT)/libsys.a $(OUT)/libcore.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(TEST_LIBS) $(DAEMON_LIBS)
$(OUT)/tests/bpf/%: $(OUT)/obj/tests/bpf/%.o $(OUT)/libsupport.a $(OUT)/libsys.a $(OUT)/libcore.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(TEST_LIBS) $(DAEMON_LIBS)
$(OUT)/bench/forward: $(call obj,$(BENCH_FORWARD)) $(OUT)/libsys.a $(OUT)/libcore.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(DAEMON_LIBS)
# The daemon's own layer has no kernel there: tests/support/daemon_sim.h.
DAEMON_SIM = loop_now loop_update_now loop_add_deadline loop_deadline_set clock_gettime \
	xsk_send xsk_waiting xsk_read_counters server_has_monitors server_on_monitor server_publish \
	$(addprefix dataplane_,punted grant inject port_stats route_stats each_unwanted \
		source_mac origins)
$(OUT)/tests/unit/daemon_%: LDFLAGS += $(patsubst %,-Wl$(comma)--wrap=%,$(DAEMON_SIM))
# cmocka 2 calls assert_in_range() deprecated, but its successors are unknown to cmocka 1.
$(OUT)/obj/tests/%.o: CPPFLAGS += -DCMOCKA_DISABLE_DEPRECATION_WARNINGS
# Our own allocations can be made to fail there.
$(OUT)/tests/bpf/memory: LDFLAGS += $(patsubst %,-Wl$(comma)--wrap=%,malloc calloc realloc reallocarray strdup)
# Counts how often the program is opened.
$(OUT)/tests/bpf/attach: LDFLAGS += -Wl,--wrap=dataplane_open_program
$(OUT)/bench/%: $(OUT)/obj/tools/bench/%.o $(OUT)/libsupport.a $(OUT)/libsys.a $(OUT)/libcore.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(DAEMON_LIBS)

# --- run ---------------------------------------------------------------------------------------

deps: ## install the packages of tools/packages.txt that are missing
	$(Q)tools/deps $(PACKAGES)

deps-vm: deps ## and those of tools/packages-vm.txt
	$(Q)tools/deps $(PACKAGES_VM)

demo: deps ## one source, two LANs, three receivers: watch streams follow joins and leaves
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tools/demo

check: deps ## every test: lint, unit, BPF, namespaces, fuzz corpora, sanitizers (not fuzz, check-vm)
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) all build-tests
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) SANITIZE=1 all build-tests
	$(Q)$(MAKE) --no-print-directory lint
	$(Q)$(MAKE) --no-print-directory check-unit check-fuzz check-bpf check-conformance
	$(Q)$(MAKE) --no-print-directory check-unit SANITIZE=1
	$(Q)out/asan/tests/bpf/memory
	$(Q)$(MAKE) --no-print-directory check-netns
	$(Q)$(MAKE) --no-print-directory check-netns SANITIZE=1
	$(Q)$(MAKE) --no-print-directory check-threads

build-tests: $(UNIT) $(BPFTEST) $(FUZZ:%=$(OUT)/fuzz/%-replay) variants

variants:
	$(Q)for v in $(VARIANTS); do $(MAKE) --no-print-directory VARIANT=$$v SANITIZE= \
		out/$$v/mcastd || exit; done

check-unit: $(UNIT) ## cmocka tests of the pure parts
	$(Q)set -e; for t in $(UNIT); do echo "== $$t"; $$t; done

check-bpf: all $(BPFTEST) ## packets through the programs with BPF_PROG_TEST_RUN (root)
	$(Q)set -e; for t in $(BPFTEST); do echo "== $$t"; $$t; done

check-netns: all variants ## the whole daemon in network namespaces (root)
	$(Q)MCASTD_OUT=$(abspath $(OUT)) $(PYTEST) -q -p no:cacheprovider -n 4 tests/netns

# The daemon has threads for a moment only, when many port sets are put into place (dataplane/spare.c).
THREAD_TESTS = test_steady.py::test_steady_member test_restart.py::test_forgotten_groups_end \
	test_http.py::test_process_is_started_again
check-threads: ## what has threads, under ThreadSanitizer (root)
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) SANITIZE=thread all out/tsan/tests/bpf/maps \
		out/tsan/tests/unit/loop
	$(Q)set -e; for t in bpf/maps unit/loop; do echo "== $$t"; out/tsan/tests/$$t; done
	$(Q)MCASTD_OUT=$(abspath out/tsan) $(PYTEST) -q -p no:cacheprovider -n 4 \
		$(addprefix tests/netns/,$(THREAD_TESTS))

ROOTS ?= 13 sid
check-roots: deps-vm ## build, package and test with the libraries of Debian 13 and sid, on this kernel (root)
	$(Q)set -e; for r in $(ROOTS); do \
		tools/root $$r make -s deps; \
		tools/root $$r make -s all variants check-unit check-bpf deb; \
		tools/root $$r make -s check-netns; done

check-vm: deps-vm ## on kernels of Debian 12, 13 and sid with their libraries, emulated: not part of check (root)
	$(Q)tools/vm/pairs $(PAIRS)

check-conformance: ## every requirement of docs/CONFORMANCE.md has the test it names
	$(Q)tools/conformance docs/CONFORMANCE.md

check-fuzz: $(FUZZ:%=$(OUT)/fuzz/%-replay) ## replay the fuzz corpora
	$(Q)set -e; for f in $(FUZZ); do $(OUT)/fuzz/$$f-replay tests/fuzz/corpus/$$f; done

FUZZ_SECONDS ?= 60
fuzz: $(FUZZ:%=out/fuzz/%) ## libFuzzer on parsers and engine, FUZZ_SECONDS (60) each; FUZZ=fuzz_wire: that one
	$(Q)set -e; for f in $(FUZZ); do mkdir -p out/fuzz/new-$$f; \
		out/fuzz/$$f -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=4096 \
			-artifact_prefix=out/fuzz/ out/fuzz/new-$$f tests/fuzz/corpus/$$f; done

# Fuzz targets define LLVMFuzzerTestOneInput(); tests/fuzz/replay.c gives them a plain main.
$(OUT)/fuzz/%-replay: $(OUT)/obj/tests/fuzz/%.o $(OUT)/obj/tests/fuzz/replay.o $(OUT)/libsupport.a $(OUT)/libsys.a $(OUT)/libcore.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(DAEMON_LIBS)
FUZZ_FLAGS = -std=gnu11 -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
out/fuzz/obj/%.o: %.c | $(BPF_SKEL)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(CPPFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -c -o $@ $<
out/fuzz/fuzz_%: $(patsubst %,out/fuzz/obj/%.o,tests/fuzz/fuzz_% $(basename $(CORE_SRC) $(SYS_SRC) $(SUPPORT_SRC)))
	$(Q)$(CLANG) $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $^ $(DAEMON_LIBS)

mutate: ## change the code as tools/mutations.toml says: does a test turn red? (root; see tools/mutate)
	$(Q)tools/mutate

bench: deps ## measure; see docs/BENCHMARKS.md
	$(Q)$(MAKE) --no-print-directory all $(BENCH)
	$(Q)tools/bench/run

MINUTES ?= 30
soak: deps ## churn for MINUTES, and whether the daemon grows; see docs/SCALE.md (root)
	$(Q)$(MAKE) --no-print-directory all
	$(Q)MCASTD_OUT=$(abspath $(OUT)) tools/soak --minutes $(MINUTES)

lint: $(BPF_SKEL) out/bpf/bench.skel.h ## clang-format, clang-tidy, cppcheck, shellcheck, layers
	$(Q)tools/lint

# --- install -----------------------------------------------------------------------------------

# Searched by systemd below /usr and /usr/local alike.
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
INSTALL = install -D -m
D = $(DESTDIR)$(PREFIX)

install: all ## into $(DESTDIR)$(PREFIX)
	$(INSTALL) 755 out/mcastd $(D)/sbin/mcastd
	$(INSTALL) 755 out/mcastctl $(D)/sbin/mcastctl
	$(INSTALL) 644 out/bpf/mcast.bpf.o $(D)/lib/mcastd/mcast.bpf.o
	for n in 5 8; do for page in docs/man/*.$$n; do \
		$(INSTALL) 644 $$page $(D)/share/man/man$$n/$${page##*/} || exit; done; done
	$(INSTALL) 644 deploy/mcastctl.bash $(D)/share/bash-completion/completions/mcastctl
	$(INSTALL) 644 deploy/mcastd.sysusers $(DESTDIR)$(SYSUSERSDIR)/mcastd.conf
	sed 's|@PREFIX@|$(PREFIX)|' deploy/mcastd.service.in | \
		$(INSTALL) 644 /dev/stdin $(DESTDIR)$(UNITDIR)/mcastd.service
	sed 's|@PREFIX@|$(PREFIX)|' deploy/mcastd.openrc.in | \
		$(INSTALL) 755 /dev/stdin $(D)/share/mcastd/mcastd.openrc
	test -e $(DESTDIR)$(SYSCONFDIR)/mcastd.conf || \
		$(INSTALL) 644 deploy/mcastd.conf $(DESTDIR)$(SYSCONFDIR)/mcastd.conf
	install -d $(DESTDIR)$(SYSCONFDIR)/mcastd.d

uninstall: ## remove what install put there; the configuration stays
	rm -f $(D)/sbin/mcastd $(D)/sbin/mcastctl $(D)/share/man/man5/mcastd.conf.5 \
		$(D)/share/man/man8/mcastd.8 $(D)/share/man/man8/mcastctl.8 \
		$(D)/share/bash-completion/completions/mcastctl \
		$(DESTDIR)$(UNITDIR)/mcastd.service $(DESTDIR)$(SYSUSERSDIR)/mcastd.conf
	rm -rf $(D)/lib/mcastd $(D)/share/mcastd
	-rmdir $(DESTDIR)$(SYSCONFDIR)/mcastd.d 2>/dev/null

deb: all ## a Debian package, in out/
	+$(Q)tools/deb $(VERSION)

clean: ## remove out/
	rm -rf out

.PHONY: all help deps deps-vm demo check build-tests variants check-unit check-bpf check-netns \
	check-threads check-roots check-vm check-conformance check-fuzz fuzz mutate bench soak lint install \
	uninstall deb clean
.DELETE_ON_ERROR:
.SECONDARY:

# The roots of tools/root and the copies of make mutate are there, too.
-include $(shell find out \( -path out/root -o -path out/mutate \) -prune -o -name '*.d' -type f -print \
	2>/dev/null)
