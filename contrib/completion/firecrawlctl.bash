# Bash completion for firecrawlctl(1). The commands and options are those that
# the tool's own --help lists, so that there is nothing to keep in step.

# _firecrawlctl_help COMMAND...: the help of the tool that is being completed
_firecrawlctl_help() {
  "${COMP_WORDS[0]}" "$@" --help 2>/dev/null
}

_firecrawlctl_commands() {
  _firecrawlctl_help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'
}

_firecrawlctl_options() {
  _firecrawlctl_help "$@" | sed -n 's/^  .*\(--[a-z-]*\).*/\1/p'
}

_firecrawlctl_kinds() {
  _firecrawlctl_help | sed -n 's/^KIND is \([^;]*\);.*/\1/p' |
    sed 's/,//g; s/ or / /'
}

# The command on the line, "" before there is one.
_firecrawlctl_command() {
  local i commands
  commands=" $(_firecrawlctl_commands | tr '\n' ' ')"
  for ((i = 1; i < COMP_CWORD; i++)); do
    if [[ $commands = *" ${COMP_WORDS[i]} "* ]]; then
      echo "${COMP_WORDS[i]}"
      return
    fi
  done
}

# Sets COMPREPLY to those of the words that begin with the one being typed.
_firecrawlctl_reply() {
  local current=$1 word
  shift
  COMPREPLY=()
  for word; do
    [[ $word != "$current"* ]] || COMPREPLY+=("$word")
  done
}

_firecrawlctl() {
  local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
  local command
  COMPREPLY=()
  case $before in
  --key-file | --cacert | --socket | --state)
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
    return
    ;;
  --api-version)
    _firecrawlctl_reply "$current" v1 v2
    return
    ;;
  --url | --proxy | --header | --timeout | -t | --interval | --warning | -w | --critical | -c | \
    --instance)
    return
    ;;
  esac
  command=$(_firecrawlctl_command)
  # The words hold no blanks.
  # shellcheck disable=SC2046
  case $command,$current in
  ,-*) _firecrawlctl_reply "$current" $(_firecrawlctl_options) ;;
  ,*) _firecrawlctl_reply "$current" $(_firecrawlctl_commands) ;;
  *,-*) _firecrawlctl_reply "$current" $(_firecrawlctl_options "$command") ;;
  list,*) ;;
  *)
    # Only the word behind the command may be a kind.
    [[ $before != "$command" ]] ||
      _firecrawlctl_reply "$current" $(_firecrawlctl_kinds)
    ;;
  esac
}

complete -F _firecrawlctl firecrawlctl
