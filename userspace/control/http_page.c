/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>

#include "control/http_internal.h"

/* The file as it is, found from the top of the tree, where make runs. */
__asm__(".pushsection .rodata\n"
	"http_page_start: .incbin \"userspace/control/status.html\"\n"
	"http_page_end: .byte 0\n"
	".balign 4\n"
	"http_page_len: .long http_page_end - http_page_start\n"
	".popsection\n");

extern const char http_page_start[]; /* ends with a zero */
extern const unsigned int http_page_len;

/* Stands in the page for the nonce, and is as long. */
static const char placeholder[] = "@NONCE@NONCE@NONCE@NONCE@NONCE@@";

_Static_assert(sizeof(placeholder) - 1 == HTTP_NONCE_LEN, "the page keeps its length");

char *http_page_render(const char *nonce, size_t *len)
{
	char *page, *at;

	*len = http_page_len;
	page = malloc(*len + 1);
	if (!page)
		return NULL;
	memcpy(page, http_page_start, *len + 1);
	for (at = page; (at = strstr(at, placeholder)) != NULL; at += HTTP_NONCE_LEN)
		memcpy(at, nonce, HTTP_NONCE_LEN);
	return page;
}
