/* SPDX-License-Identifier: MIT */

#include "t/fake/fake_script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

int fake_words(char *line, char **words, int max) {
  int len = 0;
  char *in = line;
  for (;;) {
    in += strspn(in, " \t\r");
    if (*in == '\0' || *in == '#')
      return len;
    if (len == max)
      return -1;
    char *out = words[len++] = in;
    bool quoted = false;
    for (; *in && (quoted || !strchr(" \t\r", *in)); in++) {
      if (*in == '"') {
        quoted = !quoted;
      } else if (quoted && *in == '\\' && in[1]) {
        in++;
        *out++ = *in == 'n' ? '\n' : *in == 'r' ? '\r' : *in;
      } else {
        *out++ = *in;
      }
    }
    if (quoted)
      return -1;
    bool end = *in == '\0';
    *out = '\0';
    if (end)
      return len;
    in++;
  }
}

static bool number(const char *text, int64_t *value) {
  char *end;
  *value = strtoll(text, &end, 10);
  return *text && *end == '\0';
}

static bool set_string(char **field, const char *text) {
  free(*field);
  *field = strdup(text);
  return *field != NULL;
}

/* A number, word or JSON value as it is; other text as a JSON string. */
static char *json_of(const char *text) {
  static const char *const literals[] = {"null", "true", "false"};
  size_t len = strlen(text), used = 0;
  for (size_t i = 0; i < 3; i++)
    if (strcmp(text, literals[i]) == 0)
      return strdup(text);
  if (text[0] == '{' || text[0] == '[')
    return strdup(text);
  char *json = malloc(2 * len + 3);
  if (!json)
    return NULL;
  json[used++] = '"';
  for (size_t i = 0; i < len; i++) {
    if (text[i] == '"' || text[i] == '\\' || text[i] == '\n')
      json[used++] = '\\';
    json[used++] = text[i] == '\n' ? 'n' : text[i];
  }
  json[used++] = '"';
  json[used] = '\0';
  return json;
}

static bool set_error(struct fake_state *state, const char *value) {
  free(state->error);
  state->error = json_of(value);
  return state->error != NULL;
}

static bool set_expires(struct fake_state *state, const char *value) {
  if (value[0] == '@') {
    state->expires_fixed = true;
    state->expires_in_s = time(NULL);
    int64_t seconds;
    if (!number(value + 1, &seconds))
      return false;
    state->expires_in_s += seconds;
    return true;
  }
  if (value[0] == '+' || value[0] == '-')
    return number(value, &state->expires_in_s);
  return set_string(&state->expires, value);
}

static bool set_date(struct fake_state *state, const char *value) {
  state->no_date = strcmp(value, "none") == 0;
  return state->no_date || number(value, &state->date_ahead_s);
}

static bool set_code(struct fake_state *state, const char *value) {
  int64_t code;
  bool fine = number(value, &code) && code >= 100 && code <= 999;
  if (fine)
    state->code = (int)code;
  return fine;
}

static bool add_header(struct fake_state *state, const char *value) {
  for (int i = 0; i < FAKE_HEADERS_MAX; i++)
    if (!state->headers[i])
      return strchr(value, ':') && set_string(&state->headers[i], value);
  return false;
}

static bool add_member(struct fake_state *state, const char *name,
                       const char *value) {
  char *members;
  if (asprintf(&members, "%s,\"%s\":%s", state->members ? state->members : "",
               name, value) < 0)
    return false;
  free(state->members);
  state->members = members;
  return true;
}

static char *read_whole(const char *path) {
  FILE *file = fopen(path, "rb");
  char *text = NULL;
  size_t size = 0;
  if (!file)
    return NULL;
  if (getdelim(&text, &size, '\0', file) < 0) {
    free(text);
    text = NULL;
  }
  fclose(file);
  return text;
}

/* Headers that the server makes itself. */
static bool is_framing(const char *line) {
  static const char *const names[] = {
      "Content-Length:", "Connection:", "Keep-Alive:", "Transfer-Encoding:"};
  for (size_t i = 0; i < 4; i++)
    if (strncasecmp(line, names[i], strlen(names[i])) == 0)
      return true;
  return false;
}

