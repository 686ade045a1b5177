# shellcheck shell=bash
# Puts in place what building and testing need on Debian 12 or newer, as root
# or with sudo. To be sourced by a bash script that has set -eu.
#
#   packages_build           compiler, autotools and libraries
#   packages_clang           the second compiler, with its sanitizers
#   packages_collectd        the daemon and its plugin headers; sets COLLECTD,
#                            COLLECTDCTL, COLLECTD_PLUGINDIR, COLLECTD_TYPESDB
#                            and COLLECTD_INCLUDEDIR
#   packages_graphs          Prometheus, Alertmanager, carbon and graphite-web;
#                            sets PROMETHEUS, PROMTOOL, ALERTMANAGER, AMTOOL,
#                            CARBON_CACHE and GRAPHITE_PYTHONPATH
#   packages_install NAME... these packages, unless they are installed
#   packages_unpack NAME...  these packages, under PACKAGES_ROOT
#
# No service is started, enabled or changed: only packages without one are
# installed. Those with one are downloaded and unpacked under PACKAGES_ROOT
# (default: build-aux/root), where $PACKAGES_ROOT/.packages/NAME then holds the
# control fields of NAME. A collectd that the machine has is used as it is.
#
# What apt says goes to PACKAGES_LOG. apt is not called when nothing is missing,
# and its lists are renewed only when a package cannot be had without. Root is
# needed only where a package must be installed.

packages_top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PACKAGES_ROOT=${PACKAGES_ROOT:-$packages_top/build-aux/root}
PACKAGES_LOG=${PACKAGES_LOG:-$packages_top/build-aux/packages.log}

packages_build() {
  packages_install gcc libc6-dev make autoconf automake libtool pkgconf perl \
    libcurl4-openssl-dev libjson-c-dev libsqlite3-dev check libmicrohttpd-dev
}

packages_clang() {
  packages_install clang libclang-rt-dev
}

packages_collectd() {
  packages_path COLLECTD usr/sbin/collectd collectd-core || return
  packages_path COLLECTD_PLUGINDIR usr/lib/collectd collectd-core || return
  packages_path COLLECTD_TYPESDB usr/share/collectd/types.db collectd-core ||
    return
  packages_path COLLECTD_INCLUDEDIR usr/include/collectd/core collectd-dev ||
    return
  COLLECTD_INCLUDEDIR=${COLLECTD_INCLUDEDIR%/core}
  packages_path COLLECTDCTL usr/bin/collectdctl collectd-utils || return

  # Debian only suggests the libraries of collectd's plugins. Their names carry
  # the release's ABI (libcurl3-gnutls, libcurl3t64-gnutls), so they are taken
  # from the package itself.
  local libraries
  libraries=$(packages_fields collectd-core collectd-utils | tr ',|' '\n' |
    sed -nE 's/^.*\b(lib(cap2|collectdclient|curl[0-9a-z]*-gnutls|gcrypt|ltdl|microhttpd|protobuf-c|yajl)[0-9a-z-]*)\b.*$/\1/p' |
    sort -u)
  # shellcheck disable=SC2086 # one name a line, to be split
  packages_install $libraries
}

# Debian's libraries for Python are for /usr/bin/python3 only.
packages_graphs() {
  local promtool=prometheus
  packages_path PROMETHEUS usr/bin/prometheus prometheus || return
  # A package of its own since Debian 13.
  [[ -e $(dirname "$PROMETHEUS")/promtool ]] || promtool=promtool
  packages_path PROMTOOL usr/bin/promtool "$promtool" || return
  packages_path ALERTMANAGER usr/bin/prometheus-alertmanager \
    prometheus-alertmanager || return
  packages_path AMTOOL usr/bin/amtool prometheus-alertmanager || return
  packages_path CARBON_CACHE usr/bin/carbon-cache graphite-carbon || return
  packages_path GRAPHITE_PYTHONPATH usr/lib/python3/dist-packages/graphite \
    graphite-web || return
  GRAPHITE_PYTHONPATH=${GRAPHITE_PYTHONPATH%/graphite}
  packages_install python3 python3-cairocffi python3-cachetools \
    python3-django python3-django-tagging python3-pyparsing \
    python3-simplejson python3-six python3-twisted python3-tz python3-urllib3 \
    python3-whisper
}

# packages_path VARIABLE PATH PACKAGE: exports where PATH of PACKAGE is, on the
# machine or else unpacked.
packages_path() {
  local root=
  if [[ ! -e /$2 ]]; then
    packages_unpack "$3" || return
    root=$PACKAGES_ROOT
  fi
  export "$1=$root/$2"
}

# What these packages depend on and suggest, whichever way they came here.
packages_fields() {
  local name
  for name; do
    if [[ -e $PACKAGES_ROOT/.packages/$name ]]; then
      sed -nE 's/^(Depends|Suggests): //p' "$PACKAGES_ROOT/.packages/$name"
    else
      dpkg-query -W -f '${Depends}\n${Suggests}\n' "$name" 2>/dev/null || true
    fi
  done
}

packages_install() {
  local name missing=()
  for name; do
    packages_installed "$name" || missing+=("$name")
  done
  [[ ${#missing[@]} -eq 0 ]] && return
  if ! packages_may_be_root; then
    echo "packages.sh: cannot install ${missing[*]}:" \
      "run it as root, or install sudo" >&2
    return 1
  fi
  # needrestart's hook would restart services that use an upgraded library.
  packages_apt "install ${missing[*]}" \
    packages_as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
    apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends \
    --no-remove "${missing[@]}"
}

packages_installed() {
  # A package that dpkg only knows of is "not-installed".
  [[ $(dpkg-query -W -f ' ${db:Status-Status} ' "$1" 2>/dev/null) \
    == *" installed "* ]]
}

packages_unpack() {
  local name
  for name; do
    [[ -e $PACKAGES_ROOT/.packages/$name ]] ||
      packages_apt "download $name" packages_unpack_one "$name" || return
  done
}

packages_unpack_one() {
  local dir root status=0
  dir=$(mktemp -d) || return
  root=$(readlink -m "$PACKAGES_ROOT")
  (
    cd "$dir" &&
      apt-get download "$1" &&
      mkdir -p "$root/.packages" &&
      dpkg-deb -x ./*.deb "$root" &&
      dpkg-deb -f ./*.deb >control &&
      mv control "$root/.packages/$1"
  ) || status=$?
  rm -rf "$dir"
  return "$status"
}

# packages_apt WHAT COMMAND...: runs the command; if it fails, renews apt's
# lists and tries once more. Scripts that run side by side take turns: apt does not
# wait for each of its locks.
packages_apt() {
  mkdir -p "$(dirname "$PACKAGES_LOG")" || return
  (flock 9 && packages_apt_alone "$@" 9>&-) 9>>"$PACKAGES_LOG"
}

packages_apt_alone() {
  local what=$1 why="see $PACKAGES_LOG"
  shift
  "$@" >>"$PACKAGES_LOG" 2>&1 && return
  if packages_may_be_root; then
    packages_as_root apt-get update >>"$PACKAGES_LOG" 2>&1 || true
    "$@" >>"$PACKAGES_LOG" 2>&1 && return
  else
    why+="; to renew apt's lists, run it as root, or install sudo"
  fi
  echo "packages.sh: cannot $what: $why" >&2
  return 1
}

packages_may_be_root() {
  [[ $(id -u) -eq 0 || -n $(type -P sudo) ]]
}

packages_as_root() {
  if [[ $(id -u) -eq 0 ]]; then
    "$@"
  else
    sudo "$@"
  fi
}
