/* SPDX-License-Identifier: MIT */

/* Time stamps of the wire to seconds since the epoch (UTC) as int64: any year
 * from 0000 to 9999, whatever locale and TZ say. The calendar is libc's.
 * Pure; any thread. Outputs are written on success only. */

#ifndef FC_TIMESTAMP_H
#define FC_TIMESTAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* RFC 3339 section 5.6 date-time, the whole of text[len]: "T"/"t"/one space,
 * "Z"/"z"/numeric offset, 0 to 30 fraction digits (cut, towards the past).
 * Second 60 is taken as :59 plus one, at 23:59 UTC only, where leap seconds are
 * (section 5.7); HTTP-dates too. */
bool fc_timestamp_rfc3339(const char *text, size_t len, int64_t *epoch_s);

/* RFC 9110 section 5.6.7 HTTP-date: IMF-fixdate, and the two obsolete forms
 * (RFC 850, asctime) that recipients must accept; case counts. A two-digit year
 * is the latest with these digits that is not more than 50 years ahead of
 * `now_s`. Surrounding blanks and tabs are allowed. The day name must be one,
 * but is not checked against the date. */
bool fc_timestamp_http(const char *text, size_t len, int64_t now_s,
                       int64_t *epoch_s);

enum { FC_TIMESTAMP_SIZE = 32 };

/* "2026-11-24T00:02:07Z" into text; years outside 0000..9999 are clamped.
 * Returns text. */
const char *fc_timestamp_format(char text[FC_TIMESTAMP_SIZE], int64_t epoch_s);

#endif
