/* SPDX-License-Identifier: MIT */

#include "src/base/text.h"

#include "src/base/glyph.h"
#include "src/base/macros.h"
#include "src/base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char ellipsis[] = "...";

struct line {
  char *out;
  size_t size;
  size_t used;
  size_t keep; /* what of it stays when the ellipsis has to follow */
  bool blank;  /* pending before the next character */
};

/* False when it does not fit. */
static bool line_put(struct line *line, const char *bytes, size_t len) {
  size_t blank = line->blank && line->used ? 1 : 0;
  if (line->used + blank + len >= line->size)
    return false;
  memcpy(line->out + line->used, " ", blank);
  memcpy(line->out + line->used + blank, bytes, len);
  line->used += blank + len;
  line->blank = false;
  if (line->used + strlen(ellipsis) < line->size)
    line->keep = line->used;
  return true;
}

static void line_cut(struct line *line) {
  if (line->size < sizeof(ellipsis))
    return;
  memcpy(line->out + line->keep, ellipsis, strlen(ellipsis));
  line->used = line->keep + strlen(ellipsis);
}

/* One that is in the text is not cut either. */
static bool is_mask(const char *in, size_t len) {
  return len >= strlen(FC_SECRET_MASK) &&
         memcmp(in, FC_SECRET_MASK, strlen(FC_SECRET_MASK)) == 0;
}

size_t fc_text_line_masked(const struct fc_secrets *secrets, char *out,
                           size_t size, const char *in, size_t len) {
  static const char mask[] = FC_SECRET_MASK, mark = FC_GLYPH_MARK_TEXT;
  struct line line = {.out = out, .size = size};
  bool fits = true;
  if (size == 0)
    return 0;
  for (size_t i = 0, taken; i < len && fits; i += taken) {
    taken = fc_secret_at(secrets, in, len, i);
    if (!taken && is_mask(in + i, len - i))
      taken = strlen(mask);
    if (taken) {
      fits = line_put(&line, mask, strlen(mask));
      continue;
    }
    enum fc_glyph glyph = fc_glyph_at(in + i, len - i, &taken);
    if (glyph == FC_GLYPH_BLANK)
      line.blank = true;
    else if (glyph == FC_GLYPH_MARK)
      fits = line_put(&line, &mark, 1);
    else
      fits = line_put(&line, in + i, taken);
  }
  if (!fits)
    line_cut(&line);
  out[line.used] = '\0';
  return line.used;
}

size_t fc_text_line(char *out, size_t size, const char *in, size_t len) {
  return fc_text_line_masked(NULL, out, size, in, len);
}

/* The length without a last character that was cut short. */
static size_t whole_length(const char *text, size_t len) {
  for (size_t back = 1; back <= 3 && back <= len; back++)
    if (!fc_utf8_is_tail((uint8_t)text[len - back]))
      return fc_utf8_lead((uint8_t)text[len - back]) > back ? len - back : len;
  return len;
}

