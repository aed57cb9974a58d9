# Bash completion of `steward`: commands, options, addresses and names of this user's managers, and
# the names of a manager's objects, which it asks for.

# The words up to the cursor. (Not COMP_WORDS: those are torn apart at each ":" and "=".)
_steward_words() {
  local line="${COMP_LINE:0:COMP_POINT}"
  read -r -a words <<<"$line"
  [[ "$line" == *[[:space:]] ]] && words+=("")
}

# This user's managers on this host: their addresses, and the names of those that have one.
_steward_addresses() {
  local address pid since objects name
  while IFS=$'\t' read -r address pid since objects name; do
    printf '%s\n' "$address" ${name:+"$name"}
  done < <("${words[0]}" list 2>/dev/null)
}

_steward_objects() { # ADDRESS
  local object name rest
  while IFS=$'\t' read -r object name rest; do
    [[ "$rest" ]] || { rest="$name"; name=""; } # two tabs in a row count as one
    printf '%s\n' "${name:-$object}"
  done < <("${words[0]}" ls --timeout 1 -- "$1" 2>/dev/null)
}

_steward_names() { # ADDRESS
  _steward_objects "$1" | grep -v '^[a-z]*#[0-9]*$'
}

_steward() {
  local words current command previous
  _steward_words
  current="${words[-1]}"
  previous="${words[-2]}"

  # The arguments that are no options, the command first.
  local positional=() i
  for ((i = 1; i < ${#words[@]} - 1; ++i)); do
    case "${words[i]}" in
      --key-file | --log-file | --timeout | --address | --name | --format) ((++i)) ;;
      -*) ;;
      *) positional+=("${words[i]}") ;;
    esac
  done
  command="${positional[0]}"

  local candidates=()
  case "$previous" in
    --key-file | --log-file)
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return
      ;;
    --format) candidates=(table json prometheus) ;;
    --timeout | --address | --name) return ;;
  esac
  if ((${#candidates[@]} == 0)); then
    local remote=(--key-file --timeout --help)
    case "$command:$current" in
      :-*) candidates=(--help --help-all --version) ;;
      :*) candidates=(serve list stop keygen ls show call create remove stat) ;;
      serve:-*) candidates=(--address --name --background --log-file --key-file --help) ;;
      keygen:* | list:*) candidates=(--help) ;;
      create:-*) candidates=(--name "${remote[@]}") ;;
      stat:-*) candidates=(--format "${remote[@]}") ;;
      *:-*) candidates=("${remote[@]}") ;;
      serve:*) ;;
      *)
        case "$command:${#positional[@]}" in
          *:1) mapfile -t candidates < <(_steward_addresses) ;;
          show:2 | call:2) mapfile -t candidates < <(_steward_objects "${positional[1]}") ;;
          remove:2) mapfile -t candidates < <(_steward_names "${positional[1]}") ;;
          create:2) candidates=(list dict queue lock rlock) ;;
        esac
        ;;
    esac
  fi

  # (Not compgen -W: that would run what a name says.)
  local candidate
  COMPREPLY=()
  for candidate in "${candidates[@]}"; do
    candidate="$(printf '%q' "$candidate")"
    [[ "$candidate" == "$current"* ]] && COMPREPLY+=("$candidate")
  done
  # Readline replaces only what stands behind the last of these.
  if [[ "$current" == *[:=]* ]]; then
    local before="${current%"${current##*[:=]}"}"
    COMPREPLY=("${COMPREPLY[@]#"$before"}")
  fi
}

complete -F _steward steward
