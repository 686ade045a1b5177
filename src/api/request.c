/* SPDX-License-Identifier: MIT */

#include "src/api/request.h"

#include "src/api/name.h"

#include <stdio.h>
#include <string.h>

enum fc_error fc_request_url(char *url, size_t size, const char *base,
                             enum fc_api_version version,
                             const struct fc_kind *kind, const char *id) {
  const char *path = fc_kind_path(kind, version);
  size_t base_len = strlen(base), id_len = strlen(id);
  if (!fc_id_valid(id, id_len))
    return FC_ERR_ARGUMENT;
  if (base_len > FC_BASE_URL_MAX ||
      base_len + strlen(path) + id_len + strlen(kind->query) >= size)
    return FC_ERR_LIMIT;
  (void)snprintf(url, size, "%s%s%s%s", base, path, id, kind->query);
  return FC_OK;
}
