//! The only serialiser: writes the newest superset down to what a revision has.
