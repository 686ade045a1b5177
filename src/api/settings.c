/* SPDX-License-Identifier: MIT */

#include "src/api/settings.h"

#include "src/api/name.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void fc_settings_init(struct fc_settings *settings) {
  *settings = (struct fc_settings){
      .timeout_ms = 5000,
      .max_concurrency = 32,
      .max_requests_per_minute = 400,
      .max_jobs = 10000,
      .max_body_bytes = INT64_C(64) * 1024 * 1024,
      .stall_timeout_s = 3600,
      .forget_after_s = 86400,
      .verify_peer = true,
      .verify_host = true,
  };
}

/* A header, a proxy's URL or a path may hold a secret as well as the key. */
static void free_string(char *string) {
  if (string)
    explicit_bzero(string, strlen(string));
  free(string);
}

static void free_strings(char **strings, size_t len) {
  for (size_t i = 0; i < len; i++)
    free_string(strings[i]);
  free(strings);
}

static void free_secret(const struct fc_secret *secret) {
  explicit_bzero((char *)secret->bytes, secret->len);
  free((char *)secret->bytes);
}

void fc_settings_release(struct fc_settings *settings) {
  char *owned[] = {
      settings->name,         settings->url,      settings->api_key,
      settings->api_key_file, settings->job_file, settings->host,
      settings->ca_cert,      settings->ca_path,  settings->client_cert,
      settings->client_key,   settings->proxy,    settings->no_proxy,
  };
  for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
    free_string(owned[i]);
  free_strings(settings->headers, settings->headers_len);
  for (size_t i = 0; i < settings->jobs_len; i++) {
    free(settings->jobs[i].id);
    free(settings->jobs[i].name);
  }
  free(settings->jobs);
  for (size_t i = 0; i < settings->secrets_len; i++)
    free_secret(&settings->secrets[i]);
  free(settings->secrets);
  fc_settings_init(settings);
}

const struct fc_secrets *fc_settings_secrets(const struct fc_settings *settings,
                                             const struct fc_key *key,
                                             struct fc_known_secrets *known) {
  known->of_settings =
      (struct fc_secrets){settings->secrets, settings->secrets_len, NULL};
  known->all = (struct fc_secrets){
      known->of_key, fc_key_secrets(key, known->of_key), &known->of_settings};
  return &known->all;
}

static bool has_secret(const struct fc_settings *settings, const char *bytes,
                       size_t len) {
  for (size_t i = 0; i < settings->secrets_len; i++)
    if (settings->secrets[i].len == len &&
        memcmp(settings->secrets[i].bytes, bytes, len) == 0)
      return true;
  return false;
}

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

/* As a line of text has them. */
static size_t copy_with_single_blanks(char *copy, const char *bytes,
                                      size_t len) {
  size_t used = 0;
  for (size_t i = 0; i < len; i++)
    if (!is_blank(bytes[i]))
      copy[used++] = bytes[i];
    else if (i == 0 || !is_blank(bytes[i - 1]))
      copy[used++] = ' ';
  return used;
}

enum fc_error fc_settings_add_secret(struct fc_settings *settings,
                                     const char *bytes, size_t len) {
  if (!len)
    return FC_OK;
  struct fc_secret *secrets = reallocarray(
      settings->secrets, settings->secrets_len + 1, sizeof(struct fc_secret));
  if (!secrets)
    return FC_ERR_MEMORY;
  settings->secrets = secrets;
  char *copy = malloc(len);
  if (!copy)
    return FC_ERR_MEMORY;
  len = copy_with_single_blanks(copy, bytes, len);
  const struct fc_secret secret = {copy, len};
  if (has_secret(settings, copy, len))
    free_secret(&secret);
  else
    secrets[settings->secrets_len++] = secret;
  return FC_OK;
}

static bool has_job(const struct fc_settings *settings, const char *id) {
  for (size_t i = 0; i < settings->jobs_len; i++)
    if (strcmp(settings->jobs[i].id, id) == 0)
      return true;
  return false;
}

