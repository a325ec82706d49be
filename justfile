# What CI runs, step by step.

default: check test

# Formatting, lints, documentation.
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# The whole test suite; installs what it needs.
test *ARGS:
    scripts/test {{ARGS}}

# What strangers can send, made up by a fuzzer: seconds for each target, then the targets.
fuzz *ARGS:
    scripts/fuzz {{ARGS}}

# All that CI runs.
ci:
    .ci/run
