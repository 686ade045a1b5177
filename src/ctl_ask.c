#include "src/ctl_ask.h"

#include "src/clock.h"
#include "src/instance.h"
#include "src/minmax.h"
#include "src/schedule.h"
#include "src/text.h"
#include "src/transport_curl.h"

#include <stdlib.h>

enum { WAIT_MAX_MS = 1000 };

struct round;

/* One question under way, or a spare for the next. */
struct slot {
  struct fc_call call;
  struct round *round;
  struct ctl_answer *answer;
  int64_t started_ms;
  bool busy;
};

struct round {
  struct fc_target target;
  struct fc_transport *transport;
  struct fc_schedule schedule;
  struct slot *slots;
  size_t slots_len;
  struct ctl_answer *answers;
  size_t next, ended;    /* counts of answers */
  enum fc_error failure; /* of the last request that failed */
  bool rate_limited;
};

static struct fc_now now_is(void) {
  return fc_clock_system.now(fc_clock_system.data);
}

/* What to do about a request that failed; "" where its own words say it. */
static const char *advice(const struct fc_settings *settings,
                          enum fc_error error) {
  switch (error) {
  case FC_ERR_AUTH:
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
  size_t used = 0;
  if (result->answer == FC_ANSWER_NOT_FOUND)
    fc_text_append(answer->trouble, sizeof(answer->trouble), &used,
                   "not known to the API (404): a wrong ID or kind, another "
                   "team's key, an expired job, or one only just created");
  else
    fc_text_append(answer->trouble, sizeof(answer->trouble), &used,
                   "the endpoint has ended (410)%s%s",
                   successor ? ": use " : "", successor ? successor : "");
}

static void say_failed(struct ctl_answer *answer,
                       const struct fc_settings *settings, enum fc_error error,
                       const char *detail) {
  size_t used = 0;
  answer->error = error;
  fc_text_append(answer->trouble, sizeof(answer->trouble), &used, "%s%s",
                 detail[0] ? detail : fc_error_text(error),
                 advice(settings, error));
}

static void take(struct ctl_answer *answer, const struct fc_settings *settings,
                 const struct fc_result *result, struct fc_now now) {
  static const struct fc_job_rules rules = {.stall_timeout_s = 0};
  answer->answer = result->answer;
  answer->seconds = result->seconds;
  answer->now_s = result->has_date ? result->date_s : now.epoch_s;
  (void)fc_job_apply(&answer->job, &rules, result, now.mono_ms, answer->now_s);
  if (result->answer == FC_ANSWER_NONE)
    say_failed(answer, settings, result->error, result->detail);
  else if (result->answer != FC_ANSWER_STATUS)
    say_lost(answer, answer->spec->kind, result);
}

static void on_result(struct fc_call *call, const struct fc_result *result,
                      void *data) {
  struct slot *slot = data;
  struct round *round = slot->round;
  struct fc_now now = now_is();
  (void)call;
  (void)fc_schedule_ended(&round->schedule, fc_instance_outcome(result),
                          result->has_retry_after ? result->retry_after_s : -1,
                          slot->started_ms, now.mono_ms);
  if (result->answer == FC_ANSWER_NONE)
    round->failure = result->error;
  if (result->error == FC_ERR_RATE_LIMIT)
    round->rate_limited = true;
  take(slot->answer, round->target.settings, result, now);
  slot->busy = false;
  round->ended++;
}

static void start(struct round *round, struct slot *slot, struct fc_now now) {
  struct ctl_answer *answer = &round->answers[round->next++];
  slot->answer = answer;
  slot->started_ms = now.mono_ms;
  slot->busy = true;
  /* A 404 is as old as it can get. */
  answer->job.first_asked_ms = now.mono_ms - FC_JOB_GRACE_MS;
  fc_schedule_started(&round->schedule, now.mono_ms);
  enum fc_error error = fc_call_start(
      &slot->call, round->transport, &round->target, answer->spec->kind,
      answer->spec->id, now.epoch_s, on_result, slot);
  if (!error)
    return;
  fc_schedule_abandoned(&round->schedule);
  say_failed(answer, round->target.settings, error, "");
  slot->busy = false;
  round->ended++;
}

static struct slot *free_slot(struct round *round) {
  for (size_t i = 0; i < round->slots_len; i++)
    if (!round->slots[i].busy)
      return &round->slots[i];
  return NULL;
}

/* Those that are not asked for share the fate of the last that failed. */
static void give_up(struct round *round) {
  for (; round->next < round->target.settings->jobs_len; round->ended++)
    say_failed(&round->answers[round->next++], round->target.settings,
               round->rate_limited ? FC_ERR_RATE_LIMIT : round->failure,
               round->rate_limited
                   ? "not asked for: the server says wait"
                   : "not asked for: the requests before it failed");
}

/* Starts what may be; returns how long to wait for more. */
static int64_t turn(struct round *round) {
  struct fc_now now = now_is();
  struct slot *slot;
  if (round->rate_limited || fc_schedule_is_closed(&round->schedule))
    give_up(round);
  while (round->next < round->target.settings->jobs_len &&
         (slot = free_slot(round)) &&
         fc_schedule_open_ms(&round->schedule) <= now.mono_ms)
    start(round, slot, now);
  int64_t open_ms = fc_schedule_open_ms(&round->schedule);
  int64_t wait_ms = round->next < round->target.settings->jobs_len
                        ? fc_max64(open_ms, now.mono_ms) - now.mono_ms
                        : WAIT_MAX_MS;
  return fc_min64(wait_ms, WAIT_MAX_MS);
}

static enum fc_error run(struct round *round) {
  enum fc_error error = FC_OK;
  while (!error && round->ended < round->target.settings->jobs_len) {
    int64_t wait_ms = turn(round);
    if (round->ended < round->target.settings->jobs_len)
      error = fc_transport_run(round->transport, wait_ms);
  }
  return error;
}

static enum fc_error round_init(struct round *round,
                                const struct ctl_options *options,
                                struct ctl_answer *answers) {
  const struct fc_settings *settings = &options->settings;
  const struct fc_schedule_limits limits = {
      .interval_ms = settings->interval_ms,
      .max_concurrency = settings->max_concurrency,
      .per_minute = settings->max_requests_per_minute,
  };
  enum fc_error error = fc_transport_curl_global_init();
  *round =
      (struct round){.target = {settings, &options->key}, .answers = answers};
  if (!error)
    error = fc_schedule_init(&round->schedule, &limits, /* seed = */ 0);
  if (error)
    return error;
  round->slots_len =
      (size_t)fc_min64((int64_t)settings->jobs_len, settings->max_concurrency);
  round->slots = calloc(round->slots_len, sizeof(*round->slots));
  round->transport = fc_transport_curl_new();
  if (!round->slots || !round->transport)
    return FC_ERR_MEMORY;
  for (size_t i = 0; i < round->slots_len; i++) {
    fc_call_init(&round->slots[i].call);
    round->slots[i].round = round;
  }
  return FC_OK;
}

static void round_release(struct round *round) {
  for (size_t i = 0; round->slots && i < round->slots_len; i++) {
    if (round->slots[i].busy)
      fc_call_cancel(&round->slots[i].call, round->transport);
    fc_call_release(&round->slots[i].call);
  }
  free(round->slots);
  fc_schedule_release(&round->schedule);
  fc_transport_free(round->transport);
}

enum fc_error ctl_ask(const struct ctl_options *options,
                      struct ctl_answer *answers) {
  struct round round;
  for (size_t i = 0; i < options->settings.jobs_len; i++) {
    answers[i].spec = &options->settings.jobs[i];
    answers[i].job.status = FC_STATUS_NONE;
  }
  enum fc_error error = round_init(&round, options, answers);
  if (!error)
    error = run(&round);
  round_release(&round);
  return error;
}

struct ctl_row ctl_answer_row(const struct ctl_answer *answer) {
  const struct fc_job *job = &answer->job;
  return (struct ctl_row){
      .kind = answer->spec->kind,
      .id = answer->spec->id,
      .status = job->status,
      .stalled = job->stalled,
      .has_percent = job->has_percent,
      .has_expires_at = job->has_expires_at,
      .has_tokens = job->has_tokens,
      .has_credits = job->has_credits,
      .percent = job->percent,
      .tokens = job->tokens,
      .credits = job->credits,
      .expires_at_s = job->expires_at_s,
      .now_s = answer->now_s,
      .error = job->error,
      .trouble = answer->trouble[0] ? answer->trouble : NULL,
  };
}

void ctl_answers_release(struct ctl_answer *answers, size_t len) {
  for (size_t i = 0; i < len; i++)
    fc_job_keep_error(&answers[i].job, "");
}
