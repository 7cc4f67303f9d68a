/* SPDX-License-Identifier: BSD-2-Clause */
/* Configurations from strings, and what was complained about. */
#ifndef SUPPORT_CONFIG_TEXT_H
#define SUPPORT_CONFIG_TEXT_H

#include "control/config.h"

/* A directory of its own; returns its path, valid until config_text_remove(). */
const char *config_text_directory(void);
void config_text_remove(void);
/* Writes a file into the directory; returns its path, valid until the next call. */
const char *config_text_write(const char *name, const char *text, size_t len);
/* Reads the file "conf" of the directory after writing the text into it. */
struct config *config_text_read(const char *text);
/* The messages of the last config_text_read(), one a line, the directory's path left out. */
const char *config_text_errors(void);

#endif
