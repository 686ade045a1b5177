/* SPDX-License-Identifier: MIT */

#include "src/ctl/check.h"

#include "src/api/kind.h"
#include "src/api/settings.h"
#include "src/api/status.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/text.h"
#include "src/ctl/print.h"
#include "src/watch/job.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
  const char *name;
  int badness;
} states[] = {
    [CTL_STATE_OK] = {"OK", 0},
    [CTL_STATE_WARNING] = {"WARNING", 1},
    [CTL_STATE_CRITICAL] = {"CRITICAL", 3},
    [CTL_STATE_UNKNOWN] = {"UNKNOWN", 2},
};

static const enum ctl_state state_of_status[FC_STATUS_COUNT] = {
    [FC_STATUS_COMPLETED] = CTL_STATE_OK,
    [FC_STATUS_PROCESSING] = CTL_STATE_OK,
    [FC_STATUS_CANCELLED] = CTL_STATE_WARNING,
    [FC_STATUS_FAILED] = CTL_STATE_CRITICAL,
    [FC_STATUS_LOST] = CTL_STATE_CRITICAL,
    [FC_STATUS_UNKNOWN] = CTL_STATE_UNKNOWN,
};

enum ctl_state ctl_state_worse(enum ctl_state a, enum ctl_state b) {
  return states[a].badness >= states[b].badness ? a : b;
}

/* False where no result waits to be fetched. */
static bool expiry_of(const struct ctl_answer *answer, int64_t *left_s) {
  const struct fc_job *job = &answer->job;
  if (job->facts.status != FC_STATUS_COMPLETED || !job->facts.has_expires_at)
    return false;
  *left_s = job->facts.expires_at_s - answer->now_s;
  return true;
}

static enum ctl_state state_of(const struct ctl_options *options,
                               const struct ctl_answer *answer) {
  const struct fc_job *job = &answer->job;
  int64_t left_s;
  if (job->facts.status == FC_STATUS_NONE)
    return CTL_STATE_UNKNOWN;
  if (expiry_of(answer, &left_s)) {
    if (options->has_critical && left_s < options->critical_s)
      return CTL_STATE_CRITICAL;
    if (options->has_warning && left_s < options->warning_s)
      return CTL_STATE_WARNING;
  }
  return job->history.stalled ? CTL_STATE_WARNING
                              : state_of_status[job->facts.status];
}

static void say_status(const struct ctl_answer *answer, enum ctl_state state,
                       char *text, size_t size, size_t *used) {
  const struct fc_job *job = &answer->job;
  char span[CTL_SPAN_SIZE];
  int64_t left_s;
  fc_text_append(text, size, used, "%s",
                 job->history.stalled
                     ? "stalled: the server no longer has its record"
                     : fc_status_name(job->facts.status));
  if (!job->history.stalled && job->facts.status == FC_STATUS_PROCESSING &&
      job->facts.has_percent)
    fc_text_append(text, size, used, " (%.0f%%)", job->facts.percent);
  if (state != CTL_STATE_OK && expiry_of(answer, &left_s))
    fc_text_append(text, size, used,
                   left_s < 0 ? ", but its result has expired %s ago"
                              : ", but its result expires in %s",
                   ctl_span(span, left_s < 0 ? -left_s : left_s));
}

void ctl_check_judge(const struct ctl_options *options,
                     const struct ctl_answer *answer,
                     struct ctl_verdict *verdict) {
  const struct fc_job *job = &answer->job;
  size_t used = 0;
  verdict->state = state_of(options, answer);
  fc_text_append(verdict->text, sizeof(verdict->text), &used, "%s %s ",
                 answer->spec->kind->name, answer->spec->id);
  if (job->facts.status == FC_STATUS_NONE)
    fc_text_append(verdict->text, sizeof(verdict->text), &used,
                   "has no answer");
  else
    say_status(answer, verdict->state, verdict->text, sizeof(verdict->text),
               &used);
  if (job->error || answer->problem[0])
    fc_text_append(verdict->text, sizeof(verdict->text), &used, ": %s",
                   job->error ? job->error : answer->problem);
}

/* What the performance data tell of. */
struct figures {
  size_t jobs, stalled, unanswered, by_status[FC_STATUS_COUNT];
  bool has_expiry;
  int64_t expiry_s;
  double seconds;
};

static void figures_add(struct figures *figures,
                        const struct ctl_answer *answer) {
  int64_t left_s;
  figures->jobs++;
  if (answer->job.facts.status == FC_STATUS_NONE)
    figures->unanswered++;
  else
    figures->by_status[answer->job.facts.status]++;
  figures->stalled += answer->job.history.stalled;
  if (answer->seconds > figures->seconds)
    figures->seconds = answer->seconds;
  if (expiry_of(answer, &left_s) &&
      (!figures->has_expiry || left_s < figures->expiry_s)) {
    figures->has_expiry = true;
    figures->expiry_s = left_s;
  }
}

