# Run a command and print the bytes of a tar of what it left changed on the root filesystem: what a layer made of it
# would hold. A path that is gone counts as a whiteout's header.
#
#     sh layer.sh COMMAND...
set -eu
list() { find / -xdev | sort; }
list >/dev/shm/before
touch /dev/shm/begun
sleep 0.1 # a change time may be as coarse as a tick of the kernel's
"$@" >&2
list >/dev/shm/after
gone=$(comm -23 /dev/shm/before /dev/shm/after | wc -l)
changed=$(find / -xdev -cnewer /dev/shm/begun -print0 |
    tar --create --null --no-recursion --absolute-names --files-from=- --blocking-factor=1 | wc -c)
echo $((changed + 512 * gone))
