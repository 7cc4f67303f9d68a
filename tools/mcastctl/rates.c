/* SPDX-License-Identifier: BSD-2-Clause */
#include "rates.h"

#include <stdlib.h>

struct rates {
	json_t *before, *now; /* name -> counter */
	double before_s, now_s;
};

struct rates *rates_new(void)
{
	struct rates *rates = calloc(1, sizeof(*rates));

	if (!rates)
		abort();
	rates->before = json_object();
	rates->now = json_object();
	return rates;
}

void rates_free(struct rates *rates)
{
	json_decref(rates->before);
	json_decref(rates->now);
	free(rates);
}

void rates_begin(struct rates *rates, double now_s)
{
	json_decref(rates->before);
	rates->before = rates->now;
	rates->before_s = rates->now_s;
	rates->now = json_object();
	rates->now_s = now_s;
}

double rates_of(struct rates *rates, const char *name, double counter)
{
	const json_t *before = json_object_get(rates->before, name);
	double seconds = rates->now_s - rates->before_s;
	double growth = counter - json_number_value(before);

	json_object_set_new(rates->now, name, json_real(counter));
	return before && seconds > 0 && growth > 0 ? growth / seconds : 0;
}
