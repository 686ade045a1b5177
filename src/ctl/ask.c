/* SPDX-License-Identifier: MIT */

#include "src/ctl/ask.h"

#include "src/api/kind.h"
#include "src/api/settings.h"
#include "src/api/status.h"
#include "src/api/transport_curl.h"
#include "src/base/clock.h"
#include "src/base/macros.h"
#include "src/base/text.h"
#include "src/watch/instance.h"
#include "src/watch/instance_save.h"
#include "src/watch/keyfile.h"
#include "src/watch/poller.h"
#include "src/watch/schedule.h"

#include <string.h>

enum { WAIT_MAX_MS = 1000 };

/* One question for each job of an instance of the library's own; one that was
 * answered, or not, is forgotten and so not asked for again. */
struct round {
  const struct fc_settings *settings;
  struct fc_instance *instance;
  struct fc_keyfile *keyfile;
  struct fc_poller *poller;
  struct ctl_answer *answers;
  size_t ended;          /* count of answers */
  unsigned failures;     /* in a row */
  enum fc_error failure; /* of the last request that failed */
  bool stopped;          /* no more questions */
};

static struct fc_now now_is(void) {
  return fc_clock_system.now(fc_clock_system.data);
}

/* What to do about a request that failed; "" where its own words say it. */
static const char *advice(const struct fc_settings *settings,
                          enum fc_error error) {
  switch (error) {
  case FC_ERR_AUTH:
  case FC_ERR_REFUSED:
    return settings->api_key || settings->api_key_file
               ? ": check the key and that it is of this server"
               : ": give a key by --key-file or FIRECRAWL_API_KEY";
  case FC_ERR_RATE_LIMIT:
    return ": ask again later, or for fewer jobs";
  case FC_ERR_DNS:
  case FC_ERR_CONNECT:
    return ": check --url and the network";
  case FC_ERR_TLS:
    return ": a private authority is named by --cacert";
  case FC_ERR_TIMEOUT:
    return ": try a longer --timeout";
  default:
    return "";
  }
}

static void say_lost(struct ctl_answer *answer, const struct fc_kind *kind,
                     const struct fc_result *result) {
  const char *successor = fc_kind_successor(kind, result->successor);
  const char *words = result->reply.error;
  char *text = answer->problem;
  size_t size = sizeof(answer->problem), used = 0;
  if (result->answer == FC_ANSWER_GONE) {
    fc_text_append(text, size, &used, "the endpoint has ended (410)%s%s",
                   successor ? ": use " : "", successor ? successor : "");
    return;
  }
  fc_text_append(
      text, size, &used, "%s%s%s",
      result->answer == FC_ANSWER_INVALID
          ? "refused by the API (400): no ID of such a job"
          : "not known to the API (404): a wrong ID or kind, another "
            "team's key, an expired job, or one only just created",
      words[0] ? ": " : "", words);
  fc_job_keep_error(&answer->job, ""); /* it is in there */
}

static void say_failed(struct ctl_answer *answer,
                       const struct fc_settings *settings, enum fc_error error,
                       const char *detail) {
  size_t used = 0;
  fc_text_append(answer->problem, sizeof(answer->problem), &used, "%s%s",
                 detail[0] ? detail : fc_error_text(error),
                 advice(settings, error));
}

static void take(struct ctl_answer *answer, const struct fc_settings *settings,
                 const struct fc_result *result, struct fc_now now) {
  static const struct fc_job_rules rules = {.stall_timeout_s = 0};
  answer->seconds = result->seconds;
  answer->now_s = result->has_date ? result->date_s : now.epoch_s;
  const struct fc_moment moment = {
      .mono_ms = now.mono_ms,
      .now_s = answer->now_s,
      .date_s = answer->now_s,
      .sure = true,
  };
  /* A 404 is as old as it can get. */
  fc_job_miss(&answer->job, now.mono_ms - INT64_C(2) * FC_JOB_MISSING_MS);
  (void)fc_job_apply(&answer->job, &rules, result->answer, result, &moment);
  if (result->answer == FC_ANSWER_NONE)
    say_failed(answer, settings, result->error, result->detail);
  else if (result->answer != FC_ANSWER_STATUS)
    say_lost(answer, answer->spec->kind, result);
}

static struct ctl_answer *find(struct round *round, const char *id) {
  struct ctl_answer *answer = round->answers;
  while (strcmp(answer->spec->id, id) != 0)
    answer++;
  return answer;
}

/* Once the server says that it will not answer, or several requests in a row
 * have failed, the rest is not asked for. */
static void judge(struct round *round, const struct fc_result *result) {
  enum fc_outcome outcome = fc_instance_outcome(result);
  round->failures = outcome == FC_OUTCOME_ANSWER ? 0 : round->failures + 1;
  if (outcome == FC_OUTCOME_ANSWER)
    return;
  if (round->failure != FC_ERR_RATE_LIMIT)
    round->failure = result->error;
  round->stopped = round->stopped || outcome == FC_OUTCOME_REJECTED ||
                   outcome == FC_OUTCOME_RATE_LIMIT ||
                   round->failures >= FC_SCHEDULE_FAILURES;
}

/* It is not asked for again, also if this was said before. True while its
 * request is under way. */
