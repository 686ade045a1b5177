/* SPDX-License-Identifier: MIT */

/* firecrawlctl watch: an instance of the library's own, without collectd: the
 * poller's turns, and what they brought to see. */

#include "src/ctl/ctl.h"

#include "src/api/settings.h"
#include "src/api/status.h"
#include "src/api/transport_curl.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/text.h"
#include "src/base/timestamp.h"
#include "src/ctl/print.h"
#include "src/ctl/watched.h"
#include "src/watch/event.h"
#include "src/watch/instance.h"
#include "src/watch/job.h"
#include "src/watch/keyfile.h"
#include "src/watch/poller.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
  TURN_MS = 200, /* the longest until a signal or a second passed is noticed */
  VIEWS = 64,
  WIDTH_DEFAULT = 80,
  HEIGHT_DEFAULT = 24,
  LINE_SIZE = 1024
};

/* The whole of a watch. */
struct watch {
  const struct ctl_options *options;
  struct fc_instance *instance;
  struct fc_keyfile *keyfile;
  struct fc_poller *poller;
  struct ctl_watched *jobs;
  size_t len;
  uint64_t failures[FC_CLASS_COUNT]; /* told of */
  uint64_t missing;                  /* 404s told of */
  bool answered;                     /* there ever was a valid answer */
  bool rejected;                     /* the key, before that */
  char problem[LINE_SIZE];           /* the last one, until an answer */
  bool live;                         /* on a terminal */
  bool colours;
  char *frame; /* as last drawn */
  size_t frame_lines;
};

static struct ctl_watched *find(struct watch *watch, const char *id) {
  for (size_t i = 0; i < watch->len; i++)
    if (strcmp(watch->jobs[i].spec->id, id) == 0)
      return &watch->jobs[i];
  return NULL;
}

/* Views come in the order of the jobs; some have none. */
static void take_views(struct watch *watch, struct fc_now now) {
  struct fc_job_view views[VIEWS];
  size_t len, next = 0;
  bool more = true;
  for (bool first = true; more; first = false) {
    more = fc_instance_views(watch->instance, now, first, views, VIEWS, &len);
    for (size_t i = 0; i < len; i++) {
      while (next < watch->len &&
             strcmp(watch->jobs[next].spec->id, views[i].name) != 0)
        next++;
      if (next == watch->len)
        return;
      watch->jobs[next].has_view = true;
      watch->jobs[next].view = views[i];
    }
  }
}

static void say(struct watch *watch, int64_t now_s, const char *text) {
  char time[FC_TIMESTAMP_SIZE];
  fc_text_copy(watch->problem, sizeof(watch->problem), text);
  if (!watch->live)
    (void)printf("%s %s\n", fc_timestamp_format(time, now_s), text);
}

static void take_events(struct watch *watch, struct fc_now now) {
  struct fc_delivery delivery;
  char message[FC_EVENT_MESSAGE_SIZE];
  while (fc_instance_take_event(watch->instance, now, &delivery)) {
    struct ctl_watched *job = find(watch, delivery.event.id);
    if (job)
      ctl_watched_take_event(job, &delivery.event);
    else if (fc_event_severity(delivery.event.type) != FC_SEVERITY_OKAY)
      say(watch, now.epoch_s, fc_event_message(&delivery.event, message));
    fc_instance_delivered(watch->instance, &delivery);
  }
}

static void take_failures(struct watch *watch, const struct fc_stats *stats,
                          struct fc_now now) {
  char text[LINE_SIZE];
  for (int i = 0; i < FC_CLASS_COUNT; i++) {
    const struct fc_failure *failure = &stats->failures[i];
    size_t used = 0;
    if (failure->count == watch->failures[i])
      continue;
    watch->failures[i] = failure->count;
    bool rejected = i == FC_CLASS_AUTH && !watch->answered;
    fc_text_append(text, sizeof(text), &used, "%s: %s%s", failure->id,
                   failure->detail, rejected ? "" : "; it is asked again");
    say(watch, now.epoch_s, text);
  }
  if (stats->codes[404] && !watch->missing)
    say(watch, now.epoch_s,
        "a job is not known to the API (404): a new one may take a minute to "
        "show");
  watch->missing = stats->codes[404];
}

