/* SPDX-License-Identifier: MIT */

/* A secret of any bytes, and a text that repeats it in any form among any other
 * bytes: made safe, the text has it in no form. */

#include "src/base/text.h"

#include "t/fuzz/fuzz.h"

enum { SECRET_MAX = 40, TEXT_MAX = 4096, ROOM = 4 * TEXT_MAX };

/* Visible, or a blank between two that are. */
static char next_byte(unsigned byte, char before) {
  char c = (char)(' ' + byte % 95);
  return c == ' ' && (before == ' ' || !before) ? '?' : c;
}

/* As it is, percent-encoded, with the escapes of JSON, or a mixture. */
static size_t put_secret(char *out, const char *secret, size_t len,
                         unsigned form) {
  size_t used = 0;
  for (size_t i = 0; i < len; i++) {
    unsigned byte = (unsigned char)secret[i];
    bool encode = form & 4 ? i % 3 == 0 : true;
    if (encode && form % 3 == 1)
      used += (size_t)sprintf(out + used, form & 8 ? "%%%02x" : "%%%02X", byte);
    else if (encode && form % 3 == 2)
      used += (size_t)sprintf(out + used, "\\u00%02x", byte);
    else if (form % 3 == 2 && (byte == '"' || byte == '\\'))
      used += (size_t)sprintf(out + used, "\\%c", (int)byte);
    else
      out[used++] = (char)byte;
  }
  return used;
}

static int digit(char c) {
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                : -1;
}

static void decode_url(char *out, const char *in) {
  for (; *in; out++) {
    if (in[0] == '%' && digit(in[1]) > 0 && digit(in[2]) >= 0) {
      *out = (char)(digit(in[1]) * 16 + digit(in[2]));
      in += 3;
    } else {
      *out = *in++;
    }
  }
  *out = '\0';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static char text[TEXT_MAX + 6 * SECRET_MAX], out[ROOM], decoded[ROOM];
  char bytes[SECRET_MAX + 1];
  size_t len = 8 + fuzz_byte(&data, &size) % (SECRET_MAX - 8), used = 0;
  for (size_t i = 0; i < len; i++)
    bytes[i] = next_byte(fuzz_byte(&data, &size), i ? bytes[i - 1] : '\0');
  if (bytes[len - 1] == ' ')
    bytes[len - 1] = '.';
  bytes[len] = '\0';
  const struct fc_secret secret = {bytes, len};
  const struct fc_secrets more = {&secret, 1, NULL};
  const struct fc_secrets secrets = {NULL, 0, &more};
  while (size && used < TEXT_MAX) {
    unsigned byte = fuzz_byte(&data, &size);
    if (byte == 0xff)
      used += put_secret(text + used, bytes, len, fuzz_byte(&data, &size));
    else
      text[used++] = (char)byte;
  }
  size_t out_len = fc_text_line_masked(&secrets, out, sizeof(out), text, used);
  FUZZ_REQUIRE(strlen(out) == out_len && fuzz_is_safe(out, out_len));
  FUZZ_REQUIRE(!strstr(out, bytes));
  decode_url(decoded, out);
  FUZZ_REQUIRE(!strstr(decoded, bytes));
  return 0;
}
