# shellcheck shell=bash
# shellcheck disable=SC2154 # top is the caller's
# A scratch directory with a copy of the tree to build in, so that the checkout
# stays clean. To be sourced by a bash script that has set -eu and $top, after
# packages.sh.
#
#   scratch_make       sets $scratch; it goes at exit, unless $keep is "yes".
#                      PACKAGES_ROOT becomes a link in it: to be called before
#                      packages_collectd, packages_graphs and packages_unpack
#   scratch_copy_tree  copies the tree to $scratch/tree: the files that git
#                      knows or would add, or the whole directory without git
#   scratch_build TARGETS ARGUMENT...
#                      copies the tree, configures it with these arguments in
#                      $scratch/build and makes the targets; shows the end of
#                      what was said if that fails

# A checkout may have blanks and more in its path, which autoconf and make do not
# take: what they are given lies below $scratch.
scratch_make() {
  [[ ${TMPDIR:-/tmp} =~ ^[[:alnum:]/._+-]+$ ]] || export TMPDIR=/tmp
  scratch=$(mktemp -d)
  # Programs that the daemon starts as another user live below.
  chmod 755 "$scratch"
  trap scratch_clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  mkdir "$scratch/log"
  ln -s "$(readlink -m "$PACKAGES_ROOT")" "$scratch/root"
  PACKAGES_ROOT=$scratch/root
}

scratch_clean_up() {
  if [[ ${keep:-no} = yes ]]; then
    echo "kept: $scratch"
  else
    # Not writable is what make distcheck left; another's, what ran by sudo.
    chmod -R u+w "$scratch" 2>/dev/null || true
    rm -rf "$scratch" 2>/dev/null || packages_as_root rm -rf "$scratch"
  fi
}

scratch_copy_tree() {
  local file
  mkdir "$scratch/tree"
  if [[ $(scratch_git rev-parse --show-toplevel 2>/dev/null) = "$top" ]]; then
    scratch_git ls-files -z --cached --others --exclude-standard |
      while IFS= read -r -d '' file; do
        [[ ! -e $top/$file ]] || printf '%s\0' "$file"
      done | tar -C "$top" --null --no-recursion -T - -cf -
  else
    tar -C "$top" --exclude=./build-aux --exclude=./.git -cf - .
  fi | tar -C "$scratch/tree" -xf -
}

scratch_git() {
  git -c safe.directory="$top" -C "$top" "$@"
}

scratch_build() {
  local targets=$1 log=$scratch/log/build
  shift
  scratch_copy_tree
  mkdir "$scratch/build"
  if ! scratch_build_steps "$targets" "$@" >"$log" 2>&1; then
    tail -n 40 "$log"
    return 1
  fi
}

scratch_build_steps() (
  read -ra targets <<<"$1"
  autoreconf -i "$scratch/tree" &&
    cd "$scratch/build" &&
    "$scratch/tree/configure" \
      --with-collectd-includedir="$COLLECTD_INCLUDEDIR" "${@:2}" &&
    make -j "$(nproc)" "${targets[@]}"
)
