/* JobFile: one job per line, "[KIND] ID [NAME]", kind extract if left out;
 * blanks or tabs between, blank lines, "#" comments (whole lines or after the
 * fields), LF or CRLF, a UTF-8 byte order mark at the start. The first of two
 * or more words is the kind if it is the name of one. Pure parser of text in
 * memory; any thread. */

#ifndef FC_JOBFILE_H
#define FC_JOBFILE_H

#include "src/api/kind.h"
#include "src/base/error.h"
#include "src/base/secret.h"

#include <stdbool.h>
#include <stddef.h>

enum {
  FC_JOBFILE_BYTES_MAX = 64 * 1024 * 1024, /* for whoever reads the file */
  FC_JOBFILE_LINE_MAX = 512 /* bytes of a line; longer ones are refused */
};

struct fc_jobfile_entry {
  const struct fc_kind *kind;
  const char *id;
  const char *name; /* NULL: none given */
  size_t line;      /* 1-based */
};

/* What to do with each good line. An error of its own counts as a bad line,
 * unless it is FC_ERR_MEMORY, which ends the parse. */
typedef enum fc_error (*fc_jobfile_take)(const struct fc_jobfile_entry *entry,
                                         void *data);

/* What to do with each bad line. `reason` says what was expected; it quotes the
 * line at most as one safe, cut word. */
typedef void (*fc_jobfile_refuse)(size_t line, const char *reason, void *data);

/* Parses text[len], in time linear in len. A last line without its newline is
 * still being written and is left alone. Bad lines are those with another
 * number of words, a bad ID or name, more than FC_JOBFILE_LINE_MAX bytes or a
 * control character, be it in a comment. Within one text an ID may come once; a
 * second one is a bad line, found by the caller's take (FC_ERR_EXISTS). Returns
 * FC_OK or take's FC_ERR_MEMORY. */
FC_MUST_USE enum fc_error fc_jobfile_parse(const char *text, size_t len,
                                           fc_jobfile_take take,
                                           fc_jobfile_refuse refuse,
                                           void *data);

/* Whether text[len] holds a secret: one of FC_SECRET_LONG bytes anywhere, a
 * shorter one as a whole word outside of comments. */
bool fc_jobfile_holds_secret(const char *text, size_t len,
                             const struct fc_secrets *secrets);

#endif
