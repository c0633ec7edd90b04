//! `hanse drift --watch`: goes on until Ctrl-C, also over the hub's absence.

use std::collections::BTreeSet;
use std::time::Duration;

use hanse_proto::admin::drift::State;
use hanse_proto::admin::watch_drift_response::Event;
use hanse_proto::admin::{Drift, WatchDriftRequest};

use super::one_line;
use crate::app::Session;
use crate::failure::{Failure, Outcome};
use crate::hub::Hub;
use crate::output::{self, Format};
use crate::text::count;
use crate::trouble;

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
    fn is_new(&mut self, drift: &Drift) -> bool {
        if drift.state() != State::Open {
            self.open.remove(&drift.id);
            self.again.iter_mut().for_each(|again| {
                again.remove(&drift.id);
            });
            return true;
        }
        let known = self.open.contains(&drift.id);
        if self.open.len() < MAX_REMEMBERED {
            self.open.insert(drift.id.clone());
        }
        match &mut self.again {
            Some(again) => {
                if again.len() < MAX_REMEMBERED {
                    again.insert(drift.id.clone());
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

struct Watch<'a> {
    cluster: &'a str,
    format: Format,
    shown: Shown,
    pauses: Pauses,
    /// The connection was lost, and the person was told.
    lost: bool,
}

pub(super) async fn run(session: &Session, hub: Hub, cluster: &str, format: Format) -> Outcome {
    let mut watch = Watch {
        cluster,
        format,
        shown: Shown::default(),
        pauses: Pauses(FIRST_PAUSE),
        lost: false,
    };
    let mut hub = Some(hub);
    let mut begun = false;
    loop {
        let connected = match hub.take() {
            Some(hub) => Ok(hub),
            None => session.hub().await,
        };
        let failure = match connected {
            Ok(hub) => watch.follow(&hub, &mut begun).await,
            Err(failure) => failure,
        };
        if !begun || !passes(&failure) {
            return Err(failure);
        }
        if !watch.lost {
            watch.lost = true;
            output::note(&format!("{}; connecting again (Ctrl-C ends)", failure.summary()));
        }
        tokio::time::sleep(watch.pauses.next()).await;
    }
}

impl Watch<'_> {
    /// Shows what comes on one connection until it ends, and says why.
    async fn follow(&mut self, hub: &Hub, begun: &mut bool) -> Failure {
        match self.events(hub, begun).await {
            Err(failure) => failure,
            Ok(()) => Failure::new("aborted", "the hub ended the watch"),
        }
    }

    async fn events(&mut self, hub: &Hub, begun: &mut bool) -> Outcome<()> {
        let mut service = hub.drift_service();
        let request = WatchDriftRequest { cluster: self.cluster.to_owned() };
        let mut stream = hub.call(service.watch_drift(request)).await?;
        *begun = true;
        self.shown.connected();
        while let Some(message) = stream.message().await.map_err(|status| hub.failure(&status))? {
            let new = match &message.event {
                Some(Event::Drift(drift)) => self.shown.is_new(drift),
                Some(Event::Synced(_)) => {
                    self.synced();
                    true
                }
                None => false,
            };
            match message.event {
                Some(_) if self.format == Format::Json && new => output::json_line(&message)?,
                Some(Event::Drift(drift)) if self.format != Format::Json && new => {
                    output::line(&one_line(&drift))?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn synced(&mut self) {
        let gone = self.shown.synced();
        self.pauses = Pauses(FIRST_PAUSE);
        let lost = std::mem::take(&mut self.lost);
        if lost {
            let gone = match gone {
                0 => String::new(),
                n => format!("; {} ended meanwhile: hanse drift --history", count(n, "case")),
            };
            output::note(&format!("connected again, watching for changes{gone}"));
        } else if self.format != Format::Json {
            output::note("this is what stands now; watching for changes (Ctrl-C ends)");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drift(id: &str, state: State) -> Drift {
        Drift { id: id.into(), state: state.into(), ..Drift::default() }
    }

    #[test]
    fn what_was_shown_is_not_shown_again_after_a_new_connection() {
        let mut shown = Shown::default();
        shown.connected();
        assert!(shown.is_new(&drift("a", State::Open)) && shown.is_new(&drift("b", State::Open)));
        assert_eq!(shown.synced(), 0);
        assert!(shown.is_new(&drift("a", State::Open)), "a live change is news");
        assert!(shown.is_new(&drift("b", State::Corrected)));
        assert!(shown.is_new(&drift("c", State::Open)));
        shown.connected();
        assert!(!shown.is_new(&drift("a", State::Open)));
        assert!(shown.is_new(&drift("b", State::Open)), "it was shown as corrected");
        assert_eq!(shown.synced(), 1, "c is gone");
        shown.connected();
        assert!(shown.is_new(&drift("c", State::Open)));
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
