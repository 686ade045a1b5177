/* SPDX-License-Identifier: MIT */

/* The key as its file has it, and how the poller comes to it. What becomes of
 * requests is in check_poller.c. */

#include "src/base/macros.h"
#include "src/watch/keyfile.h"

#include "t/fake/folder.h"
#include "t/suite.h"
#include "t/watch/drive.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64], path[96];
static struct fc_settings settings;
static struct fc_instance *instance;
static struct fc_keyfile *keyfile;
static struct fc_key key; /* the poller's */
static struct fc_now now;
static size_t woken;

static void wake(void *data) {
  (void)data;
  woken++;
}

static void set_up(void) {
  test_folder_make(folder, sizeof(folder), "keyfile");
  (void)snprintf(path, sizeof(path), "%s/key", folder);
  now = (struct fc_now){.mono_ms = 1000000, .epoch_s = 1795458360};
  woken = 0;
  fc_settings_init(&settings);
  settings.name = strdup("prod");
  instance = fc_instance_new(&settings, 10000, 1);
  ck_assert_ptr_nonnull(instance);
  fc_key_init(&key);
}

static void tear_down(void) {
  fc_keyfile_free(keyfile);
  fc_instance_free(instance);
  fc_key_release(&key);
  fc_settings_release(&settings);
  test_folder_remove(folder);
}

static void start(void) {
  keyfile = fc_keyfile_new(instance, (struct fc_waker){.wake = wake}, now);
  ck_assert_ptr_nonnull(keyfile);
}

static void write_key(const char *text) {
  test_write(path, text);
  ck_assert_int_eq(chmod(path, 0600), 0);
}

/* Of a file with that text; NULL: there is none. */
static void start_with_file(const char *text) {
  settings.api_key_file = strdup(path);
  if (text)
    write_key(text);
  start();
}

static int64_t look_after(int64_t ms) {
  drive_pass_ms(&now, ms);
  return fc_keyfile_check(keyfile, now);
}

/* What the poller then asks with; "" for nothing new. */
static const char *taken(void) {
  return fc_keyfile_take(keyfile, &key) ? key.bytes : "";
}

START_TEST(a_configured_key_is_there_and_no_file_is_looked_at) {
  settings.api_key = strdup("fc-configured");
  start();
  ck_assert_str_eq(taken(), "fc-configured");
  ck_assert_str_eq(taken(), "");
  ck_assert_str_eq(fc_keyfile_key(keyfile)->bytes, "fc-configured");
  ck_assert_int_eq(fc_keyfile_check(keyfile, now), FC_NEVER);
  fc_keyfile_rejected(keyfile);
  ck_assert_int_eq(fc_keyfile_task(keyfile, now), FC_NEVER);
  ck_assert_str_eq(taken(), "");
}
END_TEST

START_TEST(there_may_be_no_key_at_all) {
  start();
  ck_assert_str_eq(taken(), "");
  ck_assert_ptr_null(key.bytes);
  ck_assert_ptr_null(fc_keyfile_key(keyfile)->bytes);
  ck_assert_int_eq(fc_keyfile_check(keyfile, now), FC_NEVER);
  fc_keyfile_free(NULL);
}
END_TEST

START_TEST(the_key_of_the_file_is_there_from_the_start) {
  start_with_file("fc-one\n");
  ck_assert_str_eq(taken(), "fc-one");
  ck_assert_str_eq(taken(), "");
  ck_assert_int_eq(look_after(0), now.mono_ms + FC_KEYFILE_CHECK_MS);
  ck_assert_int_eq(look_after(FC_KEYFILE_CHECK_MS),
                   now.mono_ms + FC_KEYFILE_CHECK_MS);
  ck_assert_str_eq(taken(), "");
}
END_TEST

START_TEST(a_change_counts_once_it_has_stayed_and_wakes_the_poller) {
  start_with_file("fc-one\n");
  ck_assert_str_eq(taken(), "fc-one");
  woken = 0;
  write_key("fc-t");
  (void)look_after(FC_KEYFILE_CHECK_MS);
  ck_assert_str_eq(taken(), "");
  write_key("fc-two\n");
  (void)look_after(FC_KEYFILE_CHECK_MS);
  ck_assert_str_eq(taken(), "");
  ck_assert_uint_eq(woken, 0);
  (void)look_after(FC_KEYFILE_CHECK_MS - 1);
  ck_assert_str_eq(taken(), "");
  (void)look_after(1);
  ck_assert_uint_eq(woken, 1);
  ck_assert_str_eq(taken(), "fc-two");
  ck_assert_str_eq(key.former, "fc-one");
  (void)look_after(FC_KEYFILE_CHECK_MS);
  ck_assert_uint_eq(woken, 1);
}
END_TEST

START_TEST(a_rejection_has_the_file_looked_at_at_once_but_not_half_a_key_read) {
  start_with_file("fc-one\n");
  ck_assert_str_eq(taken(), "fc-one");
  (void)look_after(0);
  write_key("fc-two\n");
  (void)look_after(1);
  fc_keyfile_rejected(keyfile);
  int64_t next_ms = look_after(1);
  ck_assert_int_eq(next_ms, now.mono_ms + FC_KEYFILE_CHECK_MS);
  ck_assert_str_eq(taken(), "");
  fc_keyfile_rejected(keyfile);
  (void)look_after(FC_KEYFILE_CHECK_MS - 1);
  ck_assert_str_eq(taken(), "");
  (void)look_after(1);
  ck_assert_str_eq(taken(), "fc-two");
}
END_TEST

