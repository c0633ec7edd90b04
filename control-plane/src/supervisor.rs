//! Every task of the hub runs here, and ends in one of two ways: softly, when it is asked to, or
//! hard, when it did not in time. A task that ends by itself ends the process.

use std::fmt::Display;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long tasks have to end by themselves.
const SOFT: Duration = Duration::from_secs(5);
/// And once they were cut off.
const HARD: Duration = Duration::from_secs(2);

/// Owns the tasks. Clones share them.
#[derive(Clone, Default)]
pub struct Supervisor {
    soft: CancellationToken,
    hard: CancellationToken,
    tasks: TaskTracker,
    failure: Arc<Mutex<Option<String>>>,
}

impl Supervisor {
    /// Cancelled when everything should come to its end.
    pub fn soft(&self) -> CancellationToken {
        self.soft.clone()
    }

    /// For work that must run to its end once it was begun, whoever waits for it.
    pub fn tracker(&self) -> TaskTracker {
        self.tasks.clone()
    }

    /// Runs a task until it ends or is cut off. It must not end before `soft` is cancelled.
    pub fn spawn<E: Display>(
        &self,
        name: &'static str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let this = self.clone();
        self.tasks.spawn(async move {
            let task = AssertUnwindSafe(task).catch_unwind();
            let why = match this.hard.run_until_cancelled(task).await {
                // Cut off.
                None => return,
                Some(Ok(Ok(()))) if this.soft.is_cancelled() => return,
                Some(Ok(Ok(()))) => "it ended".to_owned(),
                Some(Ok(Err(error))) => error.to_string(),
                Some(Err(_)) => "it panicked".to_owned(),
            };
            tracing::error!(task = name, why, "the task {name} failed: {why}");
            this.fail(format!("{name}: {why}"));
        });
    }

    /// Ends everything and waits for it. `Err` says which task failed.
    pub async fn shut_down(&self) -> Result<(), String> {
        self.soft.cancel();
        self.tasks.close();
        if timeout(SOFT, self.tasks.wait()).await.is_err() {
            tracing::warn!("{} tasks did not end in time", self.tasks.len());
            self.hard.cancel();
            if timeout(HARD, self.tasks.wait()).await.is_err() {
                self.fail("tasks that cannot be ended".to_owned());
            }
        }
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        failure.map_or(Ok(()), Err)
    }

    fn fail(&self, why: String) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert(why);
        drop(failure);
        self.soft.cancel();
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::panic, reason = "a task that panics is what is tested")]

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn tasks_end_softly_or_hard() {
        let supervisor = Supervisor::default();
        let soft = supervisor.soft();
        supervisor.spawn("soft", async move {
            soft.cancelled().await;
            Ok::<_, String>(())
        });
        supervisor.spawn("deaf", std::future::pending::<Result<(), String>>());
        assert_eq!(supervisor.shut_down().await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_ends_by_itself_ends_everything() {
        let outcomes: [fn() -> Result<(), String>; 3] =
            [|| Ok(()), || Err("broken".to_owned()), || std::panic::panic_any("panic")];
        for outcome in outcomes {
            let supervisor = Supervisor::default();
            supervisor.spawn("task", async move { outcome() });
            supervisor.soft().cancelled().await;
            let failure = supervisor.shut_down().await;
            assert!(failure.is_err_and(|why| why.starts_with("task: ")));
        }
    }
}
