/* SPDX-License-Identifier: MIT */

#include "src/base/glyph.h"

#include "src/base/macros.h"
#include "src/base/utf8.h"

#include <stdbool.h>
#include <stdint.h>

/* What is not seen but changes what is: C1 controls, line separators, and of
 * Unicode's format characters (Cf) those that show nothing of their own, as
 * bidirectional controls, joiners and tags. They are not left out, or what they
 * stand between would become one word. In ascending order. */
static const struct {
  uint32_t first, last;
  enum fc_glyph glyph;
} unseen[] = {
    {0x80, 0x9f, FC_GLYPH_BLANK},      {0xad, 0xad, FC_GLYPH_MARK},
    {0x61c, 0x61c, FC_GLYPH_MARK},     {0x180e, 0x180e, FC_GLYPH_MARK},
    {0x200b, 0x200f, FC_GLYPH_MARK},   {0x2028, 0x2029, FC_GLYPH_BLANK},
    {0x202a, 0x202e, FC_GLYPH_MARK},   {0x2060, 0x206f, FC_GLYPH_MARK},
    {0xfeff, 0xfeff, FC_GLYPH_MARK},   {0xfff9, 0xfffb, FC_GLYPH_MARK},
    {0x1bca0, 0x1bca3, FC_GLYPH_MARK}, {0x1d173, 0x1d17a, FC_GLYPH_MARK},
    {0xe0000, 0xe007f, FC_GLYPH_MARK},
};

/* Of a whole sequence of 2 to 4 bytes (RFC 3629 section 3). */
static enum fc_glyph glyph_wide(const char *in, size_t len) {
  uint32_t point = (unsigned char)in[0] & (0xffU >> (len + 1));
  for (size_t i = 1; i < len; i++)
    point = point << 6 | ((unsigned char)in[i] & 0x3fU);
  for (size_t i = 0; i < COUNT_OF(unseen) && point >= unseen[i].first; i++)
    if (point <= unseen[i].last)
      return unseen[i].glyph;
  return FC_GLYPH_TEXT;
}

enum fc_glyph fc_glyph_at(const char *in, size_t len, size_t *taken) {
  bool whole;
  *taken = fc_utf8_length((const uint8_t *)in, len, &whole);
  if (!whole)
    return FC_GLYPH_MARK;
  if (*taken == 1)
    return in[0] > 0x20 && in[0] < 0x7f ? FC_GLYPH_TEXT : FC_GLYPH_BLANK;
  return glyph_wide(in, *taken);
}
