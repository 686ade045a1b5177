/* SPDX-License-Identifier: MIT */

#include "t/api/envelope_reference.h"

#include <stdlib.h>
#include <string.h>

static const char *const kept_names[] = {
    "completed", "creditsUsed", "error",  "expiresAt",
    "message",   "replacement", "status", "retry_after_seconds",
    "success",   "tokensUsed",  "total",
};

enum { KEPT_NAMES = sizeof(kept_names) / sizeof(kept_names[0]) };

struct reader {
  const unsigned char *at, *end;
  char *copy; /* what was taken since copied was last 0, without white space
                 between tokens; as large as the body */
  size_t copied;
  int deepest;
};

static int peek(const struct reader *reader) {
  return reader->at < reader->end ? *reader->at : -1;
}

static int take(struct reader *reader) {
  int c = peek(reader);
  if (c >= 0) {
    reader->copy[reader->copied++] = (char)c;
    reader->at++;
  }
  return c;
}

static bool take_one_of(struct reader *reader, const char *bytes) {
  int c = peek(reader);
  return c > 0 && strchr(bytes, c) && take(reader) == c;
}

static void skip_blanks(struct reader *reader) {
  while (peek(reader) > 0 && strchr(" \t\r\n", peek(reader)))
    reader->at++;
}

static bool take_digits(struct reader *reader) {
  bool any = false;
  while (take_one_of(reader, "0123456789"))
    any = true;
  return any;
}

static bool take_number(struct reader *reader) {
  (void)take_one_of(reader, "-"); /* there may be none */
  if (!take_one_of(reader, "0") && !take_digits(reader))
    return false;
  if (take_one_of(reader, ".") && !take_digits(reader))
    return false;
  if (!take_one_of(reader, "eE"))
    return true;
  (void)take_one_of(reader, "+-"); /* there may be none */
  return take_digits(reader);
}

static bool take_word(struct reader *reader, const char *word) {
  while (*word && peek(reader) == *word) {
    take(reader);
    word++;
  }
  return !*word;
}

/* The rest of a character after its first byte, and its place in Unicode. */
static bool take_utf8(struct reader *reader, int first) {
  static const struct {
    int mask, lead, more;
    long least;
  } forms[] = {
      {0xe0, 0xc0, 1, 0x80}, {0xf0, 0xe0, 2, 0x800}, {0xf8, 0xf0, 3, 0x10000}};
  for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
    if ((first & forms[i].mask) != forms[i].lead)
      continue;
    long point = first & ~forms[i].mask;
    for (int more = forms[i].more; more > 0; more--) {
      if (peek(reader) < 0x80 || peek(reader) > 0xbf)
        return false;
      point = point * 64 + take(reader) - 0x80;
    }
    return point >= forms[i].least && point <= 0x10ffff &&
           (point < 0xd800 || point > 0xdfff);
  }
  return false;
}

static bool take_escape(struct reader *reader) {
  if (take_one_of(reader, "\"\\/bfnrt"))
    return true;
  if (!take_one_of(reader, "u"))
    return false;
  for (int i = 0; i < 4; i++)
    if (!take_one_of(reader, "0123456789abcdefABCDEF"))
      return false;
  return true;
}

static bool take_string(struct reader *reader) {
  if (!take_one_of(reader, "\""))
    return false;
  for (;;) {
    int c = take(reader);
    if (c == '"')
      return true;
    if (c < 0x20)
      return false;
    if (c == '\\' && !take_escape(reader))
      return false;
    if (c >= 0x80 && !take_utf8(reader, c))
      return false;
  }
}

static bool take_value(struct reader *reader, int depth);

static bool take_members(struct reader *reader, int depth, bool object) {
  const char *close = object ? "}" : "]";
  skip_blanks(reader);
  if (take_one_of(reader, close))
    return true;
  do {
    skip_blanks(reader);
    if (object) {
      if (!take_string(reader))
        return false;
      skip_blanks(reader);
      if (!take_one_of(reader, ":"))
        return false;
    }
    if (!take_value(reader, depth))
      return false;
  } while (take_one_of(reader, ","));
  return take_one_of(reader, close);
}

/* A value inside of depth containers, with the white space around it. */
static bool take_value(struct reader *reader, int depth) {
  bool good;
  skip_blanks(reader);
  switch (peek(reader)) {
  case '{':
  case '[':
    if (++depth > FC_ENVELOPE_DEPTH_MAX)
      return false;
    if (depth > reader->deepest)
      reader->deepest = depth;
    good = take_members(reader, depth, take(reader) == '{');
    break;
  case '"':
    good = take_string(reader);
    break;
  case 't':
    good = take_word(reader, "true");
    break;
  case 'f':
    good = take_word(reader, "false");
    break;
  case 'n':
    good = take_word(reader, "null");
    break;
  default:
    good = take_number(reader);
  }
  skip_blanks(reader);
  return good;
}

