//! A fixed number of threads that compute, a bounded queue before them, and memory that each thread
//! keeps between jobs and gives back when there are none.

use std::{
    collections::VecDeque,
    io,
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tokio::sync::oneshot;

/// A worker without work for this long frees its memory.
const IDLE: Duration = Duration::from_secs(10);

/// The queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused;

/// The threads. They end when this is dropped.
pub(super) struct Workers<M> {
    queue: Arc<Queue<M>>,
}

struct Queue<M> {
    waiting: Mutex<Waiting<M>>,
    changed: Condvar,
    capacity: usize,
}

struct Waiting<M> {
    jobs: VecDeque<Job<M>>,
    idle: usize,
    closed: bool,
}

type Job<M> = Box<dyn FnOnce(&mut M) + Send>;

impl<M: Default + 'static> Workers<M> {
    /// Starts `count` threads, before which at most `capacity` jobs wait.
    pub(super) fn start(count: NonZeroUsize, capacity: usize) -> io::Result<Self> {
        let queue = Arc::new(Queue {
            waiting: Mutex::new(Waiting {
                jobs: VecDeque::new(),
                idle: count.get(),
                closed: false,
            }),
            changed: Condvar::new(),
            capacity,
        });
        let workers = Self { queue };
        for _ in 0..count.get() {
            let queue = Arc::clone(&workers.queue);
            thread::Builder::new()
                .name("password".to_owned())
                .spawn(move || queue.work())?;
        }
        Ok(workers)
    }

    /// Puts `job` into the queue. It is not begun if its answer is no longer awaited by then.
    pub(super) fn submit<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut M) -> T + Send + 'static,
    ) -> Result<oneshot::Receiver<T>, Refused> {
        let (sender, receiver) = oneshot::channel();
        let job = Box::new(move |memory: &mut M| {
            if !sender.is_closed() {
                // Whoever asked may leave meanwhile; then nobody needs the answer.
                let _ = sender.send(job(memory));
            }
        });
        let mut waiting = self.queue.lock();
        if waiting.jobs.len() >= self.queue.capacity + waiting.idle {
            return Err(Refused);
        }
        waiting.jobs.push_back(job);
        drop(waiting);
        self.queue.changed.notify_one();
        Ok(receiver)
    }
}

impl<M> Drop for Workers<M> {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.changed.notify_all();
    }
}

impl<M> Queue<M> {
    /// A worker that panicked has not harmed the queue.
    fn lock(&self) -> MutexGuard<'_, Waiting<M>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M: Default> Queue<M> {
    fn work(&self) {
        let mut memory = M::default();
        while let Some(job) = self.next(&mut memory) {
            if catch_unwind(AssertUnwindSafe(|| job(&mut memory))).is_err() {
                memory = M::default();
            }
            self.lock().idle += 1;
        }
    }

    /// The next job; `None` when the queue is closed. Frees `memory` when there is none for long.
    fn next(&self, memory: &mut M) -> Option<Job<M>> {
        let mut waiting = self.lock();
        loop {
            if waiting.closed {
                return None;
            }
            if let Some(job) = waiting.jobs.pop_front() {
                waiting.idle -= 1;
                return Some(job);
            }
            let (guard, timeout) = self
                .changed
                .wait_timeout(waiting, IDLE)
                .unwrap_or_else(PoisonError::into_inner);
            waiting = guard;
            if timeout.timed_out() {
                *memory = M::default();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    const TWO: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);

    /// Occupies every worker until the returned barrier is passed.
    fn occupy(workers: &Workers<()>, count: usize) -> Arc<Barrier> {
        let started = Arc::new(Barrier::new(count + 1));
        let release = Arc::new(Barrier::new(count + 1));
        for _ in 0..count {
            let (started, release) = (Arc::clone(&started), Arc::clone(&release));
            let answer = workers.submit(move |()| {
                started.wait();
                release.wait();
            });
            // Keep the answer awaited, or the job would be skipped.
            std::mem::forget(answer.unwrap());
        }
        started.wait();
        release
    }

    #[tokio::test]
    async fn c149_five_hundred_at_once_are_bounded_and_the_rest_is_refused() {
        let workers = Workers::<()>::start(TWO, 8).unwrap();
        let release = occupy(&workers, 2);
        let running = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let answers: Vec<_> = (0..500)
            .map(|_| {
                let (running, most) = (Arc::clone(&running), Arc::clone(&most));
                workers.submit(move |()| {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    thread::yield_now();
                    running.fetch_sub(1, Ordering::SeqCst);
                })
            })
            .collect();
        let refused = answers.iter().filter(|answer| answer.is_err()).count();
        assert_eq!(refused, 492);
        release.wait();
        for answer in answers.into_iter().flatten() {
            answer.await.unwrap();
        }
        assert!((1..=2).contains(&most.load(Ordering::SeqCst)));
    }

    #[tokio::test]
    async fn a_job_that_nobody_waits_for_is_not_begun() {
        let workers = Workers::<()>::start(NonZeroUsize::MIN, 8).unwrap();
        let release = occupy(&workers, 1);
        let begun = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&begun);
        drop(workers.submit(move |()| count.fetch_add(1, Ordering::SeqCst)));
        let last = workers.submit(|()| ()).unwrap();
        release.wait();
        last.await.unwrap();
        assert_eq!(begun.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn a_job_that_panics_takes_no_worker_with_it() {
        let workers = Workers::<Vec<u8>>::start(NonZeroUsize::MIN, 8).unwrap();
        let broken = workers.submit(|memory| {
            memory.push(1);
            panic!("injected");
        });
        assert!(broken.unwrap().await.is_err());
        let next = workers.submit(|memory| memory.len()).unwrap();
        assert_eq!(next.await.unwrap(), 0);
    }

    #[tokio::test]
    async fn memory_is_kept_from_job_to_job() {
        let workers = Workers::<Vec<u8>>::start(NonZeroUsize::MIN, 8).unwrap();
        let first = workers.submit(|memory| memory.push(1)).unwrap();
        first.await.unwrap();
        let second = workers.submit(|memory| memory.len()).unwrap();
        assert_eq!(second.await.unwrap(), 1);
    }
}
