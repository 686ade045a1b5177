/* SPDX-License-Identifier: MIT */

#include "src/api/key.h"
#include "src/base/macros.h"

#include "src/api/name.h"
#include "src/base/file.h"
#include "t/fake/folder.h"
#include "t/suite.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define LITERAL(text) text, sizeof(text) - 1

static char folder[200], path[256];

static void folder_make(void) {
  test_folder_make(folder, sizeof(folder), "key");
  (void)snprintf(path, sizeof(path), "%s/key", folder);
}

static void folder_remove(void) {
  (void)remove(path);
  ck_assert_int_eq(rmdir(folder), 0);
}

static void write_file(const char *bytes, size_t len, mode_t mode) {
  FILE *file = fopen(path, "w");
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fwrite(bytes, 1, len, file), len);
  ck_assert_int_eq(fclose(file), 0);
  ck_assert_int_eq(chmod(path, mode), 0);
}

static void assert_key(const struct fc_key *key, const char *bytes) {
  ck_assert_ptr_nonnull(key->bytes);
  ck_assert_str_eq(key->bytes, bytes);
  ck_assert_uint_eq(key->len, strlen(bytes));
}

START_TEST(there_is_no_key_at_first_nor_at_last) {
  struct fc_key key;
  fc_key_init(&key);
  ck_assert_ptr_null(key.bytes);
  ck_assert_uint_eq(key.len, 0);
  fc_key_release(&key);
  ck_assert_int_eq(fc_key_set(&key, "fc-1", 4), FC_OK);
  fc_key_release(&key);
  ck_assert_ptr_null(key.bytes);
  ck_assert_uint_eq(key.len, 0);
  fc_key_release(&key);
}
END_TEST

START_TEST(each_new_key_begins_a_generation) {
  struct fc_key key;
  fc_key_init(&key);
  unsigned first = key.generation;
  ck_assert_int_eq(fc_key_set(&key, "fc-1...", 4), FC_OK);
  assert_key(&key, "fc-1");
  ck_assert_uint_eq(key.generation, first + 1);
  const char *bytes = key.bytes;
  ck_assert_int_eq(fc_key_set(&key, "fc-1", 4), FC_OK);
  ck_assert_uint_eq(key.generation, first + 1);
  ck_assert_ptr_eq(key.bytes, bytes);
  ck_assert_int_eq(fc_key_set(&key, "fc-12", 5), FC_OK);
  assert_key(&key, "fc-12");
  ck_assert_uint_eq(key.generation, first + 2);
  fc_key_release(&key);
}
END_TEST

static const struct {
  const char *bytes;
  size_t len;
} no_keys[] = {
    {LITERAL("")},         {LITERAL(" ")},     {LITERAL("fc 1")},
    {LITERAL("fc-1\n")},   {LITERAL("\tfc")},  {LITERAL("fc\0-1")},
    {LITERAL("fc\x7f")},   {LITERAL("\x1b[")}, {LITERAL("fc-\xc3\xa9")},
    {LITERAL("fc-1\r\n")},
};

START_TEST(what_is_no_key_leaves_the_old_one) {
  struct fc_key key;
  fc_key_init(&key);
  ck_assert_int_eq(fc_key_set(&key, no_keys[_i].bytes, no_keys[_i].len),
                   FC_ERR_ARGUMENT);
  ck_assert_ptr_null(key.bytes);
  ck_assert_int_eq(fc_key_set(&key, "fc-old", 6), FC_OK);
  unsigned generation = key.generation;
  ck_assert_int_eq(fc_key_set(&key, no_keys[_i].bytes, no_keys[_i].len),
                   FC_ERR_ARGUMENT);
  assert_key(&key, "fc-old");
  ck_assert_uint_eq(key.generation, generation);
  fc_key_release(&key);
}
END_TEST

START_TEST(a_key_has_its_longest_length) {
  char bytes[FC_KEY_MAX + 2];
  struct fc_key key;
  memset(bytes, 'k', sizeof(bytes));
  bytes[FC_KEY_MAX] = '\0';
  fc_key_init(&key);
  ck_assert_int_eq(fc_key_set(&key, bytes, FC_KEY_MAX), FC_OK);
  assert_key(&key, bytes);
  bytes[FC_KEY_MAX] = 'k';
  ck_assert_int_eq(fc_key_set(&key, bytes, FC_KEY_MAX + 1), FC_ERR_ARGUMENT);
  fc_key_release(&key);
}
END_TEST

static const char *const good_files[] = {
    "fc-1", "fc-1\n", "fc-1\r\n", "fc-1\n\n", "fc-1\r\n\r\n",
};

