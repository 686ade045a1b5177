/* SPDX-License-Identifier: MIT */

#include "src/api/parse.h"

#include "src/api/envelope.h"
#include "src/base/macros.h"
#include "src/base/text.h"
#include "src/base/timestamp.h"

#include <json-c/json.h>
#include <math.h>
#include <string.h>

enum {
  /* More than the envelope keeps, and json-c's own default. */
  DEPTH_MAX = 32,
  JSON_C_0_17 = 0x001100,
  /* json_tokener_error_memory, which the headers have since 0.17. */
  TOKENER_ERROR_MEMORY = 16
};

/* STRICT forbids comments, trailing commas, leading zeros and words like
 * "True", none of which pass the envelope, but what else it forbids depends on
 * the library that is loaded: from 0.17 on an integer of more than 64 bits, in
 * 0.18 any string that is not ASCII. Both are valid JSON, and each would hide
 * the status beside it. So STRICT serves up to 0.16 only. Trailing bytes, which
 * it would refuse too, are checked by tokener_parse() for every version. */
static int tokener_flags(void) {
  int flags = JSON_TOKENER_VALIDATE_UTF8;
  if (json_c_version_num() < JSON_C_0_17)
    flags |= JSON_TOKENER_STRICT;
  return flags;
}

static bool opens_object(const char *json, size_t len) {
  size_t i = 0;
  while (i < len && memchr(" \t\r\n", json[i], 4))
    i++;
  return i < len && json[i] == '{';
}

/* What it means that json-c gave no object. Before 0.17 it reports "success"
 * when memory is short. */
static enum fc_error tokener_error(struct json_tokener *tokener) {
  int error = (int)json_tokener_get_error(tokener);
  return error == TOKENER_ERROR_MEMORY || error == json_tokener_success
             ? FC_ERR_MEMORY
             : FC_ERR_BODY;
}

static enum fc_error tokener_parse(const char *json, size_t len,
                                   struct json_object **root) {
  enum fc_error error = FC_OK;
  if (len > FC_ENVELOPE_KEEP_MAX || !opens_object(json, len))
    return FC_ERR_BODY;
  struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
  if (!tokener)
    return FC_ERR_MEMORY;
  json_tokener_set_flags(tokener, tokener_flags());
  struct json_object *object = json_tokener_parse_ex(tokener, json, (int)len);
  if (!object)
    error = tokener_error(tokener);
  else if (json_tokener_get_parse_end(tokener) != len)
    error = FC_ERR_BODY;
  if (error)
    json_object_put(object);
  else
    *root = object;
  json_tokener_free(tokener);
  return error;
}

/* A member of that type; NULL where there is none. */
static struct json_object *member(struct json_object *object, const char *name,
                                  enum json_type type) {
  struct json_object *value;
  if (!json_object_is_type(object, json_type_object) ||
      !json_object_object_get_ex(object, name, &value) ||
      !json_object_is_type(value, type))
    return NULL;
  return value;
}

struct slice {
  const char *text;
  size_t len;
};

static struct slice slice_of(struct json_object *string) {
  return (struct slice){json_object_get_string(string),
                        (size_t)json_object_get_string_len(string)};
}

/* json-c saturates integers of more than 64 bits: such a figure is not what was
 * sent, so it counts as absent. */
static bool take_number(struct json_object *root, const char *name,
                        double *value) {
  struct json_object *integer = member(root, name, json_type_int);
  struct json_object *number = integer;
  if (!number)
    number = member(root, name, json_type_double);
  if (!number || (integer && json_object_get_int64(integer) == INT64_MAX))
    return false;
  double taken = json_object_get_double(number);
  if (!isfinite(taken) || taken < 0)
    return false;
  *value = taken;
  return true;
}

static void take_word(struct json_object *string,
                      const struct fc_secrets *secrets,
                      char word[FC_WORD_SIZE]) {
  struct slice slice = slice_of(string);
  (void)fc_text_line_masked(secrets, word, FC_WORD_SIZE, slice.text, slice.len);
}

static void take_status(struct json_object *root,
                        const struct fc_secrets *secrets,
                        struct fc_reply *reply) {
  struct json_object *status = member(root, "status", json_type_string);
  reply->facts.status = FC_STATUS_NONE;
  if (!status)
    return;
  struct slice slice = slice_of(status);
  reply->facts.status = (int8_t)fc_status_from_wire(slice.text, slice.len);
  take_word(status, secrets, reply->status_word);
}

