#!/bin/sh
# Builds the testbed's Kubernetes (kube/) when it is missing or its sources changed, and prints the
# path of the binary on stdout; progress goes to stderr. The name carries a hash of the sources, so
# an existing file is always the right one. Two builds at once are safe: each writes a file of its
# own and renames it into place.
set -eu

cd "$(dirname "$0")/kube"

if ! command -v go >/dev/null 2>&1; then
    echo "error: 'go' is missing; the testbed builds Kubernetes with it. Install it: apt-get install -y golang (1.26 or newer)" >&2
    exit 1
fi

hash=$(cat go.mod go.sum ./*.go ../build.sh | sha256sum | cut -c1-16)
version=$(awk '$1 == "k8s.io/kubernetes" { print $2; exit }' go.mod)
bin=${HANSE_CACHE:-$HOME/.cache/hanse}/bin
out=$bin/kube-$version-$hash

if [ -x "$out" ]; then
    echo "$out"
    exit 0
fi

mkdir -p "$bin"
part=$(mktemp "$bin/.kube-XXXXXX")
# The shell forgets a trap on a signal that it was started with ignored; EXIT covers the rest.
trap 'rm -f "$part"; [ -z "${ticker:-}" ] || kill "$ticker" 2>/dev/null || :' EXIT
trap 'exit 130' INT TERM HUP

say() { echo "testbed: $*" >&2; }
say "building etcd, kube-apiserver and kube-controller-manager $version"
say "this takes about five minutes the first time, and seconds after that"
start=$(date +%s)
(
    while sleep 20; do
        say "still compiling Kubernetes $version ($(($(date +%s) - start)) s)"
    done
) &
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
