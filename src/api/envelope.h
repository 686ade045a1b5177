/* SPDX-License-Identifier: MIT */

/* The envelope filter: a streaming JSON validator that lets only whitelisted
 * top-level members through.
 *
 * A reply carries `data` before `status`, and `data` may be many megabytes. The
 * filter takes the body in pieces of any size, checks the whole of it against
 * RFC 8259 and UTF-8 (RFC 3629), and keeps the whitelisted members of the
 * top-level object as one small JSON object; everything else is dropped without
 * being stored. Memory is constant: the struct, plus at most
 * FC_ENVELOPE_KEEP_MAX bytes on the heap.
 *
 * Rules that json-c 0.16 lacks and this filter adds:
 *  - names match byte for byte; a name that equals a whitelisted one only after
 *    its escapes are decoded, or a whitelisted name that occurs twice, makes
 *    the reply ambiguous: FC_ERR_BODY;
 *  - the top level is one object, no BOM, nothing but white space around it;
 *  - nesting to FC_ENVELOPE_DEPTH_MAX levels, the top-level object being the
 *    first (RFC 8259 section 9 allows a limit);
 *  - a kept string longer than FC_ENVELOPE_STRING_MAX bytes between its quotes
 *    is cut at a character (an escape counts as one, a surrogate pair too); a
 *    kept object, array or number longer than that without its white space, or
 *    nested deeper than FC_ENVELOPE_KEEP_DEPTH_MAX levels of its own, is
 *    replaced by null. The scan goes on: an error text of any size cannot hide
 *    the status.
 * Lone surrogate escapes and \u0000 are JSON, and pass.
 *
 * The caller owns the struct; _init allocates nothing. After an error the
 * filter stays in error. Not thread-safe; one filter per response. */

#ifndef FC_ENVELOPE_H
#define FC_ENVELOPE_H

#include "src/base/error.h"
#include "src/base/macros.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  FC_ENVELOPE_KEEP_MAX = 16 * 1024,
  FC_ENVELOPE_STRING_MAX = 1024,
  FC_ENVELOPE_DEPTH_MAX = 512,
  FC_ENVELOPE_KEEP_DEPTH_MAX = 16
};

/* Private to envelope.c; public only so that callers can embed it. */
struct fc_envelope {
  enum fc_error error;
  unsigned state;
  bool in_name;      /* the string under way is a name */
  bool keeping;      /* what is under way goes to json */
  bool spoiled;      /* ... but did not fit or was too deep */
  unsigned seen;     /* which whitelisted names have come */
  uint8_t token[12]; /* the beginning of one that a piece cut apart */
  unsigned token_len;
  char *json;           /* the kept members */
  size_t len, capacity; /* of json */
  size_t member;        /* where in json the member under way begins */
  size_t start;         /* where in json its name or value begins */
  unsigned depth;       /* open containers */
  uint64_t objects[FC_ENVELOPE_DEPTH_MAX / 64]; /* one bit for each */
};

void fc_envelope_init(struct fc_envelope *envelope);

/* Takes the next piece of the body. FC_ERR_BODY when it has a token, whole,
 * that the body cannot be valid with; FC_ERR_MEMORY. */
FC_MUST_USE enum fc_error fc_envelope_write(struct fc_envelope *envelope,
                                            const char *data, size_t len);

/* Ends the body. FC_ERR_BODY when it is not complete. On success *json is the
 * kept object in the filter's memory, members in the body's order without white
 * space between tokens, NUL-terminated, valid until _release or _reset, and
 * *len its length. */
FC_MUST_USE enum fc_error fc_envelope_finish(struct fc_envelope *envelope,
                                             const char **json, size_t *len);

/* Empty and ready for the next body; keeps its buffer. */
void fc_envelope_reset(struct fc_envelope *envelope);

/* Frees what the filter holds; it is then as after _init. */
void fc_envelope_release(struct fc_envelope *envelope);

#endif
