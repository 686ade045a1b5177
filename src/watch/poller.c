#include "src/watch/poller.h"

#include "src/api/client.h"
#include "src/api/key.h"
#include "src/base/file.h"
#include "src/base/macros.h"
#include "src/base/text.h"
#include "src/watch/source.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
  TURN_FAILED_WAIT_MS = 1000, /* after a turn that could not be made */
  /* How long a key may be missing before that is trouble. */
  KEY_PATIENCE_MIN_MS = 30 * 1000,
  KEY_PATIENCE_MAX_MS = 15 * 60 * 1000
};

struct watch;

/* One request in flight, or a spare for the next. */
struct poll_call {
  struct fc_call call;
  struct fc_ticket ticket;
  struct watch *watch;
  struct poll_call *next_free;
};

struct watch {
  struct fc_poller *poller;
  struct fc_instance *instance;
  struct fc_target target;
  struct fc_key key;
  struct fc_file_stamp key_stamp; /* of the file when last looked at */
  bool key_settling;              /* it changed then: read it if it stays */
  int64_t key_check_ms;
  bool key_missing;       /* there has been none to use so far */
  int64_t key_trouble_ms; /* when that becomes trouble */
  struct fc_source source;
  struct poll_call **calls; /* all that were ever needed */
  size_t calls_len;
  struct poll_call *free_calls;
};

struct fc_poller {
  struct fc_transport *transport;
  const struct fc_clock *clock;
  fc_poller_task task; /* NULL: none */
  void *task_data;
  fc_poller_observe observe; /* NULL: nobody does */
  void *observer;
  struct watch **watches;
  size_t watches_len;
  pthread_t thread;
  bool started;
  atomic_bool stop;
  atomic_bool flush;
  pthread_mutex_t stop_lock;
  pthread_cond_t stop_signal;
};

static struct fc_now now_of(const struct fc_poller *poller) {
  return poller->clock->now(poller->clock->data);
}

/* A file that changed while it was read is left for the next look. */
static enum fc_error take_key(struct watch *watch, unsigned *access,
                              char *detail, size_t size) {
  struct fc_key key;
  const char *path = watch->target.settings->api_key_file;
  fc_key_init(&key);
  enum fc_error error = fc_key_read(&key, path, access, detail, size);
  if (fc_file_changed(path, &watch->key_stamp))
    watch->key_settling = true;
  else if (!error && (error = fc_key_set(&watch->key, key.bytes, key.len)))
    fc_text_copy(detail, size, fc_error_text(error));
  fc_key_release(&key);
  return error;
}

/* A file that comes soon after the daemon is no trouble. */
static void key_is_missing(struct watch *watch, const char *detail,
                           struct fc_now now) {
  if (!watch->key_missing) {
    int64_t patience_ms =
        FC_API_DOWN_INTERVALS * fc_instance_interval_ms(watch->instance);
    patience_ms = fc_max64(patience_ms, KEY_PATIENCE_MIN_MS);
    patience_ms = fc_min64(patience_ms, KEY_PATIENCE_MAX_MS);
    watch->key_missing = true;
    watch->key_trouble_ms = now.mono_ms + patience_ms;
  }
  if (now.mono_ms >= watch->key_trouble_ms)
    fc_instance_key_unusable(watch->instance, detail, now);
}

static void key_has_come(struct watch *watch, unsigned access) {
  watch->key_missing = false;
  if (access)
    fc_instance_note(watch->instance, FC_SEVERITY_WARNING,
                     "APIKeyFile: it holds a key now, and is readable or "
                     "writable by others than its owner: chmod 600 it");
  else
    fc_instance_note(watch->instance, FC_SEVERITY_OKAY,
                     "APIKeyFile: it holds a key now");
}

