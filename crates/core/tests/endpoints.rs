//! Endpoint strings: what they mean, and what is said of those that mean nothing.
#![allow(clippy::unwrap_used)]

use std::{cell::Cell, rc::Rc, time::Duration};
use trenza_core::{
    Choice, ConnectTo, Connecting, Endpoint, EndpointError, EndpointKind, Form, Given, IntoEndpoint,
    ListenOn, Listening, Reactor, Result, Usage,
};
use trenza_sim::Net;

/// `via:PORT:ENDPOINT` for servers, `via:HOST:PORT:ENDPOINT` for clients: what stands before another endpoint.
struct Via;

const USER: Choice = Choice { name: "user", value: "NAME", about: "who asks" };

impl EndpointKind for Via {
    fn usage(&self) -> Usage {
        let client = Form { values: &["HOST", "PORT"], options: &[USER], inner: true, ..Form::default() };
        Usage { name: "via", server: Some(Form { inner: true, ..Form::default() }), client: Some(client) }
    }

    fn listen(&self, given: &Given<'_>, reactor: &Reactor) -> Result<Listening> {
        given.inner()?.listening(reactor)
    }

    fn connect(&self, given: &Given<'_>, reactor: &Reactor) -> Result<Connecting> {
        let behind = given.inner()?.connecting(reactor)?;
        let user = given.option("user").map(|user| user.to_string()).unwrap_or_default();
        let mut first = Connecting::name(given.value(0)?.as_str(), given.value(1)?.port()?);
        first.shown = format!("{user}@{} then {}", first.shown, behind.shown);
        Ok(first)
    }
}

/// `many:A[:B][:C...]` and nothing for clients.
struct Many;

impl EndpointKind for Many {
    fn usage(&self) -> Usage {
        let server = Form { values: &["A", "B?", "C..."], about: "many", ..Form::default() };
        Usage { name: "many", server: Some(server), client: None }
    }

    fn listen(&self, given: &Given<'_>, _: &Reactor) -> Result<Listening> {
        Err(given.values().map(|value| value.to_string()).collect::<Vec<_>>().join("|").into())
    }
}

/// `as:PORT` and `as:HOST:PORT`, which hands all but its own option on to `tcp`.
struct As;

impl EndpointKind for As {
    fn usage(&self) -> Usage {
        let server = Form { values: &["PORT"], options: &[USER], below: Some("tcp"), ..Form::default() };
        let client = Form { values: &["HOST", "PORT"], ..server };
        Usage { name: "as", server: Some(server), client: Some(client) }
    }

    fn listen(&self, given: &Given<'_>, reactor: &Reactor) -> Result<Listening> {
        given.below()?.listening(reactor)
    }

    fn connect(&self, given: &Given<'_>, reactor: &Reactor) -> Result<Connecting> {
        given.below()?.connecting(reactor)
    }
}

fn with_reactor<T>(f: impl FnOnce(&Reactor) -> T) -> T {
    Net::new(1).host("here").run(|reactor| {
        reactor.register(As);
        reactor.register(Via);
        reactor.register(Many);
        f(reactor)
    })
}

fn listen(text: &str) -> Result<String> {
    with_reactor(|reactor| match text.into_endpoint()?.listening(reactor)?.on {
        ListenOn::Bind(bind) => Ok(format!("{} {} {}", bind.addr, bind.dual_stack, bind.backlog)),
        other => Ok(format!("{other:?}")),
    })
}

fn connect(text: &str) -> Result<String> {
    let Connecting { to, from, timeout, shown, .. } =
        with_reactor(|reactor| text.into_endpoint()?.connecting(reactor))?;
    let ConnectTo::Name { host, port } = to else { return Err("no name".into()) };
    Ok(format!("{host} {port} {:?} {timeout:?} {shown}", from.map(|from| from.to_string())))
}

#[test]
fn servers() {
    for (text, means) in [
        ("tcp:8080", "[::]:8080 true 4096"),
        ("tcp:0:interface=127.0.0.1", "127.0.0.1:0 false 4096"),
        (r"tcp:80:interface=\:\:1", "[::1]:80 false 4096"),
        ("tcp:80:INTERFACE=[::1]:backlog=7", "[::1]:80 false 7"),
        ("via:tcp:80:interface=[::1]", "[::1]:80 false 4096"),
        ("via:via:tcp:80", "[::]:80 true 4096"),
        (r"as:80:user=x:interface=\:\:1:backlog=7", "[::1]:80 false 7"),
        ("via:as:80:backlog=7:user=[backlog=8]", "[::]:80 true 7"),
    ] {
        assert_eq!(listen(text).unwrap(), means);
    }
}

