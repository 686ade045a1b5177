#include "src/timestamp.h"

#include "src/text.h"

#include <stdio.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

enum {
  DAY_S = 24 * 60 * 60,
  FRACTION_DIGITS_MAX = 30,
  TWO_DIGIT_YEARS_AHEAD = 50,
  DAYS_IN_ERA = 146097, /* 400 Gregorian years */
  EPOCH_DAY = 719468    /* 1970-01-01, counted from 0000-03-01 */
};

/* RFC 9651 section 3.3.1: fifteen digits. */
#define STRUCTURED_MAX INT64_C(999999999999999)

#define EPOCH_MIN_S INT64_C(-62167219200) /* 0000-01-01T00:00:00Z */
#define EPOCH_MAX_S INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

static const char *const days[] = {"Monday",   "Tuesday", "Wednesday",
                                   "Thursday", "Friday",  "Saturday",
                                   "Sunday"};

struct civil {
  int year, month, day, hour, minute, second;
  int offset_minutes; /* of local time, east of UTC */
};

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

static bool read_month(struct reader *reader, struct civil *civil) {
  if (!read_name(reader, months, COUNT_OF(months), 3, &civil->month))
    return false;
  civil->month++;
  return true;
}

/* asctime's: two digits, or a blank and one. */
static bool read_padded_day(struct reader *reader, struct civil *civil) {
  bool padded = read_char(reader, " ");
  return read_digits(reader, padded ? 1 : 2, &civil->day);
}

/* One conversion of a form, named as strftime() names it. */
static bool read_field(struct reader *reader, char field, struct civil *civil) {
  int day_name;
  switch (field) {
  case 'Y':
    return read_digits(reader, 4, &civil->year);
  case 'y':
    return read_digits(reader, 2, &civil->year);
  case 'm':
    return read_digits(reader, 2, &civil->month);
  case 'b':
    return read_month(reader, civil);
  case 'd':
    return read_digits(reader, 2, &civil->day);
  case 'e':
    return read_padded_day(reader, civil);
  case 'H':
    return read_digits(reader, 2, &civil->hour);
  case 'M':
    return read_digits(reader, 2, &civil->minute);
  case 'S':
    return read_digits(reader, 2, &civil->second);
  case 'a':
    return read_name(reader, days, COUNT_OF(days), 3, &day_name);
  case 'A':
    return read_name(reader, days, COUNT_OF(days), SIZE_MAX, &day_name);
  default:
    return false;
  }
}

static bool read_form(struct reader *reader, const char *form,
                      struct civil *civil) {
  for (; *form; form++) {
    char literal[] = {*form, '\0'};
    bool read = *form == '%' ? read_field(reader, *++form, civil)
                             : read_char(reader, literal);
    if (!read)
      return false;
  }
  return true;
}

/* Days from 1970-01-01 to a date of the proleptic Gregorian calendar. Years
 * begin in March here, so that the leap day is a year's last. */
static int64_t days_from_civil(int year, int month, int day) {
  int64_t march_year = month > 2 ? year : (int64_t)year - 1;
  int64_t era = (march_year >= 0 ? march_year : march_year - 399) / 400;
  int64_t year_of_era = march_year - era * 400;
  int64_t march_month = (month + 9) % 12;
  int64_t day_of_year = (153 * march_month + 2) / 5 + day - 1;
  int64_t day_of_era =
      year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * DAYS_IN_ERA + day_of_era - EPOCH_DAY;
}

