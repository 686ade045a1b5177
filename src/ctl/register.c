/* SPDX-License-Identifier: MIT */

#include "src/ctl/register.h"

#include "src/api/kind.h"
#include "src/api/name.h"
#include "src/base/clock.h"
#include "src/base/macros.h"
#include "src/base/text.h"
#include "src/ctl/ctl.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { REPLY_SIZE = 1024 };

_Static_assert(sizeof("PUTNOTIF severity=warning time= plugin=firecrawl "
                      "plugin_instance= type= type_instance= message=\"\"\n") +
                       20 + (size_t)3 * FC_NAME_MAX + 16 <
                   CTL_COMMAND_SIZE,
               "no command is cut");

void ctl_register_command(char line[CTL_COMMAND_SIZE], bool forget,
                          const char *instance, const struct fc_job_spec *job,
                          int64_t now_s) {
  size_t used = 0;
  fc_text_append(line, CTL_COMMAND_SIZE, &used,
                 "PUTNOTIF severity=%s time=%" PRId64
                 " plugin=firecrawl plugin_instance=%s type=%s "
                 "type_instance=%s message=\"%s\"\n",
                 forget ? "warning" : "okay", now_s, instance, job->kind->name,
                 job->id, job->name);
}

bool ctl_register_is_of(const char *line, const char *instance) {
  static const char plugin[] = "/firecrawl-";
  size_t len = strlen(instance);
  const char *at = strstr(line, plugin);
  if (!at)
    return false;
  at += strlen(plugin);
  return strncmp(at, instance, len) == 0 && at[len] == '/';
}

static const char *advice(int error) {
  switch (error) {
  case ENOENT:
    return ": is collectd running, with the unixsock plugin? Name its "
           "SocketFile by --socket";
  case ECONNREFUSED:
    return ": nobody listens there: start collectd";
  case EACCES:
  case EPERM:
    return ": run as a user whom the unixsock plugin's SocketGroup and "
           "SocketPerms let in";
  case EAGAIN:
    return ": collectd does not answer in time: try a longer --timeout";
  default:
    return "";
  }
}

static bool refuse_errno(struct ctl_reason *reason, const char *path,
                         int error) {
  char buffer[128];
  return ctl_refuse(reason, "%s: %s%s", path,
                    error == EAGAIN ? "timed out"
                                    : strerror_r(error, buffer, sizeof(buffer)),
                    advice(error));
}

static int64_t now_ms(void) {
  return fc_clock_system.now(fc_clock_system.data).mono_ms;
}

/* The daemon, at the other end of its socket, and what it has sent. */
struct peer {
  int fd;
  const char *path;
  int64_t end_ms; /* of the time for all of it, monotonic */
  char bytes[REPLY_SIZE];
  size_t used, len;
};

/* The send time-out bounds connect(2) as well. */
static bool limit_time(int fd, int64_t timeout_ms) {
  struct timeval limit = {.tv_sec = (time_t)(timeout_ms / 1000),
                          .tv_usec = (suseconds_t)(timeout_ms % 1000 * 1000)};
  return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) == 0;
}

static bool peer_open(struct peer *peer, const struct ctl_options *options,
                      struct ctl_reason *reason) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  const char *path = options->socket;
  int64_t timeout_ms = options->settings.timeout_ms;
  if (strlen(path) >= sizeof(address.sun_path))
    return refuse_errno(reason, path, ENAMETOOLONG);
  memcpy(address.sun_path, path, strlen(path) + 1);
  *peer = (struct peer){.path = path, .end_ms = now_ms() + timeout_ms};
  peer->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (peer->fd >= 0 && limit_time(peer->fd, timeout_ms) &&
      connect(peer->fd, (const struct sockaddr *)&address, sizeof(address)) ==
          0)
    return true;
  (void)refuse_errno(reason, path, errno);
  if (peer->fd >= 0)
    (void)close(peer->fd); /* nothing was written */
  return false;
}

