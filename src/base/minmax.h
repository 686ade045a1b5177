/* The smaller and the larger of two, each evaluated once; pure. */

#ifndef FC_MINMAX_H
#define FC_MINMAX_H

#include <stdint.h>

static inline int64_t fc_min64(int64_t a, int64_t b) { return a < b ? a : b; }

static inline int64_t fc_max64(int64_t a, int64_t b) { return a > b ? a : b; }

#endif
