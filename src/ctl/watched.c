/* SPDX-License-Identifier: MIT */

#include "src/ctl/watched.h"

#include "src/api/kind.h"
#include "src/api/settings.h"
#include "src/base/text.h"
#include "src/base/timestamp.h"
#include "src/ctl/print.h"

#include <string.h>

enum { LINE_SIZE = 1024, BAR = 20 };

bool ctl_watched_has_ended(const struct ctl_watched *watched) {
  return watched->has_view && fc_status_has_ended(watched->view.facts.status);
}

void ctl_watched_take_event(struct ctl_watched *watched,
                            const struct fc_event *event) {
  watched->stalled = event->type == FC_EVENT_STALLED;
  fc_text_copy(watched->error, sizeof(watched->error), event->text);
}

static const char *status_word(const struct ctl_watched *watched) {
  if (!watched->has_view)
    return "waiting";
  return watched->stalled ? "stalled"
                          : fc_status_name(watched->view.facts.status);
}

static int percent_of(const struct ctl_watched *watched) {
  return watched->has_view && watched->view.facts.has_percent
             ? (int)watched->view.facts.percent
             : -1;
}

/* What a status alone does not say. */
static const char *reason_of(const struct ctl_watched *watched) {
  if (watched->error[0])
    return watched->error;
  if (watched->stalled)
    return "the server no longer has its record, or it takes very long";
  return watched->has_view && watched->view.facts.status == FC_STATUS_LOST
             ? "the API does not know it (any more)"
             : "";
}

void ctl_watched_print(struct ctl_watched *watched, FILE *out, int64_t now_s) {
  char time[FC_TIMESTAMP_SIZE];
  int percent = percent_of(watched);
  const char *reason = reason_of(watched);
  if (!watched->has_view ||
      (watched->printed &&
       watched->printed_status == watched->view.facts.status &&
       watched->printed_percent == percent &&
       watched->printed_stalled == watched->stalled))
    return;
  watched->printed = true;
  watched->printed_status = watched->view.facts.status;
  watched->printed_percent = percent;
  watched->printed_stalled = watched->stalled;
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
  if (watched->has_view && view->facts.has_duration)
    fc_text_append(line, LINE_SIZE, used, " %s",
                   ctl_span(span, (int64_t)view->facts.duration_s));
}

void ctl_put_line(FILE *out, const char *text, size_t width) {
  char line[LINE_SIZE];
  size_t size = width + 1 < sizeof(line) ? width + 1 : sizeof(line);
  (void)fc_text_line(line, size, text, strlen(text));
  (void)fprintf(out, "%s\033[K\n", line);
}

void ctl_watched_draw(const struct ctl_watched *watched, FILE *out,
                      size_t width, bool colours) {
  enum fc_status status =
      watched->has_view ? watched->view.facts.status : FC_STATUS_NONE;
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
  ctl_put_line(out, line, left);
}
