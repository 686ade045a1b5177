/* SPDX-License-Identifier: MIT */

/* Characters of UTF-8 (RFC 3629), one at a time and fast enough for megabytes.
 * Pure; any thread. */

#ifndef FC_UTF8_H
#define FC_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How many bytes a character takes that begins with this byte; 1 for one that
 * begins none. */
static inline size_t fc_utf8_lead(uint8_t lead) {
  if (lead < 0xc2 || lead > 0xf4)
    return 1;
  return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

/* Whether `second` may follow `lead` (RFC 3629 section 4): no overlong form, no
 * surrogate, nothing beyond U+10FFFF. */
static inline bool fc_utf8_second(uint8_t lead, uint8_t second) {
  uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  return second >= low && second <= high;
}

/* Whether the byte goes on with a character that another began. */
static inline bool fc_utf8_is_tail(uint8_t byte) {
  return (byte & 0xc0) == 0x80;
}

/* The bytes that the character at p takes, of which there are len (>= 1), and
 * whether it is whole. Of one that is not, these are the bytes that could have
 * begun a character, at least 1, as the Unicode standard recommends for marking
 * each broken character once (section 3.9, "maximal subparts"). */
static inline size_t fc_utf8_length(const uint8_t *p, size_t len, bool *whole) {
  size_t wanted = fc_utf8_lead(p[0]), taken = 1;
  *whole = wanted > 1 || p[0] < 0x80;
  if (wanted > 1 && (len < 2 || !fc_utf8_second(p[0], p[1])))
    *whole = false;
  else if (wanted > 1)
    for (taken = 2; taken < wanted; taken++)
      if (taken == len || !fc_utf8_is_tail(p[taken])) {
        *whole = false;
        break;
      }
  return taken;
}

#endif
