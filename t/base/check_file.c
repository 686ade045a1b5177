/* SPDX-License-Identifier: MIT */

#include "src/base/file.h"
#include "src/base/macros.h"

#include "t/fake/folder.h"
#include "t/suite.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { LIMIT = 65536, NOBODY = 65534 };

static char folder[200];

static void folder_make(void) {
  test_folder_make(folder, sizeof(folder), "file");
  ck_assert_int_eq(chmod(folder, 0755), 0);
}

static void folder_remove(void) { test_folder_remove(folder); }

/* Static storage: one path at a time. */
static const char *in_folder(const char *name) {
  static char path[256];
  (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
  return path;
}

static const char *write_file(const char *name, const char *bytes, size_t len) {
  const char *path = in_folder(name);
  FILE *file = fopen(path, "w");
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fwrite(bytes, 1, len, file), len);
  ck_assert_int_eq(fclose(file), 0);
  return path;
}

/* With outputs that must stay as they are on failure. */
static enum fc_error refused(const char *path, char *detail, size_t size) {
  char untouched = 0, *data = &untouched;
  size_t len = 7;
  unsigned access = 77;
  enum fc_error error =
      fc_file_read(path, LIMIT, &data, &len, &access, detail, size);
  ck_assert_int_ne(error, FC_OK);
  ck_assert_ptr_eq(data, &untouched);
  ck_assert_uint_eq(len, 7);
  ck_assert_uint_eq(access, 77);
  return error;
}

static const size_t sizes[] = {0, 1, 4095, 4096, 4097, LIMIT - 1, LIMIT};

START_TEST(a_file_is_read_whole_and_terminated) {
  static char bytes[LIMIT];
  char *data, detail[128];
  size_t len;
  unsigned access;
  for (size_t i = 0; i < sizes[_i]; i++)
    bytes[i] = (char)(i * 31);
  const char *path = write_file("file", bytes, sizes[_i]);
  ck_assert_int_eq(
      fc_file_read(path, LIMIT, &data, &len, &access, detail, sizeof(detail)),
      FC_OK);
  ck_assert_uint_eq(len, sizes[_i]);
  ck_assert_mem_eq(data, bytes, len);
  ck_assert_int_eq(data[len], '\0');
  free(data);
}
END_TEST

START_TEST(a_file_that_is_too_large_is_refused) {
  static const char bytes[LIMIT + 1];
  char detail[128];
  const char *path = write_file("file", bytes, sizeof(bytes));
  ck_assert_int_eq(refused(path, detail, sizeof(detail)), FC_ERR_LIMIT);
  ck_assert_str_eq(detail, "is larger than 65536 bytes");
}
END_TEST

static void make_nothing(const char *path) { (void)path; }

static void make_folder(const char *path) {
  ck_assert_int_eq(mkdir(path, 0700), 0);
}

static void make_fifo(const char *path) {
  ck_assert_int_eq(mkfifo(path, 0600), 0);
}

static void make_socket(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  ck_assert_uint_lt(strlen(path), sizeof(address.sun_path));
  memcpy(address.sun_path, path, strlen(path));
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  ck_assert_int_ge(fd, 0);
  ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
  ck_assert_int_eq(close(fd), 0);
}

static void make_dangling_link(const char *path) {
  ck_assert_int_eq(symlink("nowhere", path), 0);
}

static void make_endless_link(const char *path) {
  ck_assert_int_eq(symlink(path, path), 0);
}

static void make_device_link(const char *path) {
  ck_assert_int_eq(symlink("/dev/zero", path), 0);
}

static const struct {
  void (*make)(const char *path);
  const char *detail;
} no_files[] = {
    {make_nothing, "cannot be opened: No such file or directory"},
    {make_folder, "is no regular file"},
    {make_fifo, "is no regular file"},
    {make_socket, "cannot be opened: No such device or address"},
    {make_dangling_link, "cannot be opened: No such file or directory"},
    {make_endless_link, "cannot be opened: Too many levels of symbolic links"},
    {make_device_link, "is no regular file"},
};

