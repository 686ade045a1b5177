/* SPDX-License-Identifier: MIT */

#include "src/base/timestamp.h"

#include "src/base/macros.h"
#include "src/base/text.h"

#include <string.h>
#include <time.h>

enum {
  DAY_S = 24 * 60 * 60,
  FRACTION_DIGITS_MAX = 30,
  TWO_DIGIT_YEARS_AHEAD = 50,
  TM_YEAR_0 = 1900
};

#define EPOCH_MIN_S INT64_C(-62167219200) /* 0000-01-01T00:00:00Z */
#define EPOCH_MAX_S INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

static const char *const days[] = {"Monday",   "Tuesday", "Wednesday",
                                   "Thursday", "Friday",  "Saturday",
                                   "Sunday"};

/* A piece of text that is being read; at == end when all of it is. */
struct reader {
  const char *at, *end;
};

static bool read_char(struct reader *reader, const char *allowed) {
  if (reader->at == reader->end ||
      !memchr(allowed, *reader->at, strlen(allowed)))
    return false;
  reader->at++;
  return true;
}

static bool read_digits(struct reader *reader, size_t count, int *value) {
  int sum = 0;
  for (size_t i = 0; i < count; i++) {
    if (!read_char(reader, "0123456789"))
      return false;
    sum = sum * 10 + (reader->at[-1] - '0');
  }
  *value = sum;
  return true;
}

/* One of the names, or of their first `cut` bytes; *index counts from 0. */
static bool read_name(struct reader *reader, const char *const *names,
                      size_t count, size_t cut, int *index) {
  for (size_t i = 0; i < count; i++) {
    size_t len = strnlen(names[i], cut);
    if ((size_t)(reader->end - reader->at) >= len &&
        memcmp(reader->at, names[i], len) == 0) {
      reader->at += len;
      *index = (int)i;
      return true;
    }
  }
  return false;
}

/* Digits of a field that struct tm counts from another origin. */
static bool read_shifted(struct reader *reader, size_t count, int origin,
                         int *value) {
  int read;
  if (!read_digits(reader, count, &read))
    return false;
  *value = read - origin;
  return true;
}

/* asctime's: two digits, or a blank and one. */
static bool read_padded_day(struct reader *reader, struct tm *tm) {
  bool padded = read_char(reader, " ");
  return read_digits(reader, padded ? 1 : 2, &tm->tm_mday);
}

/* One conversion of a form, named as strftime() names it. strptime() would ask
 * the locale for the names, and take more than the RFCs do. */
static bool read_field(struct reader *reader, char field, struct tm *tm) {
  int day_name;
  switch (field) {
  case 'Y':
    return read_shifted(reader, 4, TM_YEAR_0, &tm->tm_year);
  case 'y':
    return read_shifted(reader, 2, TM_YEAR_0, &tm->tm_year);
  case 'm':
    return read_shifted(reader, 2, 1, &tm->tm_mon);
  case 'b':
    return read_name(reader, months, COUNT_OF(months), 3, &tm->tm_mon);
  case 'd':
    return read_digits(reader, 2, &tm->tm_mday);
  case 'e':
    return read_padded_day(reader, tm);
  case 'H':
    return read_digits(reader, 2, &tm->tm_hour);
  case 'M':
    return read_digits(reader, 2, &tm->tm_min);
  case 'S':
    return read_digits(reader, 2, &tm->tm_sec);
  case 'a':
    return read_name(reader, days, COUNT_OF(days), 3, &day_name);
  default: /* 'A' */
    return read_name(reader, days, COUNT_OF(days), SIZE_MAX, &day_name);
  }
}

static bool read_form(struct reader *reader, const char *form, struct tm *tm) {
  for (; *form; form++) {
    char literal[] = {*form, '\0'};
    bool read = *form == '%' ? read_field(reader, *++form, tm)
                             : read_char(reader, literal);
    if (!read)
      return false;
  }
  return true;
}

/* Checks every field, and that second 60 stands where leap seconds are: it is
 * the last of a UTC day, so counting on from :59 ends on a whole day. timegm()
 * takes any fields: those that it had to change were none of a calendar. */
