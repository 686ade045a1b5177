/* SPDX-License-Identifier: MIT */

/* Time stamps of all forms; what is read can be written and read again. */

#include "src/base/timestamp.h"

#include "t/fuzz/fuzz.h"

/* An offset may lead out of the years 0000 to 9999, which are written in UTC.
 */
static int64_t written(int64_t epoch_s) {
  static const int64_t first_s = -62167219200, last_s = 253402300799;
  return epoch_s < first_s ? first_s : epoch_s > last_s ? last_s : epoch_s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const char *text = (const char *)data;
  char again[FC_TIMESTAMP_SIZE];
  int64_t epoch_s = INT64_MIN, second_s;
  if (fc_timestamp_rfc3339(text, size, &epoch_s)) {
    (void)fc_timestamp_format(again, epoch_s);
    FUZZ_REQUIRE(fc_timestamp_rfc3339(again, strlen(again), &second_s));
    FUZZ_REQUIRE(second_s == written(epoch_s));
  } else
    FUZZ_REQUIRE(epoch_s == INT64_MIN);
  if (fc_timestamp_http(text, size, 1795458360, &epoch_s)) {
    FUZZ_REQUIRE(fc_timestamp_http(text, size, 1795458360, &second_s));
    FUZZ_REQUIRE(epoch_s == second_s);
    (void)fc_timestamp_format(again, epoch_s);
    FUZZ_REQUIRE(fc_timestamp_rfc3339(again, strlen(again), &second_s));
    FUZZ_REQUIRE(epoch_s == second_s);
  }
  return 0;
}