static void read_key(struct watch *watch, struct fc_now now) {
  char detail[FC_DETAIL_SIZE];
  unsigned access = 0, generation = watch->key.generation;
  enum fc_error error = take_key(watch, &access, detail, sizeof(detail));
  if (!error && watch->key.generation != generation) {
    fc_instance_key_changed(watch->instance, now);
    if (watch->key_missing)
      key_has_come(watch, access);
  } else if (error && !watch->key.bytes) {
    key_is_missing(watch, detail, now);
  }
}

/* Reads a changed key file once it has stayed the same between two looks: one
 * that is written in place may hold half a key. */
static void look_at_key(struct watch *watch, bool rejected, struct fc_now now) {
  bool due = now.mono_ms >= watch->key_check_ms;
  bool changed =
      fc_file_changed(watch->target.settings->api_key_file, &watch->key_stamp);
  bool wanted = watch->key_settling ? due : rejected || !watch->key.bytes;
  if (changed || wanted || due)
    watch->key_check_ms = now.mono_ms + FC_KEY_CHECK_MS;
  if (changed) {
    watch->key_settling = true;
  } else if (wanted) {
    watch->key_settling = false;
    read_key(watch, now);
  }
}

static void check_key(struct watch *watch, struct fc_now now) {
  if (watch->target.settings->api_key_file &&
      now.mono_ms >= watch->key_check_ms)
    look_at_key(watch, /* rejected = */ false, now);
}

static struct poll_call *call_new(struct watch *watch) {
  struct poll_call **calls = reallocarray(watch->calls, watch->calls_len + 1,
                                          sizeof(struct poll_call *));
  if (!calls)
    return NULL;
  watch->calls = calls;
  struct poll_call *call = calloc(1, sizeof(*call));
  if (!call)
    return NULL;
  fc_call_init(&call->call);
  call->watch = watch;
  calls[watch->calls_len++] = call;
  return call;
}

static struct poll_call *call_take(struct watch *watch) {
  struct poll_call *call = watch->free_calls;
  if (!call)
    return call_new(watch);
  watch->free_calls = call->next_free;
  return call;
}

static void call_put_back(struct poll_call *call) {
  call->next_free = call->watch->free_calls;
  call->watch->free_calls = call;
}

static bool report(struct watch *watch, const struct fc_ticket *ticket,
                   const struct fc_result *result, struct fc_now now) {
  struct fc_poller *poller = watch->poller;
  bool rejected = fc_instance_report(watch->instance, ticket, result, now);
  if (poller->observe)
    poller->observe(ticket, result, poller->observer);
  return rejected;
}

static void on_result(struct fc_call *fc_call, const struct fc_result *result,
                      void *data) {
  struct poll_call *call = data;
  struct watch *watch = call->watch;
  struct fc_now now = now_of(watch->poller);
  (void)fc_call;
  bool rejected = report(watch, &call->ticket, result, now);
  if (rejected && watch->target.settings->api_key_file)
    look_at_key(watch, /* rejected = */ true, now);
  call_put_back(call);
}

/* A request that could not even be started is one that failed. */
static void report_failure(struct watch *watch, const struct fc_ticket *ticket,
                           enum fc_error error) {
  struct fc_result result = {.answer = FC_ANSWER_NONE, .error = error};
  fc_text_copy(result.detail, sizeof(result.detail), fc_error_text(error));
  (void)report(watch, ticket, &result, now_of(watch->poller));
}

static void start(struct watch *watch, const struct fc_ticket *ticket) {
  struct poll_call *call = call_take(watch);
  if (!call) {
    report_failure(watch, ticket, FC_ERR_MEMORY);
    return;
  }
  call->ticket = *ticket;
  enum fc_error error =
      fc_call_start(&call->call, watch->poller->transport, &watch->target,
                    ticket->kind, ticket->id, ticket->now_s, on_result, call);
  if (error) {
    call_put_back(call);
    report_failure(watch, ticket, error);
  }
}

