//! A fit as a ledger: terminal text and JSON.
