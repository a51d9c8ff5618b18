//! What is said of messages without a network.

use super::ns::{a, cname, name, soa};
use crate::{DNSClass, Likeness, Message, Negative, Question, RecordType, ResponseCode, Verdict};
use std::time::Duration;

fn question(random: impl FnMut(&mut [u8])) -> Question {
    Question::new(&name("www.example.org"), RecordType::A, true, random).unwrap()
}

#[test]
fn a_question_is_spelled_as_chance_says() {
    let plain = question(|bytes| bytes.fill(0));
    let message = Message::from_vec(plain.bytes()).unwrap();
    assert_eq!(message.queries[0].name.to_ascii(), "www.example.org.");
    let flipped = question(|bytes| bytes.fill(0xff));
    let message = Message::from_vec(flipped.bytes()).unwrap();
    assert_eq!(
        (message.queries[0].name.to_ascii().as_str(), message.metadata.id),
        ("WWW.EXAMPLE.ORG.", 0xffff)
    );
}

#[test]
fn a_type_is_never_taken_for_a_letter() {
    // HTTPS is 65, which is an A; 97 is an a.
    let asked = Question::new(&name("a"), RecordType::HTTPS, true, |bytes| bytes.fill(0)).unwrap();
    let mut answer = Question::new(&name("a"), RecordType::from(97), true, |bytes| bytes.fill(0))
        .unwrap()
        .bytes()
        .to_vec();
    answer[2] |= 0x80;
    assert_eq!(asked.likeness(&answer), Likeness::Other);
    answer[16] = 65;
    assert_eq!(asked.likeness(&answer), Likeness::Same);
}

#[test]
fn only_records_of_the_name_count() {
    let mut message = Message::response(1, crate::tests::ns::op());
    message.metadata.recursion_available = true;
    let mut chaos = a("www.example.org", 60, 9);
    chaos.dns_class = DNSClass::CH;
    message.add_answers([a("www.example.com", 60, 7), chaos]);
    message.add_additional(a("www.example.org", 60, 8));
    let www = name("WWW.example.org");
    assert_eq!(Verdict::of(&message, &www, RecordType::A), Verdict::Not(Negative::Data, None));
    message.add_answers([a("www.example.org", 60, 1), a("www.example.org", 30, 2)]);
    let Verdict::Found(answer) = Verdict::of(&message, &www, RecordType::A) else { panic!("there are some") };
    assert_eq!((answer.records.len(), answer.ttl), (2, Duration::from_secs(30)));
}

#[test]
fn an_alias_bounds_what_does_not_exist() {
    let mut message = Message::response(1, crate::tests::ns::op());
    message.add_answer(cname("www.example.org", 20, "gone.example.org"));
    message.add_authority(soa("example.org", 900, 300));
    message.metadata.response_code = ResponseCode::NXDomain;
    let verdict = Verdict::of(&message, &name("www.example.org"), RecordType::A);
    assert_eq!(verdict, Verdict::Not(Negative::Name, Some(Duration::from_secs(20))));
}
