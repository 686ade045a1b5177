/* SPDX-License-Identifier: MIT */

/* What a job ID, a job's or instance's name, and an API key may look like, and
 * how a message says so. Pure; any thread. */

#ifndef FC_NAME_H
#define FC_NAME_H

#include <stdbool.h>
#include <stddef.h>

enum {
  FC_ID_MAX = 63,   /* bytes of a job ID; collectdctl cuts names there */
  FC_NAME_MAX = 63, /* bytes of a job's or instance's name */
  FC_KEY_MAX = 2048 /* bytes of an API key */
};

/* The rules in words: every message that states one has it from here. */
#define FC_ID_RULE "1 to 63 characters of A-Z a-z 0-9 _ -"
#define FC_NAME_RULE "1 to 63 characters of A-Z a-z 0-9 _ . -"
#define FC_KEY_RULE "1 to 2048 visible ASCII characters"

/* 1 to FC_ID_MAX bytes of [A-Za-z0-9_-]. Anything else must never reach a
 * URL: libcurl and servers normalise paths. */
bool fc_id_valid(const char *id, size_t len);

/* 1 to FC_NAME_MAX bytes of [A-Za-z0-9_.-]. */
bool fc_name_valid(const char *name, size_t len);

/* Orders names as strcmp does once each "." is a "_", as collectd's
 * write_graphite has them; 0: they become one series in Graphite. */
int fc_name_compare_in_graphite(const char *a, const char *b);

/* 1 to FC_KEY_MAX bytes of visible ASCII (0x21 to 0x7e): a header value that
 * cannot be split (RFC 9110 section 5.5; RFC 6750 section 2.1). */
bool fc_key_valid(const char *key, size_t len);

#endif