/* A file that holds no key, or is none. */
static const struct {
  const char *text, *says;
} missing[] = {
    {NULL, "cannot be opened: No such file or directory"},
    {"", "is empty"},
    {"two words\n", "has white space inside: one key in one line is expected"},
};

START_TEST(a_key_that_stays_away_is_told_of_and_one_that_comes_is_too) {
  char text[FC_EVENT_MESSAGE_SIZE];
  struct fc_report note;
  ck_assert_int_eq(fc_instance_add(instance, fc_kind_get(FC_KIND_EXTRACT), "a",
                                   NULL, FC_SOURCE_CONFIG, now),
                   FC_OK);
  start_with_file(missing[_i].text);
  for (int64_t ms = 0; ms < 29000; ms += FC_KEYFILE_CHECK_MS)
    (void)look_after(FC_KEYFILE_CHECK_MS);
  (void)fc_instance_wait(instance, now);
  ck_assert_str_eq(drive_event(instance, now), "");
  (void)look_after(2 * FC_KEYFILE_CHECK_MS);
  (void)fc_instance_wait(instance, now);
  (void)snprintf(text, sizeof(text), "API key unusable: %s", missing[_i].says);
  ck_assert_str_eq(drive_event(instance, now), text);
  ck_assert_str_eq(taken(), "");
  ck_assert_uint_eq(woken, 0);
  write_key("fc-one\n");
  (void)look_after(FC_KEYFILE_CHECK_MS);
  (void)look_after(FC_KEYFILE_CHECK_MS);
  ck_assert_uint_eq(woken, 1);
  ck_assert_str_eq(taken(), "fc-one");
  ck_assert(fc_instance_take_report(instance, &note));
  ck_assert_str_eq(note.text, "APIKeyFile: it holds a key now");
  ck_assert_int_eq(note.severity, FC_SEVERITY_OKAY);
}
END_TEST

START_TEST(a_key_that_comes_for_everyone_to_read_is_warned_of) {
  struct fc_report note;
  start_with_file(NULL);
  write_key("fc-one\n");
  ck_assert_int_eq(chmod(path, 0644), 0);
  for (int i = 0; i < 3; i++)
    (void)look_after(FC_KEYFILE_CHECK_MS);
  ck_assert(fc_instance_take_report(instance, &note));
  ck_assert_ptr_nonnull(strstr(note.text, "chmod 600 it"));
  ck_assert_int_eq(note.severity, FC_SEVERITY_WARNING);
}
END_TEST

static const char *const spoilt[] = {NULL, "", "two words\n"};

START_TEST(a_file_that_is_spoilt_leaves_the_key) {
  struct fc_report note;
  start_with_file("fc-one\n");
  ck_assert_str_eq(taken(), "fc-one");
  ck_assert_int_eq(unlink(path), 0);
  if (spoilt[_i])
    write_key(spoilt[_i]);
  for (int i = 0; i < 5; i++)
    (void)look_after(FC_KEYFILE_CHECK_MS);
  ck_assert_str_eq(taken(), "");
  ck_assert_str_eq(fc_keyfile_key(keyfile)->bytes, "fc-one");
  ck_assert_str_eq(drive_event(instance, now), "");
  ck_assert(!fc_instance_take_report(instance, &note));
}
END_TEST

/* Both sides at once: the poller sees whole keys only, and the last one. */

enum { KEYS = 300 };

static atomic_bool ended;

static void *follow(void *data) {
  (void)data;
  for (int i = 1; i <= KEYS; i++) {
    char text[64];
    (void)snprintf(text, sizeof(text), "fc-%d-%d\n", i, i);
    write_key(text);
    fc_keyfile_rejected(keyfile);
    (void)look_after(FC_KEYFILE_CHECK_MS);
    (void)look_after(FC_KEYFILE_CHECK_MS);
  }
  atomic_store(&ended, true);
  return NULL;
}

START_TEST(the_poller_has_whole_keys_whenever_it_looks) {
  pthread_t disk;
  int last = 0;
  start_with_file("fc-0-0\n");
  ck_assert_int_eq(pthread_create(&disk, NULL, follow, NULL), 0);
  for (bool more = true; more;) {
    int first, second;
    more = !atomic_load(&ended);
    if (!taken()[0])
      continue;
    ck_assert_int_eq(sscanf(key.bytes, "fc-%d-%d", &first, &second), 2);
    ck_assert_int_eq(first, second);
    ck_assert_int_ge(first, last);
    last = first;
  }
  ck_assert_int_eq(pthread_join(disk, NULL), 0);
  ck_assert_int_eq(last, KEYS);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("keyfile");
  TCase *tests = tcase_create("keyfile");
  tcase_set_timeout(tests, 30);
  tcase_add_checked_fixture(tests, set_up, tear_down);
  tcase_add_test(tests, a_configured_key_is_there_and_no_file_is_looked_at);
  tcase_add_test(tests, there_may_be_no_key_at_all);
  tcase_add_test(tests, the_key_of_the_file_is_there_from_the_start);
  tcase_add_test(tests,
                 a_change_counts_once_it_has_stayed_and_wakes_the_poller);
  tcase_add_test(
      tests,
      a_rejection_has_the_file_looked_at_at_once_but_not_half_a_key_read);
  tcase_add_loop_test(
      tests, a_key_that_stays_away_is_told_of_and_one_that_comes_is_too, 0,
      (int)COUNT_OF(missing));
  tcase_add_test(tests, a_key_that_comes_for_everyone_to_read_is_warned_of);
  tcase_add_loop_test(tests, a_file_that_is_spoilt_leaves_the_key, 0,
                      (int)COUNT_OF(spoilt));
  tcase_add_test(tests, the_poller_has_whole_keys_whenever_it_looks);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
