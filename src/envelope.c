#include "src/envelope.h"

#include <stdlib.h>
#include <string.h>

/* The members that are let through. */
static const char *const names[] = {
    "success", "status",      "expiresAt",           "error",
    "message", "tokensUsed",  "creditsUsed",         "completed",
    "total",   "replacement", "retry_after_seconds",
};

enum { NAMES = sizeof(names) / sizeof(names[0]) };

_Static_assert(NAMES *(FC_ENVELOPE_STRING_MAX + FC_ENVELOPE_KEY_MAX + 16) <=
                   FC_ENVELOPE_KEEP_MAX,
               "all members at their longest fit");

enum state {
  START,         /* "{" */
  FIRST_KEY,     /* a key or "}" */
  KEY,           /* a key */
  COLON,         /* ":" */
  FIRST_VALUE,   /* a value or "]" */
  VALUE,         /* a value */
  AFTER_VALUE,   /* "," or the end of the level */
  STRING,        /* inside one */
  STRING_UTF8,   /* inside a character of several bytes */
  STRING_ESCAPE, /* behind a backslash */
  STRING_HEX,    /* inside \uXXXX */
  MINUS,         /* the first digit */
  ZERO,          /* behind a leading 0 */
  INTEGER,       /* behind a digit 1 to 9 */
  POINT,         /* the first digit of a fraction */
  FRACTION,      /* behind a digit of a fraction */
  EXPONENT,      /* a sign or the first digit of an exponent */
  EXPONENT_SIGN, /* the first digit behind the sign */
  EXPONENT_DIGIT,
  LITERAL, /* inside true, false, null */
  END      /* nothing but white space */
};

void fc_envelope_init(struct fc_envelope *envelope) {
  memset(envelope, 0, sizeof(*envelope));
}

void fc_envelope_reset(struct fc_envelope *envelope) {
  char *kept = envelope->kept;
  size_t capacity = envelope->kept_capacity;
  fc_envelope_init(envelope);
  envelope->kept = kept;
  envelope->kept_capacity = capacity;
}

void fc_envelope_release(struct fc_envelope *envelope) {
  free(envelope->kept);
  fc_envelope_init(envelope);
}

static enum fc_error fail(struct fc_envelope *envelope, enum fc_error error) {
  envelope->error = error;
  return error;
}

static enum fc_error keep(struct fc_envelope *envelope, const char *data,
                          size_t len) {
  size_t wanted = envelope->kept_len + len + 1;
  if (wanted > envelope->kept_capacity) {
    size_t capacity = envelope->kept_capacity ? envelope->kept_capacity : 256;
    while (capacity < wanted)
      capacity *= 2;
    char *kept = realloc(envelope->kept, capacity);
    if (!kept)
      return fail(envelope, FC_ERR_MEMORY);
    envelope->kept = kept;
    envelope->kept_capacity = capacity;
  }
  memcpy(envelope->kept + envelope->kept_len, data, len);
  envelope->kept_len += len;
  return FC_OK;
}

static bool in_array(const struct fc_envelope *envelope) {
  unsigned level = envelope->depth - 1;
  return envelope->arrays[level / 64] >> (level % 64) & 1;
}

/* The value being kept is too long or too deep: it becomes null, and is no
 * longer kept. */
static enum fc_error keep_null(struct fc_envelope *envelope) {
  envelope->kept_len = envelope->value_at;
  envelope->keeping = false;
  return keep(envelope, "null", 4);
}

/* The string being kept is too long: it ends here, and is no longer kept. */
static enum fc_error keep_cut(struct fc_envelope *envelope) {
  envelope->kept_len = envelope->cut_at;
  envelope->keeping = false;
  return keep(envelope, "\"", 1);
}

/* Bytes of the value under way. */
static enum fc_error value_bytes(struct fc_envelope *envelope, const char *data,
                                 size_t len) {
  if (!envelope->keeping)
    return FC_OK;
  size_t room =
      envelope->value_at + FC_ENVELOPE_STRING_MAX - envelope->kept_len;
  if (len <= room)
    return keep(envelope, data, len);
  return envelope->kept_string ? keep_cut(envelope) : keep_null(envelope);
}

/* A whole character of the string under way has passed. */
static void may_cut(struct fc_envelope *envelope) {
  if (envelope->keeping)
    envelope->cut_at = envelope->kept_len;
}

static void key_byte(struct fc_envelope *envelope, unsigned byte) {
  if (envelope->key_len < FC_ENVELOPE_KEY_MAX)
    envelope->key[envelope->key_len++] = (char)byte;
  else
    envelope->key_len = FC_ENVELOPE_KEY_MAX + 1;
}