START_TEST(a_file_has_a_key_and_perhaps_a_line_end) {
  struct fc_key key;
  unsigned access = 77;
  char detail[128];
  write_file(good_files[_i], strlen(good_files[_i]), 0600);
  fc_key_init(&key);
  ck_assert_int_eq(fc_key_read(&key, path, &access, detail, sizeof(detail)),
                   FC_OK);
  assert_key(&key, "fc-1");
  ck_assert_uint_eq(access, 0);
  fc_key_release(&key);
}
END_TEST

#define WHITE "has white space inside: one key in one line is expected"
#define BYTES "has bytes that no key has: " FC_KEY_RULE " are expected"
#define SECRET "secret"

static const struct {
  const char *bytes;
  size_t len;
  const char *detail;
} bad_files[] = {
    {LITERAL(""), "is empty"},
    {LITERAL("\n"), "is empty"},
    {LITERAL("\r\n\r\n"), "is empty"},
    {LITERAL(" "), WHITE},
    {LITERAL(" " SECRET), WHITE},
    {LITERAL(SECRET " "), WHITE},
    {LITERAL(SECRET " \n"), WHITE},
    {LITERAL(SECRET "\t" SECRET), WHITE},
    {LITERAL(SECRET "\n" SECRET "\n"), WHITE},
    {LITERAL("\n" SECRET "\n"), WHITE},
    {LITERAL(SECRET "\rX-Other: 1\r\n"), WHITE},
    {LITERAL(SECRET "\0" SECRET), BYTES},
    {LITERAL(SECRET "\0"), BYTES},
    {LITERAL("\xef\xbb\xbf" SECRET "\n"), BYTES},
    {LITERAL(SECRET "\xc3\xa9"), BYTES},
    {LITERAL(SECRET "\x7f"), BYTES},
};

START_TEST(a_file_without_a_key_leaves_the_old_one) {
  struct fc_key key;
  unsigned access;
  char detail[128] = "";
  write_file(bad_files[_i].bytes, bad_files[_i].len, 0600);
  fc_key_init(&key);
  ck_assert_int_eq(fc_key_set(&key, "fc-old", 6), FC_OK);
  ck_assert_int_eq(fc_key_read(&key, path, &access, detail, sizeof(detail)),
                   FC_ERR_ARGUMENT);
  ck_assert_str_eq(detail, bad_files[_i].detail);
  ck_assert_ptr_null(strstr(detail, SECRET));
  assert_key(&key, "fc-old");
  fc_key_release(&key);
}
END_TEST

static const struct {
  size_t len;
  enum fc_error error;
  const char *detail;
} lengths[] = {
    {FC_KEY_MAX, FC_OK, ""},
    {FC_KEY_MAX + 1, FC_ERR_ARGUMENT, "holds more than a key"},
    {8192, FC_ERR_ARGUMENT, "holds more than a key"},
    {8193, FC_ERR_LIMIT, "is larger than 8192 bytes"},
    {100000, FC_ERR_LIMIT, "is larger than 8192 bytes"},
};

START_TEST(a_long_file_is_no_key) {
  static char bytes[100000];
  struct fc_key key;
  unsigned access;
  char detail[128] = "";
  memset(bytes, 'k', sizeof(bytes));
  write_file(bytes, lengths[_i].len, 0600);
  fc_key_init(&key);
  ck_assert_int_eq(fc_key_read(&key, path, &access, detail, sizeof(detail)),
                   lengths[_i].error);
  ck_assert_str_eq(detail, lengths[_i].detail);
  fc_key_release(&key);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_named_by_its_reason) {
  struct fc_key key;
  unsigned access;
  char detail[128] = "";
  fc_key_init(&key);
  ck_assert_int_eq(fc_key_read(&key, path, &access, detail, sizeof(detail)),
                   FC_ERR_IO);
  ck_assert_str_eq(detail, "cannot be opened: No such file or directory");
  ck_assert_int_eq(fc_key_read(&key, folder, &access, detail, sizeof(detail)),
                   FC_ERR_IO);
  ck_assert_str_eq(detail, "is no regular file");
  ck_assert_int_eq(mkfifo(path, 0600), 0);
  ck_assert_int_eq(fc_key_read(&key, path, &access, detail, sizeof(detail)),
                   FC_ERR_IO);
  ck_assert_str_eq(detail, "is no regular file");
  ck_assert_ptr_null(key.bytes);
}
END_TEST

