/* SPDX-License-Identifier: MIT */

/* The options of firecrawlctl: one table, read by the parser, the help and, by
 * way of the help, the test of the manual. */

#ifndef FC_CTL_OPTIONS_H
#define FC_CTL_OPTIONS_H

#include "src/ctl/ctl.h"

#include <stdbool.h>
#include <stdio.h>

/* Which command takes an option: a set. */
enum ctl_command_bit {
  CTL_STATUS = 1,
  CTL_WATCH = 2,
  CTL_CHECK = 4,
  CTL_ADD = 8,
  CTL_FORGET = 16,
  CTL_LIST = 32,
  CTL_ASKING = CTL_STATUS | CTL_WATCH | CTL_CHECK,
  CTL_TELLING = CTL_ADD | CTL_FORGET,
  CTL_ANY = 63
};

/* What a command expects besides options. */
enum ctl_words {
  CTL_WORDS_NONE,
  CTL_WORDS_IDS, /* [KIND] ID... */
  CTL_WORDS_JOB  /* [KIND] ID [NAME] */
};

/* Empty; allocates nothing. */
void ctl_options_init(struct ctl_options *options);
void ctl_options_release(struct ctl_options *options);

/* Reads argv, options and words in any order, "--" ends the options. The words
 * come to stand at argv[*first]; the command is the first of them. *given is
 * the set of options that were given, as fits ctl_options_fit. False with the
 * reason. */
bool ctl_options_read(struct ctl_options *options, int argc, char **argv,
                      int *first, unsigned *given, struct ctl_reason *reason);

/* False with the reason where an option was given that the command does not
 * take. */
bool ctl_options_fit(unsigned given, enum ctl_command_bit command,
                     const char *name, struct ctl_reason *reason);

/* Reads the words behind the command into the settings' jobs. False with the
 * reason. */
bool ctl_options_words(struct ctl_options *options, enum ctl_words expected,
                       char *const *words, int count,
                       struct ctl_reason *reason);

/* Fills the settings from options, environment and defaults, and reads the key.
 * For commands that ask a server. False with the reason; what is merely unwise
 * is complained of. */
bool ctl_options_settle(struct ctl_options *options, struct ctl_reason *reason);

/* Prints the options of a set of commands, one per line. */
void ctl_options_help(FILE *out, unsigned commands);

#endif
