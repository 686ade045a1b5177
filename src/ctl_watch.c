/* An instance of the library's own, without collectd: the poller's turns, and
 * what they brought to see. */

#include "src/ctl_watch.h"

#include "src/clock.h"
#include "src/ctl.h"
#include "src/poller.h"
#include "src/text.h"
#include "src/timestamp.h"
#include "src/transport_curl.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum {
  TURN_MS = 200, /* the longest until a signal or a second passed is noticed */
  VIEWS = 64,
  WIDTH_MIN = 40,
  WIDTH_DEFAULT = 80,
  HEIGHT_DEFAULT = 24,
  LINE_SIZE = 1024,
  BAR = 20
};

bool ctl_watched_has_ended(const struct ctl_watched *watched) {
  return watched->has_view && (fc_status_is_final(watched->view.status) ||
                               watched->view.status == FC_STATUS_LOST);
}

void ctl_watched_heed(struct ctl_watched *watched,
                      const struct fc_event *event) {
  watched->stalled = event->type == FC_EVENT_STALLED;
  if (event->type == FC_EVENT_FAILED)
    fc_text_copy(watched->error, sizeof(watched->error), event->text);
}

static const char *status_word(const struct ctl_watched *watched) {
  if (!watched->has_view)
    return "waiting";
  return watched->stalled ? "stalled" : fc_status_name(watched->view.status);
}

static int percent_of(const struct ctl_watched *watched) {
  return watched->has_view && watched->view.has_percent
             ? (int)watched->view.percent
             : -1;
}

/* What a status alone does not say. */
static const char *reason_of(const struct ctl_watched *watched) {
  if (watched->error[0])
    return watched->error;
  if (watched->stalled)
    return "the server no longer has its record, or it takes very long";
  return watched->has_view && watched->view.status == FC_STATUS_LOST
             ? "the API does not know it (any more)"
             : "";
}

void ctl_watched_tell(struct ctl_watched *watched, FILE *out, int64_t now_s) {
  char time[FC_TIMESTAMP_SIZE];
  int percent = percent_of(watched);
  const char *reason = reason_of(watched);
  if (!watched->has_view ||
      (watched->told && watched->told_status == watched->view.status &&
       watched->told_percent == percent &&
       watched->told_stalled == watched->stalled))
    return;
  watched->told = true;
  watched->told_status = watched->view.status;
  watched->told_percent = percent;
  watched->told_stalled = watched->stalled;
  (void)fprintf(out, "%s %s %s %s", fc_timestamp_format(time, now_s),
                watched->spec->kind->name, watched->spec->id,
                status_word(watched));
  if (percent >= 0)
    (void)fprintf(out, " %d%%", percent);
  (void)fprintf(out, "%s%s\n", reason[0] ? ": " : "", reason);
}

/* "[########............] 40%", and for how long it has been going on. */
static void say_progress(const struct ctl_watched *watched,
                         char line[LINE_SIZE], size_t *used) {
  static const char full[] = "####################",
                    empty[] = "....................";
  const struct fc_job_view *view = &watched->view;
  char span[CTL_SPAN_SIZE];
  int percent = percent_of(watched);
  int len = percent * BAR / 100;
  _Static_assert(sizeof(full) == BAR + 1 && sizeof(empty) == BAR + 1,
                 "a whole bar");
  if (percent >= 0)
    fc_text_append(line, LINE_SIZE, used, " [%.*s%s] %d%%", len, full,
                   empty + len, percent);
  if (watched->has_view && view->has_duration)
    fc_text_append(line, LINE_SIZE, used, " %s",
                   ctl_span(span, view->duration_s));
}

/* A line no wider than the terminal: as many bytes, so rather too short where
 * characters take several. */
static void put_line(FILE *out, const char *text, size_t width) {
  char line[LINE_SIZE];
  size_t size = width + 1 < sizeof(line) ? width + 1 : sizeof(line);
  (void)fc_text_line(line, size, text, strlen(text));
  (void)fprintf(out, "%s\033[K\n", line);
}

void ctl_watched_draw(const struct ctl_watched *watched, FILE *out,
                      size_t width, bool colours) {
  enum fc_status status =
      watched->has_view ? watched->view.status : FC_STATUS_NONE;
  const char *reason = reason_of(watched), *word = status_word(watched);
  char line[LINE_SIZE];
  size_t used = 0;
  colours = colours && watched->has_view;
  fc_text_append(line, sizeof(line), &used, "%s %s ", watched->spec->kind->name,
                 watched->spec->id);
  bool fits = used + strlen(word) <= width;
  size_t left = fits ? width - used - strlen(word) : 0;
  (void)fprintf(out, "%.*s%s%s%s", (int)(fits ? used : width), line,
                ctl_colour(status, colours && fits), fits ? word : "",
                ctl_colour_end(colours && fits));
  used = 0;
  line[0] = '\0';
  say_progress(watched, line, &used);
  if (reason[0])
    fc_text_append(line, sizeof(line), &used, ": %s", reason);
  if (left && line[0] == ' ') {
    (void)fputc(' ', out);
    left--;
  }
  put_line(out, line, left);
}

/* The whole of a watch. */
struct watch {
  const struct ctl_options *options;
  struct fc_instance *instance;
  struct fc_poller *poller;
  struct ctl_watched *jobs;
  size_t len;
  uint64_t failures[FC_CLASS_COUNT]; /* told of */
  uint64_t missing;                  /* 404s told of */
  bool answered;                     /* there ever was a valid answer */
  bool rejected;                     /* the key, before that */
  char trouble[LINE_SIZE];           /* the last one, until an answer */
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
      while (strcmp(watch->jobs[next].spec->id, views[i].name) != 0)
        next++;
      watch->jobs[next].has_view = true;
      watch->jobs[next++].view = views[i];
    }
  }
}

