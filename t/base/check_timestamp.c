/* SPDX-License-Identifier: MIT */

#include "src/base/timestamp.h"

#include "t/suite.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LITERAL(text) text, sizeof(text) - 1

/* Expected values were computed with Python's datetime. */
#define NOW_S INT64_C(1795458360) /* 2026-11-23T18:26:00Z */

enum { UNTOUCHED = 4711 };

static const struct {
  const char *text;
  int64_t epoch_s;
} rfc3339[] = {
    /* as Firecrawl sends it */
    {"2026-11-24T00:02:07.000Z", 1795478527},
    {"2026-11-24T00:02:07Z", 1795478527},
    /* RFC 3339 section 5.8 */
    {"1985-04-12T23:20:50.52Z", 482196050},
    {"1996-12-19T16:39:57-08:00", 851042397},
    {"1990-12-31T23:59:60Z", 662688000},
    {"1990-12-31T15:59:60-08:00", 662688000},
    {"1937-01-01T12:00:27.87+00:20", -1041337173},
    /* separators and zones */
    {"2026-11-24t00:02:07z", 1795478527},
    {"2026-11-24 00:02:07Z", 1795478527},
    {"2026-11-24T00:02:07+00:00", 1795478527},
    {"2026-11-24T00:02:07-00:00", 1795478527},
    {"2026-11-24T05:32:07+05:30", 1795478527},
    {"2026-11-23T16:02:07-08:00", 1795478527},
    {"2026-11-25T00:01:07+23:59", 1795478527},
    {"2026-11-23T00:03:07-23:59", 1795478527},
    /* fractions, cut towards the past */
    {"2026-11-24T00:02:07.9Z", 1795478527},
    {"2026-11-24T00:02:07.999999999Z", 1795478527},
    {"2026-11-24T00:02:07.123456789012345678901234567890Z", 1795478527},
    {"2026-11-24T00:02:07.5+00:00", 1795478527},
    {"1969-12-31T23:59:59.5Z", -1},
    /* far years */
    {"1970-01-01T00:00:00Z", 0},
    {"1969-12-31T23:59:59Z", -1},
    {"0001-01-01T00:00:00Z", -62135596800},
    {"0000-01-01T00:00:00Z", -62167219200},
    {"0000-02-29T00:00:00Z", -62162121600},
    {"0000-01-01T00:00:00+23:59", -62167305540},
    {"9999-12-31T23:59:59Z", 253402300799},
    {"9999-12-31T23:59:59-23:59", 253402387139},
    /* leap days */
    {"2024-02-29T12:00:00Z", 1709208000},
    {"2000-02-29T00:00:00Z", 951782400},
    /* leap seconds: the next day's first second */
    {"2016-12-31T23:59:60Z", 1483228800},
    {"2016-12-31T23:59:60.999Z", 1483228800},
    {"2017-01-01T05:29:60+05:30", 1483228800},
    {"1969-12-31T23:59:60Z", 0},
};
enum { RFC3339 = sizeof(rfc3339) / sizeof(rfc3339[0]) };

START_TEST(an_rfc_3339_time_stamp_is_read) {
  int64_t epoch_s = UNTOUCHED;
  ck_assert(fc_timestamp_rfc3339(rfc3339[_i].text, strlen(rfc3339[_i].text),
                                 &epoch_s));
  ck_assert_int_eq(epoch_s, rfc3339[_i].epoch_s);
}
END_TEST

START_TEST(an_rfc_3339_time_stamp_broken_off_anywhere_is_none) {
  static const char text[] = "2026-11-24T05:32:07.25+05:30";
  int64_t epoch_s = UNTOUCHED;
  for (size_t len = 0; len < sizeof(text) - 1; len++)
    ck_assert(!fc_timestamp_rfc3339(text, len, &epoch_s));
  ck_assert_int_eq(epoch_s, UNTOUCHED);
  ck_assert(fc_timestamp_rfc3339(text, sizeof(text) - 1, &epoch_s));
}
END_TEST

