#!/bin/sh
# Installs what compiling needs into a container of a foundation: system.sh PACKAGE... The names of its system's package
# manager; git, ssh and what they need come under the names that this system has for them. Ends with 20 where they
# cannot be had.
set -eu
ca=/run/secrets/warmbase-ca
git= ssh=
for name in "$@"; do
  shift
  case $name in
    :git) git=git ;;
    :ssh) ssh=1 ;;
    *) set -- "$@" "$name" ;;
  esac
done
if [ -z "$*$git$ssh" ]; then
  exit 0
elif command -v apt-get >/dev/null; then
  set -- "$@" $git ${ssh:+openssh-client}
  mkdir -p /var/lib/apt/lists/partial /var/cache/apt/archives/partial
  [ ! -e $ca ] || echo "Acquire::https::CAInfo \"$ca\";" >/etc/apt/apt.conf.d/99warmbase
  # Each time: lists that a builder's cache has kept for months name versions that are gone.
  apt-get -qq update || exit 20
  DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends "$@" || exit 20
elif command -v apk >/dev/null; then
  set -- "$@" $git ${ssh:+openssh-client}
  [ ! -e $ca ] || export SSL_CERT_FILE=$ca SSL_CA_CERT_FILE=$ca
  apk add --no-cache "$@" || exit 20
elif command -v dnf >/dev/null; then
  set -- "$@" $git ${ssh:+openssh-clients}
  [ ! -e $ca ] || set -- --setopt=sslcacert=$ca "$@"
  dnf --assumeyes --setopt=install_weak_deps=False install "$@" || exit 20
else
  echo "no apt-get, apk or dnf is in this foundation to install $*" >&2
  exit 20
fi
