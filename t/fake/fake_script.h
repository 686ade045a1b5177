/* SPDX-License-Identifier: MIT */

/* The script of the fake server: text to states. See t/fake/fake_firecrawl.h.
 */

#ifndef FC_T_FAKE_SCRIPT_H
#define FC_T_FAKE_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FAKE_HEADERS_MAX = 4 };

/* One state of a job, or an answer to all. Strings are owned. */
struct fake_state {
  char *status;
  int64_t for_ms;       /* 0: not bounded by time */
  int64_t for_requests; /* 0: not bounded by requests */
  int code;
  bool never;
  bool no_date;
  int64_t date_ahead_s;
  int64_t expires_in_s; /* or since the epoch, if it is fixed */
  bool expires_fixed;
  char *expires; /* the text; "none": no member; NULL: expires_in_s counts */
  char *error;   /* JSON; NULL: none */
  char *members; /* further ones: ,"tokensUsed":1 */
  char *body;
  char *headers[FAKE_HEADERS_MAX];
  int64_t data_bytes;
  int64_t delay_ms;
  int64_t cut;   /* -1: whole */
  int64_t every; /* of an answer: 0 or 1: to each request */
};

/* Splits a line into words at blanks; "..." keeps blanks and takes \" and \\
 * and \n. Returns how many, at most max; -1 for an open quote. The words point
 * into the line, which is changed. */
int fake_words(char *line, char **words, int max);

/* Reads the words of a state from words[i] on. False with the reason. */
bool fake_state_read(struct fake_state *state, char **words, int len,
                     const char **why);

void fake_state_release(struct fake_state *state);

#endif
