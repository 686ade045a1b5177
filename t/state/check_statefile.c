/* SPDX-License-Identifier: MIT */

#include "src/base/macros.h"
#include "src/state/statefile.h"

#include "t/state/scratch.h"
#include "t/suite.h"

#include <errno.h>

static struct fc_statefile file;

static enum fc_error try_use(void) {
  fc_statefile_init(&file);
  memset(file.detail, 'x', sizeof(file.detail));
  file.detail[0] = '\0';
  enum fc_error error = fc_statefile_lock(&file, path);
  if (!error)
    error = fc_statefile_prepare(&file);
  ck_assert_ptr_nonnull(memchr(file.detail, '\0', sizeof(file.detail)));
  return error;
}

static void must_use(void) {
  enum fc_error error = try_use();
  ck_assert_msg(error == FC_OK, "%s", file.detail);
  ck_assert_int_eq(file.problem, FC_STATEFILE_FINE);
}

static void must_fail(enum fc_statefile_problem expected) {
  ck_assert_int_eq(try_use(), FC_ERR_STATE);
  ck_assert_msg(file.problem == expected, "%d instead of %d: %s",
                (int)file.problem, (int)expected, file.detail);
  ck_assert_str_ne(file.detail, "");
  fc_statefile_release(&file);
}

/* What is looked at of a database: what it is, its application and version. */
static void header_write(const char *application, unsigned char version) {
  unsigned char header[4096] = "SQLite format 3";
  header[18] = header[19] = 2;
  header[63] = version;
  memcpy(header + 68, application, 4);
  file_write(path, header, sizeof(header));
}

static void good_file_make(void) { header_write("FCrw", 1); }

static const mode_t umasks[] = {0, 022, 0777};

START_TEST(what_it_creates_is_private_whatever_the_umask) {
  mode_t before = umask(umasks[_i]);
  must_use();
  ck_assert(file.created);
  ck_assert_int_eq(file.size, 0);
  ck_assert_str_eq(file.detail, "");
  ck_assert_uint_eq(file_mode(path), 0600);
  ck_assert_uint_eq(file_mode(beside("-lock")) & 0177, 0);
  fc_statefile_release(&file);
  (void)umask(before);
}
END_TEST

START_TEST(a_good_file_is_taken_as_it_is) {
  good_file_make();
  struct bytes before = file_read(path);
  must_use();
  ck_assert(!file.created);
  ck_assert_int_eq(file.size, (int64_t)before.len);
  ck_assert_str_eq(file.detail, "");
  fc_statefile_release(&file);
  assert_file_is(path, &before);
  free(before.data);
}
END_TEST

static const struct {
  const char *application;
  unsigned char version;
  enum fc_statefile_problem problem;
} headers[] = {
    {"FCrw", 0, FC_STATEFILE_FINE}, /* what SQLite then says of it counts */
    {"FCrw", FC_STATEFILE_VERSION, FC_STATEFILE_FINE},
    {"FCrw", FC_STATEFILE_VERSION + 1, FC_STATEFILE_FOREIGN},
    {"else", 1, FC_STATEFILE_FOREIGN},
    {"\0\0\0\0", 0, FC_STATEFILE_FOREIGN},
};

START_TEST(the_first_bytes_say_whose_it_is) {
  header_write(headers[_i].application, headers[_i].version);
  enum fc_error error = try_use();
  ck_assert_int_eq(file.problem, headers[_i].problem);
  ck_assert_int_eq(error == FC_OK, headers[_i].problem == FC_STATEFILE_FINE);
  fc_statefile_release(&file);
}
END_TEST

static void make_short(void) { file_write(path, "SQLite format 3", 16); }
static void make_junk(void) {
  static const char junk[200] = "junk";
  file_write(path, junk, sizeof(junk));
}
static void make_zeros(void) {
  static const char zeros[4096];
  file_write(path, zeros, sizeof(zeros));
}
static void make_log_only(void) { file_write(beside("-wal"), "log", 3); }
static void make_log_of_nothing(void) {
  file_write(path, "", 0);
  file_write(beside("-wal"), "log", 3);
}

static void (*const damages[])(void) = {make_short, make_junk, make_zeros,
                                        make_log_only, make_log_of_nothing};

START_TEST(what_is_no_database_is_damaged) {
  damages[_i]();
  must_fail(FC_STATEFILE_DAMAGED);
}
END_TEST