#[test]
fn clients() {
    for (text, means) in [
        ("tcp:example.org:80", "example.org 80 None 30s example.org:80"),
        ("tcp:[::1]:80:bind=[::1]:timeout=1.5", "::1 80 Some(\"[::1]:0\") 1.5s [::1]:80"),
        ("as:[::1]:80:user=x:timeout=2", "::1 80 None 2s [::1]:80"),
        ("via:proxy:1080:tcp:b:80", "proxy 1080 None 30s @proxy:1080 then b:80"),
        ("via:a:1:user=x:via:b:2:user=y:tcp:c:3:timeout=9", "a 1 None 30s x@a:1 then y@b:2 then c:3"),
    ] {
        assert_eq!(connect(text).unwrap(), means);
    }
    let here: std::net::SocketAddr = "[::1]:7".parse().unwrap();
    let endpoint = here.into_endpoint().unwrap();
    assert!(with_reactor(|reactor| endpoint.connecting(reactor)).is_ok());
    assert!(matches!(
        with_reactor(|reactor| endpoint.listening(reactor)).unwrap().on,
        ListenOn::Bind(bind) if bind.addr == here.into() && !bind.dual_stack
    ));
}

/// What is said, and what of the string stands above the carets.
fn complaint<T: std::fmt::Debug>(result: Result<T>) -> (String, String) {
    let error = result.unwrap_err();
    let error = error.downcast_ref::<EndpointError>().unwrap_or_else(|| panic!("{error}"));
    let shown = error.to_string();
    let (text, carets) = shown.split_once('\n').unwrap().1.split_once('\n').unwrap();
    assert_eq!(text.trim_start(), error.endpoint);
    let start = carets.find('^').unwrap();
    (error.what.clone(), text.chars().skip(start).take(carets.len() - start).collect())
}

#[test]
fn what_is_wrong_with_a_server_is_pointed_at() {
    for (text, part, at) in [
        ("", "begins with its kind", ""),
        ("8080", "did you mean tcp:8080?", "8080"),
        ("quic:80", "known: as, exec, fd, many, stdio, systemd, tcp, udp, unix, unix-datagram, via", "quic"),
        ("tpc:80", "did you mean tcp?", "tpc"),
        ("localhost:80", "did you mean tcp:80:interface=127.0.0.1?", "localhost"),
        ("[::1]:80", "did you mean tcp:80:interface=[::1]?", "[::1]"),
        ("tcp", "PORT is missing: tcp:PORT, as in tcp:8080", ""),
        ("tcp:", "not a port", ""),
        ("tcp:http", "\"http\" is not a port", "http"),
        ("tcp:70000", "0 to 65535", "70000"),
        ("tcp:h:80", "one value too many: tcp:PORT, as in tcp:8080 or tcp:8080:interface=127.0.0.1", "80"),
        ("tcp:80:interfaces=lo", "did you mean interface?); known: interface, backlog", "interfaces"),
        ("tcp:80:interface=::1", "\"::1\" stands", "::1"),
        ("tcp:80:interface=lo", "interface= takes an IP address", "lo"),
        ("tcp:80:backlog=x", "backlog= takes a number", "x"),
        ("tcp:80:backlog=1:backlog=2", "stands there twice", "backlog"),
        ("tcp:80:backlog=1:81", "behind the options", "81"),
        ("tcp:80:connections=0", "connections= takes a number above 0", "0"),
        ("via", "an endpoint is missing here: via:ENDPOINT", ""),
        ("via:", "an endpoint is missing here, as tcp:8080", ""),
        ("via:tcp:80:backlo=1", "did you mean backlog?", "backlo"),
        ("via:user=x:tcp:80", "there are none here", "user"),
        ("via:8080", "did you mean tcp:8080?", "8080"),
        ("as:80:backlog=x:user=y", "backlog= takes a number", "x"),
        ("as:80:usr=x", "did you mean user?); known: user, interface, backlog", "usr"),
        ("as:http:user=x", "\"http\" is not a port", "http"),
        ("systemd:", "wants an index or a name", "systemd"),
        ("systemd:x", "\"x\" is not an index", "x"),
        ("systemd:0:name=x", "give one of the two", "x"),
        ("many", "A is missing: many:A[:B]:C...", ""),
    ] {
        let (what, shown) = complaint(listen(text));
        assert!(what.contains(part), "{text}: {what}");
        assert_eq!(shown, at, "{text}: {what}");
    }
    assert_eq!(listen("many:1:2:3:4").unwrap_err().to_string(), "1|2|3|4");
    assert_eq!(listen("many:1").unwrap_err().to_string(), "1");
}

