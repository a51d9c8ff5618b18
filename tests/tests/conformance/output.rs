//! Programs that run once, for what they say and how they end.

use crate::ground::{Ground, bytes};
use std::io;
use trenza_core::{ExitStatus, OutputTooLong, Result};

cases! {
    one_shot_output
    one_shot_status
    one_shot_output_is_limited
    one_shot_time_is_limited
    a_one_shot_that_nobody_waits_for_is_ended
}

async fn one_shot_output(ground: Ground) -> Result {
    let said = ground.reactor().output(ground.program("say").args(["out", "err", "6"])).await?;
    assert_eq!(
        (said.stdout, said.stderr, said.status),
        (b"out".to_vec(), b"err".to_vec(), ExitStatus::Code(6))
    );
    let text = bytes(300_000);
    let said = ground.reactor().output(ground.program("cat").input(text.clone())).await?;
    assert!(said.stdout == text && said.status.success());
    // Without input there is an end of it.
    assert_eq!(ground.reactor().output(ground.program("cat")).await?.stdout, b"");
    Ok(())
}

async fn one_shot_status(ground: Ground) -> Result {
    let status = ground.reactor().status(ground.program("say").args(["out", "err", "6"])).await?;
    assert_eq!(status, ExitStatus::Code(6));
    Ok(())
}

async fn one_shot_output_is_limited(ground: Ground) -> Result {
    let cat = ground.program("cat").input(bytes(100_000));
    let error = ground.reactor().output(cat.output_max(99_999)).await.unwrap_err();
    let named = error.downcast_ref::<OutputTooLong>().unwrap();
    assert_eq!((named.which, named.max), (1, 99_999));
    let cat = ground.program("cat").input(bytes(100_000));
    assert_eq!(ground.reactor().output(cat.output_max(100_000)).await?.stdout.len(), 100_000);
    Ok(())
}

async fn one_shot_time_is_limited(ground: Ground) -> Result {
    let sleep = || ground.program("sleep").time_limit(ground.moment());
    let error = ground.reactor().output(sleep()).await.unwrap_err();
    assert_eq!(error.downcast_ref::<io::Error>().unwrap().kind(), io::ErrorKind::TimedOut);
    assert!(error.to_string().contains("the deadline passed"), "{error}");
    assert!(ground.reactor().status(sleep()).await.is_err());
    Ok(())
}

async fn a_one_shot_that_nobody_waits_for_is_ended(ground: Ground) -> Result {
    drop(ground.reactor().output(ground.program("sleep")));
    drop(ground.reactor().status(ground.program("sleep")));
    let running = ground.reactor().output(ground.program("sleep"));
    ground.settle().await;
    drop(running);
    // The ground looks that nothing is left.
    Ok(())
}
