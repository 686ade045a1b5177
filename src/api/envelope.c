/* SPDX-License-Identifier: MIT */

#include "src/api/envelope.h"

#include "src/base/utf8.h"

#include <stdlib.h>
#include <string.h>

/* The members that are let through. */
static const char *const wanted_names[] = {
    "success",  "status",      "expiresAt",           "error",
    "message",  "tokensUsed",  "creditsUsed",         "completed",
    "total",    "replacement", "retry_after_seconds", "stopReason",
    "duration",
};

enum {
  WANTED_COUNT = sizeof(wanted_names) / sizeof(wanted_names[0]),
  WANTED_LEN_MAX = sizeof("retry_after_seconds") - 1,
  ESCAPE_LEN = sizeof("\\u0000") - 1,
  SCALAR_MAX = sizeof("-00.00e+00") - 1, /* as pass_scalar() shortens it */
  NO_UNIT = 0x10000,                     /* more than any UTF-16 code unit */
  /* A quote and one escape more than is kept: enough to see where to cut. */
  CAPTURE_MAX = 1 + FC_ENVELOPE_STRING_MAX + ESCAPE_LEN,
  /* What a member needs while it comes: comma, name, colon, value, and the
   * closing quotes of both. */
  SCRATCH_MAX = 1 + CAPTURE_MAX + 1 + 1 + CAPTURE_MAX + 1,
  /* What stays of it when it is wanted. */
  MEMBER_MAX = 1 + 2 + WANTED_LEN_MAX + 1 + 2 + FC_ENVELOPE_STRING_MAX,
  ENDS_MAX = 3 /* both braces and the NUL */
};

_Static_assert(WANTED_COUNT *MEMBER_MAX + SCRATCH_MAX + ENDS_MAX <=
                   FC_ENVELOPE_KEEP_MAX,
               "room for all members and one that is not wanted");
_Static_assert(sizeof(((struct fc_envelope *)0)->token) > SCALAR_MAX &&
                   SCALAR_MAX >= ESCAPE_LEN,
               "room for what a piece may cut apart");

enum state {
  /* Between tokens: what may come next besides white space. */
  START,   /* the top-level object */
  NOTHING, /* behind it */
  MEMBER,  /* a name or the end of the object */
  NAME,
  COLON,
  ITEM, /* a value or the end of the array */
  VALUE,
  NEXT, /* a comma or the end of the container */
  /* Inside a token. */
  STRING,
  SCALAR /* a number, true, false or null */
};

void fc_envelope_init(struct fc_envelope *envelope) {
  memset(envelope, 0, sizeof(*envelope));
}

void fc_envelope_reset(struct fc_envelope *envelope) {
  char *json = envelope->json;
  size_t capacity = envelope->capacity;
  fc_envelope_init(envelope);
  envelope->json = json;
  envelope->capacity = capacity;
}

void fc_envelope_release(struct fc_envelope *envelope) {
  free(envelope->json);
  fc_envelope_init(envelope);
}

static void fail(struct fc_envelope *envelope) {
  envelope->error = FC_ERR_BODY;
}

/* Room for one more member whatever it is, so that keep() cannot fail. */
static bool reserve(struct fc_envelope *envelope) {
  size_t needed = envelope->len + SCRATCH_MAX + ENDS_MAX;
  if (needed <= envelope->capacity)
    return true;
  char *json = realloc(envelope->json, needed);
  if (!json) {
    envelope->error = FC_ERR_MEMORY;
    return false;
  }
  envelope->json = json;
  envelope->capacity = needed;
  return true;
}

static void keep(struct fc_envelope *envelope, const void *bytes, size_t len) {
  if (!envelope->keeping)
    return;
  size_t room = envelope->start + CAPTURE_MAX - envelope->len;
  if (len > room) {
    len = room;
    envelope->spoiled = true;
  }
  memcpy(envelope->json + envelope->len, bytes, len);
  envelope->len += len;
}

static void keep_byte(struct fc_envelope *envelope, uint8_t c) {
  keep(envelope, &c, 1);
}