static const struct {
  const char *text;
  size_t len;
} not_rfc3339[] = {
    {LITERAL("")},
    {LITERAL("now")},
    {LITERAL("null")},
    {LITERAL("1795478527")},
    {LITERAL("2026-11-24")},
    {LITERAL("2026-11-24T00:02:07")},
    {LITERAL("2026-11-24T00:02Z")},
    {LITERAL("2026-11-24T00Z")},
    {LITERAL("20261124T000207Z")},
    {LITERAL("2026-11-24_00:02:07Z")},
    {LITERAL("2026-11-24  00:02:07Z")},
    {LITERAL("2026-11-24\t00:02:07Z")},
    {LITERAL("2026-11-24T00:02:07 Z")},
    {LITERAL(" 2026-11-24T00:02:07Z")},
    {LITERAL("2026-11-24T00:02:07Z ")},
    {LITERAL("2026-11-24T00:02:07Z\n")},
    {LITERAL("2026-11-24T00:02:07Z\0")},
    {LITERAL("2026-11-24T00:02:07\0Z")},
    {LITERAL("2026-11-24T00:02:07ZZ")},
    {LITERAL("2026-11-24T00:02:07GMT")},
    {LITERAL("2026-11-24T00:02:07UTC")},
    {LITERAL("2026/11/24T00:02:07Z")},
    {LITERAL("2026-11-24T00.02.07Z")},
    {LITERAL("2026-11-24T00:02:07.Z")},
    {LITERAL("2026-11-24T00:02:07,5Z")},
    {LITERAL("2026-11-24T00:02:07.5.5Z")},
    {LITERAL("2026-11-24T00:02:07.-5Z")},
    {LITERAL("2026-11-24T00:02:07.1234567890123456789012345678901Z")},
    {LITERAL("2026-11-24T00:02:07+0530")},
    {LITERAL("2026-11-24T00:02:07+05")},
    {LITERAL("2026-11-24T00:02:07+5:30")},
    {LITERAL("2026-11-24T00:02:07+05:3")},
    {LITERAL("2026-11-24T00:02:07+05:30:00")},
    {LITERAL("2026-11-24T00:02:07+24:00")},
    {LITERAL("2026-11-24T00:02:07-00:60")},
    {LITERAL("2026-11-24T00:02:07\xe2\x88\x92"
             "05:30")},
    {LITERAL("2026-11-24T00:02:07Z+00:00")},
    {LITERAL("+2026-11-24T00:02:07Z")},
    {LITERAL("-2026-11-24T00:02:07Z")},
    {LITERAL("+10000-01-01T00:00:00Z")},
    {LITERAL("10000-01-01T00:00:00Z")},
    {LITERAL("999-01-01T00:00:00Z")},
    {LITERAL("026-11-24T00:02:07Z")},
    {LITERAL("2026-1-24T00:02:07Z")},
    {LITERAL("2026-11-4T00:02:07Z")},
    {LITERAL("2026-11-24T0:02:07Z")},
    {LITERAL("2026-00-24T00:02:07Z")},
    {LITERAL("2026-13-24T00:02:07Z")},
    {LITERAL("2026-99-24T00:02:07Z")},
    {LITERAL("2026-11-00T00:02:07Z")},
    {LITERAL("2026-11-31T00:02:07Z")},
    {LITERAL("2026-12-32T00:02:07Z")},
    {LITERAL("2026-02-29T00:00:00Z")},
    {LITERAL("1900-02-29T00:00:00Z")},
    {LITERAL("2100-02-29T00:00:00Z")},
    {LITERAL("2024-02-30T00:00:00Z")},
    {LITERAL("2026-11-24T24:00:00Z")},
    {LITERAL("2026-11-24T23:60:00Z")},
    {LITERAL("2026-11-24T23:59:61Z")},
    {LITERAL("2026-11-24T00:02:99Z")},
    {LITERAL("2026-11-24T12:00:60Z")},
    {LITERAL("2016-12-31T23:59:60+01:00")},
    {LITERAL("2026-11-24T00:02:0xZ")},
    {LITERAL("2026-11-24T00:02:-7Z")},
    {LITERAL("2026-11-24T00:02: 7Z")},
};
enum { NOT_RFC3339 = sizeof(not_rfc3339) / sizeof(not_rfc3339[0]) };