void fc_text_append(char *out, size_t size, size_t *used, const char *format,
                    ...) {
  va_list args;
  if (*used >= size)
    return;
  char *tail = out + *used;
  size_t room = size - *used;
  va_start(args, format);
  int len = vsnprintf(tail, room, format, args);
  va_end(args);
  if (len < 0) {
    *tail = '\0';
  } else if ((size_t)len < room) {
    *used += (size_t)len;
  } else {
    size_t whole = whole_length(tail, room - 1);
    memset(tail + whole, '\0', room - whole);
    *used = size - 1;
  }
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

void fc_text_copy(char *out, size_t size, const char *text) {
  size_t used = 0;
  fc_text_append(out, size, &used, "%s", text);
}

bool fc_text_int(const char *text, size_t len, int64_t min, int64_t max,
                 int64_t *value) {
  size_t i = len > 0 && text[0] == '-' ? 1 : 0;
  bool negative = i == 1;
  int64_t sum = 0;
  if (i == len)
    return false;
  for (; i < len; i++) {
    int digit = text[i] - '0';
    if (!is_digit(text[i]) || __builtin_mul_overflow(sum, 10, &sum) ||
        __builtin_add_overflow(sum, negative ? -digit : digit, &sum))
      return false;
  }
  if (sum < min || sum > max)
    return false;
  *value = sum;
  return true;
}

static const struct {
  const char *name;
  int64_t per_second;
} units[] = {{"s", 1}, {"ms", 1000}};

/* A decimal number, rounded up, at *text, which then points behind it. */
static bool number_ceil(const char **text, const char *end, int64_t *value) {
  const char *start = *text, *p = start;
  bool rest = false;
  while (p < end && is_digit(*p))
    p++;
  if (!fc_text_int(start, (size_t)(p - start), 0, INT64_MAX - 1, value))
    return false;
  if (end - p >= 2 && p[0] == '.' && is_digit(p[1]))
    for (p++; p < end && is_digit(*p); p++)
      rest |= *p != '0';
  *value += rest;
  *text = p;
  return true;
}

static bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* "23s", "1.5s" or "1500ms" at text. */
static bool delay_at(const char *text, const char *end, int64_t *seconds) {
  int64_t value;
  if (!number_ceil(&text, end, &value))
    return false;
  const char *unit = text;
  while (text < end && is_letter(*text))
    text++;
  for (size_t i = 0; i < COUNT_OF(units); i++) {
    if (strlen(units[i].name) != (size_t)(text - unit) ||
        strncasecmp(units[i].name, unit, (size_t)(text - unit)) != 0)
      continue;
    int64_t whole = value / units[i].per_second;
    *seconds = whole + (value % units[i].per_second != 0);
    return *seconds <= FC_TEXT_DELAY_MAX_S;
  }
  return false;
}

bool fc_text_retry_after(const char *text, size_t len, int64_t *seconds) {
  static const char words[] = "retry after ";
  const char *end = text + len;
  int64_t found;
  for (; (size_t)(end - text) > strlen(words); text++) {
    if (strncasecmp(text, words, strlen(words)) == 0 &&
        delay_at(text + strlen(words), end, &found)) {
      *seconds = found;
      return true;
    }
  }
  return false;
}

/* A word of an error text, without the punctuation around it. */
struct word {
  const char *text;
  size_t len;
  bool ends_clause; /* punctuation stands behind it */
};

/* The next blank-separated word at *text, which then points behind it; an empty
 * one at the end. */
static struct word next_word(const char **text, const char *end) {
  const char *p = *text, *start, *last;
  while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
    p++;
  for (start = p; p < end && !memchr(" \t\n\r", *p, 4); p++)
    continue;
  for (last = p; last > start && memchr(".,:;!?)\"'", last[-1], 9); last--)
    continue;
  for (*text = p; start < last && memchr("(\"'", *start, 3); start++)
    continue;
  return (struct word){start, (size_t)(last - start), last < p};
}

static bool word_is_one_of(struct word word, const char *const *list) {
  for (; *list; list++)
    if (strlen(*list) == word.len &&
        strncasecmp(*list, word.text, word.len) == 0)
      return true;
  return false;
}

bool fc_text_says_cancelled(const char *text, size_t len) {
  enum { WORDS_MAX = 6 };
  static const char *const article[] = {"the", NULL};
  static const char *const subjects[] = {"agent", "job", "run", "task", NULL};
  static const char *const cancelled[] = {"cancelled", "canceled", NULL};
  /* What follows these is denied, or is said of something else. */
  static const char *const turns[] = {
      "not",     "never", "cannot",  "can't",  "couldn't", "wasn't",
      "isn't",   "as",    "because", "since",  "after",    "before",
      "when",    "while", "if",      "unless", "until",    "with",
      "without", "due",   "to",      "and",    "but",      "whose",
      "which",   "that",  "on",      "of",     "will",     "would",
      "may",     "might", "could",   "for",    "in",       NULL};
  const char *end = text + len;
  struct word word = next_word(&text, end);
  int count = 1;
  if (word_is_one_of(word, article)) {
    word = next_word(&text, end);
    count++;
  }
  if (!word_is_one_of(word, subjects))
    return false;
  for (bool new_clause = word.ends_clause; count < WORDS_MAX; count++) {
    word = next_word(&text, end);
    if (word_is_one_of(word, cancelled))
      return true;
    if (!word.len || new_clause || word_is_one_of(word, turns))
      return false;
    new_clause = word.ends_clause;
  }
  return false;
}
