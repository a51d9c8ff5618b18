//! `trenza mail serve` that sends by servers of others, which want a login.

mod aiosmtpd;