/* The inverse, for days of years 0000 to 9999. */
static void civil_from_days(int64_t day, struct civil *civil) {
  int64_t count = day + EPOCH_DAY + DAYS_IN_ERA; /* never negative */
  int64_t era = count / DAYS_IN_ERA;
  int64_t of_era = count % DAYS_IN_ERA;
  int64_t year_of_era =
      (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  int64_t day_of_year =
      of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  int64_t march_month = (5 * day_of_year + 2) / 153;
  civil->day = (int)(day_of_year - (153 * march_month + 2) / 5 + 1);
  civil->month = (int)(march_month < 10 ? march_month + 3 : march_month - 9);
  civil->year =
      (int)(year_of_era + (era - 1) * 400 + (civil->month <= 2 ? 1 : 0));
}

static int64_t epoch_from_civil(const struct civil *civil) {
  int64_t day = days_from_civil(civil->year, civil->month, civil->day);
  int64_t minute =
      (int64_t)civil->hour * 60 + civil->minute - civil->offset_minutes;
  return day * DAY_S + minute * 60 + civil->second;
}

static bool is_date(int year, int month, int day) {
  static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  if (month < 1 || month > 12)
    return false;
  return day >= 1 && day <= lengths[month - 1] + (month == 2 && leap ? 1 : 0);
}

/* Checks every field, and that second 60 stands where leap seconds are: it is
 * the last of a UTC day, so counting on from :59 ends on a whole day. */
static bool epoch_checked(const struct civil *civil, int64_t *epoch_s) {
  if (!is_date(civil->year, civil->month, civil->day) || civil->hour > 23 ||
      civil->minute > 59 || civil->second > 60)
    return false;
  int64_t seconds = epoch_from_civil(civil);
  if (civil->second == 60 && seconds % DAY_S != 0)
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

static bool read_offset(struct reader *reader, int *minutes) {
  struct civil offset = {0};
  if (read_char(reader, "Zz")) {
    *minutes = 0;
    return true;
  }
  if (!read_char(reader, "+-"))
    return false;
  int sign = reader->at[-1] == '-' ? -1 : 1;
  if (!read_form(reader, "%H:%M", &offset) || offset.hour > 23 ||
      offset.minute > 59)
    return false;
  *minutes = sign * (offset.hour * 60 + offset.minute);
  return true;
}

bool fc_timestamp_rfc3339(const char *text, size_t len, int64_t *epoch_s) {
  struct reader reader = {text, text + len};
  struct civil civil = {0};
  return read_form(&reader, "%Y-%m-%d", &civil) && read_char(&reader, "Tt ") &&
         read_form(&reader, "%H:%M:%S", &civil) && read_fraction(&reader) &&
         read_offset(&reader, &civil.offset_minutes) &&
         reader.at == reader.end && epoch_checked(&civil, epoch_s);
}

static int64_t clamp(int64_t value, int64_t min, int64_t max) {
  return value < min ? min : value > max ? max : value;
}

/* Rounds towards the past. */
static int64_t day_of(int64_t epoch_s) {
  return (epoch_s - (epoch_s % DAY_S + DAY_S) % DAY_S) / DAY_S;
}

/* The latest year that ends in these two digits and does not put the date too
 * far ahead of now. */
static void resolve_year(struct civil *civil, int64_t now_s) {
  struct civil now;
  now_s = clamp(now_s, EPOCH_MIN_S, EPOCH_MAX_S);
  civil_from_days(day_of(now_s), &now);
  civil->year += now.year / 100 * 100 + 100;
  struct civil earlier = *civil;
  do {
    earlier.year = civil->year - TWO_DIGIT_YEARS_AHEAD;
    if (epoch_from_civil(&earlier) <= now_s)
      return;
    civil->year -= 100;
  } while (civil->year >= 100);
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
    struct civil civil = {0};
    if (!read_form(&reader, http_forms[i].form, &civil) ||
        reader.at != reader.end)
      continue;
    if (http_forms[i].two_digit_year)
      resolve_year(&civil, now_s);
    return epoch_checked(&civil, epoch_s);
  }
  return false;
}

bool fc_timestamp_structured(const char *text, size_t len, int64_t *epoch_s) {
  return len > 0 && text[0] == '@' &&
         fc_text_int(text + 1, len - 1, -STRUCTURED_MAX, STRUCTURED_MAX,
                     epoch_s);
}

const char *fc_timestamp_format(char text[FC_TIMESTAMP_SIZE], int64_t epoch_s) {
  struct civil civil;
  int64_t seconds = clamp(epoch_s, EPOCH_MIN_S, EPOCH_MAX_S);
  int64_t day = day_of(seconds);
  int second = (int)(seconds - day * DAY_S);
  civil_from_days(day, &civil);
  (void)snprintf(text, FC_TIMESTAMP_SIZE, "%04d-%02d-%02dT%02d:%02d:%02dZ",
                 civil.year, civil.month, civil.day, second / 3600,
                 second / 60 % 60, second % 60);
  return text;
}
