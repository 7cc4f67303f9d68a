/* SPDX-License-Identifier: BSD-2-Clause */
/* mcastctl top: asks once a second, shows rates. Each view is a list of rows, sorted by a key. */
#include "mcastctl.h"

#include <ncurses.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "rates.h"

#define PERIOD_MS 1000
#define ROWS_MAX "10000" /* as a word of the request: more than anyone will scroll through */
#define CELLS_MAX 7

enum view {
	VIEW_FLOWS,
	VIEW_UNWANTED,
	VIEW_INTERFACES,
	VIEWS,
};

enum order {
	ORDER_PACKETS,
	ORDER_BITS,
	ORDER_NAME,
};

struct row {
	char cells[CELLS_MAX][TEXT_MAX];
	char name[2 * TEXT_MAX]; /* what ORDER_NAME sorts by */
	double packets_s, bits_s;
};

struct top {
	const char *path;
	enum view view;
	enum order order;
	bool reverse, held;
	size_t scroll;
	struct rates *rates;
	struct row *rows;
	size_t n_rows;
	double omitted, packets_s, bits_s;
	char problem[128]; /* why there is no answer */
};

struct view_column {
	const char *title;
	int width; /* negative: numbers, to the right; 0: the rest of the line */
};

static const struct view_info {
	const char *title;
	const char *request[4];
	const char *array, *omitted;
	struct view_column columns[CELLS_MAX + 1];
} views[VIEWS] = {
	[VIEW_FLOWS] = { "flows",
			 { "show", "flows", "limit", ROWS_MAX },
			 "flows",
			 "omitted",
			 { { "GROUP", 15 },
			   { "SOURCE", 17 },
			   { "IN", 8 },
			   { "PKT/S", -7 },
			   { "BIT/S", -7 },
			   { "SEEN", -6 },
			   { "OUT", 0 },
			   { NULL, 0 } } },
	[VIEW_UNWANTED] = { "unwanted",
			    { "show", "flows", "limit", ROWS_MAX },
			    "unwanted",
			    "unwanted-omitted",
			    { { "GROUP", 15 },
			      { "SOURCE", 17 },
			      { "IN", 8 },
			      { "PKT/S", -7 },
			      { "BIT/S", -7 },
			      { "SEEN", -6 },
			      { "WHY", 0 },
			      { NULL, 0 } } },
	[VIEW_INTERFACES] = { "interfaces",
			      { "show", "statistics", "limit", ROWS_MAX },
			      "interfaces",
			      "omitted",
			      { { "INTERFACE", 15 },
				{ "IN PKT/S", -8 },
				{ "IN BIT/S", -8 },
				{ "OUT PKT/S", -9 },
				{ "OUT BIT/S", -9 },
				{ "NO ROUTE/S", -10 },
				{ "IGMP/S", -7 },
				{ NULL, 0 } } },
};

/* --- Rows --------------------------------------------------------------------------------------
 */

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void set_cell(struct row *row, int i, const char *text)
{
	snprintf(row->cells[i], TEXT_MAX, "%s", text);
}

static double named_rate(struct rates *rates, const char *name, const char *what, double counter)
{
	char key[4 * TEXT_MAX];

	snprintf(key, sizeof(key), "%s %s", what, name);
	return rates_of(rates, key, counter);
}

static void join_names(const json_t *names, char out[TEXT_MAX])
{
	size_t i, len = 0;
	json_t *name;

	out[0] = '\0';
	json_array_foreach (names, i, name) {
		len += (size_t)snprintf(out + len, TEXT_MAX - len, "%s%s", i ? " " : "",
					json_string_value(name) ? json_string_value(name) : "?");
		if (len >= TEXT_MAX)
			return;
	}
}

