//! The commands besides serve and stdio.
