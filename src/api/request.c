#include "src/api/request.h"

#include <stdio.h>
#include <string.h>

#define LETTERS_AND_DIGITS                                                     \
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

/* isalnum() asks the locale; a URL must not. */
static bool made_of(const char *text, size_t len, size_t max,
                    const char *allowed) {
  if (len == 0 || len > max)
    return false;
  for (size_t i = 0; i < len; i++)
    if (!memchr(allowed, text[i], strlen(allowed)))
      return false;
  return true;
}

bool fc_id_valid(const char *id, size_t len) {
  return made_of(id, len, FC_ID_MAX, LETTERS_AND_DIGITS "_-");
}

bool fc_name_valid(const char *name, size_t len) {
  return made_of(name, len, FC_NAME_MAX, LETTERS_AND_DIGITS "_.-");
}

bool fc_key_valid(const char *key, size_t len) {
  if (len == 0 || len > FC_KEY_MAX)
    return false;
  for (size_t i = 0; i < len; i++)
    if (key[i] < 0x21 || key[i] > 0x7e)
      return false;
  return true;
}

enum fc_error fc_request_url(char *url, size_t size, const char *base,
                             enum fc_api_version version,
                             const struct fc_kind *kind, const char *id) {
  const char *path = fc_kind_path(kind, version);
  size_t base_len = strlen(base), id_len = strlen(id);
  if (!fc_id_valid(id, id_len))
    return FC_ERR_ARGUMENT;
  if (base_len > FC_BASE_URL_MAX ||
      base_len + strlen(path) + id_len + strlen(kind->query) >= size)
    return FC_ERR_LIMIT;
  (void)snprintf(url, size, "%s%s%s%s", base, path, id, kind->query);
  return FC_OK;
}
