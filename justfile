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

# All that CI runs.
ci:
    .ci/run
