#!/bin/sh
# Inside the guest: a test device with a latency, mounted, the agent on the path, a shell.
# LATENCY_US, SIZE_MB.
set -eu
repository=$(cd "$(dirname "$0")/../.." && pwd)
device=/sys/kernel/config/nullb/lab
mkdir "$device"
echo "${SIZE_MB:-512}" > "$device/size"
echo 1 > "$device/memory_backed"
echo 2 > "$device/irqmode"
echo $((${LATENCY_US:-1000} * 1000)) > "$device/completion_nsec"
echo 8192 > "$device/max_sectors"
echo 1 > "$device/power"
mkfs.ext4 -q /dev/lab
mkdir /mnt/lab
mount /dev/lab /mnt/lab
export PATH="$repository/.venv/bin:$PATH" PS1='lab# '
echo "/dev/lab is mounted on /mnt/lab, its proxy is readahead.$(cat /sys/block/lab/dev); exit ends the kernel"
cd /mnt/lab
exec sh "$@"
