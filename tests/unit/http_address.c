/* SPDX-License-Identifier: BSD-2-Clause */
/* What http-listen may say. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "control/http.h"

static const struct {
	const char *text;
	const char *address; /* NULL: not accepted */
	unsigned int port;
	bool is_loopback;
} cases[] = {
	{ "127.0.0.1:9455", "127.0.0.1", 9455, true },
	{ "127.9.8.7:1", "127.9.8.7", 1, true },
	{ "9455", "127.0.0.1", 9455, true },
	{ "0.0.0.0:65535", "0.0.0.0", 65535, false },
	{ "192.0.2.1:80", "192.0.2.1", 80, false },
	{ "[::1]:9455", "::1", 9455, true },
	{ "[::]:9455", "::", 9455, false },
	{ "[2001:db8::1]:9455", "2001:db8::1", 9455, false },
	{ "", NULL, 0, false },
	{ "0", NULL, 0, false },
	{ "65536", NULL, 0, false },
	{ "-1", NULL, 0, false },
	{ "+80", NULL, 0, false },
	{ " 80", NULL, 0, false },
	{ "000080", NULL, 0, false },
	{ "127.0.0.1", NULL, 0, false },
	{ "127.0.0.1:", NULL, 0, false },
	{ ":9455", NULL, 0, false },
	{ "127.0.0.1:http", NULL, 0, false },
	{ "127.1:80", NULL, 0, false },
	{ "localhost:80", NULL, 0, false },
	{ "::1:9455", NULL, 0, false },
	{ "[::1]", NULL, 0, false },
	{ "[::1]9455", NULL, 0, false },
	{ "[127.0.0.1]:80", NULL, 0, false },
	{ "[]:80", NULL, 0, false },
	{ "[:80", NULL, 0, false },
	{ "]:80", NULL, 0, false },
	{ "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:80", NULL, 0, false },
	{ "111.111.111.111.111.111.111.111.111.111.111.111:80", NULL, 0, false },
};

static void test_parse(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct http_address address;
		const struct sockaddr_in *in = (const struct sockaddr_in *)&address.socket;
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address.socket;
		bool v6 = cases[i].text[0] == '[';
		char text[INET6_ADDRSTRLEN];
		int error = http_address_parse(cases[i].text, &address);

		if ((error == 0) != (cases[i].address != NULL))
			fail_msg("%s: %d", cases[i].text, error);
		if (error)
			continue;
		assert_int_equal(in->sin_family, v6 ? AF_INET6 : AF_INET);
		assert_int_equal(address.len, v6 ? sizeof(*in6) : sizeof(*in));
		assert_int_equal(ntohs(v6 ? in6->sin6_port : in->sin_port), cases[i].port);
		assert_non_null(v6 ? inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text))
				   : inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text)));
		assert_string_equal(text, cases[i].address);
		assert_int_equal(http_address_is_loopback(&address), cases[i].is_loopback);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
