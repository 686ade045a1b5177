/* SPDX-License-Identifier: MIT */

/* A first-in, first-out queue of links that are members of what is queued, so
 * that nothing is allocated. A link is in one queue at a time. Not
 * thread-safe. */

#ifndef FC_QUEUE_H
#define FC_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

/* All zero: in no queue. */
struct fc_link {
  struct fc_link *next; /* of the last one: itself */
};

/* All zero: empty. */
struct fc_queue {
  struct fc_link *first, *last;
};

static inline bool fc_link_is_queued(const struct fc_link *link) {
  return link->next != NULL;
}

/* Appends a link that is in no queue. */
static inline void fc_queue_add(struct fc_queue *queue, struct fc_link *link) {
  link->next = link;
  if (queue->first)
    queue->last->next = link;
  else
    queue->first = link;
  queue->last = link;
}

/* Takes the first link out and returns it; NULL where there is none. */
static inline struct fc_link *fc_queue_take(struct fc_queue *queue) {
  struct fc_link *link = queue->first;
  if (!link)
    return NULL;
  queue->first = link->next == link ? NULL : link->next;
  link->next = NULL;
  return link;
}

#endif