START_TEST(a_file_that_was_half_made_passes) {
  make_zeros();
  file_write(beside("-journal"), "journal", 7);
  must_use();
  fc_statefile_release(&file);
}
END_TEST

START_TEST(a_link_on_the_way_and_a_relative_path_are_followed) {
  char link[PATH_MAX + 32], real[PATH_MAX];
  (void)snprintf(link, sizeof(link), "%s/link", folder);
  ck_assert_int_eq(symlink(folder, link), 0);
  good_file_make();
  ck_assert_ptr_nonnull(realpath(path, real));
  (void)snprintf(path, sizeof(path), "%.*s/link/state.db", PATH_MAX - 32,
                 folder);
  must_use();
  ck_assert_str_eq(file.path, real);
  fc_statefile_release(&file);
  ck_assert_int_eq(chdir(folder), 0);
  (void)snprintf(path, sizeof(path), "state.db");
  must_use();
  ck_assert_str_eq(file.path, real);
  ck_assert_int_eq(chdir("/"), 0);
  ck_assert(fc_statefile_is_in_place(&file));
  fc_statefile_release(&file);
}
END_TEST

static void make_folder(void) { ck_assert_int_eq(mkdir(path, 0700), 0); }
static void make_fifo(void) { ck_assert_int_eq(mkfifo(path, 0600), 0); }
static void make_dangling_link(void) {
  ck_assert_int_eq(symlink("nowhere", path), 0);
}
static void make_link(void) {
  good_file_make();
  ck_assert_int_eq(rename(path, beside("-real")), 0);
  ck_assert_int_eq(symlink("state.db-real", path), 0);
}
static void make_hard_link(void) {
  char second[sizeof(path)];
  good_file_make();
  (void)snprintf(second, sizeof(second), "%.*s/second", PATH_MAX - 32, folder);
  ck_assert_int_eq(link(path, second), 0);
}
static void make_group_writable(void) {
  good_file_make();
  ck_assert_int_eq(chmod(path, 0620), 0);
}
static void make_world_writable(void) {
  good_file_make();
  ck_assert_int_eq(chmod(path, 0602), 0);
}
static void make_foreign_log(void) {
  good_file_make();
  ck_assert_int_eq(symlink("elsewhere", beside("-wal")), 0);
}
static void make_lock_link(void) {
  ck_assert_int_eq(symlink("elsewhere", beside("-lock")), 0);
}
static void make_lock_fifo(void) {
  ck_assert_int_eq(mkfifo(beside("-lock"), 0600), 0);
}
static void make_others(void) {
  good_file_make();
  if (geteuid() == 0)
    ck_assert_int_eq(chown(path, NOBODY, NOBODY), 0);
  else
    ck_assert_int_eq(chmod(path, 0666), 0);
}

static void (*const unsafe[])(void) = {
    make_folder,      make_fifo,      make_dangling_link,  make_link,
    make_hard_link,   make_others,    make_group_writable, make_world_writable,
    make_foreign_log, make_lock_link, make_lock_fifo,
};

START_TEST(an_unsafe_file_is_left_alone) {
  struct stat before, after;
  unsafe[_i]();
  bool there = lstat(path, &before) == 0;
  must_fail(FC_STATEFILE_UNSAFE);
  ck_assert_int_eq(lstat(path, &after) == 0, there);
  ck_assert(!there || before.st_mode == after.st_mode);
  ck_assert(!file_exists(beside("-shm")));
  ck_assert(!file_exists(beside(kept_suffix(""))));
}
END_TEST

START_TEST(a_readable_file_of_ours_is_made_private) {
  good_file_make();
  file_write(beside("-wal"), "", 0);
  ck_assert_int_eq(chmod(path, 0644), 0);
  ck_assert_int_eq(chmod(beside("-wal"), 0640), 0);
  must_use();
  ck_assert_ptr_nonnull(strstr(file.detail, "readable"));
  ck_assert_uint_eq(file_mode(path), 0600);
  ck_assert_uint_eq(file_mode(beside("-wal")), 0600);
  fc_statefile_release(&file);
}
END_TEST

START_TEST(only_one_has_the_lock) {
  struct fc_statefile second;
  must_use();
  fc_statefile_init(&second);
  ck_assert_int_eq(fc_statefile_lock(&second, path), FC_ERR_STATE);
  ck_assert_int_eq(second.problem, FC_STATEFILE_LOCKED);
  fc_statefile_release(&second);
  fc_statefile_release(&file);
  must_use();
  fc_statefile_release(&file);
}
END_TEST

