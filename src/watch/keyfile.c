/* SPDX-License-Identifier: MIT */

#include "src/watch/keyfile.h"

#include "src/api/settings.h"
#include "src/base/error.h"
#include "src/base/file.h"
#include "src/base/text.h"
#include "src/watch/event.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct fc_keyfile {
  struct fc_instance *instance;
  const char *path; /* NULL: no file */
  struct fc_waker changed;
  struct fc_file_stamp stamp; /* when last looked at */
  bool settling;              /* it changed then: read it if it stays */
  int64_t check_ms;
  bool missing; /* there has been none to use so far */
  atomic_bool rejected;
  struct fc_key key; /* changed with the lock held */
  pthread_mutex_t lock;
  atomic_uint offered; /* the key's generation */
  unsigned taken;      /* the poller's: the one that it has */
};

static enum fc_error offer(struct fc_keyfile *keyfile, const char *bytes,
                           size_t len) {
  pthread_mutex_lock(&keyfile->lock);
  enum fc_error error = fc_key_set(&keyfile->key, bytes, len);
  atomic_store(&keyfile->offered, keyfile->key.generation);
  pthread_mutex_unlock(&keyfile->lock);
  return error;
}

/* A file that changed while it was read is left for the next look. */
static enum fc_error take_key(struct fc_keyfile *keyfile, unsigned *access,
                              char *detail, size_t size) {
  struct fc_key key;
  fc_key_init(&key);
  enum fc_error error = fc_key_read(&key, keyfile->path, access, detail, size);
  if (fc_file_changed(keyfile->path, &keyfile->stamp))
    keyfile->settling = true;
  else if (!error && (error = offer(keyfile, key.bytes, key.len)))
    fc_text_copy(detail, size, fc_error_text(error));
  fc_key_release(&key);
  return error;
}

static void key_has_come(struct fc_keyfile *keyfile, unsigned access) {
  keyfile->missing = false;
  if (access)
    fc_instance_report(keyfile->instance, FC_SEVERITY_WARNING,
                       "APIKeyFile: it holds a key now, and is readable or "
                       "writable by others than its owner: chmod 600 it");
  else
    fc_instance_report(keyfile->instance, FC_SEVERITY_OKAY,
                       "APIKeyFile: it holds a key now");
}

static void read_key(struct fc_keyfile *keyfile, struct fc_now now) {
  char detail[FC_DETAIL_SIZE];
  unsigned access = 0, generation = keyfile->key.generation;
  enum fc_error error = take_key(keyfile, &access, detail, sizeof(detail));
  if (error && !keyfile->key.bytes) {
    keyfile->missing = true;
    fc_instance_key_missing(keyfile->instance, detail, now);
  } else if (keyfile->missing && keyfile->key.generation != generation) {
    key_has_come(keyfile, access);
  }
  fc_instance_key_read(keyfile->instance);
}

static void look(struct fc_keyfile *keyfile, bool rejected, struct fc_now now) {
  bool due = now.mono_ms >= keyfile->check_ms;
  bool changed = fc_file_changed(keyfile->path, &keyfile->stamp);
  bool wanted = keyfile->settling ? due : rejected || !keyfile->key.bytes;
  if (changed || wanted || due)
    keyfile->check_ms = now.mono_ms + FC_KEYFILE_CHECK_MS;
  if (changed) {
    keyfile->settling = true;
  } else if (wanted) {
    keyfile->settling = false;
    read_key(keyfile, now);
  }
}

int64_t fc_keyfile_check(struct fc_keyfile *keyfile, struct fc_now now) {
  if (!keyfile->path)
    return FC_NEVER;
  bool rejected = atomic_exchange(&keyfile->rejected, false);
  unsigned generation = keyfile->key.generation;
  if (rejected || now.mono_ms >= keyfile->check_ms)
    look(keyfile, rejected, now);
  if (keyfile->key.generation != generation)
    fc_waker_wake(&keyfile->changed);
  return keyfile->check_ms;
}

int64_t fc_keyfile_task(void *keyfile, struct fc_now now) {
  return fc_keyfile_check(keyfile, now);
}

const struct fc_key *fc_keyfile_key(const struct fc_keyfile *keyfile) {
  return &keyfile->key;
}

bool fc_keyfile_take(struct fc_keyfile *keyfile, struct fc_key *key) {
  if (atomic_load(&keyfile->offered) == keyfile->taken)
    return false;
  pthread_mutex_lock(&keyfile->lock);
  bool took = !fc_key_set(key, keyfile->key.bytes, keyfile->key.len);
  if (took)
    keyfile->taken = keyfile->key.generation;
  pthread_mutex_unlock(&keyfile->lock);
  return took;
}

void fc_keyfile_rejected(struct fc_keyfile *keyfile) {
  atomic_store(&keyfile->rejected, true);
}

static enum fc_error begin(struct fc_keyfile *keyfile,
                           const struct fc_settings *settings,
                           struct fc_now now) {
  if (settings->api_key)
    return offer(keyfile, settings->api_key, strlen(settings->api_key));
  keyfile->path = settings->api_key_file;
  if (keyfile->path) {
    (void)fc_file_changed(keyfile->path, &keyfile->stamp);
    read_key(keyfile, now);
  }
  return FC_OK;
}

struct fc_keyfile *fc_keyfile_new(struct fc_instance *instance,
                                  struct fc_waker changed, struct fc_now now) {
  struct fc_keyfile *keyfile = calloc(1, sizeof(*keyfile));
  if (!keyfile)
    return NULL;
  (void)pthread_mutex_init(&keyfile->lock, NULL);
  keyfile->instance = instance;
  keyfile->changed = changed;
  fc_key_init(&keyfile->key);
  if (begin(keyfile, fc_instance_settings(instance), now)) {
    fc_keyfile_free(keyfile);
    return NULL;
  }
  return keyfile;
}

void fc_keyfile_free(struct fc_keyfile *keyfile) {
  if (!keyfile)
    return;
  fc_key_release(&keyfile->key);
  (void)pthread_mutex_destroy(&keyfile->lock);
  free(keyfile);
}
