/* SPDX-License-Identifier: MIT */

/* Gives the target every file of its corpus: the inputs of past defects and a
 * few of each sort. The target's name is the program's. */

#include "t/fuzz/fuzz.h"

#include <dirent.h>

enum { INPUT_MAX = 1024 * 1024 };

static bool replay_file(const char *folder, const char *name) {
  static uint8_t data[INPUT_MAX];
  char path[4096];
  (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
  FILE *file = fopen(path, "rb");
  if (!file)
    return false;
  size_t size = fread(data, 1, sizeof(data), file);
  bool whole = !ferror(file) && feof(file);
  (void)fclose(file);
  /* A buffer of its own size, so that a sanitizer sees the end. */
  uint8_t *exact = malloc(size ? size : 1);
  if (!exact || !whole) {
    free(exact);
    return false;
  }
  memcpy(exact, data, size);
  (void)LLVMFuzzerTestOneInput(exact, size);
  free(exact);
  return true;
}

int main(int argc, char **argv) {
  char folder[2048];
  const char *top = getenv("srcdir"), *name = strstr(argv[0], "fuzz_");
  for (const char *next; name && (next = strstr(name + 1, "fuzz_"));)
    name = next;
  (void)argc;
  (void)snprintf(folder, sizeof(folder), "%s/t/fuzz/corpus/%s", top ? top : ".",
                 name ? name + strlen("fuzz_") : "");
  DIR *open = opendir(folder);
  if (!open) {
    (void)fprintf(stderr, "%s: no such folder\n", folder);
    return EXIT_FAILURE;
  }
  int count = 0, failed = 0;
  for (struct dirent *entry; (entry = readdir(open));)
    if (entry->d_name[0] != '.') {
      count++;
      failed += !replay_file(folder, entry->d_name);
    }
  (void)closedir(open);
  (void)printf("%s: %d inputs, %d unreadable\n", folder, count, failed);
  return count && !failed ? EXIT_SUCCESS : EXIT_FAILURE;
}