START_TEST(who_else_may_read_the_file_is_told) {
  struct fc_key key;
  unsigned access = 0;
  char detail[128];
  write_file("fc-1", 4, 0640);
  fc_key_init(&key);
  ck_assert_int_eq(fc_key_read(&key, path, &access, detail, sizeof(detail)),
                   FC_OK);
  ck_assert_uint_eq(access, FC_FILE_GROUP_READ);
  fc_key_release(&key);
}
END_TEST

/* The kernel's flags of the mapping around an address (proc(5)). */
static bool flags_at(const void *at, char *flags, size_t size) {
  char line[512];
  bool inside = false, found = false;
  FILE *maps = fopen("/proc/self/smaps", "r");
  while (maps && !found && fgets(line, sizeof(line), maps)) {
    uintptr_t from, to;
    if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &from, &to) == 2)
      inside = (uintptr_t)at >= from && (uintptr_t)at < to;
    else if (inside && strncmp(line, "VmFlags:", 8) == 0) {
      (void)snprintf(flags, size, "%s", line);
      found = true;
    }
  }
  if (maps)
    ck_assert_int_eq(fclose(maps), 0);
  return found;
}

START_TEST(the_key_stays_out_of_core_dumps) {
  struct fc_key key;
  char flags[512];
  fc_key_init(&key);
  ck_assert_int_eq(fc_key_set(&key, "fc-1", 4), FC_OK);
  if (flags_at(key.bytes, flags, sizeof(flags)))
    ck_assert_ptr_nonnull(strstr(flags, " dd"));
  fc_key_release(&key);
}
END_TEST

static bool is_mapped(void *page) {
  unsigned char resident;
  return mincore(page, 1, &resident) == 0 || errno != ENOMEM;
}

START_TEST(the_key_and_the_one_before_it_are_secret) {
  static const char *const keys[] = {"fc-1", "fc-22", "fc-333"};
  struct fc_key key;
  struct fc_secret list[FC_KEY_SECRETS];
  fc_key_init(&key);
  ck_assert_uint_eq(fc_key_secrets(&key, list), 0);
  for (size_t i = 0; i < COUNT_OF(keys); i++) {
    ck_assert_int_eq(fc_key_set(&key, keys[i], strlen(keys[i])), FC_OK);
    size_t count = fc_key_secrets(&key, list);
    ck_assert_uint_eq(count, i ? 2 : 1);
    for (size_t j = 0; j < count; j++) {
      ck_assert_uint_eq(list[j].len, strlen(keys[i - j]));
      ck_assert_mem_eq(list[j].bytes, keys[i - j], list[j].len);
    }
  }
  fc_key_release(&key);
  ck_assert_uint_eq(fc_key_secrets(&key, list), 0);
}
END_TEST

START_TEST(no_key_stays_behind) {
  struct fc_key key;
  fc_key_init(&key);
  ck_assert_int_eq(fc_key_set(&key, "fc-1", 4), FC_OK);
  char *first = key.bytes;
  ck_assert_int_eq(fc_key_set(&key, "fc-2", 4), FC_OK);
  char *second = key.bytes;
  ck_assert_int_eq(fc_key_set(&key, "fc-3", 4), FC_OK);
  char *third = key.bytes;
  ck_assert(is_mapped(second) && is_mapped(third));
  ck_assert(!is_mapped(first));
  fc_key_release(&key);
  ck_assert(!is_mapped(second) && !is_mapped(third));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("key");
  TCase *tests = tcase_create("key");
  tcase_add_checked_fixture(tests, folder_make, folder_remove);
  tcase_set_timeout(tests, 20);
  tcase_add_test(tests, there_is_no_key_at_first_nor_at_last);
  tcase_add_test(tests, each_new_key_begins_a_generation);
  tcase_add_loop_test(tests, what_is_no_key_leaves_the_old_one, 0,
                      (int)COUNT_OF(no_keys));
  tcase_add_test(tests, a_key_has_its_longest_length);
  tcase_add_loop_test(tests, a_file_has_a_key_and_perhaps_a_line_end, 0,
                      (int)COUNT_OF(good_files));
  tcase_add_loop_test(tests, a_file_without_a_key_leaves_the_old_one, 0,
                      (int)COUNT_OF(bad_files));
  tcase_add_loop_test(tests, a_long_file_is_no_key, 0, (int)COUNT_OF(lengths));
  tcase_add_test(tests, a_file_that_cannot_be_read_is_named_by_its_reason);
  tcase_add_test(tests, who_else_may_read_the_file_is_told);
  tcase_add_test(tests, the_key_stays_out_of_core_dumps);
  tcase_add_test(tests, the_key_and_the_one_before_it_are_secret);
  tcase_add_test(tests, no_key_stays_behind);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
