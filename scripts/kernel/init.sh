#!/bin/bash
# The first process of the User Mode Linux guest; kernel.sh copies it into the directory of the run, starts the kernel
# with it and reads the file "status" when the kernel has ended. The root file system is the host's, so nothing here
# may write to it but that directory, and what is mounted is mounted over the host's directories, in the guest only.
set -u
run=${0%/*}
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
mapfile -d '' -t environment <"$run/environment"
mapfile -d '' -t command <"$run/command"
mapfile -d '' -t paths <"$run/paths"
# Opened now: /tmp, where it is, will be covered.
exec 8>"$run/status"

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t configfs configfs /sys/kernel/config
mount -t devtmpfs devtmpfs /dev
ln -s /proc/self/fd /dev/fd
ln -s fd/0 /dev/stdin
ln -s fd/1 /dev/stdout
ln -s fd/2 /dev/stderr

# A /tmp and a /run of our own: a socket, a lock or a temporary file on the host's would be the host's kernel's. What
# the program was given from there (a checkout below /tmp, say) is put back in its place.
mount -t tmpfs -o mode=0755 tmpfs /run
mkdir /run/.host
mount -t hostfs -o / none /run/.host
mount -t tmpfs -o mode=1777 tmpfs /tmp
for path in "${paths[@]}"; do
  case $path in
    /tmp/?* | /run/?*)
      IFS=/ read -r _ base first _ <<<"$path"
      place=/$base/$first
      if [ -e "$place" ] || [ ! -e "/run/.host$place" ]; then continue; fi
      if [ -d "/run/.host$place" ]; then mkdir "$place"; else : >"$place"; fi
      mount --bind "/run/.host$place" "$place"
      ;;
  esac
done
umount -l /run/.host
rmdir /run/.host

# The clock is this kernel's own, and may be set. That is said with what no other kernel has, so that nobody else who
# finds this file sets theirs.
mkdir /run/shadowgpio
cat /proc/sys/kernel/random/boot_id >/run/shadowgpio/clock-may-be-set

ip link set lo up
echo shadowgpio >/proc/sys/kernel/hostname

# The console is a terminal to whoever writes to it; a program under test gets a pipe, as anywhere else, and its lines
# go out as they are.
exec 7>/dev/tty1
stty -F /dev/tty1 -opost
mkfifo /run/.output
cat /run/.output >&7 8>&- &
cat=$!
{
  if cd "${paths[0]}"; then
    env -i "${environment[@]}" "${command[@]}" </dev/null
    status=$?
  else
    status=125
  fi
} >/run/.output 2>&1 7>&- 8>&-

# The pipe ends with its last writer. A process the program left behind may hold it: the rest is then not waited for.
for _ in {1..40}; do
  kill -0 "$cat" 2>/dev/null || break
  sleep 0.05
done
stty -F /dev/tty1 -opost # waits until all is written
echo "$status" >&8
exec 8>&-
sync
# reboot(2), power off: not every system has a halt command, but perl-base is essential.
exec perl -e 'syscall 169, 0xfee1dead, 0x28121969, 0x4321fedc, 0'