static bool epoch_checked(const struct tm *fields, int offset_minutes,
                          int64_t *epoch_s) {
  struct tm tm = *fields;
  tm.tm_sec = 0;
  int64_t minute_s = timegm(&tm);
  if (tm.tm_year != fields->tm_year || tm.tm_mon != fields->tm_mon ||
      tm.tm_mday != fields->tm_mday || tm.tm_hour != fields->tm_hour ||
      tm.tm_min != fields->tm_min || fields->tm_sec > 60)
    return false;
  int64_t seconds = minute_s + fields->tm_sec - (int64_t)offset_minutes * 60;
  if (fields->tm_sec == 60 && seconds % DAY_S != 0)
    return false;
  *epoch_s = seconds;
  return true;
}

static bool read_fraction(struct reader *reader) {
  size_t digits = 0;
  int digit;
  if (!read_char(reader, "."))
    return true;
  while (read_digits(reader, 1, &digit))
    digits++;
  return digits >= 1 && digits <= FRACTION_DIGITS_MAX;
}

/* Of local time, east of UTC. */
static bool read_offset(struct reader *reader, int *minutes) {
  struct tm offset = {0};
  if (read_char(reader, "Zz")) {
    *minutes = 0;
    return true;
  }
  if (!read_char(reader, "+-"))
    return false;
  int sign = reader->at[-1] == '-' ? -1 : 1;
  if (!read_form(reader, "%H:%M", &offset) || offset.tm_hour > 23 ||
      offset.tm_min > 59)
    return false;
  *minutes = sign * (offset.tm_hour * 60 + offset.tm_min);
  return true;
}

bool fc_timestamp_rfc3339(const char *text, size_t len, int64_t *epoch_s) {
  struct reader reader = {text, text + len};
  struct tm tm = {0};
  int offset_minutes;
  return read_form(&reader, "%Y-%m-%d", &tm) && read_char(&reader, "Tt ") &&
         read_form(&reader, "%H:%M:%S", &tm) && read_fraction(&reader) &&
         read_offset(&reader, &offset_minutes) && reader.at == reader.end &&
         epoch_checked(&tm, offset_minutes, epoch_s);
}

/* The fields of a time of the years 0000 to 9999; of another, of the nearest.
 */
static struct tm fields_of(int64_t epoch_s) {
  struct tm tm = {0};
  time_t time = (time_t)(epoch_s < EPOCH_MIN_S   ? EPOCH_MIN_S
                         : epoch_s > EPOCH_MAX_S ? EPOCH_MAX_S
                                                 : epoch_s);
  (void)gmtime_r(&time, &tm);
  return tm;
}

/* The latest year that ends in these two digits and does not put the date more
 * than TWO_DIGIT_YEARS_AHEAD ahead of now. */
static void resolve_year(struct tm *tm, int64_t now_s) {
  struct tm limit = fields_of(now_s);
  limit.tm_year += TWO_DIGIT_YEARS_AHEAD;
  int64_t limit_s = timegm(&limit);
  int digits = tm->tm_year + TM_YEAR_0;
  tm->tm_year = (limit.tm_year + TM_YEAR_0) / 100 * 100 + digits - TM_YEAR_0;
  struct tm date = *tm;
  if (timegm(&date) > limit_s && tm->tm_year + TM_YEAR_0 >= 100)
    tm->tm_year -= 100;
}

static const struct {
  const char *form;
  bool two_digit_year;
} http_forms[] = {
    {"%a, %d %b %Y %H:%M:%S GMT", false},
    {"%A, %d-%b-%y %H:%M:%S GMT", true},
    {"%a %b %e %H:%M:%S %Y", false},
};

static struct reader reader_trimmed(const char *text, size_t len) {
  struct reader reader = {text, text + len};
  while (read_char(&reader, " \t"))
    continue;
  while (reader.end > reader.at && memchr(" \t", reader.end[-1], 2))
    reader.end--;
  return reader;
}

bool fc_timestamp_http(const char *text, size_t len, int64_t now_s,
                       int64_t *epoch_s) {
  for (size_t i = 0; i < COUNT_OF(http_forms); i++) {
    struct reader reader = reader_trimmed(text, len);
    struct tm tm = {0};
    if (!read_form(&reader, http_forms[i].form, &tm) || reader.at != reader.end)
      continue;
    if (http_forms[i].two_digit_year)
      resolve_year(&tm, now_s);
    return epoch_checked(&tm, /* offset_minutes = */ 0, epoch_s);
  }
  return false;
}

const char *fc_timestamp_format(char text[FC_TIMESTAMP_SIZE], int64_t epoch_s) {
  struct tm tm = fields_of(epoch_s);
  size_t used = 0;
  fc_text_append(text, FC_TIMESTAMP_SIZE, &used,
                 "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + TM_YEAR_0,
                 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
  return text;
}