enum fc_error fc_settings_add_job(struct fc_settings *settings,
                                  const struct fc_kind *kind, const char *id,
                                  const char *name) {
  if (!name)
    name = id;
  if (!fc_id_valid(id, strlen(id)) || !fc_name_valid(name, strlen(name)))
    return FC_ERR_ARGUMENT;
  if (has_job(settings, id))
    return FC_ERR_EXISTS;
  struct fc_job_spec *jobs = reallocarray(
      settings->jobs, settings->jobs_len + 1, sizeof(struct fc_job_spec));
  if (!jobs)
    return FC_ERR_MEMORY;
  settings->jobs = jobs;
  struct fc_job_spec job = {kind, strdup(id), strdup(name)};
  if (!job.id || !job.name) {
    free(job.id);
    free(job.name);
    return FC_ERR_MEMORY;
  }
  jobs[settings->jobs_len++] = job;
  return FC_OK;
}

/* RFC 9110 section 5.6.2 */
static bool is_token(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
         (c >= 'a' && c <= 'z') || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool header_valid(const char *header) {
  const char *c = header;
  while (is_token(*c))
    c++;
  if (c == header || *c != ':')
    return false;
  for (; *c; c++)
    if (((unsigned char)*c < 0x20 && *c != '\t') || *c == 0x7f)
      return false;
  return true;
}

/* The value as a whole, and what follows the scheme in it (RFC 9110 section
 * 11.4): "Bearer X" hides X as well. */
static enum fc_error add_header_secrets(struct fc_settings *settings,
                                        const char *header) {
  const char *value = strchr(header, ':') + 1, *end = header + strlen(header);
  while (is_blank(*value))
    value++;
  while (end > value && is_blank(end[-1]))
    end--;
  const char *rest = value;
  while (is_token(*rest))
    rest++;
  enum fc_error error =
      fc_settings_add_secret(settings, value, (size_t)(end - value));
  if (error || rest == value || !is_blank(*rest))
    return error;
  while (is_blank(*rest))
    rest++;
  return rest < end
             ? fc_settings_add_secret(settings, rest, (size_t)(end - rest))
             : FC_OK;
}

enum fc_error fc_settings_add_header(struct fc_settings *settings,
                                     const char *header) {
  if (!header_valid(header))
    return FC_ERR_ARGUMENT;
  if (add_header_secrets(settings, header))
    return FC_ERR_MEMORY;
  char **headers = reallocarray(settings->headers, settings->headers_len + 1,
                                sizeof(char *));
  if (!headers)
    return FC_ERR_MEMORY;
  settings->headers = headers;
  headers[settings->headers_len] = strdup(header);
  if (!headers[settings->headers_len])
    return FC_ERR_MEMORY;
  settings->headers_len++;
  return FC_OK;
}

static bool host_is(const char *host, size_t len, const char *name) {
  return len == strlen(name) && strncasecmp(host, name, len) == 0;
}

static bool is_loopback(const char *host, size_t len) {
  return host_is(host, len, "localhost") || host_is(host, len, "[::1]") ||
         (len >= 4 && strncmp(host, "127.", 4) == 0 &&
          strspn(host, "0123456789.") >= len);
}

/* The host of a URL that fc_transport_curl_set_url took, without port; an IPv6
 * address with its brackets. "" where there is no URL. */
static const char *host_of(const struct fc_settings *settings, size_t *len) {
  const char *host = settings->url ? strstr(settings->url, "://") : NULL;
  host = host ? host + strlen("://") : "";
  *len = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/");
  return host;
}

bool fc_settings_is_cloud(const struct fc_settings *settings) {
  size_t len;
  const char *host = host_of(settings, &len);
  return host_is(host, len, FC_CLOUD_HOST);
}

bool fc_settings_key_in_clear(const struct fc_settings *settings) {
  static const char scheme[] = "http://";
  size_t len;
  if ((!settings->api_key && !settings->api_key_file) || !settings->url ||
      strncasecmp(settings->url, scheme, sizeof(scheme) - 1) != 0)
    return false;
  const char *host = host_of(settings, &len);
  return !is_loopback(host, len);
}
