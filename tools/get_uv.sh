#!/bin/sh
# get_uv.sh: prints the path of a uv of the pinned range, installing it into .tools/ where there is none.
# It needs python3 and nothing else of it (neither pip nor venv), and no root.
set -eu

UV_VERSION=0.13.8 # the same as in the Dockerfile; any patch release of this minor one will do
root=$(cd "$(dirname "$0")/.." && pwd)
target=$root/.tools/uv
wanted="uv ${UV_VERSION%.*}."

say() { echo "get_uv.sh: $*" >&2; }

give_up() {
  say "uv $UV_VERSION could not be installed: $*. Install it by another way, so that it is on the PATH."
  exit 1
}

fits() {
  case $("$1" --version 2>/dev/null) in
    "$wanted"*) return 0 ;;
    *) return 1 ;;
  esac
}

# A pip without the package python3-pip: Debian's wheel of it, as installed or as downloaded by apt.
# apt reads the machine's own sources but writes only below $1, so that any user may do this.
debian_pip() {
  set -- "$1" /usr/share/python-wheels/pip-*.whl
  if [ ! -f "$2" ]; then
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
    mkdir -p "$1/debs" "$1/lists/partial" "$1/cache/archives/partial"
    if ! (cd "$1/debs" && apt-get -q download python3-pip-whl) >&2 2>/dev/null; then
      say "fetching Debian's package lists into a private folder"
      private_apt "$1" update && (cd "$1/debs" && private_apt "$1" download python3-pip-whl) || return 1
    fi
    dpkg-deb -x "$1"/debs/python3-pip-whl_*.deb "$1/unpacked" || return 1
    set -- "$1" "$1"/unpacked/usr/share/python-wheels/pip-*.whl
  fi
  echo "$2/pip"
}

# Without the sandbox user, whom a private folder would be closed to.
private_apt() {
  folder=$1
  shift
  apt-get -q -o Dir::State::Lists="$folder/lists" -o Dir::Cache="$folder/cache" \
    -o APT::Sandbox::User= "$@" >&2
}

on_path=$(command -v uv || true)
for uv in "$on_path" "$target/bin/uv"; do
  if [ -n "$uv" ] && fits "$uv"; then
    echo "$uv"
    exit 0
  fi
done

command -v python3 >/dev/null || give_up "python3 is not on the PATH"
mkdir -p "$root/.tools"
staging=$(mktemp -d "$root/.tools/uv-staging-XXXXXX")
trap 'rm -rf "$staging"' EXIT
trap 'exit 130' INT TERM

say "installing uv $UV_VERSION into .tools/uv"
if python3 -m pip --version >/dev/null 2>&1; then
  set -- python3 -m pip
elif pip=$(debian_pip "$staging/apt"); then
  set -- python3 "$pip"
else
  give_up "this Python has no pip, and apt could not fetch python3-pip-whl"
fi
# --target writes nowhere else, which is why a system Python that is managed by Debian allows it.
PIP_ROOT_USER_ACTION=ignore "$@" install -q --no-cache-dir --disable-pip-version-check --target "$staging/uv" "uv==$UV_VERSION" >&2 \
  || give_up "pip failed"
fits "$staging/uv/bin/uv" || give_up "the installed one does not run on this machine"
rm -rf "$target"
mv "$staging/uv" "$target"
echo "$target/bin/uv"
