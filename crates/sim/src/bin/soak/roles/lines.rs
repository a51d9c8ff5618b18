//! [`LineServer`] and [`LineClient`]: a dialogue of lines that may push a layer and switch protocols midway.

use super::{Echo, Source, draw, moment};
use crate::{ledger::End, veil::Veil, watched::Watched};
use std::collections::VecDeque;
use trenza_core::{Input, Protocol, Result, Transport};

/// The longest line, without its end.
const LINE_MAX: usize = 200;

/// Answers each line with its length; at `veil` it pushes a layer, at `switch` it becomes an echo.
pub(crate) struct LineServer(End);

impl LineServer {
    pub(crate) fn new(end: &End) -> Self {
        Self(end.clone())
    }

    fn line(&mut self, transport: &Transport, line: &[u8]) {
        match line {
            b"veil" => {
                self.0.write(transport, b"ok\r\n");
                transport.push_layer(Veil::server());
            }
            b"switch" => {
                self.0.write(transport, b"ok\r\n");
                transport.switch_to(Watched::new(&self.0, "echo", Echo::new(&self.0)));
            }
            _ if draw(transport, 4) == 0 => {
                // It answers later, and reads the next line after that.
                self.0.pause(transport);
                let answer = format!("{}\r\n", line.len());
                let later = transport.handle::<Self>().call_later(
                    moment(transport),
                    move |me: &mut Self, transport| {
                        me.0.write(transport, answer.as_bytes());
                        me.0.resume(transport);
                        Ok(())
                    },
                );
                transport.attach(later);
            }
            _ => self.0.write(transport, format!("{}\r\n", line.len()).as_bytes()),
        }
    }

    fn lines(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        // Goes on after what it asked for has frozen the input, as a careless program does: nothing must come.
        while let Some(line) = input.line(LINE_MAX)? {
            self.0.read(line);
            self.0.read(b"\r\n");
            self.line(transport, line);
        }
        Ok(())
    }
}

impl Protocol for LineServer {
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        self.lines(transport, input)
    }

    fn eof_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        self.lines(transport, input)?;
        self.0.ended();
        self.0.close(transport);
        Ok(())
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Lines(usize),
    Veil,
    Switch,
}

/// Says its lines, several at a time, and hears the answers.
pub(crate) struct LineClient {
    end: End,
    steps: VecDeque<Step>,
    current: Option<Step>,
    /// The lengths of lines whose answers have not come.
    owed: VecDeque<usize>,
    /// Where the echo begins, after the switch.
    raw_from: usize,
    large: usize,
}

impl LineClient {
    /// One that may push a layer and switch; then it writes at most `large` bytes.
    pub(crate) fn new(end: &End, veil: bool, switch: bool, large: usize) -> Self {
        let mut steps = VecDeque::from([Step::Lines(12)]);
        steps.extend(veil.then_some([Step::Veil, Step::Lines(8)]).into_iter().flatten());
        steps.extend(switch.then_some(Step::Switch));
        Self { end: end.clone(), steps, current: None, owed: VecDeque::new(), raw_from: 0, large }
    }

    fn next(&mut self, transport: &Transport) {
        self.current = self.steps.pop_front();
        match self.current {
            None => self.end.close_write(transport),
            Some(Step::Veil) => self.end.write(transport, b"veil\r\n"),
            Some(Step::Lines(most)) => {
                for _ in 0..1 + draw(transport, most) {
                    let line: Vec<u8> =
                        vec![b'a' + draw(transport, 26) as u8; 7 + draw(transport, LINE_MAX - 7)];
                    self.owed.push_back(line.len());
                    self.end.write(transport, &line);
                    self.end.write(transport, b"\r\n");
                }
            }
            Some(Step::Switch) => {
                // What follows at once belongs to the next protocol already.
                self.end.write(transport, b"switch\r\n");
                self.raw_from = self.end.written();
                self.end.write(transport, &self.end.fresh(1 + draw(transport, 100)));
            }
        }
    }

    fn answer(&mut self, transport: &Transport, line: &[u8]) -> Result {
        match (self.current, self.owed.pop_front()) {
            (Some(Step::Lines(_)), Some(length)) if line == length.to_string().as_bytes() => {
                if self.owed.is_empty() {
                    self.next(transport);
                }
            }
            (Some(Step::Veil), None) if line == b"ok" => {
                transport.push_layer(Veil::client());
                self.next(transport);
            }
            (Some(Step::Switch), None) if line == b"ok" => {
                let source = Source::after(&self.end, draw(transport, self.large), self.raw_from);
                transport.switch_to(Watched::new(&self.end, "source", source));
            }
            (step, owed) => return Err(format!("{line:?} is no answer to {step:?}, {owed:?}").into()),
        }
        Ok(())
    }
}

impl Protocol for LineClient {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        self.next(transport);
        Ok(())
    }

    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        while let Some(line) = input.line(LINE_MAX)? {
            self.end.read(line);
            self.end.read(b"\r\n");
            if let Err(error) = self.answer(transport, line) {
                self.end.broke(&error);
                return Err(error);
            }
        }
        Ok(())
    }

    fn eof_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        self.end.read(input.rest());
        self.end.ended();
        self.end.close(transport);
        Ok(())
    }
}