/* The suite's time limit fails a test that blocks. */
START_TEST(what_is_no_regular_file_is_refused_at_once) {
  char detail[128];
  const char *path = in_folder("thing");
  no_files[_i].make(path);
  ck_assert_int_eq(refused(path, detail, sizeof(detail)), FC_ERR_IO);
  ck_assert_str_eq(detail, no_files[_i].detail);
}
END_TEST

START_TEST(a_reason_is_cut_where_it_does_not_fit) {
  char detail[] = "0123456789abcdef";
  for (size_t size = 0; size < sizeof(detail); size++) {
    memset(detail, 'x', sizeof(detail));
    ck_assert_int_eq(refused(in_folder("none"), detail, size), FC_ERR_IO);
    if (size)
      ck_assert_uint_eq(strlen(detail), size - 1);
    ck_assert_int_eq(detail[size], 'x');
  }
}
END_TEST

START_TEST(a_file_of_another_user_is_refused) {
  char detail[128];
  uid_t user = geteuid();
  const char *path = write_file("file", "secret", 6);
  ck_assert_int_eq(chmod(path, 0), 0);
  if (user == 0)
    ck_assert_int_eq(seteuid(NOBODY), 0);
  enum fc_error error = refused(path, detail, sizeof(detail));
  if (user == 0)
    ck_assert_int_eq(seteuid(user), 0);
  ck_assert_int_eq(error, FC_ERR_IO);
  ck_assert_str_eq(detail, "cannot be opened: Permission denied");
}
END_TEST

START_TEST(a_link_to_a_file_is_followed) {
  char *data, detail[128];
  size_t len;
  unsigned access;
  (void)write_file("file", "text", 4);
  const char *path = in_folder("link");
  ck_assert_int_eq(symlink("file", path), 0);
  ck_assert_int_eq(
      fc_file_read(path, LIMIT, &data, &len, &access, detail, sizeof(detail)),
      FC_OK);
  ck_assert_str_eq(data, "text");
  free(data);
}
END_TEST

static void make_file(const char *path) {
  int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  ck_assert_int_ge(fd, 0);
  ck_assert_int_eq(close(fd), 0);
}

static void make_good_link(const char *path) {
  (void)write_file("other", "", 0);
  ck_assert_int_eq(symlink("other", path), 0);
}

static void make_strangers_link(const char *path) {
  make_good_link(path);
  ck_assert(geteuid() != 0 || lchown(path, NOBODY, (gid_t)-1) == 0);
}

static void make_hard_link(const char *path) {
  ck_assert_int_eq(link(write_file("other", "", 0), path), 0);
}

static void make_link_to_forbidden(const char *path) {
  ck_assert_int_eq(symlink("forbidden", path), 0);
}

static void make_hard_link_to_forbidden(const char *path) {
  ck_assert_int_eq(link("forbidden", path), 0);
}

static void make_large(const char *path) {
  make_file(path);
  ck_assert_int_eq(truncate(path, LIMIT + 1), 0);
}

static const struct {
  void (*make)(const char *path);
  const char *detail; /* NULL: it is read */
} untrusted[] = {
    {make_file, NULL},
    {make_good_link, NULL},
    {make_strangers_link,
     "is reached through a symbolic link that belongs to neither root, the "
     "daemon's user nor the file's owner"},
    {make_hard_link, "has several hard links"},
    {make_link_to_forbidden, "is the file of the API key"},
    {make_hard_link_to_forbidden, "is the file of the API key"},
    {make_large, "is larger than 65536 bytes"},
    {make_nothing, "cannot be opened: No such file or directory"},
    {make_folder, "is no regular file"},
    {make_fifo, "is no regular file"},
    {make_socket, "is no regular file"},
    {make_device_link, "is no regular file"},
    {make_dangling_link, "cannot be opened: No such file or directory"},
    {make_endless_link, "cannot be opened: Too many levels of symbolic links"},
};

