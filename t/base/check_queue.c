/* SPDX-License-Identifier: MIT */

#include "src/base/queue.h"

#include "t/suite.h"

START_TEST(links_come_out_in_the_order_in_which_they_went_in) {
  struct fc_queue queue = {NULL, NULL};
  struct fc_link links[3] = {{NULL}, {NULL}, {NULL}};
  for (int round = 0; round < 2; round++) {
    ck_assert_ptr_null(fc_queue_take(&queue));
    for (size_t i = 0; i < 3; i++) {
      ck_assert(!fc_link_is_queued(&links[i]));
      fc_queue_add(&queue, &links[i]);
    }
    for (size_t i = 0; i < 3; i++) {
      ck_assert(fc_link_is_queued(&links[i]));
      ck_assert_ptr_eq(fc_queue_take(&queue), &links[i]);
      ck_assert(!fc_link_is_queued(&links[i]));
    }
  }
}
END_TEST

START_TEST(a_link_may_go_back_before_the_queue_is_empty) {
  struct fc_queue queue = {NULL, NULL};
  struct fc_link a = {NULL}, b = {NULL};
  fc_queue_add(&queue, &a);
  fc_queue_add(&queue, &b);
  ck_assert_ptr_eq(fc_queue_take(&queue), &a);
  fc_queue_add(&queue, &a);
  ck_assert_ptr_eq(fc_queue_take(&queue), &b);
  ck_assert_ptr_eq(fc_queue_take(&queue), &a);
  ck_assert_ptr_null(fc_queue_take(&queue));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("queue");
  TCase *tests = tcase_create("queue");
  tcase_add_test(tests, links_come_out_in_the_order_in_which_they_went_in);
  tcase_add_test(tests, a_link_may_go_back_before_the_queue_is_empty);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
