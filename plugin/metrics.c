/* SPDX-License-Identifier: MIT */

#include <collectd.h>

#include <plugin.h>

#include "plugin/metrics.h"

#include "src/api/kind.h"
#include "src/api/settings.h"
#include "src/api/status.h"
#include "src/base/error.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { VIEWS_PER_TURN = 128 /* jobs copied under one lock */ };

/* contrib/types.db says the same to servers that only receive. */
static const struct {
  const char *type;
  const char *source;
  int kind;
  double min, max;
} rows[FC_METRIC_COUNT] = {
    [FC_METRIC_JOB_STATUS] = {"job_status", "value", DS_TYPE_GAUGE, 0, NAN},
    [FC_METRIC_JOB_EXPIRY] = {"job_expiry", "value", DS_TYPE_GAUGE, NAN, NAN},
    [FC_METRIC_JOB_STALLED] = {"job_stalled", "value", DS_TYPE_GAUGE, 0, 1},
    [FC_METRIC_DURATION] = {"duration", "seconds", DS_TYPE_GAUGE, 0, NAN},
    [FC_METRIC_JOB_TOKENS] = {"job_tokens", "value", DS_TYPE_GAUGE, 0, NAN},
    [FC_METRIC_JOB_CREDITS] = {"job_credits", "value", DS_TYPE_GAUGE, 0, NAN},
    [FC_METRIC_PERCENT] = {"percent", "value", DS_TYPE_GAUGE, 0, 100.1},
    [FC_METRIC_JOBS] = {"jobs", "value", DS_TYPE_GAUGE, 0, NAN},
    [FC_METRIC_JOB_ENDS] = {"job_ends", "value", DS_TYPE_DERIVE, 0, NAN},
    [FC_METRIC_API_UP] = {"api_up", "value", DS_TYPE_GAUGE, 0, 1},
    [FC_METRIC_API_SUNSET] = {"api_sunset", "value", DS_TYPE_GAUGE, NAN, NAN},
    [FC_METRIC_POLL_AGE] = {"poll_age", "value", DS_TYPE_GAUGE, 0, NAN},
    [FC_METRIC_RESPONSE_TIME] = {"response_time", "value", DS_TYPE_GAUGE, 0,
                                 NAN},
    [FC_METRIC_HTTP_RESPONSE_CODES] = {"http_response_codes", "value",
                                       DS_TYPE_DERIVE, 0, NAN},
    [FC_METRIC_ERRORS] = {"errors", "value", DS_TYPE_DERIVE, 0, NAN},
    [FC_METRIC_TOTAL_REQUESTS] = {"total_requests", "value", DS_TYPE_DERIVE, 0,
                                  NAN},
};

/* True when every value that `wanted` lets through gets through `given`. */
static bool min_is_no_narrower(double given, double wanted) {
  return isnan(given) || (!isnan(wanted) && given <= wanted);
}

static bool max_is_no_narrower(double given, double wanted) {
  return isnan(given) || (!isnan(wanted) && given >= wanted);
}

static bool shape_is_ours(const data_set_t *set, enum fc_metric metric) {
  return set->ds_num == 1 && set->ds[0].type == rows[metric].kind &&
         strcmp(set->ds[0].name, rows[metric].source) == 0 &&
         min_is_no_narrower(set->ds[0].min, rows[metric].min) &&
         max_is_no_narrower(set->ds[0].max, rows[metric].max);
}

static bool register_type(enum fc_metric metric) {
  data_source_t source = {
      .type = rows[metric].kind,
      .min = rows[metric].min,
      .max = rows[metric].max,
  };
  data_set_t set = {.ds_num = 1, .ds = &source};
  strncat(set.type, rows[metric].type, sizeof(set.type) - 1);
  strncat(source.name, rows[metric].source, sizeof(source.name) - 1);
  return plugin_register_data_set(&set) == 0;
}

static bool type_is_usable(enum fc_metric metric) {
  const data_set_t *known = plugin_get_ds(rows[metric].type);
  if (known ? shape_is_ours(known, metric) : register_type(metric))
    return true;
  ERROR("firecrawl plugin: the type \"%s\" %s; its values are not dispatched",
        rows[metric].type,
        known ? "is defined otherwise in your types.db than this plugin needs "
                "it (see contrib/types.db)"
              : "cannot be registered: out of memory");
  return false;
}

void fc_metrics_init(struct fc_metrics *metrics) {
  for (size_t i = 0; i < FC_METRIC_COUNT; i++)
    metrics->usable[i] = type_is_usable((enum fc_metric)i);
}

bool fc_metrics_has_type(const char *type) {
  for (size_t i = 0; i < FC_METRIC_COUNT; i++)
    if (strcmp(rows[i].type, type) == 0)
      return true;
  return false;
}

/* What all values of one pass share. */
struct pass {
  const struct fc_metrics *metrics;
  value_list_t list;
};

static void dispatch(struct pass *pass, enum fc_metric metric,
                     const char *type_instance, value_t value) {
  value_list_t *list = &pass->list;
  if (!pass->metrics->usable[metric])
    return;
  list->values = &value;
  list->values_len = 1;
  (void)snprintf(list->type, sizeof(list->type), "%s", rows[metric].type);
  (void)snprintf(list->type_instance, sizeof(list->type_instance), "%s",
                 type_instance);
  /* The daemon itself logs why it takes no value. */
  (void)plugin_dispatch_values(list);
}

