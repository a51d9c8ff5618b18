//! [`Command`]: what handles ask the loop to do.

use crate::{
    Addr, Factory, Layer, Protocol, Resolver, Result, Service, SocketOption, Transport, UdpPort,
    driver::{Bound, Established, Interest, Socket, Token},
    engine::admit::Newcomer,
    engine::edge::Change,
    engine::pair::Pair,
    engine::udp::Wish,
    port::PortState,
    process::{children::Order, handle::State},
    race::Race,
    task::Task,
    watch::{OnReady, WatchState},
};
use std::{any::Any, io, rc::Rc};
use trenza_wire::OutBuf;

/// A call into a protocol.
pub(crate) type Call = Box<dyn FnOnce(&mut dyn Protocol, &Transport) -> Result>;

/// One entry of the loop's queue. Commands run in the order they were given.
pub(crate) enum Command {
    /// Calls the connection's protocol.
    Call(Transport, Call),
    /// Gives the connection another protocol.
    Switch(Transport, Box<dyn Protocol>),
    /// Pushes a layer; the bytes were written before it.
    Push(Transport, Box<dyn Layer>, OutBuf),
    /// Keeps a guard until the connection ends.
    Attach(Transport, Box<dyn Any>),
    /// Offers unread bytes again.
    Offer(Transport),
    /// Tells the protocol that there is room again.
    Writable(Transport),
    /// Changes what is done at the driver's edge.
    Edge(Transport, Change),
    /// A piece of a file for a connection with layers was read.
    Piece(Transport, io::Result<Vec<u8>>),
    /// Runs a closure.
    Run(Box<dyn FnOnce()>),
    /// Starts a task.
    Spawn(Task),
    /// Drops a task.
    Drop(u64),
    /// Serves a bound socket.
    Listen(Bound, Rc<PortState>, Box<dyn Factory>),
    /// Serves a connection that is there, the only one of a port.
    Serve(Established, Rc<PortState>, Box<dyn Factory>),
    /// Takes in a connection that another loop has accepted for the port at this address.
    Welcome(Addr, Box<Newcomer>),
    /// Accepts again, or not.
    Accept,
    /// A port has rested after an error.
    Rested(Rc<PortState>),
    /// Stops a port.
    StopPort(Rc<PortState>),
    /// Closes a port that was stopped and that other loops serve.
    ClosePort(Rc<PortState>),
    /// Another loop has left a port: looks whether anybody waits there.
    LookAgain,
    /// Resets the connections of a port.
    AbortPort(Rc<PortState>),
    /// Tells a protocol to stop.
    Stop(Transport),
    /// Keeps a service that was started, until the loop stops.
    Keep(Box<dyn Service>),
    /// Does something for a UDP port.
    Udp(UdpPort, Wish),
    /// Tries the next address of a race.
    Connect(Rc<Race>),
    /// Takes over the stream that code made for a connect.
    Adopt(Rc<Race>, Established),
    /// Takes in a pair of connections in memory.
    Pair(Box<Pair>),
    /// Ends a connection that is being made.
    Forget(Token),
    /// Sets an option of a connection's socket.
    SetOption(Transport, SocketOption, Resolver<()>),
    /// Watches a descriptor.
    Watch(Socket, Interest, Rc<WatchState>, OnReady),
    /// Ends a watch.
    Unwatch(Rc<WatchState>),
    /// Does something about a child process.
    Process(Rc<State>, Order),
    /// The time to stop in is over: ends all child processes.
    EndProcesses,
}
