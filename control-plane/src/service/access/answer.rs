//! Answers that are made while they are taken: a client that is slow slows its own answer and nothing
//! else, and one that goes ends it.

use std::pin::Pin;

use futures::{Stream, stream};
use tokio::sync::mpsc;

use crate::service::ServiceError;

/// Parts that are ready before the client takes them.
const AHEAD: usize = 32;

/// Where the parts of an answer go.
pub struct Sink<T>(mpsc::Sender<T>);

impl<T> Sink<T> {
    /// Waits until the client has room for another part.
    pub async fn send(&self, part: T) -> Result<(), ServiceError> {
        let gone = |_| ServiceError::Aborted("nobody takes the answer any more".to_owned());
        self.0.send(part).await.map_err(gone)
    }
}

type Work = Pin<Box<dyn Future<Output = Result<(), ServiceError>> + Send>>;

struct Answer<T> {
    parts: mpsc::Receiver<T>,
    work: Option<Work>,
    /// How the work ended: said after all parts.
    ended: Result<(), ServiceError>,
}

/// The parts that `make` sends, and the error with which it ends. It runs only while the stream is
/// asked for more.
pub fn answer<T: Send + 'static, W>(
    make: impl FnOnce(Sink<T>) -> W,
) -> impl Stream<Item = Result<T, ServiceError>> + Send + 'static
where
    W: Future<Output = Result<(), ServiceError>> + Send + 'static,
{
    let (send, parts) = mpsc::channel(AHEAD);
    let answer = Answer { parts, work: Some(Box::pin(make(Sink(send)))), ended: Ok(()) };
    stream::unfold(Some(answer), |answer| async move {
        let mut answer = answer?;
        match answer.next().await {
            Ok(Some(part)) => Some((Ok(part), Some(answer))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    })
}

impl<T> Answer<T> {
    async fn next(&mut self) -> Result<Option<T>, ServiceError> {
        loop {
            let Some(work) = &mut self.work else {
                let part = self.parts.recv().await;
                return match part {
                    Some(part) => Ok(Some(part)),
                    None => std::mem::replace(&mut self.ended, Ok(())).map(|()| None),
                };
            };
            tokio::select! {
                biased;
                Some(part) = self.parts.recv() => return Ok(Some(part)),
                ended = work => {
                    self.work = None;
                    self.ended = ended;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;

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
}
