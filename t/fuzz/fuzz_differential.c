/* The envelope filter and json-c against json-c alone on the whole body: where
 * both accept it, they read the same. What json-c is known to read wrongly, and
 * what the filter cuts on purpose, is left out. */

#include "src/envelope.h"
#include "src/parse.h"

#include "t/fuzz/fuzz.h"

static size_t count_of(const char *body, size_t len, const char *bytes) {
  size_t count = 0;
  for (size_t i = 0; i < len; i++)
    count += body[i] && strchr(bytes, body[i]);
  return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const char *body = (const char *)data, *json;
  size_t json_len;
  struct fc_reply ours, whole;
  struct fc_envelope envelope;
  /* "status\u0000x" is "status" to json-c; a cut string is cut. */
  if (size > FC_ENVELOPE_STRING_MAX || memmem(body, size, "\\u0000", 6) ||
      fc_parse_reply(body, size, &whole))
    return 0;
  fc_envelope_init(&envelope);
  enum fc_error error = fc_envelope_write(&envelope, body, size);
  if (!error)
    error = fc_envelope_finish(&envelope, &json, &json_len);
  if (!error)
    error = fc_parse_reply(json, json_len, &ours);
  fc_envelope_release(&envelope);
  if (error)
    return 0;
  FUZZ_REQUIRE(ours.status == whole.status);
  FUZZ_REQUIRE(strcmp(ours.status_word, whole.status_word) == 0);
  FUZZ_REQUIRE(ours.has_success == whole.has_success);
  FUZZ_REQUIRE(ours.success == whole.success);
  FUZZ_REQUIRE(ours.has_expires_at == whole.has_expires_at);
  FUZZ_REQUIRE(!ours.has_expires_at || ours.expires_at == whole.expires_at);
  FUZZ_REQUIRE(ours.bad_expires_at == whole.bad_expires_at);
  FUZZ_REQUIRE(ours.has_tokens == whole.has_tokens);
  FUZZ_REQUIRE(!ours.has_tokens || ours.tokens == whole.tokens);
  if (count_of(body, size, "[{") <= FC_ENVELOPE_KEEP_DEPTH_MAX)
    FUZZ_REQUIRE(strcmp(ours.error, whole.error) == 0);
  return 0;
}