static void fill_flow(struct top *top, struct row *row, const json_t *flow)
{
	const char *source = json_text(flow, "source-address"), *what = views[top->view].title;
	const char *last = json_text(flow, "last-source");

	if (top->view == VIEW_UNWANTED)
		snprintf(row->name, sizeof(row->name), "%s %s %s %s",
			 json_text(flow, "group-address"), source,
			 json_text(flow, "incoming-interface"), json_text(flow, "reason"));
	else
		snprintf(row->name, sizeof(row->name), "%s %s", json_text(flow, "group-address"),
			 source);
	row->packets_s = named_rate(top->rates, row->name, what, json_num(flow, "packets"));
	row->bits_s = 8 * named_rate(top->rates, row->name, top->view == VIEW_FLOWS ? "b" : "ub",
				     json_num(flow, "bytes"));
	set_cell(row, 0, json_text(flow, "group-address"));
	set_cell(row, 1, source);
	if (strcmp(source, "*") == 0 && strcmp(last, "-") != 0)
		snprintf(row->cells[1], TEXT_MAX, "* %s", last);
	set_cell(row, 2, json_text(flow, "incoming-interface"));
	format_count(row->packets_s, row->cells[3]);
	format_count(row->bits_s, row->cells[4]);
	format_seconds(json_object_get(flow, "last-seen"), row->cells[5]);
	if (top->view == VIEW_FLOWS)
		join_names(json_object_get(flow, "outgoing-interfaces"), row->cells[6]);
	else
		set_cell(row, 6, json_text(flow, "reason"));
}

static void fill_interface(struct top *top, struct row *row, const json_t *interface)
{
	const json_t *data = json_object_get(interface, "data");
	const json_t *arrived = json_object_get(data, "arrived");
	const char *name = json_text(interface, "name");
	double in_packets = named_rate(top->rates, name, "in", json_num(arrived, "forwarded"));
	double in_bytes = named_rate(top->rates, name, "inb", json_num(data, "forwarded-bytes"));
	double out_packets = named_rate(top->rates, name, "out", json_num(data, "sent-packets"));
	double out_bytes = named_rate(top->rates, name, "outb", json_num(data, "sent-bytes"));
	double no_route = named_rate(top->rates, name, "none", json_num(arrived, "no-route"));
	double igmp = named_rate(top->rates, name, "igmp",
				 json_num(json_object_get(interface, "received"), "total"));

	snprintf(row->name, sizeof(row->name), "%s", name);
	row->packets_s = in_packets + out_packets;
	row->bits_s = 8 * (in_bytes + out_bytes);
	set_cell(row, 0, name);
	format_count(in_packets, row->cells[1]);
	format_count(8 * in_bytes, row->cells[2]);
	format_count(out_packets, row->cells[3]);
	format_count(8 * out_bytes, row->cells[4]);
	format_count(no_route, row->cells[5]);
	format_count(igmp, row->cells[6]);
}

static int compare_rows(const void *a, const void *b, void *arg)
{
	const struct row *x = a, *y = b;
	const struct top *top = arg;
	double difference = top->order == ORDER_PACKETS ? y->packets_s - x->packets_s
			    : top->order == ORDER_BITS	? y->bits_s - x->bits_s
							: 0;
	int order = difference > 0 ? 1 : difference < 0 ? -1 : strverscmp(x->name, y->name);

	return top->reverse ? -order : order;
}

static void sort_rows(struct top *top)
{
	if (top->n_rows)
		qsort_r(top->rows, top->n_rows, sizeof(*top->rows), compare_rows, top);
}

static void fill_rows(struct top *top, const json_t *answer)
{
	const struct view_info *view = &views[top->view];
	const json_t *array = json_object_get(answer, view->array);
	json_t *item;
	size_t i;

	rates_begin(top->rates, now_s());
	free(top->rows);
	top->n_rows = json_array_size(array);
	top->rows = calloc(top->n_rows + 1, sizeof(*top->rows));
	if (!top->rows)
		abort();
	top->packets_s = top->bits_s = 0;
	json_array_foreach (array, i, item) {
		struct row *row = &top->rows[i];

		if (top->view == VIEW_INTERFACES)
			fill_interface(top, row, item);
		else
			fill_flow(top, row, item);
		top->packets_s += row->packets_s;
		top->bits_s += row->bits_s;
	}
	top->omitted = json_num(answer, view->omitted);
	sort_rows(top);
}

