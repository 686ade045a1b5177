/* SPDX-License-Identifier: MIT */

#include "src/api/kind.h"

#include <string.h>
#include <strings.h>

static const struct fc_kind kinds[FC_KIND_COUNT] = {
    [FC_KIND_EXTRACT] =
        {
            .id = FC_KIND_EXTRACT,
            .name = "extract",
            .option = "Extract",
            .path = {[FC_API_DEFAULT] = "/v1/extract/",
                     [FC_API_V1] = "/v1/extract/",
                     [FC_API_V2] = "/v2/extract/"},
            .query = "",
            .successor = "/v2/scrape with a JSON format, /v2/batch/scrape or "
                         "/v2/agent",
            .cloud_end_s = INT64_C(1796914800), /* 2026-12-10T15:00:00Z */
        },
    [FC_KIND_AGENT] =
        {
            .id = FC_KIND_AGENT,
            .name = "agent",
            .option = "Agent",
            .path =
                {[FC_API_DEFAULT] = "/v2/agent/", [FC_API_V2] = "/v2/agent/"},
            .query = "",
            .cancelled_reads_failed = true,
        },
    /* limit=1 keeps the scraped pages, which nobody reads here, out of the
     * reply. */
    [FC_KIND_CRAWL] =
        {
            .id = FC_KIND_CRAWL,
            .name = "crawl",
            .option = "Crawl",
            .path = {[FC_API_DEFAULT] = "/v2/crawl/",
                     [FC_API_V1] = "/v1/crawl/",
                     [FC_API_V2] = "/v2/crawl/"},
            .query = "?limit=1",
        },
    [FC_KIND_BATCH_SCRAPE] =
        {
            .id = FC_KIND_BATCH_SCRAPE,
            .name = "batch_scrape",
            .option = "BatchScrape",
            .path = {[FC_API_DEFAULT] = "/v2/batch/scrape/",
                     [FC_API_V1] = "/v1/batch/scrape/",
                     [FC_API_V2] = "/v2/batch/scrape/"},
            .query = "?limit=1",
        },
};

const struct fc_kind *fc_kind_get(enum fc_kind_id id) {
  return (unsigned)id < FC_KIND_COUNT ? &kinds[id] : NULL;
}

const struct fc_kind *fc_kind_by_name(const char *name, size_t len) {
  for (size_t i = 0; i < FC_KIND_COUNT; i++)
    if (strlen(kinds[i].name) == len && memcmp(kinds[i].name, name, len) == 0)
      return &kinds[i];
  return NULL;
}

const struct fc_kind *fc_kind_by_option(const char *option) {
  for (size_t i = 0; i < FC_KIND_COUNT; i++)
    if (strcasecmp(kinds[i].option, option) == 0)
      return &kinds[i];
  return NULL;
}

const char *fc_kind_path(const struct fc_kind *kind,
                         enum fc_api_version version) {
  const char *path =
      (unsigned)version < FC_API_COUNT ? kind->path[version] : NULL;
  return path ? path : kind->path[FC_API_DEFAULT];
}

const char *fc_kind_successor(const struct fc_kind *kind, const char *named) {
  bool says_more =
      named[0] && (!kind->successor || !strstr(kind->successor, named));
  return says_more ? named : kind->successor;
}

enum fc_api_version fc_api_version_from_name(const char *name) {
  static const char *const names[FC_API_COUNT] = {
      [FC_API_V1] = "v1",
      [FC_API_V2] = "v2",
  };
  for (size_t i = FC_API_V1; i < FC_API_COUNT; i++)
    if (strcasecmp(names[i], name) == 0)
      return (enum fc_api_version)i;
  return FC_API_DEFAULT;
}
