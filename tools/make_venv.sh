#!/bin/sh
# make_venv.sh PYTHON FOLDER LOCK...: an environment that holds exactly what the locks name.
# It is made beside its place and renamed, so an interrupted run never leaves half of one.
set -eu
python=$1
folder=$2
shift 2

version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])') || {
  echo "no Python found as '$python': install python3, or say PYTHON=/path/to/python3" >&2
  exit 1
}
case $version in
  3.11 | 3.12) ;;
  *)
    echo "'$python' is Python $version; this project needs 3.11 or 3.12: say PYTHON=/path/to/it" >&2
    exit 1
    ;;
esac

uv=$(sh "$(dirname "$0")/get_uv.sh")
staging="$folder.staging-$$"
trap 'rm -rf "$staging"' EXIT
trap 'exit 130' INT TERM
echo "making $folder from $* (once; the models' environment is some 4 GB to download)" >&2
mkdir -p "$(dirname "$folder")"
"$uv" venv -q --relocatable --python "$python" "$staging"
"$uv" pip sync -q --require-hashes --python "$staging/bin/python" "$@"
touch "$staging/.done"
rm -rf "$folder"
mv "$staging" "$folder"
