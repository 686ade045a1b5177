/* SPDX-License-Identifier: MIT */

#include "src/base/secret.h"

#include "src/base/macros.h"

#include <stdbool.h>
#include <string.h>

static bool is_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
         (c >= 'a' && c <= 'z') || c == '_' || c == '-';
}

static size_t as_it_is(const char *text, size_t len, char byte) {
  (void)len;
  return *text == byte;
}

static int hex_digit(char c) {
  static const char digits[] = "0123456789abcdef0123456789ABCDEF";
  const char *found = c ? strchr(digits, c) : NULL;
  return found ? (int)(found - digits) % 16 : -1;
}

/* RFC 8259 section 7; no secret has a byte that only \b, \f, \n, \r or \t can
 * stand for. */
static size_t in_json(const char *text, size_t len, char byte) {
  if (*text != '\\')
    return *text == byte;
  if (len >= 2 && text[1] == byte && strchr("\"\\/", byte))
    return 2;
  if (len >= 6 && memcmp(text, "\\u00", 4) == 0 &&
      hex_digit(text[4]) == (unsigned char)byte >> 4 &&
      hex_digit(text[5]) == (byte & 0xf))
    return 6;
  return 0;
}

/* How a secret may be written: how many bytes of text[len], which is not empty,
 * stand for one of its bytes; 0: they do not. */
static size_t (*const forms[])(const char *text, size_t len,
                               char byte) = {as_it_is, in_json};

static size_t form_at(size_t form, const struct fc_secret *secret,
                      const char *text, size_t len, size_t at) {
  size_t end = at;
  for (size_t i = 0; i < secret->len; i++) {
    if (end == len)
      return i >= FC_SECRET_LONG || len >= FC_SECRET_CUT ? end - at : 0;
    size_t taken = forms[form](text + end, len - end, secret->bytes[i]);
    if (!taken)
      return 0;
    end += taken;
  }
  return end - at;
}

static bool stands_alone(const char *text, size_t len, size_t at, size_t end) {
  return !(at > 0 && is_word(text[at - 1]) && is_word(text[at])) &&
         !(end < len && is_word(text[end - 1]) && is_word(text[end]));
}

size_t fc_secret_at(const struct fc_secrets *secrets, const char *text,
                    size_t len, size_t at) {
  size_t longest = 0;
  for (size_t i = 0; secrets && i < secrets->len; i++) {
    const struct fc_secret *secret = &secrets->list[i];
    for (size_t form = 0; form < COUNT_OF(forms); form++) {
      size_t found = form_at(form, secret, text, len, at);
      if (found > longest && (secret->len >= FC_SECRET_LONG ||
                              stands_alone(text, len, at, at + found)))
        longest = found;
    }
  }
  return longest;
}
