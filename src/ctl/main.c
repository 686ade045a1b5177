/* SPDX-License-Identifier: MIT */

/* firecrawlctl: asks for, watches, checks, registers and lists Firecrawl jobs
 * from the command line. See src/ctl/firecrawlctl.pod. */

#include "src/api/kind.h"
#include "src/api/parse.h"
#include "src/api/transport_curl.h"
#include "src/base/macros.h"
#include "src/ctl/ctl.h"
#include "src/ctl/options.h"
#include "src/state/store.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct command {
  const char *name;
  enum ctl_command_bit bit;
  enum ctl_words words;
  int (*run)(const struct ctl_options *options);
  const char *usage, *help;
} commands[] = {
    {"status", CTL_STATUS, CTL_WORDS_IDS, ctl_status, "[KIND] ID...",
     "ask for the status of jobs, once"},
    {"watch", CTL_WATCH, CTL_WORDS_IDS, ctl_watch, "[KIND] ID...",
     "show the progress of jobs until all have ended"},
    {"check", CTL_CHECK, CTL_WORDS_IDS, ctl_check, "[KIND] ID...",
     "be a plugin of Nagios or Icinga"},
    {"add", CTL_ADD, CTL_WORDS_JOB, ctl_add, "[KIND] ID [NAME]",
     "have the collectd plugin watch a job"},
    {"forget", CTL_FORGET, CTL_WORDS_JOB, ctl_forget, "[KIND] ID [NAME]",
     "have it watched no more"},
    {"list", CTL_LIST, CTL_WORDS_NONE, ctl_list, "",
     "list the jobs that the collectd plugin knows"},
};

static const struct command *command_find(const char *name) {
  for (size_t i = 0; i < COUNT_OF(commands); i++)
    if (strcmp(commands[i].name, name) == 0)
      return &commands[i];
  return NULL;
}

static int print_version(void) {
  (void)printf("firecrawlctl (collectd-firecrawl) " FC_VERSION
               ", libcurl %s, json-c %s, SQLite %s\n",
               fc_transport_curl_version(), fc_parse_library_version(),
               fc_store_library_version());
  return CTL_GOOD;
}

static void print_kinds(void) {
  (void)printf("\nKIND is ");
  for (size_t i = 0; i < FC_KIND_COUNT; i++)
    (void)printf("%s%s", i ? i + 1 < FC_KIND_COUNT ? ", " : " or " : "",
                 fc_kind_get((enum fc_kind_id)i)->name);
  (void)printf("; %s if left out. KIND:ID in one word is the same.\n",
               fc_kind_get(FC_KIND_EXTRACT)->name);
}

static void print_exits(const struct command *command) {
  if (command && command->bit == CTL_CHECK)
    (void)printf("Exit status: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.\n");
  else
    (void)printf("Exit status: 0 good, 1 a job has failed, was cancelled or is "
                 "lost, 2 bad usage,\n3 something could not be found out or "
                 "done.\n");
}

static int print_help(const struct command *command) {
  if (command) {
    (void)printf("Usage: firecrawlctl %s [OPTION]... %s\n\n%c%s.\n\n",
                 command->name, command->usage, command->help[0] - 'a' + 'A',
                 command->help + 1);
  } else {
    (void)printf("Usage: firecrawlctl COMMAND [OPTION]... [ARGUMENT]...\n\n"
                 "Firecrawl jobs on the command line.\n\nCommands:\n");
    for (size_t i = 0; i < COUNT_OF(commands); i++)
      (void)printf("  %-7s %-17s %s\n", commands[i].name, commands[i].usage,
                   commands[i].help);
    (void)printf("\n");
  }
  (void)printf("Options:\n");
  ctl_options_help(stdout, command ? command->bit : CTL_ANY);
  if (!command || command->words != CTL_WORDS_NONE)
    print_kinds();
  print_exits(command);
  return CTL_GOOD;
}

/* A plugin's output is what it says on stdout, and 2 would be CRITICAL. */
static int refuse(const struct command *command,
                  const struct ctl_reason *reason) {
  if (command && command->bit == CTL_CHECK) {
    (void)printf("FIRECRAWL UNKNOWN - %s\n", reason->text);
    return CTL_UNKNOWN;
  }
  ctl_warn("%s", reason->text);
  ctl_warn("\"firecrawlctl %s%s--help\" tells more",
           command ? command->name : "", command ? " " : "");
  return CTL_USAGE;
}

/* Options may stand before the command, and something may be wrong with them:
 * how to say so depends on the command. */
static const struct command *command_guess(int argc, char **argv) {
  const struct command *command = NULL;
  for (int i = 1; i < argc && !command; i++)
    command = command_find(argv[i]);
  return command;
}

static bool prepare(struct ctl_options *options, const struct command *command,
                    unsigned given, char *const *words, int count,
                    struct ctl_reason *reason) {
  return ctl_options_fit(given, command->bit, command->name, reason) &&
         ctl_options_words(options, command->words, words, count, reason) &&
         (!(command->bit & CTL_ASKING) || ctl_options_settle(options, reason));
}

static int run(struct ctl_options *options, int argc, char **argv) {
  struct ctl_reason reason;
  const struct command *command = command_guess(argc, argv);
  unsigned given;
  int first;
  if (!ctl_options_read(options, argc, argv, &first, &given, &reason))
    return refuse(command, &reason);
  if (options->version)
    return print_version();
  command = first < argc ? command_find(argv[first]) : NULL;
  if (options->help && (command || first == argc))
    return print_help(command);
  if (!command) {
    (void)(first < argc
               ? ctl_refuse(&reason, "\"%s\" is no command", argv[first])
               : ctl_refuse(&reason, "a command is missing"));
    return refuse(NULL, &reason);
  }
  if (!prepare(options, command, given, argv + first + 1, argc - first - 1,
               &reason))
    return refuse(command, &reason);
  return command->run(options);
}

int main(int argc, char **argv) {
  struct ctl_options options;
  /* A peer or a reader that goes away is an error, not the end. */
  (void)signal(SIGPIPE, SIG_IGN);
  ctl_options_init(&options);
  int status = run(&options, argc, argv);
  ctl_options_release(&options);
  return status != CTL_UNWRITTEN && ctl_flush() ? status : CTL_UNKNOWN;
}