static bool all_are_seen(const struct watch *watch) {
  for (size_t i = 0; i < watch->len; i++)
    if (!watch->jobs[i].has_view)
      return false;
  return true;
}

static void take_stats(struct watch *watch, struct fc_now now) {
  struct fc_stats stats;
  fc_instance_stats(watch->instance, now, &stats);
  take_failures(watch, &stats, now);
  watch->answered = watch->answered || stats.api_up;
  watch->rejected = !watch->answered && stats.failures[FC_CLASS_AUTH].count > 0;
  if (!stats.failing && (!watch->missing || all_are_seen(watch)))
    watch->problem[0] = '\0';
}

static size_t ended(const struct watch *watch) {
  size_t count = 0;
  for (size_t i = 0; i < watch->len; i++)
    count += ctl_watched_has_ended(&watch->jobs[i]);
  return count;
}

static void window_size(size_t *width, size_t *height) {
  struct winsize size;
  bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
  *width = known && size.ws_col ? size.ws_col : WIDTH_DEFAULT;
  *height = known && size.ws_row ? size.ws_row : HEIGHT_DEFAULT;
}

/* Those that have ended, or have not, as far as they fit. Returns how many. */
static size_t draw_some(struct watch *watch, FILE *out, size_t width,
                        size_t max, bool of_ended) {
  size_t lines = 0;
  for (size_t i = 0; i < watch->len && lines < max; i++)
    if (ctl_watched_has_ended(&watch->jobs[i]) == of_ended) {
      ctl_watched_draw(&watch->jobs[i], out, width, watch->colours);
      lines++;
    }
  return lines;
}

/* In their order, or where not all fit, those under way first. */
static size_t draw_jobs(struct watch *watch, FILE *out, size_t width,
                        size_t max) {
  if (watch->len > max) {
    size_t lines = draw_some(watch, out, width, max, /* of_ended = */ false);
    return lines +
           draw_some(watch, out, width, max - lines, /* of_ended = */ true);
  }
  for (size_t i = 0; i < watch->len; i++)
    ctl_watched_draw(&watch->jobs[i], out, width, watch->colours);
  return watch->len;
}

static size_t draw_frame(struct watch *watch, FILE *out) {
  char line[2 * LINE_SIZE];
  size_t width, height, used = 0;
  window_size(&width, &height);
  size_t lines = draw_jobs(watch, out, width, height > 3 ? height - 3 : 1);
  fc_text_append(line, sizeof(line), &used, "%zu of %zu ended", ended(watch),
                 watch->len);
  if (watch->problem[0])
    fc_text_append(line, sizeof(line), &used, "; %s", watch->problem);
  ctl_put_line(out, line, width);
  return lines + 1;
}

/* Draws over the frame before, if something has changed. */
static enum fc_error draw(struct watch *watch) {
  char *frame = NULL;
  size_t size;
  FILE *out = open_memstream(&frame, &size);
  if (!out)
    return FC_ERR_MEMORY;
  size_t lines = draw_frame(watch, out);
  if (fclose(out)) {
    free(frame);
    return FC_ERR_MEMORY;
  }
  if (watch->frame && strcmp(frame, watch->frame) == 0) {
    free(frame);
    return FC_OK;
  }
  if (watch->frame_lines)
    (void)printf("\033[%zuA\r", watch->frame_lines);
  (void)printf("%s\033[J", frame);
  free(watch->frame);
  watch->frame = frame;
  watch->frame_lines = lines;
  return FC_OK;
}

static enum fc_error show(struct watch *watch, struct fc_now now) {
  take_events(watch, now);
  take_views(watch, now);
  take_stats(watch, now);
  if (watch->live)
    return draw(watch);
  for (size_t i = 0; i < watch->len; i++)
    ctl_watched_print(&watch->jobs[i], stdout, now.epoch_s);
  return FC_OK;
}

/* The signals that end a watch are blocked and asked for: no handler, no state
 * of the process. One that is ignored, as nohup(1) and shells arrange it, would
 * be queued all the same if it was blocked. */
