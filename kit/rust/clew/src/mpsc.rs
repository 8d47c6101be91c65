//! A bounded channel of tokio whose messages carry the context of their sender. Both ends are those of `tokio::sync::mpsc` but for the
//! [`Message`] around each value; take it apart with [`Message::process`].
//!
//! ```
//! # #[cfg(feature = "tokio")] {
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let (sender, mut receiver) = clew::mpsc::channel(16);
//! sender.send("order 7").await.unwrap();
//! drop(sender);
//! while let Some(message) = receiver.recv().await {
//!     message.process("handle order", |order| async move { assert_eq!(order, "order 7") }).await;
//! }
//! # }); }
//! ```

use tokio::sync::mpsc;

pub use tokio::sync::mpsc::error;

use crate::task::Message;

/// Makes a channel that holds at most `capacity` messages.
///
/// # Panics
/// When `capacity` is zero.
#[track_caller]
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = mpsc::channel(capacity);
    (Sender(sender), Receiver(receiver))
}

/// The sending end.
#[derive(Debug)]
pub struct Sender<T>(mpsc::Sender<Message<T>>);

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Sender(self.0.clone())
    }
}

impl<T> Sender<T> {
    /// Sends a value with the current context, when there is room.
    ///
    /// # Errors
    /// Gives the value back when the receiver is gone.
    pub async fn send(&self, value: T) -> Result<(), error::SendError<T>> {
        match self.0.reserve().await {
            Ok(place) => {
                place.send(Message::new(value, true));
                Ok(())
            }
            Err(_) => Err(error::SendError(value)),
        }
    }

    /// Sends a value with the current context, if there is room now.
    ///
    /// # Errors
    /// Gives the value back when the channel is full or the receiver is gone.
    pub fn try_send(&self, value: T) -> Result<(), error::TrySendError<T>> {
        match self.0.try_reserve() {
            Ok(place) => {
                place.send(Message::new(value, true));
                Ok(())
            }
            Err(error::TrySendError::Full(())) => Err(error::TrySendError::Full(value)),
            Err(error::TrySendError::Closed(())) => Err(error::TrySendError::Closed(value)),
        }
    }

    /// The receiver is gone.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

/// The receiving end.
#[derive(Debug)]
pub struct Receiver<T>(mpsc::Receiver<Message<T>>);

impl<T> Receiver<T> {
    /// The next message; `None` when all senders are gone and the channel is empty. Safe to cancel.
    pub async fn recv(&mut self) -> Option<Message<T>> {
        self.0.recv().await
    }

    /// The next message, if there is one now.
    ///
    /// # Errors
    /// When the channel is empty, or all senders are gone.
    pub fn try_recv(&mut self) -> Result<Message<T>, error::TryRecvError> {
        self.0.try_recv()
    }

    /// Refuses messages from now on; those that were sent can still be received.
    pub fn close(&mut self) {
        self.0.close();
    }
}
