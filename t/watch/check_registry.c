/* SPDX-License-Identifier: MIT */

#include "src/watch/registry.h"

#include "t/suite.h"

#include <stdio.h>
#include <string.h>

static struct fc_registry registry;

static void set_up(void) { fc_registry_init(&registry); }

static void tear_down(void) { fc_registry_release(&registry); }

static struct fc_job *add(const char *id, const char *name) {
  struct fc_job *job;
  ck_assert_int_eq(
      fc_registry_add(&registry, fc_kind_get(FC_KIND_CRAWL), id, name, &job),
      FC_OK);
  return job;
}

START_TEST(a_job_is_found_by_its_id_until_it_is_removed) {
  struct fc_job *a = add("a", "n"), *b = add("b", "n");
  ck_assert_ptr_eq(fc_registry_find(&registry, "a"), a);
  ck_assert_ptr_eq(fc_registry_find(&registry, "b"), b);
  ck_assert_ptr_null(fc_registry_find(&registry, "c"));
  fc_registry_remove(&registry, a);
  ck_assert_ptr_null(fc_registry_find(&registry, "a"));
  ck_assert_uint_eq(registry.len, 1);
}
END_TEST

START_TEST(a_name_belongs_to_its_newest_job) {
  struct fc_job *a = add("a", "n"), *b = add("b", "n"), *c = add("c", "m");
  ck_assert(!fc_registry_owns_name(a));
  ck_assert(fc_registry_owns_name(b));
  ck_assert(fc_registry_owns_name(c));
  ck_assert_int_eq(fc_registry_rename(&registry, c, "n"), FC_OK);
  ck_assert(fc_registry_owns_name(c));
  ck_assert(!fc_registry_owns_name(b));
  fc_registry_remove(&registry, c);
  ck_assert(fc_registry_owns_name(b));
  fc_history_set(&b->history, FC_PAST_FORGOTTEN, true);
  ck_assert(fc_registry_owns_name(a));
}
END_TEST

START_TEST(a_listed_job_goes_before_registered_ones_unless_superseded) {
  struct fc_job *a = add("a", "n"), *b = add("b", "n"), *c = add("c", "n");
  b->history.sources = FC_SOURCE_FILE;
  c->history.sources = FC_SOURCE_REGISTRATION;
  ck_assert_ptr_eq(fc_registry_owner(a->name), b);
  ck_assert(fc_registry_owns_name(b));
  ck_assert(!fc_registry_owns_name(c));
  fc_history_set(&b->history, FC_PAST_SUPERSEDED, true);
  ck_assert(fc_registry_owns_name(c));
  fc_history_set(&c->history, FC_PAST_SUPERSEDED, true);
  ck_assert(fc_registry_owns_name(a));
  fc_history_set(&a->history, FC_PAST_SUPERSEDED, true);
  ck_assert_ptr_null(fc_registry_owner(a->name));
}
END_TEST

START_TEST(restored_jobs_are_older_than_all_others_in_their_own_order) {
  struct fc_job *new = add("new", "n"), *a = add("a", "n"), *b = add("b", "n");
  fc_registry_set_restored(a);
  fc_registry_set_restored(b);
  ck_assert_ptr_eq(new->name->newest, new);
  ck_assert_ptr_eq(new->older, b);
  ck_assert_ptr_eq(b->older, a);
  ck_assert_ptr_null(a->older);
  fc_registry_set_restored(new);
  ck_assert_ptr_eq(new->older, b);
  ck_assert_int_eq(fc_registry_rename(&registry, a, "m"), FC_OK);
  ck_assert_int_eq(fc_registry_rename(&registry, a, "n"), FC_OK);
  ck_assert_ptr_eq(a->older, new);
}
END_TEST

START_TEST(a_bad_end_that_was_made_good_is_not_counted) {
  struct fc_job *a = add("a", "a");
  for (int status = 0; status < FC_STATUS_COUNT; status++)
    for (int good = 0; good < 2; good++) {
      bool bad = status == FC_STATUS_FAILED || status == FC_STATUS_CANCELLED ||
                 status == FC_STATUS_LOST;
      fc_registry_uncount(&registry, a);
      a->facts.status = (int8_t)status;
      fc_history_set(&a->history, FC_PAST_MADE_GOOD, good);
      fc_registry_count(&registry, a);
      ck_assert_uint_eq(registry.counts[status], !(bad && good));
      ck_assert_uint_eq(registry.ended,
                        fc_status_is_final((enum fc_status)status));
    }
}
END_TEST

START_TEST(renaming_to_the_same_name_changes_nothing) {
  struct fc_job *a = add("a", "n"), *b = add("b", "n");
  ck_assert_int_eq(fc_registry_rename(&registry, a, "n"), FC_OK);
  ck_assert(fc_registry_owns_name(b));
}
END_TEST