/* With what SQLite makes beside it. */
static void use_all(void) {
  good_file_make();
  must_use();
  file_write(beside("-wal"), "log", 3);
  file_write(beside("-shm"), "shm", 3);
  fc_statefile_remember(&file);
  ck_assert(fc_statefile_is_in_place(&file));
}

static const char *const remembered[] = {"", "-wal", "-shm", "-lock"};

START_TEST(a_file_that_was_removed_is_not_in_place) {
  use_all();
  ck_assert_int_eq(unlink(beside(remembered[_i])), 0);
  ck_assert(!fc_statefile_is_in_place(&file));
  fc_statefile_release(&file);
}
END_TEST

START_TEST(a_file_that_was_replaced_is_not_in_place) {
  char old[PATH_MAX + 96];
  use_all();
  struct bytes bytes = file_read(beside(remembered[_i]));
  (void)snprintf(old, sizeof(old), "%s", beside(remembered[_i]));
  file_write(beside("-backup"), bytes.data, bytes.len);
  ck_assert_int_eq(rename(beside("-backup"), old), 0);
  ck_assert(!fc_statefile_is_in_place(&file));
  free(bytes.data);
  fc_statefile_release(&file);
}
END_TEST

START_TEST(a_link_to_the_file_is_not_the_file) {
  use_all();
  ck_assert_int_eq(rename(path, beside("-moved")), 0);
  ck_assert_int_eq(symlink("state.db-moved", path), 0);
  ck_assert(!fc_statefile_is_in_place(&file));
  ck_assert_int_eq(unlink(path), 0);
  ck_assert_int_eq(rename(beside("-moved"), path), 0);
  ck_assert(fc_statefile_is_in_place(&file));
  fc_statefile_release(&file);
}
END_TEST

START_TEST(a_file_whose_directory_was_renamed_is_not_in_place) {
  char moved[PATH_MAX + 8];
  use_all();
  (void)snprintf(moved, sizeof(moved), "%s-moved", folder);
  ck_assert_int_eq(rename(folder, moved), 0);
  ck_assert(!fc_statefile_is_in_place(&file));
  ck_assert_int_eq(rename(moved, folder), 0);
  ck_assert(fc_statefile_is_in_place(&file));
  fc_statefile_release(&file);
}
END_TEST

START_TEST(a_new_file_is_in_place_until_it_is_removed) {
  must_use();
  ck_assert(fc_statefile_is_in_place(&file));
  ck_assert_int_eq(unlink(path), 0);
  ck_assert(!fc_statefile_is_in_place(&file));
  ck_assert_int_eq(fc_statefile_prepare(&file), FC_OK);
  ck_assert(fc_statefile_is_in_place(&file));
  fc_statefile_release(&file);
}
END_TEST

START_TEST(what_is_set_aside_replaces_nothing) {
  static const char *const texts[] = {"first", "second", "third"};
  static const char *const names[] = {"", "-1", "-2"};
  for (size_t i = 0; i < COUNT_OF(texts); i++) {
    file_write(path, texts[i], strlen(texts[i]));
    ck_assert_int_eq(try_use(), FC_ERR_STATE);
    ck_assert_int_eq(fc_statefile_set_aside(&file, NOW), FC_OK);
    ck_assert_int_eq(file.problem, FC_STATEFILE_SET_ASIDE);
    ck_assert_ptr_nonnull(strstr(file.detail, kept_suffix(names[i])));
    ck_assert_ptr_nonnull(strstr(file.detail, "not a database"));
    ck_assert(!file_exists(path));
    fc_statefile_release(&file);
  }
  for (size_t i = 0; i < COUNT_OF(texts); i++) {
    struct bytes bytes = {.len = strlen(texts[i]),
                          .data = (unsigned char *)texts[i]};
    assert_file_is(beside(kept_suffix(names[i])), &bytes);
  }
}
END_TEST

