/* SPDX-License-Identifier: MIT */

#include "src/watch/event.h"

#include "src/base/text.h"
#include "src/watch/flap.h"

#include <inttypes.h>
#include <string.h>

static const struct {
  const char *name;
  enum fc_severity severity;
  const char *says;
} rows[FC_EVENT_COUNT] = {
    [FC_EVENT_FAILED] = {"failed", FC_SEVERITY_FAILURE, "failed"},
    [FC_EVENT_CANCELLED] = {"cancelled", FC_SEVERITY_WARNING, "cancelled"},
    [FC_EVENT_COMPLETED] = {"completed", FC_SEVERITY_OKAY, "completed"},
    [FC_EVENT_LOST] = {"lost", FC_SEVERITY_WARNING, "lost"},
    [FC_EVENT_FOUND] = {"found", FC_SEVERITY_OKAY, "found again"},
    [FC_EVENT_STALLED] = {"stalled", FC_SEVERITY_WARNING, "stalled"},
    [FC_EVENT_EXPIRES] = {"expires", FC_SEVERITY_WARNING, "expires soon"},
    [FC_EVENT_ENDPOINT_GONE] = {"endpoint_gone", FC_SEVERITY_FAILURE,
                                "endpoint gone"},
    [FC_EVENT_ENDPOINT_SUNSET] = {"endpoint_sunset", FC_SEVERITY_WARNING,
                                  "endpoint has a sunset date"},
    [FC_EVENT_ENDPOINT_BACK] = {"endpoint_back", FC_SEVERITY_OKAY,
                                "endpoint answers again"},
    [FC_EVENT_KEY_MISSING] = {"key_missing", FC_SEVERITY_FAILURE,
                              "API key unusable"},
    [FC_EVENT_KEY_REJECTED] = {"key_rejected", FC_SEVERITY_FAILURE,
                               "API key rejected"},
    [FC_EVENT_API_UNUSABLE] = {"api_unusable", FC_SEVERITY_FAILURE,
                               "API unusable"},
    [FC_EVENT_API_USABLE] = {"api_usable", FC_SEVERITY_OKAY,
                             "API usable again"},
    [FC_EVENT_API_IDLE] = {"api_idle", FC_SEVERITY_OKAY,
                           "API no longer needed: no job is left to ask for"},
    [FC_EVENT_JOBS_REFUSED] = {"jobs_refused", FC_SEVERITY_FAILURE,
                               "jobs refused"},
    [FC_EVENT_JOBS_ACCEPTED] = {"jobs_accepted", FC_SEVERITY_OKAY,
                                "all jobs accepted again"},
    [FC_EVENT_STATE_UNUSABLE] = {"state_unusable", FC_SEVERITY_FAILURE,
                                 "state file unusable"},
    [FC_EVENT_STATE_USABLE] = {"state_usable", FC_SEVERITY_OKAY,
                               "state file usable again"},
};

enum fc_severity fc_event_severity(enum fc_event_type type) {
  return rows[type].severity;
}

const char *fc_event_name(enum fc_event_type type) { return rows[type].name; }

static const char *kind_name(const struct fc_event *event) {
  const struct fc_kind *kind = fc_kind_get(event->kind);
  return kind ? kind->name : "";
}

const char *fc_event_message(const struct fc_event *event,
                             char message[FC_EVENT_MESSAGE_SIZE]) {
  static const char last[] = "; " FC_FLAP_LAST;
  const size_t size =
      FC_EVENT_MESSAGE_SIZE - (event->is_last ? sizeof(last) - 1 : 0);
  size_t used = 0;
  message[0] = '\0';
  fc_text_append(message, size, &used, "%s", kind_name(event));
  if (event->type < FC_EVENT_JOB_COUNT)
    fc_text_append(message, size, &used, " %s (%s)", event->name, event->id);
  fc_text_append(message, size, &used, "%s%s", used ? " " : "",
                 rows[event->type].says);
  if (event->text[0])
    fc_text_append(message, size, &used, ": %s", event->text);
  used = strlen(message);
  if (event->is_last)
    fc_text_append(message, FC_EVENT_MESSAGE_SIZE, &used, "%s", last);
  return message;
}

const char *fc_event_key(const struct fc_event *event,
                         char key[FC_EVENT_KEY_SIZE]) {
  enum { SIZE = FC_EVENT_KEY_SIZE };
  const char *name = rows[event->type].name;
  size_t used = 0;
  key[0] = '\0';
  if (event->type < FC_EVENT_JOB_COUNT)
    fc_text_append(key, SIZE, &used, "%s/%s/%s", kind_name(event), event->id,
                   name);
  else
    fc_text_append(key, SIZE, &used, "%s%s%s/%" PRId64, kind_name(event),
                   kind_name(event)[0] ? "/" : "", name, event->start_s);
  if (event->type < FC_EVENT_JOB_COUNT && event->round > 1)
    fc_text_append(key, SIZE, &used, "/%u", event->round);
  return key;
}
