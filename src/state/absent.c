/* SPDX-License-Identifier: MIT */

#include "src/state/absent.h"

#include "src/api/name.h"
#include "src/base/text.h"

#include <stdlib.h>
#include <string.h>

enum { MORE_SIZE = 32 /* ", and N more" */ };

struct instance {
  char name[FC_NAME_MAX + 1];
  int64_t since_s; /* with its flag */
  bool has_since;
};

struct list {
  struct instance *items;
  size_t len;
};

/* A name that is none of ours is left alone. */
static enum fc_error take(const char *name, bool has_since, int64_t since_s,
                          void *data) {
  struct list *list = data;
  if (!fc_name_valid(name, strlen(name)))
    return FC_OK;
  struct instance *items =
      reallocarray(list->items, list->len + 1, sizeof(*items));
  if (!items)
    return FC_ERR_MEMORY;
  list->items = items;
  struct instance *item = &items[list->len++];
  *item = (struct instance){.since_s = since_s, .has_since = has_since};
  fc_text_copy(item->name, sizeof(item->name), name);
  return FC_OK;
}

/* A clock that was set back must not keep one for ever. */
static enum fc_error settle_one(struct fc_store *store,
                                const struct instance *item, bool configured,
                                int64_t now_s, bool *kept) {
  *kept = false;
  if (configured)
    return item->has_since ? fc_store_set_present(store, item->name) : FC_OK;
  if (item->has_since && now_s - item->since_s >= FC_ABSENT_KEEP_S)
    return fc_store_delete_instance(store, item->name);
  *kept = true;
  return item->has_since && item->since_s <= now_s
             ? FC_OK
             : fc_store_set_absent(store, item->name, now_s);
}

static void add_name(char names[FC_ABSENT_NAMES_SIZE], size_t *used,
                     size_t *left_out, const char *name) {
  if (*left_out || *used + strlen(name) + MORE_SIZE > FC_ABSENT_NAMES_SIZE)
    ++*left_out;
  else
    fc_text_append(names, FC_ABSENT_NAMES_SIZE, used, "%s%s", *used ? ", " : "",
                   name);
}

static enum fc_error settle(struct fc_store *store, const struct list *list,
                            fc_absent_is_configured configured, void *data,
                            int64_t now_s, char names[FC_ABSENT_NAMES_SIZE]) {
  size_t used = 0, left_out = 0;
  bool kept;
  enum fc_error error = fc_store_begin(store);
  for (size_t i = 0; i < list->len && !error; i++) {
    const char *name = list->items[i].name;
    error = settle_one(store, &list->items[i], configured(name, data), now_s,
                       &kept);
    if (kept)
      add_name(names, &used, &left_out, name);
  }
  if (left_out)
    fc_text_append(names, FC_ABSENT_NAMES_SIZE, &used, " and %zu more",
                   left_out);
  return error ? error : fc_store_commit(store);
}

enum fc_error fc_absent_settle(struct fc_store *store,
                               fc_absent_is_configured configured, void *data,
                               int64_t now_s,
                               char names[FC_ABSENT_NAMES_SIZE]) {
  struct list list = {.len = 0};
  names[0] = '\0';
  enum fc_error error = fc_store_list_instances(store, take, &list);
  if (!error && list.len)
    error = settle(store, &list, configured, data, now_s, names);
  free(list.items);
  return error;
}