/* Returns 0 or an exit status; keeps the rows it has when there is no answer. */
static int refresh_rows(struct top *top)
{
	const struct view_info *view = &views[top->view];
	json_t *answer;
	int status = client_request(top->path, 4, view->request, &answer);

	top->problem[0] = '\0';
	if (status) {
		snprintf(top->problem, sizeof(top->problem), "no answer from mcastd at %s",
			 top->path);
		return status;
	}
	fill_rows(top, answer);
	json_decref(answer);
	return 0;
}

/* --- The screen --------------------------------------------------------------------------------
 */

static void draw_line(int y, const struct view_info *view, const char *(*cell)(const void *, int),
		      const void *arg)
{
	int x = 0;

	for (int i = 0; view->columns[i].title && x < COLS; i++) {
		int width = view->columns[i].width;
		const char *text = cell(arg, i);

		/* The last column takes what is left; a number that does not fit is left out. */
		if (x + abs(width) > COLS)
			break;
		if (width < 0)
			mvprintw(y, x, "%*.*s", -width, -width, text);
		else
			mvprintw(y, x, "%-*.*s", width, width ? width : COLS - x, text);
		x += abs(width) + 1;
	}
}

static const char *title_cell(const void *arg, int i)
{
	return ((const struct view_info *)arg)->columns[i].title;
}

static const char *row_cell(const void *arg, int i)
{
	return ((const struct row *)arg)->cells[i];
}

static void draw_head(const struct top *top)
{
	static const char *const orders[] = { "packets", "bits", "name" };
	char packets[TEXT_MAX], bits[TEXT_MAX], omitted[TEXT_MAX] = "", head[256];

	if (top->omitted > 0)
		snprintf(omitted, sizeof(omitted), " (and %.0f more)", top->omitted);
	snprintf(head, sizeof(head), "mcastd: %zu %s%s, %s packets/s, %s bit/s, by %s%s%s",
		 top->n_rows, views[top->view].title, omitted,
		 format_count(top->packets_s, packets), format_count(top->bits_s, bits),
		 orders[top->order], top->reverse ? ", reversed" : "", top->held ? ", held" : "");
	mvaddnstr(0, 0, head, COLS);
	if (top->problem[0]) {
		attron(A_BOLD);
		mvprintw(1, 0, "%.*s", COLS, top->problem);
		attroff(A_BOLD);
	}
}

/* The first letter of each word is its key. */
static void draw_keys(void)
{
	static const char *const words[] = { "flows",	"unwanted",    "interfaces", "|",
					     "packets", "bits",	       "group",	     "|",
					     "reverse", "space: hold", "quit" };

	move(LINES - 1, 0);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (getcurx(stdscr) + (int)strlen(words[i]) > COLS)
			break;
		attron(A_BOLD);
		printw("%c", words[i][0]);
		attroff(A_BOLD);
		printw("%s ", words[i] + 1);
	}
}

static void draw(const struct top *top)
{
	const struct view_info *view = &views[top->view];
	int body = LINES - 4;

	erase();
	draw_head(top);
	attron(A_REVERSE);
	mvhline(2, 0, ' ', COLS);
	draw_line(2, view, title_cell, view);
	attroff(A_REVERSE);
	for (int y = 0; y < body && top->scroll + (size_t)y < top->n_rows; y++) {
		const struct row *row = &top->rows[top->scroll + (size_t)y];

		/* What flows now stands out. */
		attrset(row->packets_s > 0 ? A_NORMAL : A_DIM);
		draw_line(3 + y, view, row_cell, row);
	}
	attrset(A_NORMAL);
	draw_keys();
	refresh();
}

/* --- Keys --------------------------------------------------------------------------------------
 */