#[test]
fn no_connections_come_where_datagrams_do() {
    let (what, shown) = complaint(with_reactor(|reactor| reactor.serve("udp:53", |_| async { Ok(()) })));
    assert_eq!(
        what,
        "for connections there are as, fd, many, stdio, systemd, tcp, unix, via; this is for datagrams, as Reactor::udp takes it"
    );
    assert_eq!(shown, "udp:53");
}

#[test]
fn what_is_wrong_with_a_client_is_pointed_at() {
    for (text, part, at) in [
        ("tcp:80", "PORT is missing: tcp:HOST:PORT", ""),
        ("h:80", "did you mean tcp:h:80?", "h"),
        ("tcp:::1:80", "tcp:[::1]:80:bind=[::1]:timeout=5; an address with colons stands in brackets", "1"),
        ("via:a:1:h:80", "did you mean tcp:h:80?", "h"),
        ("tcp:h:80:timeout=-1", "timeout= takes a number of seconds", "-1"),
        ("tcp:h:80:bind=lo", "bind= takes an IP address", "lo"),
        ("many:x", "cannot be connected to; what can: as, exec, fd, stdio, tcp, unix, via", "many"),
        ("systemd:0", "what can: as, exec, fd, stdio, tcp, unix, via", "systemd"),
        ("as:h:80:interface=[::1]", "known: user, bind, timeout", "interface"),
        ("as:h", "PORT is missing: as:HOST:PORT", ""),
        ("via:a:1", "an endpoint is missing here: via:HOST:PORT:ENDPOINT", ""),
        ("via:a:1:user=x:tcp:h:p", "\"p\" is not a port", "p"),
    ] {
        let (what, shown) = complaint(connect(text));
        assert!(what.contains(part), "{text}: {what}");
        assert_eq!(shown, at, "{text}: {what}");
    }
}

#[test]
fn endpoints_are_built_in_code_too() {
    with_reactor(|reactor| {
        let server = Endpoint::server("the cellar", |_| Err("it is locked".into()));
        assert_eq!(server.listening(reactor).unwrap_err().to_string(), "it is locked");
        assert_eq!(server.connecting(reactor).unwrap_err().to_string(), "the cellar cannot be connected to");
        let client = Endpoint::client("the attic", |_| Ok(Connecting::name("srv", 7)));
        assert_eq!(client.connecting(reactor).unwrap().timeout, Duration::from_secs(30));
        assert_eq!(client.listening(reactor).unwrap_err().to_string(), "the attic cannot be listened on");
        assert_eq!(format!("{client} {client:?}"), "the attic Endpoint(the attic)");
    });
}

#[test]
fn layers_of_layers_lie_over_those_that_were_there() {
    let order = Rc::new(Cell::new(0));
    let counted = order.clone();
    let digit = move |digit| {
        let order = counted.clone();
        move || {
            order.set(order.get() * 10 + digit);
            Vec::new()
        }
    };
    let net = Net::new(1);
    let on = "tcp:7".into_endpoint().unwrap().layered(digit(1)).layered(digit(2));
    let on = Endpoint::server("layers", move |reactor| {
        let mut listening = on.listening(reactor)?;
        let (under, over) = (digit(3), digit(4));
        listening.layers.under(move |_| under());
        listening.layers.over(move |peer| {
            assert_eq!(peer.local.port(), Some(7));
            over()
        });
        Ok(listening)
    });
    net.host("srv").run(|reactor| reactor.serve(on, |_| async { Ok(()) })).unwrap();
    let _probe = net.host("cli").probe("tcp:srv:7");
    net.run();
    assert_eq!(order.get(), 3124);
}

#[test]
fn a_kind_of_the_same_name_replaces() {
    struct Mine;
    impl EndpointKind for Mine {
        fn usage(&self) -> Usage {
            Usage { name: "tcp", server: Some(Form::default()), client: None }
        }
        fn listen(&self, given: &Given<'_>, _: &Reactor) -> Result<Listening> {
            Err(given.wrong("is mine"))
        }
    }
    with_reactor(|reactor| {
        reactor.register(Mine);
        let names: Vec<_> = reactor.kinds().iter().map(|kind| kind.usage().name).collect();
        assert_eq!(
            names,
            ["as", "exec", "fd", "many", "stdio", "systemd", "tcp", "udp", "unix", "unix-datagram", "via"]
        );
        let mine = "tcp:".into_endpoint().unwrap().listening(reactor).unwrap_err();
        assert!(mine.to_string().contains("tcp is mine"));
    });
}