START_TEST(anything_else_is_no_rfc_3339_time_stamp) {
  int64_t epoch_s = UNTOUCHED;
  ck_assert(!fc_timestamp_rfc3339(not_rfc3339[_i].text, not_rfc3339[_i].len,
                                  &epoch_s));
  ck_assert_int_eq(epoch_s, UNTOUCHED);
}
END_TEST

static const struct {
  const char *text;
  int64_t epoch_s;
} http_dates[] = {
    /* RFC 9110 section 5.6.7 */
    {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
    {"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
    {"Sun Nov  6 08:49:37 1994", 784111777},
    /* as the API sends them */
    {"Mon, 23 Nov 2026 18:26:00 GMT", 1795458360},
    {"Tue, 03 Nov 2026 23:59:59 GMT", 1793750399},
    /* RFC 8594 section 3 */
    {"Sat, 31 Dec 2018 23:59:59 GMT", 1546300799},
    {"Mon Nov 23 18:26:00 2026", 1795458360},
    {"Mon Nov 03 23:59:59 2026", 1793750399},
    /* blanks around it */
    {" Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
    {"Sun, 06 Nov 1994 08:49:37 GMT \t", 784111777},
    {"\t Sun Nov  6 08:49:37 1994 ", 784111777},
    /* the day name is not checked against the date */
    {"Fri, 06 Nov 1994 08:49:37 GMT", 784111777},
    {"Wednesday, 06-Nov-94 08:49:37 GMT", 784111777},
    /* far years, leap days, leap seconds */
    {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
    {"Wed, 31 Dec 1969 23:59:59 GMT", -1},
    {"Sat, 01 Jan 0000 00:00:00 GMT", -62167219200},
    {"Fri, 31 Dec 9999 23:59:59 GMT", 253402300799},
    {"Tue, 29 Feb 2000 00:00:00 GMT", 951782400},
    {"Sat, 31 Dec 2016 23:59:60 GMT", 1483228800},
};
enum { HTTP_DATES = sizeof(http_dates) / sizeof(http_dates[0]) };

START_TEST(an_http_date_is_read_in_its_three_forms) {
  const char *text = http_dates[_i].text;
  int64_t epoch_s = UNTOUCHED;
  ck_assert(fc_timestamp_http(text, strlen(text), NOW_S, &epoch_s));
  ck_assert_int_eq(epoch_s, http_dates[_i].epoch_s);
}
END_TEST

START_TEST(a_form_broken_off_anywhere_is_no_http_date) {
  const char *text = http_dates[_i].text;
  int64_t epoch_s = UNTOUCHED;
  for (size_t len = 0; len < strlen(text); len++)
    ck_assert(!fc_timestamp_http(text, len, NOW_S, &epoch_s));
  ck_assert_int_eq(epoch_s, UNTOUCHED);
}
END_TEST

static const struct {
  const char *text;
  size_t len;
} not_http_dates[] = {
    {LITERAL("")},
    {LITERAL(" ")},
    {LITERAL("0")},
    {LITERAL("-1")},
    {LITERAL("120")},
    {LITERAL("never")},
    {LITERAL("2026-11-24T00:02:07Z")},
    {LITERAL("Sun, 06 Nov 1994 08:49:37")},
    {LITERAL("Sun, 06 Nov 1994 08:49:37 UTC")},
    {LITERAL("Sun, 06 Nov 1994 08:49:37 +0000")},
    {LITERAL("Sun, 06 Nov 1994 08:49:37 gmt")},
    {LITERAL("Sun, 06 Nov 1994 08:49:37 GMT;")},
    {LITERAL("Sun, 06 Nov 1994 08:49:37 GMT\n")},
    {LITERAL("Sun, 06 Nov 1994 08:49:37 GMT\0")},
    {LITERAL("sun, 06 nov 1994 08:49:37 GMT")},
    {LITERAL("Son, 06 Nov 1994 08:49:37 GMT")},
    {LITERAL("Sun, 06 Now 1994 08:49:37 GMT")},
    {LITERAL("Sunday, 06 Nov 1994 08:49:37 GMT")},
    {LITERAL("Sun, 6 Nov 1994 08:49:37 GMT")},
    {LITERAL("Sun, 06 Nov 94 08:49:37 GMT")},
    {LITERAL("Sun, 06-Nov-94 08:49:37 GMT")},
    {LITERAL("Sun,06 Nov 1994 08:49:37 GMT")},
    {LITERAL("Sun,  06 Nov 1994 08:49:37 GMT")},
    {LITERAL("06 Nov 1994 08:49:37 GMT")},
    {LITERAL("Sunday, 06-Nov-1994 08:49:37 GMT")},
    {LITERAL("Sunday, 06-Nov-94 08:49:37")},
    {LITERAL("Sunday, 31-Apr-94 08:49:37 GMT")},
    {LITERAL("Thursday, 29-Feb-01 00:00:00 GMT")},
    {LITERAL("Sun Nov 6 08:49:37 1994")},
    {LITERAL("Sun Nov   6 08:49:37 1994")},
    {LITERAL("Sun Nov  6 08:49:37 94")},
    {LITERAL("Sun Nov  6 08:49:37 1994 GMT")},
    {LITERAL("Sun Nov  0 08:49:37 1994")},
    {LITERAL("Sun, 00 Nov 1994 08:49:37 GMT")},
    {LITERAL("Sun, 31 Nov 1994 08:49:37 GMT")},
    {LITERAL("Sun, 29 Feb 2026 08:49:37 GMT")},
    {LITERAL("Sun, 06 Nov 1994 24:00:00 GMT")},
    {LITERAL("Sun, 06 Nov 1994 08:60:37 GMT")},
    {LITERAL("Sun, 06 Nov 1994 08:49:61 GMT")},
    {LITERAL("Sun, 06 Nov 1994 08:49:60 GMT")},
    {LITERAL("Sun, 06 Nov 10000 08:49:37 GMT")},
    {LITERAL("Sun, 06 Nov -994 08:49:37 GMT")},
};
enum { NOT_HTTP_DATES = sizeof(not_http_dates) / sizeof(not_http_dates[0]) };

START_TEST(anything_else_is_no_http_date) {
  int64_t epoch_s = UNTOUCHED;
  ck_assert(!fc_timestamp_http(not_http_dates[_i].text, not_http_dates[_i].len,
                               NOW_S, &epoch_s));
  ck_assert_int_eq(epoch_s, UNTOUCHED);
}
END_TEST

static const struct {
  const char *text;
  int64_t now_s;
  const char *expected;
} short_years[] = {
    {"Sunday, 06-Nov-94 08:49:37 GMT", NOW_S, "1994-11-06T08:49:37Z"},
    {"Sunday, 06-Nov-44 08:49:37 GMT", NOW_S, "2044-11-06T08:49:37Z"},
    {"Sunday, 06-Nov-00 08:49:37 GMT", NOW_S, "2000-11-06T08:49:37Z"},
    {"Friday, 31-Dec-99 23:59:59 GMT", NOW_S, "1999-12-31T23:59:59Z"},
    {"Monday, 23-Nov-26 18:26:00 GMT", NOW_S, "2026-11-23T18:26:00Z"},
    /* fifty years ahead, and one second more */
    {"Monday, 23-Nov-76 18:26:00 GMT", NOW_S, "2076-11-23T18:26:00Z"},
    {"Monday, 23-Nov-76 18:26:01 GMT", NOW_S, "1976-11-23T18:26:01Z"},
    {"Monday, 01-Jan-76 00:00:00 GMT", NOW_S, "2076-01-01T00:00:00Z"},
    {"Friday, 01-Jan-77 00:00:00 GMT", NOW_S, "1977-01-01T00:00:00Z"},
    /* 2099-06-01: the next century is near */
    {"Thursday, 01-Jan-05 00:00:00 GMT", 4083955200, "2105-01-01T00:00:00Z"},
    {"Thursday, 01-Jan-98 00:00:00 GMT", 4083955200, "2098-01-01T00:00:00Z"},
    /* clocks that nobody set */
    {"Sunday, 06-Nov-70 08:49:37 GMT", 0, "1970-11-06T08:49:37Z"},
    {"Sunday, 06-Nov-94 08:49:37 GMT", 0, "1994-11-06T08:49:37Z"},
    {"Sunday, 06-Nov-94 08:49:37 GMT", -1, "1994-11-06T08:49:37Z"},
    {"Sunday, 06-Nov-94 08:49:37 GMT", INT64_MIN, "0094-11-06T08:49:37Z"},
    {"Sunday, 06-Nov-94 08:49:37 GMT", INT64_MAX, "9994-11-06T08:49:37Z"},
    /* the leap day, seen from years without one */
    {"Tuesday, 29-Feb-00 00:00:00 GMT", NOW_S, "2000-02-29T00:00:00Z"},
    {"Saturday, 29-Feb-76 00:00:00 GMT", NOW_S, "2076-02-29T00:00:00Z"},
};
enum { SHORT_YEARS = sizeof(short_years) / sizeof(short_years[0]) };

START_TEST(a_two_digit_year_is_resolved_against_now) {
  const char *text = short_years[_i].text;
  char formatted[FC_TIMESTAMP_SIZE];
  int64_t epoch_s;
  ck_assert(
      fc_timestamp_http(text, strlen(text), short_years[_i].now_s, &epoch_s));
  ck_assert_str_eq(fc_timestamp_format(formatted, epoch_s),
                   short_years[_i].expected);
}
END_TEST

static const struct {
  int64_t epoch_s;
  const char *text;
} formats[] = {
    {0, "1970-01-01T00:00:00Z"},
    {-1, "1969-12-31T23:59:59Z"},
    {86399, "1970-01-01T23:59:59Z"},
    {86400, "1970-01-02T00:00:00Z"},
    {-86400, "1969-12-31T00:00:00Z"},
    {-86401, "1969-12-30T23:59:59Z"},
    {1795478527, "2026-11-24T00:02:07Z"},
    {951782400, "2000-02-29T00:00:00Z"},
    {-62167219200, "0000-01-01T00:00:00Z"},
    {-62167219201, "0000-01-01T00:00:00Z"},
    {INT64_MIN, "0000-01-01T00:00:00Z"},
    {253402300799, "9999-12-31T23:59:59Z"},
    {253402300800, "9999-12-31T23:59:59Z"},
    {INT64_MAX, "9999-12-31T23:59:59Z"},
};
enum { FORMATS = sizeof(formats) / sizeof(formats[0]) };

START_TEST(a_time_is_formatted_and_far_years_are_clamped) {
  char text[FC_TIMESTAMP_SIZE];
  ck_assert_ptr_eq(fc_timestamp_format(text, formats[_i].epoch_s), text);
  ck_assert_str_eq(text, formats[_i].text);
}
END_TEST

/* One calendar day, counted on by hand. */
struct calendar {
  int year, month, day;
  int64_t number; /* days since 1970-01-01 */
};

static int month_length(const struct calendar *date) {
  bool leap =
      date->year % 400 == 0 || (date->year % 4 == 0 && date->year % 100 != 0);
  switch (date->month) {
  case 2:
    return leap ? 29 : 28;
  case 4:
  case 6:
  case 9:
  case 11:
    return 30;
  default:
    return 31;
  }
}

static void count_on(struct calendar *date) {
  date->number++;
  if (++date->day <= month_length(date))
    return;
  date->day = 1;
  if (++date->month <= 12)
    return;
  date->month = 1;
  date->year++;
}

static void check_day(const struct calendar *date, int64_t second) {
  static const char names[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  int64_t expected = date->number * 86400 + second, epoch_s = UNTOUCHED;
  char rfc[64], http[64], formatted[FC_TIMESTAMP_SIZE];
  snprintf(rfc, sizeof(rfc),
           "%04d-%02d-%02dT%02" PRId64 ":%02" PRId64 ":%02" PRId64 "Z",
           date->year, date->month, date->day, second / 3600, second / 60 % 60,
           second % 60);
  snprintf(http, sizeof(http),
           "Mon, %02d %s %04d %02" PRId64 ":%02" PRId64 ":%02" PRId64 " GMT",
           date->day, names[date->month - 1], date->year, second / 3600,
           second / 60 % 60, second % 60);
  ck_assert_str_eq(fc_timestamp_format(formatted, expected), rfc);
  ck_assert(fc_timestamp_rfc3339(rfc, strlen(rfc), &epoch_s));
  ck_assert_int_eq(epoch_s, expected);
  ck_assert(fc_timestamp_http(http, strlen(http), NOW_S, &epoch_s));
  ck_assert_int_eq(epoch_s, expected);
}

START_TEST(every_day_of_four_hundred_years_goes_there_and_back) {
  struct calendar date = {.year = 1770, .month = 1, .day = 1, .number = -73048};
  int days = 0;
  for (; date.year < 2170; count_on(&date), days++) {
    if (date.year == 1970 && date.month == 1 && date.day == 1)
      ck_assert_int_eq(date.number, 0);
    /* another second of the day each time: 7919 is prime */
    check_day(&date, (int64_t)days * 7919 % 86400);
  }
  ck_assert_int_eq(days, 146097);
}
END_TEST

START_TEST(a_day_too_many_is_refused_in_every_month_of_every_year) {
  struct calendar date = {.year = 0, .month = 1, .day = 1};
  int64_t epoch_s = UNTOUCHED;
  for (; date.year <= 9999; date.year++) {
    for (date.month = 1; date.month <= 12; date.month++) {
      char text[64];
      snprintf(text, sizeof(text), "%04d-%02d-%02dT00:00:00Z", date.year,
               date.month, month_length(&date));
      ck_assert(fc_timestamp_rfc3339(text, strlen(text), &epoch_s));
      snprintf(text, sizeof(text), "%04d-%02d-%02dT00:00:00Z", date.year,
               date.month, month_length(&date) + 1);
      ck_assert(!fc_timestamp_rfc3339(text, strlen(text), &epoch_s));
    }
  }
}
END_TEST

static void add_parse_tests(TCase *tcase) {
  tcase_add_loop_test(tcase, an_rfc_3339_time_stamp_is_read, 0, RFC3339);
  tcase_add_test(tcase, an_rfc_3339_time_stamp_broken_off_anywhere_is_none);
  tcase_add_loop_test(tcase, anything_else_is_no_rfc_3339_time_stamp, 0,
                      NOT_RFC3339);
  tcase_add_loop_test(tcase, an_http_date_is_read_in_its_three_forms, 0,
                      HTTP_DATES);
  tcase_add_loop_test(tcase, a_form_broken_off_anywhere_is_no_http_date, 0, 3);
  tcase_add_loop_test(tcase, anything_else_is_no_http_date, 0, NOT_HTTP_DATES);
  tcase_add_loop_test(tcase, a_two_digit_year_is_resolved_against_now, 0,
                      SHORT_YEARS);
}

int main(void) {
  Suite *suite = suite_create("timestamp");
  TCase *tcase = tcase_create("timestamp");
  TCase *calendar = tcase_create("calendar");
  add_parse_tests(tcase);
  tcase_add_loop_test(tcase, a_time_is_formatted_and_far_years_are_clamped, 0,
                      FORMATS);
  tcase_add_test(calendar, every_day_of_four_hundred_years_goes_there_and_back);
  tcase_add_test(calendar,
                 a_day_too_many_is_refused_in_every_month_of_every_year);
  /* seconds; for valgrind */
  tcase_set_timeout(calendar, 300);
  suite_add_tcase(suite, tcase);
  suite_add_tcase(suite, calendar);
  return suite_run(suite);
}
