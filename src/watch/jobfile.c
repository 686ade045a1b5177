/* SPDX-License-Identifier: MIT */

#include "src/watch/jobfile.h"

#include "src/api/spec.h"
#include "src/base/macros.h"
#include "src/base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char byte_order_mark[] = "\xef\xbb\xbf";

size_t fc_jobfile_lines_max(int64_t max_jobs) {
  return (size_t)fc_max64(2 * max_jobs, FC_JOBFILE_LINES_MIN);
}

bool fc_jobfile_has_more_lines(const char *text, size_t len, size_t lines_max) {
  const char *at = text, *end = text + len;
  for (size_t lines = 0;
       at < end && (at = memchr(at, '\n', (size_t)(end - at))); at++)
    if (lines++ == lines_max)
      return true;
  return false;
}

struct parse {
  size_t line;
  fc_jobfile_take take;
  fc_jobfile_refuse refuse;
  void *data;
};

static enum fc_error line_refuse(const struct parse *parse, const char *format,
                                 ...) FC_PRINTF(2, 3);

static enum fc_error line_refuse(const struct parse *parse, const char *format,
                                 ...) {
  char reason[FC_SPEC_REASON_SIZE];
  va_list args;
  va_start(args, format);
  (void)vsnprintf(reason, sizeof(reason), format, args);
  va_end(args);
  return parse->refuse(parse->line, reason, parse->data);
}

static bool is_blank(char byte) { return byte == ' ' || byte == '\t'; }

static bool has_control(const char *text, size_t len) {
  for (size_t i = 0; i < len; i++)
    if ((unsigned char)text[i] < 0x20 ? text[i] != '\t' : text[i] == 0x7f)
      return true;
  return false;
}

/* Splits a line in place, up to its comment. Words behind the last expected one
 * are only counted. */
static size_t line_split(char *line, char *words[FC_SPEC_WORDS_MAX]) {
  size_t count = 0;
  for (char *at = line;;) {
    while (is_blank(*at))
      at++;
    if (*at == '\0' || *at == '#')
      return count;
    if (count < FC_SPEC_WORDS_MAX)
      words[count] = at;
    count++;
    while (*at && !is_blank(*at))
      at++;
    if (*at)
      *at++ = '\0';
  }
}

static enum fc_error words_parse(const struct parse *parse, char *const *words,
                                 size_t count) {
  struct fc_spec spec;
  char reason[FC_SPEC_REASON_SIZE], quoted[FC_SPEC_QUOTE_SIZE];
  if (!fc_spec_parse(&spec, words, count, reason))
    return parse->refuse(parse->line, reason, parse->data);
  enum fc_error error = parse->take(parse->line, &spec, parse->data);
  if (!error || error == FC_ERR_MEMORY)
    return error;
  (void)fc_text_line(quoted, sizeof(quoted), spec.id, strlen(spec.id));
  return line_refuse(parse, "\"%s\": %s", quoted, fc_error_text(error));
}

static enum fc_error line_parse(const struct parse *parse, const char *text,
                                size_t len) {
  char line[FC_JOBFILE_LINE_MAX + 1];
  char *words[FC_SPEC_WORDS_MAX];
  size_t count;
  if (len > 0 && text[len - 1] == '\r')
    len--;
  if (len > FC_JOBFILE_LINE_MAX)
    return line_refuse(parse, "the line is longer than %d bytes",
                       FC_JOBFILE_LINE_MAX);
  if (has_control(text, len))
    return line_refuse(parse, "the line has a control character");
  memcpy(line, text, len);
  line[len] = '\0';
  count = line_split(line, words);
  return count ? words_parse(parse, words, count) : FC_OK;
}

enum fc_error fc_jobfile_parse(const char *text, size_t len,
                               fc_jobfile_take take, fc_jobfile_refuse refuse,
                               void *data) {
  struct parse parse = {.take = take, .refuse = refuse, .data = data};
  const char *at = text, *end = text + len, *newline;
  size_t mark = sizeof(byte_order_mark) - 1;
  enum fc_error error = FC_OK;
  if (len >= mark && memcmp(at, byte_order_mark, mark) == 0)
    at += mark;
  while (!error && at < end &&
         (newline = memchr(at, '\n', (size_t)(end - at)))) {
    parse.line++;
    error = line_parse(&parse, at, (size_t)(newline - at));
    at = newline + 1;
  }
  return error;
}

static const char *skip(const char *at, const char *end, bool blanks) {
  while (at < end && (memchr(" \t\r\n", *at, 4) != NULL) == blanks)
    at++;
  return at;
}

/* A word that is the secret, or a kind and the secret as its ID. */
static bool is_secret(const char *word, size_t len,
                      const struct fc_secret *secret) {
  const char *colon = memchr(word, ':', len);
  size_t id_len = colon ? (size_t)(word + len - colon) - 1 : len;
  return (len == secret->len && memcmp(word, secret->bytes, len) == 0) ||
         (id_len == secret->len &&
          memcmp(word + len - id_len, secret->bytes, id_len) == 0);
}

static bool has_word(const char *text, size_t len,
                     const struct fc_secret *secret) {
  const char *at = text, *end = text + len;
  while ((at = skip(at, end, /* blanks = */ true)) < end) {
    const char *word = at;
    at = skip(at, end, /* blanks = */ false);
    if (*word == '#') {
      const char *newline = memchr(word, '\n', (size_t)(end - word));
      at = newline ? newline : end;
    } else if (is_secret(word, (size_t)(at - word), secret)) {
      return true;
    }
  }
  return false;
}

static bool holds(const char *text, size_t len,
                  const struct fc_secret *secret) {
  return secret->len >= FC_SECRET_LONG
             ? memmem(text, len, secret->bytes, secret->len) != NULL
             : has_word(text, len, secret);
}

bool fc_jobfile_holds_secret(const char *text, size_t len,
                             const struct fc_secrets *secrets) {
  for (size_t i = 0; i < secrets->len; i++)
    if (holds(text, len, &secrets->list[i]))
      return true;
  for (secrets = secrets->more; secrets; secrets = secrets->more)
    for (size_t i = 0; i < secrets->len; i++)
      if (secrets->list[i].len >= FC_JOBFILE_SECRET_LONG &&
          has_word(text, len, &secrets->list[i]))
        return true;
  return false;
}
