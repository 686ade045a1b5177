/* SPDX-License-Identifier: MIT */

/* A JobFile that is followed: what it may turn into, and what is told of it. */

#include "src/base/macros.h"
#include "src/watch/jobfile.h"
#include "src/watch/source.h"

#include "t/fake/folder.h"
#include "t/suite.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY "fc-0123456789abcdef"
enum { WRITER = 61001, STEP_MS = 1000 };

static char folder[64], path[96], key_path[96];
static struct fc_settings settings;
static struct fc_key key;
static struct fc_instance *instance;
static struct fc_source source;
static atomic_bool stop;
static struct fc_now now;

static size_t woken;

static void wake(void *data) {
  (void)data;
  woken++;
}

static void set_up(void) {
  test_folder_make(folder, sizeof(folder), "source");
  (void)snprintf(path, sizeof(path), "%s/jobs", folder);
  (void)snprintf(key_path, sizeof(key_path), "%s/key", folder);
  test_write(key_path, KEY "\n");
  test_write(path, "a\nb\n");
  now = (struct fc_now){.mono_ms = 1000000, .epoch_s = 1795458360};
  fc_settings_init(&settings);
  settings.name = strdup("prod");
  settings.api_key_file = strdup(key_path);
  settings.job_file = strdup(path);
  ck_assert_int_eq(fc_key_set(&key, KEY, strlen(KEY)), FC_OK);
  instance = fc_instance_new(&settings, 10000, 1);
  ck_assert_ptr_nonnull(instance);
  atomic_store(&stop, false);
  woken = 0;
  fc_source_init(&source, instance, &key, &stop,
                 (struct fc_waker){.wake = wake});
}

static void tear_down(void) {
  fc_instance_free(instance);
  fc_key_release(&key);
  fc_settings_release(&settings);
  test_folder_remove(folder);
}

/* Looks as often as a file that has become empty takes. */
static void look(void) {
  for (int i = 0; i < 3; i++) {
    now.mono_ms += STEP_MS;
    (void)fc_source_check(&source, now);
  }
}

/* The jobs that the file is known to have, a letter each. */
static void assert_jobs(const char *wanted) {
  for (const char *letter = "abcd"; *letter; letter++) {
    const char id[] = {*letter, '\0'};
    bool known = !fc_instance_forget(instance, id, FC_SOURCE_FILE, now);
    ck_assert_msg(known == (strchr(wanted, *letter) != NULL), "%s", id);
    ck_assert(!known || !fc_instance_add(instance, fc_kind_get(FC_KIND_EXTRACT),
                                         id, NULL, FC_SOURCE_FILE, now));
  }
}

static void link_to_key(void) { ck_assert_int_eq(symlink(key_path, path), 0); }

static void link_of_a_stranger(void) {
  char target[128];
  (void)snprintf(target, sizeof(target), "%s/secret", folder);
  test_write(target, "c\n");
  ck_assert_int_eq(symlink(target, path), 0);
  ck_assert_int_eq(lchown(path, WRITER, (gid_t)-1), 0);
}

static void hard_link_to_key(void) {
  ck_assert_int_eq(link(key_path, path), 0);
}

static void hard_link(void) {
  char other[128];
  (void)snprintf(other, sizeof(other), "%s/other", folder);
  test_write(other, "c\n");
  ck_assert_int_eq(link(other, path), 0);
}

static void copy_of_key(void) { test_write(path, KEY "\n"); }

static void key_as_a_name(void) { test_write(path, "c\nd " KEY "\n"); }

static void key_in_a_word(void) { test_write(path, "c\nKEY=" KEY "\n"); }

static void key_in_half_a_line(void) { test_write(path, "c\n" KEY); }

static void folder_at_path(void) { ck_assert_int_eq(mkdir(path, 0755), 0); }

static void fifo(void) { ck_assert_int_eq(mkfifo(path, 0600), 0); }

