#!/bin/sh
# Builds the testbed's Kubernetes (kube/) when it is missing or its sources changed, and prints the
# path of the binary on stdout; progress goes to stderr. The name carries a hash of the sources, so
# an existing file is always the right one. Two builds at once are safe: the second waits for the first,
# and without flock each writes a file of its own and renames it into place.
set -eu

cd "$(dirname "$0")/kube"

hash=$(cat go.mod go.sum ./*.go ../build.sh | sha256sum | cut -c1-16)
version=$(awk '$1 == "k8s.io/kubernetes" { print $2; exit }' go.mod)
bin=${HANSE_CACHE:-$HOME/.cache/hanse}/bin
out=$bin/kube-$version-$hash

if [ -x "$out" ]; then
    echo "$out"
    exit 0
fi

# From 1.21 on, an older Go fetches the one that go.mod asks for.
case $(go env GOVERSION 2>/dev/null || :) in
    "" | go1.? | go1.1? | go1.20 | go1.?.* | go1.1?.* | go1.20.*)
        echo "error: building the testbed's Kubernetes takes Go 1.21 or newer, and Debian 12's is older; install it as https://go.dev/doc/install says" >&2
        exit 1
        ;;
esac

say() { echo "testbed: $*" >&2; }

mkdir -p "$bin"
exec 9>"$bin/.lock"
if command -v flock >/dev/null 2>&1 && ! flock -n 9; then
    say "waiting for another build of Kubernetes"
    flock 9
    if [ -x "$out" ]; then
        echo "$out"
        exit 0
    fi
fi

part=$(mktemp "$bin/.kube-XXXXXX")
# The shell forgets a trap on a signal that it was started with ignored; EXIT covers the rest.
trap 'rm -f "$part"; [ -z "${ticker:-}" ] || kill "$ticker" 2>/dev/null || :' EXIT
trap 'exit 130' INT TERM HUP

say "building etcd, kube-apiserver and kube-controller-manager $version"
say "this takes about five minutes the first time, and seconds after that"
start=$(date +%s)
(
    # The last sleep outlives this script, and must not hold what others wait for.
    while sleep 20 >/dev/null 2>&1 9>&-; do
        say "still compiling Kubernetes $version ($(($(date +%s) - start)) s)"
    done
) 9>&- &
ticker=$!

go mod download >&2

flags="-s -w"
minor=${version#v1.}
minor=${minor%%.*}
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    flags="$flags -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=$minor"
    flags="$flags -X $package.gitTreeState=clean"
done
CGO_ENABLED=0 go build -mod=readonly -trimpath -buildvcs=false -ldflags "$flags" -o "$part" . >&2

chmod 755 "$part"
mv -f "$part" "$out"
say "built $out in $(($(date +%s) - start)) s"
echo "$out"
