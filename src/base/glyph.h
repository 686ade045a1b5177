/* SPDX-License-Identifier: MIT */

/* What a character of a text of others becomes in a safe line
 * (src/base/text.h): itself, a blank or a mark. Pure; any thread. */

#ifndef FC_GLYPH_H
#define FC_GLYPH_H

#include <stddef.h>

enum fc_glyph {
  FC_GLYPH_TEXT,
  FC_GLYPH_BLANK, /* a blank, a control character or a line separator */
  FC_GLYPH_MARK   /* '?': no UTF-8, or not seen but changing what is */
};

#define FC_GLYPH_MARK_TEXT '?'

/* What stands at in[len], len >= 1, and how many bytes it takes. */
enum fc_glyph fc_glyph_at(const char *in, size_t len, size_t *taken);

#endif