START_TEST(an_untrusted_path_is_no_way_to_other_files) {
  char *data = NULL, detail[128] = "";
  size_t len = 7;
  unsigned access;
  struct fc_file_stamp stamp = {.size = 0}, none = {.size = 0};
  const char *wanted = untrusted[_i].detail;
  if (untrusted[_i].make == make_strangers_link && geteuid() != 0)
    wanted = NULL;
  ck_assert_int_eq(chdir(folder), 0);
  (void)write_file("forbidden", "", 0);
  untrusted[_i].make("thing");
  enum fc_error error =
      fc_file_read_untrusted("thing", "forbidden", LIMIT, &data, &len, &stamp,
                             &access, detail, sizeof(detail));
  ck_assert_int_eq(error != FC_OK, wanted != NULL);
  if (wanted) {
    ck_assert_str_eq(detail, wanted);
    ck_assert_mem_eq(&stamp, &none, sizeof(stamp));
    ck_assert_ptr_null(data);
  } else {
    ck_assert_uint_eq(len, 0);
    ck_assert(!fc_file_untrusted_changed("thing", &stamp));
    ck_assert_int_eq(truncate("thing", 1), 0);
    ck_assert(fc_file_untrusted_changed("thing", &stamp));
    ck_assert(!fc_file_untrusted_changed("thing", &stamp));
  }
  free(data);
  ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

static const struct {
  mode_t mode;
  unsigned access;
} modes[] = {
    {0600, 0},
    {0400, 0},
    {0700, 0},
    {0611, 0},
    {0640, FC_FILE_GROUP_READ},
    {0604, FC_FILE_WORLD_READ},
    {0620, FC_FILE_GROUP_WRITE},
    {0602, FC_FILE_WORLD_WRITE},
    {0644, FC_FILE_GROUP_READ | FC_FILE_WORLD_READ},
    {0666, FC_FILE_GROUP_READ | FC_FILE_WORLD_READ | FC_FILE_GROUP_WRITE |
               FC_FILE_WORLD_WRITE},
};

START_TEST(who_else_may_read_or_write_it_is_told) {
  char *data, detail[128];
  size_t len;
  unsigned access = 77;
  const char *path = write_file("file", "text", 4);
  ck_assert_int_eq(chmod(path, modes[_i].mode), 0);
  ck_assert_int_eq(
      fc_file_read(path, LIMIT, &data, &len, &access, detail, sizeof(detail)),
      FC_OK);
  ck_assert_uint_eq(access, modes[_i].access);
  free(data);
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

/* (mode of the folder, access that is told) */
static const struct {
  mode_t mode;
  unsigned access;
} folder_modes[] = {
    {0700, 0},
    {0755, FC_FILE_GROUP_READ | FC_FILE_WORLD_READ},
    {0733, FC_FILE_GROUP_WRITE | FC_FILE_WORLD_WRITE},
    {01777, FC_FILE_GROUP_READ | FC_FILE_WORLD_READ},
};

START_TEST(who_else_may_write_its_directory_is_told) {
  ck_assert_int_eq(chmod(folder, folder_modes[_i].mode), 0);
  ck_assert_uint_eq(fc_file_directory_access(in_folder("file")),
                    folder_modes[_i].access);
  ck_assert_uint_eq(fc_file_directory_access("/no/such/folder"), 0);
  ck_assert_int_eq(chdir(folder), 0);
  ck_assert_uint_eq(fc_file_directory_access("file"), folder_modes[_i].access);
  ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

START_TEST(no_descriptor_stays_open) {
  char *data, detail[128];
  size_t len, before = open_descriptors();
  unsigned access;
  const char *path = write_file("file", "text", 4);
  for (int i = 0; i < 10; i++) {
    ck_assert_int_eq(
        fc_file_read(path, LIMIT, &data, &len, &access, detail, sizeof(detail)),
        FC_OK);
    free(data);
    ck_assert_int_eq(
        fc_file_read(path, 3, &data, &len, &access, detail, sizeof(detail)),
        FC_ERR_LIMIT);
    ck_assert_int_eq(refused(folder, detail, sizeof(detail)), FC_ERR_IO);
  }
  ck_assert_uint_eq(open_descriptors(), before);
}
END_TEST

static void touch(const char *path) {
  const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 2, .tv_nsec = 3}};
  ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void grow(const char *path) {
  FILE *file = fopen(path, "a");
  ck_assert_ptr_nonnull(file);
  ck_assert_int_ge(fputs("more", file), 0);
  ck_assert_int_eq(fclose(file), 0);
}

static void shrink(const char *path) { ck_assert_int_eq(truncate(path, 1), 0); }

/* By a file of the same size and time. */
static void replace(const char *path) {
  char other[256];
  struct stat info;
  ck_assert_int_eq(stat(path, &info), 0);
  (void)snprintf(other, sizeof(other), "%s.new", path);
  FILE *file = fopen(other, "w");
  ck_assert_ptr_nonnull(file);
  ck_assert_int_ge(fputs("TEXT", file), 0);
  ck_assert_int_eq(fclose(file), 0);
  const struct timespec times[2] = {info.st_atim, info.st_mtim};
  ck_assert_int_eq(utimensat(AT_FDCWD, other, times, 0), 0);
  ck_assert_int_eq(rename(other, path), 0);
}

static void take_away(const char *path) { ck_assert_int_eq(unlink(path), 0); }

static void (*const changes[])(const char *path) = {touch, grow, shrink,
                                                    replace, take_away};

START_TEST(a_change_is_noticed_once) {
  struct fc_file_stamp stamp = {.size = 0};
  const char *path = write_file("file", "text", 4);
  ck_assert(fc_file_changed(path, &stamp));
  ck_assert(!fc_file_changed(path, &stamp));
  changes[_i](path);
  ck_assert(fc_file_changed(path, &stamp));
  ck_assert(!fc_file_changed(path, &stamp));
}
END_TEST

START_TEST(a_missing_file_has_a_stamp_of_zeros) {
  struct fc_file_stamp stamp = {.size = 0};
  const char *path = in_folder("file");
  ck_assert(!fc_file_changed(path, &stamp));
  (void)write_file("file", "", 0);
  ck_assert(fc_file_changed(path, &stamp));
  ck_assert_int_ne((int64_t)stamp.inode, 0);
  take_away(path);
  ck_assert(fc_file_changed(path, &stamp));
  ck_assert(stamp.inode == 0 && stamp.device == 0 && stamp.size == 0);
  ck_assert(stamp.mtime_ns == 0 && stamp.ctime_ns == 0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("file");
  TCase *tests = tcase_create("file");
  tcase_add_checked_fixture(tests, folder_make, folder_remove);
  tcase_set_timeout(tests, 20);
  tcase_add_loop_test(tests, a_file_is_read_whole_and_terminated, 0,
                      (int)COUNT_OF(sizes));
  tcase_add_test(tests, a_file_that_is_too_large_is_refused);
  tcase_add_loop_test(tests, what_is_no_regular_file_is_refused_at_once, 0,
                      (int)COUNT_OF(no_files));
  tcase_add_test(tests, a_reason_is_cut_where_it_does_not_fit);
  tcase_add_test(tests, a_file_of_another_user_is_refused);
  tcase_add_test(tests, a_link_to_a_file_is_followed);
  tcase_add_loop_test(tests, an_untrusted_path_is_no_way_to_other_files, 0,
                      (int)COUNT_OF(untrusted));
  tcase_add_loop_test(tests, who_else_may_read_or_write_it_is_told, 0,
                      (int)COUNT_OF(modes));
  tcase_add_loop_test(tests, who_else_may_write_its_directory_is_told, 0,
                      (int)COUNT_OF(folder_modes));
  tcase_add_test(tests, no_descriptor_stays_open);
  tcase_add_loop_test(tests, a_change_is_noticed_once, 0,
                      (int)COUNT_OF(changes));
  tcase_add_test(tests, a_missing_file_has_a_stamp_of_zeros);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
