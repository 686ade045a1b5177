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
 *  - nesting to FC_ENVELOPE_DEPTH_MAX levels (RFC 8259 section 9 allows a
 *    limit), kept members to FC_ENVELOPE_KEEP_DEPTH_MAX;
 *  - a kept string longer than FC_ENVELOPE_STRING_MAX bytes is cut at a
 *    character (an escape counts as one, a surrogate pair too); a kept object,
 *    array or number longer than that is replaced by null. The scan goes on:
 *    an error text of any size cannot hide the status.
 *
 * The caller owns the struct; _init allocates nothing. After an error the
 * filter stays in error. Not thread-safe; one filter per response. */

#ifndef FC_ENVELOPE_H
#define FC_ENVELOPE_H

#include "src/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  FC_ENVELOPE_KEEP_MAX = 16 * 1024,
  FC_ENVELOPE_STRING_MAX = 1024,
  FC_ENVELOPE_DEPTH_MAX = 512,
  FC_ENVELOPE_KEEP_DEPTH_MAX = 16,
  FC_ENVELOPE_KEY_MAX = 24 /* longer than any whitelisted name */
};

/* Private to envelope.c; public only so that callers can embed it. */
struct fc_envelope {
  enum fc_error error;
  uint8_t state;
  bool is_key;                /* the string under way is a key */
  bool in_key;                /* ... of the top level */
  bool keeping;               /* the value under way is copied to kept */
  bool kept_string;           /* ... and is a string */
  int8_t hex_left;            /* digits to come of an escape */
  int8_t utf8_left;           /* bytes to come of a character */
  uint8_t utf8_min, utf8_max; /* what the next of them may be */
  uint16_t hex;
  uint16_t seen;       /* whitelisted names that have come */
  const char *literal; /* what is to come of true, false, null */
  unsigned depth;
  uint64_t arrays[FC_ENVELOPE_DEPTH_MAX / 64]; /* which levels are arrays */
  char key[FC_ENVELOPE_KEY_MAX + 1];           /* decoded, cut */
  uint8_t key_len;                             /* one more when it was cut */
  bool key_escaped;
  char *kept;
  size_t kept_len, kept_capacity;
  size_t value_at; /* where in kept the value under way starts */
  size_t cut_at;   /* where its string may be cut */
};

void fc_envelope_init(struct fc_envelope *envelope);

/* Takes the next piece of the body. FC_ERR_BODY when the body cannot become
 * valid any more, FC_ERR_MEMORY. */
FC_MUST_USE enum fc_error fc_envelope_write(struct fc_envelope *envelope,
                                            const char *data, size_t len);

/* Ends the body. FC_ERR_BODY when it is not complete. On success *json is the
 * kept object in the filter's memory, NUL-terminated, valid until _release or
 * _reset, and *len its length. */
FC_MUST_USE enum fc_error fc_envelope_finish(struct fc_envelope *envelope,
                                             const char **json, size_t *len);

/* Empty and ready for the next body; keeps its buffer. */
void fc_envelope_reset(struct fc_envelope *envelope);

/* Frees what the filter holds; it is then as after _init. */
void fc_envelope_release(struct fc_envelope *envelope);

#endif
