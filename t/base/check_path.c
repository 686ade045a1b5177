/* SPDX-License-Identifier: MIT */

#include "src/base/macros.h"
#include "src/base/path.h"

#include "t/fake/folder.h"
#include "t/suite.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROOT = 0, ANNA = 61001, BERT = 61002, OPENS = 20000 };

static char folder[200];

static void folder_make(void) {
  test_folder_make(folder, sizeof(folder), "path");
  ck_assert_int_eq(chmod(folder, 0755), 0);
  ck_assert_int_eq(chdir(folder), 0);
}

static void folder_remove(void) {
  ck_assert_int_eq(chdir("/"), 0);
  test_folder_remove(folder);
}

/* Only root can make what belongs to others. */
static void give(const char *path, uid_t owner) {
  ck_assert(geteuid() != 0 || lchown(path, owner, (gid_t)-1) == 0);
}

static void make_file(const char *path, uid_t owner) {
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  ck_assert_int_ge(fd, 0);
  ck_assert_int_eq(close(fd), 0);
  give(path, owner);
}

static void make_link(const char *target, const char *path, uid_t owner) {
  ck_assert_int_eq(symlink(target, path), 0);
  give(path, owner);
}

static void make_folder(const char *path) {
  ck_assert_int_eq(mkdir(path, 0755), 0);
}

/* A path that ends at "there/file", and the link on it. */
static void last_component(uid_t owner) { make_link("there/file", "x", owner); }

static void chain(uid_t owner) {
  make_link("there/file", "y", owner);
  make_link("y", "x", ROOT);
}

static void through_a_folder(uid_t owner) {
  make_link("there", "here", owner);
  make_link("here/file", "x", ROOT);
}

static void through_an_absolute_folder(uid_t owner) {
  char target[256];
  (void)snprintf(target, sizeof(target), "%s//there/", folder);
  make_link(target, "here", owner);
  make_link("./here/../there/./file", "x", ROOT);
}

static void (*const shapes[])(uid_t owner) = {
    last_component, chain, through_a_folder, through_an_absolute_folder};

static const struct {
  uid_t user, link, file;
  bool opened;
} owners[] = {
    {ROOT, ROOT, ROOT, true},  {ROOT, ROOT, ANNA, true},
    {ROOT, ANNA, ANNA, true},  {ROOT, ANNA, ROOT, false},
    {ROOT, ANNA, BERT, false}, {ANNA, ROOT, ROOT, true},
    {ANNA, ANNA, ROOT, true},  {ANNA, ANNA, BERT, true},
    {ANNA, ROOT, BERT, true},  {ANNA, BERT, BERT, true},
    {ANNA, BERT, ROOT, false}, {ANNA, BERT, ANNA, false},
};

START_TEST(a_link_is_followed_by_whose_it_is) {
  for (size_t i = 0; i < COUNT_OF(shapes) && geteuid() == 0; i++) {
    make_folder("there");
    make_file("there/file", owners[_i].file);
    shapes[i](owners[_i].link);
    ck_assert_int_eq(seteuid(owners[_i].user), 0);
    for (int examine = 0; examine < 2; examine++) {
      bool stranger = owners[_i].opened;
      int fd = fc_path_open("x", examine, &stranger);
      ck_assert_msg((fd >= 0) == owners[_i].opened, "shape %zu", i);
      ck_assert_int_eq(stranger, !owners[_i].opened);
      ck_assert(fd < 0 || close(fd) == 0);
    }
    ck_assert_int_eq(seteuid(ROOT), 0);
    folder_remove();
    folder_make();
  }
}
END_TEST

START_TEST(links_of_two_strangers_are_not_followed) {
  bool stranger = false;
  make_file("file", ANNA);
  make_link("file", "y", ANNA);
  make_link("y", "x", BERT);
  int fd = fc_path_open("x", false, &stranger);
  ck_assert_int_eq(stranger, geteuid() == 0);
  ck_assert_int_eq(fd < 0, stranger);
  ck_assert(fd < 0 || close(fd) == 0);
}
END_TEST

