//! Mail that stays on a developer's machine.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;

use crate::application::ports::{Letter, Mailbox, Mailer, SendError};

/// Mails kept at most.
const MOST: usize = 100;

/// Keeps the latest mails until the process ends.
#[derive(Default)]
pub struct MemoryMailer(Mutex<VecDeque<Letter>>);

#[async_trait]
impl Mailer for MemoryMailer {
    async fn send(&self, letter: &Letter) -> Result<(), SendError> {
        let mut letters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        letters.push_front(letter.clone());
        letters.truncate(MOST);
        Ok(())
    }
}

impl Mailbox for MemoryMailer {
    fn letters(&self) -> Vec<Letter> {
        let letters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        letters.iter().cloned().collect()
    }
}