static bool is_blank(uint8_t c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static const uint8_t *pass_blanks(const uint8_t *p, const uint8_t *end) {
  while (p < end && is_blank(*p))
    p++;
  return p;
}

static bool is_digit(uint8_t c) { return c >= '0' && c <= '9'; }

/* The UTF-16 code unit of the escape at p; NO_UNIT where it is none. */
static unsigned code_unit(const uint8_t *p) {
  unsigned unit = 0;
  if (p[0] != '\\' || p[1] != 'u')
    return NO_UNIT;
  for (size_t i = 2; i < ESCAPE_LEN; i++) {
    unsigned letter = p[i] | 0x20U;
    if (!is_digit(p[i]) && (letter < 'a' || letter > 'f'))
      return NO_UNIT;
    unit = unit << 4 | (is_digit(p[i]) ? p[i] & 0xfU : letter - 'a' + 10);
  }
  return unit;
}

static const bool short_escapes[UINT8_MAX + 1] = {
    ['"'] = true, ['\\'] = true, ['/'] = true, ['b'] = true,
    ['f'] = true, ['n'] = true,  ['r'] = true, ['t'] = true,
};

/* The pass_... functions return what follows of p, the ..._end functions too or
 * NULL. Neither passes what is wrong or cut apart by the end. */
static const uint8_t *pass_escape(const uint8_t *p, const uint8_t *end) {
  if (end - p >= 2 && short_escapes[p[1]])
    return p + 2;
  return end - p >= ESCAPE_LEN && code_unit(p) != NO_UNIT ? p + ESCAPE_LEN : p;
}

/* One or more characters that are not ASCII. */
static const uint8_t *pass_utf8(const uint8_t *p, const uint8_t *end) {
  bool whole = true;
  while (p < end && *p >= 0x80 && whole) {
    size_t len = fc_utf8_length(p, (size_t)(end - p), &whole);
    p += whole ? len : 0;
  }
  return p;
}

static const uint8_t *pass_special(const uint8_t *p, const uint8_t *end) {
  return *p == '\\' ? pass_escape(p, end) : pass_utf8(p, end);
}

/* Eight bytes at once, the first one lowest; behind the end come quotes. */
enum { WORD = sizeof(uint64_t) };
#define EACH_BYTE(c) (UINT64_C(0x0101010101010101) * (c))

static uint64_t load_word(const uint8_t *p, const uint8_t *end) {
  uint64_t word = EACH_BYTE('"');
  if (end - p >= WORD)
    memcpy(&word, p, WORD);
  else
    memcpy(&word, p, (size_t)(end - p));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  word = __builtin_bswap64(word);
#endif
  return word;
}

static size_t first_top_bit(uint64_t word) {
  return (size_t)__builtin_ctzll(word) / 8;
}

/* Sets the top bit of the first byte that is no digit, and no bit below it. */
static uint64_t find_no_digit(uint64_t word) {
  word ^= EACH_BYTE('0');
  word |= (word & EACH_BYTE(0x7f)) + EACH_BYTE(0x80 - 10);
  return word & EACH_BYTE(0x80);
}

/* The same of a byte that is a control character, '"', '\\' or not ASCII: from
 * such a one on, the subtractions may borrow. */
static uint64_t find_special(uint64_t word) {
  uint64_t control = word - EACH_BYTE(0x20);
  uint64_t quote = (word ^ EACH_BYTE('"')) - EACH_BYTE(1);
  uint64_t backslash = (word ^ EACH_BYTE('\\')) - EACH_BYTE(1);
  return (word | control | quote | backslash) & EACH_BYTE(0x80);
}

static const uint8_t *pass_plain(const uint8_t *p, const uint8_t *end) {
  for (; p < end; p += WORD) {
    uint64_t found = find_special(load_word(p, end));
    if (found)
      return p + first_top_bit(found);
  }
  return p;
}

/* Characters of a string, up to its closing quote at most. */
static const uint8_t *pass_characters(const uint8_t *p, const uint8_t *end) {
  const uint8_t *from;
  do {
    from = p = pass_plain(p, end);
    if (p < end && *p != '"')
      p = pass_special(p, end);
  } while (p > from);
  return p;
}

static const uint8_t *string_end(const uint8_t *p, const uint8_t *end) {
  p = pass_characters(p + 1, end);
  return p < end && *p == '"' ? p + 1 : NULL;
}

static const uint8_t *digits_end(const uint8_t *p, const uint8_t *end) {
  for (const uint8_t *from = p; p < end; p += WORD) {
    uint64_t found = find_no_digit(load_word(p, end));
    if (found) {
      p += first_top_bit(found);
      return p > from ? p : NULL;
    }
  }
  return NULL;
}

static const uint8_t *number_end(const uint8_t *p, const uint8_t *end) {
  p += *p == '-';
  p = p < end && *p == '0' ? p + 1 : digits_end(p, end);
  if (p && p < end && *p == '.')
    p = digits_end(p + 1, end);
  if (p && p < end && (*p | 0x20) == 'e') {
    p++;
    p += p < end && (*p == '+' || *p == '-');
    p = digits_end(p, end);
  }
  return p && p < end ? p : NULL;
}

static const uint8_t *literal_end(const uint8_t *p, const uint8_t *end,
                                  const char *literal, size_t len) {
  bool whole = (size_t)(end - p) >= len && memcmp(p, literal, len) == 0;
  return whole ? p + len : NULL;
}

static const uint8_t *scalar_end(const uint8_t *p, const uint8_t *end) {
  switch (*p) {
  case 't':
    return literal_end(p, end, "true", 4);
  case 'f':
    return literal_end(p, end, "false", 5);
  case 'n':
    return literal_end(p, end, "null", 4);
  default:
    return number_end(p, end);
  }
}

static bool in_object(const struct fc_envelope *envelope) {
  unsigned level = envelope->depth - 1;
  return envelope->objects[level / 64] >> (level % 64) & 1;
}

/* False when it would be one level too many. */
static bool push(struct fc_envelope *envelope, bool object) {
  unsigned level = envelope->depth;
  if (level == FC_ENVELOPE_DEPTH_MAX)
    return false;
  uint64_t bit = UINT64_C(1) << (level % 64);
  uint64_t *word = &envelope->objects[level / 64];
  *word = object ? *word | bit : *word & ~bit;
  envelope->depth++;
  return true;
}

/* Where a first element may stand, so may the end of the container. */
static bool is_empty_end(unsigned state, uint8_t c) {
  return (state == MEMBER && c == '}') || (state == ITEM && c == ']');
}

/* The grammar of step() by whole tokens, for what is nested and not kept. Stops
 * where it does not see that all is well: step() judges. */
static const uint8_t *pass_nested(struct fc_envelope *envelope,
                                  const uint8_t *p, const uint8_t *end) {
  unsigned state = envelope->state, next = state;
  while (p < end) {
    uint8_t c = *p;
    const uint8_t *behind = NULL;
    switch (state) {
    case MEMBER:
    case NAME:
      behind = c == '"' ? string_end(p, end) : NULL;
      next = COLON;
      break;
    case COLON:
      behind = c == ':' ? p + 1 : NULL;
      next = VALUE;
      break;
    case ITEM:
    case VALUE:
      next = NEXT;
      if (c == '"') {
        behind = string_end(p, end);
      } else if (c == '{' || c == '[') {
        behind = push(envelope, c == '{') ? p + 1 : NULL;
        next = c == '{' ? MEMBER : ITEM;
      } else {
        behind = scalar_end(p, end);
      }
      break;
    case NEXT:
      if (c == ',') {
        behind = p + 1;
        next = in_object(envelope) ? NAME : VALUE;
      } else if (c == (in_object(envelope) ? '}' : ']') &&
                 envelope->depth > 2) {
        behind = p + 1;
        next = NEXT;
        envelope->depth--;
      }
      break;
    }
    if (behind) {
      p = behind;
      state = next;
    } else if (is_blank(c)) {
      p = pass_blanks(p, end);
    } else if (is_empty_end(state, c)) {
      state = NEXT;
    } else {
      break;
    }
  }
  envelope->state = state;
  return p;
}

/* Is text[len], a part of a string as it stands in the body, another spelling
 * of an ASCII name or the name itself? */
static bool spells(const uint8_t *text, size_t len, const char *name) {
  const uint8_t *end = text + len;
  for (; *name && text < end; name++) {
    bool escaped = *text == '\\';
    if ((escaped ? code_unit(text) : *text) != (uint8_t)*name)
      return false;
    text += escaped ? ESCAPE_LEN : 1;
  }
  return !*name && text == end;
}

/* WANTED_COUNT for none. */
static unsigned find_wanted(const uint8_t *text, size_t len) {
  unsigned i = 0;
  while (i < WANTED_COUNT && !spells(text, len, wanted_names[i]))
    i++;
  return i;
}

static void begin_member(struct fc_envelope *envelope) {
  if (!reserve(envelope))
    return;
  envelope->member = envelope->len;
  if (envelope->len > 1)
    envelope->json[envelope->len++] = ',';
  envelope->start = envelope->len;
  envelope->keeping = true;
  envelope->spoiled = false;
}

/* Is the member wanted whose name has come, but for the closing quote? */
static void end_member_name(struct fc_envelope *envelope) {
  const uint8_t *name = (uint8_t *)envelope->json + envelope->start + 1;
  size_t len = envelope->len - envelope->start - 1;
  unsigned wanted = find_wanted(name, len);
  if (wanted == WANTED_COUNT) {
    envelope->len = envelope->member;
    envelope->keeping = false;
    return;
  }
  if (memchr(name, '\\', len) || envelope->seen & 1U << wanted)
    fail(envelope);
  envelope->seen |= 1U << wanted;
  keep_byte(envelope, '"');
}

/* How much to keep of a string of more than FC_ENVELOPE_STRING_MAX bytes. */
static size_t cut_len(const uint8_t *string) {
  size_t before = 0, at = 0, next = 0;
  while (next <= FC_ENVELOPE_STRING_MAX) {
    before = at;
    at = next;
    next += string[at] != '\\' ? 1 : string[at + 1] != 'u' ? 2 : ESCAPE_LEN;
  }
  while (fc_utf8_is_tail(string[at]))
    at--;
  bool pair = (code_unit(string + before) & ~0x3ffU) == 0xd800 &&
              (code_unit(string + at) & ~0x3ffU) == 0xdc00;
  return pair ? before : at;
}

/* The value of a wanted member has come, but for a string's closing quote. */
static void end_member(struct fc_envelope *envelope) {
  char *value = envelope->json + envelope->start;
  size_t len = envelope->len - envelope->start;
  envelope->keeping = false;
  if (*value == '"') {
    if (len > 1 + FC_ENVELOPE_STRING_MAX)
      len = 1 + cut_len((uint8_t *)value + 1);
    value[len++] = '"';
  } else if (envelope->spoiled || len > FC_ENVELOPE_STRING_MAX) {
    len = sizeof("null") - 1;
    memcpy(value, "null", len);
  }
  envelope->len = envelope->start + len;
}

static void end_value(struct fc_envelope *envelope) {
  envelope->state = NEXT;
  if (envelope->keeping && envelope->depth == 1)
    end_member(envelope);
}

static void begin_string(struct fc_envelope *envelope, bool in_name) {
  if (in_name && envelope->depth == 1)
    begin_member(envelope);
  envelope->in_name = in_name;
  envelope->state = STRING;
  if (!envelope->error)
    keep_byte(envelope, '"');
}

static void end_string(struct fc_envelope *envelope) {
  if (envelope->depth > 1)
    keep_byte(envelope, '"');
  else if (envelope->in_name)
    end_member_name(envelope);
  if (envelope->in_name)
    envelope->state = COLON;
  else
    end_value(envelope);
}

static const uint8_t *pass_string(struct fc_envelope *envelope,
                                  const uint8_t *p, const uint8_t *end) {
  if (envelope->token_len == 0) {
    const uint8_t *from = p;
    p = pass_characters(p, end);
    keep(envelope, from, (size_t)(p - from));
    if (p == end)
      return p;
    if (*p == '"') {
      end_string(envelope);
      return p + 1;
    }
  }
  uint8_t *token = envelope->token;
  token[envelope->token_len++] = *p;
  if (pass_special(token, token + envelope->token_len) > token) {
    keep(envelope, token, envelope->token_len);
    envelope->token_len = 0;
  } else if (envelope->token_len == ESCAPE_LEN) {
    fail(envelope);
  }
  return p + 1;
}

static bool is_delimiter(uint8_t c) {
  return is_blank(c) || c == ',' || c == ']' || c == '}';
}

/* A number stays right or wrong when of digits in a row only two are left; so
 * what is to be judged once it has ended is short. */
static void scalar_byte(struct fc_envelope *envelope, uint8_t c) {
  unsigned len = envelope->token_len;
  uint8_t *behind = envelope->token + len;
  keep_byte(envelope, c);
  if (len >= 2 && is_digit(c) && is_digit(behind[-1]) && is_digit(behind[-2]))
    return;
  if (len == SCALAR_MAX)
    fail(envelope);
  *behind = c;
  envelope->token_len++;
}

static void end_scalar(struct fc_envelope *envelope, uint8_t delimiter) {
  uint8_t *behind = envelope->token + envelope->token_len;
  *behind = delimiter;
  if (scalar_end(envelope->token, behind + 1) != behind)
    fail(envelope);
  envelope->token_len = 0;
  end_value(envelope);
}

static const uint8_t *pass_scalar(struct fc_envelope *envelope,
                                  const uint8_t *p, const uint8_t *end) {
  while (p < end && !is_delimiter(*p) && !envelope->error)
    scalar_byte(envelope, *p++);
  if (p < end)
    end_scalar(envelope, *p);
  return p;
}

static void begin_container(struct fc_envelope *envelope, uint8_t c) {
  if (!push(envelope, c == '{'))
    fail(envelope);
  if (envelope->depth > 1 + FC_ENVELOPE_KEEP_DEPTH_MAX)
    envelope->spoiled = true;
  envelope->state = c == '{' ? MEMBER : ITEM;
  keep_byte(envelope, c);
}

static void end_container(struct fc_envelope *envelope, uint8_t c) {
  if (c != (in_object(envelope) ? '}' : ']'))
    fail(envelope);
  keep_byte(envelope, c);
  envelope->depth--;
  if (envelope->depth > 0) {
    end_value(envelope);
    return;
  }
  envelope->json[envelope->len++] = '}';
  envelope->state = NOTHING;
}

static void begin_body(struct fc_envelope *envelope) {
  if (!reserve(envelope))
    return;
  begin_container(envelope, '{');
  envelope->json[envelope->len++] = '{';
}

static void begin_value(struct fc_envelope *envelope, uint8_t c) {
  if (envelope->depth == 1) {
    envelope->start = envelope->len;
    envelope->spoiled = false;
  }
  if (c == '"') {
    begin_string(envelope, /* in_name = */ false);
  } else if (c == '{' || c == '[') {
    begin_container(envelope, c);
  } else {
    envelope->state = SCALAR;
    scalar_byte(envelope, c);
  }
}

/* Takes a byte between tokens that is not blank. */
static void step(struct fc_envelope *envelope, uint8_t c) {
  unsigned state = envelope->state;
  if ((state == NEXT && c == ',') || (state == COLON && c == ':')) {
    keep_byte(envelope, c);
    envelope->state = c == ',' && in_object(envelope) ? NAME : VALUE;
  } else if (state == NEXT || is_empty_end(state, c)) {
    end_container(envelope, c);
  } else if (state == ITEM || state == VALUE) {
    begin_value(envelope, c);
  } else if ((state == MEMBER || state == NAME) && c == '"') {
    begin_string(envelope, /* in_name = */ true);
  } else if (state == START && c == '{') {
    begin_body(envelope);
  } else {
    fail(envelope);
  }
}

static const uint8_t *pass(struct fc_envelope *envelope, const uint8_t *p,
                           const uint8_t *end) {
  bool dropped = !envelope->keeping || envelope->spoiled;
  if (envelope->state == STRING)
    return pass_string(envelope, p, end);
  if (envelope->state == SCALAR)
    return pass_scalar(envelope, p, end);
  p = envelope->depth > 1 && dropped ? pass_nested(envelope, p, end)
                                     : pass_blanks(p, end);
  if (p < end)
    step(envelope, *p++);
  return p;
}

enum fc_error fc_envelope_write(struct fc_envelope *envelope, const char *data,
                                size_t len) {
  const uint8_t *p = (const uint8_t *)data, *end = len ? p + len : p;
  while (p < end && !envelope->error)
    p = pass(envelope, p, end);
  return envelope->error;
}

enum fc_error fc_envelope_finish(struct fc_envelope *envelope,
                                 const char **json, size_t *len) {
  if (!envelope->error && envelope->state != NOTHING)
    fail(envelope);
  if (envelope->error)
    return envelope->error;
  envelope->json[envelope->len] = '\0';
  *json = envelope->json;
  *len = envelope->len;
  return FC_OK;
}