/* Starts what is due; returns when to look again. */
static int64_t watch_step(struct watch *watch, bool flush) {
  struct fc_ticket ticket;
  int64_t wake_ms;
  struct fc_now now = now_of(watch->poller);
  int64_t file_ms = fc_source_check(&watch->source, now, flush);
  if (flush)
    fc_instance_poll_now(watch->instance, now);
  check_key(watch, now);
  if (watch->target.settings->api_key_file) {
    file_ms = fc_min64(file_ms, watch->key_check_ms);
    if (!watch->key.bytes)
      return fc_min64(file_ms, fc_instance_wait(watch->instance, now));
  }
  while (fc_instance_next(watch->instance, now, &ticket, &wake_ms)) {
    start(watch, &ticket);
    now = now_of(watch->poller);
  }
  return fc_min64(wake_ms, file_ms);
}

enum fc_error fc_poller_step(struct fc_poller *poller, int64_t max_wait_ms) {
  int64_t wake_ms = FC_NEVER;
  bool flush = atomic_exchange(&poller->flush, false);
  for (size_t i = 0; i < poller->watches_len; i++)
    wake_ms = fc_min64(wake_ms, watch_step(poller->watches[i], flush));
  if (poller->task)
    wake_ms =
        fc_min64(wake_ms, poller->task(poller->task_data, now_of(poller)));
  int64_t now_ms = now_of(poller).mono_ms;
  int64_t wait_ms = wake_ms > now_ms ? wake_ms - now_ms : 0;
  return fc_transport_run(poller->transport, fc_min64(wait_ms, max_wait_ms));
}

/* Waits without the transport, which has just failed. */
static void wait_for_stop(struct fc_poller *poller, int64_t wait_ms) {
  struct timespec until;
  (void)clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += wait_ms / 1000;
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

static enum fc_error load_key(struct watch *watch) {
  const struct fc_settings *settings = watch->target.settings;
  if (settings->api_key)
    return fc_key_set(&watch->key, settings->api_key,
                      strlen(settings->api_key));
  if (settings->api_key_file) {
    (void)fc_file_changed(settings->api_key_file, &watch->key_stamp);
    read_key(watch, now_of(watch->poller));
  }
  return FC_OK;
}

static void watch_free(struct watch *watch) {
  for (size_t i = 0; i < watch->calls_len; i++) {
    fc_call_cancel(&watch->calls[i]->call, watch->poller->transport);
    fc_call_release(&watch->calls[i]->call);
    free(watch->calls[i]);
  }
  free(watch->calls);
  fc_key_release(&watch->key);
  free(watch);
}

enum fc_error fc_poller_add(struct fc_poller *poller,
                            struct fc_instance *instance) {
  struct watch **watches = reallocarray(
      poller->watches, poller->watches_len + 1, sizeof(struct watch *));
  if (!watches)
    return FC_ERR_MEMORY;
  poller->watches = watches;
  struct watch *watch = calloc(1, sizeof(*watch));
  if (!watch)
    return FC_ERR_MEMORY;
  watch->poller = poller;
  watch->instance = instance;
  fc_key_init(&watch->key);
  watch->target.settings = fc_instance_settings(instance);
  watch->target.key = &watch->key;
  fc_source_init(&watch->source, instance, &watch->key, &poller->stop);
  enum fc_error error = load_key(watch);
  if (error) {
    watch_free(watch);
    return error;
  }
  watches[poller->watches_len++] = watch;
  return FC_OK;
}

void fc_poller_set_task(struct fc_poller *poller, fc_poller_task task,
                        void *data) {
  poller->task = task;
  poller->task_data = data;
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

void fc_poller_flush(struct fc_poller *poller) {
  atomic_store(&poller->flush, true);
  fc_transport_wake(poller->transport);
}

static void stop(struct fc_poller *poller) {
  if (!poller->started)
    return;
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
  stop(poller);
  for (size_t i = 0; i < poller->watches_len; i++)
    watch_free(poller->watches[i]);
  free(poller->watches);
  fc_transport_free(poller->transport);
  (void)pthread_cond_destroy(&poller->stop_signal);
  (void)pthread_mutex_destroy(&poller->stop_lock);
  free(poller);
}