START_TEST(a_pass_sees_what_is_added_and_not_what_is_removed) {
  struct fc_job *a = add("a", "a"), *b = add("b", "b"), *c = add("c", "c");
  fc_registry_pass_begin(&registry);
  ck_assert_ptr_eq(fc_registry_pass_next(&registry), a);
  fc_registry_remove(&registry, b);
  ck_assert_ptr_eq(fc_registry_pass_next(&registry), c);
  struct fc_job *d = add("d", "d");
  fc_registry_remove(&registry, c);
  /* The pass had come to its end before d was added. */
  ck_assert_ptr_null(fc_registry_pass_next(&registry));
  fc_registry_pass_begin(&registry);
  ck_assert_ptr_eq(fc_registry_pass_next(&registry), a);
  ck_assert_ptr_eq(fc_registry_pass_next(&registry), d);
}
END_TEST

START_TEST(counts_follow_the_status) {
  struct fc_job *a = add("a", "a");
  fc_registry_uncount(&registry, a);
  a->facts.status = FC_STATUS_PROCESSING;
  a->history.stalled = true;
  fc_registry_count(&registry, a);
  ck_assert_uint_eq(registry.counts[FC_STATUS_PROCESSING], 1);
  ck_assert_uint_eq(registry.stalled, 1);
  fc_registry_remove(&registry, a);
  ck_assert_uint_eq(registry.counts[FC_STATUS_PROCESSING], 0);
  ck_assert_uint_eq(registry.stalled, 0);
}
END_TEST

START_TEST(thousands_of_jobs_come_and_go) {
  enum { JOBS = 5000 };
  for (int round = 0; round < 2; round++) {
    char id[16], name[16];
    for (int i = 0; i < JOBS; i++) {
      (void)snprintf(id, sizeof(id), "%d", i);
      (void)snprintf(name, sizeof(name), "n%d", i % 700);
      (void)add(id, name);
    }
    for (int i = 0; i < JOBS; i++) {
      (void)snprintf(id, sizeof(id), "%d", (i * 7) % JOBS);
      fc_registry_remove(&registry, fc_registry_find(&registry, id));
    }
    ck_assert_uint_eq(registry.len, 0);
    ck_assert_ptr_null(registry.first);
    ck_assert_ptr_null(registry.by_id);
    ck_assert_ptr_null(registry.by_name);
  }
}
END_TEST

static const struct {
  const char *name, *alike;
} lookalikes[] = {
    {"a_b", "a.b"}, {"a.b", NULL},      {"c", NULL},        {"a_bc", NULL},
    {"a_", NULL},   {"x.y.z", "x_y_z"}, {"x_y.z", "x_y_z"}, {"", NULL},
};

START_TEST(names_that_are_one_in_graphite_are_found) {
  char id[24];
  static const char *const names[] = {"a.b", "aab", "azb", "x_y_z", "a-b"};
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    (void)snprintf(id, sizeof(id), "%zu", i);
    (void)add(id, names[i]);
  }
  ck_assert_pstr_eq(fc_registry_lookalike(&registry, lookalikes[_i].name),
                    lookalikes[_i].alike);
  /* From either side, also once both are there. */
  if (lookalikes[_i].alike) {
    (void)add("z", lookalikes[_i].name);
    ck_assert_str_eq(fc_registry_lookalike(&registry, lookalikes[_i].alike),
                     lookalikes[_i].name);
    ck_assert_str_eq(fc_registry_lookalike(&registry, lookalikes[_i].name),
                     lookalikes[_i].alike);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("registry");
  TCase *tests = tcase_create("registry");
  tcase_add_checked_fixture(tests, set_up, tear_down);
  tcase_add_test(tests, a_job_is_found_by_its_id_until_it_is_removed);
  tcase_add_test(tests, a_name_belongs_to_its_newest_job);
  tcase_add_test(tests,
                 a_listed_job_goes_before_registered_ones_unless_superseded);
  tcase_add_test(tests,
                 restored_jobs_are_older_than_all_others_in_their_own_order);
  tcase_add_test(tests, a_bad_end_that_was_made_good_is_not_counted);
  tcase_add_test(tests, renaming_to_the_same_name_changes_nothing);
  tcase_add_test(tests, a_pass_sees_what_is_added_and_not_what_is_removed);
  tcase_add_test(tests, counts_follow_the_status);
  tcase_add_test(tests, thousands_of_jobs_come_and_go);
  tcase_add_loop_test(tests, names_that_are_one_in_graphite_are_found, 0,
                      (int)(sizeof(lookalikes) / sizeof(lookalikes[0])));
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
