//! One supervisor over all tasks: they end together, in order when asked, and at once when one of
//! them ends by itself.

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// How long tasks may take to end in good order. The process ends within five seconds.
const GRACE: Duration = Duration::from_secs(4);

/// Why a task ended.
pub type TaskError = Box<dyn Error + Send + Sync>;

/// A task that ended although nobody asked for it.
#[derive(Debug, thiserror::Error)]
pub enum Unexpected {
    /// It says why.
    #[error("{name} failed")]
    Failed {
        /// Which task.
        name: &'static str,
        /// Why.
        source: TaskError,
    },
    /// It does not.
    #[error("{0} ended by itself")]
    Ended(&'static str),
    /// A defect; the panic itself has been printed.
    #[error("{0} panicked")]
    Panicked(&'static str),
}

/// Owns every task of the process.
#[derive(Debug, Default)]
pub struct Supervisor {
    tasks: JoinSet<Result<(), TaskError>>,
    names: HashMap<Id, &'static str>,
    soft: CancellationToken,
}

impl Supervisor {
    /// Cancelled when the process is asked to end: finish what is begun and return.
    pub fn soft(&self) -> CancellationToken {
        self.soft.clone()
    }

    /// Starts a task, which runs until it is asked to end.
    pub fn spawn<E: Into<TaskError>>(
        &mut self,
        name: &'static str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let task = async move { task.await.map_err(Into::into) };
        let handle = self.tasks.spawn(task);
        self.names.insert(handle.id(), name);
    }

    /// Runs until `stop` completes, which is a good end, or a task ends, which is not.
    pub async fn run(mut self, stop: impl Future<Output = ()>) -> Result<(), Unexpected> {
        let outcome = tokio::select! {
            () = stop => Ok(()),
            Some(ended) = self.tasks.join_next_with_id() => Err(self.unexpected(ended)),
        };
        self.soft.cancel();
        let rest = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, rest).await.is_err() {
            tracing::warn!("some tasks did not end in time and are cut off");
            self.tasks.shutdown().await;
        }
        outcome
    }

    fn unexpected(&self, ended: Result<(Id, Result<(), TaskError>), JoinError>) -> Unexpected {
        let name = |id| self.names.get(&id).copied().unwrap_or("a task");
        match ended {
            Ok((id, Ok(()))) => Unexpected::Ended(name(id)),
            Ok((id, Err(source))) => Unexpected::Failed { name: name(id), source },
            Err(error) => Unexpected::Panicked(name(error.id())),
        }
    }
}

/// Completes on SIGTERM or SIGINT.
pub async fn signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = term.recv() => tracing::info!("SIGTERM: ending"),
        _ = int.recv() => tracing::info!("SIGINT: ending"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stubborn() -> impl Future<Output = Result<(), TaskError>> {
        std::future::pending()
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_ends_ends_all() {
        let mut supervisor = Supervisor::default();
        supervisor.spawn("one", async { Ok::<(), TaskError>(()) });
        supervisor.spawn("two", stubborn());
        let ended = supervisor.run(std::future::pending()).await;
        assert!(matches!(ended, Err(Unexpected::Ended("one"))), "{ended:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn stopping_is_bounded_and_no_failure() {
        let mut supervisor = Supervisor::default();
        let soft = supervisor.soft();
        supervisor.spawn("good", async move {
            soft.cancelled().await;
            Ok::<(), TaskError>(())
        });
        supervisor.spawn("stubborn", stubborn());
        let begin = tokio::time::Instant::now();
        let ended = supervisor.run(std::future::ready(())).await;
        assert!(ended.is_ok(), "{ended:?}");
        assert!(begin.elapsed() < Duration::from_secs(5));
    }
}
