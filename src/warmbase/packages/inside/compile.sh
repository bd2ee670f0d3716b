#!/bin/sh
# Compiles one package in a container of a foundation: compile.sh INTERPRETER NAME REQUIREMENT. The wheel, and what it
# was compiled from where it is itself built, lies in /warmbase/wheels afterwards. Ends with 21 where the source cannot be
# had as it is locked, and with 22 where its build fails.
set -eu
# What the Dockerfile says to this script is no business of the package's build.
unset WARMBASE_SYSTEM WARMBASE_FETCHERS WARMBASE_INTERPRETER WARMBASE_NAME WARMBASE_REQUIREMENT
umask 022
secrets=/run/secrets
work=/tmp/warmbase
mkdir -p $work/home /warmbase/wheels
export HOME=$work/home UV_CACHE_DIR=$work/cache UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1 UV_LINK_MODE=hardlink
export LANG=C.UTF-8 PYTHONHASHSEED=0 PIP_DISABLE_PIP_VERSION_CHECK=1
# Without what a debugger reads, which names uv's random folders.
export CFLAGS="-g0 ${CFLAGS:-}" CXXFLAGS="-g0 ${CXXFLAGS:-}"
if [ -e $secrets/warmbase-ca ]; then
  ca=$secrets/warmbase-ca
  export SSL_CERT_FILE=$ca GIT_SSL_CAINFO=$ca REQUESTS_CA_BUNDLE=$ca CURL_CA_BUNDLE=$ca CARGO_HTTP_CAINFO=$ca
fi
[ ! -e $secrets/warmbase-uv ] || . $secrets/warmbase-uv
if [ -e $secrets/warmbase-netrc ]; then
  export NETRC=$secrets/warmbase-netrc
  ln -s $NETRC $HOME/.netrc
fi
if [ -e $secrets/warmbase-git ]; then
  export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=credential.helper
  export GIT_CONFIG_VALUE_0="store --file=$secrets/warmbase-git"
fi
export GIT_TERMINAL_PROMPT=0
export GIT_SSH_COMMAND="ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile=$secrets/warmbase-hosts"
printf '%s\n' "$3" >$work/requirement.txt
cd $work
if ! /run/warmbase/uv pip install --quiet --color never --no-deps --no-binary "$2" --python "$1" \
  --target $work/unused --requirement $work/requirement.txt 2>$work/said; then
  cat $work/said >&2
  # uv makes a place to build in once it has the source, and its hash or commit is right.
  [ -n "$(find $work/cache -maxdepth 1 -name 'builds-*')" ] || exit 21
  # A builder repeats the last lines alone: what compilers said was long before.
  grep -E 'error:|undefined reference|not found|No such file' $work/said | grep -v '^error: ' | head -n 6 >&2
  exit 22
fi
find $work/cache/sdists-* -name '*.whl' -exec cp {} /warmbase/wheels/ ';'
# Which package of the system has which library, as dpkg's lists say it: what a foundation may lack.
libraries=/warmbase/wheels/libraries.txt
if [ -d /var/lib/dpkg/info ]; then
  find /var/lib/dpkg/info -name '*.list' -exec grep -H '\.so\.[0-9]' {} + >$libraries || :
elif command -v apk >/dev/null; then
  cat /lib/apk/db/installed /usr/lib/apk/db/installed 2>/dev/null |
    awk -F: '/^P:/ { name = $2 } /^R:.*\.so\./ { print name ".list:" $2 }' >$libraries
elif command -v rpm >/dev/null; then
  rpm --query --all --queryformat '[%{=NAME}.list:%{FILENAMES}\n]' | grep '\.so\.[0-9]' >$libraries || :
fi
rm -rf $work
