# shellcheck shell=bash
# What the scripts share: where the cache is, progress lines, retries, finding Java.
# Sourced, never run; the sourcing script has set `-euo pipefail`.

OPENSEARCH_VERSION=2.19.4
ELASTICSEARCH_VERSION=8.19.21
ENVOY_VERSION=1.40.0
ELASTALERT2_VERSION=2.31.0
H2SPEC_VERSION=v2.2.1+incompatible # the newest one its module path can name
OTELCOL_VERSION=v0.165.0
AIOSMTPD_VERSION=1.4.6
KUBECTL_VALIDATE_VERSION=v0.0.4
LLVM_COV_VERSION=0.9.1
DENY_VERSION=0.20.2
AUDITABLE_VERSION=0.7.7 # as in the Dockerfile
HADOLINT_VERSION=2.15.1
CARGO_FUZZ_VERSION=0.13.2

# The unprivileged account that real servers run under; they refuse root.
SERVER_USER=lbproxy-test

if [[ -t 2 ]]; then
  BOLD=$'\e[1m' DIM=$'\e[2m' GREEN=$'\e[32m' RED=$'\e[31m' PLAIN=$'\e[0m'
else
  BOLD='' DIM='' GREEN='' RED='' PLAIN=''
fi

# note PART STATE...: one line of progress, on stderr so that stdout stays for results.
note() {
  local part=$1
  shift
  printf '%s%-24s%s %s\n' "$BOLD" "$part" "$PLAIN" "$*" >&2
}
ready() { note "$1" "${GREEN}ready${PLAIN} ${DIM}${2:-}${PLAIN}"; }
die() {
  printf '%s%s: %s%s\n' "$RED" "${0##*/}" "$*" "$PLAIN" >&2
  exit 1
}

# Where downloads live, outside any checkout. Root's home is usually closed to others, and the
# servers run as $SERVER_USER: then the system's cache folder serves instead.
cache_dir() {
  if [[ -n ${LBPROXY_CACHE:-} ]]; then
    printf '%s\n' "$LBPROXY_CACHE"
  elif [[ $EUID -eq 0 && ! $(stat -c %A "$HOME") =~ [xt]$ ]]; then
    printf '/var/cache/lbproxy\n'
  else
    printf '%s/.cache/lbproxy\n' "$HOME"
  fi
}

# retry COMMAND...: three tries, 2 s and 8 s apart.
retry() {
  local pause
  for pause in 2 8 0; do
    "$@" && return 0
    ((pause)) || break
    printf '%stry again in %s s: %s%s\n' "$DIM" "$pause" "$*" "$PLAIN" >&2
    sleep "$pause"
  done
  return 1
}

# as_server COMMAND...: as $SERVER_USER when root, else as the current user; the command gets a
# SIGTERM when its parent dies, so that no server outlives a killed script.
as_server() {
  local drop=()
  [[ $EUID -ne 0 ]] || drop=(--reuid="$SERVER_USER" --regid="$SERVER_USER" --clear-groups)
  exec setpriv "${drop[@]}" --pdeathsig TERM "$@"
}

# Prints the home of a Java 17; 1 when there is none. Root's own JAVA_HOME may be closed to the
# account of the servers, so it does not count.
find_java_17() {
  local home homes=("${LBPROXY_JAVA_HOME:-}" /usr/lib/jvm/java-17-openjdk-*)
  [[ $EUID -eq 0 ]] || homes+=("${JAVA_HOME:-}")
  for home in "${homes[@]}"; do
    [[ -n $home && -x $home/bin/java ]] || continue
    [[ $("$home/bin/java" -version 2>&1) == *'version "17.'* ]] || continue
    printf '%s\n' "$home"
    return 0
  done
  return 1
}
