/* SPDX-License-Identifier: MIT */

/* Notifications as registrations: severity, type, type instance and message
 * from lines of the input. Only what can be asked for is ever watched. */

#include "plugin/registration.h"

#include "src/api/name.h"

#include "t/fake/fake_collectd.h"
#include "t/fuzz/fuzz.h"

static void take_line(const uint8_t **data, size_t *size, char *field,
                      size_t field_size) {
  const char *line;
  size_t len = fuzz_line(data, size, &line);
  len = len < field_size ? len : field_size - 1;
  memcpy(field, line, len);
  field[len] = '\0';
}

static void take_one(struct fc_instance *instance, const uint8_t **data,
                     size_t *size, struct fc_now now) {
  static const int severities[] = {NOTIF_OKAY, NOTIF_WARNING, NOTIF_FAILURE, 0};
  notification_t notification = {.severity =
                                     severities[fuzz_byte(data, size) % 4]};
  take_line(data, size, notification.type, sizeof(notification.type));
  take_line(data, size, notification.type_instance,
            sizeof(notification.type_instance));
  take_line(data, size, notification.message, sizeof(notification.message));
  char text[FC_REGISTRATION_TEXT_SIZE];
  if (fc_registration_is_one(&notification))
    (void)fc_registration_take(instance, &notification, now, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct fc_settings settings;
  struct fc_now now = {.mono_ms = 1000, .epoch_s = 1795458360};
  struct fc_ticket ticket;
  int64_t wake_ms;
  fake_collectd_reset();
  fc_settings_init(&settings);
  FUZZ_REQUIRE((settings.name = strdup("fuzz")));
  settings.accept_registrations = true;
  struct fc_instance *instance = fc_instance_new(&settings, 10000, 1);
  FUZZ_REQUIRE(instance);
  while (size)
    take_one(instance, &data, &size, now);
  while (fc_instance_next(instance, now, &ticket, &wake_ms))
    FUZZ_REQUIRE(fc_id_valid(ticket.id, strlen(ticket.id)));
  FUZZ_REQUIRE(!fake_collectd_fault());
  fc_instance_free(instance);
  fc_settings_release(&settings);
  fake_collectd_reset();
  return 0;
}
