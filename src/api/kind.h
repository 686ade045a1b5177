/* SPDX-License-Identifier: MIT */

/* Kinds of job. A kind is one row: its names, where its status is asked for,
 * in which API versions, and when it ends and what succeeds it.
 *
 * Source of the paths: https://docs.firecrawl.dev/api-reference (endpoints
 * extract-get, agent-get, crawl-get, batch-scrape-get); of the end of /extract:
 * the same documentation, "Migrating from /extract". */

#ifndef FC_KIND_H
#define FC_KIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fc_kind_id {
  FC_KIND_EXTRACT,
  FC_KIND_AGENT,
  FC_KIND_CRAWL,
  FC_KIND_BATCH_SCRAPE,
  FC_KIND_COUNT
};

enum fc_api_version {
  FC_API_DEFAULT, /* the kind's own default */
  FC_API_V1,
  FC_API_V2,
  FC_API_COUNT
};

struct fc_kind {
  enum fc_kind_id id;
  const char *name;   /* "batch_scrape": JobFile, registrations, messages */
  const char *option; /* "BatchScrape": the configuration option */
  const char *path[FC_API_COUNT]; /* ends before the job ID, e.g.
                                     "/v1/extract/"; [FC_API_DEFAULT] is the
                                     default one; NULL: not in that version */
  const char *query;              /* "?limit=1", or "" */
  const char *successor; /* what to use once the endpoint is gone; NULL if
                            none is known */
  int64_t cloud_end_s; /* when the endpoint ends at FC_CLOUD_HOST, epoch; 0: no
                          date is known */
  bool cancelled_reads_failed; /* the API says "failed" of a job that was
                                  cancelled, and tells them apart by its error
                                  text alone */
};

/* Firecrawl's own server, whose endpoints have the dates of the table. */
#define FC_CLOUD_HOST "api.firecrawl.dev"

/* The row of a kind; NULL for a value out of range. Static storage. */
const struct fc_kind *fc_kind_get(enum fc_kind_id id);

/* The row with that name (exact), or NULL. `len` bytes, need not end in NUL. */
const struct fc_kind *fc_kind_by_name(const char *name, size_t len);

/* The row with that configuration option (case-insensitive, as collectd's
 * options are), or NULL. */
const struct fc_kind *fc_kind_by_option(const char *option);

/* The path of a kind in an API version. Where the kind does not exist in the
 * version (agent in v1), the kind's default path. Never NULL. */
const char *fc_kind_path(const struct fc_kind *kind,
                         enum fc_api_version version);

/* What to use instead of the endpoint, where a reply named `named` ("" if it
 * named nothing): our own words, unless the reply names something that is not
 * in them. NULL if nothing is known. */
const char *fc_kind_successor(const struct fc_kind *kind, const char *named);

/* "v1" or "v2" (any case) to the enum; FC_API_DEFAULT for anything else. */
enum fc_api_version fc_api_version_from_name(const char *name);

#endif
