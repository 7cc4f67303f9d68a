/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the ingress program calls. Since Linux 6.13 a program that calls a helper which may change
 * packet data finds no place in a dispatcher that does not say it may, as that of libxdp before
 * 1.5.5: so none is called. The programs are loaded, that the code of all functions is there.
 */
#include <stddef.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <linux/bpf.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/mcast.skel.h"
#include "bpf/mcast_egress.skel.h"
#include "mcastd/abi.h"

/* bpf_xdp_adjust_head and its like; a tail call counts, as nobody knows what it leads to. */
static bool changes_packet(int helper)
{
	return helper == BPF_FUNC_xdp_adjust_head || helper == BPF_FUNC_xdp_adjust_meta ||
	       helper == BPF_FUNC_xdp_adjust_tail || helper == BPF_FUNC_tail_call;
}

static struct bpf_object *load(const void *image, size_t size)
{
	struct bpf_object *object = bpf_object__open_mem(image, size, NULL);
	struct bpf_map *map = NULL;

	assert_non_null(object);
	while ((map = bpf_object__next_map(object, map)))
		bpf_map__set_pin_path(map, NULL);
	assert_int_equal(bpf_object__load(object), 0);
	return object;
}

/* How many calls of any helper, and of those that change packet data, there are. */
static void count_calls(const struct bpf_object *object, const char *name, unsigned int *all,
			unsigned int *changing)
{
	const struct bpf_program *program = bpf_object__find_program_by_name(object, name);
	const struct bpf_insn *insns = bpf_program__insns(program);

	*all = *changing = 0;
	for (size_t i = 0; i < bpf_program__insn_cnt(program); i++) {
		if (insns[i].code != (BPF_JMP | BPF_CALL) || insns[i].src_reg)
			continue;
		++*all;
		*changing += changes_packet(insns[i].imm);
	}
}

static void ingress_moves_no_data(void **state)
{
	size_t size;
	const void *image = mcast_bpf__elf_bytes(&size);
	struct bpf_object *object = load(image, size);
	unsigned int all, changing;

	(void)state;
	count_calls(object, MCASTD_PROGRAM, &all, &changing);
	assert_true(all > 10);
	assert_int_equal(changing, 0);
	bpf_object__close(object);
}

/* And the search finds such calls where they are. */
static void egress_does(void **state)
{
	size_t size;
	const void *image = mcast_egress_bpf__elf_bytes(&size);
	struct bpf_object *object = load(image, size);
	unsigned int all, changing;

	(void)state;
	count_calls(object, "mcastd_egress", &all, &changing);
	assert_int_equal(changing, 2);
	bpf_object__close(object);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ingress_moves_no_data),
		cmocka_unit_test(egress_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
