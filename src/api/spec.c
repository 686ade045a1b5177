/* SPDX-License-Identifier: MIT */

#include "src/api/spec.h"

#include "src/api/kind.h"
#include "src/api/name.h"
#include "src/base/error.h"
#include "src/base/macros.h"
#include "src/base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static bool refuse(char reason[FC_SPEC_REASON_SIZE], const char *format, ...)
    FC_PRINTF(2, 3);

static bool refuse(char reason[FC_SPEC_REASON_SIZE], const char *format, ...) {
  va_list args;
  va_start(args, format);
  (void)vsnprintf(reason, FC_SPEC_REASON_SIZE, format, args);
  va_end(args);
  return false;
}

static bool refuse_word(char reason[FC_SPEC_REASON_SIZE], const char *word,
                        size_t len, const char *why) {
  char quoted[FC_SPEC_QUOTE_SIZE];
  (void)fc_text_line(quoted, sizeof(quoted), word, len);
  return refuse(reason, "\"%s\" is not a %s", quoted, why);
}

static bool refuse_kind(char reason[FC_SPEC_REASON_SIZE], const char *word,
                        size_t len) {
  char why[FC_SPEC_REASON_SIZE - FC_SPEC_QUOTE_SIZE];
  size_t used = 0;
  fc_text_append(why, sizeof(why), &used, "kind of job: one of ");
  for (size_t i = 0; i < FC_KIND_COUNT; i++)
    fc_text_append(why, sizeof(why), &used, "%s%s", i ? ", " : "",
                   fc_kind_get((enum fc_kind_id)i)->name);
  fc_text_append(why, sizeof(why), &used, " is expected");
  return refuse_word(reason, word, len, why);
}

const struct fc_kind *fc_spec_kind(char *const *words, size_t count) {
  return count > 1 ? fc_kind_by_name(words[0], strlen(words[0])) : NULL;
}

static bool refuse_count(char reason[FC_SPEC_REASON_SIZE], const char *form,
                         size_t count) {
  return refuse(reason, "expected \"%s\", got %zu words", form, count);
}

bool fc_spec_parse(struct fc_spec *spec, char *const *words, size_t count,
                   char reason[FC_SPEC_REASON_SIZE]) {
  struct fc_spec found = {.kind = fc_spec_kind(words, count)};
  const char *colon = found.kind ? NULL : strchr(words[0], ':');
  size_t first = found.kind ? 1 : 0;
  if (count > FC_SPEC_WORDS_MAX)
    return refuse_count(reason, "[KIND] ID [NAME]", count);
  if (colon) {
    size_t len = (size_t)(colon - words[0]);
    found.kind = fc_kind_by_name(words[0], len);
    if (!found.kind)
      return refuse_kind(reason, words[0], len);
    if (count > 2)
      return refuse_count(reason, "KIND:ID [NAME]", count);
  } else if (count - first > 2) {
    return refuse_kind(reason, words[0], strlen(words[0]));
  }
  found.id = colon ? colon + 1 : words[first];
  found.name = count - first == 2 ? words[first + 1] : NULL;
  if (!found.kind)
    found.kind = fc_kind_get(FC_KIND_EXTRACT);
  if (!fc_id_valid(found.id, strlen(found.id)))
    return refuse_word(reason, found.id, strlen(found.id),
                       "job ID: " FC_ID_RULE " are expected");
  if (found.name && !fc_name_valid(found.name, strlen(found.name)))
    return refuse_word(reason, found.name, strlen(found.name),
                       "job name: " FC_NAME_RULE " are expected");
  *spec = found;
  return true;
}
