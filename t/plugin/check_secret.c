/* SPDX-License-Identifier: MIT */

/* No memory of ours goes back with the API key in it: the linker's --wrap shows
 * us what our own objects free and unmap, just before they do. libcurl's own
 * copies cannot be wiped from outside (src/api/key.h); here its allocator wipes
 * them, so that what is found is ours. */

#include "plugin/config.h"

#include "src/api/key.h"
#include "src/api/transport_curl.h"
#include "src/watch/keyfile.h"
#include "src/watch/poller.h"

#include "t/fake/fake_collectd.h"
#include "t/fake/folder.h"
#include "t/fake/served.h"
#include "t/suite.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SECRET "fc-0123456789abcdef"
#define SECOND "fc-fedcba9876543210"

enum { STEP_MS = 1000, STEPS_MAX = 2000 };

/* Only the test's own thread counts: the fake server's is linked in, too. */
static struct {
  bool on;
  pthread_t thread;
  size_t blocks, pages; /* looked at */
  size_t found;
} watch;

static void look(const char *data, size_t len, size_t *count) {
  if (!pthread_equal(pthread_self(), watch.thread) || !watch.on || !data)
    return;
  ++*count;
  watch.found += memmem(data, len, SECRET, strlen(SECRET)) != NULL ||
                 memmem(data, len, SECOND, strlen(SECOND)) != NULL;
}

/* The names are the linker's. */
void __real_free(void *data);
void __wrap_free(void *data);
void __wrap_free(void *data) {
  look(data, data ? malloc_usable_size(data) : 0, &watch.blocks);
  __real_free(data);
}

int __real_munmap(void *at, size_t len);
int __wrap_munmap(void *at, size_t len);
int __wrap_munmap(void *at, size_t len) {
  look(at, len, &watch.pages);
  return __real_munmap(at, len);
}

static void begin(void) {
  watch.blocks = watch.pages = watch.found = 0;
  watch.on = true;
}

static void end(bool blocks, bool pages) {
  watch.on = false;
  ck_assert(!blocks || watch.blocks > 0);
  ck_assert(!pages || watch.pages > 0);
  ck_assert_uint_eq(watch.found, 0);
}

static char path[64];

static void set_up(void) {
  int fd;
  watch.thread = pthread_self();
  (void)snprintf(path, sizeof(path), "/tmp/fc-secret-XXXXXX");
  fd = mkstemp(path);
  ck_assert_int_ge(fd, 0);
  ck_assert_int_eq(close(fd), 0);
}

static void tear_down(void) { ck_assert_int_eq(unlink(path), 0); }

START_TEST(a_key_is_wiped_when_it_is_replaced_and_released) {
  struct fc_key key;
  fc_key_init(&key);
  begin();
  ck_assert_int_eq(fc_key_set(&key, SECRET, strlen(SECRET)), FC_OK);
  ck_assert_int_eq(fc_key_set(&key, SECOND, strlen(SECOND)), FC_OK);
  ck_assert_int_eq(fc_key_set(&key, SECRET, strlen(SECRET)), FC_OK);
  ck_assert_uint_eq(watch.pages, 1);
  fc_key_release(&key);
  ck_assert_uint_eq(watch.pages, 3);
  end(false, true);
}
END_TEST

static const char *const files[] = {
    SECRET,
    (SECRET "\n"),
    (SECRET " " SECOND "\n"),
    (SECRET "\r\nX: y"),
    (SECRET "\xc3\xa9\n"),
    ("\n" SECRET),
};

START_TEST(what_a_key_file_held_is_wiped_be_it_a_key_or_not) {
  struct fc_key key;
  unsigned access;
  char detail[64];
  test_write(path, files[_i]);
  fc_key_init(&key);
  begin();
  enum fc_error error =
      fc_key_read(&key, path, &access, detail, sizeof(detail));
  ck_assert_int_eq(error, _i < 2 ? FC_OK : FC_ERR_ARGUMENT);
  fc_key_release(&key);
  end(true, _i < 2);
}
END_TEST

START_TEST(settings_are_wiped) {
  struct fc_settings settings;
  fc_settings_init(&settings);
  settings.api_key = strdup(SECRET);
  settings.proxy = strdup("http://user:" SECRET "@proxy:3128");
  settings.client_key = strdup("/etc/" SECRET);
  ck_assert_int_eq(fc_settings_add_header(&settings, "X-Token: " SECRET),
                   FC_OK);
  begin();
  fc_settings_release(&settings);
  end(true, false);
}
END_TEST

/* The daemon's own copy of the configuration is not ours. */
START_TEST(a_key_that_is_configured_twice_or_for_nothing_is_wiped) {
  static const char *const texts[] = {
      ("<Plugin firecrawl>\n<Instance \"prod\">\nAPIKey \"" SECRET "\"\n"
       "APIKey \"" SECOND "\"\nExtract \"a\"\n</Instance>\n</Plugin>\n"),
      ("<Plugin firecrawl>\n<Instance \"prod\">\nAPIKey \"" SECRET "\"\n"
       "Timeout x\nExtract \"a\"\n</Instance>\n</Plugin>\n")};
  struct fc_config config = {0};
  for (size_t i = 0; i < 2; i++) {
    oconfig_item_t *root = fake_collectd_config_parse(texts[i]);
    ck_assert_ptr_nonnull(root);
    begin();
    fc_config_read(&config, &root->children[0]);
    ck_assert(config.has_invalid == (i == 1));
    fc_config_release(&config);
    end(true, false);
    fake_collectd_config_free(root);
    ck_assert_ptr_null(fake_collectd_log_find(SECRET));
  }
  fake_collectd_reset();
}
END_TEST

