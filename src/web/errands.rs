//! Work that goes on after its request was answered, so that its time tells the caller nothing.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// Errands under way at once. Each may hold a connection of the database.
const MOST: u16 = 32;

/// Too many are under way: come back later, whoever you ask about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

/// The errands of this node.
#[derive(Clone, Debug)]
pub struct Errands(Arc<Semaphore>);

impl Default for Errands {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(usize::from(MOST))))
    }
}

impl Errands {
    /// Begins an errand and does not wait for it.
    pub fn run(&self, errand: impl Future<Output = ()> + Send + 'static) -> Result<(), Busy> {
        let permit = self.0.clone().try_acquire_owned().map_err(|_| Busy)?;
        tokio::spawn(async move {
            errand.await;
            drop(permit);
        });
        Ok(())
    }

    /// Waits until none is under way.
    pub async fn idle(&self) {
        drop(self.0.acquire_many(u32::from(MOST)).await);
    }
}
