/* SPDX-License-Identifier: MIT */

#include "src/watch/poller.h"

#include "src/api/client.h"
#include "src/api/key.h"
#include "src/base/macros.h"
#include "src/base/text.h"
#include "src/watch/instance_save.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
  TURN_FAILED_WAIT_MS = 1000, /* after a turn that could not be made */
  KEY_WAIT_MS = 1000          /* between two looks for a first key */
};

struct member;

/* One request in flight, or a spare for the next. */
struct poll_call {
  struct fc_call call;
  struct fc_ticket ticket;
  struct member *member;
  struct poll_call *next_free;
};

struct member {
  struct fc_poller *poller;
  struct fc_instance *instance;
  struct fc_keyfile *keyfile; /* NULL: requests go without a key */
  struct fc_target target;
  struct fc_key key;
  struct poll_call **calls; /* all that were ever needed */
  size_t calls_len;
  struct poll_call *free_calls;
};

struct fc_poller {
  struct fc_transport *transport;
  const struct fc_clock *clock;
  struct fc_waker disk;
  fc_poller_observe observe; /* NULL: nobody does */
  void *observer;
  struct member **members;
  size_t members_len;
  pthread_t thread;
  bool started;
  atomic_bool stop;
  pthread_mutex_t stop_lock;
  pthread_cond_t stop_signal;
};

static struct fc_now now_of(const struct fc_poller *poller) {
  return poller->clock->now(poller->clock->data);
}

static struct poll_call *call_new(struct member *member) {
  struct poll_call **calls = reallocarray(member->calls, member->calls_len + 1,
                                          sizeof(struct poll_call *));
  if (!calls)
    return NULL;
  member->calls = calls;
  struct poll_call *call = calloc(1, sizeof(*call));
  if (!call)
    return NULL;
  fc_call_init(&call->call);
  call->member = member;
  calls[member->calls_len++] = call;
  return call;
}

static struct poll_call *call_take(struct member *member) {
  struct poll_call *call = member->free_calls;
  if (!call)
    return call_new(member);
  member->free_calls = call->next_free;
  return call;
}

static void call_put_back(struct poll_call *call) {
  call->next_free = call->member->free_calls;
  call->member->free_calls = call;
}

static bool report(struct member *member, const struct fc_ticket *ticket,
                   const struct fc_result *result, struct fc_now now) {
  struct fc_poller *poller = member->poller;
  bool rejected =
      fc_instance_take_result(member->instance, ticket, result, now);
  if (poller->observe)
    poller->observe(ticket, result, poller->observer);
  return rejected;
}

static void on_result(struct fc_call *fc_call, const struct fc_result *result,
                      void *data) {
  struct poll_call *call = data;
  struct member *member = call->member;
  struct fc_now now = now_of(member->poller);
  (void)fc_call;
  bool rejected = report(member, &call->ticket, result, now);
  if (rejected && member->keyfile) {
    fc_keyfile_rejected(member->keyfile);
    fc_waker_wake(&member->poller->disk);
  }
  call_put_back(call);
}

/* A request that could not even be started is one that failed. */
static void report_failure(struct member *member,
                           const struct fc_ticket *ticket,
                           enum fc_error error) {
  struct fc_result result = {.answer = FC_ANSWER_NONE, .error = error};
  fc_text_copy(result.detail, sizeof(result.detail), fc_error_text(error));
  (void)report(member, ticket, &result, now_of(member->poller));
}

static void start(struct member *member, const struct fc_ticket *ticket) {
  struct poll_call *call = call_take(member);
  if (!call) {
    report_failure(member, ticket, FC_ERR_MEMORY);
    return;
  }
  call->ticket = *ticket;
  enum fc_error error =
      fc_call_start(&call->call, member->poller->transport, &member->target,
                    ticket->kind, ticket->id, ticket->now_s, on_result, call);
  if (error) {
    call_put_back(call);
    report_failure(member, ticket, error);
  }
}

/* False while there is none, and ought to be. */
static bool take_key(struct member *member, struct fc_now now) {
  const struct fc_settings *settings = member->target.settings;
  if (member->keyfile && fc_keyfile_take(member->keyfile, &member->key))
    fc_instance_key_changed(member->instance, now);
  return member->key.bytes || !(settings->api_key || settings->api_key_file);
}

/* Starts what is due; returns when to look again. */
static int64_t member_step(struct member *member) {
  struct fc_ticket ticket;
  int64_t wake_ms;
  struct fc_now now = now_of(member->poller);
  if (!take_key(member, now))
    return fc_min64(now.mono_ms + KEY_WAIT_MS,
                    fc_instance_wait(member->instance, now));
  while (fc_instance_next(member->instance, now, &ticket, &wake_ms)) {
    start(member, &ticket);
    now = now_of(member->poller);
  }
  return wake_ms;
}

/* What came of the last turn, or of this one's timers. */
static bool has_urgent(const struct fc_poller *poller) {
  bool urgent = false;
  for (size_t i = 0; i < poller->members_len && !urgent; i++)
    (void)fc_instance_has_unsaved(poller->members[i]->instance, &urgent);
  return urgent;
}

