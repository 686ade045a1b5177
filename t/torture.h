/* SPDX-License-Identifier: MIT */

/* Lets calls to the system and to other libraries fail, one by one. The
 * linker's
 * --wrap (torture_wraps in t/Makefile.inc) gives us the calls of the objects
 * that are linked in, and no others; torture.c decides which of them fails.
 * t/plugin/plugin_calls sees to it that every call of the plugin's is here or
 * in t/plugin/plugin_calls.list with the reason why not. */

#ifndef FC_T_TORTURE_H
#define FC_T_TORTURE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* Whose calls count: those of our own objects, or those that libcurl makes to
 * its allocator (torture_curl_memory). */
enum torture_side { TORTURE_OURS, TORTURE_CURL };

/* What fails. Only calls of the thread that called torture_set count: a test's
 * server is linked in, too. */
struct torture {
  bool on;
  enum torture_side side;
  pthread_t thread;
  long calls;
  long fail_at;     /* the n-th call, from 1; 0: none */
  bool persistent;  /* and all after it */
  const char *name; /* of the first that failed; NULL: none has */
};

extern struct torture torture;

/* Counts a call; true, with errno set, where it is to fail. */
bool torture_fails(enum torture_side side, const char *name);

/* Off, and ready for a new run; the calling thread's calls will count. First
 * called before any other thread is started. */
void torture_set(long fail_at, bool persistent);

/* From FC_TORTURE_STRIDE: how far the points to fail at are apart; 1 where it
 * is not set. */
long torture_stride(void);

/* Gives libcurl an allocator whose calls may fail. In place of
 * curl_global_init, before anything else of libcurl's. */
bool torture_curl_memory(void);

/* The names are the linker's. */
#define WRAP(type, name, parameters, arguments, failure)                       \
  type __real_##name parameters;                                               \
  type __wrap_##name parameters;                                               \
  type __wrap_##name parameters {                                              \
    return torture_fails(TORTURE_OURS, #name) ? (failure)                      \
                                              : __real_##name arguments;       \
  }

#endif