static const struct {
  void (*make)(void);
  const char *reason;
  bool as_root;
} refused[] = {
    {link_to_key, "is the file of the API key", false},
    {hard_link_to_key, "is the file of the API key", false},
    {link_of_a_stranger,
     "is reached through a symbolic link that belongs to neither root, the "
     "daemon's user nor the file's owner",
     true},
    {hard_link, "has several hard links", false},
    {copy_of_key, "holds the API key or another secret", false},
    {key_as_a_name, "holds the API key or another secret", false},
    {key_in_a_word, "holds the API key or another secret", false},
    {key_in_half_a_line, "holds the API key or another secret", false},
    {folder_at_path, "is no regular file", false},
    {fifo, "is no regular file", false},
};

START_TEST(a_file_that_is_refused_is_told_of_once_and_keeps_the_jobs) {
  char text[FC_REPORT_SIZE];
  struct fc_report note;
  if (refused[_i].as_root && geteuid() != 0)
    return;
  look();
  assert_jobs("ab");
  ck_assert(!fc_instance_take_report(instance, &note));
  ck_assert_int_eq(unlink(path), 0);
  refused[_i].make();
  look();
  assert_jobs("ab");
  ck_assert(fc_instance_take_report(instance, &note));
  (void)snprintf(text, sizeof(text),
                 "JobFile %s %s; the jobs it had are still watched", path,
                 refused[_i].reason);
  ck_assert_str_eq(note.text, text);
  ck_assert_int_eq(note.severity, FC_SEVERITY_FAILURE);
  ck_assert(!fc_instance_take_report(instance, &note));
  ck_assert_int_eq(remove(path), 0);
  test_write(path, "b\nc\nd\n");
  look();
  assert_jobs("bcd");
  ck_assert(fc_instance_take_report(instance, &note));
  ck_assert(strstr(note.text, "can be read now") &&
            note.severity == FC_SEVERITY_OKAY);
  ck_assert(!fc_instance_take_report(instance, &note));
}
END_TEST

START_TEST(another_reason_is_told_as_well) {
  struct fc_report note;
  look();
  for (size_t i = 0; i < COUNT_OF(refused); i++) {
    if (refused[i].as_root && geteuid() != 0)
      continue;
    ck_assert_int_eq(remove(path), 0);
    refused[i].make();
    look();
    bool is_new =
        i == 0 || strcmp(refused[i].reason, refused[i - 1].reason) != 0;
    ck_assert_int_eq(fc_instance_take_report(instance, &note), is_new);
    ck_assert(!is_new || strstr(note.text, refused[i].reason));
  }
  assert_jobs("ab");
}
END_TEST

static void good_link(void) {
  char target[128];
  (void)snprintf(target, sizeof(target), "%s/real", folder);
  test_write(target, "c\n");
  ck_assert_int_eq(symlink("real", path), 0);
}

/* As Kubernetes mounts a ConfigMap; a new one comes by exchanging ..data. */
static void configmap(void) {
  char name[128];
  (void)snprintf(name, sizeof(name), "%s/..2026_1", folder);
  ck_assert_int_eq(mkdir(name, 0755), 0);
  (void)snprintf(name, sizeof(name), "%s/..2026_1/jobs", folder);
  test_write(name, "c\n");
  (void)snprintf(name, sizeof(name), "%s/..data", folder);
  ck_assert_int_eq(symlink("..2026_1", name), 0);
  ck_assert_int_eq(symlink("..data/jobs", path), 0);
}

static void (*const followed[])(void) = {good_link, configmap};

START_TEST(a_link_that_may_be_followed_is) {
  struct fc_report note;
  look();
  ck_assert_int_eq(unlink(path), 0);
  followed[_i]();
  look();
  ck_assert(!fc_instance_take_report(instance, &note));
  assert_jobs("c");
}
END_TEST

START_TEST(a_change_behind_a_link_is_noticed) {
  char name[128], other[128];
  ck_assert_int_eq(unlink(path), 0);
  configmap();
  look();
  assert_jobs("c");
  (void)snprintf(name, sizeof(name), "%s/..2026_2", folder);
  ck_assert_int_eq(mkdir(name, 0755), 0);
  (void)snprintf(name, sizeof(name), "%s/..2026_2/jobs", folder);
  test_write(name, "c\nd\n");
  (void)snprintf(other, sizeof(other), "%s/..data_tmp", folder);
  (void)snprintf(name, sizeof(name), "%s/..data", folder);
  ck_assert_int_eq(symlink("..2026_2", other), 0);
  ck_assert_int_eq(rename(other, name), 0);
  look();
  assert_jobs("cd");
}
END_TEST

