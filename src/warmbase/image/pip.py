"""`pip`, for images whose uv does the installing: so that `RUN pip install -r requirements.txt` works as it stands.

A pip of the foundation would install where nobody looks, and one in the venv costs 7.5 MB and goes with the first exact
sync. uv knows nearly all of pip's options; those that mean nothing to it are left out, and what it cannot do it says
itself. The program lies behind the venv on the PATH, so a pip that somebody installs there is the one that runs.
"""

PIP = """\
#!/bin/sh
# pip of an image that has uv in its place: `pip install` is `uv pip install`.
case ${1-} in
  -V|--version) exec uv --version ;;
esac
left=$#
while [ "$left" -gt 0 ]; do
  word=$1
  shift
  left=$((left - 1))
  case $word in
    # uv asks nothing, takes wheels where there are any, builds as PEP 517 says, and retries by itself. For --user, the
    # environment is everybody's.
    --no-input|--prefer-binary|--use-pep517|--no-warn-script-location|--user) ;;
    --root-user-action=*|--progress-bar=*|--retries=*|--timeout=*|--default-timeout=*) ;;
    --root-user-action|--progress-bar|--retries|--timeout|--default-timeout)
      if [ "$left" -gt 0 ]; then shift; left=$((left - 1)); fi ;;
    *) set -- "$@" "$word" ;;
  esac
done
if [ -n "${PIP_INDEX_URL-}" ]; then
  export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX-$PIP_INDEX_URL}"
fi
if [ -n "${PIP_EXTRA_INDEX_URL-}" ]; then
  export UV_INDEX="${UV_INDEX-$PIP_EXTRA_INDEX_URL}"
fi
exec uv pip "$@"
"""
