/* SPDX-License-Identifier: MIT */

#include "src/base/heap.h"

#include <stdlib.h>

enum { CAPACITY_MIN = 16 };

static void place(struct fc_heap *heap, size_t i, struct fc_heap_node *node) {
  heap->nodes[i] = node;
  node->place = i + 1;
}

static void sift_up(struct fc_heap *heap, size_t i) {
  struct fc_heap_node *node = heap->nodes[i];
  while (i > 0) {
    size_t parent = (i - 1) / 2;
    if (heap->nodes[parent]->key <= node->key)
      break;
    place(heap, i, heap->nodes[parent]);
    i = parent;
  }
  place(heap, i, node);
}

static void sift_down(struct fc_heap *heap, size_t i) {
  struct fc_heap_node *node = heap->nodes[i];
  for (size_t child; (child = 2 * i + 1) < heap->len; i = child) {
    if (child + 1 < heap->len &&
        heap->nodes[child + 1]->key < heap->nodes[child]->key)
      child++;
    if (node->key <= heap->nodes[child]->key)
      break;
    place(heap, i, heap->nodes[child]);
  }
  place(heap, i, node);
}

enum fc_error fc_heap_reserve(struct fc_heap *heap, size_t capacity) {
  if (capacity <= heap->capacity)
    return FC_OK;
  size_t wanted = heap->capacity ? heap->capacity : CAPACITY_MIN;
  while (wanted < capacity)
    wanted += wanted / 2;
  struct fc_heap_node **nodes =
      reallocarray(heap->nodes, wanted, sizeof(struct fc_heap_node *));
  if (!nodes)
    return FC_ERR_MEMORY;
  heap->nodes = nodes;
  heap->capacity = wanted;
  return FC_OK;
}

void fc_heap_set(struct fc_heap *heap, struct fc_heap_node *node, int64_t key) {
  if (!node->place)
    place(heap, heap->len++, node);
  node->key = key;
  sift_up(heap, node->place - 1);
  sift_down(heap, node->place - 1);
}

void fc_heap_remove(struct fc_heap *heap, struct fc_heap_node *node) {
  if (!node->place)
    return;
  size_t i = node->place - 1;
  struct fc_heap_node *last = heap->nodes[--heap->len];
  node->place = 0;
  if (last == node)
    return;
  place(heap, i, last);
  sift_up(heap, i);
  sift_down(heap, last->place - 1);
}

void fc_heap_release(struct fc_heap *heap) {
  free(heap->nodes);
  *heap = (struct fc_heap){0};
}
