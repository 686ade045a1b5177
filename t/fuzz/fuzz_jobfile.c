/* SPDX-License-Identifier: MIT */

/* JobFile: what is taken can be asked for, and every line is taken, refused,
 * empty or a comment. */

#include "src/api/name.h"
#include "src/api/request.h"
#include "src/watch/jobfile.h"

#include "t/fuzz/fuzz.h"

struct seen {
  size_t line; /* the last one told of */
};

static enum fc_error take(size_t line, const struct fc_spec *spec, void *data) {
  struct seen *seen = data;
  char url[FC_URL_SIZE];
  FUZZ_REQUIRE(spec->kind && line > seen->line);
  FUZZ_REQUIRE(fc_id_valid(spec->id, strlen(spec->id)));
  FUZZ_REQUIRE(!spec->name || fc_name_valid(spec->name, strlen(spec->name)));
  FUZZ_REQUIRE(!fc_request_url(url, sizeof(url), "https://h", FC_API_V1,
                               spec->kind, spec->id));
  seen->line = line;
  return spec->id[0] == 'x' ? FC_ERR_EXISTS : FC_OK;
}

static enum fc_error refuse(size_t line, const char *reason, void *data) {
  struct seen *seen = data;
  FUZZ_REQUIRE(line >= seen->line && reason[0]);
  FUZZ_REQUIRE(fuzz_is_safe(reason, strlen(reason)));
  seen->line = line;
  return FC_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct seen seen = {0};
  FUZZ_REQUIRE(
      !fc_jobfile_parse((const char *)data, size, take, refuse, &seen));
  return 0;
}
