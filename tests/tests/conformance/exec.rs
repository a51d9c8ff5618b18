//! Programs as the far end of a connection: `exec:`.

use crate::ground::{Ground, bytes};
use std::io;
use trenza_core::{Endpoint, IntoEndpoint, Limits, Result, SpawnError};

cases! {
    what_is_written_is_read_by_the_program
    much_goes_through_a_program_both_ways
    arguments_are_values_of_the_endpoint
    the_exit_is_the_end_of_the_stream
    a_program_that_is_not_there_is_an_error_with_its_name
}

async fn what_is_written_is_read_by_the_program(ground: Ground) -> Result {
    let mut stream = ground.reactor().open("exec:cat").await?;
    stream.write_all(b"to and fro\r\n").await?;
    assert_eq!(stream.line(80).await?.as_deref(), Some(&b"to and fro"[..]));
    let remote = stream.transport().peer().remote.to_string();
    assert!(remote.starts_with("cat ("), "{remote}");
    stream.transport().close_write();
    assert_eq!(stream.read().await?, None);
    stream.close().await
}

async fn much_goes_through_a_program_both_ways(ground: Ground) -> Result {
    let text = bytes(ground.scaled(100_000, 2_000_000));
    let mut stream = ground.reactor().open("exec:cat").await?;
    // A program that writes while it reads waits for us as any peer does.
    stream.transport().set_limits(Limits { read_while_full: true, ..Limits::default() });
    stream.transport().write(&text);
    stream.transport().close_write();
    let mut back = Vec::new();
    while let Some(piece) = stream.read().await? {
        back.extend_from_slice(&piece);
    }
    assert!(back == text);
    stream.close().await
}

async fn arguments_are_values_of_the_endpoint(ground: Ground) -> Result {
    let endpoint: Endpoint = r"exec:echo:a\:b:c\=d:directory=/".into_endpoint()?;
    let mut stream = ground.reactor().open(endpoint).await?;
    let mut said = Vec::new();
    while let Some(piece) = stream.read().await? {
        said.extend_from_slice(&piece);
    }
    assert_eq!(said, b"a:b c=d\n");
    stream.close().await
}

async fn the_exit_is_the_end_of_the_stream(ground: Ground) -> Result {
    let mut stream = ground.reactor().open("exec:false").await?;
    assert_eq!(stream.read().await?, None);
    stream.close().await
}

async fn a_program_that_is_not_there_is_an_error_with_its_name(ground: Ground) -> Result {
    let error = ground.reactor().open("exec:no-such-program:x").await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("cannot start \"no-such-program\""), "{text}");
    let error = error.downcast::<io::Error>().ok();
    let within = error.as_ref().and_then(|error| error.get_ref());
    assert!(within.is_some_and(|error| error.is::<SpawnError>()) || text.contains("exec:"), "{text}");
    let refused = ground.reactor().serve("exec:cat", async |_| Ok(())).unwrap_err().to_string();
    assert!(refused.contains("cannot be listened on"), "{refused}");
    Ok(())
}