static bool forget(struct round *round, const char *id, struct fc_now now) {
  enum fc_error error =
      fc_instance_forget(round->instance, id, FC_SOURCE_CONFIG, now);
  return (!error || error == FC_ERR_NOT_FOUND) &&
         fc_instance_knows(round->instance, id);
}

static void on_result(const struct fc_ticket *ticket,
                      const struct fc_result *result, void *data) {
  struct round *round = data;
  struct ctl_answer *answer = find(round, ticket->id);
  struct fc_now now = now_is();
  take(answer, round->settings, result, now);
  (void)forget(round, ticket->id, now);
  judge(round, result);
  answer->ended = true;
  round->ended++;
}

static void end_unanswered(struct round *round, struct ctl_answer *answer,
                           enum fc_error error, const char *detail) {
  say_failed(answer, round->settings, error, detail);
  answer->ended = true;
  round->ended++;
}

/* Those that are not under way share the fate of the last that failed. */
static void give_up(struct round *round) {
  struct fc_now now = now_is();
  for (size_t i = 0; i < round->settings->jobs_len; i++) {
    struct ctl_answer *answer = &round->answers[i];
    if (!answer->ended && !forget(round, answer->spec->id, now))
      end_unanswered(round, answer, round->failure,
                     round->failure == FC_ERR_RATE_LIMIT
                         ? "not asked for: the server says wait"
                         : "not asked for: the requests before it failed");
  }
}

/* There is no more time, not even for those under way. */
static void time_out(struct round *round) {
  for (size_t i = 0; i < round->settings->jobs_len; i++)
    if (!round->answers[i].ended)
      end_unanswered(round, &round->answers[i], FC_ERR_TIMEOUT, "");
}

static enum fc_error run(struct round *round, int64_t end_ms) {
  enum fc_error error = FC_OK;
  while (!error && round->ended < round->settings->jobs_len) {
    struct fc_now now = now_is();
    if (now.mono_ms >= end_ms) {
      time_out(round);
      break;
    }
    (void)fc_keyfile_check(round->keyfile, now);
    error = fc_poller_step(round->poller,
                           fc_min64(WAIT_MAX_MS, end_ms - now.mono_ms));
    if (round->stopped)
      give_up(round);
  }
  return error;
}

/* All are due at once (an instance would spread many new ones over its
 * interval), and a millisecond apart, for they are asked for in their order. */
static enum fc_error add_jobs(struct round *round) {
  const struct fc_settings *settings = round->settings;
  struct fc_now due = now_is();
  enum fc_error error = FC_OK;
  due.mono_ms -= (int64_t)settings->jobs_len;
  for (size_t i = 0; !error && i < settings->jobs_len; i++, due.mono_ms++) {
    const struct fc_job_spec *spec = &settings->jobs[i];
    error = fc_instance_add(round->instance, spec->kind, spec->id, spec->name,
                            FC_SOURCE_CONFIG, due);
    fc_instance_poll_now(round->instance, due);
  }
  return error;
}

static enum fc_error round_init(struct round *round) {
  enum fc_error error = fc_transport_curl_global_init();
  if (error)
    return error;
  struct fc_transport *transport = fc_transport_curl_new();
  round->poller = transport ? fc_poller_new(transport, &fc_clock_system) : NULL;
  round->instance = fc_instance_new(
      round->settings, round->settings->interval_ms, /* seed = */ 0);
  if (!round->poller || !round->instance)
    return FC_ERR_MEMORY;
  round->keyfile =
      fc_keyfile_new(round->instance, fc_poller_waker(round->poller), now_is());
  if (!round->keyfile)
    return FC_ERR_MEMORY;
  fc_poller_set_observer(round->poller, on_result, round);
  error = fc_poller_add(round->poller, round->instance, round->keyfile);
  return error ? error : add_jobs(round);
}

static void round_release(struct round *round) {
  fc_poller_free(round->poller);
  fc_keyfile_free(round->keyfile);
  fc_instance_free(round->instance);
}

/* A budget's even spread is for those who ask on and on: as many questions as
 * a minute may have come at once. */
static struct fc_settings settings_of_round(const struct ctl_options *options) {
  struct fc_settings settings = options->settings;
  if (settings.jobs_len <= (size_t)settings.max_requests_per_minute)
    settings.max_requests_per_minute = 0;
  return settings;
}

enum fc_error ctl_ask(const struct ctl_options *options, int64_t end_ms,
                      struct ctl_answer *answers) {
  const struct fc_settings settings = settings_of_round(options);
  struct round round = {.settings = &settings, .answers = answers};
  for (size_t i = 0; i < options->settings.jobs_len; i++) {
    answers[i].spec = &options->settings.jobs[i];
    fc_job_init(&answers[i].job, answers[i].spec->kind);
  }
  enum fc_error error = round_init(&round);
  if (!error)
    error = run(&round, end_ms);
  round_release(&round);
  return error;
}

struct ctl_row ctl_answer_row(const struct ctl_answer *answer) {
  const struct fc_job *job = &answer->job;
  return (struct ctl_row){
      .record = {.id = answer->spec->id,
                 .error = job->error,
                 .facts = job->facts,
                 .history = job->history},
      .now_s = answer->now_s,
      .problem = answer->problem[0] ? answer->problem : NULL,
  };
}

void ctl_answers_release(struct ctl_answer *answers, size_t len) {
  for (size_t i = 0; i < len; i++)
    fc_job_keep_error(&answers[i].job, "");
}
