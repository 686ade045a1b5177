/* SPDX-License-Identifier: MIT */

/* fake_firecrawl [--port N] [--port-file FILE] [--key KEY]
 *                [--tls-cert FILE --tls-key FILE] [SCRIPT...]
 *
 * The fake server as a program; see t/fake/fake_firecrawl.h for scripts. Ends
 * at SIGTERM or SIGINT. */

#include "t/fake/fake_firecrawl.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct arguments {
  long port;
  const char *port_file, *key, *tls_cert, *tls_key;
};

static char *read_whole(const char *path) {
  FILE *file = fopen(path, "rb");
  char *text = NULL;
  size_t size = 0;
  ssize_t len = file ? getdelim(&text, &size, '\0', file) : -1;
  if (file)
    fclose(file);
  if (len < 0) {
    free(text);
    fprintf(stderr, "fake_firecrawl: %s cannot be read\n", path);
    exit(EXIT_FAILURE);
  }
  return text;
}

static void run_script(struct fake_firecrawl *fake, const char *path,
                       const char *text) {
  char error[256];
  if (fake_firecrawl_script(fake, text, error, sizeof(error)))
    return;
  fprintf(stderr, "fake_firecrawl: %s: %s\n", path, error);
  exit(EXIT_FAILURE);
}

/* Appears whole or not at all: somebody is waiting for it. */
static void write_port_file(const char *path, unsigned port) {
  char *part;
  if (asprintf(&part, "%s.part", path) < 0)
    exit(EXIT_FAILURE);
  FILE *file = fopen(part, "w");
  if (!file || fprintf(file, "%u\n", port) < 0 || fclose(file) ||
      rename(part, path)) {
    fprintf(stderr, "fake_firecrawl: %s cannot be written\n", path);
    exit(EXIT_FAILURE);
  }
  free(part);
}

static struct arguments parse(int argc, char **argv) {
  static const struct option options[] = {
      {"port", required_argument, NULL, 'p'},
      {"port-file", required_argument, NULL, 'f'},
      {"key", required_argument, NULL, 'k'},
      {"tls-cert", required_argument, NULL, 'c'},
      {"tls-key", required_argument, NULL, 't'},
      {NULL, 0, NULL, 0},
  };
  struct arguments arguments = {0};
  int option;
  while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
    switch (option) {
    case 'p':
      arguments.port = strtol(optarg, NULL, 10);
      break;
    case 'f':
      arguments.port_file = optarg;
      break;
    case 'k':
      arguments.key = optarg;
      break;
    case 'c':
      arguments.tls_cert = read_whole(optarg);
      break;
    case 't':
      arguments.tls_key = read_whole(optarg);
      break;
    default:
      exit(EXIT_FAILURE);
    }
  return arguments;
}

int main(int argc, char **argv) {
  struct arguments arguments = parse(argc, argv);
  sigset_t signals;
  int signal;
  (void)sigemptyset(&signals);
  (void)sigaddset(&signals, SIGTERM);
  (void)sigaddset(&signals, SIGINT);
  (void)sigprocmask(SIG_BLOCK, &signals, NULL);
  struct fake_firecrawl *fake = fake_firecrawl_start(
      (uint16_t)arguments.port, arguments.tls_cert, arguments.tls_key);
  if (!fake) {
    fprintf(stderr, "fake_firecrawl: cannot listen on port %ld\n",
            arguments.port);
    return EXIT_FAILURE;
  }
  if (arguments.key) {
    char *line;
    if (asprintf(&line, "key %s", arguments.key) < 0)
      return EXIT_FAILURE;
    run_script(fake, "--key", line);
    free(line);
  }
  for (int i = optind; i < argc; i++) {
    char *text = read_whole(argv[i]);
    run_script(fake, argv[i], text);
    free(text);
  }
  printf("listening on %s://127.0.0.1:%u\n",
         arguments.tls_cert ? "https" : "http",
         (unsigned)fake_firecrawl_port(fake));
  (void)fflush(stdout);
  if (arguments.port_file)
    write_port_file(arguments.port_file, fake_firecrawl_port(fake));
  (void)sigwait(&signals, &signal);
  fake_firecrawl_stop(fake);
  return EXIT_SUCCESS;
}
