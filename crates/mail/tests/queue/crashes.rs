//! The power fails at every step of reception, carrying, reporting and recovery: each recipient of a message that was taken
//! gets it, or its sender hears that he does not; twice only who was just getting it. Each fsync is left out once, to see
//! that the sweep finds it.

use crate::{
    MINUTE, Others,
    forgetful::{Forgetful, Forgets},
    from, later, options, push, rcpt, refused, run, taken,
};
use std::{
    cell::RefCell,
    collections::BTreeMap,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};
use trenza_core::Reactor;
use trenza_mail::{queue::Queue, smtp::Rcpt};
use trenza_sim::{DiskFate, HostHandle, Net};

/// The recipients of each message. `no` is refused, `later` is not taken at the first try.
const MESSAGES: [&[&str]; 3] =
    [&["a@one.example"], &["b@one.example", "later@two.example"], &["no@one.example", "c@three.example"]];

/// What each message is: a word that no other has, and more than a sector.
fn text(number: usize) -> String {
    format!("Subject: message-{number}\r\n\r\n{}\r\n", "z".repeat(900))
}

/// When the power fails, for the first time and again.
#[derive(Debug, Clone, Copy)]
struct When {
    /// Before the disk's call of this number; 0: it does not.
    step: usize,
    /// Else after this time.
    pause: Duration,
    /// Before the call of this number after the first failure; 0: it does not.
    again: usize,
}

/// How a run ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// All messages were taken before the power failed, and were on their way.
    Whole,
    Crashed,
    /// A recipient of a message that was taken has nothing, and its sender was not told.
    Lost(&'static str),
    /// One got it again that had it when the power failed, and nothing was under way.
    Twice(String),
    /// More often than the power failed.
    TooOften(String),
}

/// A machine, whose power fails.
struct Machine {
    net: Net,
    host: HostHandle,
    others: Others,
    forgets: Forgets,
    is_dark: Arc<AtomicBool>,
}

impl Machine {
    fn new(seed: u64, forgets: Forgets) -> Self {
        let net = Net::new(seed);
        let host = net.host("mx");
        let is_dark = Arc::new(AtomicBool::new(false));
        let dark = is_dark.clone();
        let others = others(&host, move || dark.load(SeqCst));
        Self { net, host, others, forgets, is_dark }
    }

    /// Runs the queue. None: the power has failed before it was open.
    fn start(&self) -> Option<Queue> {
        let tree = Arc::new(Forgetful::new(self.host.disk(), self.forgets));
        run(&self.host, tree, options(), &self.others).ok()
    }

    /// Lets the power fail before the disk's call of this number from now on.
    fn fail_before(&self, step: usize) -> impl Sized {
        let (is_dark, mut calls) = (self.is_dark.clone(), 0);
        self.host.disk().rule(move |_| {
            calls += 1;
            if calls != step {
                return DiskFate::Go;
            }
            is_dark.store(true, SeqCst);
            DiskFate::PowerOff
        })
    }

    fn crash(&self) {
        self.host.crash();
        self.host.restart(|_| ());
        self.is_dark.store(false, SeqCst);
    }

    /// Lets time pass until the power fails, or for so long.
    fn advance(&self, time: Duration) {
        let end = self.net.elapsed() + time;
        while self.net.elapsed() < end && !self.is_dark.load(SeqCst) {
            self.net.advance(Duration::from_millis(50).max(time / 200));
        }
    }
}

/// The other side, which refuses one recipient and takes another at the second try only.
pub(crate) fn others(host: &HostHandle, is_dark: impl Fn() -> bool + 'static) -> Others {
    let seen = RefCell::new(BTreeMap::new());
    Others::in_the_dark(host, is_dark, move |to| {
        let tries = *seen.borrow_mut().entry(to.to_owned()).and_modify(|tries| *tries += 1).or_insert(1);
        match to.split('@').next().unwrap() {
            "no" => refused(),
            "later" if tries == 1 => later(),
            _ => taken(),
        }
    })
}