static int find_name(const struct fc_envelope *envelope) {
  for (int i = 0; i < NAMES; i++)
    if (strlen(names[i]) == envelope->key_len &&
        memcmp(names[i], envelope->key, envelope->key_len) == 0)
      return i;
  return -1;
}

/* A top-level key is complete: is its value wanted? */
static enum fc_error end_key(struct fc_envelope *envelope) {
  int name = find_name(envelope);
  envelope->in_key = false;
  envelope->keeping = false;
  if (name < 0)
    return FC_OK;
  if (envelope->key_escaped || envelope->seen & 1U << name)
    return fail(envelope, FC_ERR_BODY);
  envelope->seen |= (uint16_t)(1U << name);
  enum fc_error error = keep(envelope, envelope->kept_len > 1 ? ",\"" : "\"",
                             envelope->kept_len > 1 ? 2 : 1);
  if (!error)
    error = keep(envelope, envelope->key, envelope->key_len);
  if (!error)
    error = keep(envelope, "\":", 2);
  envelope->value_at = envelope->kept_len;
  envelope->keeping = true;
  envelope->kept_string = false;
  return error;
}

static enum fc_error open_level(struct fc_envelope *envelope, char c) {
  unsigned level = envelope->depth;
  if (level == FC_ENVELOPE_DEPTH_MAX)
    return fail(envelope, FC_ERR_BODY);
  uint64_t bit = UINT64_C(1) << (level % 64);
  if (c == '[')
    envelope->arrays[level / 64] |= bit;
  else
    envelope->arrays[level / 64] &= ~bit;
  envelope->depth++;
  envelope->state = c == '[' ? FIRST_VALUE : FIRST_KEY;
  if (level == 0)
    return keep(envelope, "{", 1);
  if (envelope->keeping && level >= FC_ENVELOPE_KEEP_DEPTH_MAX)
    return keep_null(envelope);
  return value_bytes(envelope, &c, 1);
}

static void end_value(struct fc_envelope *envelope) {
  envelope->state = AFTER_VALUE;
  if (envelope->depth == 1)
    envelope->keeping = false;
}

static enum fc_error close_level(struct fc_envelope *envelope, char c) {
  if (in_array(envelope) != (c == ']'))
    return fail(envelope, FC_ERR_BODY);
  enum fc_error error = FC_OK;
  if (envelope->depth > 1)
    error = value_bytes(envelope, &c, 1);
  envelope->depth--;
  if (envelope->depth == 0)
    envelope->state = END;
  else
    end_value(envelope);
  return error;
}

static enum fc_error start_string(struct fc_envelope *envelope, bool is_key) {
  envelope->state = STRING;
  envelope->is_key = is_key;
  envelope->in_key = is_key && envelope->depth == 1;
  if (envelope->in_key) {
    envelope->key_len = 0;
    envelope->key_escaped = false;
    return FC_OK;
  }
  if (envelope->keeping && envelope->depth == 1)
    envelope->kept_string = true;
  enum fc_error error = value_bytes(envelope, "\"", 1);
  may_cut(envelope);
  return error;
}

static const struct {
  char first;
  uint8_t state;
  const char *rest;
} scalars[] = {
    {'-', MINUS, NULL},     {'0', ZERO, NULL},     {'t', LITERAL, "rue"},
    {'f', LITERAL, "alse"}, {'n', LITERAL, "ull"}, {'1', INTEGER, NULL},
    {'2', INTEGER, NULL},   {'3', INTEGER, NULL},  {'4', INTEGER, NULL},
    {'5', INTEGER, NULL},   {'6', INTEGER, NULL},  {'7', INTEGER, NULL},
    {'8', INTEGER, NULL},   {'9', INTEGER, NULL},
};

static enum fc_error start_value(struct fc_envelope *envelope, char c) {
  if (c == '"')
    return start_string(envelope, /* is_key = */ false);
  if (c == '{' || c == '[')
    return open_level(envelope, c);
  for (size_t i = 0; i < sizeof(scalars) / sizeof(scalars[0]); i++)
    if (scalars[i].first == c) {
      envelope->state = scalars[i].state;
      envelope->literal = scalars[i].rest;
      return value_bytes(envelope, &c, 1);
    }
  return fail(envelope, FC_ERR_BODY);
}

static enum fc_error after_value(struct fc_envelope *envelope, char c) {
  if (c == '}' || c == ']')
    return close_level(envelope, c);
  if (c != ',')
    return fail(envelope, FC_ERR_BODY);
  envelope->state = in_array(envelope) ? VALUE : KEY;
  return envelope->depth > 1 ? value_bytes(envelope, &c, 1) : FC_OK;
}