static void signals_block(sigset_t *set) {
  static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
  struct sigaction action;
  (void)sigemptyset(set);
  for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
    if (!sigaction(numbers[i], NULL, &action) && action.sa_handler != SIG_IGN)
      (void)sigaddset(set, numbers[i]);
  (void)sigprocmask(SIG_BLOCK, set, NULL);
}

static int signal_pending(const sigset_t *set) {
  const struct timespec at_once = {0};
  int number = sigtimedwait(set, NULL, &at_once);
  return number > 0 ? number : 0;
}

static int exit_of(const struct watch *watch) {
  for (size_t i = 0; i < watch->len; i++)
    if (watch->jobs[i].view.facts.status != FC_STATUS_COMPLETED)
      return CTL_BAD;
  return CTL_GOOD;
}

static int run(struct watch *watch) {
  sigset_t signals;
  signals_block(&signals);
  for (;;) {
    (void)fc_keyfile_check(watch->keyfile,
                           fc_clock_system.now(fc_clock_system.data));
    enum fc_error error = fc_poller_step(watch->poller, TURN_MS);
    if (!error)
      error = show(watch, fc_clock_system.now(fc_clock_system.data));
    if (error) {
      ctl_warn("%s", fc_error_text(error));
      return CTL_UNKNOWN;
    }
    int number = signal_pending(&signals);
    if (number)
      return CTL_SIGNALLED + number;
    if (!ctl_flush())
      return CTL_UNWRITTEN;
    if (watch->rejected) {
      ctl_warn("the API key is missing or rejected: give a good one by "
               "--key-file or FIRECRAWL_API_KEY");
      return CTL_UNKNOWN;
    }
    if (ended(watch) == watch->len)
      return exit_of(watch);
  }
}

static enum fc_error add_jobs(struct watch *watch) {
  const struct fc_settings *settings = &watch->options->settings;
  struct fc_now now = fc_clock_system.now(fc_clock_system.data);
  enum fc_error error = FC_OK;
  watch->jobs = calloc(settings->jobs_len, sizeof(*watch->jobs));
  if (!watch->jobs)
    return FC_ERR_MEMORY;
  for (size_t i = 0; !error && i < settings->jobs_len; i++) {
    const struct fc_job_spec *spec = &settings->jobs[i];
    watch->jobs[watch->len++].spec = spec;
    error = fc_instance_add(watch->instance, spec->kind, spec->id, spec->name,
                            FC_SOURCE_CONFIG, now);
  }
  return error;
}

static enum fc_error watch_init(struct watch *watch) {
  const struct fc_settings *settings = &watch->options->settings;
  struct fc_now now = fc_clock_system.now(fc_clock_system.data);
  enum fc_error error = fc_transport_curl_global_init();
  if (error)
    return error;
  struct fc_transport *transport = fc_transport_curl_new();
  watch->poller = transport ? fc_poller_new(transport, &fc_clock_system) : NULL;
  watch->instance = fc_instance_new(settings, settings->interval_ms,
                                    /* seed = */ (uint64_t)now.mono_ms);
  if (!watch->poller || !watch->instance)
    return FC_ERR_MEMORY;
  watch->keyfile =
      fc_keyfile_new(watch->instance, fc_poller_waker(watch->poller), now);
  if (!watch->keyfile)
    return FC_ERR_MEMORY;
  error = fc_poller_add(watch->poller, watch->instance, watch->keyfile);
  return error ? error : add_jobs(watch);
}

static void watch_release(struct watch *watch) {
  fc_poller_free(watch->poller);
  fc_keyfile_free(watch->keyfile);
  fc_instance_free(watch->instance);
  free(watch->jobs);
  free(watch->frame);
}

int ctl_watch(const struct ctl_options *options) {
  const char *term = getenv("TERM");
  struct watch watch = {
      .options = options,
      .live = isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") != 0,
      .colours = ctl_takes_colours(stdout),
  };
  enum fc_error error = watch_init(&watch);
  int status = CTL_UNKNOWN;
  if (error)
    ctl_warn("%s", fc_error_text(error));
  else
    status = run(&watch);
  watch_release(&watch);
  return status;
}
