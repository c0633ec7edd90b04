//! Who tells the story, and to whom.

use std::time::Duration;

use crate::hanse::Printed;

/// Hears what happens.
pub trait Narrator {
    /// A step begins: what it is about.
    fn step(&mut self, title: &str, why: &str);
    /// A person types a command.
    fn types(&mut self, command: &str);
    /// What it printed.
    fn prints(&mut self, printed: &Printed);
    /// Something was seen on a cluster or at the hub, so long after what caused it.
    fn sees(&mut self, what: &str, after: Option<Duration>);
}

/// Tells nobody.
#[derive(Debug)]
pub struct Silent;

impl Narrator for Silent {
    fn step(&mut self, _: &str, _: &str) {}
    fn types(&mut self, _: &str) {}
    fn prints(&mut self, _: &Printed) {}
    fn sees(&mut self, _: &str, _: Option<Duration>) {}
}

/// Tells whoever sits before the terminal.
#[derive(Debug, Default)]
pub struct Printing {
    steps: usize,
}

impl Narrator for Printing {
    fn step(&mut self, title: &str, why: &str) {
        self.steps += 1;
        anstream::println!("\n\x1b[1m{}. {title}\x1b[0m", self.steps);
        for line in why.lines() {
            anstream::println!("   {}", line.trim());
        }
        anstream::println!();
    }

    fn types(&mut self, command: &str) {
        anstream::println!("   \x1b[36m$ {command}\x1b[0m");
    }

    fn prints(&mut self, printed: &Printed) {
        for line in printed.stderr.lines().chain(printed.stdout.lines()) {
            anstream::println!("     {line}");
        }
        anstream::println!();
    }

    fn sees(&mut self, what: &str, after: Option<Duration>) {
        let after = after.map_or_else(String::new, |after| {
            format!(" \x1b[2m({} ms later)\x1b[0m", after.as_millis())
        });
        anstream::println!("   \x1b[32m√\x1b[0m {what}{after}");
    }
}