/* @ is the folder. */
static const char *const paths[] = {
    "file",
    "./file",
    "@/file",
    "@//sub/.//../file",
    "//@/sub/../file",
    "sub/up/file",
    "sub/up/sub/up/sub/file",
    "sub/root@/file",
    "link",
    "to-sub/file",
    "to-sub/",
    "to-sub",
    "sub/up",
    ".",
    "/",
    "..",
    "sub/..",
    "fifo",
    "zero",
    "closed",
    /* What the kernel refuses, and for what reason. */
    "",
    "none",
    "none/file",
    "file/",
    "link/",
    "file/.",
    "file/none",
    "link/none",
    "dangling",
    "dangling/x",
    "endless",
    "endless/x",
    "chain-41",
    "chain-40",
    "long",
};

static const char *expand(char path[PATH_MAX], const char *text) {
  const char *at = strchr(text, '@');
  (void)snprintf(path, PATH_MAX, "%.*s%s%s", (int)(at ? at - text : 0), text,
                 at ? folder : "", at ? at + 1 : text);
  return path;
}

static void make_things(void) {
  static const char *const links[][2] = {
      {"..", "sub/up"},      {"/", "sub/root"},       {"file", "link"},
      {"sub", "to-sub"},     {"nowhere", "dangling"}, {"endless", "endless"},
      {"/dev/zero", "zero"},
  };
  char name[32], target[32], long_name[NAME_MAX + 2];
  make_folder("sub");
  make_file("file", geteuid());
  make_file("sub/file", geteuid());
  make_file("closed", geteuid());
  ck_assert_int_eq(chmod("closed", 0), 0);
  ck_assert_int_eq(mkfifo("fifo", 0600), 0);
  for (size_t i = 0; i < COUNT_OF(links); i++)
    make_link(links[i][0], links[i][1], geteuid());
  for (int i = 41; i >= 1; i--) {
    (void)snprintf(name, sizeof(name), "chain-%d", i);
    (void)snprintf(target, sizeof(target), "chain-%d", i - 1);
    make_link(i == 1 ? "file" : target, name, geteuid());
  }
  memset(long_name, 'x', sizeof(long_name) - 1);
  long_name[sizeof(long_name) - 1] = '\0';
  make_link(long_name, "long", geteuid());
}

START_TEST(a_path_leads_where_the_kernel_leads_it) {
  char text[PATH_MAX];
  const char *path = expand(text, paths[_i]);
  struct stat wanted, found;
  bool stranger;
  make_things();
  int known = stat(path, &wanted), error = errno;
  errno = 0;
  int fd = fc_path_open(path, /* examine = */ true, &stranger);
  ck_assert(!stranger);
  ck_assert_msg((fd >= 0) == (known == 0), "%s: %s", path, strerror(errno));
  if (known) {
    ck_assert_msg(errno == error, "%s: %s", path, strerror(errno));
  } else {
    ck_assert_int_eq(fstat(fd, &found), 0);
    ck_assert(found.st_dev == wanted.st_dev && found.st_ino == wanted.st_ino);
    ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(close(fd), 0);
  }
}
END_TEST

START_TEST(a_path_that_is_too_long_is_refused) {
  static char path[2 * PATH_MAX];
  bool stranger;
  memset(path, '/', sizeof(path) - 1);
  ck_assert_int_eq(fc_path_open(path, false, &stranger), -1);
  ck_assert_int_eq(errno, ENAMETOOLONG);
  path[PATH_MAX / 2] = '\0';
  path[PATH_MAX / 2 - 1] = 'x';
  make_link("none", "x", geteuid());
  make_link(path, "y", geteuid());
  (void)snprintf(path, sizeof(path), "y%0*d", PATH_MAX / 2, 0);
  memset(path + 1, '/', PATH_MAX / 2);
  ck_assert_int_eq(fc_path_open(path, false, &stranger), -1);
  ck_assert_int_eq(errno, ENAMETOOLONG);
}
END_TEST