static void take_expires_at(struct json_object *root, struct fc_facts *facts) {
  struct json_object *expires = member(root, "expiresAt", json_type_string);
  if (!expires)
    return;
  struct slice slice = slice_of(expires);
  facts->has_expires_at =
      fc_timestamp_rfc3339(slice.text, slice.len, &facts->expires_at_s);
}

static void take_percent(struct json_object *root, struct fc_facts *facts) {
  double completed, total;
  if (!take_number(root, "completed", &completed) ||
      !take_number(root, "total", &total) || !(total > 0))
    return;
  facts->has_percent = true;
  facts->percent = completed < total ? 100.0 * completed / total : 100.0;
}

static void take_figures(struct json_object *root, struct fc_facts *facts) {
  take_expires_at(root, facts);
  take_percent(root, facts);
  facts->has_duration = take_number(root, "duration", &facts->duration_s);
  facts->has_tokens = take_number(root, "tokensUsed", &facts->tokens);
  facts->has_credits = take_number(root, "creditsUsed", &facts->credits);
}

/* The string inside an error object that says most; NULL if there is none. */
static struct json_object *error_words(struct json_object *error) {
  static const struct {
    const char *outer, *inner;
  } paths[] = {{NULL, "message"}, {NULL, "error"}, {"error", "message"}};
  for (size_t i = 0; i < COUNT_OF(paths); i++) {
    struct json_object *holder = error;
    if (paths[i].outer)
      holder = member(error, paths[i].outer, json_type_object);
    struct json_object *words =
        member(holder, paths[i].inner, json_type_string);
    if (words && json_object_get_string_len(words) > 0)
      return words;
  }
  return NULL;
}

static enum fc_error find_error_text(struct json_object *root,
                                     struct slice *found) {
  struct json_object *error = NULL, *words;
  if (!json_object_object_get_ex(root, "error", &error) || !error)
    (void)json_object_object_get_ex(root, "message", &error);
  *found = (struct slice){"", 0};
  if (!error)
    return FC_OK;
  words =
      json_object_is_type(error, json_type_string) ? error : error_words(error);
  if (words) {
    *found = slice_of(words);
    return FC_OK;
  }
  found->text = json_object_to_json_string_length(
      error, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE,
      &found->len);
  return found->text ? FC_OK : FC_ERR_MEMORY;
}

/* From the whole text: the part of it that reply->error holds may end before
 * the delay. */
static void take_retry_after(struct json_object *root,
                             const struct slice *error_text,
                             struct fc_reply *reply) {
  double seconds;
  if (take_number(root, "retry_after_seconds", &seconds) &&
      seconds <= (double)FC_TEXT_DELAY_MAX_S) {
    int64_t whole = (int64_t)seconds;
    reply->retry_after_s = whole + ((double)whole < seconds);
    reply->has_retry_after = true;
    return;
  }
  reply->has_retry_after = fc_text_retry_after(
      error_text->text, error_text->len, &reply->retry_after_s);
}

/* The text that is shown: `stopReason` says in a word what the error text may
 * not say at all. */
static void take_error(struct json_object *root, const struct slice *error_text,
                       const struct fc_secrets *secrets,
                       struct fc_reply *reply) {
  struct json_object *stop = member(root, "stopReason", json_type_string);
  char *text = reply->error;
  size_t size = sizeof(reply->error), used = 0, reason_len = 0;
  reply->says_cancelled =
      fc_text_says_cancelled(error_text->text, error_text->len);
  if (stop) {
    char word[FC_WORD_SIZE];
    take_word(stop, secrets, word);
    reason_len = strlen(word);
    fc_text_append(text, size, &used, "%s%s", word, word[0] ? ": " : "");
  }
  if (!fc_text_line_masked(secrets, text + used, size - used, error_text->text,
                           error_text->len))
    text[reason_len] = '\0';
}

enum fc_error fc_parse_reply(const char *json, size_t len,
                             const struct fc_secrets *secrets,
                             struct fc_reply *reply) {
  struct json_object *root, *replacement;
  struct fc_reply taken = {0};
  struct slice error_text;
  enum fc_error error = tokener_parse(json, len, &root);
  if (error)
    return error;
  error = find_error_text(root, &error_text);
  if (error)
    goto out;
  take_status(root, secrets, &taken);
  taken.has_success = member(root, "success", json_type_boolean) != NULL;
  take_figures(root, &taken.facts);
  take_retry_after(root, &error_text, &taken);
  take_error(root, &error_text, secrets, &taken);
  replacement = member(root, "replacement", json_type_string);
  if (replacement)
    take_word(replacement, secrets, taken.replacement);
  *reply = taken;
out:
  json_object_put(root);
  return error;
}

const char *fc_parse_library_version(void) { return json_c_version(); }
