/* SPDX-License-Identifier: MIT */

/* What the fuzz targets share. Each t/fuzz/fuzz_<name>.c is one: a function
 * that takes any bytes and aborts where a promise of a header does not hold.
 * With --enable-fuzzing libFuzzer drives it (make fuzz), else t/fuzz/replay.c
 * gives it every file of t/fuzz/corpus/<name> (make check). */

#ifndef FC_T_FUZZ_H
#define FC_T_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_REQUIRE(condition)                                                \
  do {                                                                         \
    if (!(condition)) {                                                        \
      (void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);    \
      abort();                                                                 \
    }                                                                          \
  } while (0)

/* Bytes taken off the front, to decide with. */
static inline unsigned fuzz_byte(const uint8_t **data, size_t *size) {
  if (!*size)
    return 0;
  --*size;
  return *(*data)++;
}

/* The next line without its newline, off the front. */
static inline size_t fuzz_line(const uint8_t **data, size_t *size,
                               const char **line) {
  const uint8_t *end = *size ? memchr(*data, '\n', *size) : NULL;
  size_t len = end ? (size_t)(end - *data) : *size;
  *line = (const char *)*data;
  *data += end ? len + 1 : len;
  *size -= end ? len + 1 : len;
  return len;
}

/* A piece length for the rest of a body: mostly short, 0 never. */
static inline size_t fuzz_piece(unsigned *seed, size_t left) {
  *seed = *seed * 1103515245U + 12345U;
  size_t piece = 1 + ((*seed >> 16) & (*seed & 0x800 ? 0x3ff : 0x7));
  return piece < left ? piece : left;
}

/* Valid UTF-8 (RFC 3629) without any control character, C1 included. */
static inline bool fuzz_is_safe(const char *text, size_t len) {
  const unsigned char *at = (const unsigned char *)text, *end = at + len;
  static const struct {
    unsigned char mask, lead;
    int more;
    uint32_t least;
  } forms[] = {{0x80, 0x00, 0, 0},
               {0xe0, 0xc0, 1, 0x80},
               {0xf0, 0xe0, 2, 0x800},
               {0xf8, 0xf0, 3, 0x10000}};
  while (at < end) {
    size_t i = 0;
    while (i < 4 && (*at & forms[i].mask) != forms[i].lead)
      i++;
    if (i == 4 || end - at <= forms[i].more)
      return false;
    uint32_t point = *at++ & (unsigned char)~forms[i].mask;
    for (int k = 0; k < forms[i].more; k++, at++) {
      if ((*at & 0xc0) != 0x80)
        return false;
      point = point << 6 | (*at & 0x3f);
    }
    if (point < forms[i].least || point > 0x10ffff ||
        (point >= 0xd800 && point < 0xe000) || point < 0x20 ||
        (point >= 0x7f && point < 0xa0))
      return false;
  }
  return true;
}

#endif
