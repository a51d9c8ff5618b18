//! What signals do to a program. They are sent to this very process, so there is one test.
#![allow(clippy::disallowed_types, reason = "signals come from outside")]

use std::{future::pending, process::Command};
use trenza::{Interrupted, Result, block_on};

#[test]
fn a_signal_before_the_end_is_an_error_that_names_it() {
    let ended = block_on(async |_| {
        terminate()?;
        pending::<Result>().await
    });
    let error = ended.expect_err("it has not ended");
    assert_eq!(error.downcast_ref(), Some(&Interrupted { signal: 15 }));
    let ended = block_on(async |reactor| {
        let port = reactor.serve("tcp:0:interface=127.0.0.1", |stream| stream.close())?;
        let mut stream = reactor.open(&format!("tcp:{}", port.addr())).await?;
        stream.end_at_stop(false);
        while stream.read().await?.is_some() {}
        let mut stream = reactor.open(&format!("tcp:{}", port.addr())).await?;
        port.stop().detach();
        terminate()?;
        stream.stopping().await;
        assert_eq!(stream.read().await?, None);
        stream.close().await?;
        Ok(7)
    });
    assert_eq!(ended.expect("a coroutine that comes to its end has a result"), 7);
}

fn terminate() -> Result {
    let sent = Command::new("kill").args(["-s", "TERM", &std::process::id().to_string()]).status()?;
    assert!(sent.success());
    Ok(())
}
