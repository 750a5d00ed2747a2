# shellcheck shell=sh
# Sourced by the other scripts: places, names, and what has to be installed.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
: "${MLPROXY_KERNEL_DIR:=$(dirname "$here")/build/kernel}" "${JOBS:=$(nproc)}"
mkdir -p "$MLPROXY_KERNEL_DIR"
work=$(cd "$MLPROXY_KERNEL_DIR" && pwd)
# shellcheck disable=SC2034
patches=$here/patches linux=$work/linux

# The same objects whoever builds, wherever: a warm compiler cache is worth 7 minutes
export KBUILD_BUILD_TIMESTAMP='Thu Jan 1 00:00:00 UTC 1970'
export KBUILD_BUILD_USER=mlproxy KBUILD_BUILD_HOST=lab
export CCACHE_NOHASHDIR=1 CCACHE_BASEDIR="$work" CCACHE_DIR="${CCACHE_DIR:-$work/ccache}"

die() {
	echo "$*" >&2
	exit 1
}

# need COMMAND PACKAGE ...: name what is missing; install it in CI, as root
need() {
	missing=
	while [ $# -gt 0 ]; do
		command -v "$1" >/dev/null || missing="$missing $2"
		shift 2
	done
	install_missing
}

# need_file PATH PACKAGE: the same for what is no command
need_file() {
	missing=
	[ -e "$1" ] || missing=" $2"
	install_missing
}

install_missing() {
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" = 0 ] && [ -n "${CI:-}" ]; then
		# shellcheck disable=SC2086
		apt-get install -y --no-install-recommends $missing
	else
		die "missing: apt-get install$missing"
	fi
}

# select_arch um|x86: what make calls it, and what comes out
select_arch() {
	case $1 in
	um) karch=um image=linux ;;
	x86) karch=x86_64 image=arch/x86/boot/bzImage ;;
	*) die "um or x86, not '$1'" ;;
	esac
	out=$work/build-$1${NAME:+-$NAME}
	# shellcheck disable=SC2034
	kernel=$out/$image
}

kmake() {
	make -C "$linux" O="$out" ARCH="$karch" CC="ccache gcc" "$@"
}
