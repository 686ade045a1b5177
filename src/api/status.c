/* SPDX-License-Identifier: MIT */

#include "src/api/status.h"

#include "src/base/macros.h"

#include <string.h>

static const struct {
  const char *name;
  bool final;
} statuses[FC_STATUS_COUNT] = {
    [FC_STATUS_COMPLETED] = {"completed", true},
    [FC_STATUS_PROCESSING] = {"processing", false},
    [FC_STATUS_CANCELLED] = {"cancelled", true},
    [FC_STATUS_FAILED] = {"failed", true},
    [FC_STATUS_LOST] = {"lost", false},
    [FC_STATUS_UNKNOWN] = {"unknown", false},
};

static const struct {
  const char *word;
  enum fc_status status;
} wire[] = {
    {"completed", FC_STATUS_COMPLETED}, {"processing", FC_STATUS_PROCESSING},
    {"scraping", FC_STATUS_PROCESSING}, {"pending", FC_STATUS_PROCESSING},
    {"queued", FC_STATUS_PROCESSING},   {"cancelled", FC_STATUS_CANCELLED},
    {"failed", FC_STATUS_FAILED},
};

static bool in_table(enum fc_status status) {
  return status >= 0 && status < FC_STATUS_COUNT;
}

enum fc_status fc_status_from_wire(const char *word, size_t len) {
  for (size_t i = 0; i < COUNT_OF(wire); i++)
    if (strlen(wire[i].word) == len && memcmp(wire[i].word, word, len) == 0)
      return wire[i].status;
  return FC_STATUS_UNKNOWN;
}

const char *fc_status_name(enum fc_status status) {
  if (status == FC_STATUS_NONE)
    return "none";
  return in_table(status) ? statuses[status].name : "invalid";
}

enum fc_status fc_status_from_name(const char *name) {
  for (size_t i = 0; i < COUNT_OF(statuses); i++)
    if (strcmp(statuses[i].name, name) == 0)
      return (enum fc_status)i;
  return FC_STATUS_NONE;
}

bool fc_status_is_final(enum fc_status status) {
  return in_table(status) && statuses[status].final;
}

bool fc_status_has_ended(enum fc_status status) {
  return fc_status_is_final(status) || status == FC_STATUS_LOST;
}
