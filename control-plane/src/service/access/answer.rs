//! Answers that are made while they are taken: a client that is slow slows its own answer and nothing
//! else, and one that goes, or that takes nothing for long, ends it.

use std::time::Duration;

use futures::{Stream, StreamExt as _, stream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::source::broke;
use crate::service::ServiceError;

/// Parts that are ready before the client takes them.
const AHEAD: usize = 32;
/// How long an answer waits for its client to take a part: what it is made of is in memory meanwhile.
const PATIENCE: Duration = Duration::from_mins(1);

/// Where the parts of an answer go.
pub struct Sink<T>(mpsc::Sender<T>);

impl<T> Sink<T> {
    /// Waits until the client has room for another part.
    pub async fn send(&self, part: T) -> Result<(), ServiceError> {
        let aborted = |why: &str| ServiceError::Aborted(why.to_owned());
        match timeout(PATIENCE, self.0.send(part)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(aborted("nobody takes the answer any more")),
            Err(_) => Err(aborted("the answer was not taken in time")),
        }
    }
}

struct Answer<T> {
    parts: mpsc::Receiver<T>,
    /// On its own: nobody asks the stream of a client that takes nothing.
    work: JoinHandle<Result<(), ServiceError>>,
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        self.work.abort();
    }
}

/// The parts that `make` sends, and the error with which it ends. It begins when the stream is asked,
/// and runs no further ahead than a few parts.
pub fn answer<T: Send + 'static, W>(
    make: impl FnOnce(Sink<T>) -> W,
) -> impl Stream<Item = Result<T, ServiceError>> + Send + 'static
where
    W: Future<Output = Result<(), ServiceError>> + Send + 'static,
{
    let (send, parts) = mpsc::channel(AHEAD);
    let work = make(Sink(send));
    let begin = stream::once(async move { Answer { parts, work: tokio::spawn(work) } });
    let parts = begin.map(|answer| {
        stream::unfold(Some(answer), |answer| async move {
            let mut answer = answer?;
            match answer.next().await {
                Ok(Some(part)) => Some((Ok(part), Some(answer))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        })
    });
    parts.flatten()
}

impl<T> Answer<T> {
    /// How the work ended is said after all parts.
    async fn next(&mut self) -> Result<Option<T>, ServiceError> {
        if let Some(part) = self.parts.recv().await {
            return Ok(Some(part));
        }
        (&mut self.work).await.map_err(|error| broke(&error))?.map(|()| None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn parts_come_in_order_and_the_error_last() {
        let parts = answer(|sink| async move {
            for part in 0..100 {
                sink.send(part).await?;
            }
            Err(ServiceError::invalid("the end"))
        });
        let all: Vec<_> = parts.collect().await;
        assert_eq!(all.len(), 101);
        let good: Vec<i32> = all.iter().filter_map(|part| part.as_ref().ok().copied()).collect();
        assert_eq!(good, (0..100).collect::<Vec<_>>());
        assert!(all.last().is_some_and(Result::is_err));
    }

    #[tokio::test]
    async fn it_runs_only_as_far_as_it_is_taken() {
        let (sent, count) = (std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0)), 10_000);
        let counted = sent.clone();
        let mut parts = Box::pin(answer(|sink| async move {
            for part in 0..count {
                sink.send(part).await?;
                counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
            Ok(())
        }));
        assert!(parts.next().await.is_some_and(|part| part.is_ok()));
        drop(parts);
        assert!(sent.load(std::sync::atomic::Ordering::Relaxed) <= AHEAD + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_it_is_made_of_goes_when_nobody_takes_it() {
        let made_of = std::sync::Arc::new(());
        let held = made_of.clone();
        let mut parts = Box::pin(answer(|sink| async move {
            loop {
                sink.send(held.clone()).await?;
            }
        }));
        assert!(parts.next().await.is_some_and(|part| part.is_ok()));
        tokio::time::sleep(PATIENCE * 2).await;
        // What was sent is there, and the work's own is not.
        assert_eq!(std::sync::Arc::strong_count(&made_of), 1 + AHEAD);
        let rest: Vec<_> = parts.collect().await;
        assert!(rest.len() <= AHEAD + 1 && rest.last().is_some_and(Result::is_err));
    }
}
