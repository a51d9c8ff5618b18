//! What hosts do besides connections: timers, jobs, connects that lead nowhere.

use crate::{
    judge::{Invariant, Judge},
    roles::draw_from,
};
use std::{cell::Cell, rc::Rc, time::Duration};
use trenza_core::{Input, Protocol, Reactor, Result, Transport};

/// Sets a timer, and does with it what one does with timers.
pub(crate) fn timer(reactor: &Reactor, judge: &Rc<Judge>) {
    let ms = |most| Duration::from_millis(draw_from(reactor, most) as u64);
    let first = ms(300);
    let due = Rc::new(Cell::new(Some(reactor.now() + first)));
    let (question, known, clock, place) = (judge.ask("a timer"), judge.clone(), reactor.clone(), due.clone());
    let timer = reactor.call_later(first, move || {
        question.answered();
        match place.take() {
            None => known.breach(Invariant::Timers, "a timer fired that was cancelled"),
            Some(due) if clock.now() != due => {
                let late = clock.now().saturating_duration_since(due);
                known.breach(Invariant::Timers, format!("a timer fired {late:?} late (0: early)"));
            }
            Some(_) => {}
        }
    });
    let (fate, after, again) = (draw_from(reactor, 4), ms(350), ms(300));
    let (known, clock) = (judge.clone(), reactor.clone());
    let meddle = move || match fate {
        0 if timer.is_pending() => {
            due.set(None);
            known.dropping(|| timer.cancel());
        }
        1 if timer.is_pending() => {
            due.set(Some(clock.now() + again));
            timer.reset(again);
            timer.detach();
        }
        _ => timer.detach(),
    };
    reactor.call_later(after, meddle).detach();
}

/// Runs jobs, some of which panic or whose answers nobody wants.
pub(crate) fn job(reactor: &Reactor, judge: &Rc<Judge>) {
    let n = draw_from(reactor, 1000);
    let answer = reactor.in_thread(move || match n % 10 {
        0 => Err("it was told to fail".into()),
        _ => Ok(n * 2),
    });
    let fails = n.is_multiple_of(10);
    if n % 10 == 1 || judge.jobs_hang() {
        return answer.cancel();
    }
    let (question, known) = (judge.ask("a job"), judge.clone());
    answer.then(move |result| {
        question.answered();
        match result {
            Ok(twice) if twice == n * 2 && !fails => {}
            Err(_) if fails || known.is_rough() => {}
            result => known.breach(Invariant::Answers, format!("the job {n} gives {result:?}")),
        }
    });
}

/// Nobody is there, so nobody may be made.
struct Nobody(Rc<Judge>);

impl Protocol for Nobody {
    fn connection_made(&mut self, _: &Transport) -> Result {
        self.0.breach(Invariant::Order, "a protocol was made of a connect that leads nowhere");
        Ok(())
    }

    fn data_received(&mut self, _: &Transport, _: &mut Input<'_>) -> Result {
        Ok(())
    }
}

/// Connects to where nobody is, and at times gives up.
pub(crate) fn wrong_number(reactor: &Reactor, judge: &Rc<Judge>) {
    let targets = [
        "tcp:nobody:7000",
        "tcp:srv:9",
        "tcp:10.99.0.1:7000:timeout=2",
        "tcp:[fd99::1]:7000:timeout=2",
        "tcp:srv",
        "tcp:srv:9:bind=10.99.0.1",
    ];
    let to = targets[draw_from(reactor, targets.len())];
    let known = judge.clone();
    let connected = reactor.connect(to, move |_| Nobody(known));
    match draw_from(reactor, 4) {
        0 => {
            let delay = Duration::from_micros(draw_from(reactor, 3000) as u64);
            reactor.call_later(delay, move || connected.cancel()).detach();
        }
        _ => {
            let (question, known) = (judge.ask("a wrong number"), judge.clone());
            connected.then(move |result| {
                question.answered();
                if result.is_ok() {
                    known.breach(Invariant::Answers, format!("a connect to {to} succeeded"));
                }
            });
        }
    }
}
