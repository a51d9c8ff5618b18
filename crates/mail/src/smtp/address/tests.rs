//! Addresses as they are and as they must not be.

use super::*;

#[test]
fn addresses_there_and_back() {
    for (text, local, host, written) in [
        ("ann@example.org", "ann", "example.org", "ann@example.org"),
        ("Ann.B+x@EXAMPLE.org", "Ann.B+x", "example.org", "Ann.B+x@example.org"),
        (r#""ann"@x"#, "ann", "x", "ann@x"),
        (r#""a b"@x"#, "a b", "x", r#""a b"@x"#),
        (r#""a\"\\b"@x"#, "a\"\\b", "x", r#""a\"\\b"@x"#),
        (r#""a@b"@x"#, "a@b", "x", r#""a@b"@x"#),
        (r#"""@x"#, "", "x", r#"""@x"#),
        (r#""a..b"@x"#, "a..b", "x", r#""a..b"@x"#),
        (r#"">"@x"#, ">", "x", r#"">"@x"#),
        ("a@[192.0.2.1]", "a", "[192.0.2.1]", "a@[192.0.2.1]"),
        ("a@[ipv6:2001:DB8::1]", "a", "[IPv6:2001:db8::1]", "a@[IPv6:2001:db8::1]"),
        ("a@[x400:>c]", "a", "[x400:>c]", "a@[x400:>c]"),
        ("a@_x.b-c", "a", "_x.b-c", "a@_x.b-c"),
        ("\u{e4}@\u{fc}.org", "\u{e4}", "\u{fc}.org", "\u{e4}@\u{fc}.org"),
    ] {
        let mailbox = Mailbox::parse(text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!((mailbox.local(), &*mailbox.host().to_string()), (local, host), "{text}");
        assert_eq!(mailbox.to_string(), written);
        assert_eq!(Mailbox::parse(&mailbox.to_string()), Some(mailbox.clone()), "{text}");
        assert_eq!(mailbox.is_ascii(), text.is_ascii());
        let path = format!("<{text}> SIZE=1");
        assert_eq!(reverse_path(&path), Some((Some(mailbox.clone()), " SIZE=1")), "{path}");
        assert_eq!(forward_path(&path), Some((mailbox.into(), " SIZE=1")), "{path}");
    }
}

#[test]
fn what_is_no_address() {
    let long = ["a".repeat(LOCAL_MAX + 1) + "@x", "a@".to_owned() + &"b".repeat(64)];
    let many = format!("a@{}", "b.".repeat(128));
    for text in [
        "",
        "a",
        "@x",
        "a@",
        "a@@x",
        "a@x@y",
        ".a@x",
        "a.@x",
        "a..b@x",
        "a b@x",
        "a\t@x",
        "a@x..y",
        "a@.x",
        "a@x.",
        "a@-x",
        "a@x-",
        "a@x y",
        "a@[",
        "a@[]",
        "a@[1.2.3]",
        "a@[1.2.3.4",
        "a@1.2.3.4]",
        "a@[IPv6:1]",
        "a@[-:x]",
        "a@[x:]",
        "a@[x:[]",
        "\"a@x",
        "\"a\"b@x",
        "\"a\\\"@x",
        "\"a\nb\"@x",
        "\"\\\u{e4}\"@x",
        "a\0@x",
        "(a)@x",
        "<a>@x",
        "a@x>",
        "a\u{85}@x",
        "a@\u{a0}x",
        "a@x\u{2028}",
        &long[0],
        &long[1],
        &many,
    ] {
        assert_eq!(Mailbox::parse(text), None, "{text:?}");
    }
}

#[test]
fn paths() {
    assert_eq!(reverse_path("<>"), Some((None, "")));
    assert_eq!(forward_path("<>"), None);
    assert_eq!(forward_path("<pOstmaster>x"), Some((Recipient::Postmaster, "x")));
    assert_eq!(reverse_path("<postmaster>"), None);
    let routed = forward_path("<@a.b,@[1.2.3.4]:c@d>").map(|(to, rest)| (to.to_string(), rest));
    assert_eq!(routed, Some(("c@d".into(), "")));
    for wrong in [
        "",
        "a@b",
        "<a@b",
        "a@b>",
        "< a@b>",
        "<a@b >",
        "<@:a@b>",
        "<@a,b:c@d>",
        "<@a,@:c@d>",
        "<@a:c>",
        "<@a>",
    ] {
        assert_eq!((reverse_path(wrong), forward_path(wrong)), (None, None), "{wrong}");
    }
}