/* Each is one bad line. */
static const char *const bad_lines[] = {
    "hush/\n",        "a hush/\n",      "crawl hush/\n",   "hush a b\n",
    "hush:a\n",       "crawl:hush/\n",  "crawl:a hush/\n", "crawl:hush a b\n",
    "hush a b c d\n", "\"hush\"/\"x\n", ":hush\n",
};

START_TEST(a_word_of_a_private_file_is_not_told) {
  struct fc_report note;
  test_write(path, bad_lines[_i]);
  ck_assert_int_eq(chmod(path, _i % 2 ? 0640 : 0600), 0);
  look();
  ck_assert(fc_instance_take_report(instance, &note));
  ck_assert_ptr_nonnull(strstr(note.text, " line 1: "));
  ck_assert_ptr_nonnull(strstr(note.text, "expected"));
  ck_assert_ptr_null(strstr(note.text, "hush"));
  ck_assert(!fc_instance_take_report(instance, &note));
}
END_TEST

START_TEST(a_word_of_a_file_for_everyone_is_told) {
  struct fc_report note;
  test_write(path, "crawl:hush/\n");
  ck_assert_int_eq(chmod(path, 0644), 0);
  look();
  ck_assert(fc_instance_take_report(instance, &note));
  ck_assert_ptr_nonnull(
      strstr(note.text, " line 1: \"hush/\" is not a job ID"));
}
END_TEST

/* As many lines as with MaxJobs 3, and `more`. */
static void write_lines(int more) {
  FILE *file = fopen(path, "w");
  ck_assert_ptr_nonnull(file);
  for (int i = 0; i < FC_JOBFILE_LINES_MIN + more; i++)
    ck_assert_int_ge(fputs(i == 0 ? "c\n" : "#\n", file), 0);
  ck_assert_int_eq(fclose(file), 0);
}

static void write_bytes(off_t more) {
  FILE *file = fopen(path, "w");
  ck_assert_ptr_nonnull(file);
  ck_assert_int_ge(fputs("c\n", file), 0);
  ck_assert_int_eq(fclose(file), 0);
  ck_assert_int_eq(truncate(path, FC_JOBFILE_BYTES_MAX + more), 0);
}

static void lines_at_the_cap(void) { write_lines(0); }
static void lines_beyond(void) { write_lines(1); }
static void bytes_at_the_cap(void) { write_bytes(0); }
static void bytes_beyond(void) { write_bytes(1); }

static const struct {
  void (*make)(void);
  const char *says; /* NULL: it is taken */
} caps[] = {
    {lines_at_the_cap, NULL},
    {lines_beyond, "has more than 1000 lines: raise MaxJobs to have more read; "
                   "the jobs it had are still watched"},
    {bytes_at_the_cap, NULL},
    {bytes_beyond, "is larger than 16777216 bytes; the jobs it had are still "
                   "watched"},
};

START_TEST(a_file_beyond_its_caps_is_refused_whole_with_one_message) {
  struct fc_report note;
  settings.max_jobs = 3;
  look();
  assert_jobs("ab");
  caps[_i].make();
  look();
  look();
  assert_jobs(caps[_i].says ? "ab" : "c");
  ck_assert_int_eq(fc_instance_take_report(instance, &note), !!caps[_i].says);
  if (!caps[_i].says)
    return;
  ck_assert_ptr_nonnull(strstr(note.text, caps[_i].says));
  ck_assert_int_eq(note.severity, FC_SEVERITY_FAILURE);
  ck_assert(!fc_instance_take_report(instance, &note));
}
END_TEST

/* It is told of as what it is, also where no file was read before. */
START_TEST(a_first_file_beyond_its_caps_is_a_failure_too) {
  struct fc_report note;
  settings.max_jobs = 3;
  lines_beyond();
  look();
  assert_jobs("");
  ck_assert(fc_instance_take_report(instance, &note));
  ck_assert_int_eq(note.severity, FC_SEVERITY_FAILURE);
}
END_TEST

