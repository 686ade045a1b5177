/* SPDX-License-Identifier: MIT */

#include "src/watch/endpoint.h"

#include "src/base/timestamp.h"

#include <string.h>

void fc_endpoint_init(struct fc_endpoint *endpoint, const struct fc_kind *kind,
                      const char *url, bool is_cloud) {
  *endpoint = (struct fc_endpoint){
      .kind = kind,
      .sunset_s = is_cloud ? kind->cloud_end_s : 0,
      .warned = {.kind = (uint8_t)kind->id, .url = url},
      .told = {.kind = (uint8_t)kind->id, .url = url},
  };
  endpoint->has_sunset = endpoint->sunset_s != 0;
}

static struct fc_outbox_event *event_of(struct fc_endpoint *endpoint,
                                        enum fc_event_type type) {
  return &endpoint->events[type - FC_EVENT_ENDPOINT_GONE];
}

static void add_event(struct fc_endpoint *endpoint, enum fc_event_type type,
                      int64_t now_s) {
  endpoint->start_s[type - FC_EVENT_ENDPOINT_GONE] = now_s;
  fc_outbox_add(event_of(endpoint, type), FC_STATUS_NONE, FC_STATUS_NONE);
}

static void look_at_sunset(struct fc_endpoint *endpoint, bool answers,
                           int64_t now_s) {
  struct fc_endpoint_record *warned = &endpoint->warned;
  const struct fc_endpoint_record *told = &endpoint->told;
  int64_t left_s = endpoint->sunset_s - now_s;
  bool last = left_s <= FC_SUNSET_LAST_WARNING_S;
  if (left_s <= 0) {
    endpoint->has_sunset = !answers;
    (void)fc_outbox_take_back(event_of(endpoint, FC_EVENT_ENDPOINT_SUNSET));
    return;
  }
  if (warned->sunset_reported_s == endpoint->sunset_s &&
      (!last || warned->last_warning_given))
    return;
  warned->sunset_reported_s = endpoint->sunset_s;
  warned->last_warning_given = last;
  if (told->sunset_reported_s == endpoint->sunset_s &&
      (!last || told->last_warning_given))
    (void)fc_outbox_take_back(event_of(endpoint, FC_EVENT_ENDPOINT_SUNSET));
  else
    add_event(endpoint, FC_EVENT_ENDPOINT_SUNSET, now_s);
}

/* Where its end was told and its return was not, nobody has to hear of the
 * end again. */
static void has_gone(struct fc_endpoint *endpoint, int64_t now_s) {
  struct fc_outbox_event *back = event_of(endpoint, FC_EVENT_ENDPOINT_BACK);
  (void)fc_outbox_take_back(back);
  endpoint->warned.gone_reported = true;
  if (!endpoint->told.gone_reported || fc_outbox_is_pending(back))
    add_event(endpoint, FC_EVENT_ENDPOINT_GONE, now_s);
}

static void has_come_back(struct fc_endpoint *endpoint, int64_t now_s) {
  struct fc_outbox_event *gone = event_of(endpoint, FC_EVENT_ENDPOINT_GONE);
  (void)fc_outbox_take_back(gone);
  endpoint->warned.gone_reported = false;
  if (endpoint->told.gone_reported || fc_outbox_is_pending(gone))
    add_event(endpoint, FC_EVENT_ENDPOINT_BACK, now_s);
}

bool fc_endpoint_learn(struct fc_endpoint *endpoint,
                       const struct fc_result *result, int64_t now_s,
                       bool doubted) {
  bool gone = result->answer == FC_ANSWER_GONE;
  bool was_gone = endpoint->warned.gone_reported;
  if (result->successor[0])
    fc_text_copy(endpoint->successor, sizeof(endpoint->successor),
                 result->successor);
  if (result->has_sunset) {
    endpoint->has_sunset = true;
    endpoint->sunset_s = result->sunset_s;
  }
  if (endpoint->has_sunset && !doubted && result->answer != FC_ANSWER_NONE)
    look_at_sunset(endpoint, !gone, now_s);
  if (result->answer == FC_ANSWER_NONE || gone == was_gone)
    return false;
  if (gone)
    has_gone(endpoint, now_s);
  else
    has_come_back(endpoint, now_s);
  return was_gone;
}

static void say(const struct fc_endpoint *endpoint, struct fc_event *event) {
  char date[FC_TIMESTAMP_SIZE], *text = event->text;
  const char *successor =
      fc_kind_successor(endpoint->kind, endpoint->successor);
  size_t size = sizeof(event->text), used = 0;
  if (event->type == FC_EVENT_ENDPOINT_BACK)
    return;
  if (event->type == FC_EVENT_ENDPOINT_GONE)
    fc_text_append(text, size, &used,
                   "the server answers 410, its jobs cannot be watched");
  else
    fc_text_append(text, size, &used, "it ends on %s",
                   fc_timestamp_format(date, endpoint->sunset_s));
  if (successor)
    fc_text_append(text, size, &used, "; use %s instead", successor);
}

static struct fc_flap *flap_of(struct fc_endpoint *endpoint,
                               enum fc_event_type type) {
  return type == FC_EVENT_ENDPOINT_SUNSET ? &endpoint->sunset_flap
                                          : &endpoint->flap;
}

/* The first event that is not held back; FC_EVENT_ENDPOINT_END: there is none.
 */
static enum fc_event_type next_event(struct fc_endpoint *endpoint,
                                     int64_t now_ms) {
  enum fc_event_type type = FC_EVENT_ENDPOINT_GONE;
  while (
      type < FC_EVENT_ENDPOINT_END &&
      (!fc_outbox_is_ready(event_of(endpoint, type), /* durable = */ false) ||
       fc_flap_is_held(flap_of(endpoint, type), now_ms)))
    type++;
  return type;
}

bool fc_endpoint_take(struct fc_endpoint *endpoint, struct fc_event *event,
                      int64_t now_ms) {
  enum fc_event_type type = next_event(endpoint, now_ms);
  if (type == FC_EVENT_ENDPOINT_END)
    return false;
  fc_outbox_take(event_of(endpoint, type));
  event->type = type;
  event->kind = endpoint->kind->id;
  event->start_s = endpoint->start_s[type - FC_EVENT_ENDPOINT_GONE];
  event->is_last = fc_flap_tell(flap_of(endpoint, type), now_ms);
  say(endpoint, event);
  return true;
}

void fc_endpoint_deliver(struct fc_endpoint *endpoint,
                         enum fc_event_type type) {
  struct fc_endpoint_record *told = &endpoint->told;
  fc_outbox_deliver(event_of(endpoint, type));
  if (type == FC_EVENT_ENDPOINT_SUNSET) {
    told->sunset_reported_s = endpoint->warned.sunset_reported_s;
    told->last_warning_given = endpoint->warned.last_warning_given;
  } else {
    told->gone_reported = type == FC_EVENT_ENDPOINT_GONE;
  }
  endpoint->unsaved = true;
}

void fc_endpoint_restore(struct fc_endpoint *endpoint,
                         const struct fc_endpoint_record *record) {
  struct fc_endpoint_record *warned = &endpoint->warned,
                            *told = &endpoint->told;
  if (record->url && strcmp(record->url, told->url) != 0)
    return;
  if (!warned->sunset_reported_s) {
    warned->sunset_reported_s = told->sunset_reported_s =
        record->sunset_reported_s;
    warned->last_warning_given = told->last_warning_given =
        record->last_warning_given;
  }
  warned->gone_reported |= record->gone_reported;
  told->gone_reported |= record->gone_reported;
}
