/* SPDX-License-Identifier: MIT */

#include "src/watch/source.h"

#include "src/api/settings.h"
#include "src/api/spec.h"
#include "src/base/error.h"
#include "src/base/macros.h"
#include "src/base/secret.h"
#include "src/base/text.h"
#include "src/watch/event.h"
#include "src/watch/job.h"
#include "src/watch/jobfile.h"

#include <stdlib.h>
#include <string.h>

void fc_source_init(struct fc_source *source, struct fc_instance *instance,
                    const struct fc_key *key, const atomic_bool *stop,
                    struct fc_waker changed) {
  *source = (struct fc_source){
      .instance = instance,
      .key = key,
      .stop = stop,
      .changed = changed,
      .path = fc_instance_settings(instance)->job_file,
  };
  fc_flush_init(&source->flushed);
}

struct reading {
  struct fc_source *source;
  struct fc_now now;
  bool is_private; /* not everyone may read the file */
  size_t jobs;
  size_t bad;
  char first_bad[FC_ERROR_TEXT_SIZE];
};

/* A large file takes its time, and the daemon wants to end: it has just asked
 * for a flush, as for any that ends. */
static bool is_ending(const struct fc_source *source) {
  return atomic_load(source->stop);
}

static enum fc_error take(size_t line, const struct fc_spec *spec, void *data) {
  struct reading *reading = data;
  (void)line;
  if (is_ending(reading->source))
    return FC_ERR_MEMORY;
  enum fc_error error =
      fc_instance_add(reading->source->instance, spec->kind, spec->id,
                      spec->name, FC_SOURCE_FILE, reading->now);
  reading->jobs += !error;
  return error;
}

/* A reason begins with the word that it quotes. The log may be read by others
 * than the file, which may be a link to any file. */
static const char *without_quote(const char *reason) {
  const char *quote = *reason == '"' ? strrchr(reason, '"') : NULL;
  return quote ? quote + 1 : reason;
}

static enum fc_error refuse(size_t line, const char *whole_reason, void *data) {
  struct reading *reading = data;
  struct fc_source *source = reading->source;
  if (is_ending(source))
    return FC_ERR_MEMORY;
  const char *reason =
      reading->is_private ? without_quote(whole_reason) : whole_reason;
  const char *subject = reason == whole_reason ? "" : "a word";
  if (reading->bad++ == 0) {
    size_t used = 0;
    fc_text_append(reading->first_bad, sizeof(reading->first_bad), &used,
                   "%s line %zu: %s%s", source->path, line, subject, reason);
  }
  if (reading->bad <= FC_SOURCE_LINES_REPORTED)
    fc_instance_report(source->instance, FC_SEVERITY_FAILURE,
                       "JobFile %s line %zu: %s%s", source->path, line, subject,
                       reason);
  return FC_OK;
}

/* A file that is not there yet, or not readable yet, may come; one that is
 * refused is somebody's attempt or mistake. */
static void report_unreadable(struct fc_source *source, enum fc_error error,
                              const char *detail) {
  bool refused = error == FC_ERR_ARGUMENT || error == FC_ERR_LIMIT;
  bool waits = !refused && !source->has_jobs;
  if (strcmp(source->reported, detail) != 0)
    fc_instance_report(source->instance,
                       waits ? FC_SEVERITY_WARNING : FC_SEVERITY_FAILURE,
                       "JobFile %s %s; %s", source->path, detail,
                       waits ? "it is read as soon as it can be"
                             : "the jobs it had are still watched");
  fc_text_copy(source->reported, sizeof(source->reported), detail);
}

static void report_readable(struct fc_source *source) {
  if (source->reported[0])
    fc_instance_report(source->instance, FC_SEVERITY_OKAY,
                       "JobFile %s can be read now", source->path);
  source->reported[0] = '\0';
}

static void report_writable(struct fc_source *source, unsigned access) {
  bool writable =
      (access | fc_file_directory_access(source->path)) & FC_FILE_WORLD_WRITE;
  if (writable && !source->reported_writable)
    fc_instance_report(
        source->instance, FC_SEVERITY_FAILURE,
        "JobFile %s can be written by everyone, who can thus have "
        "requests made with the key",
        source->path);
  source->reported_writable = writable;
}

/* These two only say which jobs are still listed. */
static enum fc_error claim(size_t line, const struct fc_spec *spec,
                           void *data) {
  struct fc_source *source = data;
  (void)line;
  if (is_ending(source))
    return FC_ERR_MEMORY;
  fc_instance_file_claim(source->instance, spec->id);
  return FC_OK;
}

static enum fc_error pass_over(size_t line, const char *reason, void *data) {
  (void)line;
  (void)reason;
  return is_ending(data) ? FC_ERR_MEMORY : FC_OK;
}

/* These two end at the first line. */
static enum fc_error take_any(size_t line, const struct fc_spec *spec,
                              void *data) {
  (void)line;
  (void)spec;
  (void)data;
  return FC_ERR_MEMORY;
}

static enum fc_error refuse_any(size_t line, const char *reason, void *data) {
  (void)line;
  (void)reason;
  (void)data;
  return FC_ERR_MEMORY;
}

/* A file that is being rewritten is empty for a moment. */
static bool became_empty(struct fc_source *source, const char *text,
                         size_t len) {
  if (!source->has_jobs || source->seems_empty ||
      fc_jobfile_parse(text, len, take_any, refuse_any, NULL))
    return false;
  source->seems_empty = true;
  return true;
}

