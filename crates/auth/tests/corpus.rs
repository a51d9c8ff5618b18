//! Replays the fuzzer's corpus on the stable compiler.

#[path = "../../../fuzz/src/accounts.rs"]
mod checks;
#[path = "../../../fuzz/src/corpus.rs"]
mod corpus;

#[test]
fn accounts() {
    corpus::replay("accounts", 20, usize::MAX, b"\0 \n:$,=\"[9\xff", checks::accounts);
}