/* Each block begins with its own size. */
static void *curl_malloc(size_t size) {
  max_align_t *block = malloc(sizeof(*block) + size);
  if (!block)
    return NULL;
  memcpy(block, &size, sizeof(size));
  return block + 1;
}

static void curl_release(void *data) {
  max_align_t *block = data;
  size_t size;
  if (!block)
    return;
  memcpy(&size, --block, sizeof(size));
  explicit_bzero(block, sizeof(*block) + size);
  __real_free(block);
}

static void *curl_realloc(void *old, size_t size) {
  size_t old_size = 0;
  void *new = curl_malloc(size);
  if (old)
    memcpy(&old_size, (max_align_t *)old - 1, sizeof(old_size));
  if (new &&old)
    memcpy(new, old, old_size < size ? old_size : size);
  if (new)
    curl_release(old);
  return new;
}

static char *curl_strdup(const char *text) {
  char *copy = curl_malloc(strlen(text) + 1);
  if (copy)
    memcpy(copy, text, strlen(text) + 1);
  return copy;
}

static void *curl_calloc(size_t count, size_t size) {
  void *data = curl_malloc(count * size);
  if (data)
    memset(data, 0, count * size);
  return data;
}

static struct fc_now clock_now = {.mono_ms = 1000000, .epoch_s = 1795458360};

static struct fc_now read_clock(void *data) {
  (void)data;
  return clock_now;
}

/* Polls until the server has been asked so many times more. */
static void ask(struct fc_poller *poller, struct fc_keyfile *keyfile,
                size_t times) {
  size_t wanted = fake_firecrawl_count(server, "a") + times;
  for (int i = 0; i < STEPS_MAX; i++) {
    if (fake_firecrawl_count(server, "a") >= wanted)
      return;
    (void)fc_keyfile_check(keyfile, clock_now);
    ck_assert_int_eq(fc_poller_step(poller, 5), FC_OK);
    clock_now.mono_ms += STEP_MS;
    clock_now.epoch_s += STEP_MS / 1000;
  }
  ck_abort_msg("the server is not asked");
}

START_TEST(a_life_with_a_new_key_leaves_none_behind) {
  static const struct fc_clock clock = {.now = read_clock};
  struct fc_settings settings;
  ck_assert_int_eq(curl_global_init_mem(CURL_GLOBAL_DEFAULT, curl_malloc,
                                        curl_release, curl_realloc, curl_strdup,
                                        curl_calloc),
                   CURLE_OK);
  ck_assert_int_eq(fc_transport_curl_global_init(), FC_OK);
  server_start();
  script("job extract a\n  state processing\n");
  test_write(path, SECRET "\n");
  fc_settings_init(&settings);
  settings.name = strdup("prod");
  settings.api_key_file = strdup(path);
  ck_assert_int_eq(server_url(&settings), FC_OK);
  struct fc_instance *instance = fc_instance_new(&settings, 10000, 1);
  struct fc_poller *poller = fc_poller_new(fc_transport_curl_new(), &clock);
  ck_assert(instance && poller);
  begin();
  struct fc_keyfile *keyfile =
      fc_keyfile_new(instance, fc_poller_waker(poller), clock_now);
  ck_assert_ptr_nonnull(keyfile);
  ck_assert_int_eq(fc_poller_add(poller, instance, keyfile), FC_OK);
  ck_assert_int_eq(fc_instance_add(instance, fc_kind_get(FC_KIND_EXTRACT), "a",
                                   NULL, FC_SOURCE_CONFIG, clock_now),
                   FC_OK);
  ask(poller, keyfile, 2);
  size_t before = watch.pages;
  test_write(path, SECOND "\n");
  ask(poller, keyfile, 4);
  ck_assert_uint_gt(watch.pages, before);
  fc_poller_free(poller);
  fc_keyfile_free(keyfile);
  fc_instance_free(instance);
  fc_settings_release(&settings);
  end(true, true);
  fake_firecrawl_stop(server);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("secret");
  TCase *tests = tcase_create("secret");
  tcase_set_timeout(tests, 60);
  tcase_add_checked_fixture(tests, set_up, tear_down);
  tcase_add_test(tests, a_key_is_wiped_when_it_is_replaced_and_released);
  tcase_add_loop_test(tests, what_a_key_file_held_is_wiped_be_it_a_key_or_not,
                      0, (int)(sizeof(files) / sizeof(files[0])));
  tcase_add_test(tests, settings_are_wiped);
  tcase_add_test(tests, a_key_that_is_configured_twice_or_for_nothing_is_wiped);
  tcase_add_test(tests, a_life_with_a_new_key_leaves_none_behind);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