static void say_threshold(bool has, int64_t seconds, char *line, size_t *used) {
  fc_text_append(line, CTL_CHECK_LINE_SIZE, used, ";");
  if (has)
    fc_text_append(line, CTL_CHECK_LINE_SIZE, used, "%" PRId64 ":", seconds);
}

/* 'label'=value[UOM];[warn];[crit];[min];[max] */
static void say_figures(const struct ctl_options *options,
                        const struct figures *figures, char *line,
                        size_t *used) {
  for (int i = 0; i < FC_STATUS_COUNT; i++)
    fc_text_append(line, CTL_CHECK_LINE_SIZE, used, "%s=%zu;;;0;%zu ",
                   fc_status_name((enum fc_status)i), figures->by_status[i],
                   figures->jobs);
  fc_text_append(line, CTL_CHECK_LINE_SIZE, used,
                 "stalled=%zu;;;0;%zu unanswered=%zu;;;0;%zu time=%.3fs;;;0",
                 figures->stalled, figures->jobs, figures->unanswered,
                 figures->jobs, figures->seconds);
  if (!figures->has_expiry)
    return;
  fc_text_append(line, CTL_CHECK_LINE_SIZE, used, " expiry=%" PRId64 "s",
                 figures->expiry_s);
  say_threshold(options->has_warning, options->warning_s, line, used);
  say_threshold(options->has_critical, options->critical_s, line, used);
}

/* "2 completed, 1 failed" */
static void say_counts(const struct figures *figures, char *line,
                       size_t *used) {
  const char *comma = "";
  for (int i = FC_STATUS_COUNT - 1; i >= 0; i--)
    if (figures->by_status[i]) {
      fc_text_append(line, CTL_CHECK_LINE_SIZE, used, "%s%zu %s", comma,
                     figures->by_status[i], fc_status_name((enum fc_status)i));
      comma = ", ";
    }
  if (figures->unanswered)
    fc_text_append(line, CTL_CHECK_LINE_SIZE, used, "%s%zu without an answer",
                   comma, figures->unanswered);
}

/* A bar begins the performance data. */
static void bars_remove(char *text) {
  for (; *text; text++)
    if (*text == '|')
      *text = '/';
}

enum ctl_state ctl_check_line(const struct ctl_options *options,
                              const struct ctl_answer *answers, size_t len,
                              char line[CTL_CHECK_LINE_SIZE]) {
  struct ctl_verdict worst = {.state = CTL_STATE_OK}, verdict;
  struct figures figures = {.jobs = 0};
  size_t used = 0;
  for (size_t i = 0; i < len; i++) {
    figures_add(&figures, &answers[i]);
    ctl_check_judge(options, &answers[i], &verdict);
    if (i == 0 || ctl_state_worse(worst.state, verdict.state) != worst.state)
      worst = verdict;
  }
  bars_remove(worst.text);
  fc_text_append(line, CTL_CHECK_LINE_SIZE, &used, "FIRECRAWL %s - ",
                 states[worst.state].name);
  if (len > 1) {
    say_counts(&figures, line, &used);
    if (worst.state != CTL_STATE_OK)
      fc_text_append(line, CTL_CHECK_LINE_SIZE, &used, "; ");
  }
  if (len == 1 || worst.state != CTL_STATE_OK)
    fc_text_append(line, CTL_CHECK_LINE_SIZE, &used, "%s", worst.text);
  fc_text_append(line, CTL_CHECK_LINE_SIZE, &used, " | ");
  say_figures(options, &figures, line, &used);
  return worst.state;
}

/* Who runs a plugin of Nagios gives it so much time, and no more. */
int ctl_check(const struct ctl_options *options) {
  int64_t end_ms = fc_clock_system.now(fc_clock_system.data).mono_ms +
                   options->settings.timeout_ms;
  char line[CTL_CHECK_LINE_SIZE];
  size_t len = options->settings.jobs_len;
  struct ctl_answer *answers = calloc(len, sizeof(*answers));
  enum fc_error error =
      answers ? ctl_ask(options, end_ms, answers) : FC_ERR_MEMORY;
  enum ctl_state state = CTL_STATE_UNKNOWN;
  if (error)
    (void)printf("FIRECRAWL UNKNOWN - %s\n", fc_error_text(error));
  else {
    state = ctl_check_line(options, answers, len, line);
    (void)printf("%s\n", line);
  }
  if (answers)
    ctl_answers_release(answers, len);
  free(answers);
  return (int)state;
}
