/* SPDX-License-Identifier: MIT */

/* A binary min-heap of nodes that the caller embeds: who is due first. Ties
 * come out in any order. Not thread-safe. */

#ifndef FC_HEAP_H
#define FC_HEAP_H

#include "src/base/error.h"
#include "src/base/macros.h"

#include <stddef.h>
#include <stdint.h>

struct fc_heap_node {
  int64_t key;
  size_t place; /* 1-based place in the heap; 0: in none */
};

struct fc_heap {
  struct fc_heap_node **nodes; /* borrowed; nodes[0] is the least */
  size_t len;
  size_t capacity;
};

/* Makes room for `capacity` nodes, so that fc_heap_set cannot fail up to
 * there. FC_ERR_MEMORY leaves the heap as it was. A heap of all zero bytes is
 * empty. */
FC_MUST_USE enum fc_error fc_heap_reserve(struct fc_heap *heap,
                                          size_t capacity);

/* Puts the node in, or moves it, according to key. There must be room. */
void fc_heap_set(struct fc_heap *heap, struct fc_heap_node *node, int64_t key);

/* Takes the node out; nothing happens when it is not in. */
void fc_heap_remove(struct fc_heap *heap, struct fc_heap_node *node);

/* The node with the least key, or NULL. */
static inline struct fc_heap_node *fc_heap_first(const struct fc_heap *heap) {
  return heap->len ? heap->nodes[0] : NULL;
}

/* Frees the heap's own memory; the nodes are the caller's. */
void fc_heap_release(struct fc_heap *heap);

#endif
