/* SPDX-License-Identifier: BSD-2-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "control/http.h"

/* Decimal digits and nothing else. Returns the port, or 0 if it is none. */
static unsigned long parse_port(const char *text)
{
	unsigned long port;

	if (strspn(text, "0123456789") != strlen(text) || strlen(text) > 5)
		return 0;
	port = strtoul(text, NULL, 10);
	return port <= 65535 ? port : 0;
}

static int set_v4(struct http_address *address, const char *host, unsigned long port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&address->socket;

	*in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	address->len = sizeof(*in);
	return inet_pton(AF_INET, host, &in->sin_addr) == 1 ? 0 : -EINVAL;
}

static int set_v6(struct http_address *address, const char *host, unsigned long port)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address->socket;

	*in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
	address->len = sizeof(*in6);
	return inet_pton(AF_INET6, host, &in6->sin6_addr) == 1 ? 0 : -EINVAL;
}

int http_address_parse(const char *text, struct http_address *address)
{
	const char *colon = strrchr(text, ':');
	unsigned long port = parse_port(colon ? colon + 1 : text);
	size_t len = colon ? (size_t)(colon - text) : 0;
	char host[INET6_ADDRSTRLEN];

	memset(address, 0, sizeof(*address));
	if (!port)
		return -EINVAL;
	if (!colon)
		return set_v4(address, "127.0.0.1", port);
	if (len >= 2 && text[0] == '[' && colon[-1] == ']') {
		if (len - 2 >= sizeof(host))
			return -EINVAL;
		memcpy(host, text + 1, len - 2);
		host[len - 2] = '\0';
		return set_v6(address, host, port);
	}
	if (len >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, len);
	host[len] = '\0';
	return set_v4(address, host, port);
}

bool http_address_is_loopback(const struct http_address *address)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)&address->socket;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address->socket;

	if (in->sin_family == AF_INET)
		return ntohl(in->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return in->sin_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}
