/* SPDX-License-Identifier: MIT */

/* What one <Instance> asks for: every option, its default, and its unit. Filled
 * by whoever reads a configuration (plugin/config.c, firecrawlctl), then
 * constant for as long as the instance lives.
 *
 * Strings are heap copies owned by the struct; NULL means "not set". */

#ifndef FC_SETTINGS_H
#define FC_SETTINGS_H

#include "src/api/key.h"
#include "src/api/kind.h"
#include "src/base/error.h"
#include "src/base/macros.h"
#include "src/base/secret.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FC_DEFAULT_URL "https://api.firecrawl.dev"

/* Which jobs get series of their own. */
enum fc_job_metrics {
  FC_JOB_METRICS_ALL,
  FC_JOB_METRICS_UNFINISHED,
  FC_JOB_METRICS_NONE
};

enum fc_address_family { FC_FAMILY_ANY, FC_FAMILY_IPV4, FC_FAMILY_IPV6 };

struct fc_job_spec {
  const struct fc_kind *kind;
  char *id;
  char *name; /* never NULL: the ID where none was given */
};

struct fc_settings {
  char *name; /* the instance's own */
  char *url;  /* no trailing slash, no version */
  enum fc_api_version api_version;
  char *api_key;
  char *api_key_file;
  char **headers; /* "Name: value" */
  size_t headers_len;
  struct fc_job_spec *jobs;
  size_t jobs_len;
  char *job_file;
  bool accept_registrations;
  int64_t interval_ms; /* 0: not set, the plugin's interval */
  int64_t timeout_ms;
  int64_t max_concurrency;
  int64_t max_requests_per_minute; /* 0: no budget */
  int64_t max_jobs;
  int64_t max_body_bytes;
  int64_t stall_timeout_s;  /* 0: never */
  int64_t expiry_warning_s; /* 0: never */
  bool notify_completed;
  int64_t repeat_interval_s; /* 0: never */
  int job_metrics;           /* enum fc_job_metrics */
  int64_t forget_after_s;
  char *host; /* NULL: collectd's */
  char *ca_cert;
  char *ca_path;
  char *client_cert;
  char *client_key;
  bool verify_peer;
  bool verify_host;
  char *proxy;
  char *no_proxy;
  int address_family; /* enum fc_address_family */
  /* What no text may repeat of the above; the key's are fc_key_secrets. */
  struct fc_secret *secrets;
  size_t secrets_len;
};

/* The defaults; allocates nothing. */
void fc_settings_init(struct fc_settings *settings);

/* Wipes the key and other text, frees everything; the struct is then as after
 * _init. */
void fc_settings_release(struct fc_settings *settings);

/* Adds a job; a NULL name means the ID. FC_ERR_ARGUMENT for a bad ID or name,
 * FC_ERR_EXISTS when the ID is there already, FC_ERR_MEMORY. Unchanged on
 * failure. Linear in the number of jobs: for configurations, not job files. */
FC_MUST_USE enum fc_error fc_settings_add_job(struct fc_settings *settings,
                                              const struct fc_kind *kind,
                                              const char *id, const char *name);

/* Adds a request header; its value, and what of that follows a scheme ("Bearer
 * X"), are secrets. FC_ERR_ARGUMENT unless it is "Name: value" with a token as
 * name and no control character (RFC 9110 section 5), FC_ERR_MEMORY. */
FC_MUST_USE enum fc_error fc_settings_add_header(struct fc_settings *settings,
                                                 const char *header);

/* Adds a copy of something that no text may repeat. Nothing for one that is
 * empty or known. FC_ERR_MEMORY. */
FC_MUST_USE enum fc_error fc_settings_add_secret(struct fc_settings *settings,
                                                 const char *bytes, size_t len);

/* All that no text may repeat: the key's first, then the settings'. `known`
 * holds them for the caller; they are borrowed until one is added or the key is
 * set. */
struct fc_known_secrets {
  struct fc_secret of_key[FC_KEY_SECRETS];
  struct fc_secrets of_settings, all;
};
const struct fc_secrets *fc_settings_secrets(const struct fc_settings *settings,
                                             const struct fc_key *key,
                                             struct fc_known_secrets *known);

/* True when the URL is that of Firecrawl's own server (FC_CLOUD_HOST). */
bool fc_settings_is_cloud(const struct fc_settings *settings);

/* True when the key would cross a network in the clear: http to a host that is
 * not loopback, and a key is set. */
bool fc_settings_key_in_clear(const struct fc_settings *settings);

#endif
