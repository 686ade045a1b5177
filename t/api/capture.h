/* SPDX-License-Identifier: MIT */

/* Captured replies of t/data/captures, for tests. */

#ifndef FC_T_CAPTURE_H
#define FC_T_CAPTURE_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CAPTURE_SIZE = 4096 };

static const char *const captures[] = {
    "v1-bad-key",
    "v1-cancelled",
    "v1-completed",
    "v1-completed-record-lapsed",
    "v1-completed-result-not-yet-stored",
    "v1-failed",
    "v1-failed-record-lapsed-reads-processing",
    "v1-no-key",
    "v1-not-found",
    "v1-processing-with-steps",
    "v2-completed",
};

enum { CAPTURES = sizeof(captures) / sizeof(captures[0]) };

/* Reads a capture into text; returns its body. */
static inline const char *capture_read(const char *name,
                                       char text[CAPTURE_SIZE]) {
  char path[512];
  const char *top = getenv("srcdir");
  (void)snprintf(path, sizeof(path), "%s/t/data/captures/%s.http",
                 top ? top : ".", name);
  FILE *file = fopen(path, "rb");
  ck_assert_msg(file != NULL, "%s cannot be opened", path);
  size_t len = fread(text, 1, CAPTURE_SIZE - 1, file);
  (void)fclose(file);
  text[len] = '\0';
  char *body = strstr(text, "\r\n\r\n");
  if (body)
    return body + 4;
  body = strstr(text, "\n\n");
  ck_assert_ptr_nonnull(body);
  return body + 2;
}

#endif
