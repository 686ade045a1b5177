/* SPDX-License-Identifier: MIT */

#include "src/base/secret.h"

#include "src/base/glyph.h"
#include "src/base/macros.h"

#include <stdbool.h>
#include <string.h>

static bool is_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
         (c >= 'a' && c <= 'z') || c == '_' || c == '-';
}

/* What becomes this byte in a line, which has one blank for each run of them.
 */
static size_t as_it_is(const char *text, size_t len, char byte) {
  size_t used = 0, taken;
  if (byte == FC_GLYPH_MARK_TEXT &&
      fc_glyph_at(text, len, &taken) == FC_GLYPH_MARK)
    return taken;
  if (byte != ' ')
    return *text == byte;
  while (used < len &&
         fc_glyph_at(text + used, len - used, &taken) == FC_GLYPH_BLANK)
    used += taken;
  return used;
}

static int hex_digit(char c) {
  static const char digits[] = "0123456789abcdef0123456789ABCDEF";
  const char *found = c ? strchr(digits, c) : NULL;
  return found ? (int)(found - digits) % 16 : -1;
}

/* RFC 8259 section 7. */
static size_t in_json(const char *text, size_t len, char byte) {
  if (*text != '\\')
    return as_it_is(text, len, byte);
  if (len >= 2 && text[1] == byte && strchr("\"\\/", byte))
    return 2;
  if (len >= 2 && byte == ' ' && text[1] == 't')
    return 2;
  if (len >= 6 && memcmp(text, "\\u00", 4) == 0 &&
      hex_digit(text[4]) == (unsigned char)byte >> 4 &&
      hex_digit(text[5]) == (byte & 0xf))
    return 6;
  return 0;
}

/* RFC 3986 section 2.1, and the + of a form for a blank. */
static size_t in_url(const char *text, size_t len, char byte) {
  if (len >= 3 && *text == '%' &&
      hex_digit(text[1]) == (unsigned char)byte >> 4 &&
      hex_digit(text[2]) == (byte & 0xf))
    return 3;
  return *text == '+' && byte == ' ' ? 1 : as_it_is(text, len, byte);
}

/* How a secret may be written: how many bytes of text[len], which is not empty,
 * stand for one of its bytes; 0: they do not. */
static size_t (*const forms[])(const char *text, size_t len,
                               char byte) = {as_it_is, in_json, in_url};

/* An escape that the end of the text has cut. */
static bool is_cut(const char *text, size_t len) {
  return (*text == '%' && len < 3) || (*text == '\\' && len < 6);
}

static size_t form_at(size_t form, const struct fc_secret *secret,
                      const char *text, size_t len, size_t at) {
  size_t end = at;
  for (size_t i = 0; i < secret->len; i++) {
    size_t taken =
        end < len ? forms[form](text + end, len - end, secret->bytes[i]) : 0;
    if (!taken && (end == len || is_cut(text + end, len - end)))
      return i >= FC_SECRET_LONG || len >= FC_SECRET_CUT ? len - at : 0;
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

/* The longest that any form of the secret takes there. */
static size_t secret_at(const struct fc_secret *secret, const char *text,
                        size_t len, size_t at) {
  size_t longest = 0;
  for (size_t form = 0; form < COUNT_OF(forms); form++) {
    size_t found = form_at(form, secret, text, len, at);
    if (found > longest && (secret->len >= FC_SECRET_LONG ||
                            stands_alone(text, len, at, at + found)))
      longest = found;
  }
  return longest;
}

size_t fc_secret_at(const struct fc_secrets *secrets, const char *text,
                    size_t len, size_t at) {
  size_t longest = 0;
  for (; secrets; secrets = secrets->more) {
    for (size_t i = 0; i < secrets->len; i++) {
      size_t found = secret_at(&secrets->list[i], text, len, at);
      if (found > longest)
        longest = found;
    }
  }
  return longest;
}
