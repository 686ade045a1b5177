/* SPDX-License-Identifier: MIT */

/* The bytes of a key file: a key is what may stand in a header, whole and
 * alone; anything else leaves the old one. */

#include "src/api/key.h"
#include "src/api/name.h"

#include "t/fuzz/fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

static const char old[] = "fc-old";

/* What may be around a key is the end of its line. */
static bool is_key(const char *text, size_t len, const struct fc_key *key) {
  if (len < key->len || memcmp(text, key->bytes, key->len) != 0)
    return false;
  for (size_t i = key->len; i < len; i++)
    if (text[i] != '\n' && text[i] != '\r')
      return false;
  return key->bytes[key->len] == '\0' && fc_key_valid(key->bytes, key->len);
}

/* A file without a place, by the path that the kernel has for it. */
static int make_file(const uint8_t *data, size_t size, char path[32]) {
  int fd = memfd_create("key", MFD_CLOEXEC);
  FUZZ_REQUIRE(fd >= 0 && write(fd, data, size) == (ssize_t)size);
  (void)snprintf(path, 32, "/proc/self/fd/%d", fd);
  return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct fc_key key;
  char path[32], detail[64];
  unsigned access = 0;
  int fd = make_file(data, size, path);
  fc_key_init(&key);
  FUZZ_REQUIRE(!fc_key_set(&key, old, strlen(old)));
  if (!fc_key_read(&key, path, &access, detail, sizeof(detail)))
    FUZZ_REQUIRE(is_key((const char *)data, size, &key));
  else {
    FUZZ_REQUIRE(strcmp(key.bytes, old) == 0 && key.len == strlen(old));
    FUZZ_REQUIRE(detail[0] && fuzz_is_safe(detail, strlen(detail)));
  }
  fc_key_release(&key);
  (void)close(fd);
  return 0;
}
