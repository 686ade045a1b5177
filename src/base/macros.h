/* SPDX-License-Identifier: MIT */

/* Small macros and what is hardly more. */

#ifndef FC_MACROS_H
#define FC_MACROS_H

#include <stddef.h>
#include <stdint.h>

/* Of a function whose result must be looked at. */
#define FC_MUST_USE __attribute__((warn_unused_result))

/* Of a function that formats: the positions of the format and of its first
 * argument, from 1. */
#define FC_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* How many elements an array has; not for pointers. */
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* The struct of which *pointer is that member. */
#define CONTAINER_OF(pointer, type, member)                                    \
  ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static inline int64_t fc_min64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t fc_max64(int64_t a, int64_t b) { return a > b ? a : b; }

#endif
