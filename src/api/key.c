/* SPDX-License-Identifier: MIT */

#include "src/api/key.h"

#include "src/api/name.h"
#include "src/base/file.h"
#include "src/base/text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE_SIZE = 4096 /* a key and its NUL fit */ };

_Static_assert((int)FC_KEY_MAX < (int)PAGE_SIZE, "the key fits in its page");

void fc_key_init(struct fc_key *key) { *key = (struct fc_key){0}; }

static void page_free(char *page) {
  if (!page)
    return;
  explicit_bzero(page, PAGE_SIZE);
  (void)munmap(page, PAGE_SIZE);
}

void fc_key_release(struct fc_key *key) {
  page_free(key->bytes);
  page_free(key->former);
  fc_key_init(key);
}

enum fc_error fc_key_set(struct fc_key *key, const char *bytes, size_t len) {
  if (!fc_key_valid(bytes, len))
    return FC_ERR_ARGUMENT;
  if (key->bytes && key->len == len && memcmp(key->bytes, bytes, len) == 0)
    return FC_OK;
  char *page = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED)
    return FC_ERR_MEMORY;
  /* Where the kernel does not know the advice, the key is merely in the dump.
   */
  (void)madvise(page, PAGE_SIZE, MADV_DONTDUMP);
  memcpy(page, bytes, len);
  page[len] = '\0';
  page_free(key->former);
  key->former = key->bytes;
  key->former_len = key->len;
  key->bytes = page;
  key->len = len;
  key->generation++;
  return FC_OK;
}

size_t fc_key_secrets(const struct fc_key *key,
                      struct fc_secret list[FC_KEY_SECRETS]) {
  size_t count = 0;
  if (key->bytes)
    list[count++] = (struct fc_secret){key->bytes, key->len};
  if (key->former)
    list[count++] = (struct fc_secret){key->former, key->former_len};
  return count;
}

static const char *what_is_wrong(const char *text, size_t len) {
  if (len == 0)
    return "is empty";
  if (len > FC_KEY_MAX)
    return "holds more than a key";
  for (size_t i = 0; i < len; i++)
    if (text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r')
      return "has white space inside: one key in one line is expected";
  return "has bytes that no key has: " FC_KEY_RULE " are expected";
}

enum fc_error fc_key_read(struct fc_key *key, const char *path,
                          unsigned *access, char *detail, size_t size) {
  char *text;
  size_t len;
  enum fc_error error = fc_file_read(path, (size_t)2 * PAGE_SIZE, &text, &len,
                                     access, detail, size);
  if (error)
    return error;
  size_t whole = len;
  while (len && (text[len - 1] == '\n' || text[len - 1] == '\r'))
    len--;
  error = fc_key_set(key, text, len);
  if (error == FC_ERR_ARGUMENT)
    fc_text_copy(detail, size, what_is_wrong(text, len));
  else if (error)
    fc_text_copy(detail, size, fc_error_text(error));
  explicit_bzero(text, whole);
  free(text);
  return error;
}