/// Puts the messages in, one after the other; tells which were taken.
pub(crate) fn submit(host: &HostHandle, queue: &Queue) -> Rc<RefCell<Vec<usize>>> {
    let told = Rc::new(RefCell::new(Vec::new()));
    let (tell, inlet) = (told.clone(), queue.inlet(&host.reactor()));
    let all = async move {
        for (number, to) in MESSAGES.iter().enumerate() {
            let to: Vec<Rcpt> = to.iter().map(|to| rcpt(to)).collect();
            let mut message = inlet.submit(from(&format!("s{number}@home.example")), to).await?;
            push(&mut *message, text(number).as_bytes()).await?;
            message.finish().await?;
            tell.borrow_mut().push(number);
            Reactor::current().sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    };
    host.run(|reactor| reactor.spawn(all).then(drop));
    told
}

fn crash_run(seed: u64, when: When, forgets: Forgets) -> Run {
    let machine = Machine::new(seed, forgets);
    let guard = machine.fail_before(when.step);
    let told = match machine.start() {
        Some(queue) => submit(&machine.host, &queue),
        None => Rc::default(),
    };
    machine.advance(when.pause);
    let told = told.borrow().clone();
    let is_whole = told.len() == MESSAGES.len() && !machine.is_dark.load(SeqCst);
    // Then nothing was under way.
    let before: Vec<String> = if is_whole { machine.others.got() } else { Vec::new() };
    machine.crash();
    drop(guard);
    if when.again > 0 {
        let guard = machine.fail_before(when.again);
        let _ = machine.start();
        machine.advance(MINUTE);
        machine.crash();
        drop(guard);
    }
    machine.start().expect("nothing fails any more");
    machine.net.advance(20 * MINUTE);
    judge(&machine.others, &told, &before, is_whole, if when.again > 0 { 3 } else { 2 })
}

pub(crate) fn judge(others: &Others, told: &[usize], before: &[String], is_whole: bool, most: usize) -> Run {
    let got = others.0.got.borrow();
    let count = |to: &str, word: &str| {
        got.iter()
            .filter(|got| got.to == to && got.text.contains(word) && got.text.contains("\r\n\r\n"))
            .count()
    };
    for number in told {
        let word = format!("message-{number}\r\n");
        for to in MESSAGES[*number] {
            let has = got.iter().any(|got| got.to == *to && got.text == text(*number));
            let about = format!("Final-Recipient: rfc822;{to}\r\nAction: failed");
            let sender = format!("s{number}@home.example");
            let reports = count(&sender, &about);
            if !has && reports == 0 {
                return Run::Lost(to);
            }
            let times = count(to, &word) + reports;
            if times > most {
                return Run::TooOften(format!("{to}: {times}"));
            }
        }
    }
    if is_whole
        && let Some(twice) = before.iter().find(|to| got.iter().filter(|got| got.to == **to).count() > 1)
    {
        return Run::Twice(twice.clone());
    }
    if is_whole { Run::Whole } else { Run::Crashed }
}

/// How many calls of the disk it takes until all is done that can be done at once.
fn steps() -> usize {
    let when = |step| When { step, pause: MINUTE, again: 0 };
    (10..).step_by(10).find(|step| crash_run(0, when(*step), Forgets::Nothing) == Run::Whole).unwrap()
}

#[test]
fn ten_thousand_crashes_lose_nothing() {
    let steps = steps();
    assert!((60..600).contains(&steps), "{steps} steps for three messages");
    let (mut crashes, mut whole) = (0, 0);
    for seed in 1.. {
        for step in 1..=steps {
            // Every third time the power fails again soon after.
            let again = if (seed as usize + step).is_multiple_of(3) { 1 + (step * 7) % 40 } else { 0 };
            let when = When { step, pause: MINUTE, again };
            match crash_run(seed, when, Forgets::Nothing) {
                Run::Whole => whole += 1,
                Run::Crashed => {}
                bad => panic!("{bad:?}: seed {seed}, {when:?}"),
            }
            crashes += 1;
        }
        if crashes >= 10_000 {
            break;
        }
    }
    assert!(whole > 0 && whole < crashes / 2, "{whole} of {crashes}");
}

#[test]
fn what_was_noted_is_not_done_again() {
    for seed in 1..100 {
        let when = When { step: 0, pause: MINUTE, again: 0 };
        assert_eq!(crash_run(seed, when, Forgets::Nothing), Run::Whole, "seed {seed}");
    }
}

#[test]
fn every_fsync_that_is_left_out_is_found() {
    let steps = steps();
    for forgets in
        [Forgets::Mail, Forgets::Record, Forgets::Arrival, Forgets::Report, Forgets::Change, Forgets::Folders]
    {
        let is_bad = |run: &Run| matches!(run, Run::Lost(_) | Run::Twice(_));
        let found = (1..30).any(|seed| {
            // Step 0: it fails when all is quiet.
            (0..=steps).any(|step| is_bad(&crash_run(seed, When { step, pause: MINUTE, again: 0 }, forgets)))
        });
        assert!(found, "{forgets:?}");
    }
}