enum fc_error fc_poller_step(struct fc_poller *poller, int64_t max_wait_ms) {
  int64_t wake_ms = FC_NEVER;
  for (size_t i = 0; i < poller->members_len; i++)
    wake_ms = fc_min64(wake_ms, member_step(poller->members[i]));
  if (has_urgent(poller))
    fc_waker_wake(&poller->disk);
  int64_t now_ms = now_of(poller).mono_ms;
  int64_t wait_ms = wake_ms > now_ms ? wake_ms - now_ms : 0;
  return fc_transport_run(poller->transport, fc_min64(wait_ms, max_wait_ms));
}

/* Waits without the transport, which has just failed. */
static void wait_for_stop(struct fc_poller *poller, int64_t wait_ms) {
  struct timespec until;
  (void)clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += (time_t)(wait_ms / 1000);
  pthread_mutex_lock(&poller->stop_lock);
  while (!atomic_load(&poller->stop) &&
         pthread_cond_timedwait(&poller->stop_signal, &poller->stop_lock,
                                &until) == 0)
    continue;
  pthread_mutex_unlock(&poller->stop_lock);
}

static void *run(void *data) {
  struct fc_poller *poller = data;
  while (!atomic_load(&poller->stop))
    if (fc_poller_step(poller, FC_POLLER_WAIT_MAX_MS))
      wait_for_stop(poller, TURN_FAILED_WAIT_MS);
  return NULL;
}

struct fc_poller *fc_poller_new(struct fc_transport *transport,
                                const struct fc_clock *clock) {
  pthread_condattr_t attributes;
  struct fc_poller *poller = calloc(1, sizeof(*poller));
  if (!poller || pthread_condattr_init(&attributes)) {
    free(poller);
    fc_transport_free(transport);
    return NULL;
  }
  poller->transport = transport;
  poller->clock = clock;
  (void)pthread_mutex_init(&poller->stop_lock, NULL);
  (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  (void)pthread_cond_init(&poller->stop_signal, &attributes);
  (void)pthread_condattr_destroy(&attributes);
  return poller;
}

static void member_free(struct member *member) {
  for (size_t i = 0; i < member->calls_len; i++) {
    fc_call_cancel(&member->calls[i]->call, member->poller->transport);
    fc_call_release(&member->calls[i]->call);
    free(member->calls[i]);
  }
  free(member->calls);
  fc_key_release(&member->key);
  free(member);
}

enum fc_error fc_poller_add(struct fc_poller *poller,
                            struct fc_instance *instance,
                            struct fc_keyfile *keyfile) {
  struct member **members = reallocarray(
      poller->members, poller->members_len + 1, sizeof(struct member *));
  if (!members)
    return FC_ERR_MEMORY;
  poller->members = members;
  struct member *member = calloc(1, sizeof(*member));
  if (!member)
    return FC_ERR_MEMORY;
  member->poller = poller;
  member->instance = instance;
  member->keyfile = keyfile;
  fc_key_init(&member->key);
  member->target.settings = fc_instance_settings(instance);
  member->target.key = &member->key;
  members[poller->members_len++] = member;
  return FC_OK;
}

void fc_poller_set_disk(struct fc_poller *poller, struct fc_waker disk) {
  poller->disk = disk;
}

void fc_poller_set_observer(struct fc_poller *poller, fc_poller_observe observe,
                            void *data) {
  poller->observe = observe;
  poller->observer = data;
}

enum fc_error fc_poller_start(struct fc_poller *poller) {
  sigset_t all, before;
  (void)sigfillset(&all);
  if (pthread_sigmask(SIG_SETMASK, &all, &before))
    return FC_ERR_MEMORY;
  poller->started = pthread_create(&poller->thread, NULL, run, poller) == 0;
  (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (!poller->started)
    return FC_ERR_MEMORY;
  (void)pthread_setname_np(poller->thread, "firecrawl");
  return FC_OK;
}

void fc_poller_wake(struct fc_poller *poller) {
  fc_transport_wake(poller->transport);
}

static void wake(void *poller) { fc_poller_wake(poller); }

struct fc_waker fc_poller_waker(struct fc_poller *poller) {
  return (struct fc_waker){.wake = wake, .data = poller};
}

void fc_poller_stop(struct fc_poller *poller) {
  if (!poller->started)
    return;
  poller->started = false;
  pthread_mutex_lock(&poller->stop_lock);
  atomic_store(&poller->stop, true);
  pthread_cond_signal(&poller->stop_signal);
  pthread_mutex_unlock(&poller->stop_lock);
  fc_transport_wake(poller->transport);
  (void)pthread_join(poller->thread, NULL);
}

void fc_poller_free(struct fc_poller *poller) {
  if (!poller)
    return;
  fc_poller_stop(poller);
  for (size_t i = 0; i < poller->members_len; i++)
    member_free(poller->members[i]);
  free(poller->members);
  fc_transport_free(poller->transport);
  (void)pthread_cond_destroy(&poller->stop_signal);
  (void)pthread_mutex_destroy(&poller->stop_lock);
  free(poller);
}
