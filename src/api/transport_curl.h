/* SPDX-License-Identifier: MIT */

/* The transport over libcurl: one multi handle, connections kept and shared,
 * HTTP/2 over TLS where the server offers it.
 *
 * Every request: verification as the settings say (on by default), TLS 1.2 or
 * newer, the scheme of the configured URL only, no redirect, no cookie, no
 * netrc, no environment proxy, no key log, no signal, a total time limit, and
 * caps on header bytes and on decoded body bytes (CURLOPT_MAXFILESIZE does not
 * count those). The key travels as bearer token (RFC 6750) to the server only:
 * a proxy sees no more than a CONNECT, unless the URL is http, whose requests
 * it sees whole. */

#ifndef FC_TRANSPORT_CURL_H
#define FC_TRANSPORT_CURL_H

#include "src/api/settings.h"
#include "src/api/transport.h"
#include "src/base/error.h"
#include "src/base/macros.h"

#include <stddef.h>

enum {
  FC_HEADER_BYTES_MAX = 64 * 1024, /* all headers of one reply */
  FC_CONNECTION_LIFETIME_S = 600   /* then a certificate is verified anew */
};

/* Prepares libcurl for the process, once, while other threads do not yet use
 * it. Whoever does so first decides whether SSLKEYLOGFILE counts, for all of
 * the process: from here it does not (collectd: module_register).
 * FC_ERR_ARGUMENT where the libcurl at run time is older than 7.87, which lacks
 * CURLOPT_QUICK_EXIT: without it a dead name server stops everything for its
 * own time limit. */
FC_MUST_USE enum fc_error fc_transport_curl_global_init(void);

/* NULL when memory is short. Released by fc_transport_free. */
struct fc_transport *fc_transport_curl_new(void);

/* "7.88.1 OpenSSL/3.0.17": the libcurl that is loaded. Static storage. */
const char *fc_transport_curl_version(void);

/* Sets the settings' url, and api_version where the URL ends in /v1 or /v2.
 * FC_ERR_ARGUMENT with a reason in detail[size] when it does not parse, is not
 * http or https, has no host, or has a user, query or fragment; then unchanged.
 * It is here so that libcurl, which requests it later, reads it the same. */
FC_MUST_USE enum fc_error
fc_transport_curl_set_url(struct fc_settings *settings, const char *url,
                          char *detail, size_t size);

/* Sets the settings' proxy; its password, the user where there is none, and
 * what goes to the proxy in base64 of both are secrets. FC_ERR_ARGUMENT with a
 * reason in detail[size], which quotes nothing, when it does not parse as
 * [SCHEME://][USER[:PASSWORD]@]HOST[:PORT][/] with a scheme that libcurl has
 * proxies for (CURLOPT_PROXY); then unchanged. FC_ERR_MEMORY. */
FC_MUST_USE enum fc_error
fc_transport_curl_set_proxy(struct fc_settings *settings, const char *proxy,
                            char *detail, size_t size);

#endif
