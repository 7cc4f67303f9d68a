/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

bool addr_is_unspecified(const struct addr *a)
{
	if (addr_is_v4(a))
		return addr_to_v4_host(a) == 0;
	return a->q[0] == 0 && a->q[1] == 0;
}

bool addr_is_multicast(const struct addr *a)
{
	if (addr_is_v4(a))
		return a->b[12] >> 4 == 0xe; /* 224/4 */
	return a->b[0] == 0xff;
}

bool addr_is_unicast_source(const struct addr *a)
{
	static const struct addr v6_loopback = { .b = { [15] = 1 } };

	if (addr_is_v4(a))
		return a->b[12] != 0 && a->b[12] != 127 && a->b[12] < 224;
	return !addr_is_unspecified(a) && !addr_is_multicast(a) && !addr_equal(a, &v6_loopback);
}

bool prefix_contains(const struct prefix *p, const struct addr *a)
{
	unsigned int whole = p->len / 8, rest = p->len % 8;

	if (memcmp(p->addr.b, a->b, whole) != 0)
		return false;
	return rest == 0 || (p->addr.b[whole] ^ a->b[whole]) >> (8 - rest) == 0;
}

const char *addr_format(const struct addr *a, char *buf, size_t size)
{
	bool v4 = addr_is_v4(a);

	if (!inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? a->b + 12 : a->b, buf, (socklen_t)size))
		snprintf(buf, size, "?");
	return buf;
}

const char *prefix_format(const struct prefix *p, char *buf, size_t size)
{
	char addr[ADDR_TEXT_MAX];
	int len = p->len - (addr_is_v4(&p->addr) ? 96 : 0);

	snprintf(buf, size, "%s/%d", addr_format(&p->addr, addr, sizeof(addr)), len);
	return buf;
}

int addr_parse(const char *text, struct addr *a)
{
	uint8_t v4[4];

	if (inet_pton(AF_INET, text, v4) == 1) {
		*a = addr_from_v4(v4);
		return 0;
	}
	return inet_pton(AF_INET6, text, a->b) == 1 ? 0 : -EINVAL;
}

static bool prefix_is_canonical(const struct prefix *p)
{
	for (unsigned int bit = p->len; bit < 128; bit++) {
		if (p->addr.b[bit / 8] & 0x80 >> bit % 8)
			return false;
	}
	return true;
}

/* A decimal number of at most three digits and nothing else. */
static int length_parse(const char *text)
{
	int len = 0;
	size_t n = strlen(text);

	if (n < 1 || n > 3)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		len = len * 10 + (*text - '0');
	}
	return len;
}

int prefix_parse(const char *text, struct prefix *p)
{
	const char *slash = strchr(text, '/');
	char addr[ADDR_TEXT_MAX];
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	int len, bits, err;

	if (n >= sizeof(addr))
		return -EINVAL;
	memcpy(addr, text, n);
	addr[n] = '\0';
	err = addr_parse(addr, &p->addr);
	if (err)
		return err;
	/* An IPv4-mapped address written as IPv6 counts its length in 128 bits. */
	bits = addr_is_v4(&p->addr) && !strchr(addr, ':') ? 32 : 128;
	len = slash ? length_parse(slash + 1) : bits;
	if (len < 0 || len > bits)
		return -EINVAL;
	p->len = (uint8_t)(len + 128 - bits);
	return prefix_is_canonical(p) ? 0 : -EINVAL;
}
