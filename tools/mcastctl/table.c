/* SPDX-License-Identifier: BSD-2-Clause */
#include "mcastctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_DEFAULT 80
#define WRAP_MIN 10 /* the least width of a column that wraps */
#define SHRINK_MIN 4

struct table {
	const struct column *columns;
	unsigned int n_columns;
	char **cells; /* row by row */
	size_t n_rows, capacity;
};

static void *or_abort(void *memory)
{
	if (!memory) {
		fprintf(stderr, "mcastctl: out of memory\n");
		abort();
	}
	return memory;
}

struct table *table_new(const struct column *columns)
{
	struct table *table = or_abort(calloc(1, sizeof(*table)));

	table->columns = columns;
	while (columns[table->n_columns].title)
		table->n_columns++;
	return table;
}

void table_row(struct table *table, const char *const *cells)
{
	char **row;

	if (table->n_rows == table->capacity) {
		table->capacity = table->capacity ? table->capacity * 2 : 16;
		table->cells =
			or_abort(reallocarray(table->cells, table->capacity * table->n_columns,
					      sizeof(*table->cells)));
	}
	row = &table->cells[table->n_rows++ * table->n_columns];
	for (unsigned int i = 0; i < table->n_columns; i++)
		row[i] = or_abort(strdup(cells[i] ? cells[i] : ""));
}

unsigned int table_width(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40)
		return size.ws_col;
	return WIDTH_DEFAULT;
}

static const char *cell(const struct table *table, size_t row, unsigned int column)
{
	return table->cells[row * table->n_columns + column];
}

static unsigned int total_width(const unsigned int *widths, unsigned int n, unsigned int gap)
{
	unsigned int total = gap * (n - 1);

	for (unsigned int i = 0; i < n; i++)
		total += widths[i];
	return total;
}

/* Takes what is too much from the columns with this flag, but leaves them `least`. */
static void narrow_columns(const struct table *table, unsigned int *widths, unsigned int gap,
			   unsigned int width, unsigned int flag, unsigned int least)
{
	for (unsigned int i = 0; i < table->n_columns; i++) {
		unsigned int total = total_width(widths, table->n_columns, gap);
		unsigned int excess = total > width ? total - width : 0;

		if (!(table->columns[i].flags & flag) || widths[i] <= least)
			continue;
		widths[i] -= excess < widths[i] - least ? excess : widths[i] - least;
	}
}

/* Widths by content; if that is too much, narrower columns and gaps. Returns the gap. */
static unsigned int fit_columns(const struct table *table, unsigned int width, unsigned int *widths)
{
	unsigned int gap = 2;

	for (unsigned int i = 0; i < table->n_columns; i++) {
		widths[i] = (unsigned int)strlen(table->columns[i].title);
		for (size_t row = 0; row < table->n_rows; row++) {
			unsigned int len = (unsigned int)strlen(cell(table, row, i));

			if (len > widths[i])
				widths[i] = len;
		}
	}
	narrow_columns(table, widths, gap, width, COLUMN_WRAP, WRAP_MIN);
	if (total_width(widths, table->n_columns, gap) > width)
		gap = 1;
	narrow_columns(table, widths, gap, width, COLUMN_SHRINK, SHRINK_MIN);
	return gap;
}

/* How much of the text goes into this line: up to the last blank that fits. */
static size_t wrap_length(const char *text, size_t width)
{
	size_t len = strlen(text), best = 0;

	if (len <= width)
		return len;
	for (size_t i = 0; i <= width; i++)
		if (text[i] == ' ')
			best = i;
	return best ? best : width;
}

static void print_cell(const char *text, size_t len, unsigned int width, unsigned int flags,
		       bool last)
{
	if (flags & COLUMN_RIGHT)
		printf("%*.*s", (int)width, (int)len, text);
	else if (len > width)
		printf("%.*s~", (int)width - 1, text);
	else if (last)
		printf("%.*s", (int)len, text);
	else
		printf("%-*.*s", (int)width, (int)len, text);
}

/* The last cell that is not empty, so that no blanks stand at the end of a line. */
static unsigned int count_cells(const struct table *table, const char *const *cells)
{
	unsigned int n = table->n_columns;

	while (n > 0 && cells[n - 1][0] == '\0')
		n--;
	return n;
}

static void print_row(const struct table *table, const char *const *cells,
		      const unsigned int *widths, unsigned int gap)
{
	unsigned int n = count_cells(table, cells), indent = 0;
	const char *rest = "";

	for (unsigned int i = 0; i < n; i++) {
		unsigned int flags = table->columns[i].flags;
		bool last = i + 1 == n;
		size_t len = strlen(cells[i]);

		if (flags & COLUMN_WRAP) {
			len = wrap_length(cells[i], widths[i]);
			rest = cells[i] + len;
		}
		print_cell(cells[i], len, widths[i], flags, last);
		if (!last) {
			indent += widths[i] + gap;
			printf("%*s", (int)gap, "");
		}
	}
	putchar('\n');
	while (*rest) {
		size_t len;

		rest += *rest == ' ';
		len = wrap_length(rest, widths[table->n_columns - 1]);
		printf("%*s%.*s\n", (int)indent, "", (int)len, rest);
		rest += len;
	}
}

void table_print(struct table *table, unsigned int width)
{
	unsigned int *widths = or_abort(calloc(table->n_columns, sizeof(*widths)));
	const char **titles = or_abort(calloc(table->n_columns, sizeof(*titles)));
	unsigned int gap = fit_columns(table, width, widths);

	for (unsigned int i = 0; i < table->n_columns; i++)
		titles[i] = table->columns[i].title;
	print_row(table, titles, widths, gap);
	for (size_t row = 0; row < table->n_rows; row++)
		print_row(table, (const char *const *)&table->cells[row * table->n_columns], widths,
			  gap);
	for (size_t i = 0; i < table->n_rows * table->n_columns; i++)
		free(table->cells[i]);
	free(table->cells);
	free(titles);
	free(widths);
	free(table);
}