/* Outside of strings and scalars. */
static enum fc_error structure(struct fc_envelope *envelope, char c) {
  if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
    return FC_OK;
  switch (envelope->state) {
  case START:
    return c == '{' ? open_level(envelope, c) : fail(envelope, FC_ERR_BODY);
  case FIRST_KEY:
    if (c == '}')
      return close_level(envelope, c);
    /* fallthrough */
  case KEY:
    return c == '"' ? start_string(envelope, /* is_key = */ true)
                    : fail(envelope, FC_ERR_BODY);
  case COLON:
    envelope->state = VALUE;
    if (c != ':')
      return fail(envelope, FC_ERR_BODY);
    return envelope->depth > 1 ? value_bytes(envelope, &c, 1) : FC_OK;
  case FIRST_VALUE:
    if (c == ']')
      return close_level(envelope, c);
    /* fallthrough */
  case VALUE:
    return start_value(envelope, c);
  case AFTER_VALUE:
    return after_value(envelope, c);
  default:
    return fail(envelope, FC_ERR_BODY);
  }
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* The state behind a byte of a number; -1 when the number ends before it, -2
 * when it cannot. */
static int number_step(int state, char c) {
  bool digit = is_digit(c);
  switch (state) {
  case MINUS:
    return c == '0' ? ZERO : digit ? INTEGER : -2;
  case INTEGER:
    if (digit)
      return INTEGER;
    /* fallthrough */
  case ZERO:
    return c == '.' ? POINT : c == 'e' || c == 'E' ? EXPONENT : -1;
  case POINT:
    return digit ? FRACTION : -2;
  case FRACTION:
    return digit ? FRACTION : c == 'e' || c == 'E' ? EXPONENT : -1;
  case EXPONENT:
    return digit ? EXPONENT_DIGIT : c == '+' || c == '-' ? EXPONENT_SIGN : -2;
  case EXPONENT_SIGN:
    return digit ? EXPONENT_DIGIT : -2;
  default:
    return digit ? EXPONENT_DIGIT : -1;
  }
}

static enum fc_error number(struct fc_envelope *envelope, char c) {
  int next = number_step(envelope->state, c);
  if (next == -2)
    return fail(envelope, FC_ERR_BODY);
  if (next == -1) {
    end_value(envelope);
    return structure(envelope, c);
  }
  envelope->state = (uint8_t)next;
  return value_bytes(envelope, &c, 1);
}

static enum fc_error literal(struct fc_envelope *envelope, char c) {
  if (c != *envelope->literal)
    return fail(envelope, FC_ERR_BODY);
  enum fc_error error = value_bytes(envelope, &c, 1);
  if (*++envelope->literal == '\0')
    end_value(envelope);
  return error;
}

static enum fc_error end_string(struct fc_envelope *envelope) {
  if (envelope->in_key) {
    envelope->state = COLON;
    return end_key(envelope);
  }
  enum fc_error error = value_bytes(envelope, "\"", 1);
  if (envelope->is_key)
    envelope->state = COLON;
  else
    end_value(envelope);
  return error;
}

/* RFC 3629 section 4: how a character of several bytes may go on. */
static const struct {
  uint8_t first, last, left, min, max;
} leads[] = {
    {0xc2, 0xdf, 1, 0x80, 0xbf}, {0xe0, 0xe0, 2, 0xa0, 0xbf},
    {0xe1, 0xec, 2, 0x80, 0xbf}, {0xed, 0xed, 2, 0x80, 0x9f},
    {0xee, 0xef, 2, 0x80, 0xbf}, {0xf0, 0xf0, 3, 0x90, 0xbf},
    {0xf1, 0xf3, 3, 0x80, 0xbf}, {0xf4, 0xf4, 3, 0x80, 0x8f},
};

static enum fc_error utf8_lead(struct fc_envelope *envelope, char c) {
  uint8_t byte = (uint8_t)c;
  for (size_t i = 0; i < sizeof(leads) / sizeof(leads[0]); i++)
    if (byte >= leads[i].first && byte <= leads[i].last) {
      envelope->state = STRING_UTF8;
      envelope->utf8_left = (int8_t)leads[i].left;
      envelope->utf8_min = leads[i].min;
      envelope->utf8_max = leads[i].max;
      if (envelope->in_key)
        key_byte(envelope, byte);
      return envelope->in_key ? FC_OK : value_bytes(envelope, &c, 1);
    }
  return fail(envelope, FC_ERR_BODY);
}

static enum fc_error utf8_next(struct fc_envelope *envelope, char c) {
  uint8_t byte = (uint8_t)c;
  if (byte < envelope->utf8_min || byte > envelope->utf8_max)
    return fail(envelope, FC_ERR_BODY);
  envelope->utf8_min = 0x80;
  envelope->utf8_max = 0xbf;
  if (envelope->in_key)
    key_byte(envelope, byte);
  enum fc_error error = envelope->in_key ? FC_OK : value_bytes(envelope, &c, 1);
  if (--envelope->utf8_left == 0) {
    envelope->state = STRING;
    may_cut(envelope);
  }
  return error;
}

static enum fc_error escape(struct fc_envelope *envelope, char c) {
  static const char from[] = "\"\\/bfnrtu", to[] = "\"\\/\b\f\n\r\t";
  const char *found = c ? strchr(from, c) : NULL;
  if (!found)
    return fail(envelope, FC_ERR_BODY);
  envelope->state = c == 'u' ? STRING_HEX : STRING;
  envelope->hex = 0;
  envelope->hex_left = 4;
  if (envelope->in_key) {
    envelope->key_escaped = true;
    if (c != 'u')
      key_byte(envelope, (uint8_t)to[found - from]);
    return FC_OK;
  }
  enum fc_error error = value_bytes(envelope, &c, 1);
  if (c != 'u')
    may_cut(envelope);
  return error;
}

static int hex_value(char c) {
  if (is_digit(c))
    return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum fc_error hex(struct fc_envelope *envelope, char c) {
  int value = hex_value(c);
  if (value < 0)
    return fail(envelope, FC_ERR_BODY);
  envelope->hex = (uint16_t)(envelope->hex << 4 | value);
  bool last = --envelope->hex_left == 0;
  if (last)
    envelope->state = STRING;
  if (envelope->in_key) {
    /* No whitelisted name has a character beyond ASCII. */
    if (last)
      key_byte(envelope, envelope->hex < 0x80 ? envelope->hex : 0xff);
    return FC_OK;
  }
  enum fc_error error = value_bytes(envelope, &c, 1);
  /* Between the halves of a surrogate pair is no place to cut. */
  if (last && (envelope->hex < 0xd800 || envelope->hex > 0xdbff))
    may_cut(envelope);
  return error;
}

/* How many bytes of data[len] are plain text inside a string. */
static size_t plain(const char *data, size_t len) {
  size_t i = 0;
  while (i < len && (unsigned char)data[i] >= 0x20 &&
         (unsigned char)data[i] < 0x80 && data[i] != '"' && data[i] != '\\')
    i++;
  return i;
}

/* Plain text goes byte by byte only where it is kept. */
static enum fc_error plain_bytes(struct fc_envelope *envelope, const char *data,
                                 size_t len) {
  if (envelope->in_key) {
    for (size_t i = 0; i < len; i++)
      key_byte(envelope, (uint8_t)data[i]);
    return FC_OK;
  }
  enum fc_error error = FC_OK;
  for (size_t i = 0; i < len && envelope->keeping && !error; i++) {
    error = value_bytes(envelope, &data[i], 1);
    may_cut(envelope);
  }
  return error;
}

/* A byte inside a string that is not plain. */
static enum fc_error special(struct fc_envelope *envelope, char c) {
  if (c == '"')
    return end_string(envelope);
  if (c == '\\') {
    envelope->state = STRING_ESCAPE;
    return envelope->in_key ? FC_OK : value_bytes(envelope, &c, 1);
  }
  return (uint8_t)c < 0x20 ? fail(envelope, FC_ERR_BODY)
                           : utf8_lead(envelope, c);
}

static enum fc_error step(struct fc_envelope *envelope, char c) {
  switch (envelope->state) {
  case STRING:
    return special(envelope, c);
  case STRING_UTF8:
    return utf8_next(envelope, c);
  case STRING_ESCAPE:
    return escape(envelope, c);
  case STRING_HEX:
    return hex(envelope, c);
  case LITERAL:
    return literal(envelope, c);
  default:
    return envelope->state >= MINUS && envelope->state <= EXPONENT_DIGIT
               ? number(envelope, c)
               : structure(envelope, c);
  }
}

enum fc_error fc_envelope_write(struct fc_envelope *envelope, const char *data,
                                size_t len) {
  size_t i = 0;
  while (i < len && !envelope->error) {
    if (envelope->state == STRING) {
      size_t run = plain(data + i, len - i);
      if (plain_bytes(envelope, data + i, run))
        break;
      i += run;
      if (i == len)
        break;
    }
    (void)step(envelope, data[i++]);
  }
  return envelope->error;
}

enum fc_error fc_envelope_finish(struct fc_envelope *envelope,
                                 const char **json, size_t *len) {
  if (envelope->error)
    return envelope->error;
  if (envelope->state != END)
    return fail(envelope, FC_ERR_BODY);
  if (keep(envelope, "}", 2))
    return envelope->error;
  envelope->kept_len--;
  *json = envelope->kept;
  *len = envelope->kept_len;
  return FC_OK;
}
