//! The real servers that tests need, as child processes of the test.
