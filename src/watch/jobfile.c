#include "src/watch/jobfile.h"

#include "src/api/request.h"
#include "src/base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
  WORDS_MAX = 3,
  QUOTE_SIZE = 49, /* of a word in a reason, with its NUL */
  REASON_SIZE = 192
};

static const char byte_order_mark[] = "\xef\xbb\xbf";

struct parse {
  size_t line;
  fc_jobfile_take take;
  fc_jobfile_refuse refuse;
  void *data;
};

static void line_refuse(const struct parse *parse, const char *format, ...)
    FC_PRINTF(2, 3);

static void line_refuse(const struct parse *parse, const char *format, ...) {
  char reason[REASON_SIZE];
  va_list args;
  va_start(args, format);
  (void)vsnprintf(reason, sizeof(reason), format, args);
  va_end(args);
  parse->refuse(parse->line, reason, parse->data);
}

static const char *quote(char out[QUOTE_SIZE], const char *word) {
  (void)fc_text_line(out, QUOTE_SIZE, word, strlen(word));
  return out;
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
static size_t line_split(char *line, char *words[WORDS_MAX]) {
  size_t count = 0;
  for (char *at = line;;) {
    while (is_blank(*at))
      at++;
    if (*at == '\0' || *at == '#')
      return count;
    if (count < WORDS_MAX)
      words[count] = at;
    count++;
    while (*at && !is_blank(*at))
      at++;
    if (*at)
      *at++ = '\0';
  }
}

static void refuse_kind(const struct parse *parse, const char *word) {
  char kinds[REASON_SIZE / 2], quoted[QUOTE_SIZE];
  size_t used = 0;
  for (size_t i = 0; i < FC_KIND_COUNT; i++)
    fc_text_append(kinds, sizeof(kinds), &used, "%s%s", i ? ", " : "",
                   fc_kind_get((enum fc_kind_id)i)->name);
  line_refuse(parse, "\"%s\" is no kind of job: one of %s is expected",
              quote(quoted, word), kinds);
}

static enum fc_error entry_give(const struct parse *parse,
                                const struct fc_jobfile_entry *entry) {
  char quoted[QUOTE_SIZE];
  enum fc_error error;
  if (!fc_id_valid(entry->id, strlen(entry->id))) {
    line_refuse(parse,
                "\"%s\" is no job ID: 1 to %d characters of A-Z a-z 0-9 _ - "
                "are expected",
                quote(quoted, entry->id), FC_ID_MAX);
    return FC_OK;
  }
  if (entry->name && !fc_name_valid(entry->name, strlen(entry->name))) {
    line_refuse(parse,
                "\"%s\" is no job name: 1 to %d characters of A-Z a-z 0-9 _ . "
                "- are expected",
                quote(quoted, entry->name), FC_NAME_MAX);
    return FC_OK;
  }
  error = parse->take(entry, parse->data);
  if (error && error != FC_ERR_MEMORY) {
    line_refuse(parse, "\"%s\": %s", quote(quoted, entry->id),
                fc_error_text(error));
    return FC_OK;
  }
  return error;
}

static enum fc_error words_parse(const struct parse *parse,
                                 char *words[WORDS_MAX], size_t count) {
  const struct fc_kind *kind =
      count > 1 ? fc_kind_by_name(words[0], strlen(words[0])) : NULL;
  size_t first = kind ? 1 : 0;
  struct fc_jobfile_entry entry = {.line = parse->line};
  if (count > WORDS_MAX) {
    line_refuse(parse, "expected \"[KIND] ID [NAME]\", got %zu words", count);
    return FC_OK;
  }
  if (count - first > 2) {
    refuse_kind(parse, words[0]);
    return FC_OK;
  }
  entry.kind = kind ? kind : fc_kind_get(FC_KIND_EXTRACT);
  entry.id = words[first];
  entry.name = count - first == 2 ? words[first + 1] : NULL;
  return entry_give(parse, &entry);
}

static enum fc_error line_parse(const struct parse *parse, const char *text,
                                size_t len) {
  char line[FC_JOBFILE_LINE_MAX + 1];
  char *words[WORDS_MAX];
  size_t count;
  if (len > 0 && text[len - 1] == '\r')
    len--;
  if (len > FC_JOBFILE_LINE_MAX) {
    line_refuse(parse, "the line is longer than %d bytes", FC_JOBFILE_LINE_MAX);
    return FC_OK;
  }
  if (has_control(text, len)) {
    line_refuse(parse, "the line has a control character");
    return FC_OK;
  }
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

static bool has_word(const char *text, size_t len,
                     const struct fc_secret *secret) {
  const char *at = text, *end = text + len;
  while ((at = skip(at, end, /* blanks = */ true)) < end) {
    const char *word = at;
    at = skip(at, end, /* blanks = */ false);
    if (*word == '#') {
      const char *newline = memchr(word, '\n', (size_t)(end - word));
      at = newline ? newline : end;
    } else if ((size_t)(at - word) == secret->len &&
               memcmp(word, secret->bytes, secret->len) == 0) {
      return true;
    }
  }
  return false;
}

bool fc_jobfile_holds_secret(const char *text, size_t len,
                             const struct fc_secrets *secrets) {
  for (size_t i = 0; i < secrets->len; i++) {
    const struct fc_secret *secret = &secrets->list[i];
    if (secret->len >= FC_SECRET_LONG
            ? memmem(text, len, secret->bytes, secret->len) != NULL
            : has_word(text, len, secret))
      return true;
  }
  return false;
}
