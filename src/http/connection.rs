//! One connection: hyper with clocks of our own.