START_TEST(all_of_a_database_is_set_aside_and_no_lock) {
  static const char *const parts[] = {"", "-wal", "-shm", "-journal"};
  for (size_t i = 0; i < COUNT_OF(parts); i++)
    file_write(beside(parts[i]), parts[i], strlen(parts[i]));
  ck_assert_int_eq(try_use(), FC_ERR_STATE);
  ck_assert_int_eq(fc_statefile_set_aside(&file, NOW), FC_OK);
  for (size_t i = 0; i < COUNT_OF(parts); i++) {
    ck_assert(!file_exists(beside(parts[i])));
    ck_assert(file_exists(beside(kept_suffix(parts[i]))));
  }
  ck_assert(file_exists(beside("-lock")));
  fc_statefile_release(&file);
}
END_TEST

START_TEST(a_copy_has_a_name_of_its_own) {
  char first[PATH_MAX], second[PATH_MAX];
  good_file_make();
  must_use();
  ck_assert_int_eq(fc_statefile_keep(&file, 1, first), FC_OK);
  ck_assert_int_eq(fc_statefile_keep(&file, 1, second), FC_OK);
  ck_assert_ptr_nonnull(strstr(first, "/state.db.v1"));
  ck_assert_ptr_nonnull(strstr(second, "/state.db.v1-1"));
  ck_assert_uint_eq(file_mode(first), 0600);
  ck_assert_uint_eq(file_mode(second), 0600);
  fc_statefile_release(&file);
}
END_TEST

START_TEST(what_can_be_read_whole_is_readable) {
  must_use();
  ck_assert(fc_statefile_is_readable(&file, INT64_MAX));
  ck_assert_int_eq(truncate(path, 1000000), 0);
  ck_assert(fc_statefile_is_readable(&file, INT64_MAX));
  ck_assert_int_eq(mkdir(beside("-wal"), 0700), 0); /* EISDIR */
  ck_assert(!fc_statefile_is_readable(&file, INT64_MAX));
  fc_statefile_release(&file);
}
END_TEST

static void fails_for_io(void) {
  fc_statefile_init(&file);
  if (fc_statefile_lock(&file, path) != FC_ERR_STATE &&
      fc_statefile_prepare(&file) != FC_ERR_STATE)
    _exit(1);
  if (file.problem != FC_STATEFILE_IO)
    _exit(2);
  if (!strstr(file.detail, "ermission denied"))
    _exit(3);
}

START_TEST(a_directory_without_permission_is_told) {
  ck_assert_int_eq(chmod(folder, 0555), 0);
  unprivileged(fails_for_io);
}
END_TEST

START_TEST(a_file_in_a_directory_without_permission_is_told) {
  good_file_make();
  file_write(beside("-lock"), "", 0);
  give_away(path);
  give_away(beside("-lock"));
  ck_assert_int_eq(chmod(folder, 0555), 0);
  unprivileged(fails_for_io);
}
END_TEST

static struct bytes junk = {.len = 4, .data = (unsigned char *)"junk"};

static void cannot_be_set_aside(void) {
  fc_statefile_init(&file);
  file.problem = FC_STATEFILE_DAMAGED;
  (void)snprintf(file.path, sizeof(file.path), "%.*s", PATH_MAX - 1, path);
  if (fc_statefile_set_aside(&file, NOW) != FC_ERR_STATE ||
      file.problem != FC_STATEFILE_IO ||
      !strstr(file.detail, "cannot be renamed"))
    _exit(1);
}

START_TEST(a_damaged_file_that_cannot_be_renamed_stays) {
  file_write(path, junk.data, junk.len);
  give_away(path);
  ck_assert_int_eq(chmod(folder, 0555), 0);
  unprivileged(cannot_be_set_aside);
  assert_file_is(path, &junk);
}
END_TEST

START_TEST(a_file_of_root_is_unusable_for_others) {
  if (geteuid() != 0)
    return;
  good_file_make();
  ck_assert_int_eq(chmod(folder, 0777), 0);
  unprivileged(fails_for_io);
}
END_TEST

START_TEST(a_missing_directory_is_told) {
  (void)snprintf(path, sizeof(path), "%.*s/no/state.db", PATH_MAX - 32, folder);
  must_fail(FC_STATEFILE_IO);
  ck_assert_ptr_nonnull(strstr(file.detail, "directory"));
}
END_TEST

START_TEST(a_path_that_is_too_long_is_told) {
  char *end = path + strlen(path);
  memset(end, 'x', sizeof(path) - (size_t)(end - path) - 1);
  path[sizeof(path) - 1] = '\0';
  must_fail(FC_STATEFILE_IO);
}
END_TEST

START_TEST(a_path_that_names_a_directory_is_refused) {
  (void)snprintf(path, sizeof(path), "%.*s/", PATH_MAX - 32, folder);
  must_fail(FC_STATEFILE_UNSAFE);
}
END_TEST