static void gauge(struct pass *pass, enum fc_metric metric,
                  const char *type_instance, double value) {
  dispatch(pass, metric, type_instance, (value_t){.gauge = value});
}

static void counter(struct pass *pass, enum fc_metric metric,
                    const char *type_instance, uint64_t value) {
  dispatch(pass, metric, type_instance, (value_t){.derive = (derive_t)value});
}

#define VIEW(member) offsetof(struct fc_job_view, member)
#define FACT(member) VIEW(facts.member)

/* Figures with their flags. */
static const struct {
  enum fc_metric metric;
  size_t value, has;
} job_metrics[] = {
    {FC_METRIC_JOB_EXPIRY, VIEW(expiry_s), VIEW(has_expiry)},
    {FC_METRIC_JOB_STALLED, VIEW(stalled), VIEW(has_stalled)},
    {FC_METRIC_DURATION, FACT(duration_s), FACT(has_duration)},
    {FC_METRIC_JOB_TOKENS, FACT(tokens), FACT(has_tokens)},
    {FC_METRIC_JOB_CREDITS, FACT(credits), FACT(has_credits)},
    {FC_METRIC_PERCENT, FACT(percent), FACT(has_percent)},
};

static void dispatch_job(struct pass *pass, const struct fc_job_view *view) {
  const char *base = (const char *)view;
  gauge(pass, FC_METRIC_JOB_STATUS, view->name, view->facts.status);
  for (size_t i = 0; i < sizeof(job_metrics) / sizeof(job_metrics[0]); i++)
    if (*(const bool *)(base + job_metrics[i].has))
      gauge(pass, job_metrics[i].metric, view->name,
            *(const double *)(const void *)(base + job_metrics[i].value));
}

static void dispatch_jobs(struct pass *pass, struct fc_instance *instance,
                          struct fc_now now) {
  struct fc_job_view views[VIEWS_PER_TURN];
  size_t len;
  bool more = true;
  for (bool first = true; more; first = false) {
    more = fc_instance_views(instance, now, first, views, VIEWS_PER_TURN, &len);
    for (size_t i = 0; i < len; i++)
      dispatch_job(pass, &views[i]);
  }
}

static void dispatch_counts(struct pass *pass, const struct fc_stats *stats) {
  for (int i = 0; i < FC_STATUS_COUNT; i++) {
    const char *name = fc_status_name((enum fc_status)i);
    gauge(pass, FC_METRIC_JOBS, name, (double)stats->jobs[i]);
    if (fc_status_has_ended((enum fc_status)i))
      counter(pass, FC_METRIC_JOB_ENDS, name, stats->ends[i]);
  }
  gauge(pass, FC_METRIC_JOBS, "stalled", (double)stats->stalled);
}

static void dispatch_codes(struct pass *pass, const struct fc_stats *stats) {
  for (int code = 0; code <= FC_HTTP_CODE_MAX; code++) {
    char name[12];
    if (!stats->codes[code])
      continue;
    (void)snprintf(name, sizeof(name), "%03d", code);
    counter(pass, FC_METRIC_HTTP_RESPONSE_CODES, name, stats->codes[code]);
  }
}

static void dispatch_api(struct pass *pass, const struct fc_stats *stats) {
  if (stats->has_api_up)
    gauge(pass, FC_METRIC_API_UP, "", stats->api_up ? 1 : 0);
  counter(pass, FC_METRIC_TOTAL_REQUESTS, "", stats->requests);
  for (int i = 0; i < FC_CLASS_COUNT; i++)
    counter(pass, FC_METRIC_ERRORS, fc_error_class_name((enum fc_error_class)i),
            stats->failures[i].count);
  for (int i = 0; i < FC_KIND_COUNT; i++)
    if (stats->has_sunset[i])
      gauge(pass, FC_METRIC_API_SUNSET, fc_kind_get((enum fc_kind_id)i)->name,
            (double)stats->sunset_left_s[i]);
  if (stats->has_poll_age)
    gauge(pass, FC_METRIC_POLL_AGE, "", stats->poll_age_s);
  if (!stats->timed)
    return;
  gauge(pass, FC_METRIC_RESPONSE_TIME, "average",
        stats->response_sum_s / (double)stats->timed);
  gauge(pass, FC_METRIC_RESPONSE_TIME, "max", stats->response_max_s);
}

void fc_metrics_dispatch(const struct fc_metrics *metrics,
                         struct fc_instance *instance,
                         const struct fc_stats *stats, struct fc_now now) {
  const struct fc_settings *settings = fc_instance_settings(instance);
  struct pass pass = {.metrics = metrics, .list = VALUE_LIST_INIT};
  value_list_t *list = &pass.list;
  if (settings->host)
    (void)snprintf(list->host, sizeof(list->host), "%s", settings->host);
  (void)snprintf(list->plugin, sizeof(list->plugin), "firecrawl");
  (void)snprintf(list->plugin_instance, sizeof(list->plugin_instance), "%s",
                 settings->name);
  dispatch_jobs(&pass, instance, now);
  dispatch_counts(&pass, stats);
  dispatch_codes(&pass, stats);
  dispatch_api(&pass, stats);
}
