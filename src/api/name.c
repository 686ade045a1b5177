/* SPDX-License-Identifier: MIT */

#include "src/api/name.h"

#include <string.h>

#define LETTERS_AND_DIGITS                                                     \
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

/* isalnum() asks the locale; a URL must not. */
static bool made_of(const char *text, size_t len, size_t max,
                    const char *allowed) {
  if (len == 0 || len > max)
    return false;
  for (size_t i = 0; i < len; i++)
    if (!memchr(allowed, text[i], strlen(allowed)))
      return false;
  return true;
}

bool fc_id_valid(const char *id, size_t len) {
  return made_of(id, len, FC_ID_MAX, LETTERS_AND_DIGITS "_-");
}

bool fc_name_valid(const char *name, size_t len) {
  return made_of(name, len, FC_NAME_MAX, LETTERS_AND_DIGITS "_.-");
}

bool fc_key_valid(const char *key, size_t len) {
  if (len == 0 || len > FC_KEY_MAX)
    return false;
  for (size_t i = 0; i < len; i++)
    if (key[i] < 0x21 || key[i] > 0x7e)
      return false;
  return true;
}

static int in_graphite(char c) { return c == '.' ? '_' : (unsigned char)c; }

int fc_name_compare_in_graphite(const char *a, const char *b) {
  while (*a && in_graphite(*a) == in_graphite(*b)) {
    a++;
    b++;
  }
  return in_graphite(*a) - in_graphite(*b);
}
