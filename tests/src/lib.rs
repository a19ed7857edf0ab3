//! Whole-system tests of Weft. The tests are in `tests/`; this crate has nothing else yet.
#![forbid(unsafe_code)]
