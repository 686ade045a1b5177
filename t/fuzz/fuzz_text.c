/* SPDX-License-Identifier: MIT */

/* Text of others on its way to a log line or a notification, and the delay that
 * a rate limit's text names. */

#include "src/base/text.h"
#include "src/watch/event.h"

#include "t/fuzz/fuzz.h"

#define SECRET "fc-01234567"

/* A text that repeats a secret, or the beginning of it at its end, does so no
 * longer. */
static void check_masked(const char *in, size_t in_len, size_t size) {
  static const struct fc_secret secret = {SECRET, sizeof(SECRET) - 1};
  static const struct fc_secrets secrets = {&secret, 1, NULL};
  char out[512];
  size = size < sizeof(out) ? size : sizeof(out);
  size_t len = fc_text_line_masked(&secrets, out, size, in, in_len);
  if (size) {
    FUZZ_REQUIRE(len < size && strlen(out) == len && fuzz_is_safe(out, len));
    FUZZ_REQUIRE(!strstr(out, SECRET));
  }
}

static void check_line(const char *in, size_t in_len, size_t size) {
  char *out = malloc(size ? size : 1), again[512];
  FUZZ_REQUIRE(out);
  size_t len = fc_text_line(out, size, in, in_len);
  if (size) {
    FUZZ_REQUIRE(len < size && strlen(out) == len && fuzz_is_safe(out, len));
    FUZZ_REQUIRE(fc_text_line(again, sizeof(again), out, len) == len);
    FUZZ_REQUIRE(strcmp(again, out) == 0);
  }
  free(out);
}

/* Every event tells the text of a server, or a name, in one safe line. */
static void check_event(const char *in, size_t in_len, unsigned type) {
  struct fc_event event = {.type = (enum fc_event_type)(type % FC_EVENT_COUNT),
                           .kind = (enum fc_kind_id)(type / 16 % 4),
                           .id = "0f1e2d3c-4b5a"};
  char message[FC_EVENT_MESSAGE_SIZE], key[FC_EVENT_KEY_SIZE];
  if (event.kind > FC_KIND_COUNT)
    event.kind = FC_KIND_COUNT;
  (void)fc_text_line(event.text, sizeof(event.text), in, in_len);
  size_t len = strlen(fc_event_message(&event, message));
  FUZZ_REQUIRE(len > 0 && len < sizeof(message) && fuzz_is_safe(message, len));
  FUZZ_REQUIRE(fuzz_is_safe(key, strlen(fc_event_key(&event, key))));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  unsigned room = fuzz_byte(&data, &size), type = fuzz_byte(&data, &size);
  const char *text = (const char *)data;
  int64_t seconds = -1;
  check_line(text, size, room);
  check_masked(text, size, 2 * room);
  check_event(text, size, type);
  if (fc_text_retry_after(text, size, &seconds))
    FUZZ_REQUIRE(seconds >= 0 && seconds <= FC_TEXT_DELAY_MAX_S);
  else
    FUZZ_REQUIRE(seconds == -1);
  if (fc_text_int(text, size, -1000, 1000, &seconds))
    FUZZ_REQUIRE(seconds >= -1000 && seconds <= 1000);
  return 0;
}
