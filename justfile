# Everything there is to run. `just` lists it.

set positional-arguments

[private]
default:
    @just --list --unsorted

# Everything a change must pass: format, lints, tests, install, dependencies, docs
check: all deny docs

# The test command of the README: tests/run
all *args:
    tests/run "$@"

# The same with the slow tests: kill loops and soaks
long:
    tests/run --long

# Only the tests, or those that match: just test journal
test *filter: build
    if cargo nextest --version >/dev/null 2>&1; then cargo nextest run --workspace --locked "$@"; else cargo test --workspace --locked -- "$@"; fi

# Format the code
fmt:
    cargo fmt --all

# Check the format, clippy, and the shell scripts
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    shellcheck install.sh tests/run tests/sabotage .ci/run

# Build every program for debugging, which the end-to-end tests use
build:
    cargo build --workspace --locked

# Build what a user gets: target/release/hook and target/release/hook-relay
release:
    cargo build --release --locked -p hook -p hook-relay-server --bins

# Build and install: just install --prefix DIR
install *args:
    ./install.sh "$@"

# Remove what `just install` put there; data stays
uninstall *args:
    ./install.sh --uninstall "$@"

# Run hook from the source: just run listen --forward-to localhost:3000
run *args:
    cargo run --locked -p hook --bin hook -- "$@"

# Check licences, advisories and sources of all dependencies (needs cargo-deny)
deny:
    cargo deny --workspace --locked check

# Build the documentation of the code; a broken link fails
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --locked

# Look at the snapshots that changed, and accept or reject them (needs cargo-insta)
snapshots:
    cargo insta review --workspace
