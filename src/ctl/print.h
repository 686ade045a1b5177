/* SPDX-License-Identifier: MIT */

/* How firecrawlctl shows jobs: a table for people, JSON for programs. What
 * cannot be written shows in ferror(3) of the stream. */

#ifndef FC_CTL_PRINT_H
#define FC_CTL_PRINT_H

#include "src/api/status.h"
#include "src/watch/record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A job to show. Strings are borrowed and may hold anything. */
struct ctl_row {
  const char *instance; /* NULL: the row is not of a state file, and has no name
                           either, sources or times */
  struct fc_job_record record;
  int64_t now_s;       /* epoch, on the server's clock */
  const char *problem; /* why nothing, or nothing good, is known; NULL: none */
};

enum { CTL_SPAN_SIZE = 24 };

/* "59m", "3h 7m", "-12s": a number of seconds, short. Returns text. */
const char *ctl_span(char text[CTL_SPAN_SIZE], int64_t seconds);

/* Whether a stream takes colours: a terminal, and neither NO_COLOR nor a dumb
 * TERM says otherwise. */
bool ctl_takes_colours(FILE *out);

/* The escape sequence that begins a status's colour, and the one that ends it;
 * "" without colours. Static storage. */
const char *ctl_colour(enum fc_status status, bool colours);
const char *ctl_colour_end(bool colours);

/* A table under way: rows are kept until the widths are known. */
struct ctl_table;

/* NULL when memory is short. `with_names`: with instances and names. */
struct ctl_table *ctl_table_new(bool with_names);

/* False when memory is short. */
bool ctl_table_add(struct ctl_table *table, const struct ctl_row *row);

void ctl_table_print(const struct ctl_table *table, FILE *out, bool colours);

/* NULL is fine. */
void ctl_table_free(struct ctl_table *table);

/* One job as a JSON object (RFC 8259), without a line end. Members that are not
 * known are null; those of the state file are there for such rows only. */
void ctl_json_row(FILE *out, const struct ctl_row *row);

/* A string with its quotes; null for NULL. Broken UTF-8 and control characters
 * are replaced as in fc_text_line. */
void ctl_json_string(FILE *out, const char *text);

#endif
