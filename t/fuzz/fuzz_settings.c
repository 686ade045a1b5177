/* SPDX-License-Identifier: MIT */

/* What a user sets that ends in a request: header lines, the URL, jobs. What is
 * taken holds nothing that would begin another header, host or path. */

#include "src/api/name.h"
#include "src/api/request.h"
#include "src/api/settings.h"
#include "src/api/transport_curl.h"

#include "t/fuzz/fuzz.h"

static bool has_control(const char *text) {
  for (const char *at = text; *at; at++)
    if (((unsigned char)*at < 0x20 && *at != '\t') || *at == 0x7f)
      return true;
  return false;
}

static void check_header(struct fc_settings *settings, const char *text) {
  if (fc_settings_add_header(settings, text))
    return;
  const char *line = settings->headers[settings->headers_len - 1];
  FUZZ_REQUIRE(strcmp(line, text) == 0 && !has_control(line));
  const char *colon = strchr(line, ':');
  FUZZ_REQUIRE(colon && colon > line);
  FUZZ_REQUIRE(strcspn(line, " \t\"(),/;<=>?@[\\]{}") >=
               (size_t)(colon - line));
}

/* Scheme and host, then a path without a query; one more path fits behind. */
static void check_url(struct fc_settings *settings, const char *text) {
  char detail[64], url[FC_URL_SIZE];
  if (fc_transport_curl_set_url(settings, text, detail, sizeof(detail))) {
    FUZZ_REQUIRE(detail[0] && fuzz_is_safe(detail, strlen(detail)));
    return;
  }
  const char *base = settings->url;
  FUZZ_REQUIRE(strncmp(base, "http://", 7) == 0 ||
               strncmp(base, "https://", 8) == 0);
  const char *host = strchr(base, '/') + 2;
  size_t host_len = strcspn(host, "/");
  FUZZ_REQUIRE(host_len && !memchr(host, '@', host_len));
  FUZZ_REQUIRE(!strpbrk(base, "?# ") && !has_control(base));
  FUZZ_REQUIRE(base[strlen(base) - 1] != '/');
  FUZZ_REQUIRE(!fc_request_url(url, sizeof(url), base, settings->api_version,
                               fc_kind_get(FC_KIND_EXTRACT), "a"));
  (void)fc_settings_key_in_clear(settings);
}

static void check_job(struct fc_settings *settings, const char *text) {
  size_t before = settings->jobs_len;
  const struct fc_kind *kind = fc_kind_get(FC_KIND_CRAWL);
  if (fc_settings_add_job(settings, kind, text, NULL)) {
    FUZZ_REQUIRE(settings->jobs_len == before);
    return;
  }
  FUZZ_REQUIRE(fc_id_valid(settings->jobs[before].id, strlen(text)));
  FUZZ_REQUIRE(fc_settings_add_job(settings, kind, text, NULL) ==
               FC_ERR_EXISTS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static void (*const checks[])(struct fc_settings *, const char *) = {
      check_header, check_url, check_job};
  struct fc_settings settings;
  fc_settings_init(&settings);
  FUZZ_REQUIRE((settings.api_key_file = strdup("/none")));
  while (size) {
    const char *line;
    unsigned which = fuzz_byte(&data, &size) % 3;
    size_t len = fuzz_line(&data, &size, &line);
    char *text = malloc(len + 1);
    FUZZ_REQUIRE(text);
    memcpy(text, line, len);
    text[len] = '\0';
    checks[which](&settings, text);
    free(text);
  }
  fc_settings_release(&settings);
  return 0;
}