START_TEST(what_a_file_holds_is_judged_again_with_a_new_key) {
  struct fc_report note;
  const char other[] = "fc-another-key-than-that";
  look();
  test_write(path, "c\nd fc-another-key-than-that\n");
  ck_assert_int_eq(fc_key_set(&key, other, strlen(other)), FC_OK);
  look();
  ck_assert(fc_instance_take_report(instance, &note));
  ck_assert_ptr_nonnull(strstr(note.text, "holds the API key"));
  assert_jobs("ab");
  /* The one before it counts, the one before that does not. */
  ck_assert_int_eq(fc_key_set(&key, KEY, strlen(KEY)), FC_OK);
  look();
  assert_jobs("ab");
  ck_assert_int_eq(fc_key_set(&key, "fc-third", 8), FC_OK);
  look();
  assert_jobs("cd");
}
END_TEST

static const char *const endless[] = {"c\n", "!\n"};

START_TEST(a_reading_ends_where_the_daemon_does) {
  struct fc_report note;
  look();
  woken = 0;
  test_write(path, endless[_i]);
  atomic_store(&stop, true);
  look();
  ck_assert(!fc_instance_take_report(instance, &note));
  assert_jobs("ab");
  ck_assert_uint_eq(woken, 0);
}
END_TEST

static int64_t check_after(int64_t ms) {
  now.mono_ms += ms;
  return fc_source_check(&source, now) - now.mono_ms;
}

START_TEST(a_flush_reads_soon_and_what_was_read_is_told_of) {
  look();
  ck_assert_uint_eq(woken, 1);
  test_write(path, "c\n");
  (void)check_after(0);
  assert_jobs("ab");
  fc_source_flush(&source);
  ck_assert_int_eq(check_after(0), FC_FLUSH_DELAY_MS);
  (void)check_after(FC_FLUSH_DELAY_MS - 1);
  assert_jobs("ab");
  (void)check_after(1);
  assert_jobs("c");
  ck_assert_uint_eq(woken, 2);
  look();
  ck_assert_uint_eq(woken, 2);
}
END_TEST

START_TEST(flushes_read_once_a_second) {
  look();
  for (int i = 0; i < 500; i++) {
    fc_source_flush(&source);
    ck_assert_int_gt(check_after(10), 0);
  }
  ck_assert_uint_eq(woken, 1 + 5);
}
END_TEST

/* As many as are there, none of which stays. */
START_TEST(a_file_with_other_jobs_fits_where_the_old_ones_did) {
  settings.max_jobs = 2;
  look();
  assert_jobs("ab");
  test_write(path, "c\nd\n");
  look();
  assert_jobs("cd");
  struct fc_report note;
  struct fc_delivery delivery;
  ck_assert(!fc_instance_take_report(instance, &note));
  ck_assert(!fc_instance_take_event(instance, now, &delivery));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("source");
  TCase *tests = tcase_create("source");
  tcase_add_checked_fixture(tests, set_up, tear_down);
  tcase_set_timeout(tests, 20);
  tcase_add_loop_test(tests,
                      a_file_that_is_refused_is_told_of_once_and_keeps_the_jobs,
                      0, (int)COUNT_OF(refused));
  tcase_add_test(tests, another_reason_is_told_as_well);
  tcase_add_loop_test(tests, a_link_that_may_be_followed_is, 0,
                      (int)COUNT_OF(followed));
  tcase_add_test(tests, a_change_behind_a_link_is_noticed);
  tcase_add_loop_test(tests, a_word_of_a_private_file_is_not_told, 0,
                      (int)COUNT_OF(bad_lines));
  tcase_add_test(tests, a_word_of_a_file_for_everyone_is_told);
  tcase_add_loop_test(tests,
                      a_file_beyond_its_caps_is_refused_whole_with_one_message,
                      0, (int)COUNT_OF(caps));
  tcase_add_test(tests, a_first_file_beyond_its_caps_is_a_failure_too);
  tcase_add_test(tests, what_a_file_holds_is_judged_again_with_a_new_key);
  tcase_add_loop_test(tests, a_reading_ends_where_the_daemon_does, 0,
                      (int)COUNT_OF(endless));
  tcase_add_test(tests, a_flush_reads_soon_and_what_was_read_is_told_of);
  tcase_add_test(tests, flushes_read_once_a_second);
  tcase_add_test(tests, a_file_with_other_jobs_fits_where_the_old_ones_did);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
