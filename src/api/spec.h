/* SPDX-License-Identifier: MIT */

/* A job as its user writes it, in a line of a JobFile or on a command line:
 * "[KIND] ID [NAME]" or "KIND:ID [NAME]". Pure; any thread. */

#ifndef FC_SPEC_H
#define FC_SPEC_H

#include "src/api/kind.h"

#include <stdbool.h>
#include <stddef.h>

/* Valid, all of it. Borrowed from the words. */
struct fc_spec {
  const struct fc_kind *kind; /* extract where none was given */
  const char *id;
  const char *name; /* NULL: none given */
};

enum {
  FC_SPEC_WORDS_MAX = 3,
  FC_SPEC_REASON_SIZE = 192,
  FC_SPEC_QUOTE_SIZE = 49 /* of a word in a reason, with its NUL */
};

/* The kind that the first of several words is the name of; NULL where it is
 * not one, and so an ID. */
const struct fc_kind *fc_spec_kind(char *const *words, size_t count);

/* Parses words[count], count >= 1; words beyond FC_SPEC_WORDS_MAX are counted
 * and not looked at. False with the reason, one safe line that begins with
 * the word that is wrong, quoted and cut, or quotes no word at all; *spec is
 * then unchanged. */
bool fc_spec_parse(struct fc_spec *spec, char *const *words, size_t count,
                   char reason[FC_SPEC_REASON_SIZE]);

#endif