static void say(struct watch *watch, int64_t now_s, const char *text) {
  char time[FC_TIMESTAMP_SIZE];
  fc_text_copy(watch->trouble, sizeof(watch->trouble), text);
  if (!watch->live)
    (void)printf("%s %s\n", fc_timestamp_format(time, now_s), text);
}

static void take_events(struct watch *watch, struct fc_now now) {
  struct fc_delivery delivery;
  char message[FC_EVENT_MESSAGE_SIZE];
  while (fc_instance_take_event(watch->instance, now, &delivery)) {
    struct ctl_watched *job = find(watch, delivery.event.id);
    if (job)
      ctl_watched_heed(job, &delivery.event);
    else if (fc_event_severity(delivery.event.type) != FC_SEVERITY_OKAY)
      say(watch, now.epoch_s, fc_event_message(&delivery.event, message));
    fc_instance_handed_over(watch->instance, &delivery);
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
    if (i == FC_CLASS_AUTH) /* an event tells of it */
      continue;
    fc_text_append(text, sizeof(text), &used, "%s: %s; it is asked again",
                   failure->id, failure->detail);
    say(watch, now.epoch_s, text);
  }
  if (stats->codes[404] && !watch->missing)
    say(watch, now.epoch_s,
        "a job is not known to the API (404): a new one may take a minute to "
        "show");
  watch->missing = stats->codes[404];
}

static void take_stats(struct watch *watch, struct fc_now now) {
  struct fc_stats stats;
  fc_instance_stats(watch->instance, now, &stats);
  take_failures(watch, &stats, now);
  watch->answered = watch->answered || stats.api_up;
  watch->rejected = !watch->answered && stats.failures[FC_CLASS_AUTH].count > 0;
  if (stats.api_up && !stats.codes[404])
    watch->trouble[0] = '\0';
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
  if (*width < WIDTH_MIN)
    *width = WIDTH_MIN;
}

/* The jobs that fit, those under way first, and a line about all. */
static size_t draw_jobs(struct watch *watch, FILE *out, size_t width,
                        size_t max) {
  size_t lines = 0;
  for (int pass = 0; pass < 2; pass++)
    for (size_t i = 0; i < watch->len && lines < max; i++)
      if (ctl_watched_has_ended(&watch->jobs[i]) == (pass == 1) ||
          watch->len <= max) {
        if (watch->len <= max && pass == 1)
          continue;
        ctl_watched_draw(&watch->jobs[i], out, width, watch->colours);
        lines++;
      }
  return lines;
}

static size_t draw_frame(struct watch *watch, FILE *out) {
  char line[2 * LINE_SIZE];
  size_t width, height, used = 0;
  window_size(&width, &height);
  size_t lines = draw_jobs(watch, out, width, height > 3 ? height - 3 : 1);
  fc_text_append(line, sizeof(line), &used, "%zu of %zu ended", ended(watch),
                 watch->len);
  if (watch->trouble[0])
    fc_text_append(line, sizeof(line), &used, "; %s", watch->trouble);
  put_line(out, line, width);
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
    ctl_watched_tell(&watch->jobs[i], stdout, now.epoch_s);
  return FC_OK;
}

/* The signals that end a watch are blocked and asked for: no handler, no state
 * of the process. */
static void signals_block(sigset_t *set) {
  (void)sigemptyset(set);
  (void)sigaddset(set, SIGINT);
  (void)sigaddset(set, SIGTERM);
  (void)sigaddset(set, SIGHUP);
  (void)sigprocmask(SIG_BLOCK, set, NULL);
}

static int signal_pending(const sigset_t *set) {
  const struct timespec at_once = {0};
  int number = sigtimedwait(set, NULL, &at_once);
  return number > 0 ? number : 0;
}

static int exit_of(const struct watch *watch) {
  for (size_t i = 0; i < watch->len; i++)
    if (watch->jobs[i].view.status != FC_STATUS_COMPLETED)
      return CTL_BAD;
  return CTL_GOOD;
}

static int run(struct watch *watch) {
  sigset_t signals;
  signals_block(&signals);
  for (;;) {
    enum fc_error error = fc_poller_step(watch->poller, TURN_MS);
    if (!error)
      error = show(watch, fc_clock_system.now(fc_clock_system.data));
    if (error) {
      ctl_complain("%s", fc_error_text(error));
      return CTL_TROUBLE;
    }
    int number = signal_pending(&signals);
    if (number)
      return CTL_SIGNALLED + number;
    if (!ctl_flush())
      return CTL_UNWRITTEN;
    if (watch->rejected) {
      ctl_complain("the API key is missing or rejected: give a good one by "
                   "--key-file or FIRECRAWL_API_KEY");
      return CTL_TROUBLE;
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
  uint64_t seed = (uint64_t)fc_clock_system.now(fc_clock_system.data).mono_ms;
  enum fc_error error = fc_transport_curl_global_init();
  if (error)
    return error;
  struct fc_transport *transport = fc_transport_curl_new();
  watch->poller = transport ? fc_poller_new(transport, &fc_clock_system) : NULL;
  watch->instance = fc_instance_new(settings, settings->interval_ms, seed);
  if (!watch->poller || !watch->instance)
    return FC_ERR_MEMORY;
  error = fc_poller_add(watch->poller, watch->instance);
  return error ? error : add_jobs(watch);
}

static void watch_release(struct watch *watch) {
  fc_poller_free(watch->poller);
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
  int status = CTL_TROUBLE;
  if (error)
    ctl_complain("%s", fc_error_text(error));
  else
    status = run(&watch);
  watch_release(&watch);
  return status;
}