static void set_view(struct top *top, enum view view)
{
	if (top->view == view)
		return;
	top->view = view;
	top->scroll = 0;
	top->held = false;
	top->n_rows = 0;
	refresh_rows(top);
}

static void set_order(struct top *top, enum order order)
{
	top->order = order;
	sort_rows(top);
}

static void scroll_by(struct top *top, long rows)
{
	size_t most = top->n_rows > 0 ? top->n_rows - 1 : 0;

	if (rows < 0)
		top->scroll -= top->scroll < (size_t)-rows ? top->scroll : (size_t)-rows;
	else
		top->scroll +=
			most - top->scroll < (size_t)rows ? most - top->scroll : (size_t)rows;
}

/* Returns false to end. */
static bool handle_key(struct top *top, int key)
{
	static const struct {
		int key;
		enum view view;
	} view_keys[] = {
		{ 'f', VIEW_FLOWS },
		{ 'u', VIEW_UNWANTED },
		{ 'i', VIEW_INTERFACES },
	};
	static const struct {
		int key;
		enum order order;
	} order_keys[] = {
		{ 'p', ORDER_PACKETS },
		{ 'b', ORDER_BITS },
		{ 'g', ORDER_NAME },
	};
	static const struct {
		int key;
		long rows;
	} scroll_keys[] = {
		{ KEY_UP, -1 },	   { KEY_DOWN, 1 },	   { KEY_PPAGE, -20 },
		{ KEY_NPAGE, 20 }, { KEY_HOME, -1000000 }, { KEY_END, 1000000 },
	};

	for (size_t i = 0; i < sizeof(view_keys) / sizeof(view_keys[0]); i++)
		if (view_keys[i].key == key)
			set_view(top, view_keys[i].view);
	for (size_t i = 0; i < sizeof(order_keys) / sizeof(order_keys[0]); i++)
		if (order_keys[i].key == key)
			set_order(top, order_keys[i].order);
	for (size_t i = 0; i < sizeof(scroll_keys) / sizeof(scroll_keys[0]); i++)
		if (scroll_keys[i].key == key)
			scroll_by(top, scroll_keys[i].rows);
	if (key == 'r') {
		top->reverse = !top->reverse;
		sort_rows(top);
	}
	if (key == ' ')
		top->held = !top->held;
	return key != 'q';
}

/* The terminal is gone: its window was closed, or a connection broke. */
static bool hung_up(void)
{
	struct pollfd terminal = { .fd = STDIN_FILENO, .events = POLLIN };

	return poll(&terminal, 1, 0) > 0 && (terminal.revents & (POLLHUP | POLLERR));
}

static void run(struct top *top)
{
	double next = now_s() + PERIOD_MS / 1e3;
	bool go_on = true;

	while (go_on && !hung_up()) {
		double left;
		int key;

		draw(top);
		left = next - now_s();
		timeout(left > 0 ? (int)(left * 1000) + 1 : 0);
		key = getch();
		if (key != ERR)
			go_on = handle_key(top, key);
		if (now_s() < next)
			continue;
		next = now_s() + PERIOD_MS / 1e3;
		if (!top->held)
			refresh_rows(top);
		if (top->n_rows <= top->scroll)
			top->scroll = 0;
	}
}

int top_run(const char *path)
{
	struct top top = { .path = path, .rates = rates_new() };
	int status = refresh_rows(&top), saved;

	if (!status && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))) {
		fprintf(stderr, "mcastctl: top needs a terminal\n");
		status = EX_USAGE;
	}
	if (!status) {
		/* Errors of later requests stand on the screen, not across it. */
		saved = dup(STDERR_FILENO);
		if (!freopen("/dev/null", "w", stderr) || !initscr()) {
			status = EX_OSERR;
		} else {
			cbreak();
			noecho();
			keypad(stdscr, TRUE);
			curs_set(0);
			run(&top);
			endwin();
		}
		dup2(saved, STDERR_FILENO);
		close(saved);
	}
	free(top.rows);
	rates_free(top.rates);
	return status;
}
