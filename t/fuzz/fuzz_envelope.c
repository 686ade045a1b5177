/* SPDX-License-Identifier: MIT */

/* The envelope filter in pieces of any size against the byte-wise reference:
 * the same verdict and the same bytes. */

#include "t/api/envelope_reference.h"
#include "t/fuzz/fuzz.h"

static bool filter(struct fc_envelope *envelope, const char *body, size_t len,
                   unsigned seed, const char **json, size_t *json_len) {
  enum fc_error error = FC_OK;
  for (size_t at = 0, piece; at < len && !error; at += piece) {
    piece = seed ? fuzz_piece(&seed, len - at) : len;
    error = fc_envelope_write(envelope, body + at, piece);
  }
  enum fc_error end = fc_envelope_finish(envelope, json, json_len);
  FUZZ_REQUIRE(!error || end == error);
  FUZZ_REQUIRE(!end || end == FC_ERR_BODY);
  return !end;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static char wanted[FC_ENVELOPE_KEEP_MAX];
  unsigned seed = fuzz_byte(&data, &size);
  const char *body = (const char *)data, *json;
  size_t wanted_len, json_len;
  struct fc_envelope envelope;
  bool valid = envelope_reference(body, size, wanted, &wanted_len);
  fc_envelope_init(&envelope);
  for (int i = 0; i < 3; i++) {
    FUZZ_REQUIRE(filter(&envelope, body, size, seed, &json, &json_len) ==
                 valid);
    if (valid) {
      FUZZ_REQUIRE(json_len == wanted_len && json_len < FC_ENVELOPE_KEEP_MAX);
      FUZZ_REQUIRE(memcmp(json, wanted, json_len + 1) == 0);
    }
    fc_envelope_reset(&envelope);
    seed = i ? seed + 0x9e3779b9U : 0;
  }
  fc_envelope_release(&envelope);
  return 0;
}
