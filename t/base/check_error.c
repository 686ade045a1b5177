/* SPDX-License-Identifier: MIT */

#include "src/base/error.h"

#include "t/suite.h"

#include <limits.h>
#include <string.h>

static const struct {
  enum fc_error error;
  enum fc_error_class class;
} errors[] = {
    {FC_OK, FC_CLASS_NONE},
    {FC_ERR_MEMORY, FC_CLASS_BODY},
    {FC_ERR_ARGUMENT, FC_CLASS_NONE},
    {FC_ERR_LIMIT, FC_CLASS_NONE},
    {FC_ERR_EXISTS, FC_CLASS_NONE},
    {FC_ERR_NOT_FOUND, FC_CLASS_NONE},
    {FC_ERR_IO, FC_CLASS_STATE},
    {FC_ERR_DNS, FC_CLASS_DNS},
    {FC_ERR_CONNECT, FC_CLASS_CONNECT},
    {FC_ERR_TLS, FC_CLASS_TLS},
    {FC_ERR_TIMEOUT, FC_CLASS_TIMEOUT},
    {FC_ERR_HTTP, FC_CLASS_HTTP},
    {FC_ERR_RATE_LIMIT, FC_CLASS_RATE_LIMIT},
    {FC_ERR_AUTH, FC_CLASS_AUTH},
    {FC_ERR_BODY, FC_CLASS_BODY},
    {FC_ERR_STATE, FC_CLASS_STATE},
    {FC_ERR_LIBRARY, FC_CLASS_CONNECT},
};
enum { ERRORS = sizeof(errors) / sizeof(errors[0]) };

START_TEST(an_error_counts_in_its_class) {
  ck_assert_int_eq(fc_error_class(errors[_i].error), errors[_i].class);
}
END_TEST

START_TEST(an_error_has_a_short_text_of_its_own) {
  const char *text = fc_error_text(errors[_i].error);
  ck_assert_uint_gt(strlen(text), 0);
  ck_assert_uint_lt(strlen(text), 64);
  ck_assert_int_ne(text[strlen(text) - 1], '.');
  ck_assert_str_ne(text, "unknown error");
  for (int i = 0; i < _i; i++)
    ck_assert_str_ne(text, fc_error_text(errors[i].error));
}
END_TEST

static const int strangers[] = {1, 2, 1000, INT_MAX, -18, -1000, INT_MIN};
enum { STRANGERS = sizeof(strangers) / sizeof(strangers[0]) };

START_TEST(a_value_out_of_range_is_an_unknown_error_without_a_class) {
  enum fc_error error = (enum fc_error)strangers[_i];
  ck_assert_str_eq(fc_error_text(error), "unknown error");
  ck_assert_int_eq(fc_error_class(error), FC_CLASS_NONE);
}
END_TEST

static const char *const names[FC_CLASS_COUNT] = {
    "dns",        "connect", "tls",  "timeout", "http",
    "rate_limit", "auth",    "body", "state",
};

START_TEST(the_classes_are_named_in_the_order_of_the_metric) {
  ck_assert_str_eq(fc_error_class_name((enum fc_error_class)_i), names[_i]);
}
END_TEST

START_TEST(a_class_out_of_range_has_no_name) {
  static const int classes[] = {FC_CLASS_NONE, -2, INT_MIN, FC_CLASS_COUNT,
                                INT_MAX};
  for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
    ck_assert_ptr_null(fc_error_class_name((enum fc_error_class)classes[i]));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("error");
  TCase *tcase = tcase_create("error");
  tcase_add_loop_test(tcase, an_error_counts_in_its_class, 0, ERRORS);
  tcase_add_loop_test(tcase, an_error_has_a_short_text_of_its_own, 0, ERRORS);
  tcase_add_loop_test(tcase,
                      a_value_out_of_range_is_an_unknown_error_without_a_class,
                      0, STRANGERS);
  tcase_add_loop_test(tcase, the_classes_are_named_in_the_order_of_the_metric,
                      0, FC_CLASS_COUNT);
  tcase_add_test(tcase, a_class_out_of_range_has_no_name);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
