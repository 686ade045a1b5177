/* SPDX-License-Identifier: MIT */

/* The envelope filter and json-c against json-c alone on the whole body: where
 * both accept it, they read the same. They may differ in this, and in nothing
 * else:
 *  - the filter alone refuses a wanted name that occurs twice or has escapes in
 *    it, bytes that are no UTF-8, control characters in strings, NaN and
 *    Infinity, and what else the reference (t/api/envelope_reference.c)
 * refuses;
 *  - json-c alone refuses nesting beyond its own limit;
 *  - json-c ends a name at \u0000, so that "status\u0000x" is the status;
 *  - the filter cuts a string and makes null of what is nested too deeply to be
 *    kept: the error text may differ then. */

#include "src/api/envelope.h"
#include "src/api/parse.h"

#include "t/api/envelope_reference.h"
#include "t/fuzz/fuzz.h"

static size_t count_of(const char *body, size_t len, const char *bytes) {
  size_t count = 0;
  for (size_t i = 0; i < len; i++)
    count += body[i] && strchr(bytes, body[i]);
  return count;
}

enum { JSON_C_DEPTH = 32 /* DEPTH_MAX of src/api/parse.c */ };

static enum fc_error filtered(const char *body, size_t len,
                              struct fc_reply *reply) {
  static char wanted[FC_ENVELOPE_KEEP_MAX];
  struct fc_envelope envelope;
  const char *json;
  size_t json_len, wanted_len;
  fc_envelope_init(&envelope);
  enum fc_error error = fc_envelope_write(&envelope, body, len);
  if (!error)
    error = fc_envelope_finish(&envelope, &json, &json_len);
  FUZZ_REQUIRE(!error == envelope_reference(body, len, wanted, &wanted_len));
  /* What the filter lets through, json-c takes. */
  if (!error)
    FUZZ_REQUIRE(!fc_parse_reply(json, json_len, NULL, reply));
  fc_envelope_release(&envelope);
  return error;
}

static void compare(const char *body, size_t size, const struct fc_reply *ours,
                    const struct fc_reply *whole) {
  FUZZ_REQUIRE(ours->facts.status == whole->facts.status);
  FUZZ_REQUIRE(strcmp(ours->status_word, whole->status_word) == 0);
  FUZZ_REQUIRE(ours->has_success == whole->has_success);
  FUZZ_REQUIRE(ours->facts.has_expires_at == whole->facts.has_expires_at);
  FUZZ_REQUIRE(!ours->facts.has_expires_at ||
               ours->facts.expires_at_s == whole->facts.expires_at_s);
  FUZZ_REQUIRE(ours->facts.has_tokens == whole->facts.has_tokens);
  FUZZ_REQUIRE(!ours->facts.has_tokens ||
               ours->facts.tokens == whole->facts.tokens);
  if (count_of(body, size, "[{") <= FC_ENVELOPE_KEEP_DEPTH_MAX)
    FUZZ_REQUIRE(strcmp(ours->error, whole->error) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const char *body = (const char *)data;
  struct fc_reply ours, whole;
  /* A cut string is cut. */
  if (size > FC_ENVELOPE_STRING_MAX)
    return 0;
  bool is_ours = !filtered(body, size, &ours);
  bool is_json_cs = !fc_parse_reply(body, size, NULL, &whole);
  if (is_ours && !is_json_cs)
    FUZZ_REQUIRE(count_of(body, size, "[{") > JSON_C_DEPTH);
  if (is_ours && is_json_cs && !memmem(body, size, "\\u0000", 6))
    compare(body, size, &ours, &whole);
  return 0;
}
