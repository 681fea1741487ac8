#!/bin/sh
# Builds hook from this checkout and installs `hook` and `hook-relay`. See --help.
set -eu

programs='hook hook-relay'

main() {
    prefix=${HOME:+$HOME/.local}
    action=install
    while [ $# -gt 0 ]; do
        case $1 in
            --prefix)
                [ $# -ge 2 ] || usage_error '--prefix needs a directory.'
                prefix=$2
                [ -n "$prefix" ] || usage_error '--prefix needs a directory.'
                shift
                ;;
            --prefix=*)
                prefix=${1#--prefix=}
                [ -n "$prefix" ] || usage_error '--prefix needs a directory.'
                ;;
            --uninstall) action=uninstall ;;
            -h | --help) help; exit 0 ;;
            *) usage_error "\"$1\" is not an argument of this script." ;;
        esac
        shift
    done
    [ -n "$prefix" ] || usage_error 'HOME is not set, so there is no default for --prefix.'
    case $prefix in
        /*) ;;
        *) prefix=$PWD/$prefix ;;
    esac
    while [ "$prefix" != / ] && [ "${prefix%/}" != "$prefix" ]; do
        prefix=${prefix%/}
    done
    bin=${prefix%/}/bin
    "$action"
}

help() {
    cat <<'HELP'
Builds hook from this checkout and installs it.

Usage: ./install.sh [--prefix DIR] [--uninstall]

  --prefix DIR   install into DIR/bin (default: $HOME/.local)
  --uninstall    remove what was installed there; your events and settings stay
  -h, --help     print this

It installs two programs: `hook` and `hook-relay`. Run it again to update them.
Needed to build: Rust with cargo, and a C compiler (SQLite is built in).
The build goes to $CARGO_TARGET_DIR, or to target/ in the checkout.

Exit codes: 0 done, 1 the build failed, 2 wrong usage, 3 something here is in the way.
HELP
}

install() {
    checkout=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
    require_checkout
    require_builders
    require_writable "$bin"
    for program in $programs; do
        refuse_foreign "$program"
    done

    target=${CARGO_TARGET_DIR:-$checkout/target}
    case $target in
        /*) ;;
        *) target=$PWD/$target ;;
    esac
    # A cross-compiled binary would land elsewhere, and could not run here.
    unset CARGO_BUILD_TARGET

    echo 'Building hook and hook-relay. The first build takes some minutes.'
    (cd -- "$checkout" && cargo build --release --locked -p hook -p hook-relay-server --bins --target-dir "$target") ||
        fail 1 'the build failed; nothing was installed.' 'read what cargo says above, then run install.sh again'
    for program in $programs; do
        [ -x "$target/release/$program" ] ||
            fail 1 "cargo built no $target/release/$program; nothing was installed." 'look for a build.target in your cargo configuration'
    done

    mkdir -p -- "$bin" || fail 3 "$bin cannot be created." './install.sh --prefix DIR, with a directory you can write to'
    trap 'rm -f -- "$bin"/.hook.new.$$ "$bin"/.hook-relay.new.$$' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    for program in $programs; do
        put "$program"
    done

    version=$("$bin/hook" --version </dev/null) ||
        fail 3 "$bin/hook is installed but does not run." "$bin/hook --version"
    echo "Installed $version in $bin: hook, hook-relay."
    next_step
}

uninstall() {
    for program in $programs; do
        refuse_foreign "$program"
    done
    removed=
    for program in $programs; do
        path=$bin/$program
        [ -e "$path" ] || [ -L "$path" ] || continue
        rm -f -- "$path" || fail 3 "$path cannot be removed." "remove it as its owner: $(owner "$path")"
        echo "Removed $path."
        removed=yes
    done
    [ -n "$removed" ] || echo "Nothing to remove: there is no hook in $bin."
    say_what_stays
}

# Copies beside the old file, then renames: a running hook is not disturbed, and an interrupted install leaves the old one.
put() {
    new=$bin/.$1.new.$$
    if cp -- "$target/release/$1" "$new" && chmod 755 "$new" && mv -f -- "$new" "$bin/$1"; then
        return
    fi
    fail 3 "$bin/$1 cannot be written." 'look for a full or read-only disk, then run install.sh again'
}

require_checkout() {
    for file in Cargo.toml Cargo.lock cli/Cargo.toml relay-server/Cargo.toml; do
        [ -f "$checkout/$file" ] ||
            fail 3 "$checkout is not a checkout of hook (there is no $file)." 'clone the repository and run the install.sh inside it'
    done
}

require_builders() {
    cargo_bin=${CARGO_HOME:-${HOME:-}/.cargo}/bin
    if ! command -v cargo >/dev/null && [ -x "$cargo_bin/cargo" ]; then
        PATH=$cargo_bin:$PATH
    fi
    command -v cargo >/dev/null ||
        fail 3 'cargo was not found.' 'install Rust (https://rustup.rs), open a new terminal, run install.sh again'
    [ -n "${CC:-}" ] || command -v cc >/dev/null ||
        fail 3 'no C compiler was found (cc).' 'apt-get install build-essential, or on macOS: xcode-select --install'
}

# Looks at the nearest directory that exists, so that a failed build leaves no empty ones.
require_writable() {
    there=$1
    until [ -e "$there" ] || [ -L "$there" ]; do
        there=$(dirname -- "$there")
    done
    [ -d "$there" ] || fail 3 "$there is not a directory." './install.sh --prefix DIR'
    if [ ! -w "$there" ] || [ ! -x "$there" ]; then
        fail 3 "$there is not writable for you." './install.sh --prefix DIR, with a directory you can write to'
    fi
}

# Another program with the same name is neither replaced nor removed.
refuse_foreign() {
    path=$bin/$1
    [ -e "$path" ] || return 0
    if [ -f "$path" ] && [ -x "$path" ]; then
        case $("$path" --version </dev/null 2>/dev/null || true) in
            "$1 "[0-9]*) return 0 ;;
        esac
    fi
    fail 3 "$path is not hook's, so it was left alone." 'move it away, or choose another --prefix'
}

next_step() {
    try='listen --forward-to localhost:3000'
    case :$PATH: in
        *":$bin:"*)
            first=$(command -v hook || true)
            if [ "$first" = "$bin/hook" ]; then
                echo "$bin is on PATH."
                echo "next: hook $try"
            else
                echo "$bin is on PATH, but another hook comes before it: $first"
                echo "next: $(quoted "$bin/hook") $try"
            fi
            ;;
        *)
            echo "$bin is not on PATH. Add this line to your shell's start-up file:"
            echo "  export PATH=$(quoted "$bin"):\"\$PATH\""
            echo "next: $(quoted "$bin/hook") $try"
            ;;
    esac
}

# For the shell: quoted only when it must be.
quoted() {
    case $1 in
        *[!A-Za-z0-9_./@+-]*) printf "'%s'\n" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")" ;;
        *) printf '%s\n' "$1" ;;
    esac
}

say_what_stays() {
    data=$(xdg "${XDG_DATA_HOME:-}" .local/share)
    config=$(xdg "${XDG_CONFIG_HOME:-}" .config)
    echo 'Your data was not touched. It is kept here; delete it yourself if you want it gone:'
    stays "$data/hook" 'events and attempts'
    stays "$config/hook" 'settings, tokens and secrets'
    stays "$data/hook-relay" "a relay's inbox, unless its --data named another place"
}

stays() {
    if [ -e "$1" ]; then
        echo "  $1   ($2)"
    else
        echo "  $1   ($2; nothing there now)"
    fi
}

# The same rule as in the program: a relative value does not count.
xdg() {
    case $1 in
        /*) printf '%s\n' "$1" ;;
        *) printf '%s\n' "${HOME:-}/$2" ;;
    esac
}

owner() {
    # shellcheck disable=SC2012 # Only the owner is read, and stat has no portable form.
    ls -ld -- "$1" | awk '{ print $3 }'
}

usage_error() {
    fail 2 "$1" './install.sh --help'
}

fail() {
    printf 'install.sh: %s\nnext: %s\n' "$2" "$3" >&2
    exit "$1"
}

main "$@"
