/* SPDX-License-Identifier: MIT */

#include <collectd.h>

#include <plugin.h>

#include "plugin/complain.h"

#include "src/base/error.h"

static void log_failure(unsigned long long count, const char *name,
                        const char *class, const struct fc_failure *failure,
                        const char *last) {
  const char *of = failure->id[0] ? " for job " : "";
  if (count > 1)
    WARNING("firecrawl plugin: %s: %s: %s (%llu failures; the last%s%s)%s",
            name, class, failure->detail, count, of, failure->id, last);
  else
    WARNING("firecrawl plugin: %s: %s: %s%s%s%s", name, class, failure->detail,
            of, failure->id, last);
}

static void look(struct fc_complaint *complaint, const char *name,
                 const char *class, const struct fc_failure *failure,
                 bool failing, int64_t now_ms) {
  bool is_new = failure->count != complaint->seen;
  complaint->seen = failure->count;
  if (is_new) {
    complaint->clean_reads = 0;
    complaint->open = true;
  } else if (complaint->open && !failing &&
             ++complaint->clean_reads >= FC_COMPLAIN_CLEAN_READS) {
    complaint->open = false;
  }
  bool changed = complaint->open != complaint->told_open &&
                 !fc_flap_is_held(&complaint->flap, now_ms);
  bool again = complaint->open && complaint->told_open && is_new &&
               now_ms >= complaint->next_ms;
  if (!changed && !again)
    return;
  const char *last = changed && fc_flap_tell(&complaint->flap, now_ms)
                         ? "; " FC_FLAP_LAST
                         : "";
  if (complaint->open)
    log_failure(failure->count - complaint->logged, name, class, failure, last);
  else
    NOTICE("firecrawl plugin: %s: %s: no more failures (%llu in all)%s", name,
           class, (unsigned long long)failure->count, last);
  complaint->logged = failure->count;
  complaint->told_open = complaint->open;
  complaint->next_ms = now_ms + FC_COMPLAIN_EVERY_MS;
}

void fc_complain(struct fc_complaints *complaints, const char *name,
                 const struct fc_stats *stats, struct fc_now now) {
  for (int i = 0; i < FC_CLASS_COUNT; i++) {
    /* The state file has a notification of its own, which is logged. */
    if (i == FC_CLASS_STATE)
      continue;
    look(&complaints->classes[i], name,
         fc_error_class_name((enum fc_error_class)i), &stats->failures[i],
         stats->failing, now.mono_ms);
  }
}