static struct fc_statefile found;

static enum fc_error find(char uri[FC_STATEFILE_URI_SIZE]) {
  fc_statefile_init(&found);
  return fc_statefile_find(&found, path, uri);
}

START_TEST(what_is_not_there_is_said_once) {
  char uri[FC_STATEFILE_URI_SIZE];
  ck_assert_int_eq(find(uri), FC_ERR_NOT_FOUND);
  ck_assert_str_eq(found.detail, strerror(ENOENT));
  ck_assert(!file_exists(beside("-lock")));
}
END_TEST

START_TEST(a_reader_opens_a_uri_and_needs_no_lock) {
  char uri[FC_STATEFILE_URI_SIZE];
  (void)snprintf(path, sizeof(path), "%.*s/a?b#c%%41 d\xc3\xa4&x=y",
                 PATH_MAX - 32, folder);
  good_file_make();
  must_use();
  ck_assert_int_eq(find(uri), FC_OK);
  ck_assert_ptr_nonnull(
      strstr(uri, "/a%3Fb%23c%2541%20d%C3%A4%26x%3Dy?immutable=1"));
  file_write(beside("-wal"), "log", 3);
  ck_assert_int_eq(find(uri), FC_OK);
  ck_assert_ptr_null(strstr(uri, "immutable"));
  fc_statefile_release(&file);
}
END_TEST

START_TEST(a_reader_takes_a_regular_file_only) {
  char uri[FC_STATEFILE_URI_SIZE];
  make_fifo();
  ck_assert_int_eq(find(uri), FC_ERR_STATE);
  ck_assert_ptr_nonnull(strstr(found.detail, "regular"));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("statefile");
  TCase *tests = tcase_create("statefile");
  tcase_add_checked_fixture(tests, folder_make, folder_remove);
  tcase_add_loop_test(tests, what_it_creates_is_private_whatever_the_umask, 0,
                      COUNT_OF(umasks));
  tcase_add_test(tests, a_good_file_is_taken_as_it_is);
  tcase_add_loop_test(tests, the_first_bytes_say_whose_it_is, 0,
                      COUNT_OF(headers));
  tcase_add_loop_test(tests, what_is_no_database_is_damaged, 0,
                      COUNT_OF(damages));
  tcase_add_test(tests, a_file_that_was_half_made_passes);
  tcase_add_test(tests, a_link_on_the_way_and_a_relative_path_are_followed);
  tcase_add_loop_test(tests, an_unsafe_file_is_left_alone, 0, COUNT_OF(unsafe));
  tcase_add_test(tests, a_readable_file_of_ours_is_made_private);
  tcase_add_test(tests, only_one_has_the_lock);
  tcase_add_loop_test(tests, a_file_that_was_removed_is_not_in_place, 0,
                      COUNT_OF(remembered));
  tcase_add_loop_test(tests, a_file_that_was_replaced_is_not_in_place, 0,
                      COUNT_OF(remembered));
  tcase_add_test(tests, a_link_to_the_file_is_not_the_file);
  tcase_add_test(tests, a_file_whose_directory_was_renamed_is_not_in_place);
  tcase_add_test(tests, a_new_file_is_in_place_until_it_is_removed);
  tcase_add_test(tests, what_is_set_aside_replaces_nothing);
  tcase_add_test(tests, all_of_a_database_is_set_aside_and_no_lock);
  tcase_add_test(tests, a_copy_has_a_name_of_its_own);
  tcase_add_test(tests, what_can_be_read_whole_is_readable);
  tcase_add_test(tests, a_directory_without_permission_is_told);
  tcase_add_test(tests, a_file_in_a_directory_without_permission_is_told);
  tcase_add_test(tests, a_damaged_file_that_cannot_be_renamed_stays);
  tcase_add_test(tests, a_file_of_root_is_unusable_for_others);
  tcase_add_test(tests, a_missing_directory_is_told);
  tcase_add_test(tests, a_path_that_is_too_long_is_told);
  tcase_add_test(tests, a_path_that_names_a_directory_is_refused);
  tcase_add_test(tests, what_is_not_there_is_said_once);
  tcase_add_test(tests, a_reader_opens_a_uri_and_needs_no_lock);
  tcase_add_test(tests, a_reader_takes_a_regular_file_only);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