static void apply(struct fc_source *source, const char *text, size_t len,
                  unsigned access, struct fc_now now) {
  struct reading reading = {.source = source,
                            .now = now,
                            .is_private = !(access & FC_FILE_WORLD_READ)};
  struct fc_instance *instance = source->instance;
  /* What is no longer listed gives way before anything new comes. */
  fc_instance_file_begin(instance);
  enum fc_error error = fc_jobfile_parse(text, len, claim, pass_over, source);
  if (!error) {
    fc_instance_file_sweep(instance, now);
    error = fc_jobfile_parse(text, len, take, refuse, &reading);
  }
  if (error && is_ending(source))
    return;
  if (error) {
    /* Half a reading says nothing of the lines behind it. */
    fc_instance_report(instance, FC_SEVERITY_FAILURE, "JobFile %s: %s",
                       source->path, fc_error_text(error));
    source->stamp = (struct fc_file_stamp){0};
    return;
  }
  fc_instance_file_end(instance, reading.bad ? reading.first_bad : NULL, now);
  if (reading.bad > FC_SOURCE_LINES_REPORTED)
    fc_instance_report(instance, FC_SEVERITY_FAILURE,
                       "JobFile %s: %zu more bad lines", source->path,
                       reading.bad - FC_SOURCE_LINES_REPORTED);
  source->has_jobs = reading.jobs > 0;
  source->seems_empty = false;
  fc_waker_wake(&source->changed);
}

/* Why what the file holds is not taken, in detail[size]; FC_OK: it is. */
static enum fc_error judge(const struct fc_source *source, const char *text,
                           size_t len, char *detail, size_t size) {
  const struct fc_settings *settings = fc_instance_settings(source->instance);
  struct fc_known_secrets known;
  size_t used = 0;
  size_t lines_max = fc_jobfile_lines_max(settings->max_jobs);
  if (fc_jobfile_holds_secret(
          text, len, fc_settings_secrets(settings, source->key, &known))) {
    fc_text_copy(detail, size, "holds the API key or another secret");
    return FC_ERR_ARGUMENT;
  }
  if (fc_jobfile_has_more_lines(text, len, lines_max)) {
    fc_text_append(detail, size, &used,
                   "has more than %zu lines: raise MaxJobs to have more read",
                   lines_max);
    return FC_ERR_LIMIT;
  }
  return FC_OK;
}

/* What was read is wiped unless it is known to hold no key. */
static void take_text(struct fc_source *source, char *text, size_t len,
                      unsigned access, struct fc_now now) {
  char detail[FC_DETAIL_SIZE];
  /* A file that changed meanwhile may be of two versions: the next look. */
  struct fc_file_stamp stamp = source->stamp;
  if (fc_file_untrusted_changed(source->path, &stamp)) {
    source->stamp = (struct fc_file_stamp){0};
    explicit_bzero(text, len);
    return;
  }
  enum fc_error error = judge(source, text, len, detail, sizeof(detail));
  source->judged = error != FC_OK;
  source->generation = source->key->generation;
  if (error) {
    report_unreadable(source, error, detail);
    explicit_bzero(text, len);
    return;
  }
  report_readable(source);
  report_writable(source, access);
  if (!became_empty(source, text, len))
    apply(source, text, len, access, now);
}

static void read_file(struct fc_source *source, struct fc_now now) {
  char *text, detail[FC_DETAIL_SIZE];
  size_t len;
  unsigned access;
  enum fc_error error = fc_file_read_untrusted(
      source->path, fc_instance_settings(source->instance)->api_key_file,
      FC_JOBFILE_BYTES_MAX, &text, &len, &source->stamp, &access, detail,
      sizeof(detail));
  source->judged = false;
  if (error) {
    report_unreadable(source, error, detail);
    return;
  }
  take_text(source, text, len, access, now);
  free(text);
}

/* Whether a file that has not changed is to be read all the same. */
static bool read_again(const struct fc_source *source) {
  bool first = !source->was_read && !source->reported[0];
  if (source->judged)
    return source->generation != source->key->generation;
  return first || source->reported[0] || source->seems_empty;
}

static bool flush_is_due(struct fc_source *source, struct fc_now now) {
  if (atomic_exchange(&source->flush, false))
    (void)fc_flush_ask(&source->flushed, now.mono_ms);
  return fc_flush_take(&source->flushed, FC_SOURCE_CHECK_MS, now.mono_ms);
}

int64_t fc_source_check(struct fc_source *source, struct fc_now now) {
  if (!source->path)
    return FC_NEVER;
  bool flush = flush_is_due(source, now);
  if (now.mono_ms < source->check_ms && !flush)
    return fc_min64(source->check_ms, source->flushed.due_ms);
  bool again = read_again(source);
  bool changed = fc_file_untrusted_changed(source->path, &source->stamp);
  if (changed || again || flush)
    read_file(source, now);
  source->was_read = !source->reported[0];
  source->check_ms = now.mono_ms + FC_SOURCE_CHECK_MS;
  return fc_min64(source->check_ms, source->flushed.due_ms);
}

int64_t fc_source_task(void *source, struct fc_now now) {
  return fc_source_check(source, now);
}

void fc_source_flush(struct fc_source *source) {
  atomic_store(&source->flush, true);
}
