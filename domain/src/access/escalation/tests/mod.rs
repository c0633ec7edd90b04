//! Each edge, with what it needs and without.
