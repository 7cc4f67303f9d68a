#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# libxdp 1.3.1 (Debian 12): xdp_multiprog__get_from_ifindex() leaves a file descriptor open each time
# it finds a program on an interface, although what it returned is given to xdp_multiprog__close():
# ten queries, ten descriptors. A daemon that looks at its interfaces now and then runs out of them;
# bpf_xdp_query() of libbpf tells the same without. Needs root (a network namespace with its own `lo`)
# and gcc. Seen on Linux 6.18: "10 queries left 10 descriptors".
set -eu
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
cd "$temp"
apt-get -qq -o APT::Sandbox::User=root download libxdp1=1.3.1-1 libxdp-dev=1.3.1-1 \
	libbpf1=1:1.1.2-0+deb12u1 libbpf-dev=1:1.1.2-0+deb12u1
for package in ./*.deb; do
	dpkg-deb -x "$package" root
done
cat >query.c <<'C'
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <net/if.h>
#include <stdio.h>
#include <xdp/libxdp.h>

#define QUERIES 10
#define SKB_MODE 2 /* XDP_FLAGS_SKB_MODE */

static int descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

int main(void)
{
	/* return XDP_PASS */
	struct bpf_insn pass[] = { { .code = 0xb7, .imm = 2 }, { .code = 0x95 } };
	int ifindex = (int)if_nametoindex("lo"), before;
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "pass", "GPL", pass, 2, NULL);

	if (fd < 0 || bpf_xdp_attach(ifindex, fd, SKB_MODE, NULL))
		return 1;
	before = descriptors();
	for (int i = 0; i < QUERIES; i++) {
		struct xdp_multiprog *found = xdp_multiprog__get_from_ifindex(ifindex);

		if (libxdp_get_error(found))
			return 1;
		xdp_multiprog__close(found);
	}
	printf("%d queries left %d descriptors\n", QUERIES, descriptors() - before);
	return 0;
}
C
libraries=root/usr/lib/$(uname -m)-linux-gnu
gcc -Iroot/usr/include query.c -o query -L"$libraries" -lxdp -lbpf
seen=$(LD_LIBRARY_PATH=$libraries unshare --net ./query)
echo "libxdp 1.3.1-1: $seen"
[ "$seen" = "10 queries left 10 descriptors" ]
