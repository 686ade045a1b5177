/* SPDX-License-Identifier: MIT */

/* A scripted stand-in for the Firecrawl API, for tests, the demo and the
 * benchmark. It serves the status of any kind of job over HTTP on loopback,
 * checks the bearer token, and can misbehave.
 *
 * Script, one directive per line; "#" starts a comment:
 *
 *   key KEY                 the token to be sent; without it, none is checked
 *   answer CODE [WORD...]   answer every status request like this
 *   answer off              ... no more
 *   job KIND ID             a job; KIND is extract, agent, crawl, batch_scrape
 *                           or any; ID may be "*": every job not named
 *     state STATUS [for Ns|for N requests] [WORD...]
 *                           its states in order; each lasts N seconds (of the
 *                           time since the job was defined) or N requests; the
 *                           last one lasts for ever
 *
 * Words of a state and of an answer:
 *
 *   expires=+N | expires=@N | expires=none | expires=TEXT
 *                           N seconds from each answer (default +3600), or from
 *                           when the job was defined
 *   tokens=N credits=N completed=N total=N
 *   error="TEXT" | error=JSON
 *   data=BYTES              so much `data`, before the status
 *   code=N                  the HTTP code; default 200
 *   body="TEXT"             this body instead of a status
 *   header="Name: value"    one more header; up to four
 *   date=none | date=+N     no Date header, or one N seconds ahead; -N: behind
 *   delay=MS                answer so much later
 *   never                   accept the request and never answer
 *   cut=N                   close the connection after N bytes of the body
 *   every=N                 of an answer: only to every N-th request
 *   capture=FILE            replay a captured reply: code, headers and body
 *
 * A job defined again starts anew. Over HTTP, without a token:
 *
 *   GET  /_fake/requests    "ID COUNT FIRST_MS LAST_MS" for each job asked for,
 *                           then "total N", "peak N" (requests at once),
 *                           "rejected N" (wrong or missing tokens)
 *   POST /_fake/script      more script */

#ifndef FC_T_FAKE_FIRECRAWL_H
#define FC_T_FAKE_FIRECRAWL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fake_firecrawl;

/* Starts on 127.0.0.1; port 0 picks a free one. PEM texts for TLS, or NULL.
 * NULL when it cannot listen. */
struct fake_firecrawl *fake_firecrawl_start(uint16_t port, const char *tls_cert,
                                            const char *tls_key);

/* Stops; requests waiting for an answer are dropped. NULL is fine. */
void fake_firecrawl_stop(struct fake_firecrawl *fake);

uint16_t fake_firecrawl_port(const struct fake_firecrawl *fake);

/* Reads script text. False with "line N: why" in error[size] at the first bad
 * line; what came before it counts. Any thread. */
bool fake_firecrawl_script(struct fake_firecrawl *fake, const char *text,
                           char *error, size_t size);

/* How often a job was asked for; of "" the requests of all jobs. */
size_t fake_firecrawl_count(struct fake_firecrawl *fake, const char *id);

/* Requests with a wrong or without a token. */
size_t fake_firecrawl_rejected(struct fake_firecrawl *fake);

/* The most requests at one time. */
size_t fake_firecrawl_peak(struct fake_firecrawl *fake);

/* The monotonic milliseconds of request `i` to any job, oldest first; -1 where
 * there is none. The last 65,536 are kept. */
int64_t fake_firecrawl_time_ms(struct fake_firecrawl *fake, size_t i);

/* The path and query of the last status request, for example
 * "/v2/crawl/ID?limit=1". Valid until the next call. */
const char *fake_firecrawl_last_url(struct fake_firecrawl *fake);

#endif
