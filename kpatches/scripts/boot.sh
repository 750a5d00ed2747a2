#!/bin/sh
# Boot a lab kernel with the host's files, read-only, as its root, run a command in
# it as root, and exit with its code.  boot.sh [-i] um|x86 COMMAND...
# -i keeps the terminal for the command.  The guest has a /tmp, /run, /mnt and /dev of
# its own; of the host's only the repository and $MLPROXY_KERNEL_DIR are seen there.
# MEM, SMP, TIMEOUT (seconds), APPEND (to the kernel's command line), KERNEL for another
# image.  ICOUNT=off or on counts instructions instead of the time, each is a nanosecond
# of the guest; idle time is skipped (off), or passes as on the host (on).
set -eu
. "$(dirname "$0")/common.sh"
interactive=
[ "${1:-}" != -i ] || { interactive=y; shift; }
[ $# -gt 1 ] || die "usage: boot.sh [-i] um|x86 COMMAND..."
arch=$1
select_arch "$arch"
shift
kernel=${KERNEL:-$kernel}
[ -e "$kernel" ] || die "no kernel: run scripts/build.sh $arch"

# Power off; without ACPI only a restart ends QEMU
end=0x4321FEDC
[ "$arch" = um ] || end=0x01234567

# What would be hidden by the guest's own folders
kept=
for dir in "$(dirname "$here")" "$work"; do
	case $dir in /tmp/* | /run/*) kept="$kept $dir" ;; esac
done

mkdir -p "$work/run"
tmp=$(mktemp -d "$work/run/boot.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
cat > "$tmp/init" <<INIT
#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/tmp LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t debugfs debug /sys/kernel/debug
mount -t tracefs trace /sys/kernel/tracing 2>/dev/null
mount -t configfs config /sys/kernel/config 2>/dev/null
mount -t devtmpfs dev /dev 2>/dev/null
mkdir -p /dev/shm /dev/pts
mount -t devpts devpts /dev/pts 2>/dev/null
mount --bind / /mnt
for dir in /dev/shm /tmp /run; do mount -t tmpfs tmpfs \$dir; done
for dir in $kept; do mkdir -p \$dir && mount --bind /mnt\$dir \$dir; done
umount /mnt
mount -t tmpfs tmpfs /mnt
mount -t cgroup2 cgroup /sys/fs/cgroup 2>/dev/null
cd /tmp
if [ -n "$interactive" ]; then setsid -c sh "$tmp/command"; else sh "$tmp/command"; fi
echo "lab: exit code \$?"
sync
exec python3 -c 'import ctypes; ctypes.CDLL(None).reboot($end)'
INIT
chmod +x "$tmp/init"
echo "$*" > "$tmp/command"

run_um() {
	# shellcheck disable=SC2086
	TMPDIR=${TMPDIR:-/dev/shm} timeout --foreground "${TIMEOUT:-600}" "$kernel" \
		mem="${MEM:-1536M}" root=/dev/root rootfstype=hostfs hostfs=/ ro \
		init="$tmp/init" con=null con0=fd:0,fd:1 ssl=null quiet ${APPEND:-}
}

run_x86() {
	need qemu-system-x86_64 qemu-system-x86
	# Not thread=multi: with QEMU 7.2 a CPU ran into the breakpoint of a jump label that was
	# patched already ("Oops: int3")
	set -- -accel tcg,thread=single
	[ -z "${ICOUNT:-}" ] || set -- "$@" -icount "shift=0,sleep=$ICOUNT"
	# The emulated time stamp counters agree, and nothing can watch them without ACPI
	timeout --foreground "${TIMEOUT:-600}" qemu-system-x86_64 -machine q35 "$@" \
		-cpu max -smp "${SMP:-2}" -m "${MEM:-1536M}" -nodefaults -no-reboot \
		-display none -serial mon:stdio -kernel "$kernel" \
		-fsdev local,id=root,path=/,security_model=none,readonly=on,multidevs=remap \
		-device virtio-9p-pci,fsdev=root,mount_tag=rootfs \
		-append "console=ttyS0 quiet panic=-1 tsc=reliable root=rootfs rootfstype=9p rootflags=trans=virtio,version=9p2000.L,msize=262144,cache=loose ro init=$tmp/init ${APPEND:-}"
}

if [ -n "$interactive" ]; then
	"run_$arch"
else
	"run_$arch" </dev/null 2>&1 | sed -u 's/\r$//' | tee "$tmp/log"
	code=$(sed -n 's/.*lab: exit code //p' "$tmp/log" | tail -n 1)
	exit "${code:-125}"
fi
