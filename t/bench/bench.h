/* SPDX-License-Identifier: MIT */

/* The parts of t/bench/bench, one per source file. Each prints its figures as
 * lines `name value` and exits through bench_die when something is wrong: a
 * figure of a run that went wrong is none. t/bench/bench.py runs them and
 * compares. */

#ifndef FC_T_BENCH_H
#define FC_T_BENCH_H

#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>

/* The ID of a job by its number, as long as the API's own: all that are
 * compared ask for the same URLs. */
#define BENCH_JOB_ID "0199d3a2-6c1e-7f3a-9a51-%012" PRId64

/* Arguments are those behind the mode's name. */
int bench_bare(int argc, char **argv);   /* t/bench/poll.c */
int bench_plugin(int argc, char **argv); /* t/bench/poll.c */
int bench_idle(int argc, char **argv);   /* t/bench/poll.c */
int bench_body(int argc, char **argv);   /* t/bench/body.c */
int bench_read(int argc, char **argv);   /* t/bench/read.c */
int bench_alert(int argc, char **argv);  /* t/bench/time.c */
int bench_day(int argc, char **argv);    /* t/bench/time.c */
int bench_fair(int argc, char **argv);   /* t/bench/time.c */

__attribute__((noreturn, format(printf, 1, 2))) void
bench_die(const char *format, ...);

/* A whole positive number, or the end. */
int64_t bench_number(const char *text);

/* Of the whole process, user and system, microseconds. */
int64_t bench_cpu_us(void);

/* Monotonic microseconds. */
int64_t bench_wall_us(void);

/* A field of /proc/self/status ("VmRSS", "VmHWM") in bytes. */
int64_t bench_memory(const char *field);

/* Sets VmHWM back to what is resident now (proc(5), clear_refs). */
void bench_memory_reset_peak(void);

/* How many sockets of the process are connected to another address. */
size_t bench_connections(void);

#endif
