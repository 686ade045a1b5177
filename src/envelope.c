#include "src/envelope.h"

#include <stdlib.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* The members that are let through. */
static const char *const wanted_names[] = {
    "success",    "status",      "expiresAt", "error",
    "message",    "tokensUsed",  "creditsUsed", "completed",
    "total",      "replacement", "retry_after_seconds",
};

enum {
  WANTED_COUNT = sizeof(wanted_names) / sizeof(wanted_names[0]),
  NAME_MAX_LEN = sizeof("retry_after_seconds") - 1,
  ESCAPE_LEN = sizeof("\\u0000") - 1,
  CHARACTER_MAX = 2 * ESCAPE_LEN, /* a surrogate pair */
  /* A quote and one character more than is kept: enough to see where to cut. */
  CAPTURE_MAX = 1 + FC_ENVELOPE_STRING_MAX + CHARACTER_MAX,
  /* What a member needs while it comes in: comma, name, colon, value, and the
   * closing quotes of both. */
  SCRATCH_MAX = 1 + CAPTURE_MAX + 1 + 1 + CAPTURE_MAX + 1,
  /* ... and what remains of one that is wanted. */
  MEMBER_MAX = 1 + NAME_MAX_LEN + 2 + 1 + FC_ENVELOPE_STRING_MAX + 2,
  CAPACITY_MIN = 4096
};

_Static_assert(CAPACITY_MIN >= 1 + SCRATCH_MAX + 2, "room for one member");
_Static_assert(FC_ENVELOPE_KEEP_MAX >=
                   1 + WANTED_COUNT * MEMBER_MAX + SCRATCH_MAX + 2,
               "room for all members and one that is not wanted");
