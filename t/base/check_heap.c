/* SPDX-License-Identifier: MIT */

#include "src/base/heap.h"

#include "t/suite.h"

enum { NODES = 500, STEPS = 20000 };

static uint64_t next(uint64_t *random) {
  *random = *random * UINT64_C(6364136223846793005) + 1442695040888963407;
  return *random >> 33;
}

static void check_order(const struct fc_heap *heap) {
  for (size_t i = 0; i < heap->len; i++) {
    ck_assert_uint_eq(heap->nodes[i]->place, i + 1);
    if (i && heap->nodes[(i - 1) / 2]->key > heap->nodes[i]->key)
      ck_abort_msg("a parent is later than its child");
  }
}

START_TEST(the_least_key_is_first_whatever_is_set_and_removed) {
  static struct fc_heap_node nodes[NODES];
  struct fc_heap heap = {0};
  uint64_t random = (uint64_t)_i + 1;
  ck_assert_int_eq(fc_heap_reserve(&heap, NODES), FC_OK);
  for (int step = 0; step < STEPS; step++) {
    struct fc_heap_node *node = &nodes[next(&random) % NODES];
    if (next(&random) % 3 == 0)
      fc_heap_remove(&heap, node);
    else
      fc_heap_set(&heap, node, (int64_t)(next(&random) % 1000));
    if (step % 1000 == 0)
      check_order(&heap);
  }
  int64_t last = INT64_MIN;
  for (struct fc_heap_node *node; (node = fc_heap_first(&heap));) {
    ck_assert_int_ge(node->key, last);
    last = node->key;
    fc_heap_remove(&heap, node);
    ck_assert_uint_eq(node->place, 0);
  }
  fc_heap_release(&heap);
}
END_TEST

START_TEST(an_empty_heap_has_no_first) {
  struct fc_heap heap = {0};
  struct fc_heap_node node = {0};
  ck_assert_ptr_null(fc_heap_first(&heap));
  fc_heap_remove(&heap, &node);
  fc_heap_release(&heap);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("heap");
  TCase *tests = tcase_create("heap");
  tcase_add_loop_test(tests, the_least_key_is_first_whatever_is_set_and_removed,
                      0, 4);
  tcase_add_test(tests, an_empty_heap_has_no_first);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