START_TEST(only_a_regular_file_is_opened_for_reading) {
  static const struct {
    const char *path;
    bool examine, readable;
  } cases[] = {
      {"file", false, true},  {"link", false, true},  {"file", true, false},
      {"fifo", false, false}, {"zero", false, false}, {"sub", false, false},
  };
  char byte;
  bool stranger;
  make_things();
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    int fd = fc_path_open(cases[i].path, cases[i].examine, &stranger);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(read(fd, &byte, 1), cases[i].readable ? 0 : -1);
    ck_assert(cases[i].readable || errno == EBADF);
    ck_assert_int_eq(close(fd), 0);
  }
}
END_TEST

static size_t open_descriptors(void) {
  size_t count = 0;
  DIR *all = opendir("/proc/self/fd");
  if (!all)
    return 0;
  while (readdir(all))
    count++;
  ck_assert_int_eq(closedir(all), 0);
  return count;
}

START_TEST(no_descriptor_stays_open) {
  char path[PATH_MAX];
  bool stranger;
  size_t before = open_descriptors();
  make_things();
  for (size_t i = 0; i < COUNT_OF(paths); i++) {
    int fd = fc_path_open(expand(path, paths[i]), i % 2, &stranger);
    ck_assert(fd < 0 || close(fd) == 0);
  }
  ck_assert_uint_eq(open_descriptors(), before);
}
END_TEST

static atomic_bool ended;

/* What its owner can do in a folder: now it is a file, now a link to one that
 * is not theirs. */
static void *exchange(void *data) {
  while (!atomic_load(&ended))
    if (renameat2(AT_FDCWD, "mine", AT_FDCWD, "x", RENAME_EXCHANGE))
      return NULL;
  return data;
}

START_TEST(an_exchange_in_between_opens_nothing_else) {
  struct stat secret, found;
  size_t opened = 0, refused = 0;
  bool stranger;
  pthread_t thread;
  void *result;
  if (geteuid() != 0)
    return;
  make_folder("theirs");
  make_folder("ours");
  make_file("theirs/file", ANNA);
  make_file("ours/file", ROOT);
  make_link("theirs", "mine", ANNA);
  make_link("ours", "x", ANNA);
  ck_assert_int_eq(stat("ours/file", &secret), 0);
  ck_assert_int_eq(pthread_create(&thread, NULL, exchange, &ended), 0);
  for (int i = 0; i < OPENS || !opened || !refused; i++) {
    int fd = fc_path_open("x/file", false, &stranger);
    refused += stranger;
    if (fd < 0)
      continue;
    opened++;
    ck_assert_int_eq(fstat(fd, &found), 0);
    ck_assert(found.st_ino != secret.st_ino || found.st_dev != secret.st_dev);
    ck_assert_int_eq(close(fd), 0);
  }
  atomic_store(&ended, true);
  ck_assert_int_eq(pthread_join(thread, &result), 0);
  ck_assert_ptr_nonnull(result);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("path");
  TCase *tests = tcase_create("path");
  tcase_add_checked_fixture(tests, folder_make, folder_remove);
  tcase_set_timeout(tests, 60);
  tcase_add_loop_test(tests, a_link_is_followed_by_whose_it_is, 0,
                      (int)COUNT_OF(owners));
  tcase_add_test(tests, links_of_two_strangers_are_not_followed);
  tcase_add_loop_test(tests, a_path_leads_where_the_kernel_leads_it, 0,
                      (int)COUNT_OF(paths));
  tcase_add_test(tests, a_path_that_is_too_long_is_refused);
  tcase_add_test(tests, only_a_regular_file_is_opened_for_reading);
  tcase_add_test(tests, no_descriptor_stays_open);
  tcase_add_test(tests, an_exchange_in_between_opens_nothing_else);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
