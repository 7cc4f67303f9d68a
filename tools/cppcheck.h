/* SPDX-License-Identifier: BSD-2-Clause */
/* For cppcheck, which is not given the headers of libraries: macros that it could not parse. */
#define LIBBPF_OPTS(type, name, ...) struct type name = { 0 }
#define json_array_foreach(array, i, value) for (i = 0; (value = json_array_get(array, i)); i++)
#define json_object_foreach(object, key, value) \
	for (key = ""; (value = json_object_get(object, key)); key = "")