/* Waits for more of what it says. */
static bool peer_hear(struct peer *peer, struct ctl_reason *reason) {
  struct pollfd waiting = {.fd = peer->fd, .events = POLLIN};
  int64_t left_ms = fc_max64(peer->end_ms - now_ms(), 0);
  int ready = poll(&waiting, 1, (int)left_ms);
  if (ready == 0)
    return refuse_errno(reason, peer->path, EAGAIN);
  ssize_t got =
      ready > 0 ? recv(peer->fd, peer->bytes, sizeof(peer->bytes), 0) : -1;
  if (got < 0)
    return refuse_errno(reason, peer->path, errno);
  peer->used = 0;
  peer->len = (size_t)got;
  return got > 0 || ctl_refuse(reason, "%s: collectd hung up without an answer",
                               peer->path);
}

/* One without its end; what is too long is cut. */
static bool read_line(struct peer *peer, char line[REPLY_SIZE],
                      struct ctl_reason *reason) {
  size_t len = 0;
  for (;;) {
    if (peer->used == peer->len && !peer_hear(peer, reason))
      return false;
    char byte = peer->bytes[peer->used++];
    if (byte == '\n')
      break;
    if (len < REPLY_SIZE - 1)
      line[len++] = byte;
  }
  line[len] = '\0';
  return true;
}

/* Sends one command and reads the first line of the answer, "STATUS TEXT": a
 * negative status is a refusal, else it is how many lines follow. */
static bool ask(struct peer *peer, const char *command, int64_t *lines,
                struct ctl_reason *reason) {
  char reply[REPLY_SIZE];
  ssize_t sent = send(peer->fd, command, strlen(command), MSG_NOSIGNAL);
  if (sent != (ssize_t)strlen(command))
    return refuse_errno(reason, peer->path, sent < 0 ? errno : EAGAIN);
  if (!read_line(peer, reply, reason))
    return false;
  if (!fc_text_int(reply, strcspn(reply, " "), INT32_MIN, INT32_MAX, lines))
    return ctl_refuse(reason, "%s: this is not collectd's unixsock plugin: %s",
                      peer->path, reply);
  return *lines >= 0 || ctl_refuse(reason, "collectd refuses: %s",
                                   reply + strcspn(reply, " "));
}

/* Nobody tells what became of a notification. What can be seen is whether
 * collectd has values of such an instance. The list is read to its end: a
 * client that hangs up before is an error in collectd's log. */
static void look_for_instance(struct peer *peer,
                              const struct ctl_options *options) {
  struct ctl_reason reason;
  char line[REPLY_SIZE];
  int64_t lines = 0;
  bool found = false;
  if (!ask(peer, "LISTVAL\n", &lines, &reason))
    return;
  for (; lines > 0 && read_line(peer, line, &reason); lines--)
    found = found || ctl_register_is_of(line, options->instance);
  if (!found && lines == 0)
    ctl_warn("warning: collectd shows no values of an instance \"%s\" of "
             "the firecrawl plugin (yet): check that the plugin is loaded, "
             "and the name",
             options->instance);
}

static bool send_command(const struct ctl_options *options, const char *command,
                         struct ctl_reason *reason) {
  int64_t lines;
  struct peer peer = {.fd = -1};
  if (!peer_open(&peer, options, reason))
    return false;
  bool good = ask(&peer, command, &lines, reason);
  if (good)
    look_for_instance(&peer, options);
  (void)close(peer.fd); /* nothing is left to be written */
  return good;
}

static int run(const struct ctl_options *options, bool forget) {
  const struct fc_job_spec *job = &options->settings.jobs[0];
  char command[CTL_COMMAND_SIZE];
  struct ctl_reason reason;
  if (!fc_name_valid(options->instance, strlen(options->instance))) {
    ctl_warn("--instance: " FC_NAME_RULE " are expected");
    return CTL_USAGE;
  }
  ctl_register_command(command, forget, options->instance, job,
                       fc_clock_system.now(fc_clock_system.data).epoch_s);
  if (!send_command(options, command, &reason)) {
    ctl_warn("%s", reason.text);
    return CTL_UNKNOWN;
  }
  (void)printf("%s %s: handed to collectd for instance \"%s\", to be %s%s "
               "if that accepts registrations\n",
               job->kind->name, job->id, options->instance,
               forget ? "forgotten" : "watched as ", forget ? "" : job->name);
  return CTL_GOOD;
}

int ctl_add(const struct ctl_options *options) {
  return run(options, /* forget = */ false);
}

int ctl_forget(const struct ctl_options *options) {
  return run(options, /* forget = */ true);
}