static bool capture_header(struct fake_state *state, char *line) {
  if (is_framing(line) || strncasecmp(line, "ETag:", 5) == 0 ||
      strncasecmp(line, "X-Powered-By:", 13) == 0)
    return true;
  if (strncasecmp(line, "Date:", 5) == 0)
    state->no_date = true;
  return add_header(state, line);
}

static bool set_capture(struct fake_state *state, const char *path) {
  char *text = read_whole(path), *save = NULL;
  char *body = text ? strstr(text, "\r\n\r\n") : NULL;
  size_t gap = 4;
  if (text && !body) {
    body = strstr(text, "\n\n");
    gap = 2;
  }
  bool fine = body && sscanf(text, "HTTP/%*s %d", &state->code) == 1;
  if (fine) {
    *body = '\0';
    fine = set_string(&state->body, body + gap);
    (void)strtok_r(text, "\r\n", &save);
    for (char *line; fine && (line = strtok_r(NULL, "\r\n", &save));)
      fine = capture_header(state, line);
  }
  free(text);
  return fine;
}

static const struct {
  const char *name;
  const char *member;
} members[] = {
    {"tokens", "tokensUsed"},
    {"credits", "creditsUsed"},
    {"completed", "completed"},
    {"total", "total"},
};

static bool set_word(struct fake_state *state, char *word) {
  char *value = strchr(word, '=');
  if (!value) {
    state->never = strcmp(word, "never") == 0;
    return state->never;
  }
  *value++ = '\0';
  for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
    if (strcmp(word, members[i].name) == 0)
      return add_member(state, members[i].member, value);
  if (strcmp(word, "expires") == 0)
    return set_expires(state, value);
  if (strcmp(word, "error") == 0)
    return set_error(state, value);
  if (strcmp(word, "data") == 0)
    return number(value, &state->data_bytes);
  if (strcmp(word, "code") == 0)
    return set_code(state, value);
  if (strcmp(word, "body") == 0)
    return set_string(&state->body, value);
  if (strcmp(word, "header") == 0)
    return add_header(state, value);
  if (strcmp(word, "date") == 0)
    return set_date(state, value);
  if (strcmp(word, "delay") == 0)
    return number(value, &state->delay_ms);
  if (strcmp(word, "cut") == 0)
    return number(value, &state->cut);
  if (strcmp(word, "every") == 0)
    return number(value, &state->every);
  return strcmp(word, "capture") == 0 && set_capture(state, value);
}

/* "for 2s" or "for 3 requests"; returns how many words it took, -1 if bad. */
static int read_for(struct fake_state *state, char **words, int len) {
  double seconds;
  char unit;
  if (len < 2)
    return -1;
  if (len >= 3 && strncmp(words[2], "request", 7) == 0)
    return number(words[1], &state->for_requests) && state->for_requests > 0
               ? 3
               : -1;
  if (sscanf(words[1], "%lf%c", &seconds, &unit) != 2 || unit != 's')
    return -1;
  state->for_ms = (int64_t)(seconds * 1000);
  return 2;
}

bool fake_state_read(struct fake_state *state, char **words, int len,
                     const char **why) {
  *state = (struct fake_state){.code = 200, .expires_in_s = 3600, .cut = -1};
  int i = 0;
  if (len < 1) {
    *why = "a status is expected";
    return false;
  }
  if (!set_string(&state->status, words[i++]))
    return false;
  while (i < len) {
    if (strcmp(words[i], "for") == 0) {
      int took = read_for(state, words + i, len - i);
      *why = "\"for Ns\" or \"for N requests\" is expected";
      if (took < 0)
        return false;
      i += took;
    } else if (!set_word(state, words[i++])) {
      *why = "a word of the list in t/fake/fake_firecrawl.h is expected";
      return false;
    }
  }
  return true;
}

void fake_state_release(struct fake_state *state) {
  free(state->status);
  free(state->expires);
  free(state->error);
  free(state->members);
  free(state->body);
  for (int i = 0; i < FAKE_HEADERS_MAX; i++)
    free(state->headers[i]);
  *state = (struct fake_state){0};
}