static long hex_escape(const char *text) {
  char digits[5] = {0};
  if (text[0] != '\\' || text[1] != 'u')
    return -1;
  memcpy(digits, text + 2, 4);
  return strtol(digits, NULL, 16);
}

/* The length of the character of a string at text; pairs are one. */
static size_t character_len(const char *text) {
  long unit = hex_escape(text);
  size_t len = 1;
  if (unit >= 0xd800 && unit <= 0xdbff && hex_escape(text + 6) >= 0xdc00 &&
      hex_escape(text + 6) <= 0xdfff)
    return 12;
  if (unit >= 0)
    return 6;
  if (*text == '\\')
    return 2;
  while (((unsigned char)text[len] & 0xc0) == 0x80)
    len++;
  return len;
}

/* Which kept name text[len] stands for once decoded; KEPT_NAMES for none. */
static int find_name(const char *text, size_t len) {
  static const char short_escapes[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
  const char *end = text + len;
  char decoded[32];
  size_t used = 0;
  int i = 0;
  while (text < end && used < sizeof(decoded) - 1) {
    long c = (unsigned char)*text;
    if (c == '\\')
      c = text[1] == 'u'
              ? hex_escape(text)
              : meant[strchr(short_escapes, text[1]) - short_escapes];
    if (c == 0 || c >= 0x80)
      return KEPT_NAMES;
    decoded[used++] = (char)c;
    text += character_len(text);
  }
  decoded[used] = '\0';
  if (text < end)
    return KEPT_NAMES;
  while (i < KEPT_NAMES && strcmp(kept_names[i], decoded) != 0)
    i++;
  return i;
}

/* What is kept of the value in reader->copy: its length, in place. */
static size_t shorten(struct reader *reader) {
  char *text = reader->copy;
  text[reader->copied] = '\0';
  if (*text == '"') {
    size_t at = 1;
    if (reader->copied - 2 <= FC_ENVELOPE_STRING_MAX)
      return reader->copied;
    while (at + character_len(text + at) <= 1 + FC_ENVELOPE_STRING_MAX)
      at += character_len(text + at);
    text[at] = '"';
    return at + 1;
  }
  if (reader->copied <= FC_ENVELOPE_STRING_MAX &&
      reader->deepest <= 1 + FC_ENVELOPE_KEEP_DEPTH_MAX)
    return reader->copied;
  memcpy(text, "null", 5);
  return 4;
}

static void append(char *json, size_t *json_len, const char *text, size_t len) {
  memcpy(json + *json_len, text, len);
  *json_len += len;
  json[*json_len] = '\0';
}

static bool filter_member(struct reader *reader, char *json, size_t *json_len,
                          bool seen[KEPT_NAMES]) {
  reader->copied = 0;
  skip_blanks(reader);
  if (!take_string(reader))
    return false;
  reader->copy[reader->copied] = '\0';
  bool escaped = strchr(reader->copy, '\\') != NULL;
  int name = find_name(reader->copy + 1, reader->copied - 2);
  skip_blanks(reader);
  if (!take_one_of(reader, ":"))
    return false;
  if (name < KEPT_NAMES && (escaped || seen[name]))
    return false;
  reader->copied = 0;
  reader->deepest = 0;
  if (!take_value(reader, 1))
    return false;
  if (name == KEPT_NAMES)
    return true;
  seen[name] = true;
  append(json, json_len, ",\"", *json_len > 1 ? 2 : 0);
  append(json, json_len, "\"", *json_len > 1 ? 0 : 1);
  append(json, json_len, kept_names[name], strlen(kept_names[name]));
  append(json, json_len, "\":", 2);
  append(json, json_len, reader->copy, shorten(reader));
  return true;
}

static bool filter(struct reader *reader, char *json, size_t *json_len) {
  bool seen[KEPT_NAMES] = {false};
  append(json, json_len, "{", 1);
  skip_blanks(reader);
  if (!take_one_of(reader, "{"))
    return false;
  skip_blanks(reader);
  if (!take_one_of(reader, "}")) {
    do {
      if (!filter_member(reader, json, json_len, seen))
        return false;
    } while (take_one_of(reader, ","));
    if (!take_one_of(reader, "}"))
      return false;
  }
  append(json, json_len, "}", 1);
  skip_blanks(reader);
  return reader->at == reader->end;
}

bool envelope_reference(const char *body, size_t len, char *json,
                        size_t *json_len) {
  struct reader reader = {.at = (const unsigned char *)body};
  reader.end = reader.at + len;
  reader.copy = calloc(len + 16, 1);
  *json_len = 0;
  bool good = reader.copy && filter(&reader, json, json_len);
  free(reader.copy);
  return good;
}
