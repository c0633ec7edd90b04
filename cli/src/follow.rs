//! A watch that goes on until Ctrl-C, also over the hub's absence, and shows nothing twice.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::app::Session;
use crate::failure::{Failure, Outcome};
use crate::hub::Hub;
use crate::text::count;
use crate::{output, trouble};

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How much of what stands is remembered; the rest is shown again after a new connection.
const MAX_REMEMBERED: usize = 20_000;

/// What was shown as open and has not been shown as anything else since.
#[derive(Debug, Default)]
struct Shown {
    open: BTreeSet<String>,
    /// Open things that came on this connection, until it is synced.
    again: Option<BTreeSet<String>>,
}

impl Shown {
    /// A connection begins: what stands comes anew.
    fn connected(&mut self) {
        self.again = Some(BTreeSet::new());
    }

    /// Whether a row is new to the person.
    fn is_new(&mut self, id: &str, open: bool) -> bool {
        if !open {
            self.open.remove(id);
            self.again.iter_mut().for_each(|again| {
                again.remove(id);
            });
            return true;
        }
        let known = self.open.contains(id);
        if self.open.len() < MAX_REMEMBERED {
            self.open.insert(id.to_owned());
        }
        match &mut self.again {
            Some(again) => {
                if again.len() < MAX_REMEMBERED {
                    again.insert(id.to_owned());
                }
                !known
            }
            None => true,
        }
    }

    /// All that stands has come. Returns how much of what was shown does not stand any more.
    fn synced(&mut self) -> usize {
        let Some(again) = self.again.take() else { return 0 };
        if again.len() >= MAX_REMEMBERED {
            // What is not among them may have come all the same.
            return 0;
        }
        let gone = self.open.difference(&again).count();
        self.open = again;
        gone
    }
}

/// Between attempts to connect.
#[derive(Debug)]
struct Pauses(Duration);

impl Pauses {
    fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(LONGEST_PAUSE);
        pause
    }
}

/// Whether it may be over in a moment, rather than be a refusal.
fn passes(failure: &Failure) -> bool {
    [trouble::UNREACHABLE, "deadline", "aborted", "too-much", "hub-error"].contains(&failure.code())
}

/// A watch over its connections.
#[derive(Debug)]
pub(crate) struct Following {
    shown: Shown,
    pauses: Pauses,
    /// The hub took a watch once, so that it is worth coming back.
    begun: bool,
    /// The connection was lost, and the person was told.
    lost: bool,
}

impl Following {
    /// The hub took the watch.
    pub(crate) fn connected(&mut self) {
        self.begun = true;
        self.shown.connected();
    }

    /// Whether what came is new to the person. `open`: it stands.
    pub(crate) fn is_new(&mut self, id: &str, open: bool) -> bool {
        self.shown.is_new(id, open)
    }

    /// All that stands has come. `quiet`: nobody reads along; `history`: what lists what ended.
    pub(crate) fn synced(&mut self, quiet: bool, history: &str) {
        let gone = self.shown.synced();
        self.pauses = Pauses(FIRST_PAUSE);
        if std::mem::take(&mut self.lost) {
            let gone = match gone {
                0 => String::new(),
                n => format!("; {} ended meanwhile: {history}", count(n, "case")),
            };
            output::note(&format!("connected again, watching for changes{gone}"));
        } else if !quiet {
            output::note("this is what stands now; watching for changes (Ctrl-C ends)");
        }
    }
}

/// Follows what comes on one connection after the other. `events`: shows what comes until the
/// connection ends.
pub(crate) async fn forever(
    session: &Session,
    hub: Hub,
    mut events: impl AsyncFnMut(&Hub, &mut Following) -> Outcome<()>,
) -> Outcome {
    let mut following = Following {
        shown: Shown::default(),
        pauses: Pauses(FIRST_PAUSE),
        begun: false,
        lost: false,
    };
    let mut hub = Some(hub);
    loop {
        let connected = match hub.take() {
            Some(hub) => Ok(hub),
            None => session.hub().await,
        };
        let ended = match connected {
            Ok(hub) => events(&hub, &mut following).await,
            Err(failure) => Err(failure),
        };
        let failure = match ended {
            Err(failure) => failure,
            Ok(()) => Failure::new("aborted", "the hub ended the watch"),
        };
        if !following.begun || !passes(&failure) {
            return Err(failure);
        }
        if !following.lost {
            following.lost = true;
            output::note(&format!("{}; connecting again (Ctrl-C ends)", failure.summary()));
        }
        tokio::time::sleep(following.pauses.next()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_shown_is_not_shown_again_after_a_new_connection() {
        let mut shown = Shown::default();
        shown.connected();
        assert!(shown.is_new("a", true) && shown.is_new("b", true));
        assert_eq!(shown.synced(), 0);
        assert!(shown.is_new("a", true), "a live change is news");
        assert!(shown.is_new("b", false));
        assert!(shown.is_new("c", true));
        shown.connected();
        assert!(!shown.is_new("a", true));
        assert!(shown.is_new("b", true), "it was shown as corrected");
        assert_eq!(shown.synced(), 1, "c is gone");
        shown.connected();
        assert!(shown.is_new("c", true));
    }

    #[test]
    fn pauses_grow_and_refusals_are_final() {
        let mut pauses = Pauses(FIRST_PAUSE);
        let seconds: Vec<u64> = (0..7).map(|_| pauses.next().as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30]);
        for code in ["permission-denied", "tls", "unauthenticated", "certificate-expired"] {
            assert!(!passes(&Failure::new(code, "x")), "{code}");
        }
        assert!(passes(&Failure::new(trouble::UNREACHABLE, "x")));
    }
}
